"""Bytes in and out of files in runs: many pieces of one length at places of their own, one after the other in memory.

A block of rows of all groups is ten thousand runs for a long time series, and a call from Python for each of them costs
more than what is done with the values; so where there are many, a kernel calls the system.
"""

import os

#: Runs from which the kernel is worth it, and with it the import of numba.
_MANY = 64
#: Bytes of an array from which the one that swaps them is.
_LARGE = 256 << 10


def pwrite_all(descriptor, buffer, offset):
    """Write a buffer to a file at an offset."""
    view = memoryview(buffer).cast("B")
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)


def _pread_all(descriptor, buffer, offset):
    view = memoryview(buffer).cast("B")
    done = 0
    while done < len(view):
        got = os.preadv(descriptor, [view[done:]], offset + done)
        if not got:
            raise EOFError
        done += got


def read(descriptor, values, offsets):
    """Fill an array with runs of a file.

    Parameters
    ----------
    descriptor : int
        The file.
    values : contiguous `~numpy.ndarray`
        What to fill.
    offsets : int64 `~numpy.ndarray`
        Where the runs begin in the file (bytes); they are of equal length.

    Raises
    ------
    EOFError
        The file ends too early.
    """
    _move(descriptor, values, offsets, _pread_all, "read_runs")


def write(descriptor, values, offsets):
    """Write an array in runs to a file; see `read`."""
    _move(descriptor, values, offsets, pwrite_all, "write_runs")


def swap(values, flip=0):
    """Swap the bytes of every element of an array, in place, and flip bits of what that gives.

    numpy swaps bytes in place at a fifth of the pace at which they can be read and written.

    Parameters
    ----------
    values : contiguous `~numpy.ndarray`
        Elements of 2, 4 or 8 bytes.
    flip : int, optional
        Bits to flip.
    """
    size = values.itemsize
    bits = values.reshape(-1).view(f"u{size}")
    if values.nbytes >= _LARGE and size in (2, 4):
        from rampflow.io import _byte_runs

        (_byte_runs.swap_2 if size == 2 else _byte_runs.swap_4)(bits, bits.dtype.type(flip))
        return
    bits.byteswap(inplace=True)
    if flip:
        bits ^= bits.dtype.type(flip)


def _move(descriptor, values, offsets, one, kernel):
    if not values.size:
        return
    data = values.reshape(-1).view("u1")
    size = data.size // offsets.size
    done = 0
    if offsets.size >= _MANY:
        from rampflow.io import _byte_runs

        done = getattr(_byte_runs, kernel)(descriptor, data, offsets)
    # Also the run that the kernel has given up at: here it is an error with a reason, or is done in more calls.
    for k in range(done, offsets.size):
        one(descriptor, data[k * size : (k + 1) * size], int(offsets[k]))
