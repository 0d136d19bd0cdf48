"""What is done with JUMP_DET once the jumps are found: neighbours, later groups, counts, and the last clean-up.

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection".
"""

import numpy as np
from numba import float32, int64, void

from rampflow.kernels import B_2, I32_2, I64_1, U8_4, kernel
from rampflow.steps.jump.tiles import (
    BAD,
    DNU,
    JUMP,
    RAMPS,
    has_jumps,
    load_tile,
    median_of_column,
    room_for_tiles,
    sort_tile,
    tile_of,
    width_of_tile,
)


@kernel(void(U8_4, B_2))
def reset(groupdq, planes):
    """Clear the pixels of some planes that have no other flag than JUMP_DET."""
    nints, ngroups, rows, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            if planes[i, g]:
                for y in range(rows):
                    for x in range(nx):
                        if groupdq[i, g, y, x] == JUMP:
                            groupdq[i, g, y, x] = 0


@kernel(void(U8_4, I64_1))
def flag_neighbors(groupdq, triggers):
    """Flag the four pixels around each jump in its group; the clean-up takes it back from those bad there."""
    _, ngroups, rows, nx = groupdq.shape
    for index in triggers:
        plane, pixel = divmod(index, rows * nx)
        i, g = divmod(plane, ngroups)
        y, x = divmod(pixel, nx)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            ny, mx = y + dy, x + dx
            if 0 <= ny < rows and 0 <= mx < nx:
                groupdq[i, g, ny, mx] |= JUMP


@kernel(void(*RAMPS, float32, int64, float32, int64, I32_2))
def flag_after_jumps(sci, groupdq, gain, size_1, n_1, size_2, n_2, network):
    """Flag the n groups after a jump of at least the given size [e] above the median.

    A flagged neighbour that is so large itself counts as a jump here. The clean-up takes the flag back from
    bad groups.
    """
    nints, ngroups, rows, nx = groupdq.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    room, medians = room_for_tiles(nvalues, tile_width), np.empty(tile_width, np.float32)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            tile = tile_of(room, nvalues, width)
            differences, jumps, count = tile.differences, tile.jumps, tile.count
            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            if not has_jumps(jumps):
                continue
            sort_tile(differences, False, network, tile.ascending, count)
            for x in range(width):
                medians[x] = median_of_column(tile.ascending, x, count[x])
            for row in range(nvalues):
                i, g = row // steps, row % steps + 1
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    size = differences[row, x] - medians[x]
                    reach = max(n_1 if size >= size_1 else 0, n_2 if size >= size_2 else 0)
                    for after in range(g + 1, min(g + reach, steps) + 1):
                        groupdq[i, after, y, x0 + x] |= JUMP


@kernel(int64(U8_4, int64, int64))
def count_jumps(groupdq, first_row, end_row):
    """Count the jumps in some rows of GROUPDQ."""
    nints, ngroups, _, nx = groupdq.shape
    total = 0
    for i in range(nints):
        for g in range(ngroups):
            for y in range(first_row, end_row):
                for x in range(nx):
                    total += (groupdq[i, g, y, x] & JUMP) != 0
    return total


@kernel(void(U8_4, int64, int64, B_2))
def find_full_planes(groupdq, first_row, end_row, full):
    """Tell in which planes every pixel of the given rows is JUMP_DET or DO_NOT_USE."""
    nints, ngroups, _, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            full[i, g] = True
            for y in range(first_row, end_row):
                for x in range(nx):
                    if not groupdq[i, g, y, x] & (JUMP | DNU):
                        full[i, g] = False
                        break
                if not full[i, g]:
                    break


@kernel(void(U8_4))
def clean_up(groupdq):
    """Remove JUMP_DET from groups that are bad anyway."""
    nints, ngroups, rows, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            for y in range(rows):
                for x in range(nx):
                    flags = groupdq[i, g, y, x]
                    groupdq[i, g, y, x] = flags & ~JUMP if flags & BAD else flags
