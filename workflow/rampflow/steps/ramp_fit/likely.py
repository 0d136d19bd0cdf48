"""Kernel of the maximum-likelihood ramp fit; `ramp_fit.fit_likely` says what it computes.

What is fitted are the scaled differences of successive resultants (averages of reads), d_i = (x_{i+1} - x_i) /
(t_{i+1} - t_i): with the rate a they have the mean a and a covariance matrix that is tridiagonal, because
differences two apart share no resultant and photons arrive independently (Brandt 2024, PASP 136, 045004). Its
elements are linear in the photon rate (DN/s over the gain) and in the variance of the read noise:

    C_ii     = photon (tau_i + tau_{i+1} - 2 t_i) / delta_i^2        + noise (1/N_i + 1/N_{i+1}) / delta_i^2
    C_i,i+1  = photon (t_{i+1} - tau_{i+1}) / (delta_i delta_{i+1})  - noise / (N_{i+1} delta_i delta_{i+1})

with N reads in a resultant at the times t_1 < t_2 < …, t their mean, tau = sum_k (2N + 1 - 2k) t_k / N^2 and
delta_i the difference of the means. A symmetric positive matrix of this form is L D L^T with L of two diagonals: one
pass up the ramp gives the rate and its variance, one pass down again the corners of the inverse matrix that the
search for jumps needs.

A difference that is not used, because a group is flagged or because a jump is in it, is a row and a column less. For
the search this need not be carried out: with G = C^-1 - C^-1 1 1^T C^-1 / (1^T C^-1 1) and z = G d, giving up the
differences of a set S lowers chi-squared by z_S^T (G_SS)^-1 z_S (Brandt 2024, PASP 136, 045005, where the same comes
from recursions of determinants).
"""

import math

import numpy as np
from numba import boolean, float32, float64, int32, int64, njit, uint8, uint32, void
from numba.types import Tuple, UniTuple

from rampflow.detector import dq
from rampflow.steps.ramp_fit.medians import middles, sort_columns

DNU = dq.DO_NOT_USE
SAT = dq.SATURATED
JUMP = dq.JUMP_DET
UNRELIABLE = dq.UNRELIABLE_SLOPE
BAD = DNU | SAT

#: Chi-squared that one, or two adjacent, differences less must save to be taken for a jump: chances of a false alarm
#: of 7e-6 each (4.5 standard deviations; two degrees of freedom).
ONE_LESS, TWO_LESS = 20.25, 23.8

#: With so many differences left the search ends.
FEWEST = 3

#: Rows of the table of a read pattern: inverse delta; photon and read noise on the diagonal, and beside it.
INVERSE_DELTA, PHOTON, PHOTON_BESIDE, READ, READ_BESIDE, PAIR = range(6)

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_F1, _F2, _F3, _F4 = float32[::1], float32[:, ::1], float32[:, :, ::1], float32[:, :, :, ::1]
_B1, _B2, _B4 = uint8[::1], uint8[:, ::1], uint8[:, :, :, ::1]
_D1, _D2, _D3 = float64[::1], float64[:, ::1], float64[:, :, ::1]
_I1 = int64[::1]
_K1, _K2 = int32[::1], int32[:, ::1]
_U2, _U3 = uint32[:, ::1], uint32[:, :, ::1]

#: Columns that are loaded at once.
_BLOCK = 64


def read_pattern(times):
    """Tabulate the covariance of the differences of a read pattern.

    Parameters
    ----------
    times : list of float `~numpy.ndarray`
        For each resultant the times of its reads (s).

    Returns
    -------
    float64 `~numpy.ndarray`
        Shape (6, differences); rows as named above. ``PAIR`` is 1 where a jump within the resultant between this
        difference and the next one spoils both: where that is an average.
    """
    reads = np.array([len(each) for each in times], dtype=np.float64)
    mean = np.array([np.mean(each) for each in times])
    tau = np.array([np.sum((2 * len(each) - 1 - 2 * np.arange(len(each))) * each) / len(each) ** 2 for each in times])
    delta = np.diff(mean)
    table = np.zeros((6, delta.size))
    table[INVERSE_DELTA] = 1 / delta
    table[PHOTON] = (tau[:-1] + tau[1:] - 2 * mean[:-1]) / delta**2
    table[READ] = (1 / reads[:-1] + 1 / reads[1:]) / delta**2
    product = delta[:-1] * delta[1:]
    table[PHOTON_BESIDE, :-1] = (mean[1:-1] - tau[1:-1]) / product
    table[READ_BESIDE, :-1] = -1 / (reads[1:-1] * product)
    table[PAIR, :-1] = reads[1:-1] > 1
    return table


