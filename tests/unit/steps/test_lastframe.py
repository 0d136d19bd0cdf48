import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.beforehand import GROUPS
from rampflow.steps.lastframe import flag_last_group


@pytest.mark.parametrize("ngroups", [1, 2])
def test_short_ramps_keep_their_last_group(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; more than 2"):
        GROUPS["lastframe"](ngroups)


def test_three_groups_are_enough():
    GROUPS["lastframe"](3)
    groupdq = np.zeros((3, 1, 1), np.uint8)
    assert flag_last_group(groupdq[-1]).tolist() == [[dq.DO_NOT_USE]]
    assert not groupdq[:2].any()


def test_last_group_is_flagged_in_place():
    groupdq = np.full((3, 1, 2), dq.SATURATED, dtype=np.uint8)
    flag_last_group(groupdq[-1])
    np.testing.assert_array_equal(groupdq, [[[2, 2]], [[2, 2]], [[3, 3]]])
