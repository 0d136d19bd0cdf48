"""The kernels of `byte_runs`: both return the number of runs that are done, all or those before one that failed."""

from numba import int32, int64, types

from rampflow.kernels import I64_1, U8_1, kernel

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
