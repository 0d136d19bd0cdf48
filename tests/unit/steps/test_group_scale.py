import numpy as np
import pytest

from rampflow.steps import NotApplicable
from rampflow.steps.group_scale import scale_factor, scale_groups


def test_three_frames_divided_by_four_are_scaled_up():
    assert scale_factor(3, 4) == 4 / 3


def test_divisor_below_the_number_of_frames_scales_down():
    assert scale_factor(8, 4) == 0.5


@pytest.mark.parametrize(
    ("nframes", "frame_divisor", "reason"),
    [
        (None, 4, "NFRAMES is not in the header"),
        (4, None, "NFRAMES=4 is a power of two"),
        (1, None, "NFRAMES=1 is a power of two"),
        (3, None, "FRMDIVSR is not in the header"),
        (4, 4, "both 4"),
        (3, 3, "both 3"),
    ],
)
def test_no_scaling_without_a_known_wrong_divisor(nframes, frame_divisor, reason):
    with pytest.raises(NotApplicable, match=reason):
        scale_factor(nframes, frame_divisor)


@pytest.mark.parametrize(("nframes", "frame_divisor"), [(0, 4), (3, 0), (-1, 4)])
def test_impossible_numbers_are_refused(nframes, frame_divisor):
    with pytest.raises(ValueError, match="must be 1 or more"):
        scale_factor(nframes, frame_divisor)


def test_groups_are_scaled_in_place_in_single_precision():
    sci = np.array([[[3, 6], [np.nan, -9]]], dtype=np.float32)
    assert scale_groups(sci, factor=4 / 3) is sci
    assert sci.dtype == np.float32
    np.testing.assert_array_equal(sci, np.array([[[4, 8], [np.nan, -12]]], dtype=np.float32))
