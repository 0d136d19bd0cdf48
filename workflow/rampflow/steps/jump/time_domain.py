"""Jumps along time: a difference of groups against the same difference of neighbouring integrations.

In a time series every integration repeats the one before. The difference of two given groups of a pixel, followed
from integration to integration, varies slowly with the target; a cosmic ray stands out of it, also in ramps of two or
three groups, of which the differences of one integration say little. The running median along time is the method of
the exoplanet community.

Source: Nikolov et al. 2014, MNRAS 437, 46; Radica et al. 2023, MNRAS 524, 835.
"""

import numpy as np
from numba import float64, int64, void

from rampflow.kernels import F32_1, F32_2, F64_1, F64_2, I64_1, U8_2, kernel
from rampflow.steps.jump.tiles import (
    JUMP,
    NEIGHBORS,
    RAMPS,
    load_tile,
    room_for_tiles,
    select,
    tile_of,
    width_of_tile,
    with_room,
)

#: Fewest integrations with a usable difference that a pixel needs for a median along time.
MIN_INTEGRATIONS = 5

#: Standard deviations in a median absolute deviation of normal noise.
_NORMAL = 1.4826


@kernel(void(F64_1, int64, float64))
def insert(ordered, n, value):
    """Put a value into its place among n in ascending order."""
    k = n
    while k > 0 and ordered[k - 1] > value:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = value


@kernel(void(F64_1, int64, float64))
def remove(ordered, n, value):
    """Take a value out of n in ascending order, among which it is."""
    low, high = 0, n - 1
    while low < high:
        k = (low + high) // 2
        if ordered[k] < value:
            low = k + 1
        else:
            high = k
    for k in range(low, n - 1):
        ordered[k] = ordered[k + 1]


@kernel(void(F64_1, int64, int64, F64_1, F64_1))
def running_medians(series, n, window, ordered, medians):
    """Find the median of `window` neighbours about each of n values; at the ends, of the first or last `window`."""
    window = min(window, n)
    for k in range(window):
        insert(ordered, k, series[k])
    first = 0
    for k in range(n):
        start = min(max(k - window // 2, 0), n - window)
        if start > first:
            remove(ordered, window, series[first])
            insert(ordered, window - 1, series[start + window - 1])
            first = start
        medians[k] = 0.5 * (ordered[(window - 1) // 2] + ordered[window // 2])


@kernel(void(F32_2, int64, F32_1, int64, float64, int64, F64_2, F64_2, U8_2))
def mark_time_domain(differences, steps, variance, nframes, threshold, window, buffers, significance, jumps):
    """Mark the differences of a tile that stand out along time; keep by how many sigma.

    `buffers` has four rows of as many values as there are integrations.
    """
    nvalues, width = differences.shape
    nints = nvalues // steps
    series, medians, ordered, residuals = buffers[0], buffers[1], buffers[2], buffers[3]
    for step in range(steps):
        for x in range(width):
            n = 0
            for i in range(nints):
                value = differences[i * steps + step, x]
                if np.isfinite(value):
                    series[n] = value
                    n += 1
            if n < MIN_INTEGRATIONS:
                continue
            low, high = series[:n].min(), series[:n].max()
            nearest = max(low, -high, 0.0)  # no median is nearer to 0
            if high - low < (1 - 1e-9) * threshold * np.sqrt(nearest + variance[x] / nframes):
                continue  # nothing can be further from a median than all values are from one another
            running_medians(series, n, window, ordered, medians)
            for k in range(n):
                residuals[k] = abs(series[k] - medians[k])
            scatter = _NORMAL * 0.5 * (select(residuals, n, (n - 1) // 2) + select(residuals, n, n // 2))
            k = 0
            for i in range(nints):
                row = i * steps + step
                if not np.isfinite(differences[row, x]):
                    continue
                # Ramps of one pixel that agree by chance have no scatter: it counts from the expected noise up.
                sigma = max(scatter, np.sqrt(abs(medians[k]) + variance[x] / nframes))
                size = abs(series[k] - medians[k]) / sigma if sigma > 0 else 0.0
                if size > threshold:
                    jumps[row, x] = JUMP
                    significance[row, x] = size
                k += 1


@kernel(I64_1(*RAMPS, F32_2, int64, float64, int64, NEIGHBORS))
def find_jumps_in_time(sci, groupdq, gain, variance, nframes, threshold, window, neighbors):
    """Flag the jumps in place; return those with neighbours to flag, as indices into the flattened `groupdq`."""
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    room = room_for_tiles(nvalues, tile_width)
    significance_buffer = np.empty(nvalues * tile_width)
    buffers = np.empty((4, nints))
    triggers = np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            tile = tile_of(room, nvalues, width)
            differences, jumps = tile.differences, tile.jumps
            significance = significance_buffer[: nvalues * width].reshape(nvalues, width)
            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            jumps[:] = 0
            noise = variance[y, x0 : x0 + width]
            mark_time_domain(differences, steps, noise, nframes, threshold, window, buffers, significance, jumps)
            for row in range(nvalues):
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    i, g = row // steps, row % steps + 1
                    groupdq[i, g, y, x0 + x] |= JUMP
                    if not (neighbors.flagged and neighbors.least < significance[row, x] < neighbors.most):
                        continue
                    triggers = with_room(triggers, ntriggers)
                    triggers[ntriggers] = ((i * ngroups + g) * rows + y) * nx + x0 + x
                    ntriggers += 1
    return triggers[:ntriggers].copy()
