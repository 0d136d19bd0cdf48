"""Kernels of the two-point difference by sigma clipping; `jump` says what they compute.

What is clipped together is a *series*: a difference of groups in all integrations, or all differences. A row of the
image is done in tiles of some columns, series by series, so that a series of a tile stays in the first-level cache.
Nearly all of them are proven to hold nothing to clip, for all columns at once (vector instructions); the others are
clipped one by one, in the order of operations of astropy. Whether a jump has neighbours to flag depends on the median
of all differences of the pixel; the middles of its series are limits for that, and only where these do not decide it
is worked out.

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection"; sigma clipping is that of `astropy.stats`.
"""

from typing import NamedTuple

import numpy as np
from numba import boolean, float32, float64, int64, void
from numba.types import Tuple

from rampflow.kernels import B_1, B_2, F32_1, F32_2, F64_1, I32_1, I64_1, U8_1, U8_4, fields, kernel
from rampflow.steps.jump.tiles import (
    BAD,
    INF,
    JUMP,
    NAN,
    NEIGHBORS,
    RAMPS,
    clip_bounds,
    expected_noise,
    middle,
    select,
    with_room,
)

#: How far from the mean the median of a series may be for the quick proof [standard deviations].
NEAR = 0.25


class SeriesColumns(NamedTuple):
    """What is known of each column of a tile.

    Attributes
    ----------
    total, squares : float64 ndarray (width,)
        Sums of the finite values of a series and of their squares, both counted from `origin`.
    origin : float64 ndarray (width,)
        About the mean of the series before.
    lowest, highest : float32 ndarray (width,)
        Of the finite values.
    near, far : float32 ndarray (width,)
        Limits of the median of a series in which nothing is clipped.
    enclosing_low, enclosing_high : float32 ndarray (width,)
        Limits of the median of all differences.
    median : float32 ndarray (width,)
        That median, where it is `known`.
    count : int32 ndarray (width,)
        Finite values of the series.
    special : uint8 ndarray (width,)
        Not 0 where the series holds infinite values, or flags of jumps found before.
    may_clip, odd, known : bool ndarray (width,)
        Sigma clipping may remove something; some series has held infinite values; `median` has been worked out.
    """

    total: np.ndarray
    squares: np.ndarray
    origin: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    near: np.ndarray
    far: np.ndarray
    enclosing_low: np.ndarray
    enclosing_high: np.ndarray
    median: np.ndarray
    count: np.ndarray  # type: ignore[assignment]
    special: np.ndarray
    may_clip: np.ndarray
    odd: np.ndarray
    known: np.ndarray


COLUMNS = fields(SeriesColumns, *(F64_1,) * 3, *(F32_1,) * 7, I32_1, U8_1, *(B_1,) * 3)


@kernel(COLUMNS(int64))
def new_columns(width):
    """Return room for what is known of so many columns."""
    single, double = np.empty((7, width), np.float32), np.empty((3, width))
    flags = np.empty((3, width), np.bool_)
    return SeriesColumns(
        double[0], double[1], double[2],
        single[0], single[1], single[2], single[3], single[4], single[5], single[6],
        np.empty(width, np.int32), np.empty(width, np.uint8), flags[0], flags[1], flags[2],
    )  # fmt: skip


