"""IRS2 frames in the order of time and back, and what is done with the samples there.

Source: Rauscher et al. 2017, PASP 129, 105003 ("Improved reference sampling and subtraction").
"""

import numpy as np
from numba import boolean, float32, void

from rampflow.detector import irs2
from rampflow.kernels import F32_1, F32_2, F32_3, F64_1, F64_2, I64_1, I64_2, kernel
from rampflow.steps.refpix.geometry import NIR_SIZE

#: Lines of a frame, and samples of a frame and amplifier.
LINES = NIR_SIZE
SAMPLES = LINES * irs2.LINE_SLOTS
#: Lines that are ordered at once.
_BLOCK = 16


@kernel(void(F32_2, F64_2, I64_2, boolean, F32_3))
def order_in_time(frame, mean, slots, flip, series):
    """Put a frame, less the mean, in the order of time: (sections, lines, slots), zero where nothing is read."""
    series[:] = 0
    nsections, nrows = slots.shape
    nlines = frame.shape[1]
    for first in range(0, nlines, _BLOCK):
        for s in range(nsections):
            for j in range(nrows):
                r = s * nrows + j
                if flip:
                    r = frame.shape[0] - 1 - r
                for line in range(first, min(first + _BLOCK, nlines)):
                    c = nlines - 1 - line if flip else line
                    series[s, line, slots[s, j]] = np.float32(np.float64(frame[r, c]) - mean[r, c])


@kernel(void(F32_3, F64_2, I64_2, boolean, I64_1, I64_1, F32_2))
def order_in_space(series, mean, slots, flip, rows, place, frame):
    """Put the normal pixels of the amplifiers back into a frame, and the mean with them."""
    nrows = slots.shape[1]
    nlines = series.shape[1]
    for first in range(0, nlines, _BLOCK):
        for i in range(rows.size):
            r = len(slots) * nrows - 1 - rows[i] if flip else rows[i]
            s, j = r // nrows, r % nrows
            for line in range(first, min(first + _BLOCK, nlines)):
                c = nlines - 1 - line if flip else line
                frame[place[i], c] = np.float32(np.float64(series[s, line, slots[s, j]]) + mean[rows[i], c])


def fit_line(series):
    """Fit a straight line in time to the samples of the first and last lines that are not zero.

    In single precision and in jwst's order: what is 0 once the line is subtracted counts as absent, and with
    levels of single precision a sample now and then is. One more sample, or one less, changes the filtered output
    by up to 0.03 DN around it.
    """
    ends = np.r_[0:4, LINES - 4 : LINES]
    values = series[ends]
    slots = ends[:, np.newaxis] * irs2.LINE_SLOTS + np.arange(irs2.LINE_SLOTS)
    times = (slots - (SAMPLES - 1) / 2).astype(np.float32)
    measured = values != 0
    x, y = times[measured], values[measured]
    if x.size < 2:
        return np.float32(0), np.float32(0)
    n, mean_x, mean_y = float(x.size), x.mean(), y.mean()
    slope = ((x * y).sum() - n * mean_x * mean_y) / ((x * x).sum() - n * (mean_x * mean_x))
    return mean_y - slope * mean_x, slope


@kernel(void(F32_2, float32, float32))
def subtract_line(series, level, slope):
    """Subtract a straight line in time (slots from the middle of the frame) from the samples that are not zero."""
    nlines, nslots = series.shape
    middle = (nlines * nslots - 1) / 2
    for line in range(nlines):
        for slot in range(nslots):
            if series[line, slot] != 0:
                series[line, slot] -= level + float32(line * nslots + slot - middle) * slope


@kernel(void(F32_1, F64_1))
def fill_gaps(series, weights):
    """Replace zeros by the weighted mean of the other samples around them, the last next to the first."""
    reach = weights.size // 2
    absent = series == 0
    measured = series.copy()
    for i in range(series.size):
        if absent[i]:
            total = weight = 0.0
            for k in range(-reach, reach + 1):
                j = (i + k) % series.size
                if not absent[j]:
                    total += weights[k + reach] * measured[j]
                    weight += weights[k + reach]
            if weight > 0:
                series[i] = np.float32(total / weight)