# ---- one ramp


@njit(UniTuple(float64, 2)(_D1, _B1, int64, float64, float64, _D2, _D2), **_OPTIONS)
def _ascend(d, use, first, photon, noise, table, work):
    """Fit the rate of a ramp; return it and the inverse of its variance.

    Written to rows of `work`: the inverse pivots, the elements of L beside the
    diagonal (of the next row), and L^-1 applied to ones and to `d`, with zeros for what is not used.
    """
    weight = 0.0
    total = 0.0
    beside = 0.0
    below = 0.0
    ones = 0.0
    value = 0.0
    for j in range(first, d.size):
        inverse = 1.0 / (photon * table[PHOTON, j] + noise * table[READ, j] - below * beside)
        ones = use[j] - below * ones
        value = use[j] * d[j] - below * value
        weight += ones * ones * inverse
        total += ones * value * inverse
        both = use[j] & use[j + 1] if j + 1 < d.size else uint8(0)
        beside = both * (photon * table[PHOTON_BESIDE, j] + noise * table[READ_BESIDE, j])
        below = beside * inverse
        work[0, j] = inverse
        work[1, j] = below
        work[2, j] = ones
        work[3, j] = value
    return total / weight, weight


@njit(UniTuple(int64, 2)(_D1, _B1, int64, int64, float64, float64, _D2, _D2), **_OPTIONS)
def _find_jump(d, use, first, count, rate, weight, table, work):
    """Find the jump that is worst, if there is one: return the first difference that it spoils, and how many.

    `rate`, `weight` and `work` are from `_ascend`, `count` is the number of differences in use.
    """
    best_one = 0.0
    best_two = 0.0
    at_one = 0
    at_two = 0
    lowest = math.inf
    variance = 1.0 / weight
    # Of the difference after this one: z, C^-1 1, diagonal of C^-1 and of G.
    z_after = 0.0
    y_after = 0.0
    c_after = 0.0
    g_after = 0.0
    for j in range(d.size - 1, first - 1, -1):
        inverse = work[0, j]
        below = work[1, j]
        z = (work[3, j] - rate * work[2, j]) * inverse - below * z_after
        y = work[2, j] * inverse - below * y_after
        c = inverse + below * below * c_after
        g = c - y * y * variance
        # What is saved is compared with the threshold before the division, which few need.
        if use[j]:
            if z * z > ONE_LESS * g and z * z / g > best_one:
                best_one = z * z / g
                at_one = j
            beside = -below * c_after - y * y_after * variance
            determinant = g * g_after - beside * beside
            saved = g_after * z * z - 2.0 * beside * z * z_after + g * z_after * z_after
            if saved > TWO_LESS * determinant and count > 2 and j + 1 < d.size and use[j + 1] and table[PAIR, j] != 0.0:
                gain = saved / determinant
                if count == FEWEST:
                    # One difference would be left, and chi-squared be 0 whichever: the lowest is free of a jump.
                    left = math.inf
                    for k in range(first, d.size):
                        if use[k] and k != j and k != j + 1:
                            left = d[k]
                    if left < lowest:
                        lowest = left
                        at_two = j
                    best_two = max(best_two, gain)
                elif gain > best_two:
                    best_two = gain
                    at_two = j
        z_after = z
        y_after = y
        c_after = c
        g_after = g
    if best_one > 0.0 and best_one - ONE_LESS > best_two - TWO_LESS:
        if count == 2:
            # As above: of two differences the larger one holds the jump.
            for k in range(first, d.size):
                if use[k] and d[k] > d[at_one]:
                    at_one = k
        return at_one, 1
    if best_two > 0.0:
        return at_two, 2
    return 0, 0


@njit(Tuple((float64, int64))(_D1, _B1, int64, int64, float64, float64, _D2, _D2), **_OPTIONS)
def _reject_jumps(d, use, first, count, photon, noise, table, work):
    """Take differences with jumps out of use, the worst first; return the rate of the rest, and how many it has."""
    rate, weight = _ascend(d, use, first, photon, noise, table, work)
    while count > 1:
        at, number = _find_jump(d, use, first, count, rate, weight, table, work)
        if number == 0:
            break
        use[at] = 0
        if number == 2:
            use[at + 1] = 0
        count -= number
        rate, weight = _ascend(d, use, first, photon, noise, table, work)
        if count <= FEWEST:
            break
    return rate, count


