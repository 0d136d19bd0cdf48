"""Kernels of the two-point difference; `jump` says what they compute.

A row of the image is done in tiles of some columns, of shape (nints * (ngroups - 1), width): `differences` [e], NaN
where a group is bad; `ascending`, the same sorted; `jumps`, JUMP_DET of the later group. What every pixel needs is
done for all columns of a tile at once (vector instructions), the rest one by one for the few pixels that need it.
`variance` is the square of the read noise [e²].
"""

import numpy as np
from numba import njit

from rampflow.detector import dq

DNU = np.uint8(dq.DO_NOT_USE)
JUMP = np.uint8(dq.JUMP_DET)
BAD = np.uint8(dq.DO_NOT_USE | dq.SATURATED)
CLIP_ITERATIONS = 5
SINGLE_PASS, ITERATIVE = range(2)
INF = np.float32(np.inf)
NAN = np.float32(np.nan)

RAMPS = "float32[:, :, :, ::1], uint8[:, :, :, ::1], float32[:, ::1]"
FLAGS = "uint8[:, :, :, ::1]"
TILE = "float32[:, ::1]"
JUMPS = "uint8[:, ::1]"


def sorting_network(n):
    """List pairs (low, high) of rows: comparing and, where needed, swapping them in this order sorts n rows.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M). What is compared
    does not depend on the data, so that all columns of a tile can be sorted at once.
    """
    pairs = [np.empty((0, 2), np.int32)]
    top = 1 << max((n - 1).bit_length() - 1, 0)
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while True:
            low = np.arange(n - distance, dtype=np.int32)
            low = low[low & p == r]
            pairs.append(np.column_stack((low, low + distance)).astype(np.int32))
            if q == p:
                break
            distance, q, r = q - p, q // 2, p
        p //= 2
    return np.concatenate(pairs)


def kernel(signature):
    """Compile a kernel of this signature: without the GIL, cached on disk, divisions as numpy does them."""
    return njit(signature, cache=True, nogil=True, error_model="numpy")


