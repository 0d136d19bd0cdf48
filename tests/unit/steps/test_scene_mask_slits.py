import numpy as np
import pytest

from rampflow.steps.scene_mask import slits


def test_slits_are_where_their_first_pixel_counted_from_1_says():
    found = slits.slit_regions([(3, 2, 4, 1), (1, 5, 10, 2)], (6, 10))
    due = np.zeros((6, 10), bool)
    due[1, 2:6] = due[4:6] = True
    np.testing.assert_array_equal(found, due)


@pytest.mark.parametrize("slit", [(0, 1, 2, 2), (1, 0, 2, 2), (9, 1, 3, 1), (1, 6, 1, 2)])
def test_a_slit_that_is_not_in_the_frame(slit):
    with pytest.raises(ValueError, match="where the exposure has 10 columns and 6 rows"):
        slits.slit_regions([slit], (6, 10))


@pytest.mark.parametrize(
    ("exp_type", "quadrants", "rows"),
    [
        ("NRS_IFU", [], (922, 1115)),
        ("NRS_MSASPEC", [1, 3], (922, 1115)),
        ("NRS_MSASPEC", [1, 5], None),
        ("NRS_FIXEDSLIT", [5], None),
        ("NRS_BRIGHTOBJ", [], None),
    ],
)
def test_rows_of_the_fixed_slits(exp_type, quadrants, rows):
    regions = slits.with_fixed_slits(np.zeros((2048, 4), bool), exp_type, quadrants)
    marked = np.flatnonzero(regions[:, 2])
    assert (marked.size == 0) if rows is None else (marked[0], marked[-1], marked.size) == (*rows, 194)
