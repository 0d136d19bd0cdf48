"""Kernels for the resultants of an integration (averages of reads): their scaled differences, and the medians of these.

Source: Brandt 2024, PASP 136, 045004.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float32, float64, int64, void

from rampflow.kernels import F32_2, F64_1, F64_2, F64_3, I32_2, I64_1, fields, kernel
from rampflow.steps.ramp_fit.covariance import INVERSE_DELTA
from rampflow.steps.sorting import network, put_in_order


class Resultants(NamedTuple):
    """Samples of an integration of a block.

    Attributes
    ----------
    x : float32 `~numpy.ndarray`
        Resultants (DN), shape (n + 1, width).
    d : float64 `~numpy.ndarray`
        Their scaled differences (DN/s), shape (n, width).
    median : float64 `~numpy.ndarray`
        Median differences, shape (width,).
    lone : int64 `~numpy.ndarray`
        1 where there is no zero frame, though others have one; shape (width,).
    scratch, pairs
        What medians are found with.
    """

    x: np.ndarray
    d: np.ndarray
    median: np.ndarray
    lone: np.ndarray
    scratch: np.ndarray
    pairs: np.ndarray


RESULTANTS = fields(Resultants, F32_2, F64_2, F64_1, I64_1, F64_2, I32_2)


@kernel(RESULTANTS(int64, boolean, int64))
def room_for_resultants(n, extra, width):
    """Make room for n differences of a block of so many columns."""
    x, lone = np.empty((n + 1, width), np.float32), np.zeros(width, np.int64)
    return Resultants(x, np.zeros((n, width)), np.zeros(width), lone, np.empty((n, width)), network(n, not extra))


@kernel(void(F64_3, boolean, float32, int64, RESULTANTS))
def find_differences(tables, extra, frames, width, resultants):
    """Find the differences of the resultants of a block, and their medians.

    With `extra`, resultant 0 is the zero frame, and the group after it becomes the rest of its frames. Where there is
    no zero frame (`lone` is 1) the group stays whole, the second table holds, and difference 0 does not count.
    Samples are subtracted in their own precision, as jwst does.
    """
    x, d, median, lone, scratch = resultants.x, resultants.d, resultants.median, resultants.lone, resultants.scratch
    n = d.shape[0]
    for c in range(width):
        median[c] = 0.0
        lone[c] = 0
        if extra:
            zero = x[0, c]
            if zero == 0.0 or zero != zero:
                lone[c] = 1
                x[0, c] = x[1, c]
            else:
                x[1, c] = (frames * x[1, c] - zero) / (frames - float32(1))
    for j in range(n):
        for c in range(width):
            d[j, c] = float64(x[j + 1, c] - x[j, c]) * tables[lone[c], INVERSE_DELTA, j]
            scratch[j, c] = d[j, c]
            # A sample that is not a number spoils the ramp.
            median[c] += 0.0 * d[j, c]
    if extra:
        for c in range(width):
            if lone[c]:
                scratch[0, c] = math.inf
    put_in_order(scratch, resultants.pairs, width)
    for c in range(width):
        counted = n - lone[c]
        median[c] += 0.5 * (scratch[(counted - 1) // 2, c] + scratch[counted // 2, c])
