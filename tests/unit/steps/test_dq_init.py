import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps.dq_init import add_user_flags, combine_pixel_dq, flag_groups

MASK = np.array([[0, dq.DO_NOT_USE | dq.DEAD], [dq.OUTLIER, dq.REFERENCE_PIXEL]], dtype=np.uint32)


def test_mask_is_added_to_the_flags_that_are_there():
    pixeldq = np.full((2, 2), dq.RC, dtype=np.uint32)
    assert combine_pixel_dq(pixeldq, MASK) is pixeldq
    np.testing.assert_array_equal(
        pixeldq, [[dq.RC, dq.RC | dq.DO_NOT_USE | dq.DEAD], [dq.RC | dq.OUTLIER, dq.RC | dq.REFERENCE_PIXEL]]
    )


def test_only_do_not_use_reaches_the_groups_and_reaches_all_of_them():
    groupdq = np.full((3, 2, 2), dq.SATURATED, dtype=np.uint8)
    assert flag_groups(groupdq, MASK) is groupdq
    np.testing.assert_array_equal(groupdq, np.broadcast_to([[2, 3], [2, 2]], (3, 2, 2)))


def test_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask has shape \(2, 2\), PIXELDQ \(2, 3\)"):
        combine_pixel_dq(np.zeros((2, 3), np.uint32), MASK)
    with pytest.raises(ValueError, match=r"mask has shape \(2, 2\), the frames of GROUPDQ \(1, 2\)"):
        flag_groups(np.zeros((4, 1, 2), np.uint8), MASK)


def test_flags_of_the_user_are_added_to_the_mask():
    both = add_user_flags(MASK, np.array([[dq.HOT, dq.DEAD], [0, 0]], dtype=np.uint32))
    np.testing.assert_array_equal(both, MASK | np.uint32([[dq.HOT, 0], [0, 0]]))


def test_flags_of_the_user_are_not_cut():
    with pytest.raises(
        ValueError, match=r"user_supplied_dq has shape \(4, 4\), the exposure's frames \(2, 2\); it is not cut"
    ):
        add_user_flags(MASK, np.zeros((4, 4), np.uint32))
