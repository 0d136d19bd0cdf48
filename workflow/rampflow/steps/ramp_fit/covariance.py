"""Fits of ramps by maximum likelihood, one at a time or many side by side; `likely` takes an exposure through them.

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

Source: Brandt 2024, PASP 136, 045004 and 045005.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float64, int64, uint8, void
from numba.types import Tuple, UniTuple

from rampflow.kernels import F64_1, F64_2, F64_3, U8_1, fields, kernel

#: Chi-squared that one, or two adjacent, differences less must save to be taken for a jump: chances of a false alarm
#: of 7e-6 each (4.5 standard deviations; two degrees of freedom).
ONE_LESS, TWO_LESS = 20.25, 23.8

#: With so many differences left the search ends.
FEWEST = 3

#: Rows of the table of a read pattern: inverse delta; photon and read noise on the diagonal, and beside it.
INVERSE_DELTA, PHOTON, PHOTON_BESIDE, READ, READ_BESIDE, PAIR = range(6)

#: Rows of what the way up a ramp leaves for that down: inverse pivots, elements of L beside the diagonal (of the next
#: row), L^-1 applied to ones, and to the differences.
INVERSE_PIVOT, BELOW, OF_ONES, OF_D = range(4)

#: Rows of the result of a fit: rate, its variances (photon noise, read noise), chi-squared.
RATE, VAR_POISSON, VAR_RNOISE, CHISQ = range(4)

#: Row of the weights of rates, beside RATE, in the sums of ramps that are fitted side by side.
WEIGHT = 1


class Columns(NamedTuple):
    """What the fit knows of the pixels of a block, shape (width,).

    Attributes
    ----------
    gain : float64 `~numpy.ndarray`
        Gain (electrons/DN), NaN where it is not positive.
    noise : float64 `~numpy.ndarray`
        Variance of the read noise of a frame (DN²).
    dark_rate : float64 `~numpy.ndarray`
        Mean dark current (DN/s).
    """

    gain: np.ndarray
    noise: np.ndarray
    dark_rate: np.ndarray


class Works(NamedTuple):
    """What ramps of a block are fitted with, side by side.

    Attributes
    ----------
    sums : float64 `~numpy.ndarray`
        Rates and inverse variances in rows RATE and WEIGHT, all else is scratch; shape (6, width).
    suspect : float64 `~numpy.ndarray`
        1 where jumps have to be looked for, else 0.
    results : float64 `~numpy.ndarray`
        What is found, shape (4, width), rows as named above.
    work : float64 `~numpy.ndarray`
        Of every difference, shape (4, n, width), rows as named above.
    after, photon
        Scratch.
    """

    sums: np.ndarray
    suspect: np.ndarray
    results: np.ndarray
    work: np.ndarray
    after: np.ndarray
    photon: np.ndarray


COLUMNS = fields(Columns, F64_1, F64_1, F64_1)
WORKS = fields(Works, F64_2, F64_1, F64_2, F64_3, F64_2, F64_1)


@kernel(WORKS(int64, int64))
def room_for_works(n, width):
    """Make room for fits of so many ramps of n differences."""
    return Works(
        np.empty((6, width)),
        np.empty(width),
        np.empty((4, width)),
        np.empty((4, n, width)),
        np.empty((5, width)),
        np.empty(width),
    )


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


@kernel(UniTuple(float64, 2)(F64_1, U8_1, int64, float64, float64, F64_2, F64_2))
def _ascend(d, use, first, photon, noise, table, work):
    """Fit the rate of a ramp; return it and the inverse of its variance.

    Written to the rows of `work`, named above, with zeros for what is not used.
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
        work[INVERSE_PIVOT, j] = inverse
        work[BELOW, j] = below
        work[OF_ONES, j] = ones
        work[OF_D, j] = value
    return total / weight, weight


@kernel(UniTuple(int64, 2)(F64_1, U8_1, int64, int64, float64, float64, F64_2, F64_2))
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
        inverse = work[INVERSE_PIVOT, j]
        below = work[BELOW, j]
        z = (work[OF_D, j] - rate * work[OF_ONES, j]) * inverse - below * z_after
        y = work[OF_ONES, j] * inverse - below * y_after
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


@kernel(Tuple((float64, int64))(F64_1, U8_1, int64, int64, float64, float64, F64_2, F64_2))
def reject_jumps(d, use, first, count, photon, noise, table, work):
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


