import numpy as np
import pytest

from rampflow.steps import NotApplicable
from rampflow.steps.gain_scale import gain_factor, scale


@pytest.mark.parametrize(("exposure", "reference", "expected"), [(2.0, 3.0, 2.0), (None, 3.0, 3.0), (2.0, None, 2.0)])
def test_factor_of_the_product_comes_before_that_of_the_reference(exposure, reference, expected):
    assert gain_factor(exposure, reference) == expected


def test_no_factor_means_standard_gain():
    with pytest.raises(NotApplicable, match="the gain is standard"):
        gain_factor(None, None)


def test_variances_are_scaled_by_the_square():
    arrays = [np.array([[4, np.nan]], dtype=np.float32) for _ in range(4)]
    scaled = scale(*arrays, factor=0.5)
    for before, after, expected in zip(arrays, scaled, (2, 2, 1, 1), strict=True):
        assert after is before
        np.testing.assert_array_equal(after, np.float32([[expected, np.nan]]))