@njit(void(_D1, _B1, int64, float64, float64, _D2, _D2, _D1), **_OPTIONS)
def _fit_ramp(d, use, first, photon, noise, table, work, result):
    """Fit the rate of a ramp; write it, its variances (photon noise, read noise) and chi-squared."""
    rate, weight = _ascend(d, use, first, photon, noise, table, work)
    var_p = 0.0
    var_r = 0.0
    chisq = 0.0
    after = 0.0
    for j in range(d.size - 1, first - 1, -1):
        inverse = work[0, j]
        residual = work[3, j] - rate * work[2, j]
        chisq += residual * residual * inverse
        # The coefficient of the difference in the rate, times the weight.
        y = work[2, j] * inverse - work[1, j] * after
        var_p += y * (y * table[PHOTON, j] + 2.0 * after * table[PHOTON_BESIDE, j])
        var_r += y * (y * table[READ, j] + 2.0 * after * table[READ_BESIDE, j])
        after = y
    result[0] = rate
    result[1] = photon * var_p / (weight * weight)
    result[2] = noise * var_r / (weight * weight)
    result[3] = chisq


# ---- many ramps of which all is in use, side by side: the same operations in the same order


@njit(void(_D2, _D1, _D1, _D2, _D3, _D2), **_OPTIONS)
def _ascend_all(d, photon, noise, table, work, sums):
    """Fit the rates of ramps as `_ascend`: rows 0 and 1 of `sums` receive rates and weights, the others are scratch."""
    n, width = d.shape
    sums[:] = 0.0
    rate, weight, beside, below, ones, value = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for j in range(n):
        both = 1.0 if j + 1 < n else 0.0
        photon_j, read_j = table[PHOTON, j], table[READ, j]
        photon_beside, read_beside = table[PHOTON_BESIDE, j], table[READ_BESIDE, j]
        samples, pivots, lower, of_ones, of_d = d[j], work[0, j], work[1, j], work[2, j], work[3, j]
        for c in range(width):
            inverse = 1.0 / (photon[c] * photon_j + noise[c] * read_j - below[c] * beside[c])
            ones[c] = 1.0 - below[c] * ones[c]
            value[c] = samples[c] - below[c] * value[c]
            weight[c] += ones[c] * ones[c] * inverse
            rate[c] += ones[c] * value[c] * inverse
            beside[c] = both * (photon[c] * photon_beside + noise[c] * read_beside)
            below[c] = beside[c] * inverse
            pivots[c] = inverse
            lower[c] = below[c]
            of_ones[c] = ones[c]
            of_d[c] = value[c]
    for c in range(width):
        rate[c] = rate[c] / weight[c]


@njit(void(_D2, _D2, _D3, _D2, _D1), **_OPTIONS)
def _suspect_jumps(sums, table, work, after, suspect):
    """Tell which ramps have something that `_find_jump` has to look at, by a 1; `after` is scratch."""
    n, width = work.shape[1:]
    rate, weight = sums[0], sums[1]
    after[:] = 0.0
    suspect[:] = 0.0
    z_after, y_after, c_after, g_after, variance = after[0], after[1], after[2], after[3], after[4]
    for c in range(width):
        variance[c] = 1.0 / weight[c]
    for j in range(n - 1, -1, -1):
        pivots, lower, of_ones, of_d = work[0, j], work[1, j], work[2, j], work[3, j]
        pairs = n > 2 and j + 1 < n and table[PAIR, j] != 0.0
        for c in range(width):
            inverse, below = pivots[c], lower[c]
            z = (of_d[c] - rate[c] * of_ones[c]) * inverse - below * z_after[c]
            y = of_ones[c] * inverse - below * y_after[c]
            diagonal = inverse + below * below * c_after[c]
            g = diagonal - y * y * variance[c]
            found = z * z > ONE_LESS * g
            if pairs:
                beside = -below * c_after[c] - y * y_after[c] * variance[c]
                determinant = g * g_after[c] - beside * beside
                saved = g_after[c] * z * z - 2.0 * beside * z * z_after[c] + g * z_after[c] * z_after[c]
                found |= saved > TWO_LESS * determinant
            suspect[c] = 1.0 if found else suspect[c]
            z_after[c] = z
            y_after[c] = y
            c_after[c] = diagonal
            g_after[c] = g