@kernel(void(F64_1, U8_1, int64, float64, float64, F64_2, F64_2, F64_1))
def fit_ramp(d, use, first, photon, noise, table, work, result):
    """Fit the rate of a ramp; write the rows of `result`, named above."""
    rate, weight = _ascend(d, use, first, photon, noise, table, work)
    var_p = 0.0
    var_r = 0.0
    chisq = 0.0
    after = 0.0
    for j in range(d.size - 1, first - 1, -1):
        inverse = work[INVERSE_PIVOT, j]
        residual = work[OF_D, j] - rate * work[OF_ONES, j]
        chisq += residual * residual * inverse
        # The coefficient of the difference in the rate, times the weight.
        y = work[OF_ONES, j] * inverse - work[BELOW, j] * after
        var_p += y * (y * table[PHOTON, j] + 2.0 * after * table[PHOTON_BESIDE, j])
        var_r += y * (y * table[READ, j] + 2.0 * after * table[READ_BESIDE, j])
        after = y
    result[RATE] = rate
    result[VAR_POISSON] = photon * var_p / (weight * weight)
    result[VAR_RNOISE] = noise * var_r / (weight * weight)
    result[CHISQ] = chisq


# ---- many ramps of which all is in use, side by side: the same operations in the same order


@kernel(void(F64_2, F64_1, F64_1, F64_2, WORKS))
def _ascend_all(d, photon, noise, table, works):
    """Fit the rates of ramps as `_ascend`, and their weights."""
    n, width = d.shape
    work, sums = works.work, works.sums
    sums[:] = 0.0
    rate, weight, beside, below, ones, value = sums[RATE], sums[WEIGHT], sums[2], sums[3], sums[4], sums[5]
    for j in range(n):
        both = 1.0 if j + 1 < n else 0.0
        photon_j, read_j = table[PHOTON, j], table[READ, j]
        photon_beside, read_beside = table[PHOTON_BESIDE, j], table[READ_BESIDE, j]
        samples, pivots, lower = d[j], work[INVERSE_PIVOT, j], work[BELOW, j]
        of_ones, of_d = work[OF_ONES, j], work[OF_D, j]
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


@kernel(void(F64_2, WORKS))
def _suspect_jumps(table, works):
    """Tell which ramps have something that `_find_jump` has to look at."""
    work, sums, after, suspect = works.work, works.sums, works.after, works.suspect
    n, width = work.shape[1:]
    rate, weight = sums[RATE], sums[WEIGHT]
    after[:] = 0.0
    suspect[:] = 0.0
    z_after, y_after, c_after, g_after, variance = after[0], after[1], after[2], after[3], after[4]
    for c in range(width):
        variance[c] = 1.0 / weight[c]
    for j in range(n - 1, -1, -1):
        pivots, lower, of_ones, of_d = work[INVERSE_PIVOT, j], work[BELOW, j], work[OF_ONES, j], work[OF_D, j]
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


@kernel(void(F64_1, F64_1, F64_2, WORKS))
def _fit_ramps(photon, noise, table, works):
    """Write what `fit_ramp` finds, row by row, from what `_ascend_all` has found."""
    work, sums, after, results = works.work, works.sums, works.after, works.results
    n, width = work.shape[1:]
    rate, weight = sums[RATE], sums[WEIGHT]
    after[:] = 0.0
    var_p, var_r, chisq, last = after[0], after[1], after[2], after[3]
    for j in range(n - 1, -1, -1):
        photon_j, read_j = table[PHOTON, j], table[READ, j]
        photon_beside, read_beside = table[PHOTON_BESIDE, j], table[READ_BESIDE, j]
        pivots, lower, of_ones, of_d = work[INVERSE_PIVOT, j], work[BELOW, j], work[OF_ONES, j], work[OF_D, j]
        for c in range(width):
            residual = of_d[c] - rate[c] * of_ones[c]
            chisq[c] += residual * residual * pivots[c]
            y = of_ones[c] * pivots[c] - lower[c] * last[c]
            var_p[c] += y * (y * photon_j + 2.0 * last[c] * photon_beside)
            var_r[c] += y * (y * read_j + 2.0 * last[c] * read_beside)
            last[c] = y
    for c in range(width):
        results[RATE, c] = rate[c]
        results[VAR_POISSON, c] = photon[c] * var_p[c] / (weight[c] * weight[c])
        results[VAR_RNOISE, c] = noise[c] * var_r[c] / (weight[c] * weight[c])
        results[CHISQ, c] = chisq[c]


@kernel(void(F64_2, F64_1, COLUMNS, F64_2, WORKS))
def fit_all(d, median, pixels, table, works):
    """Fit ramps of which all is in use, given median differences; those that are `suspect` have to be searched."""
    photon, rates = works.photon, works.sums[RATE]
    gain, noise, dark_rate = pixels
    for c in range(photon.size):
        guess = 0.0 if median[c] < 0.0 else median[c]
        photon[c] = guess / gain[c]
    _ascend_all(d, photon, noise, table, works)
    _suspect_jumps(table, works)
    for c in range(photon.size):
        rate = 0.0 if rates[c] < 0.0 else rates[c]
        photon[c] = (rate + dark_rate[c]) / gain[c]
    _ascend_all(d, photon, noise, table, works)
    _fit_ramps(photon, noise, table, works)
