import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.beforehand import GROUPS
from rampflow.steps.firstframe import flag_first_group, flag_flux_estimated

JUMP, SAT, DNU = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE


@pytest.mark.parametrize("ngroups", [1, 2, 3])
def test_short_ramps_keep_their_first_group(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; more than 3"):
        GROUPS["firstframe"](ngroups)


def test_four_groups_are_enough():
    GROUPS["firstframe"](4)
    groupdq = np.zeros((4, 1, 1), np.uint8)
    flag_first_group(groupdq[0], groupdq[2], bright_use_group1=True)
    np.testing.assert_array_equal(groupdq[:, 0, 0], [DNU, 0, 0, 0])


def test_first_group_is_flagged_everywhere():
    first = np.array([[0, SAT, JUMP]], dtype=np.uint8)
    kept = flag_first_group(first, None, bright_use_group1=False)
    np.testing.assert_array_equal(first, [[DNU, SAT | DNU, JUMP | DNU]])
    assert not kept.any()


def test_bright_pixels_keep_their_first_group():
    first = np.array([[0, 0, JUMP, DNU]], dtype=np.uint8)
    third = np.array([[0, SAT, SAT | JUMP, SAT]], dtype=np.uint8)
    kept = flag_first_group(first, third, bright_use_group1=True)
    np.testing.assert_array_equal(first, [[DNU, 0, JUMP, DNU]])
    np.testing.assert_array_equal(kept, [[False, True, True, True]])


def test_groups_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="same rows of both"):
        flag_first_group(np.zeros((2, 3), np.uint8), np.zeros((1, 3), np.uint8), bright_use_group1=True)


def test_kept_pixels_get_flux_estimated():
    pixeldq = np.array([[dq.HOT, dq.HOT]], dtype=np.uint32)
    assert flag_flux_estimated(pixeldq, np.array([[True, False]])) is pixeldq
    np.testing.assert_array_equal(pixeldq, [[dq.HOT | dq.FLUX_ESTIMATED, dq.HOT]])
