"""Middle values of columns that are as long as a series."""

import numpy as np
import pytest

from rampflow.steps.ramp_fit.medians import middles


def found(values, left=0, width=None):
    """Values and counts that `middles` finds in columns of one row, shape (n, columns)."""
    n, columns = values.shape
    width = columns - left if width is None else width
    bits = np.ascontiguousarray(values, np.float32)[:, np.newaxis].view(np.int32)
    keys, result = np.empty((n, width), np.int32), np.empty((5, width), np.int32)
    middles(bits, 0, left, width, keys, result)
    return result[0].view(np.float32), result[1].view(np.float32), result[2]


def test_three_columns():
    values = np.array([[3, 3, np.nan], [1, 1, np.nan], [2, np.nan, np.nan]], np.float32)
    lower, upper, usable = found(values)
    assert usable.tolist() == [3, 2, 0]
    assert lower[:2].tolist() == [2, 1] and upper[:2].tolist() == [2, 3]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 31, 200])
def test_as_by_sorting(n):
    rng = np.random.default_rng(n)
    values = rng.normal(0, 10.0 ** rng.integers(-40, 38, 70), (n, 70)).astype(np.float32)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1, 1e-45, -1e-45, 3.4e38], np.float32)
    values = np.where(rng.random(values.shape) < 0.3, rng.choice(special, values.shape), values)
    values[:, 5] = -np.nan
    values[:, 6] = rng.choice([7, 8], n)
    lower, upper, usable = found(values, left=3, width=64)
    for c, column in enumerate(values[:, 3:67].T):
        column = np.sort(column[~np.isnan(column)])
        assert usable[c] == column.size
        if column.size:
            assert lower[c] == column[(column.size - 1) // 2]
            assert upper[c] == column[column.size // 2]
