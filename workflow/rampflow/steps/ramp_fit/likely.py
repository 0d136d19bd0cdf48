"""Fit slopes to ramps by maximum likelihood (LIKELY), block by block of their rows.

Source: Brandt 2024, PASP 136, 045004 and 045005;
https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import boolean, float32, float64, int64, uint8, uint32, void
from scipy import special

from rampflow.detector import dq
from rampflow.kernels import (
    F32_2,
    F64_1,
    F64_2,
    F64_3,
    I64_1,
    U8_1,
    U8_2,
    U8_4,
    U32_1,
    U32_2,
    fields,
    kernel,
)
from rampflow.steps.ramp_fit import arrays
from rampflow.steps.ramp_fit.arrays import BLOCK, PIXELS, RAMPS, RATEINTS, Block, empty_slopes, ramps_and_pixels
from rampflow.steps.ramp_fit.covariance import (
    CHISQ,
    COLUMNS,
    RATE,
    VAR_POISSON,
    VAR_RNOISE,
    Columns,
    fit_all,
    fit_ramp,
    read_pattern,
    reject_jumps,
    room_for_works,
)
from rampflow.steps.ramp_fit.groups import wanted
from rampflow.steps.ramp_fit.mean_rates import combine, room_for_means, store_means
from rampflow.steps.ramp_fit.resultants import RESULTANTS, find_differences, room_for_resultants

if TYPE_CHECKING:
    from rampflow.steps.ramp_fit.arrays import Slopes

DNU = dq.DO_NOT_USE
SAT = dq.SATURATED
JUMP = dq.JUMP_DET
UNRELIABLE = dq.UNRELIABLE_SLOPE
BAD = DNU | SAT

#: Columns that are loaded at once.
_BLOCK = 64


class LoadedFlags(NamedTuple):
    """Flags of an integration of a block, shape (width,) unless noted.

    Attributes
    ----------
    of_groups : uint8 `~numpy.ndarray`
        Of each group, shape (ngroups, width).
    ored, common : uint8 `~numpy.ndarray`
        Of any group; DO_NOT_USE where every group is DO_NOT_USE or SATURATED.
    jumped : uint8 `~numpy.ndarray`
        JUMP_DET where the fit has found jumps.
    left_over : int64 `~numpy.ndarray`
        Differences that were fitted.
    bits : uint32 `~numpy.ndarray`
        Flags of the slopes.
    """

    of_groups: np.ndarray
    ored: np.ndarray
    common: np.ndarray
    jumped: np.ndarray
    left_over: np.ndarray
    bits: np.ndarray


class LoneRamp(NamedTuple):
    """A ramp that is fitted by itself: its differences, which are in use, and what `fit_ramp` writes."""

    d: np.ndarray
    use: np.ndarray
    work: np.ndarray
    result: np.ndarray


class Totals(NamedTuple):
    """Flags of any integration of a row, those of all, and chi-squared."""

    bits_any: np.ndarray
    bits_all: np.ndarray
    chisq: np.ndarray


FLAGS = fields(LoadedFlags, U8_2, U8_1, U8_1, U8_1, I64_1, U32_1)
RAMP = fields(LoneRamp, F64_1, U8_1, F64_2, F64_1)
TOTALS = fields(Totals, U32_1, U32_1, F64_1)


def fit_likely(
    sci: np.ndarray,
    groupdq: np.ndarray,
    pixeldq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    dark_rate: np.ndarray | None = None,
    zeroframe: np.ndarray | None = None,
    *,
    firstgroup: int | None,
    lastgroup: int | None,
    tframe: float,
    nframes: int,
    groupgap: int,
    flag_saturated: str,
    flag_chisq_pvalue: float | None,
    read_times: list[list[float]] | None = None,
) -> tuple[Slopes, Slopes, np.ndarray]:
    """Fit the ramps of a block of rows by maximum likelihood (LIKELY).

    The differences of successive groups are fitted by one rate, by generalised least squares with their full
    covariance: of the read noise, and of the photons, which arrive within the groups that are averages, too (Brandt
    2024, PASP 136, 045004). The covariance needs a rate: first the median difference, then, lest it be biased, the
    rate that comes out of that fit. The fit has a search for jumps of its own (Brandt 2024, PASP 136, 045005): as
    long as leaving out a difference, or two adjacent ones where groups are averages, lowers chi-squared by more than
    20.25 (23.8) and more than three are left, the worst go. JUMP_DET tells so.

    Integrations are combined with weights in which the photon noise is that of the common rate.

    Parameters
    ----------
    sci, groupdq, pixeldq, dark_rate, flag_saturated
        As for `fit_ramps`; `FEWEST_GROUPS` or more groups, for want of another fit two or three with `read_times`.
    gain, readnoise : 2D float32 `~numpy.ndarray`
        As for `fit_ramps`, but a gain that is NaN or not positive gives no slope and no flag, as in jwst.
    zeroframe : 3D float32 `~numpy.ndarray` or None
        First frame of each integration (DN), shape (nints, rows, nx), 0 or NaN where it is not usable. If groups are
        averages it is the first sample of the ramp, and taken out of the first group.
    firstgroup, lastgroup : int or None
        Groups before and after these count as DO_NOT_USE.
    tframe : float
        Time of a frame (s).
    nframes, groupgap : int
        Frames averaged into a group, and dropped between groups.
    flag_chisq_pvalue : float or None
        UNRELIABLE_SLOPE is set where chi-squared of an integration's fit has a smaller chance than this to be as
        large if the ramp is a straight line with the noise expected. None is never.
    read_times : list of list of float, optional
        For each group the times of its reads (s), where they are not what the three numbers above say.

    Returns
    -------
    rate, rateints : Slopes
        Of the exposure and of its integrations. Without two usable groups in succession all is NaN, errors and
        variances, too.
    chisq : 2D float32 `~numpy.ndarray`
        Chi-squared of the fits, summed over the integrations, shape (rows, nx); NaN where one has none.
    """
    nints, ngroups, rows, nx = sci.shape
    rate, rateints = empty_slopes(nints, rows, nx)
    chisq = np.empty((rows, nx), np.float32)
    frames = np.arange(nframes) + 1 + (nframes + groupgap) * np.arange(ngroups)[:, np.newaxis]
    times = list(frames * tframe) if read_times is None else [np.array(reads) for reads in read_times]
    tables = [read_pattern(times)]
    if zeroframe is not None and nframes > 1:
        # Where the zero frame is not usable the differences are counted from 1.
        tables = [read_pattern([times[0][:1], times[0][1:], *times[1:]]), np.pad(tables[0], ((0, 0), (1, 0)))]
    limits = np.empty(0)
    if flag_chisq_pvalue is not None:
        limits = special.chdtri(np.maximum(1, np.arange(tables[0].shape[1] + 1) - 1), flag_chisq_pvalue)
    ramps, pixels = ramps_and_pixels(sci, groupdq, zeroframe, gain, readnoise, dark_rate)
    left_in = np.array(wanted(ngroups, firstgroup, lastgroup))
    choices = left_in, flag_saturated == "any", nframes, np.array(tables), limits
    _fit_rows(ramps, pixeldq, pixels, *choices, rate, rateints, chisq)
    return rate, rateints, chisq


@kernel(FLAGS(int64))
def _room_for_flags(ngroups):
    of_groups, others = np.empty((ngroups, _BLOCK), np.uint8), np.empty((3, _BLOCK), np.uint8)
    left_over, bits = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.uint32)
    return LoadedFlags(of_groups, others[0], others[1], others[2], left_over, bits)


@kernel(void(U8_4, I64_1, int64, BLOCK, FLAGS))
def _load_flags(groupdq, wanted, i, block, flags):
    """Take over the flags of the groups of a block."""
    of_groups, ored, common = flags.of_groups, flags.ored, flags.common
    ored[:] = 0
    common[:] = DNU
    for g in range(groupdq.shape[1]):
        added = uint8(0 if wanted[0] <= g <= wanted[1] else DNU)
        for c in range(block.width):
            flag = groupdq[i, g, block.row, block.left + c] | added
            ored[c] |= flag
            of_groups[g, c] = flag
            if flag & BAD == 0:
                common[c] = 0


@kernel(void(RAMPS, int64, BLOCK, int64, F32_2))
def _load_samples(ramps, i, block, shift, x):
    """Copy the samples of an integration of a block, after the zero frame if `shift` makes room for it."""
    sci, zeroframe, row, left = ramps.sci, ramps.zeroframe, block.row, block.left
    if shift:
        for c in range(block.width):
            x[0, c] = zeroframe[i, row, left + c]
    for g in range(sci.shape[1]):
        for c in range(block.width):
            x[shift + g, c] = sci[i, g, row, left + c]


@kernel(void(F64_3, int64, int64, RESULTANTS, COLUMNS, FLAGS, F64_1, RAMP, F64_2))
def _search(tables, shift, width, resultants, columns, flags, suspect, ramp, results):
    """Fit the ramps of a block that have flags, no zero frame or a suspicion of jumps again, one by one."""
    d, lone, median = resultants.d, resultants.lone, resultants.median
    of_groups, ored, jumped, left_over = flags.of_groups, flags.ored, flags.jumped, flags.left_over
    gains, noises, darks = columns
    of_ramp, use, work, result = ramp
    n = d.shape[0]
    jumped[:] = 0
    left_over[:] = n
    for c in range(width):
        if not (ored[c] or lone[c] or suspect[c] != 0.0):
            continue
        table, first, count = tables[lone[c]], lone[c], 0
        for j in range(first, n):
            before = of_groups[max(j - shift, 0), c]
            use[j] = uint8(before | of_groups[j + 1 - shift, c] == 0)
            count += use[j]
            of_ramp[j] = d[j, c]
        left_over[c] = count
        result[:] = math.nan
        if count > 0:
            gain, noise = gains[c], noises[c]
            guess = 0.0 if median[c] < 0.0 else median[c]
            rate, left_over[c] = reject_jumps(of_ramp, use, first, count, guess / gain, noise, table, work)
            rate = 0.0 if rate < 0.0 else rate
            light = (rate + darks[c]) / gain
            fit_ramp(of_ramp, use, first, light, noise, table, work, result)
        results[:, c] = result
        jumped[c] = JUMP if left_over[c] < count else 0


@kernel(void(U32_2, boolean, F64_1, int64, BLOCK, FLAGS, F64_2, RATEINTS, TOTALS))
def _store(pixeldq, any_saturated, limits, i, block, flags, results, rateints, totals):
    """Write flags and rates of an integration of a block, and add it to the totals of the row."""
    row, left, width = block.row, block.left, block.width
    of_groups, ored, common, jumped, left_over, bits = flags
    bits_any, bits_all, chisq = totals
    slope, dq_int, err, var_p, var_r = rateints
    for c in range(width):
        lost = ored[c] & SAT if any_saturated else uint8(BAD if of_groups[0, c] & SAT else 0)
        of_ramp = (ored[c] & JUMP) | common[c] | jumped[c] | lost
        bits[c] = pixeldq[row, left + c] | uint32(of_ramp)
    if limits.size > 0:
        for c in range(width):
            if left_over[c] > 1 and results[CHISQ, c] > limits[left_over[c]]:
                bits[c] |= uint32(UNRELIABLE)
    for c in range(width):
        bits_any[left + c] |= bits[c]
        bits_all[left + c] &= bits[c]
        dq_int[i, row, left + c] = bits[c]
    # One array at a time, which the compiler can do with vector instructions.
    for c in range(width):
        slope[i, row, left + c] = results[RATE, c]
    for c in range(width):
        err[i, row, left + c] = math.sqrt(results[VAR_POISSON, c] + results[VAR_RNOISE, c])
    for c in range(width):
        var_p[i, row, left + c] = results[VAR_POISSON, c]
    for c in range(width):
        var_r[i, row, left + c] = results[VAR_RNOISE, c]
    for c in range(width):
        chisq[left + c] += results[CHISQ, c]


@kernel(void(TOTALS, boolean, int64, arrays.RATE, F32_2))
def _store_totals(totals, any_saturated, row, rate, chisq):
    """Write flags and chi-squared of the exposure of a row."""
    bits_any, bits_all, total = totals
    flags = rate.dq[row]
    for col in range(total.size):
        flags[col] = (bits_any[col] & ~uint32(BAD)) | bits_all[col]
        if any_saturated:
            flags[col] |= bits_any[col] & SAT
        chisq[row, col] = total[col]


@kernel(void(PIXELS, int64, COLUMNS))
def _load_pixels(pixels, row, columns):
    """Take over what the references say of the pixels of a row."""
    gains, readnoise, darks = pixels
    gain, noise, dark = columns
    for col in range(gains.shape[1]):
        gained = float64(gains[row, col])
        gain[col] = gained if gained > 0.0 else math.nan
        noise[col] = 0.5 * float64(readnoise[row, col]) ** 2
        dark[col] = darks[row, col]


@kernel(void(RAMPS, U32_2, PIXELS, I64_1, boolean, float32, F64_3, F64_1, arrays.RATE, RATEINTS, F32_2))
def _fit_rows(ramps, pixeldq, pixels, wanted, any_saturated, frames, tables, limits, rate, rateints, chisq):
    """Fit all ramps of a block of rows."""
    nints, ngroups, nrows, nx = ramps.sci.shape
    n = tables.shape[2]
    shift = n + 1 - ngroups
    # Of a row, whose columns are worked on in blocks.
    size = (nx + _BLOCK - 1) // _BLOCK * _BLOCK
    of_row = Columns(np.ones(size), np.ones(size), np.zeros(size))
    totals = Totals(np.empty(nx, np.uint32), np.empty(nx, np.uint32), np.empty(nx))
    flags, resultants, works = (
        _room_for_flags(ngroups),
        room_for_resultants(n, shift == 1, _BLOCK),
        room_for_works(n, _BLOCK),
    )
    ramp = LoneRamp(np.empty(n), np.empty(n, np.uint8), np.empty((4, n)), np.empty(4))
    means = room_for_means(nints, _BLOCK)
    for row in range(nrows):
        _load_pixels(pixels, row, of_row)
        totals.bits_any[:] = 0
        totals.bits_all[:] = BAD
        totals.chisq[:] = 0.0
        for i in range(nints):
            for left in range(0, nx, _BLOCK):
                block = Block(row, left, min(_BLOCK, nx - left))
                here = slice(left, left + _BLOCK)
                columns = Columns(of_row.gain[here], of_row.noise[here], of_row.dark_rate[here])
                _load_flags(ramps.groupdq, wanted, i, block, flags)
                _load_samples(ramps, i, block, shift, resultants.x)
                find_differences(tables, shift == 1, frames, block.width, resultants)
                fit_all(resultants.d, resultants.median, columns, tables[0], works)
                _search(tables, shift, block.width, resultants, columns, flags, works.suspect, ramp, works.results)
                _store(pixeldq, any_saturated, limits, i, block, flags, works.results, rateints, totals)
        _store_totals(totals, any_saturated, row, rate, chisq)
        for left in range(0, nx, _BLOCK):
            block = Block(row, left, min(_BLOCK, nx - left))
            combine(rateints, block, means)
            store_means(block, means, rate)
