"""The kernels of `byte_runs`.

Those that move runs return the number of runs that are done, all or those before one that failed.
"""

from numba import int32, int64, types, uint16, uint32, void

from rampflow.kernels import I64_1, U8_1, U16_1, U32_1, kernel

_SIGNATURE = types.int64(types.int32, types.voidptr, types.uint64, types.int64)
_pread = types.ExternalFunction("pread", _SIGNATURE)
_pwrite = types.ExternalFunction("pwrite", _SIGNATURE)


@kernel(int64(int32, U8_1, I64_1))
def read_runs(descriptor, data, offsets):
    size = data.size // offsets.size
    for k in range(offsets.size):
        if _pread(descriptor, data[k * size :].ctypes, size, offsets[k]) != size:
            return k
    return offsets.size


@kernel(int64(int32, U8_1, I64_1))
def write_runs(descriptor, data, offsets):
    size = data.size // offsets.size
    for k in range(offsets.size):
        if _pwrite(descriptor, data[k * size :].ctypes, size, offsets[k]) != size:
            return k
    return offsets.size


@kernel(void(U16_1, uint16))
def swap_2(values, flip):
    for k in range(values.size):
        value = values[k]
        values[k] = ((value >> uint16(8)) | (value << uint16(8))) ^ flip


@kernel(void(U32_1, uint32))
def swap_4(values, flip):
    for k in range(values.size):
        value = values[k]
        inner = ((value >> uint32(8)) & uint32(0xFF00)) | ((value << uint32(8)) & uint32(0xFF0000))
        values[k] = ((value >> uint32(24)) | inner | (value << uint32(24))) ^ flip