@kernel("int64(int64, int64)")
def width_of_tile(nvalues, nx):
    """Columns per tile of `nvalues` float32 per column: fits the second-level cache, fills vectors."""
    return min(max(65536 // max(nvalues, 1) // 16 * 16, 32), 512, nx)


@kernel(f"void({RAMPS}, int64, int64, {TILE}, {JUMPS})")
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


@kernel(f"void({TILE}, boolean, int32[:, ::1], {TILE}, int64[::1])")
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
    for pair in range(network.shape[0]):
        low, high = ascending[network[pair, 0]], ascending[network[pair, 1]]
        for x in range(width):
            a, b = low[x], high[x]
            low[x] = a if a < b else b
            high[x] = b if a < b else a


@kernel("float64(float64[::1], int64, int64)")
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


@kernel("float32(float32, float32)")
def middle(lower, upper):
    """Return the mean of the two values in the middle."""
    return (lower + upper) / np.float32(2)


@kernel(f"float32({TILE}, int64, int64)")
def median_of_column(ascending, x, n):
    """Return the median of the first n values of a sorted column, as numpy's of float32; NaN if n is 0."""
    return middle(ascending[(n - 1) // 2, x], ascending[n // 2, x]) if n > 0 else NAN


@kernel("float64(float32, float32, int64)")
def expected_noise(median, variance, nframes):
    """Return the noise [e] of a difference, Poisson and read noise; NaN for none."""
    sigma = np.sqrt(np.float64(abs(median)) + np.float64(variance) / nframes)
    return sigma if sigma > 0 else np.nan


@kernel(f"void({TILE}, {TILE}, int64[::1], float32[::1], int64, float64, {JUMPS})")
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


@kernel("float32(float32[::1], int64)")
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


@kernel(f"void({TILE}, {TILE}, int64[::1], float32[::1], int64, UniTuple(float64, 3), float32[::1], {JUMPS})")
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


@kernel("void(float64[::1], int64, float64, float64[::1])")
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


@kernel(f"boolean({JUMPS})")
def has_jumps(jumps):
    """Return whether there is a jump among these."""
    found = np.uint8(0)
    for row in range(jumps.shape[0]):
        for x in range(jumps.shape[1]):
            found |= jumps[row, x]
    return found != 0


@kernel(f"void({FLAGS}, boolean[:, ::1])")
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


@kernel(f"void({JUMPS}, {FLAGS}, int64, int64, boolean[:, ::1])")
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


@kernel(
    f"int64[::1]({RAMPS}, float32[:, ::1], int64, int64, UniTuple(float64, 3), boolean[:, ::1], boolean, float64,"
    "float64, int32[:, ::1])"
)
def find_jumps(
    sci, groupdq, gain, variance, nframes, mode, thresholds, void_planes, with_neighbors, least, most, network
):  # fmt: skip
    """Flag the jumps in place; return those with neighbours to flag, as indices into the flattened `groupdq`.

    The neighbours are left for later, because they have no neighbours to flag of their own.
    """
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    buffers = np.empty((2, nvalues * tile_width), np.float32)
    jump_buffer = np.empty(nvalues * tile_width, np.uint8)
    counts, sizes = np.empty(tile_width, np.int64), np.empty(nvalues, np.float32)
    medians, sigmas = np.empty(tile_width, np.float32), np.empty(tile_width)
    triggers = np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffers[0, : nvalues * width].reshape(nvalues, width)
            ascending = buffers[1, : nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            count, noise = counts[:width], variance[y, x0 : x0 + width]

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

            if not with_neighbors:
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
                    if not least < abs(differences[row, x] - medians[x]) / sigmas[x] < most:
                        continue
                    if ntriggers == triggers.size:
                        longer = np.empty(2 * ntriggers, np.int64)
                        longer[:ntriggers] = triggers
                        triggers = longer
                    plane = row // steps * ngroups + row % steps + 1
                    triggers[ntriggers] = (plane * rows + y) * nx + x0 + x
                    ntriggers += 1
    return triggers[:ntriggers].copy()


@kernel(f"void({FLAGS}, int64[::1])")
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


@kernel(f"void({RAMPS}, float32, int64, float32, int64, int32[:, ::1])")
def flag_after_jumps(sci, groupdq, gain, size_1, n_1, size_2, n_2, network):
    """Flag the n groups after a jump of at least the given size [e] above the median.

    A flagged neighbour that is so large itself counts as a jump here. The clean-up takes the flag back from
    bad groups.
    """
    nints, ngroups, rows, nx = groupdq.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    buffers = np.empty((2, nvalues * tile_width), np.float32)
    jump_buffer = np.empty(nvalues * tile_width, np.uint8)
    counts, medians = np.empty(tile_width, np.int64), np.empty(tile_width, np.float32)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffers[0, : nvalues * width].reshape(nvalues, width)
            ascending = buffers[1, : nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            if not has_jumps(jumps):
                continue
            sort_tile(differences, False, network, ascending, counts[:width])
            for x in range(width):
                medians[x] = median_of_column(ascending, x, counts[x])
            for row in range(nvalues):
                i, g = row // steps, row % steps + 1
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    size = differences[row, x] - medians[x]
                    reach = max(n_1 if size >= size_1 else 0, n_2 if size >= size_2 else 0)
                    for after in range(g + 1, min(g + reach, steps) + 1):
                        groupdq[i, after, y, x0 + x] |= JUMP


@kernel(f"int64({FLAGS}, int64, int64)")
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


@kernel(f"void({FLAGS}, int64, int64, boolean[:, ::1])")
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


@kernel(f"void({FLAGS})")
def clean_up(groupdq):
    """Remove JUMP_DET from groups that are bad anyway."""
    nints, ngroups, rows, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            for y in range(rows):
                for x in range(nx):
                    flags = groupdq[i, g, y, x]
                    groupdq[i, g, y, x] = flags & ~JUMP if flags & BAD else flags


@kernel(f"float32[:, ::1]({RAMPS}, int32[:, ::1])")
def median_differences(sci, groupdq, gain, network):
    """Return the median difference [e] of every pixel over all groups and integrations; NaN for none."""
    nints, ngroups, rows, nx = sci.shape
    nvalues = nints * (ngroups - 1)
    tile_width = width_of_tile(nvalues, nx)
    buffers = np.empty((2, nvalues * tile_width), np.float32)
    jump_buffer, counts = np.empty(nvalues * tile_width, np.uint8), np.empty(tile_width, np.int64)
    medians = np.empty((rows, nx), np.float32)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffers[0, : nvalues * width].reshape(nvalues, width)
            ascending = buffers[1, : nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            sort_tile(differences, False, network, ascending, counts[:width])
            for x in range(width):
                medians[y, x0 + x] = median_of_column(ascending, x, counts[x])
    return medians


@kernel(f"void({RAMPS}, float64, float32[:, :, ::1], float32[:, :, ::1], int64)")
def clipped_statistics(sci, groupdq, gain, nsigma, medians, deviations, steps):
    """Find median and standard deviation [e] of every difference over the integrations, after sigma clipping."""
    nints, _, rows, nx = sci.shape
    nvalues = nints * steps
    tile_width = width_of_tile(nvalues, nx)
    buffer, jump_buffer = np.empty(nvalues * tile_width, np.float32), np.empty(nvalues * tile_width, np.uint8)
    values, bounds = np.empty(nints), np.empty(4)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffer[: nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            load_tile(sci, groupdq, gain, y, x0, differences, jumps)
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