@kernel(int64(int64, int64))
def width_of_series(nvalues, nx):
    """Columns per tile: a series of `nvalues` float32 stays in the first-level cache, rows fill vectors."""
    return min(max(6144 // max(nvalues, 1) // 16 * 16, 32), 512, nx)


@kernel(void(*RAMPS, int64, int64, int64, int64, F32_2, COLUMNS))
def load_series(sci, groupdq, gain, y, x0, series, per, differences, columns):
    """Fill the tile of a series with differences [e], NaN where a group is bad, and sum up what a proof needs."""
    width = differences.shape[1]
    k = gain[y, x0 : x0 + width]
    total, squares, origin = columns.total, columns.squares, columns.origin
    low, high, count, special = columns.lowest, columns.highest, columns.count, columns.special
    total[:], squares[:] = 0.0, 0.0
    low[:], high[:] = INF, -INF
    count[:], special[:] = 0, 0
    for row in range(differences.shape[0]):
        i, g = row // per, series + row % per
        before, after = sci[i, g, y, x0 : x0 + width], sci[i, g + 1, y, x0 : x0 + width]
        flag, flag_after = groupdq[i, g, y, x0 : x0 + width], groupdq[i, g + 1, y, x0 : x0 + width]
        out = differences[row]
        for x in range(width):
            difference = after[x] * k[x] - before[x] * k[x]
            value = NAN if (flag[x] | flag_after[x]) & BAD else difference
            out[x] = value
            special[x] |= (flag_after[x] & JUMP) | (abs(value) == INF)
        for x in range(width):
            value = out[x]
            finite = abs(value) < INF
            count[x] += finite
            low[x] = value if finite and value < low[x] else low[x]
            high[x] = value if finite and value > high[x] else high[x]
            offset = np.float64(value) - origin[x] if finite else 0.0
            total[x] += offset
            squares[x] += offset * offset


@kernel(void(F32_2, float64, COLUMNS))
def find_what_may_clip(differences, nsigma, columns):
    """Tell for which columns sigma clipping may remove something; find limits of the medians.

    It certainly does not if all values are within nsigma standard deviations of wherever the median may be. The
    margins are far above rounding: nothing is decided otherwise than exactly.
    """
    nvalues, width = differences.shape
    total, squares, origin, count = columns.total, columns.squares, columns.origin, columns.count
    near, far = columns.near, columns.far
    std = np.empty(width)
    below, above = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for x in range(width):
        mean = total[x] / count[x]
        std[x] = np.sqrt(max(squares[x] / count[x] - mean * mean, 0.0))
        # Else the difference of squares says nothing.
        std[x] = std[x] if std[x] > 1e-4 * abs(mean) else 0.0
        near[x] = origin[x] + mean - NEAR * std[x]
        far[x] = origin[x] + mean + NEAR * std[x]
        # The next series is counted from here.
        origin[x] = origin[x] + mean if count[x] > 0 else origin[x]
    for row in range(nvalues):
        values = differences[row]
        for x in range(width):
            below[x] += values[x] < near[x]
            above[x] += values[x] > far[x]
    for x in range(width):
        low, high = np.float64(columns.lowest[x]), np.float64(columns.highest[x])
        reach = max(high - near[x], far[x] - low)
        rounding_is_small = std[x] > 1e-6 * max(abs(low), abs(high))
        median_is_near = 2 * below[x] < count[x] and 2 * above[x] < count[x]
        safe = rounding_is_small and median_is_near and reach < nsigma * std[x] * (1 - 1e-6)
        columns.may_clip[x] = count[x] > 0 and not safe


@kernel(int64(float32, float32, float32, float64, NEIGHBORS))
def decide(difference, lowest, highest, variance, neighbors):
    """Tell whether the significance of a jump is between limits, wherever between two values the median is.

    1: it is. 0: it is not. -1: that depends. The margins are far above rounding.
    """
    low, high = np.float64(lowest), np.float64(highest)
    near = max(low - difference, difference - high, 0.0)
    far = max(abs(difference - low), abs(difference - high))
    faint = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    least_found = near / np.sqrt(max(abs(low), abs(high)) + variance) * (1 - 1e-5)
    most_found = far / np.sqrt(faint + variance) * (1 + 1e-5)
    if most_found < neighbors.least or least_found > neighbors.most:
        return 0
    return 1 if least_found > neighbors.least and most_found < neighbors.most else -1


@kernel(float32(*RAMPS, int64, int64, F64_1))
def median_difference(sci, groupdq, gain, y, x, values):
    """Return the median difference [e] of a pixel over all groups and integrations, as numpy's of float32."""
    n = 0
    k = gain[y, x]
    for i in range(sci.shape[0]):
        for g in range(sci.shape[1] - 1):
            difference = sci[i, g + 1, y, x] * k - sci[i, g, y, x] * k
            if (groupdq[i, g, y, x] | groupdq[i, g + 1, y, x]) & BAD == 0 and difference == difference:
                values[n] = difference
                n += 1
    if n == 0:
        return NAN
    upper = select(values, n, n // 2)
    return middle(np.float32(select(values, n, (n - 1) // 2)), np.float32(upper))


@kernel(Tuple((I64_1, int64))(F32_2, COLUMNS, U8_4, B_2, int64, int64, int64, int64, float64, F64_1, I64_1, int64))
def clip_series(differences, columns, groupdq, void_planes, y, x0, series, per, nsigma, values, found, nfound):
    """Flag what sigma clipping removes from a series of a tile, in place.

    Jumps are added to `found`, as indices into the flattened `groupdq`; it is returned with their number, since it may
    have to grow. `values` is a buffer for a column.
    """
    _, ngroups, rows, nx = groupdq.shape
    nvalues, width = differences.shape
    bounds = np.empty(4)
    for x in range(width):
        columns.odd[x] |= columns.special[x] & 1 != 0
        if not columns.may_clip[x] and not columns.special[x]:
            if columns.count[x] > 0:
                columns.enclosing_low[x] = min(columns.enclosing_low[x], columns.near[x])
                columns.enclosing_high[x] = max(columns.enclosing_high[x], columns.far[x])
            continue
        n = 0
        for row in range(nvalues):
            if abs(differences[row, x]) < INF:
                values[n] = differences[row, x]
                n += 1
        bounds[0], bounds[1] = -np.inf, np.inf
        if n > 0:
            clip_bounds(values, n, nsigma, bounds)
            columns.enclosing_low[x] = min(columns.enclosing_low[x], np.float32(bounds[2]))
            columns.enclosing_high[x] = max(columns.enclosing_high[x], np.float32(bounds[3]))
        for row in range(nvalues):
            i, g = row // per, series + row % per + 1
            flags = groupdq[i, g, y, x0 + x]
            value = differences[row, x]
            clipped = abs(value) < INF and not bounds[0] <= value <= bounds[1]
            if (not clipped and not flags & JUMP) or (void_planes[i, g] and flags == 0):
                continue
            groupdq[i, g, y, x0 + x] = flags | JUMP
            if value == value:
                found = with_room(found, nfound)
                found[nfound] = ((i * ngroups + g) * rows + y) * nx + x0 + x
                nfound += 1
    return found, nfound


@kernel(boolean(*RAMPS, F32_2, int64, NEIGHBORS, int64, int64, COLUMNS, F64_1))
def has_neighbors_to_flag(sci, groupdq, gain, variance, nframes, neighbors, index, x0, columns, values):
    """Tell whether the significance of a jump is such that its neighbours are flagged, too.

    `index` is that into the flattened `groupdq`, `x0` the first column of the tile, `values` a buffer for all
    differences of a pixel.
    """
    _, ngroups, rows, nx = sci.shape
    plane, pixel = index // (rows * nx), index % (rows * nx)
    y, x = pixel // nx, pixel % nx
    i, g, column = plane // ngroups, plane % ngroups, x - x0
    difference = sci[i, g, y, x] * gain[y, x] - sci[i, g - 1, y, x] * gain[y, x]
    if not columns.odd[column]:
        noise = np.float64(variance[y, x]) / nframes
        low, high = columns.enclosing_low[column], columns.enclosing_high[column]
        decided = decide(difference, low, high, noise, neighbors)
        if decided >= 0:
            return decided == 1
    if not columns.known[column]:
        columns.known[column] = True
        columns.median[column] = median_difference(sci, groupdq, gain, y, x, values)
    median = columns.median[column]
    sigma = expected_noise(median, variance[y, x], nframes)
    return neighbors.least < abs(difference - median) / sigma < neighbors.most


@kernel(I64_1(*RAMPS, F32_2, int64, float64, boolean, B_2, NEIGHBORS))
def find_jumps(sci, groupdq, gain, variance, nframes, nsigma, only_use_ints, void_planes, neighbors):
    """Flag the jumps in place; return those with neighbours to flag: as `two_point.find_jumps`."""
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    per = 1 if only_use_ints else steps
    nvalues = nints * per
    tile_width = width_of_series(nvalues, nx)
    buffer, values = np.empty(nvalues * tile_width, np.float32), np.empty(nints * steps)
    columns = new_columns(tile_width)
    found, triggers = np.empty(1024, np.int64), np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffer[: nvalues * width].reshape(nvalues, width)
            columns.enclosing_low[:], columns.enclosing_high[:] = INF, -INF
            columns.odd[:], columns.known[:] = False, False
            columns.origin[:] = 0.0
            nfound = 0
            for series in range(steps // per):
                load_series(sci, groupdq, gain, y, x0, series, per, differences, columns)
                find_what_may_clip(differences, nsigma, columns)
                found, nfound = clip_series(
                    differences, columns, groupdq, void_planes, y, x0, series, per, nsigma, values, found, nfound
                )
            if not neighbors.flagged:
                continue
            for index in found[:nfound]:
                if has_neighbors_to_flag(sci, groupdq, gain, variance, nframes, neighbors, index, x0, columns, values):
                    triggers = with_room(triggers, ntriggers)
                    triggers[ntriggers] = index
                    ntriggers += 1
    return triggers[:ntriggers].copy()
