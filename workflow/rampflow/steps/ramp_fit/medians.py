"""Medians of many columns side by side, for the kernels of `ramp_fit`.

Columns are sorted by networks: what is compared does not depend on the data, so that vector instructions do it for
many columns at once. For long columns the network works with single precision, and without what the middle does not
depend on; since rounding keeps the order, it finds the values of double precision that round to the middle, and nearly
always they are one. The results are those of double precision, to the bit.

Columns as long as a series has integrations are not sorted: bit by bit the middle is enclosed, by counting.

Source: Knuth, The Art of Computer Programming 3, section 5.3.4 (networks, which `sorting` makes).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, void

from rampflow.kernels import F32_2, F64_2, I32_2, I32_3, U16_1, fields, kernel
from rampflow.steps.sorting import network, put_in_order

#: Columns from this length on are sorted in single precision.
LONG = 12

#: Of single precision: all bits but the sign, infinity, and the lowest integer.
_MAGNITUDE, _INFINITE, _LOWEST = 0x7FFFFFFF, 0x7F800000, -(2**31)


class Room(NamedTuple):
    """What medians of n values each are found with, for so many columns.

    Attributes
    ----------
    pairs, middle_pairs : int32 `~numpy.ndarray`
        The `network` of n, whole and for the middle alone.
    keys, wanted : float32 `~numpy.ndarray`
        Scratch, shapes (n, width) and (2, width).
    found : float64 `~numpy.ndarray`
        Row 0 receives the medians; shape (4, width).
    """

    pairs: np.ndarray
    middle_pairs: np.ndarray
    keys: np.ndarray
    wanted: np.ndarray
    found: np.ndarray


ROOM = fields(Room, I32_2, I32_2, F32_2, F32_2, F64_2)


@kernel(ROOM(int64, int64))
def room_for_medians(n, width):
    """Make room for the medians of so many columns of n values."""
    keys, wanted = np.empty((n, width), np.float32), np.empty((2, width), np.float32)
    return Room(network(n, False), network(n, True), keys, wanted, np.empty((4, width)))


@kernel(void(F64_2, int64, int64, F32_2, F64_2))
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


@kernel(void(F64_2, int64, int64, U16_1, ROOM))
def medians(values, n, width, usable, room):
    """Find the medians of columns of which the `usable` lowest of n values count; the others are infinite.

    Written: row 0 of `room.found`, where anything is usable. `values` may be sorted.
    """
    keys, wanted, found = room.keys, room.wanted, room.found
    if n < LONG:
        put_in_order(values, room.pairs, width)
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
    put_in_order(keys, room.middle_pairs if all_usable else room.pairs, width)
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


@kernel(void(I32_3, int64, int64, int64, I32_2, I32_2))
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