@njit(void(_D1, _D1, _D2, _D2, _D3, _D2, _D2), **_OPTIONS)
def _fit_ramps(photon, noise, sums, table, work, after, results):
    """Write what `_fit_ramp` finds, row by row, from what `_ascend_all` has found; `after` is scratch."""
    n, width = work.shape[1:]
    rate, weight = sums[0], sums[1]
    after[:] = 0.0
    var_p, var_r, chisq, last = after[0], after[1], after[2], after[3]
    for j in range(n - 1, -1, -1):
        photon_j, read_j = table[PHOTON, j], table[READ, j]
        photon_beside, read_beside = table[PHOTON_BESIDE, j], table[READ_BESIDE, j]
        pivots, lower, of_ones, of_d = work[0, j], work[1, j], work[2, j], work[3, j]
        for c in range(width):
            residual = of_d[c] - rate[c] * of_ones[c]
            chisq[c] += residual * residual * pivots[c]
            y = of_ones[c] * pivots[c] - lower[c] * last[c]
            var_p[c] += y * (y * photon_j + 2.0 * last[c] * photon_beside)
            var_r[c] += y * (y * read_j + 2.0 * last[c] * read_beside)
            last[c] = y
    for c in range(width):
        results[0, c] = rate[c]
        results[1, c] = photon[c] * var_p[c] / (weight[c] * weight[c])
        results[2, c] = noise[c] * var_r[c] / (weight[c] * weight[c])
        results[3, c] = chisq[c]


@njit(void(_D2, _D1, _D1, _D1, _D1, _D2, _D3, _D2, _D2, _D1, _D1, _D2), **_OPTIONS)
def _fit_all(d, median, e_dn, noise, dark, table, work, sums, after, suspect, photon, results):
    """Fit ramps of which all is in use; those that are `suspect` of jumps have to be searched."""
    for c in range(photon.size):
        guess = 0.0 if median[c] < 0.0 else median[c]
        photon[c] = guess / e_dn[c]
    _ascend_all(d, photon, noise, table, work, sums)
    _suspect_jumps(sums, table, work, after, suspect)
    for c in range(photon.size):
        rate = 0.0 if sums[0, c] < 0.0 else sums[0, c]
        photon[c] = (rate + dark[c]) / e_dn[c]
    _ascend_all(d, photon, noise, table, work, sums)
    _fit_ramps(photon, noise, sums, table, work, after, results)


# ---- an exposure


@njit(void(_F3, _F3, _F3, int64, int64, int64, _K2, _K2, _F3, _F2), **_OPTIONS)
def _combine(slope, var_p, var_r, row, left, width, keys, middle, weights, results):
    """Combine the rates of the integrations of a block; write rows of rate and variances (photon noise, read noise).

    What follows `width` is scratch, but for `results`. The photon noise of an integration follows from its own rate;
    in the weights it is brought to the common rate, lest integrations that happen to be low weigh more. In single
    precision, as the oracle: rates near 0, where integrations cancel, then agree, too.
    """
    nints = slope.shape[0]
    rate, photons, reads, total = results[0], results[1], results[2], results[3]
    if nints == 1:
        for c in range(width):
            rate[c] = slope[0, row, left + c]
            photons[c] = var_p[0, row, left + c]
            reads[c] = var_r[0, row, left + c]
        return
    middles(slope.view(np.int32), row, left, width, keys, middle)
    lower, upper, usable = middle[0].view(np.float32), middle[1].view(np.float32), middle[2]
    for c in range(width):
        rate[c] = (lower[c] + upper[c]) / float32(2)
    for _ in range(2):
        total[:] = 0
        for i in range(nints):
            weight_i, photon_i = weights[0, i], weights[1, i]
            for c in range(width):
                value = slope[i, row, left + c]
                ratio = rate[c] / value
                photon = var_p[i, row, left + c] * (float32(0) if ratio < 0 else ratio)
                photon = photon if photon < math.inf else float32(0)  # a rate of 0 cannot be brought to another
                weight = float32(1) / (photon + var_r[i, row, left + c])
                counts = (weight == weight) & (value == value)
                weight_i[c] = weight if counts else float32(0)
                photon_i[c] = photon if counts else float32(0)
                total[c] += weight_i[c]
        results[:3] = 0
        for i in range(nints):
            weight_i, photon_i = weights[0, i], weights[1, i]
            for c in range(width):
                value = slope[i, row, left + c]
                weight = weight_i[c] / total[c]
                counts = value == value
                rate[c] += weight * value if counts else float32(0)
                photons[c] += weight * weight * photon_i[c] if counts else float32(0)
                reads[c] += weight * weight * var_r[i, row, left + c] if counts else float32(0)
    for c in range(width):
        if usable[c] == 0:
            rate[c] = photons[c] = reads[c] = math.nan


