import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.beforehand import GROUPS
from rampflow.steps.charge_migration import HALO, flag_charge_migration

LOST = dq.CHARGELOSS | dq.DO_NOT_USE


def ramp(ngroups=4, shape=(5, 5)):
    return np.zeros((ngroups, *shape), np.float32), np.zeros((ngroups, *shape), np.uint8)


@pytest.mark.parametrize("ngroups", [1, 2])
def test_short_ramps_are_not_treated(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; at least 3"):
        GROUPS["charge_migration"](ngroups)


def test_three_groups_are_enough():
    GROUPS["charge_migration"](3)
    sci, groupdq = ramp(3)
    sci[1:, 2, 2] = 101
    flags = flag_charge_migration(sci, groupdq, signal_threshold=100)[:, 2, 2]
    np.testing.assert_array_equal(flags != 0, [False, True, True])


def test_bright_pixel_and_its_edge_neighbours_are_flagged_to_the_end_of_the_ramp():
    sci, groupdq = ramp()
    sci[2, 2, 2] = 101
    assert flag_charge_migration(sci, groupdq, signal_threshold=100) is groupdq
    cross = np.zeros((5, 5), np.uint8)
    cross[2, 1:4] = cross[1:4, 2] = LOST
    assert not groupdq[:2].any()
    np.testing.assert_array_equal(groupdq[2], cross)
    np.testing.assert_array_equal(groupdq[3], cross)


def test_threshold_itself_is_not_above_the_threshold():
    sci, groupdq = ramp()
    sci[:] = 100
    assert not flag_charge_migration(sci, groupdq, signal_threshold=100).any()


def test_first_of_several_groups_above_the_threshold_counts():
    sci, groupdq = ramp()
    sci[1, 2, 2] = sci[3, 2, 2] = 101
    flag_charge_migration(sci, groupdq, signal_threshold=100)
    np.testing.assert_array_equal(groupdq[:, 2, 2], [0, LOST, LOST, LOST])


def test_earliest_of_two_neighbours_counts():
    sci, groupdq = ramp()
    sci[2, 2, 1] = sci[1, 2, 3] = 101
    flag_charge_migration(sci, groupdq, signal_threshold=100)
    np.testing.assert_array_equal(groupdq[:, 2, 2], [0, LOST, LOST, LOST])
    np.testing.assert_array_equal(groupdq[:, 2, 0], [0, 0, LOST, LOST])


def test_flags_do_not_wrap_around_the_edges():
    sci, groupdq = ramp()
    sci[0, 0, 0] = 101
    flag_charge_migration(sci, groupdq, signal_threshold=100)
    assert set(zip(*np.nonzero(groupdq[0]), strict=True)) == {(0, 0), (0, 1), (1, 0)}


@pytest.mark.parametrize(
    ("flags", "triggers"),
    [(0, True), (dq.DO_NOT_USE, False), (dq.DO_NOT_USE | dq.AD_FLOOR, True), (dq.SATURATED, True)],
)
def test_only_a_group_flagged_exactly_do_not_use_is_no_onset(flags, triggers):
    sci, groupdq = ramp()
    sci[1, 2, 2] = 101
    groupdq[1, 2, 2] = flags
    flag_charge_migration(sci, groupdq, signal_threshold=100)
    assert groupdq[1, 2, 2] == (flags | LOST if triggers else flags)
    assert groupdq[3, 2, 1] == (LOST if triggers else 0)


def test_nan_is_no_onset():
    sci, groupdq = ramp()
    sci[:] = np.nan
    assert not flag_charge_migration(sci, groupdq, signal_threshold=100).any()


def test_arrays_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="same rows of both"):
        flag_charge_migration(ramp(3)[0], ramp(4)[1], signal_threshold=100)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_result_does_not_depend_on_the_blocks_of_rows(rows):
    rng = np.random.default_rng(3)
    sci = rng.uniform(0, 103, (5, 12, 9)).astype(np.float32)
    before = (rng.integers(0, 2, sci.shape) * rng.choice([1, 2, 65], sci.shape)).astype(np.uint8)
    whole = flag_charge_migration(sci, before.copy(), signal_threshold=100)
    assert (whole != before).any()
    joined = np.empty_like(whole)
    for start in range(0, 12, rows):
        stop = min(start + rows, 12)
        low, high = max(start - HALO, 0), min(stop + HALO, 12)
        block = flag_charge_migration(sci[:, low:high].copy(), before[:, low:high].copy(), signal_threshold=100)
        joined[:, start:stop] = block[:, start - low : stop - low]
    np.testing.assert_array_equal(joined, whole)
