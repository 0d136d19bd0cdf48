"""Medians of many columns side by side, for the kernels of `ramp_fit`.

Columns are sorted by networks: what is compared does not depend on the data, so that vector instructions do it for
many columns at once. For long columns the network works with single precision, and without what the middle does not
depend on; since rounding keeps the order, it finds the values of double precision that round to the middle, and nearly
always they are one. The results are those of double precision, to the bit.

Columns as long as a series has integrations are not sorted: bit by bit the middle is enclosed, by counting.
"""

import math

import numpy as np
from numba import boolean, float32, float64, int32, int64, njit, uint16, void

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_F2 = float32[:, ::1]
_D1, _D2 = float64[::1], float64[:, ::1]
_I2 = int64[:, ::1]
_K2, _K3 = int32[:, ::1], int32[:, :, ::1]
_H1 = uint16[::1]

#: Columns from this length on are sorted in single precision.
LONG = 12

#: Of single precision: all bits but the sign, infinity, and the lowest integer.
_MAGNITUDE, _INFINITE, _LOWEST = 0x7FFFFFFF, 0x7F800000, -(2**31)


@njit(void(_D2, int64, int64), **_OPTIONS)
def sort_columns(values, n, width):
    """Sort the first `n` rows of every column: a merging network, the same steps whatever the values."""
    size = 1
    while size < n:
        step = size
        while step >= 1:
            for base in range(step % size, n - step, 2 * step):
                for low in range(base, base + min(step, n - step - base)):
                    high = low + step
                    if low // (2 * size) == high // (2 * size):
                        for col in range(width):
                            a = values[low, col]
                            b = values[high, col]
                            values[low, col] = a if a < b else b
                            values[high, col] = b if a < b else a
            step //= 2
        size *= 2


