"""Jumps along time: a difference of groups against the same difference of neighbouring integrations.

In a time series every integration repeats the one before. The difference of two given groups of a pixel, followed
from integration to integration, varies slowly with the target; a cosmic ray stands out of it, also in ramps of two or
three groups, of which the differences of one integration say little. The running median along time is the method of
the exoplanet community (Nikolov et al. 2014, MNRAS 437, 46; Radica et al. 2023, MNRAS 524, 835).
"""

import numpy as np

from rampflow.steps.jump.two_point import JUMP, JUMPS, RAMPS, TILE, kernel, load_tile, select, width_of_tile

#: Fewest integrations with a usable difference that a pixel needs for a median along time.
MIN_INTEGRATIONS = 5

#: Standard deviations in a median absolute deviation of normal noise.
_NORMAL = 1.4826


@kernel("void(float64[::1], int64, float64)")
def insert(ordered, n, value):
    """Put a value into its place among n in ascending order."""
    k = n
    while k > 0 and ordered[k - 1] > value:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = value


@kernel("void(float64[::1], int64, float64)")
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


@kernel("void(float64[::1], int64, int64, float64[::1], float64[::1])")
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


@kernel(f"void({TILE}, int64, float32[::1], int64, float64, int64, float64[:, ::1], float64[:, ::1], {JUMPS})")
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


@kernel(f"int64[::1]({RAMPS}, float32[:, ::1], int64, float64, int64, boolean, float64, float64)")
def find_jumps_in_time(sci, groupdq, gain, variance, nframes, threshold, window, with_neighbors, least, most):
    """Flag the jumps in place; return those with neighbours to flag, as indices into the flattened `groupdq`."""
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    difference_buffer = np.empty(nvalues * tile_width, np.float32)
    jump_buffer = np.empty(nvalues * tile_width, np.uint8)
    significance_buffer = np.empty(nvalues * tile_width)
    buffers = np.empty((4, nints))
    triggers = np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = difference_buffer[: nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
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
                    if not (with_neighbors and least < significance[row, x] < most):
                        continue
                    if ntriggers == triggers.size:
                        longer = np.empty(2 * ntriggers, np.int64)
                        longer[:ntriggers] = triggers
                        triggers = longer
                    triggers[ntriggers] = ((i * ngroups + g) * rows + y) * nx + x0 + x
                    ntriggers += 1
    return triggers[:ntriggers].copy()
