"""Kernels that combine the rates of integrations, fitted by maximum likelihood, into those of the exposure.

Source: Brandt 2024, PASP 136, 045004.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, int64, void

from rampflow.kernels import F32_2, F32_3, I32_2, fields, kernel
from rampflow.steps.ramp_fit.arrays import BLOCK, RATE, RATEINTS
from rampflow.steps.ramp_fit.medians import middles

#: Rows of the results.
MEAN, VAR_POISSON, VAR_RNOISE, TOTAL = range(4)


class Means(NamedTuple):
    """Rates of the exposure of a block with their variances in rows of `results`; all else is scratch."""

    results: np.ndarray
    weights: np.ndarray
    keys: np.ndarray
    middle: np.ndarray


MEANS = fields(Means, F32_2, F32_3, I32_2, I32_2)


@kernel(MEANS(int64, int64))
def room_for_means(nints, width):
    """Make room for the means of so many integrations in blocks of so many columns."""
    results, weights = np.empty((4, width), np.float32), np.empty((2, nints, width), np.float32)
    keys, middle = np.empty((nints, width), np.int32), np.empty((5, width), np.int32)
    return Means(results, weights, keys, middle)


@kernel(void(RATEINTS, BLOCK, MEANS))
def combine(rateints, block, means):
    """Combine the rates of the integrations of a block.

    The photon noise of an integration follows from its own rate; in the weights it is brought to the common rate, lest
    integrations that happen to be low weigh more. In single precision, as jwst: rates near 0, where integrations
    cancel, then agree, too.
    """
    slope, var_p, var_r = rateints.slope, rateints.var_poisson, rateints.var_rnoise
    nints = slope.shape[0]
    row, left, width = block.row, block.left, block.width
    results, middle, weights = means.results, means.middle, means.weights
    rate, photons, reads, total = results[MEAN], results[VAR_POISSON], results[VAR_RNOISE], results[TOTAL]
    if nints == 1:
        for c in range(width):
            rate[c] = slope[0, row, left + c]
            photons[c] = var_p[0, row, left + c]
            reads[c] = var_r[0, row, left + c]
        return
    middles(slope.view(np.int32), row, left, width, means.keys, middle)
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
        results[:TOTAL] = 0
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


@kernel(void(BLOCK, MEANS, RATE))
def store_means(block, means, rate):
    """Write the rates of the exposure of a block."""
    row, left = block.row, block.left
    slope, err, var_p, var_r = rate.slope, rate.err, rate.var_poisson, rate.var_rnoise
    mean, poisson, rnoise = means.results[MEAN], means.results[VAR_POISSON], means.results[VAR_RNOISE]
    for c in range(block.width):
        slope[row, left + c] = mean[c]
        err[row, left + c] = math.sqrt(poisson[c] + rnoise[c])
        var_p[row, left + c] = poisson[c]
        var_r[row, left + c] = rnoise[c]
