"""The optional product of the ordinary least-squares fit: what each segment of each ramp says.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import float32, float64, int64, void
from numba.types import UniTuple

from rampflow.kernels import F32_3, F64_1, kernel
from rampflow.steps.ramp_fit.arrays import (
    OPTIONAL,
    PIXELS,
    RAMPS,
    RULES,
    Block,
    Optional,
    Ramps,
    Rules,
    ramps_and_pixels,
    with_zeroframe,
)
from rampflow.steps.ramp_fit.blocks import (
    JUMP,
    RAMP,
    SAT,
    ZERO_FRAME,
    block_width,
    finish_rate,
    load_flags,
    load_samples,
    number_of,
    room_for_flags,
    room_for_samples,
)
from rampflow.steps.ramp_fit.groups import GROUPS
from rampflow.steps.ramp_fit.ols import sample_times
from rampflow.steps.ramp_fit.segments import (
    class_of_weights,
    find_segments,
    poisson_variance,
    read_variance,
    room_for_segments,
    slope_of_segment,
    weight_of_group,
)

if TYPE_CHECKING:
    from rampflow.steps.ramp_fit.groups import Groups


def count_segments(
    groupdq: np.ndarray,
    zeroframe: np.ndarray | None = None,
    *,
    groups: Groups,
    suppress_one_group: bool,
    ignore_persistence: bool,
) -> tuple[int, ...]:
    """Count the segments and the jumps of the integration that has most: the size of the optional product.

    Parameters
    ----------
    groupdq, zeroframe, groups, suppress_one_group, ignore_persistence
        As for `fit_ramps`.

    Returns
    -------
    tuple of int
        Segments and jumps; over blocks take the larger of each.
    """
    _, ngroups, rows, nx = groupdq.shape
    ramps = Ramps(np.empty((0, 0, 0, 0), np.float32), groupdq, with_zeroframe(zeroframe, rows, nx))
    return _count_rows(ramps, groups, Rules(bool(suppress_one_group and ngroups > 1), bool(ignore_persistence)))


def fit_optional(
    sci: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    slope: np.ndarray,
    dark_rate: np.ndarray | None = None,
    zeroframe: np.ndarray | None = None,
    *,
    counts: tuple[int, ...],
    groups: Groups,
    tgroup: float,
    tframe: float,
    nframes: int,
    groupgap: int,
    dropped: int,
    suppress_one_group: bool,
    ignore_persistence: bool,
    slope_weights: str,
) -> Optional:
    """Describe every segment of a block of rows.

    Parameters
    ----------
    sci, groupdq, gain, readnoise, dark_rate, zeroframe, groups, tgroup, tframe, nframes
        As for `fit_ramps`.
    slope : 3D float32 `~numpy.ndarray`
        Slopes of the integrations from `fit_ramps` (DN/s).
    counts : tuple of int
        From `count_segments`, of the whole exposure.
    groupgap, dropped : int
        Frames dropped between groups (GROUPGAP) and before the first one (DRPFRMS1).
    suppress_one_group, ignore_persistence, slope_weights
        As for `fit_ramps`.

    Returns
    -------
    Optional
    """
    nints, ngroups, rows, nx = sci.shape
    segments, jumps = counts
    shapes = {"pedestal": (nints, rows, nx), "crmag": (nints, jumps, rows, nx)}
    whole = (nints, segments, rows, nx)
    result = Optional(*(np.zeros(shapes.get(name, whole), np.float32) for name in Optional._fields))
    ramps, pixels = ramps_and_pixels(sci, groupdq, zeroframe, gain, readnoise, dark_rate)
    rules = Rules(
        bool(suppress_one_group and ngroups > 1), bool(ignore_persistence), read_weights=slope_weights == "read_noise"
    )
    timing = sample_times(tgroup, tframe, nframes), 1 / np.sqrt(2 * nframes)
    delay = ((nframes + 1) / 2 + dropped) / (nframes + groupgap)
    _optional_rows(ramps, pixels, slope, groups, rules, *timing, delay, result)
    return result


@kernel(UniTuple(int64, 2)(RAMPS, GROUPS, RULES))
def _count_rows(ramps, groups, rules):
    """Largest number of segments, and of jumps, in an integration of a pixel."""
    nints, _, nrows, nx = ramps.groupdq.shape
    ngroups = number_of(groups)
    most = block_width(ngroups, nx)
    flags, places = room_for_flags(nints, ngroups, most), np.empty((ngroups, 2), np.int64)
    of_groups = flags.of_groups
    most_segments = 0
    most_jumps = 0
    for row in range(nrows):
        for left in range(0, nx, most):
            block = Block(row, left, min(most, nx - left))
            load_flags(ramps, groups, rules, block, flags)
            for i in range(nints):
                for c in range(block.width):
                    jumps = 0
                    good = 0
                    for g in range(ngroups):
                        jumps += g > 0 and of_groups[i, g, c] & JUMP != 0
                        good += of_groups[i, g, c] == 0
                    number = find_segments(of_groups, i, c, True, places)
                    # Single groups that are not fitted leave an empty slot each.
                    if number == 1 and places[0, 1] == 1:
                        number = good
                    most_segments = max(most_segments, number)
                    most_jumps = max(most_jumps, jumps)
    return most_segments, most_jumps


@kernel(inline="always")
def _store_jumps(sci, groupdq, first_kept, i, row, col, c, of_groups, kind, x, crmag):
    """Write the heights (DN) of the jumps of a pixel in an integration."""
    jump = 0
    for g in range(1, x.shape[1]):
        if of_groups[i, g, c] & JUMP:
            before = x[i, g - 1, c]
            # The size of a jump speaks of groups, not of the zero frame.
            if g == 1 and kind == ZERO_FRAME:
                saturated = groupdq[i, first_kept, row, col] & SAT
                before = np.nan if saturated else sci[i, first_kept, row, col]
            crmag[i, jump, row, col] = float64(x[i, g, c]) - float64(before)
            jump += 1


@kernel(inline="always")
def _intercept(x, i, c, first, length, slope, time, gain, read_noise):
    """Find the counts (DN) at time 0 by a segment of three groups or more, their uncertainty, that of the slope."""
    signal = float64(x[i, first + length - 1, c]) - float64(x[i, first, c])
    weight_class = class_of_weights(signal, gain, read_noise)
    middle = 0.5 * (length - 1)
    sum_w = 0.0
    sum_wx = 0.0
    sum_wuu = 0.0
    for k in range(length):
        w = weight_of_group(k, length, weight_class)
        value = float64(x[i, first + k, c])
        sum_w += w
        sum_wx += w * value if value == value else 0.0
        sum_wuu += w * (k - middle) * (k - middle)
    centre = first + middle
    noise = abs(read_noise) if 0.0 < abs(read_noise) < math.inf else math.nan
    intercept = sum_wx / sum_w - slope * time * centre
    return intercept, noise * math.sqrt(1.0 / sum_w + centre * centre / sum_wuu), noise / math.sqrt(sum_wuu)


@kernel(void(RAMPS, PIXELS, F32_3, GROUPS, RULES, F64_1, float64, float64, OPTIONAL))
def _optional_rows(ramps, pixels, slope_int, groups, rules, times, noise_scale, delay, result):
    """Write every segment's numbers into arrays of zeros."""
    sci, groupdq, first_kept = ramps.sci, ramps.groupdq, groups.first_kept
    nints, _, nrows, nx = sci.shape
    ngroups = number_of(groups)
    most = block_width(ngroups, nx)
    flags, samples = room_for_flags(nints, ngroups, most), room_for_samples(nints, ngroups, most)
    segments = room_for_segments(ngroups, most)
    x, of_groups, kind, rate = samples.x, flags.of_groups, flags.kind, samples.rate
    places, table, norms = segments.places, segments.table, segments.norms
    gains, darks, readnoise = pixels.gain, pixels.dark_rate, pixels.readnoise
    slopes, sigslopes, var_p, var_r, yints, sigyints, pedestal, weights, crmag = result
    for row in range(nrows):
        for left in range(0, nx, most):
            block = Block(row, left, min(most, nx - left))
            load_flags(ramps, groups, rules, block, flags)
            rate[:] = 0.0
            for i in range(nints):
                load_samples(ramps, groups, times, i, block, flags, samples)
            finish_rate(rate, nints)
            for i in range(nints):
                for c in range(block.width):
                    col = left + c
                    gain, dark = float64(gains[row, col]), float64(darks[row, col])
                    noise = float64(float32(float64(readnoise[row, col]) * gain * noise_scale))
                    _store_jumps(sci, groupdq, first_kept, i, row, col, c, of_groups, kind[i, c], x, crmag)
                    start = float64(x[i, 0, c]) - float64(slope_int[i, row, col]) * delay
                    pedestal[i, row, col] = start if start == start else 0.0
                    for s in range(find_segments(of_groups, i, c, True, places)):
                        first, length = places[s, 0], places[s, 1]
                        time = times[kind[i, c]] if length == 1 else times[RAMP]
                        slope = slope_of_segment(x, i, c, first, length, time, gain, noise, table, norms)
                        v_p = poisson_variance(rate[c], dark, gain, time, length)
                        v_r = read_variance(noise, gain, time, length)
                        v_e = v_p + v_r
                        slopes[i, s, row, col] = slope
                        var_p[i, s, row, col] = v_p
                        var_r[i, s, row, col] = v_r
                        weights[i, s, row, col] = 1.0 / v_r if rules.read_weights else 1.0 / (v_e * v_e)
                        if length == 2:
                            yints[i, s, row, col] = float64(x[i, first, c]) - slope * time * first
                            sigslopes[i, s, row, col] = math.sqrt(2.0) * noise
                            sigyints[i, s, row, col] = math.sqrt(2.0) * noise
                        elif length > 2:
                            yint, sigyint, sigslope = _intercept(x, i, c, first, length, slope, time, gain, noise)
                            yints[i, s, row, col] = yint
                            sigyints[i, s, row, col] = sigyint
                            sigslopes[i, s, row, col] = sigslope
