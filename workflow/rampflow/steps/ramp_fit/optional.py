"""Kernels of the optional product of the ordinary least-squares fit; `ramp_fit.fit_optional` says what it holds."""

import math

import numpy as np
from numba import boolean, float32, float64, int64, njit, uint8, void
from numba.types import UniTuple

from rampflow.detector import dq
from rampflow.steps.ramp_fit.medians import network
from rampflow.steps.ramp_fit.ols import (
    EXPONENTS,
    RAMP,
    ZERO_FRAME,
    block_width,
    class_of_weights,
    find_segments,
    finish_rate,
    load_flags,
    load_samples,
    poisson_variance,
    read_variance,
    slope_of_segment,
    weight_of_group,
)

JUMP = dq.JUMP_DET
SAT = dq.SATURATED

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_F2, _F3, _F4 = float32[:, ::1], float32[:, :, ::1], float32[:, :, :, ::1]
_B4 = uint8[:, :, :, ::1]
_D1 = float64[::1]
_I1 = int64[::1]


@njit(UniTuple(int64, 2)(_B4, _F3, _I1, boolean, boolean), **_OPTIONS)
def count_rows(gdq, zeroframe, groups, suppress, ignore_persistence):
    """Largest number of segments, and of jumps, in an integration of a pixel."""
    nints, _, nrows, nx = gdq.shape
    ngroups = groups[1] - groups[0] + 1
    block = block_width(ngroups, nx)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    count = np.empty(block, dtype=np.uint16)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    most_segments = 0
    most_jumps = 0
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            load_flags(gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, count)
            for i in range(nints):
                for c in range(width):
                    jumps = 0
                    good = 0
                    for g in range(ngroups):
                        jumps += g > 0 and q[i, g, c] & JUMP != 0
                        good += q[i, g, c] == 0
                    number = find_segments(q, i, c, True, segments)
                    # Single groups that are not fitted leave an empty slot each.
                    if number == 1 and segments[0, 1] == 1:
                        number = good
                    most_segments = max(most_segments, number)
                    most_jumps = max(most_jumps, jumps)
    return most_segments, most_jumps


@njit(
    void(
        _F4, _B4, _F2, _F2, _F2, _F3, _F3, _I1, boolean, boolean, boolean, _D1, float64, float64,
        _F4, _F4, _F4, _F4, _F4, _F4, _F3, _F4, _F4,
    ),
    **_OPTIONS,
)  # fmt: skip
def optional_rows(
    sci, gdq, gain, readnoise, dark, zeroframe, slope_int,
    groups, suppress, ignore_persistence, read_weights, times, noise_scale, delay,
    slope, sigma_slope, var_p, var_r, intercept, sigma_intercept, pedestal, weights, jumps,
):  # fmt: skip
    """Write every segment's numbers into arrays of zeros: see `ramp_fit.fit_optional`."""
    nints, _, nrows, nx = sci.shape
    ngroups = groups[1] - groups[0] + 1
    block = block_width(ngroups, nx)
    x = np.empty((nints, ngroups, block), dtype=np.float32)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    diffs = np.empty((ngroups, block))
    finite = np.empty(block)
    count = np.empty(block, dtype=np.uint16)
    pairs, middle_pairs = network(ngroups - 1, False), network(ngroups - 1, True)
    keys, wanted = np.empty((ngroups, block), np.float32), np.empty((2, block), np.float32)
    median = np.empty((4, block))
    rate = np.empty(block)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    norms = np.zeros((ngroups + 1, EXPONENTS.size))
    table = np.empty(((ngroups // 2) * ((ngroups + 1) // 2), EXPONENTS.size))
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            load_flags(gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, count)
            rate[:] = 0.0
            for i in range(nints):
                load_samples(
                    sci, zeroframe, groups, times, i, row, left, width, q, flags, kind, x, rate,
                    diffs, finite, count, pairs, middle_pairs, keys, wanted, median,
                )  # fmt: skip
            finish_rate(rate, nints)
            for i in range(nints):
                for c in range(width):
                    col = left + c
                    g_e = float64(gain[row, col])
                    r_e = float64(float32(float64(readnoise[row, col]) * g_e * noise_scale))
                    d_dn = float64(dark[row, col])
                    jump = 0
                    for g in range(1, ngroups):
                        if q[i, g, c] & JUMP:
                            before = x[i, g - 1, c]
                            # The size of a jump speaks of groups, not of the zero frame.
                            if g == 1 and kind[i, c] == ZERO_FRAME:
                                saturated = gdq[i, groups[0], row, col] & SAT
                                before = np.nan if saturated else sci[i, groups[0], row, col]
                            jumps[i, jump, row, col] = float64(x[i, g, c]) - float64(before)
                            jump += 1
                    start = float64(x[i, 0, c]) - float64(slope_int[i, row, col]) * delay
                    pedestal[i, row, col] = start if start == start else 0.0
                    for s in range(find_segments(q, i, c, True, segments)):
                        first, length = segments[s, 0], segments[s, 1]
                        time = times[kind[i, c]] if length == 1 else times[RAMP]
                        b = slope_of_segment(x, i, c, first, length, time, g_e, r_e, table, norms)
                        v_p = poisson_variance(rate[c], d_dn, g_e, time, length)
                        v_r = read_variance(r_e, g_e, time, length)
                        slope[i, s, row, col] = b
                        var_p[i, s, row, col] = v_p
                        var_r[i, s, row, col] = v_r
                        v_e = v_p + v_r
                        weights[i, s, row, col] = 1.0 / v_r if read_weights else 1.0 / (v_e * v_e)
                        if length == 2:
                            intercept[i, s, row, col] = float64(x[i, first, c]) - b * time * first
                            sigma_slope[i, s, row, col] = math.sqrt(2.0) * r_e
                            sigma_intercept[i, s, row, col] = math.sqrt(2.0) * r_e
                        elif length > 2:
                            signal = float64(x[i, first + length - 1, c]) - float64(x[i, first, c])
                            weight_class = class_of_weights(signal, g_e, r_e)
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
                            noise = abs(r_e) if 0.0 < abs(r_e) < math.inf else math.nan
                            intercept[i, s, row, col] = sum_wx / sum_w - b * time * centre
                            sigma_slope[i, s, row, col] = noise / math.sqrt(sum_wuu)
                            sigma_intercept[i, s, row, col] = noise * math.sqrt(1.0 / sum_w + centre * centre / sum_wuu)
