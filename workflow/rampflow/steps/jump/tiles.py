"""Tiles of differences: how the kernels of `jump` go through the ramps of an image.

A row of the image is done in tiles of some columns, of shape (nints * (ngroups - 1), width): `differences` [e], NaN
where a group is bad; `ascending`, the same sorted; `jumps`, JUMP_DET of the later group. What every pixel needs is
done for all columns of a tile at once (vector instructions), the rest one by one for the few pixels that need it.
`variance` is the square of the read noise [e²].

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection"; sigma clipping is that of `astropy.stats`.
"""

from typing import NamedTuple

import numpy as np
from numba import boolean, float32, float64, int64, void

from rampflow.detector import dq
from rampflow.kernels import F32_1, F32_2, F32_4, F64_1, I32_2, I64_1, U8_1, U8_2, U8_4, fields, kernel
from rampflow.steps.sorting import put_in_order

DNU = np.uint8(dq.DO_NOT_USE)
JUMP = np.uint8(dq.JUMP_DET)
BAD = np.uint8(dq.DO_NOT_USE | dq.SATURATED)
CLIP_ITERATIONS = 5
INF = np.float32(np.inf)
NAN = np.float32(np.nan)

#: Types of the ramps [DN], their flags and the gain of an image.
RAMPS = F32_4, U8_4, F32_2


class Neighbors(NamedTuple):
    """Which jumps have neighbours to flag: whether any, and those between these significances [sigma].

    Attributes
    ----------
    flagged : bool
    least, most : float
    """

    flagged: bool
    least: float
    most: float


NEIGHBORS = fields(Neighbors, boolean, float64, float64)


class Tile(NamedTuple):
    """Values of a tile, or the room for those of the widest one.

    Attributes
    ----------
    differences, ascending : float32 ndarray (nvalues, width)
    jumps : uint8 ndarray (nvalues, width)
    count : int64 ndarray (width,)
        Usable values of a column, the first ones of `ascending`.
    """

    differences: np.ndarray
    ascending: np.ndarray
    jumps: np.ndarray
    count: np.ndarray  # type: ignore[assignment]


@kernel(int64(int64, int64))
def width_of_tile(nvalues, nx):
    """Columns per tile of `nvalues` float32 per column: fits the second-level cache, fills vectors."""
    return min(max(65536 // max(nvalues, 1) // 16 * 16, 32), 512, nx)


@kernel(fields(Tile, F32_1, F32_1, U8_1, I64_1)(int64, int64))
def room_for_tiles(nvalues, width):
    """Return room for tiles of up to so many columns, to be cut by `tile_of`."""
    size = nvalues * width
    return Tile(
        np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.uint8), np.empty(width, np.int64)
    )


@kernel(fields(Tile, F32_2, F32_2, U8_2, I64_1)(fields(Tile, F32_1, F32_1, U8_1, I64_1), int64, int64))
def tile_of(room, nvalues, width):
    """Cut a tile of so many columns out of the room for them."""
    size, shape = nvalues * width, (nvalues, width)
    return Tile(
        room.differences[:size].reshape(shape),
        room.ascending[:size].reshape(shape),
        room.jumps[:size].reshape(shape),
        room.count[:width],
    )


@kernel(void(*RAMPS, int64, int64, F32_2, U8_2))
def load_tile(sci, groupdq, gain, y, x0, differences, jumps):
    """Fill the tiles of differences and jumps."""
    nints, ngroups = sci.shape[:2]
    width = differences.shape[1]
    k = gain[y, x0 : x0 + width]
    row = 0
    for i in range(nints):
        for g in range(ngroups - 1):
            before, after = sci[i, g, y, x0 : x0 + width], sci[i, g + 1, y, x0 : x0 + width]
            flag, flag_after = groupdq[i, g, y, x0 : x0 + width], groupdq[i, g + 1, y, x0 : x0 + width]
            out, jump = differences[row], jumps[row]
            for x in range(width):
                difference = after[x] * k[x] - before[x] * k[x]
                out[x] = NAN if (flag[x] | flag_after[x]) & BAD else difference
                jump[x] = flag_after[x] & JUMP
            row += 1


@kernel(void(F32_2, boolean, I32_2, F32_2, I64_1))
def sort_tile(differences, magnitude, network, ascending, count):
    """Sort the usable values (or their magnitudes) of each column, then +inf; count them."""
    nvalues, width = differences.shape
    count[:] = 0
    for row in range(nvalues):
        values, out = differences[row], ascending[row]
        for x in range(width):
            value = abs(values[x]) if magnitude else values[x]
            usable = value == value
            out[x] = value if usable else INF
            count[x] += usable
    put_in_order(ascending, network, width)


@kernel(float64(F64_1, int64, int64))
def select(a, n, k):
    """Return the k-th smallest of a[:n], reordering a (Wirth's selection).

    astropy's sigma clipping sums its buffer in the order in which exactly this algorithm leaves it; the order
    decides the last bit of its mean and standard deviation, and with it the borderline cases.
    """
    low, high = 0, n - 1
    while low < high:
        pivot = a[k]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return a[k]


@kernel(float32(float32, float32))
def middle(lower, upper):
    """Return the mean of the two values in the middle."""
    return (lower + upper) / np.float32(2)


@kernel(float32(F32_2, int64, int64))
def median_of_column(ascending, x, n):
    """Return the median of the first n values of a sorted column, as numpy's of float32; NaN if n is 0."""
    return middle(ascending[(n - 1) // 2, x], ascending[n // 2, x]) if n > 0 else NAN


@kernel(float64(float32, float32, int64))
def expected_noise(median, variance, nframes):
    """Return the noise [e] of a difference, Poisson and read noise; NaN for none."""
    sigma = np.sqrt(np.float64(abs(median)) + np.float64(variance) / nframes)
    return sigma if sigma > 0 else np.nan


@kernel(void(F64_1, int64, float64, F64_1))
def clip_bounds(values, n, nsigma, bounds):
    """Find the limits of sigma clipping about the median as astropy does, destroying `values`.

    After the limits `bounds` receives the one or two values in the middle of all.
    """
    for iteration in range(CLIP_ITERATIONS):
        if n % 2:
            lower = upper = median = select(values, n, n // 2)
        else:
            upper = select(values, n, n // 2)
            lower = select(values, n, n // 2 - 1)
            median = 0.5 * (upper + lower)
        if iteration == 0:
            bounds[2], bounds[3] = lower, upper
        mean = 0.0
        for row in range(n):
            mean += values[row]
        mean /= n
        std = 0.0
        for row in range(n):
            std += (values[row] - mean) * (values[row] - mean)
        std = np.sqrt(std / n)
        bounds[0], bounds[1] = median - nsigma * std, median + nsigma * std
        kept = 0
        for row in range(n):
            if bounds[0] <= values[row] <= bounds[1]:
                values[kept] = values[row]
                kept += 1
        if kept == n or kept == 0:
            return
        n = kept


@kernel(boolean(U8_2))
def has_jumps(jumps):
    """Return whether there is a jump among these."""
    found = np.uint8(0)
    for row in range(jumps.shape[0]):
        for x in range(jumps.shape[1]):
            found |= jumps[row, x]
    return found != 0


@kernel(I64_1(I64_1, int64))
def with_room(array, used):
    """Return an array with room for one more."""
    if used < array.size:
        return array
    longer = np.empty(2 * array.size, np.int64)
    longer[:used] = array
    return longer
