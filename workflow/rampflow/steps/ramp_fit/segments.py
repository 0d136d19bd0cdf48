"""Kernels for the segments of a ramp: where they are, their slopes and the variances of these.

Source: Fixsen et al. 2000, PASP 112, 1350 (weights);
https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, float64, int64, void

from rampflow.kernels import F32_1, F32_2, F64_1, F64_2, I64_1, I64_2, fields, kernel
from rampflow.steps.ramp_fit.blocks import JUMP, SAT

#: Exponents of the weights, one for each class of signal-to-noise ratio (Fixsen et al. 2000).
EXPONENTS = np.array([0.0, 0.4, 1.0, 3.0, 6.0, 10.0], dtype=np.float32)


class Segments(NamedTuple):
    """Room for the segments of a ramp, and what slopes are worked out with.

    Attributes
    ----------
    places : int64 `~numpy.ndarray`
        Start and length of each, shape (ngroups, 2).
    table, norms : float64 `~numpy.ndarray`
        Coefficients of the slope by length and class of weights, filled when first needed, and the sums that they were
        divided by, 0 where they are not there yet.
    classes : int64 `~numpy.ndarray`
        Scratch, shape (width,).
    """

    places: np.ndarray
    table: np.ndarray
    norms: np.ndarray
    classes: np.ndarray


SEGMENTS = fields(Segments, I64_2, F64_2, F64_2, I64_1)


@kernel(SEGMENTS(int64, int64))
def room_for_segments(ngroups, width):
    """Make room for the segments of ramps of so many groups, in blocks of so many columns."""
    return Segments(
        np.empty((ngroups, 2), np.int64),
        np.empty(((ngroups // 2) * ((ngroups + 1) // 2), EXPONENTS.size)),
        np.zeros((ngroups + 1, EXPONENTS.size)),
        np.zeros(width, np.int64),
    )


@kernel(inline="always")
def find_segments(q, i, col, check_first, segments):
    """Find the runs of good groups to fit; write (start, length) of each, return their number.

    The group that a cosmic ray hit opens the segment after it. A single group counts only where the
    integration has nothing longer, and then once.
    """
    ngroups = q.shape[1]
    if check_first and q[i, 0, col] & SAT:
        return 0
    count = 0
    single = -1
    g = 0
    while g < ngroups:
        if q[i, g, col] != 0:
            g += 1
            continue
        start = g
        while g < ngroups and q[i, g, col] == 0:
            g += 1
        if start > 0 and q[i, start - 1, col] == JUMP:
            start -= 1
        if g - start > 1:
            segments[count, 0] = start
            segments[count, 1] = g - start
            count += 1
        elif single < 0:
            single = start
    if count == 0 and single >= 0:
        segments[0, 0] = single
        segments[0, 1] = 1
        count = 1
    return count


@kernel(inline="always")
def class_of_weights(signal, gain, read_noise):
    """Class of weights (index into `EXPONENTS`) of a segment that gathers this signal (DN)."""
    electrons = signal * gain
    variance = read_noise * read_noise + electrons
    snr = electrons / math.sqrt(variance)
    # Without branches, for all pixels of a block at once. A NaN gets the last class, as in jwst.
    lower = int64(snr < 5.0) + int64(snr < 10.0) + int64(snr < 20.0) + int64(snr < 50.0) + int64(snr < 100.0)
    return 0 if variance <= 0.0 else 5 - lower


@kernel(float64(int64, int64, int64))
def weight_of_group(index, length, weight_class):
    """Weight of a group of a segment, in units of the inverse variance of the read noise.

    The power is taken in single precision, as in the products that ours are compared with.
    """
    middle = 0.5 * (length - 1)
    return float64(float32(abs((index - middle) / middle)) ** EXPONENTS[weight_class])


@kernel(void(int64, int64, F64_2, F64_2))
def tabulate(length, weight_class, table, norms):
    """Tabulate the coefficients of the slope of a segment of three groups or more.

    The weights are symmetric about the middle of the segment, so that with u = index - middle the slope is
    sum(w u x) / sum(w u^2): one coefficient for each pair of groups. The norm is the sum, which is
    never 0.
    """
    half = length // 2
    row = ((length - 1) // 2) * half
    norm = 0.0
    for k in range(half):
        u = 0.5 * (length - 1) - k
        table[row + k, weight_class] = weight_of_group(k, length, weight_class) * u
        norm += 2.0 * table[row + k, weight_class] * u
    for k in range(half):
        table[row + k, weight_class] /= norm
    norms[length, weight_class] = norm


@kernel(inline="always")
def _weighted_slope(x, i, col, start, length, weight_class, table, norms):
    """Slope (DN per group) of a segment of three groups or more; a NaN counts as 0, an infinite sample spoils it."""
    half = length // 2
    row = ((length - 1) // 2) * half
    if norms[length, weight_class] == 0.0:
        tabulate(length, weight_class, table, norms)
    middle = float64(x[i, start + half, col])
    slope = 0.0 * middle if middle == middle else 0.0
    for k in range(half):
        early = float64(x[i, start + k, col])
        late = float64(x[i, start + length - 1 - k, col])
        early = early if early == early else 0.0
        late = late if late == late else 0.0
        difference = late - early
        slope += table[row + k, weight_class] * (difference + 0.0 * difference)
    return slope


@kernel(inline="always")
def slope_of_segment(x, i, col, start, length, time, gain, read_noise, table, norms):
    """Slope (DN/s) of a segment."""
    first = float64(x[i, start, col])
    if length == 1:
        return first / time
    signal = float64(x[i, start + length - 1, col]) - first
    if length == 2:
        return signal / time
    if not 0.0 < read_noise * read_noise < math.inf:
        return math.nan
    weight_class = class_of_weights(signal, gain, read_noise)
    return _weighted_slope(x, i, col, start, length, weight_class, table, norms) / time


@kernel(void(F32_1, F32_1, F64_1, I64_1, F64_1))
def _add_pair(early, late, coefficients, classes, slopes):
    """Add the part of one pair of groups to the slopes of a block."""
    for col in range(early.size):
        a = float64(early[col])
        b = float64(late[col])
        a = a if a == a else 0.0
        b = b if b == b else 0.0
        difference = b - a
        slopes[col] += coefficients[classes[col]] * (difference + 0.0 * difference)


@kernel(void(F32_2, F32_1, F64_1, float64, SEGMENTS, F64_1))
def slopes_of_clean(x, gain, noise, time, segments, slopes):
    """Slopes (DN/s) that the pixels of a block have if all their groups are good: `slope_of_segment` side by side."""
    ngroups = x.shape[0]
    half = ngroups // 2
    row = ((ngroups - 1) // 2) * half
    if ngroups <= 2:
        for col in range(gain.size):
            slopes[col] = (float64(x[ngroups - 1, col]) - float64(x[0, col])) / time
        return
    table, norms, classes = segments.table, segments.norms, segments.classes
    if norms[ngroups, 0] == 0.0:
        for weight_class in range(EXPONENTS.size):
            tabulate(ngroups, weight_class, table, norms)
    early, late, centre = x[0, : gain.size], x[ngroups - 1, : gain.size], x[half, : gain.size]
    for col in range(gain.size):
        signal = float64(late[col]) - float64(early[col])
        classes[col] = class_of_weights(signal, float64(gain[col]), noise[col])
    for col in range(gain.size):
        middle = float64(centre[col])
        square = noise[col] * noise[col]
        # The first 0 makes a negative one positive.
        start = 0.0 + 0.0 * middle if middle == middle else 0.0
        slopes[col] = start if (square > 0.0) & (square < math.inf) else math.nan
    for k in range(half):
        _add_pair(x[k, : gain.size], x[ngroups - 1 - k, : gain.size], table[row + k], classes, slopes)
    for col in range(gain.size):
        slopes[col] /= time


@kernel(float64(float64, float64, float64, float64, int64))
def poisson_variance(rate, dark, gain, time, length):
    """Variance (DN/s)^2 of the slope of a segment from the photon noise of the signal and of the dark."""
    return (dark + rate if rate > 0.0 else dark) / (time * gain * max(length - 1, 1))


@kernel(float64(float64, float64, float64, int64))
def read_variance(read_noise, gain, time, length):
    """Variance (DN/s)^2 of the slope of a segment from the read noise (e-): of a line without weights."""
    if length > 2 and not gain > 0.0:
        return 0.0
    n = float64(max(length, 2))
    noise = read_noise / time
    return 12.0 * noise * noise / ((n * n * n - n) * gain * gain)
