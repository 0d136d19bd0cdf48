"""Typical differences of the pixels of an image, and how much they scatter: what showers are compared with.

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection"; sigma clipping is that of `astropy.stats`.
"""

import numpy as np
from numba import float64, int64, void

from rampflow.kernels import F32_2, F32_3, I32_2, kernel
from rampflow.steps.jump.tiles import (
    INF,
    NAN,
    RAMPS,
    clip_bounds,
    load_tile,
    median_of_column,
    room_for_tiles,
    select,
    sort_tile,
    tile_of,
    width_of_tile,
)


@kernel(F32_2(*RAMPS, I32_2))
def median_differences(sci, groupdq, gain, network):
    """Return the median difference [e] of every pixel over all groups and integrations; NaN for none."""
    nints, ngroups, rows, nx = sci.shape
    nvalues = nints * (ngroups - 1)
    tile_width = width_of_tile(nvalues, nx)
    room = room_for_tiles(nvalues, tile_width)
    medians = np.empty((rows, nx), np.float32)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            tile = tile_of(room, nvalues, width)
            load_tile(sci, groupdq, gain, y, x0, tile.differences, tile.jumps)
            sort_tile(tile.differences, False, network, tile.ascending, tile.count)
            for x in range(width):
                medians[y, x0 + x] = median_of_column(tile.ascending, x, tile.count[x])
    return medians


@kernel(void(*RAMPS, float64, F32_3, F32_3, int64))
def clipped_statistics(sci, groupdq, gain, nsigma, medians, deviations, steps):
    """Find median and standard deviation [e] of every difference over the integrations, after sigma clipping."""
    nints, _, rows, nx = sci.shape
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    room = room_for_tiles(nvalues, tile_width)
    values, bounds = np.empty(nints), np.empty(4)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            tile = tile_of(room, nvalues, width)
            differences = tile.differences
            load_tile(sci, groupdq, gain, y, x0, differences, tile.jumps)
            for step in range(steps):
                for x in range(width):
                    medians[step, y, x0 + x] = deviations[step, y, x0 + x] = NAN
                    n = 0
                    for row in range(step, nvalues, steps):
                        if abs(differences[row, x]) < INF:
                            values[n] = differences[row, x]
                            n += 1
                    if n == 0:
                        continue
                    clip_bounds(values, n, nsigma, bounds)
                    n = 0
                    for row in range(step, nvalues, steps):
                        if bounds[0] <= differences[row, x] <= bounds[1]:
                            values[n] = differences[row, x]
                            n += 1
                    if n == 0:
                        continue
                    mean = np.sum(values[:n]) / n
                    medians[step, y, x0 + x] = 0.5 * (select(values, n, (n - 1) // 2) + select(values, n, n // 2))
                    deviations[step, y, x0 + x] = np.sqrt(np.sum((values[:n] - mean) ** 2) / n)
