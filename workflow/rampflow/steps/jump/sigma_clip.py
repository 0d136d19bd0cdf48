"""Kernels of the two-point difference by sigma clipping; `jump` says what they compute.

What is clipped together is a *series*: a difference of groups in all integrations, or all differences. A row of the
image is done in tiles of some columns, series by series, so that a series of a tile stays in the first-level cache.
Nearly all of them are proven to hold nothing to clip, for all columns at once (vector instructions); the others are
clipped one by one, in the order of operations of astropy. Whether a jump has neighbours to flag depends on the median
of all differences of the pixel; the middles of its series are limits for that, and only where these do not decide it
is worked out.
"""

import numpy as np

from rampflow.steps.jump.two_point import (
    BAD,
    INF,
    JUMP,
    NAN,
    RAMPS,
    TILE,
    clip_bounds,
    expected_noise,
    kernel,
    middle,
    select,
)

#: How far from the mean the median of a series may be for the quick proof [standard deviations].
NEAR = 0.25


@kernel("int64(int64, int64)")
def width_of_series(nvalues, nx):
    """Columns per tile: a series of `nvalues` float32 stays in the first-level cache, rows fill vectors."""
    return min(max(6144 // max(nvalues, 1) // 16 * 16, 32), 512, nx)


@kernel(f"void({RAMPS}, int64, int64, int64, int64, {TILE}, float64[:, ::1], float32[:, ::1], int32[::1], uint8[::1])")
def load_series(sci, groupdq, gain, y, x0, series, per, differences, sums, limits, count, special):
    """Fill the tile of a series with differences [e], NaN where a group is bad, and sum up what a proof needs.

    `sums` are those of the finite values and of their squares, counted from row 2 of it; `limits` are their lowest
    and highest; `special` tells which columns hold infinite values, or flags of jumps found before.
    """
    width = differences.shape[1]
    k = gain[y, x0 : x0 + width]
    sums[:2] = 0.0
    limits[0], limits[1] = INF, -INF
    count[:] = 0
    special[:] = 0
    total, squares, origin = sums[0], sums[1], sums[2]
    low, high = limits[0], limits[1]
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


@kernel(f"void({TILE}, float64, float64[:, ::1], float32[:, ::1], float32[:, ::1], int32[::1], boolean[::1])")
def find_what_may_clip(differences, nsigma, sums, limits, middles, count, may_clip):
    """Tell for which columns sigma clipping may remove something; narrow `middles` to enclose the medians.

    It certainly does not if all values are within nsigma standard deviations of wherever the median may be. The
    margins are far above rounding: nothing is decided otherwise than exactly.
    """
    nvalues, width = differences.shape
    near, far = middles[0], middles[1]
    std = np.empty(width)
    below, above = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for x in range(width):
        mean = sums[0, x] / count[x]
        std[x] = np.sqrt(max(sums[1, x] / count[x] - mean * mean, 0.0))
        # Else the difference of squares says nothing.
        std[x] = std[x] if std[x] > 1e-4 * abs(mean) else 0.0
        near[x] = sums[2, x] + mean - NEAR * std[x]
        far[x] = sums[2, x] + mean + NEAR * std[x]
        # The next series is counted from here.
        sums[2, x] = sums[2, x] + mean if count[x] > 0 else sums[2, x]
    for row in range(nvalues):
        values = differences[row]
        for x in range(width):
            below[x] += values[x] < near[x]
            above[x] += values[x] > far[x]
    for x in range(width):
        low, high = np.float64(limits[0, x]), np.float64(limits[1, x])
        reach = max(high - near[x], far[x] - low)
        rounding_is_small = std[x] > 1e-6 * max(abs(low), abs(high))
        median_is_near = 2 * below[x] < count[x] and 2 * above[x] < count[x]
        safe = rounding_is_small and median_is_near and reach < nsigma * std[x] * (1 - 1e-6)
        may_clip[x] = count[x] > 0 and not safe


@kernel("int64(float32, float32, float32, float64, float64, float64)")
def decide(difference, lowest, highest, variance, least, most):
    """Tell whether the significance of a jump is between limits, wherever between two values the median is.

    1: it is. 0: it is not. -1: that depends. The margins are far above rounding.
    """
    low, high = np.float64(lowest), np.float64(highest)
    near = max(low - difference, difference - high, 0.0)
    far = max(abs(difference - low), abs(difference - high))
    faint = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    least_found = near / np.sqrt(max(abs(low), abs(high)) + variance) * (1 - 1e-5)
    most_found = far / np.sqrt(faint + variance) * (1 + 1e-5)
    if most_found < least or least_found > most:
        return 0
    return 1 if least_found > least and most_found < most else -1


@kernel(f"float32({RAMPS}, int64, int64, float64[::1])")
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


@kernel("int64[::1](int64[::1], int64)")
def with_room(array, used):
    """Return an array with room for one more."""
    if used < array.size:
        return array
    longer = np.empty(2 * array.size, np.int64)
    longer[:used] = array
    return longer


@kernel(f"int64[::1]({RAMPS}, float32[:, ::1], int64, float64, boolean, boolean[:, ::1], boolean, float64, float64)")
def find_jumps(
    sci, groupdq, gain, variance, nframes, nsigma, only_use_ints, void_planes, with_neighbors, least, most
):  # fmt: skip
    """Flag the jumps in place; return those with neighbours to flag: as `_jump_two_point.find_jumps`."""
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    per = 1 if only_use_ints else steps
    nvalues = nints * per
    tile_width = width_of_series(nvalues, nx)
    buffer, values = np.empty(nvalues * tile_width, np.float32), np.empty(nints * steps)
    sums_buffer, limits_buffer = np.zeros(3 * tile_width), np.empty(4 * tile_width, np.float32)
    enclosing, medians = np.empty((2, tile_width), np.float32), np.empty(tile_width, np.float32)
    counts, specials = np.empty(tile_width, np.int32), np.empty(tile_width, np.uint8)
    clips, odd, known = np.empty(tile_width, np.bool_), np.empty(tile_width, np.bool_), np.empty(tile_width, np.bool_)
    bounds = np.empty(4)
    found, triggers = np.empty(1024, np.int64), np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffer[: nvalues * width].reshape(nvalues, width)
            sums = sums_buffer[: 3 * width].reshape(3, width)
            limits = limits_buffer[: 2 * width].reshape(2, width)
            middles = limits_buffer[2 * tile_width : 2 * tile_width + 2 * width].reshape(2, width)
            count, special, may_clip = counts[:width], specials[:width], clips[:width]
            enclosing[0], enclosing[1] = INF, -INF
            odd[:], known[:] = False, False
            sums[2] = 0.0
            nfound = 0
            for series in range(steps // per):
                load_series(
                    sci, groupdq, gain, y, x0, series, per, differences, sums, limits, count, special
                )  # fmt: skip
                find_what_may_clip(differences, nsigma, sums, limits, middles, count, may_clip)
                for x in range(width):
                    odd[x] |= special[x] & 1 != 0
                    if not may_clip[x] and not special[x]:
                        if count[x] > 0:
                            enclosing[0, x] = min(enclosing[0, x], middles[0, x])
                            enclosing[1, x] = max(enclosing[1, x], middles[1, x])
                        continue
                    n = 0
                    for row in range(nvalues):
                        if abs(differences[row, x]) < INF:
                            values[n] = differences[row, x]
                            n += 1
                    bounds[0], bounds[1] = -np.inf, np.inf
                    if n > 0:
                        clip_bounds(values, n, nsigma, bounds)
                        enclosing[0, x] = min(enclosing[0, x], np.float32(bounds[2]))
                        enclosing[1, x] = max(enclosing[1, x], np.float32(bounds[3]))
                    for row in range(nvalues):
                        i, g = row // per, series + row % per + 1
                        flags = groupdq[i, g, y, x0 + x]
                        value = differences[row, x]
                        clipped = abs(value) < INF and not bounds[0] <= value <= bounds[1]
                        if (not clipped and not flags & JUMP) or (void_planes[i, g] and flags == 0):
                            continue
                        groupdq[i, g, y, x0 + x] = flags | JUMP
                        if with_neighbors and value == value:
                            found = with_room(found, nfound)
                            found[nfound] = ((i * ngroups + g) * rows + y) * nx + x0 + x
                            nfound += 1
            for index in found[:nfound]:
                plane, x = index // (rows * nx), index % nx
                i, g = plane // ngroups, plane % ngroups
                difference = sci[i, g, y, x] * gain[y, x] - sci[i, g - 1, y, x] * gain[y, x]
                chosen = -1
                if not odd[x - x0]:
                    noise = np.float64(variance[y, x]) / nframes
                    chosen = decide(difference, enclosing[0, x - x0], enclosing[1, x - x0], noise, least, most)
                if chosen < 0:
                    if not known[x - x0]:
                        known[x - x0] = True
                        medians[x - x0] = median_difference(sci, groupdq, gain, y, x, values)
                    median = medians[x - x0]
                    sigma = expected_noise(median, variance[y, x], nframes)
                    chosen = least < abs(difference - median) / sigma < most
                if chosen:
                    triggers = with_room(triggers, ntriggers)
                    triggers[ntriggers] = index
                    ntriggers += 1
    return triggers[:ntriggers].copy()
