import numpy as np
import pytest

from rampflow.steps import NotApplicable, picture_frame
from rampflow.steps.picture_frame import FULL, FrameLevels, check_exposure, measure, measure_reference, subtract_frame


@pytest.fixture
def small(monkeypatch):
    """Frames of 4 by 6: an edge of the first and the last row, a centre of 2 by 2, a gap of the other pixels."""
    monkeypatch.setattr(picture_frame, "_CENTRE", np.s_[1:3, 2:4])
    monkeypatch.setattr(picture_frame, "_EDGE", (np.s_[:1], np.s_[3:]))


REFERENCE = np.array([[3, 3, 3, 3, 3, 3], [9, 9, 1, 1, 9, 9], [9, 9, 1, 1, 9, 9], [3, 3, 3, 3, 3, 7]], np.float32)
EVERYWHERE = np.ones((4, 6), bool)


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [
        (76, 76, "centre"),
        (1983, 1983, "centre"),
        (1000, 76, "centre"),
        (75, 1000, None),
        (1984, 1000, None),
        (1000, 75, None),
        (1000, 1984, None),
        (4, 4, "edge"),
        (74, 74, "edge"),
        (1000, 4, "edge"),
        (1000, 74, "edge"),
        (1000, 1985, "edge"),
        (2042, 2042, "edge"),
        (4, 2042, "edge"),
        (2042, 4, "edge"),
        (3, 1000, None),
        (1000, 3, None),
        (2043, 1000, None),
        (1000, 2043, None),
    ],
)
def test_which_pixels_are_the_centre_and_which_the_edge(row, column, where):
    image, mask = np.zeros(FULL, np.float32), np.zeros(FULL, bool)
    mask[1000, 1000] = mask[20, 20] = True  # one of each is always there
    image[row, column], mask[row, column] = 2, True
    expected = FrameLevels(1 if where == "centre" else 0, 1 if where == "edge" else 0)
    assert measure(image, mask) == expected


def test_no_pixel_of_the_edge_counts_twice():
    image = np.random.default_rng(1).normal(size=FULL).astype(np.float32)
    edge = np.zeros(FULL, bool)
    edge[4:2043, 4:2043] = True
    edge[75:1985, 75:1985] = False
    found = measure(image, np.ones(FULL, bool))
    assert found == FrameLevels(np.median(image[76:1984, 76:1984]), np.median(image[edge]))


@pytest.mark.usefixtures("small")
def test_a_frame_by_hand():
    assert measure_reference(REFERENCE, EVERYWHERE) == FrameLevels(1, 3)
    first = np.full((4, 6), 100, np.float32)
    sci = first + np.array([[20] * 6, [0, 1, 30, 30, 2, 3], [4, 5, 30, 30, 6, 7], [20] * 6], np.float32)
    # The centre has risen by 30 and the edge by 20, where the reference has 1 and 3: 20 - 5 * (reference - 3).
    expected = [[100] * 6, [110, 111, 100, 100, 112, 113], [114, 115, 100, 100, 116, 117], [100] * 5 + [120]]
    left = subtract_frame(sci, first, REFERENCE, FrameLevels(1, 3), EVERYWHERE)
    np.testing.assert_array_equal(left, expected)
    assert left.dtype == np.float32


@pytest.mark.usefixtures("small")
def test_sources_and_nan_do_not_count():
    image, mask = np.array(REFERENCE), EVERYWHERE.copy()
    image[0, 0], image[3, :3], image[1, 2] = 1e6, np.nan, 50
    mask[0, 0] = mask[1, 2] = False
    assert measure(image, mask) == FrameLevels(1, 3)


@pytest.mark.usefixtures("small")
def test_nan_of_a_group_or_of_the_reference_stays_nan_there():
    first = np.zeros((4, 6), np.float32)
    sci, reference = first + 1, np.array(REFERENCE)
    sci[1, 2], first[0, 0], reference[3, 5] = np.nan, np.nan, np.nan
    left = subtract_frame(sci, first, reference, FrameLevels(1, 3), EVERYWHERE)
    np.testing.assert_array_equal(np.argwhere(np.isnan(left)), [[0, 0], [1, 2], [3, 5]])
    assert np.nanmax(np.abs(left)) == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("gone", [np.s_[1:3], np.s_[::3]])
def test_without_background_in_the_centre_or_at_the_edge_nothing_is_done(gone):
    mask, sci = EVERYWHERE.copy(), np.zeros((4, 6), np.float32)
    mask[gone] = False
    with pytest.raises(NotApplicable, match="no background in the centre, or none at the edge"):
        measure_reference(REFERENCE, mask)
    sci[gone] = np.nan
    assert subtract_frame(sci, np.zeros_like(sci), REFERENCE, FrameLevels(1, 3), EVERYWHERE) is None


@pytest.mark.usefixtures("small")
def test_a_reference_without_contrast_is_refused():
    with pytest.raises(NotApplicable, match=r"a level of 2.0 in its centre and of 2.0 at its edge"):
        measure_reference(np.full((4, 6), 2, np.float32), EVERYWHERE)


@pytest.mark.parametrize(
    ("instrument", "subarray", "shape", "line"),
    [
        ("NIRCAM", "FULL", (1, 5, 2048, 2048), "only full frames of NIRSpec are corrected; this is NIRCAM FULL"),
        ("NIRSPEC", "SUBS200A1", (1, 5, 64, 2048), "this is NIRSPEC SUBS200A1, 64 rows of 2048"),
        ("NIRSPEC", "FULL", (1, 5, 32, 2048), "this is NIRSPEC FULL, 32 rows of 2048"),
        ("NIRSPEC", "FULL", (3, 1, 2048, 2048), "in a single group there is nothing to compare"),
    ],
)
def test_exposures_that_are_none_of_this_step(instrument, subarray, shape, line):
    with pytest.raises(NotApplicable, match=line):
        check_exposure(instrument, subarray, shape)
    check_exposure("NIRSPEC", "FULL", (3, 2, 2048, 2048))
