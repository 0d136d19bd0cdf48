import numpy as np
import pytest

from rampflow.detector.orientation import DETECTOR_AXES, Orientation

SCIENCE = np.array([[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("detector", "expected"),
    [
        ("MIRIMAGE", [[0, 1, 2], [3, 4, 5]]),
        ("NRCA1", [[2, 1, 0], [5, 4, 3]]),
        ("NRCA2", [[3, 4, 5], [0, 1, 2]]),
        ("NRCALONG", [[2, 1, 0], [5, 4, 3]]),
        ("NRCBLONG", [[3, 4, 5], [0, 1, 2]]),
        ("GUIDER1", [[5, 4, 3], [2, 1, 0]]),
        ("GUIDER2", [[2, 1, 0], [5, 4, 3]]),
        ("NRS1", [[0, 3], [1, 4], [2, 5]]),
        ("NRS2", [[5, 2], [4, 1], [3, 0]]),
        ("NIS", [[5, 2], [4, 1], [3, 0]]),
    ],
)
def test_detector_frame_of_each_kind_of_detector(detector, expected):
    assert Orientation.from_detector(detector).to_detector(SCIENCE).tolist() == expected


@pytest.mark.parametrize("axes", [(f * a, s * b) for a, b in ((1, 2), (2, 1)) for f in (1, -1) for s in (1, -1)])
def test_science_frame_is_the_inverse_of_detector_frame(axes):
    orientation = Orientation.from_axes(*axes)
    assert np.array_equal(orientation.to_science(orientation.to_detector(SCIENCE)), SCIENCE)


def test_axes_mean_what_the_header_says():
    """FASTAXIS -2: along a detector row, science y falls. SLOWAXIS 1: from row to row, science x rises."""
    x, y = np.meshgrid(np.arange(3), np.arange(2))
    orientation = Orientation.from_axes(-2, 1)
    assert np.all(np.diff(orientation.to_detector(y), axis=1) == -1)
    assert np.all(np.diff(orientation.to_detector(x), axis=0) == 1)


def test_views_of_many_frames_share_memory():
    frames = np.zeros((4, 2, 3))
    view = Orientation.from_detector("NIS").to_detector(frames)
    assert view.shape == (4, 3, 2)
    assert np.shares_memory(view, frames)


@pytest.mark.parametrize("detector", DETECTOR_AXES)
def test_corner_locates_a_subarray_in_the_detector_frame(detector):
    orientation = Orientation.from_detector(detector)
    whole = np.arange(100).reshape(10, 10)
    subarray = orientation.to_detector(whole[2:5, 1:8])
    row, column = orientation.corner_in_detector((2, 1), (3, 7), 10)
    rows, columns = subarray.shape
    expected = orientation.to_detector(whole)[row : row + rows, column : column + columns]
    assert np.array_equal(subarray, expected)


@pytest.mark.parametrize("axes", [(1, 1), (0, 2), (3, 1), (None, 2), (-2, 2)])
def test_impossible_axes_are_refused(axes):
    with pytest.raises(ValueError, match="one must be 1 or -1 and the other 2 or -2"):
        Orientation.from_axes(*axes)


def test_unknown_detector_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'NRCA9'; known are NRCA1, NRCA2"):
        Orientation.from_detector("NRCA9")
