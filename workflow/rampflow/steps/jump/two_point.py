"""Kernels of the two-point difference; `jump` says what they compute, `tiles` how they go through an image.

Source: Anderson & Gordon 2011, PASP 123, 1237; https://jwst-pipeline.readthedocs.io, "Jump Detection".
"""

import numpy as np
from numba import float32, float64, int64, void
from numba.types import UniTuple

from rampflow.kernels import B_2, F32_1, F32_2, I32_2, I64_1, U8_2, U8_4, kernel
from rampflow.steps.jump.tiles import (
    INF,
    JUMP,
    NAN,
    NEIGHBORS,
    RAMPS,
    expected_noise,
    has_jumps,
    load_tile,
    median_of_column,
    middle,
    room_for_tiles,
    sort_tile,
    tile_of,
    width_of_tile,
    with_room,
)

SINGLE_PASS, ITERATIVE = range(2)


@kernel(void(F32_2, F32_2, I64_1, F32_1, int64, float64, U8_2))
def mark_single_pass(differences, ascending, count, variance, nframes, threshold, jumps):
    """Mark every difference that is more than `threshold` sigma from the median of its pixel."""
    nvalues, width = differences.shape
    for x in range(width):
        n = count[x]
        if n == 0:
            continue
        median = median_of_column(ascending, x, n)
        sigma = expected_noise(median, variance[x], nframes)
        if not max(abs(ascending[0, x] - median), abs(ascending[n - 1, x] - median)) / sigma > threshold:
            continue
        for row in range(nvalues):
            if INF > abs(differences[row, x] - median) / sigma > threshold:
                jumps[row, x] = JUMP


@kernel(float32(F32_1, int64))
def typical_size(ascending, n):
    """Return the typical one of n magnitudes in ascending order, robust against one jump among them.

    Four and more: the median without all those equal to the largest. Three: the median. Two: the smaller.
    Else NaN, also when nothing is left.
    """
    if n < 2:
        return NAN
    if n == 2:
        return ascending[0]
    kept = n
    if n >= 4:
        while kept > 0 and ascending[kept - 1] == ascending[n - 1]:
            kept -= 1
        if kept == 0:
            return NAN
    return middle(ascending[(kept - 1) // 2], ascending[kept // 2])


@kernel(void(F32_2, F32_2, I64_1, F32_1, int64, UniTuple(float64, 3), F32_1, U8_2))
def mark_iterative(differences, ascending, count, variance, nframes, thresholds, sizes, jumps):
    """Mark the most significant difference of a pixel, leave it out, look again, until none is significant.

    `thresholds` are for 4 and more values, for 3 and for 2; `ascending` holds magnitudes; `sizes` is a buffer
    for a column.
    """
    nvalues, width = differences.shape
    for x in range(width):
        n = count[x]
        for row in range(n):
            sizes[row] = ascending[row, x]
        while n >= 2:
            typical = typical_size(sizes, n)
            sigma = expected_noise(typical, variance[x], nframes)
            threshold = thresholds[max(4 - n, 0)]
            largest = max(abs(sizes[0] - typical), abs(sizes[n - 1] - typical)) / sigma
            if not largest > threshold:
                break
            for row in range(nvalues):
                if abs(abs(differences[row, x]) - typical) / sigma == largest:
                    jumps[row, x] = JUMP
            kept = 0
            for row in range(n):
                if abs(sizes[row] - typical) / sigma != largest:
                    sizes[kept] = sizes[row]
                    kept += 1
            n = kept


@kernel(void(U8_2, U8_4, int64, int64, B_2))
def store_jumps(jumps, groupdq, y, x0, void_planes):
    """Set JUMP_DET in the flags; in void planes only where there are others, and forget the rest."""
    steps = groupdq.shape[1] - 1
    width = jumps.shape[1]
    for row in range(jumps.shape[0]):
        i, g = row // steps, row % steps + 1
        flags = groupdq[i, g, y, x0 : x0 + width]
        for x in range(width):
            if void_planes[i, g] and flags[x] == 0:
                jumps[row, x] = 0
            flags[x] |= jumps[row, x]


@kernel(I64_1(*RAMPS, F32_2, int64, int64, UniTuple(float64, 3), B_2, NEIGHBORS, I32_2))
def find_jumps(sci, groupdq, gain, variance, nframes, mode, thresholds, void_planes, neighbors, network):
    """Flag the jumps in place; return those with neighbours to flag, as indices into the flattened `groupdq`.

    The neighbours are left for later, because they have no neighbours to flag of their own.
    """
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    room, sizes = room_for_tiles(nvalues, tile_width), np.empty(nvalues, np.float32)
    medians, sigmas = np.empty(tile_width, np.float32), np.empty(tile_width)
    triggers = np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            tile = tile_of(room, nvalues, width)
            differences, ascending, jumps, count = tile.differences, tile.ascending, tile.jumps, tile.count
            noise = variance[y, x0 : x0 + width]

            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            if mode == SINGLE_PASS:
                sort_tile(differences, False, network, ascending, count)
                mark_single_pass(differences, ascending, count, noise, nframes, thresholds[0], jumps)
            else:
                sort_tile(differences, True, network, ascending, count)
                mark_iterative(differences, ascending, count, noise, nframes, thresholds, sizes, jumps)
            if not has_jumps(jumps):
                continue
            store_jumps(jumps, groupdq, y, x0, void_planes)

            if not neighbors.flagged:
                continue
            if mode != SINGLE_PASS:
                sort_tile(differences, False, network, ascending, count)
            for x in range(width):
                medians[x] = median_of_column(ascending, x, count[x])
                sigmas[x] = expected_noise(medians[x], noise[x], nframes)
            for row in range(nvalues):
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    significance = abs(differences[row, x] - medians[x]) / sigmas[x]
                    if not neighbors.least < significance < neighbors.most:
                        continue
                    triggers = with_room(triggers, ntriggers)
                    plane = row // steps * ngroups + row % steps + 1
                    triggers[ntriggers] = (plane * rows + y) * nx + x0 + x
                    ntriggers += 1
    return triggers[:ntriggers].copy()
