"""The kernels of `strided`: both return the number of runs that are done, all or those before one that failed."""

from numba import njit, types

_SIGNATURE = types.int64(types.int32, types.voidptr, types.uint64, types.int64)
_pread = types.ExternalFunction("pread", _SIGNATURE)
_pwrite = types.ExternalFunction("pwrite", _SIGNATURE)


@njit("int64(int32, uint8[::1], int64[::1])", cache=True, nogil=True)
def read_runs(descriptor, data, offsets):
    size = data.size // offsets.size
    for k in range(offsets.size):
        if _pread(descriptor, data[k * size :].ctypes, size, offsets[k]) != size:
            return k
    return offsets.size


@njit("int64(int32, uint8[::1], int64[::1])", cache=True, nogil=True)
def write_runs(descriptor, data, offsets):
    size = data.size // offsets.size
    for k in range(offsets.size):
        if _pwrite(descriptor, data[k * size :].ctypes, size, offsets[k]) != size:
            return k
    return offsets.size
