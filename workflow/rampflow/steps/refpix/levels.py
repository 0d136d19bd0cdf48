"""Kernels that measure the levels of a frame and its side pixels, and subtract them.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html;
https://jwst-docs.stsci.edu, "NIR detector performance" (reference pixels, 1/f noise).
"""

import numpy as np
from numba import boolean, float64, int64, void

from rampflow.kernels import F32_1, F32_2, F64_1, I32_1, I32_2, I32_3, I64_1, I64_2, kernel


@kernel(float64(F64_1, int64, float64))
def _clipped_mean(values, n, limit):
    """Mean of the first n values after repeated rejection of those beyond ``limit`` standard deviations.

    Overwrites ``values``.
    """
    while True:
        mean = 0.0
        for i in range(n):
            mean += values[i]
        mean /= n
        variance = 0.0
        for i in range(n):
            variance += (values[i] - mean) ** 2
        spread = limit * np.sqrt(variance / n)
        kept = 0
        for i in range(n):
            value = values[i]
            if mean - spread <= value <= mean + spread:
                values[kept] = value
                kept += 1
        # Nothing is left only for a limit of less than one standard deviation.
        if kept == n or kept == 0:
            return mean
        n = kept


@kernel(int64(F64_1, int64, float64))
def _place(ordered, count, value):
    """Index of the first of ``count`` ordered values that is not below ``value``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(F64_1(F32_2, I32_1, I64_1, I64_1, F64_1, float64))
def measure_levels(frame, pixels, bounds, set_level, set_weight, siglimit):
    """Measure all levels of a frame; the last one is 0, that of pixels from which nothing is subtracted."""
    flat = frame.ravel()
    values = np.empty(pixels.size)
    level = np.zeros(set_level.size + 1)
    for s in range(set_level.size):
        n = 0
        for i in range(bounds[s], bounds[s + 1]):
            if not np.isnan(flat[pixels[i]]):
                values[n] = flat[pixels[i]]
                n += 1
        level[set_level[s]] += set_weight[s] * _clipped_mean(values, n, siglimit)
    return level


@kernel(float64(float64, boolean))
def _rounded(value, single):
    """Round to single precision, if wanted."""
    return np.float64(np.float32(value)) if single else value


@kernel(void(F32_1, F64_1, I32_2, I64_1, int64, boolean, F64_1))
def _running_median(frame, level, table, levels, window, single, medians):
    """Median of the side pixels in each window of rows, NaN where there is none."""
    ordered = np.empty(window * table.shape[1])
    count = 0
    for row in range(len(table)):
        for k in range(table.shape[1]):
            if table[row, k] >= 0:
                value = _rounded(frame[table[row, k]] - level[levels[k]], single)
                if not np.isnan(value):
                    at = _place(ordered, count, value)
                    for i in range(count, at, -1):
                        ordered[i] = ordered[i - 1]
                    ordered[at] = value
                    count += 1
        first = row - window + 1
        if first < 0:
            continue
        if count == 0:
            medians[first] = np.nan
        else:
            medians[first] = _rounded(0.5 * (ordered[(count - 1) // 2] + ordered[count // 2]), single)
        for k in range(table.shape[1]):
            if table[first, k] >= 0:
                value = _rounded(frame[table[first, k]] - level[levels[k]], single)
                if not np.isnan(value):
                    count -= 1
                    for i in range(_place(ordered, count, value), count):
                        ordered[i] = ordered[i + 1]


@kernel(void(F32_2, F64_1, I64_2, I64_1, I64_1, I32_3, I64_2, int64, float64, boolean, boolean))
def subtract_levels(
    frame, level, level_of, row_kind, column_kind, sides, side_levels, window, side_gain, transpose, single
):
    """Subtract the levels, measure the side pixels and subtract them, too; ``single``: round after the levels."""
    ny, nx = frame.shape
    lines = np.empty((len(level_of), nx))
    along_rows, along_columns = np.zeros(nx), np.zeros(ny)
    side = along_rows if transpose else along_columns
    if sides.size:
        medians = np.empty((2, side.size))
        for k in range(2):
            _running_median(frame.ravel(), level, sides[k], side_levels[k], window, single, medians[k])
        for i in range(side.size):
            left, right = medians[0, i], medians[1, i]
            if np.isnan(left):
                left = right
            if np.isnan(right):
                right = left
            side[i] = 0.0 if np.isnan(left) else side_gain * (0.5 * (left + right))
    for kind in range(len(level_of)):
        for x in range(nx):
            lines[kind, x] = level[level_of[kind, column_kind[x]]]
    for y in range(ny):
        line = lines[row_kind[y]]
        along = along_columns[y]
        for x in range(nx):
            frame[y, x] = _rounded(frame[y, x] - line[x], single) - along - along_rows[x]