@njit(_I2(int64, boolean), **_OPTIONS)
def network(n, only_middle):
    """List the pairs of rows that `sort_columns` compares, or those of them on which the middle rows depend."""
    pairs = np.empty((n * 4 * max(1, int64(math.log2(max(n, 2)) + 1) ** 2), 2), np.int64)
    count = 0
    size = 1
    while size < n:
        step = size
        while step >= 1:
            for base in range(step % size, n - step, 2 * step):
                for low in range(base, base + min(step, n - step - base)):
                    if low // (2 * size) == (low + step) // (2 * size):
                        pairs[count, 0] = low
                        pairs[count, 1] = low + step
                        count += 1
            step //= 2
        size *= 2
    needed = np.full(n, not only_middle)
    if n > 0:
        needed[(n - 1) // 2] = needed[n // 2] = True
    first = count
    for pair in range(count - 1, -1, -1):
        low, high = pairs[pair]
        if needed[low] or needed[high]:
            needed[low] = needed[high] = True
            first -= 1
            pairs[first, 0] = low
            pairs[first, 1] = high
    return pairs[first:count].copy()


@njit(void(_F2, _I2, int64), **_OPTIONS)
def _compare(keys, pairs, width):
    """Put the pairs of rows in order, one after the other."""
    for pair in range(pairs.shape[0]):
        low, high = keys[pairs[pair, 0], :width], keys[pairs[pair, 1], :width]
        for col in range(width):
            a = low[col]
            b = high[col]
            low[col] = a if a < b else b
            high[col] = b if a < b else a


@njit(void(_D2, int64, int64, _F2, _D2), **_OPTIONS)
def _match(values, n, width, wanted, found):
    """Find the values that round to the two wanted keys: lowest and highest of the one, of the other."""
    found[0, :width] = found[2, :width] = math.inf
    found[1, :width] = found[3, :width] = -math.inf
    lower, upper = wanted[0, :width], wanted[1, :width]
    low_0, high_0, low_1, high_1 = found[0, :width], found[1, :width], found[2, :width], found[3, :width]
    for row in range(n):
        column = values[row, :width]
        for col in range(width):
            value = column[col]
            key = float32(value)
            low_0[col] = value if key == lower[col] and value < low_0[col] else low_0[col]
            high_0[col] = value if key == lower[col] and value > high_0[col] else high_0[col]
            low_1[col] = value if key == upper[col] and value < low_1[col] else low_1[col]
            high_1[col] = value if key == upper[col] and value > high_1[col] else high_1[col]


@njit(void(_D2, int64, int64, _H1, _I2, _I2, _F2, _F2, _D2), **_OPTIONS)
def medians(values, n, width, usable, pairs, middle_pairs, keys, wanted, found):
    """Find the medians of columns of which the `usable` lowest of n values count; the others are infinite.

    Written: row 0 of `found`, where anything is usable. `values` may be sorted. `pairs` and `middle_pairs` are the
    `network` of n; `keys`, shape (n, width), and `wanted`, (2, width), are scratch.
    """
    if n < LONG:
        sort_columns(values, n, width)
        for col in range(width):
            count = int64(usable[col])
            if count > 0:
                found[0, col] = 0.5 * (values[(count - 1) // 2, col] + values[count // 2, col])
        return
    all_usable = True
    for col in range(width):
        all_usable &= usable[col] == n
    for row in range(n):
        for col in range(width):
            keys[row, col] = values[row, col]
    _compare(keys, middle_pairs if all_usable else pairs, width)
    for col in range(width):
        count = max(int64(usable[col]), 1)
        wanted[0, col] = keys[(count - 1) // 2, col]
        wanted[1, col] = keys[count // 2, col]
    _match(values, n, width, wanted, found)
    for col in range(width):
        if found[0, col] == found[1, col] and found[2, col] == found[3, col]:
            found[0, col] = 0.5 * (found[0, col] + found[2, col])
        elif usable[col] > 0:
            column = np.sort(values[:n, col])
            count = int64(usable[col])
            found[0, col] = 0.5 * (column[(count - 1) // 2] + column[count // 2])


@njit(void(_K3, int64, int64, int64, _K2, _K2), **_OPTIONS)
def middles(bits, row, left, width, keys, found):
    """Find the two middle values, which may be one, of columns of single precision, NaN left out.

    Parameters
    ----------
    bits : int32 array
        The values, shape (n, rows, columns), as the integers that their bits are.
    row, left, width : int
        Which columns.
    keys : int32 array
        Scratch, shape (n, width or more).
    found : int32 array
        Rows 0 and 1 receive the values, by their bits, where there are any, row 2 how many there are; two more rows
        are scratch.
    """
    lower, upper, usable, trial, below = found[0], found[1], found[2], found[3], found[4]
    usable[:] = 0
    for i in range(bits.shape[0]):
        for c in range(width):
            # Integers of this kind have the order of the values; the largest one stands for NaN.
            value = bits[i, row, left + c]
            nan = (value & int32(_MAGNITUDE)) > int32(_INFINITE)
            keys[i, c] = int32(_MAGNITUDE) if nan else value ^ ((value >> int32(31)) & int32(_MAGNITUDE))
            usable[c] += int32(0) if nan else int32(1)
    lower[:] = int32(_LOWEST)
    for bit in range(31, -1, -1):
        for c in range(width):
            trial[c] = int32(0) if bit == 31 else lower[c] | int32(1 << bit)
        below[:] = 0
        for i in range(bits.shape[0]):
            for c in range(width):
                below[c] += int32(keys[i, c] < trial[c])
        for c in range(width):
            lower[c] = trial[c] if below[c] <= (usable[c] - 1) // 2 else lower[c]
    below[:] = 0
    upper[:] = int32(_MAGNITUDE)
    for i in range(bits.shape[0]):
        for c in range(width):
            key = keys[i, c]
            below[c] += int32(key <= lower[c])
            upper[c] = key if key > lower[c] and key < upper[c] else upper[c]
    for c in range(width):
        upper[c] = lower[c] if below[c] > usable[c] // 2 else upper[c]
        lower[c] ^= (lower[c] >> int32(31)) & int32(_MAGNITUDE)
        upper[c] ^= (upper[c] >> int32(31)) & int32(_MAGNITUDE)