# ---- blocks of rows


@njit(void(_F2, _D3, boolean, float32, int64, _D2, _D2, _D1, _I1), **_OPTIONS)
def _differences(x, tables, extra, frames, width, d, scratch, median, lone):
    """Find the differences `d` of the resultants `x` of a block, (differences, columns), and their medians.

    With `extra`, resultant 0 is the zero frame, and the group after it becomes the rest of its frames. Where there is
    no zero frame (`lone` is 1) the group stays whole, the second table holds, and difference 0 does not count.
    Samples are subtracted in their own precision, as the oracle does.
    """
    n = d.shape[0]
    for c in range(width):
        median[c] = 0.0
        lone[c] = 0
        if extra:
            zero = x[0, c]
            if zero == 0.0 or zero != zero:
                lone[c] = 1
                x[0, c] = x[1, c]
            else:
                x[1, c] = (frames * x[1, c] - zero) / (frames - float32(1))
    for j in range(n):
        for c in range(width):
            d[j, c] = float64(x[j + 1, c] - x[j, c]) * tables[lone[c], INVERSE_DELTA, j]
            scratch[j, c] = d[j, c]
            # A sample that is not a number spoils the ramp.
            median[c] += 0.0 * d[j, c]
    if extra:
        for c in range(width):
            if lone[c]:
                scratch[0, c] = math.inf
    sort_columns(scratch, n, width)
    for c in range(width):
        counted = n - lone[c]
        median[c] += 0.5 * (scratch[(counted - 1) // 2, c] + scratch[counted // 2, c])


@njit(void(_B4, _I1, int64, int64, int64, int64, _B2, _B1, _B1), **_OPTIONS)
def _load_flags(gdq, wanted, i, row, left, width, q, flags, common):
    """Take over the flags `q` of the groups of a block, and `flags`, all of them ORed.

    `common` is DO_NOT_USE where every group is DO_NOT_USE or SATURATED.
    """
    flags[:] = 0
    common[:] = DNU
    for g in range(gdq.shape[1]):
        added = uint8(0 if wanted[0] <= g <= wanted[1] else DNU)
        for c in range(width):
            flag = gdq[i, g, row, left + c] | added
            flags[c] |= flag
            q[g, c] = flag
            if flag & BAD == 0:
                common[c] = 0


@njit(
    void(
        _F4, _B4, _U2, _F2, _F2, _F2, _F3, _I1, boolean, float32, _D3, _D1,
        _F2, _U2, _F2, _F2, _F2, _F3, _U3, _F3, _F3, _F3, _F2,
    ),
    **_OPTIONS,
)  # fmt: skip
def fit_rows(
    sci, gdq, pdq, gain, readnoise, dark, zeroframe, wanted, any_saturated, frames, tables, limits,
    slope, dq_out, err, var_p, var_r, slope_int, dq_int, err_int, var_p_int, var_r_int, chisq,
):  # fmt: skip
    """Fit all ramps of a block of rows: see `ramp_fit.fit_likely`."""
    nints, ngroups, nrows, nx = sci.shape
    n = tables.shape[2]
    shift = n + 1 - ngroups
    # Of a row, whose columns are worked on in blocks.
    size = (nx + _BLOCK - 1) // _BLOCK * _BLOCK
    e_dn, noise, darks = np.ones(size), np.ones(size), np.zeros(size)
    bits_any, bits_all = np.empty(nx, dtype=np.uint32), np.empty(nx, dtype=np.uint32)
    total = np.empty(nx)
    # Of a block.
    x = np.empty((n + 1, _BLOCK), dtype=np.float32)
    d, scratch, median = np.zeros((n, _BLOCK)), np.empty((n, _BLOCK)), np.zeros(_BLOCK)
    lone, left_over = np.zeros(_BLOCK, dtype=np.int64), np.empty(_BLOCK, dtype=np.int64)
    q = np.empty((ngroups, _BLOCK), dtype=np.uint8)
    flags, common = np.empty(_BLOCK, dtype=np.uint8), np.empty(_BLOCK, dtype=np.uint8)
    jumped, bits = np.empty(_BLOCK, dtype=np.uint8), np.empty(_BLOCK, dtype=np.uint32)
    works, sums, after = np.empty((4, n, _BLOCK)), np.empty((6, _BLOCK)), np.empty((5, _BLOCK))
    photon, suspect, results = np.empty(_BLOCK), np.empty(_BLOCK), np.empty((4, _BLOCK))
    # Of one ramp.
    ramp, use, work, result = np.empty(n), np.empty(n, dtype=np.uint8), np.empty((4, n)), np.empty(4)
    # Of the integrations of a block.
    keys, middle = np.empty((nints, _BLOCK), dtype=np.int32), np.empty((5, _BLOCK), dtype=np.int32)
    weights, means = np.empty((2, nints, _BLOCK), dtype=np.float32), np.empty((4, _BLOCK), dtype=np.float32)
    for row in range(nrows):
        for col in range(nx):
            gained = float64(gain[row, col])
            e_dn[col] = gained if gained > 0.0 else math.nan
            noise[col] = 0.5 * float64(readnoise[row, col]) ** 2
            darks[col] = dark[row, col]
        bits_any[:] = 0
        bits_all[:] = BAD
        total[:] = 0.0
        for i in range(nints):
            for left in range(0, nx, _BLOCK):
                width = min(_BLOCK, nx - left)
                _load_flags(gdq, wanted, i, row, left, width, q, flags, common)
                if shift:
                    for c in range(width):
                        x[0, c] = zeroframe[i, row, left + c]
                for g in range(ngroups):
                    for c in range(width):
                        x[shift + g, c] = sci[i, g, row, left + c]
                _differences(x, tables, shift == 1, frames, width, d, scratch, median, lone)
                here = slice(left, left + _BLOCK)
                gain_b, noise_b, dark_b = e_dn[here], noise[here], darks[here]
                _fit_all(d, median, gain_b, noise_b, dark_b, tables[0], works, sums, after, suspect, photon, results)
                jumped[:] = 0
                left_over[:] = n
                for c in range(width):
                    if flags[c] or lone[c] or suspect[c] != 0.0:
                        table = tables[lone[c]]
                        first = lone[c]
                        count = 0
                        for j in range(first, n):
                            before = q[max(j - shift, 0), c]
                            use[j] = uint8(before | q[j + 1 - shift, c] == 0)
                            count += use[j]
                            ramp[j] = d[j, c]
                        left_over[c] = count
                        result[:] = math.nan
                        if count > 0:
                            guess = 0.0 if median[c] < 0.0 else median[c]
                            rate, left_over[c] = _reject_jumps(
                                ramp, use, first, count, guess / gain_b[c], noise_b[c], table, work
                            )  # fmt: skip
                            rate = 0.0 if rate < 0.0 else rate
                            light = (rate + dark_b[c]) / gain_b[c]
                            _fit_ramp(ramp, use, first, light, noise_b[c], table, work, result)
                        results[:, c] = result
                        jumped[c] = JUMP if left_over[c] < count else 0
                for c in range(width):
                    lost = flags[c] & SAT if any_saturated else uint8(BAD if q[0, c] & SAT else 0)
                    bits[c] = pdq[row, left + c] | uint32((flags[c] & JUMP) | common[c] | jumped[c] | lost)
                if limits.size > 0:
                    for c in range(width):
                        if left_over[c] > 1 and results[3, c] > limits[left_over[c]]:
                            bits[c] |= uint32(UNRELIABLE)
                for c in range(width):
                    bits_any[left + c] |= bits[c]
                    bits_all[left + c] &= bits[c]
                    dq_int[i, row, left + c] = bits[c]
                # One array at a time, which the compiler can do with vector instructions.
                for c in range(width):
                    slope_int[i, row, left + c] = results[0, c]
                for c in range(width):
                    err_int[i, row, left + c] = math.sqrt(results[1, c] + results[2, c])
                for c in range(width):
                    var_p_int[i, row, left + c] = results[1, c]
                for c in range(width):
                    var_r_int[i, row, left + c] = results[2, c]
                for c in range(width):
                    total[left + c] += results[3, c]
        for col in range(nx):
            dq_out[row, col] = (bits_any[col] & ~uint32(BAD)) | bits_all[col]
            if any_saturated:
                dq_out[row, col] |= bits_any[col] & SAT
            chisq[row, col] = total[col]
        for left in range(0, nx, _BLOCK):
            width = min(_BLOCK, nx - left)
            _combine(slope_int, var_p_int, var_r_int, row, left, width, keys, middle, weights, means)
            for c in range(width):
                slope[row, left + c] = means[0, c]
                err[row, left + c] = math.sqrt(means[1, c] + means[2, c])
                var_p[row, left + c] = means[1, c]
                var_r[row, left + c] = means[2, c]
