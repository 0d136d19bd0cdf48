"""Kernels for ramps without any flag, which most are: what they have in an integration, for a block side by side.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, void

from rampflow.detector import dq
from rampflow.kernels import F64_1, F64_2, I64_1, U8_1, U32_2, fields, kernel
from rampflow.steps.ramp_fit.arrays import BLOCK, PIXELS, RATEINTS
from rampflow.steps.ramp_fit.blocks import BAD, DNU, FLAGS, RAMP
from rampflow.steps.ramp_fit.segments import poisson_variance, read_variance

NO_GAIN = dq.NO_GAIN_VALUE | DNU

#: Not a variance any more but the absence of information, for which products hold 0.
HUGE_VARIANCE = 1e6


class Clean(NamedTuple):
    """What the pixels of a block have in an integration without any flag.

    Attributes
    ----------
    slope : float64 `~numpy.ndarray`
        Slopes (DN/s), shape (nints, width); of the others the shape is (width,).
    noise : float64 `~numpy.ndarray`
        Read noise of a group (e-).
    bits : int64 `~numpy.ndarray`
        Flags.
    weight, inv_poisson, inv_rnoise : float64 `~numpy.ndarray`
        Weight in the mean of the integrations, inverse variances.
    inv_rnoise_charge : float64 `~numpy.ndarray`
        Inverse of the variance that the product has, where another integration has lost groups.
    good : float64 `~numpy.ndarray`
        1, or NaN where the weight is not a number to divide by.
    err, var_poisson, var_rnoise : float64 `~numpy.ndarray`
        As in the product.
    """

    slope: np.ndarray
    noise: np.ndarray
    bits: np.ndarray
    weight: np.ndarray
    inv_poisson: np.ndarray
    inv_rnoise: np.ndarray
    inv_rnoise_charge: np.ndarray
    good: np.ndarray
    err: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray


class Sums(NamedTuple):
    """Sums over the integrations, shape (width,).

    Attributes
    ----------
    weights, slopes : float64 `~numpy.ndarray`
        Weights, and slopes times weight.
    inv_poisson, inv_rnoise, inv_rnoise_charge : float64 `~numpy.ndarray`
        Inverse variances; the last with the read noise of groups that were lost to charge migration.
    charge : uint8 `~numpy.ndarray`
        1 where there are such groups.
    bits_any, bits_all : int64 `~numpy.ndarray`
        Flags of any integration, and those of all.
    """

    weights: np.ndarray
    slopes: np.ndarray
    inv_poisson: np.ndarray
    inv_rnoise: np.ndarray
    inv_rnoise_charge: np.ndarray
    charge: np.ndarray
    bits_any: np.ndarray
    bits_all: np.ndarray


CLEAN = fields(Clean, F64_2, F64_1, I64_1, *(F64_1,) * 8)
SUMS = fields(Sums, *(F64_1,) * 5, U8_1, I64_1, I64_1)


@kernel(CLEAN(int64, int64))
def room_for_clean(nints, width):
    """Make room for a block of so many columns."""
    v = np.empty((9, width))
    bits = np.empty(width, np.int64)
    return Clean(np.empty((nints, width)), v[0], bits, v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8])


@kernel(SUMS(int64))
def room_for_sums(width):
    """Make room for the sums of so many columns."""
    v, bits = np.empty((5, width)), np.empty((2, width), np.int64)
    return Sums(v[0], v[1], v[2], v[3], v[4], np.empty(width, np.uint8), bits[0], bits[1])


@kernel(void(SUMS))
def clear(sums):
    """Start the sums of a block."""
    sums.weights[:] = 0.0
    sums.slopes[:] = 0.0
    sums.inv_poisson[:] = 0.0
    sums.inv_rnoise[:] = 0.0
    sums.inv_rnoise_charge[:] = 0.0
    sums.charge[:] = 0
    sums.bits_any[:] = 0
    sums.bits_all[:] = BAD


@kernel(float64(float64))
def inverse(total):
    """Variance from a sum of inverse variances; 0 where nothing is known."""
    variance = 1.0 / total if total != 0.0 else 0.0
    return 0.0 if variance >= HUGE_VARIANCE else variance


@kernel(void(PIXELS, U32_2, BLOCK, float64, int64, boolean, F64_1, CLEAN))
def expect_clean(pixels, pixeldq, block, time, ngroups, read_weights, rate, clean):
    """Work out what the pixels of a block have in an integration without flags, from their median rates."""
    gains, darks, bits_of, weights, good = pixels.gain, pixels.dark_rate, clean.bits, clean.weight, clean.good
    inv_poisson, inv_rnoise, inv_rnoise_charge = clean.inv_poisson, clean.inv_rnoise, clean.inv_rnoise_charge
    noise, err, var_p, var_r = clean.noise, clean.err, clean.var_poisson, clean.var_rnoise
    for c in range(block.width):
        row, col = block.row, block.left + c
        gain = float64(gains[row, col])
        bits = int64(pixeldq[row, col])
        if not gain > 0.0:
            bits |= NO_GAIN
        v_p = poisson_variance(rate[c], darks[row, col], gain, time, ngroups)
        v_r = read_variance(noise[c], gain, time, ngroups)
        total, inv_p, inv_r = 1.0 / (v_p + v_r), 1.0 / v_p if v_p > 0.0 else 0.0, 1.0 / v_r
        valid = bits & BAD == 0
        weight = inv_r if read_weights else total
        var_rnoise = inverse(inv_r) if valid else 0.0
        bits_of[c] = bits
        weights[c] = weight
        inv_poisson[c] = inv_p
        inv_rnoise[c] = inv_r
        inv_rnoise_charge[c] = 1.0 / var_rnoise if var_rnoise != 0.0 else 0.0
        good[c] = weight / weight if valid else math.nan
        err[c] = math.sqrt(inverse(total)) if valid else 0.0
        var_p[c] = inverse(inv_p) if valid else 0.0
        var_r[c] = var_rnoise


@kernel(boolean(FLAGS, int64, BLOCK, CLEAN, SUMS, RATEINTS))
def take_clean(flags, i, block, clean, sums, rateints):
    """Take an integration of a block where it has no flags: write it, and add it to the sums.

    It is written everywhere, as if there were no flags, for others to write over where there are; returned is whether
    there are any.
    """
    row, left, width = block.row, block.left, block.width
    right = left + width
    ored, kind, slopes_of = flags.ored[i], flags.kind[i], clean.slope[i]
    _, _, bits, weight, inv_p, inv_r, inv_charge, good, clean_err, clean_p, clean_r = clean
    weights, slopes, inv_poisson, inv_rnoise, inv_rnoise_charge, _, bits_any, bits_all = sums
    for c in range(width):
        # Not "and", so that it costs no branch.
        is_clean = (ored[c] == 0) & (kind[c] == RAMP)
        weights[c] += weight[c] if is_clean else 0.0
        slopes[c] += weight[c] * slopes_of[c] if is_clean else 0.0
        inv_poisson[c] += inv_p[c] if is_clean else 0.0
        inv_rnoise[c] += inv_r[c] if is_clean else 0.0
        inv_rnoise_charge[c] += inv_charge[c] if is_clean else 0.0
    for c in range(width):
        is_clean = (ored[c] == 0) & (kind[c] == RAMP)
        bits_any[c] |= bits[c] if is_clean else 0
        bits_all[c] &= bits[c] if is_clean else -1
    slope, dq_int = rateints.slope[i, row, left:right], rateints.dq[i, row, left:right]
    err = rateints.err[i, row, left:right]
    var_p, var_r = rateints.var_poisson[i, row, left:right], rateints.var_rnoise[i, row, left:right]
    for c in range(width):
        slope[c] = slopes_of[c] * good[c]
    for c in range(width):
        dq_int[c] = bits[c]
    for c in range(width):
        err[c] = clean_err[c]
        var_p[c] = clean_p[c]
        var_r[c] = clean_r[c]
    flagged = False
    for c in range(width):
        flagged |= (ored[c] != 0) | (kind[c] != RAMP)
    return flagged
