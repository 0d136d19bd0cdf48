"""Fit slopes to ramps by weighted ordinary least squares (OLS_C), block by block of their rows.

What most ramps have, no flag at all, is done for all columns of a block side by side; the others are fitted one by one.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import boolean, float32, float64, int64, void

from rampflow.detector import dq
from rampflow.kernels import F32_3, F64_1, I64_1, I64_2, U8_4, U32_2, kernel
from rampflow.steps.ramp_fit.arrays import (
    BLOCK,
    PIXELS,
    RAMPS,
    RATE,
    RATEINTS,
    RULES,
    Block,
    Rules,
    empty_slopes,
    ramps_and_pixels,
)
from rampflow.steps.ramp_fit.blocks import (
    BAD,
    DNU,
    FLAGS,
    JUMP,
    PERSISTENCE,
    RAMP,
    SAT,
    block_width,
    finish_rate,
    load_flags,
    load_samples,
    number_of,
    room_for_flags,
    room_for_samples,
)
from rampflow.steps.ramp_fit.clean import (
    SUMS,
    clear,
    expect_clean,
    inverse,
    room_for_clean,
    room_for_sums,
    take_clean,
)
from rampflow.steps.ramp_fit.groups import GROUPS
from rampflow.steps.ramp_fit.segments import (
    SEGMENTS,
    find_segments,
    poisson_variance,
    read_variance,
    room_for_segments,
    slope_of_segment,
    slopes_of_clean,
)

if TYPE_CHECKING:
    from rampflow.steps.ramp_fit.arrays import Slopes
    from rampflow.steps.ramp_fit.groups import Groups

CHARGELOSS = dq.CHARGELOSS
#: What charge_migration sets.
LOST = CHARGELOSS | DNU


def fit_ramps(
    sci: np.ndarray,
    groupdq: np.ndarray,
    pixeldq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    dark_rate: np.ndarray | None = None,
    zeroframe: np.ndarray | None = None,
    *,
    groups: Groups,
    tgroup: float,
    tframe: float,
    nframes: int,
    suppress_one_group: bool,
    ignore_persistence: bool,
    slope_weights: str,
    flag_saturated: str,
) -> tuple[Slopes, Slopes]:
    """Fit the ramps of a block of rows.

    Parameters
    ----------
    sci : 4D float32 `~numpy.ndarray`
        Counts (DN), shape (nints, ngroups, rows, nx). NaN is no measurement; an infinite sample gives a segment of
        three groups or more the slope NaN.
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, same shape. A group is usable if it has none.
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags, shape (rows, nx); they go into the flags of all slopes.
    gain, readnoise : 2D float32 `~numpy.ndarray`
        Gain (electrons/DN) and CDS read noise (DN). A gain that is NaN or not positive is NO_GAIN_VALUE and
        DO_NOT_USE.
    dark_rate : 2D float32 `~numpy.ndarray` or None
        Mean dark current (DN/s), for the photon noise; None is 0.
    zeroframe : 3D float32 `~numpy.ndarray` or None
        First frame of each integration (DN), shape (nints, rows, nx), 0 where it is not usable. It stands in where
        no group is usable, unless ``suppress_one_group``.
    groups : Groups
        From `choose_groups`.
    tgroup, tframe : float
        Time of a group and of a frame (s).
    nframes : int
        Frames averaged into a group.
    suppress_one_group : bool
        No slope for integrations with a single usable group (unless the exposure has no more).
    ignore_persistence : bool
        PERSISTENCE does not make a group unusable.
    slope_weights : {"total", "read_noise"}
        Variance whose inverse weights the slopes in their mean: of everything, or of the read noise.
    flag_saturated : {"all", "any"}
        SATURATED is set where all groups are saturated, or where any is.

    Returns
    -------
    rate, rateints : Slopes
        Of the exposure and of its integrations.
    """
    nints, ngroups, rows, nx = sci.shape
    rate, rateints = empty_slopes(nints, rows, nx)
    ramps, pixels = ramps_and_pixels(sci, groupdq, zeroframe, gain, readnoise, dark_rate)
    rules = Rules(
        bool(suppress_one_group and ngroups > 1),
        bool(ignore_persistence),
        flag_saturated == "any",
        slope_weights == "read_noise",
    )
    timing = sample_times(tgroup, tframe, nframes), 1 / np.sqrt(2 * nframes)
    _fit_rows(ramps, pixeldq, pixels, groups, rules, *timing, rate, rateints)
    return rate, rateints


def sample_times(tgroup, tframe, nframes):
    """Seconds per sample of a ramp, of a lone first group, and of the zero frame; jwst holds times in float32."""
    tgroup, tframe = float(np.float32(tgroup)), float(np.float32(tframe))
    return np.array([tgroup, (nframes + 1) * tframe / 2, tframe])


@kernel(inline="always")
def _unusable(of_groups, i, col, ored):
    """DO_NOT_USE and SATURATED of an integration: nothing to fit in it, or saturated from its start."""
    if of_groups[i, 0, col] & SAT:
        return BAD
    if ored & BAD == 0:
        return 0
    saturated = SAT
    for g in range(of_groups.shape[1]):
        if of_groups[i, g, col] & BAD == 0:
            return 0
        saturated &= of_groups[i, g, col]
    return DNU | saturated


@kernel(inline="always")
def _has_charge_loss(of_groups, i, col):
    """Tell whether a group of an integration is lost to charge migration."""
    found = False
    for g in range(of_groups.shape[1]):
        found |= of_groups[i, g, col] & LOST == LOST
    return found


@kernel(float64(U8_4, GROUPS, boolean, F64_1, int64, int64, int64, int64, float64, float64, I64_2, int64))
def _with_lost_groups(groupdq, groups, ignore_persistence, times, i, row, col, kind, noise, gain, places, ngroups):
    """Inverse variance of the read noise of an integration whose lost groups are kept: they still carried it."""
    flags = np.empty((1, ngroups, 1), np.uint8)
    for g in range(ngroups):
        group = groups.first_kept + g
        raw = int64(groupdq[i, group, row, col])
        if raw & LOST == LOST:
            raw &= ~LOST
        elif group < groups.first_wanted or group > groups.last_wanted:
            raw |= DNU
        if ignore_persistence:
            raw &= ~PERSISTENCE
        flags[0, g, 0] = raw
    inv_rnoise = 0.0
    for s in range(find_segments(flags, 0, 0, False, places)):
        length = places[s, 1]
        v_r = read_variance(noise, gain, times[kind] if length == 1 else times[RAMP], length)
        inv_rnoise += 1.0 / v_r if v_r > 0.0 else 0.0
    return inv_rnoise


@kernel(
    void(
        U8_4, PIXELS, GROUPS, RULES, F64_1, int64, BLOCK, FLAGS, F32_3, F64_1, F64_1, I64_1, SEGMENTS, SUMS, RATEINTS
    )
)  # fmt: skip
def _fit_flagged(
    groupdq, pixels, groups, rules, times, i, block, flags, x, rate, noises, clean_bits, segments, sums, rateints
):
    """Fit the pixels of a block whose integration has flags: write their slopes and add them to the sums."""
    of_groups, all_ored, all_kind, row = flags.of_groups, flags.ored, flags.kind, block.row
    gains, darks = pixels.gain, pixels.dark_rate
    places, table, norms = segments.places, segments.table, segments.norms
    sum_weights, sum_slopes, sum_poisson, sum_rnoise = sums.weights, sums.slopes, sums.inv_poisson, sums.inv_rnoise
    sum_charge, charge, bits_any, bits_all = sums.inv_rnoise_charge, sums.charge, sums.bits_any, sums.bits_all
    slope, dq_int, err, var_p, var_r = rateints
    for c in range(block.width):
        col, ored, kind = block.left + c, all_ored[i, c], all_kind[i, c]
        if ored == 0 and kind == RAMP:
            continue
        gain, noise, dark = float64(gains[row, col]), noises[c], darks[row, col]
        bits = clean_bits[c] | (ored & JUMP) | _unusable(of_groups, i, c, ored)
        if rules.ignore_persistence:
            bits |= ored & PERSISTENCE
        total, inv_poisson, inv_rnoise, weights, slopes = 0.0, 0.0, 0.0, 0.0, 0.0
        number = find_segments(of_groups, i, c, True, places)
        for s in range(number):
            start, length = places[s, 0], places[s, 1]
            time = times[kind] if length == 1 else times[RAMP]
            v_p = poisson_variance(rate[c], dark, gain, time, length)
            v_r = read_variance(noise, gain, time, length)
            weight = 1.0 / v_r if rules.read_weights else 1.0 / (v_p + v_r)
            total += 1.0 / (v_p + v_r)
            inv_poisson += 1.0 / v_p if v_p > 0.0 else 0.0
            inv_rnoise += 1.0 / v_r
            weights += weight
            slopes += weight * slope_of_segment(x, i, c, start, length, time, gain, noise, table, norms)
        lost = ored & CHARGELOSS != 0 and _has_charge_loss(of_groups, i, c)
        valid = bits & BAD == 0
        sum_weights[c] += weights
        sum_slopes[c] += slopes
        sum_poisson[c] += inv_poisson
        sum_rnoise[c] += inv_rnoise
        charge[c] |= lost
        bits_any[c] |= bits
        bits_all[c] &= bits
        if lost:
            inv_rnoise = _with_lost_groups(
                groupdq, groups, rules.ignore_persistence, times, i, row, col, kind, noise, gain, places,
                of_groups.shape[1],
            )  # fmt: skip
        v_r = inverse(inv_rnoise) if valid or lost else 0.0
        sum_charge[c] += 1.0 / v_r if v_r != 0.0 else 0.0
        if rules.any_saturated:
            bits |= ored & SAT
            bits_any[c] |= ored & SAT
        dq_int[i, row, col] = bits
        var_r[i, row, col] = v_r
        if valid:
            slope[i, row, col] = slopes / weights if number > 0 else 0.0
            err[i, row, col] = math.sqrt(inverse(total))
            var_p[i, row, col] = inverse(inv_poisson)
        else:
            slope[i, row, col] = math.nan
            err[i, row, col] = 0.0
            var_p[i, row, col] = 0.0


@kernel(void(SUMS, BLOCK, RULES, RATE))
def _combine(sums, block, rules, rate):
    """Write the slopes of the exposure of a block."""
    slope, dq_out, err, var_p, var_r = rate
    weights, slopes, inv_p, inv_r, inv_r_charge, charge, bits_any, bits_all = sums
    row = block.row
    for c in range(block.width):
        col = block.left + c
        bits = (bits_any[c] & ~BAD) | bits_all[c]
        dq_out[row, col] = bits | (bits_any[c] & SAT if rules.any_saturated else 0)
        if bits & BAD:
            slope[row, col] = math.nan
            err[row, col] = 0.0
            var_p[row, col] = 0.0
            var_r[row, col] = 0.0
        else:
            v_p = inverse(inv_p[c])
            v_r = inverse(inv_r[c])
            # Without any segment this is 0/0.
            nothing = rules.read_weights and weights[c] == 0.0
            slope[row, col] = 0.0 if nothing else slopes[c] / weights[c]
            err[row, col] = math.sqrt(v_p + v_r)
            var_p[row, col] = v_p
            var_r[row, col] = v_r
        if charge[c] and inv_r_charge[c] > 0.0:
            var_r[row, col] = inverse(inv_r_charge[c])


@kernel(void(RAMPS, U32_2, PIXELS, GROUPS, RULES, F64_1, float64, RATE, RATEINTS))
def _fit_rows(ramps, pixeldq, pixels, groups, rules, times, noise_scale, rate, rateints):
    """Fit all ramps of a block of rows."""
    nints, _, nrows, nx = ramps.sci.shape
    ngroups = number_of(groups)
    most = block_width(ngroups, nx)
    flags, samples = room_for_flags(nints, ngroups, most), room_for_samples(nints, ngroups, most)
    clean, sums, segments = room_for_clean(nints, most), room_for_sums(most), room_for_segments(ngroups, most)
    readnoise, gain, noise = pixels.readnoise, pixels.gain, clean.noise
    for row in range(nrows):
        for left in range(0, nx, most):
            block = Block(row, left, min(most, nx - left))
            right = left + block.width
            load_flags(ramps, groups, rules, block, flags)
            for c in range(block.width):
                noise[c] = float32(float64(readnoise[row, left + c]) * float64(gain[row, left + c]) * noise_scale)
            samples.rate[:] = 0.0
            for i in range(nints):
                load_samples(ramps, groups, times, i, block, flags, samples)
                gains = gain[row, left:right]
                slopes_of_clean(samples.x[i], gains, noise, times[RAMP], segments, clean.slope[i])
            finish_rate(samples.rate, nints)
            expect_clean(pixels, pixeldq, block, times[RAMP], ngroups, rules.read_weights, samples.rate, clean)
            clear(sums)
            for i in range(nints):
                flagged = take_clean(flags, i, block, clean, sums, rateints)
                if flagged:
                    _fit_flagged(
                        ramps.groupdq, pixels, groups, rules, times, i, block, flags, samples.x, samples.rate,
                        noise, clean.bits, segments, sums, rateints,
                    )  # fmt: skip
            _combine(sums, block, rules, rate)
