import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.rscd import Flagger, Skips, early_saturated, find_skips

TEXT = [("subarray", "S13"), ("readpatt", "S8")]
OLD = np.array(
    [(b"FULL", b"FASTR1", 4), (b"FULL", b"SLOWR1", 2), (b"SLITLESSPRISM", b"FASTR1", 3)],
    dtype=[*TEXT, ("group_skip", "i2")],
)
NEW = np.array(
    [(b"FULL", b"FASTR1", 2, 4), (b"FULL", b"SLOWR1", -1, 7), (b"SUB64", b"FASTR1", 0, -2)],
    dtype=[*TEXT, ("group_skip1", "i4"), ("group_skip", "i4")],
)
SAT, DNU, JUMP = dq.SATURATED, dq.DO_NOT_USE, dq.JUMP_DET


def baseline(table, ngroups=20, subarray="FULL", readpatt="FASTR1"):
    return find_skips(table, subarray=subarray, readpatt=readpatt, ngroups=ngroups, algorithm="baseline")


def per_pixel(table, ngroups=20, subarray="FULL", readpatt="FASTR1"):
    return find_skips(table, subarray=subarray, readpatt=readpatt, ngroups=ngroups, algorithm="per_pixel")


@pytest.mark.parametrize(
    ("subarray", "readpatt", "expected"),
    [("FULL", "FASTR1", 4), ("FULL", "SLOWR1", 2), ("SLITLESSPRISM", "FASTR1", 3), ("SUBPRISM", "FASTR1", 3)],
)
def test_row_is_found_by_subarray_and_readout_pattern(subarray, readpatt, expected):
    assert baseline(OLD, subarray=subarray, readpatt=readpatt) == Skips(0, expected, back_off=False)
    assert per_pixel(OLD, subarray=subarray, readpatt=readpatt) == Skips(1, expected, back_off=True)


def test_padded_text_is_understood():
    table = np.array([("FULL   ", " FASTR1", 1)], dtype=[("subarray", "U9"), ("readpatt", "U9"), ("group_skip", int)])
    assert baseline(table).later == 1


@pytest.mark.parametrize("find", [baseline, per_pixel])
def test_readout_without_a_row_is_not_treated(find):
    with pytest.raises(NotApplicable, match="no row for SUBARRAY=SUB64, READPATT=FASTR1"):
        find(OLD, subarray="SUB64")


@pytest.mark.parametrize("ngroups", [1, 2, 3, 5])
def test_four_groups_must_remain_in_the_baseline(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; 6 are needed"):
        baseline(OLD, ngroups, readpatt="SLOWR1")
    assert baseline(OLD, 6, readpatt="SLOWR1").later == 2


@pytest.mark.parametrize(
    ("ngroups", "expected"), [(3, (0, 0)), (4, (1, 1)), (5, (1, 1)), (6, (2, 3)), (7, (2, 4)), (20, (2, 4))]
)
def test_three_groups_remain_for_all_pixels(ngroups, expected):
    skips = per_pixel(NEW, ngroups)
    assert (skips.first, skips.later) == expected


@pytest.mark.parametrize("ngroups", [1, 2])
def test_less_than_three_groups_are_not_treated(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; 3 have to remain"):
        per_pixel(NEW, ngroups)


def test_a_negative_number_for_the_first_integration_is_one_and_for_the_others_none():
    assert per_pixel(NEW, readpatt="SLOWR1").first == 1
    skips = per_pixel(NEW, subarray="SUB64")
    assert (skips.first, skips.later, skips.of(1, intstart=1)) == (0, -2, 0)
    assert skips.reach == 2


@pytest.mark.parametrize(
    ("integration", "intstart", "expected"),
    [(0, None, 2), (1, None, 4), (0, 1, 2), (1, 1, 4), (0, 2, 4), (3, 5, 4)],
)
def test_the_first_integration_of_the_exposure_has_a_number_of_its_own(integration, intstart, expected):
    assert Skips(2, 4, back_off=True).of(integration, intstart=intstart) == expected


def test_baseline_flags_the_same_groups_everywhere_and_nothing_else():
    groupdq = np.full((2, 3, 1, 2), SAT, dtype=np.uint8)
    skips = Skips(0, 2, back_off=False)
    flagger = Flagger(skips, (1, 2), None, 2)
    for integration in range(2):
        flagger.flag(groupdq[integration, : skips.reach], integration)
    np.testing.assert_array_equal(groupdq[0], SAT)
    np.testing.assert_array_equal(groupdq[1, :, 0, 0], [SAT | DNU, SAT | DNU, SAT])
    assert not flagger.flux_estimated.any()
    assert list(flagger.keywords()) == []


@pytest.mark.parametrize(
    ("saturated_from", "expected"), [(0, 3), (1, 0), (2, 0), (3, 1), (4, 2), (5, 3), (6, 3), (9, 3)]
)
def test_two_groups_before_saturation_stay(saturated_from, expected):
    groupdq = np.zeros((10, 1, 1), np.uint8)
    groupdq[saturated_from:] = SAT
    assert max(3 - early_saturated(groupdq, 3)[0, 0], 0) == expected


def test_single_saturated_groups_give_back_one_group_each():
    groupdq = np.zeros((10, 1, 4), np.uint8)
    groupdq[2, 0, 0] = groupdq[[4, 6, 7, 8], 0, 1] = SAT
    groupdq[[0, 2], 0, 2] = SAT
    groupdq[:, 0, 3] = DNU | JUMP
    np.testing.assert_array_equal(early_saturated(groupdq, 7), [[1, 4, 0, 0]])
    np.testing.assert_array_equal(early_saturated(groupdq, 0), 0)


def test_pixels_that_back_off_are_counted_and_marked():
    groupdq = np.zeros((3, 6, 1, 3), np.uint8)
    groupdq[1, 3:, 0, 1] = SAT  # 1 of 2 groups in the second integration
    groupdq[2, 2:, 0, 2] = SAT  # none in the third
    groupdq[0, 1:, 0, 2] = SAT | JUMP  # none in the first
    skips = Skips(1, 2, back_off=True)
    flagger = Flagger(skips, (1, 3), 1, 3)
    for integration in range(3):
        assert flagger.flag(groupdq[integration, : skips.reach], integration).shape == (4, 1, 3)
    flagged = groupdq & DNU
    np.testing.assert_array_equal(flagged.sum(axis=1)[:, 0], [[1, 1, 0], [2, 1, 2], [2, 2, 0]])
    np.testing.assert_array_equal(groupdq[0, :, 0, 2], [0, *[SAT | JUMP] * 5])
    np.testing.assert_array_equal(flagger.flux_estimated, [[False, True, True]])
    assert {key: value for key, value, _ in flagger.keywords()} == {
        "INT1SKIP": 1, "INT1UGP1": 1, "INT1BORS": 1, "INT2SKIP": 2, "INT2UGP1": 1, "INT2BORS": 2
    }  # fmt: skip


def test_a_later_segment_says_nothing_of_the_first_integration():
    skips = Skips(1, 2, back_off=True)
    flagger = Flagger(skips, (1, 1), 4, 9)
    groupdq = flagger.flag(np.zeros((skips.reach, 1, 1), np.uint8), 0)
    np.testing.assert_array_equal(groupdq[:, 0, 0], [DNU, DNU, 0, 0])
    assert [key for key, *_ in flagger.keywords()] == ["INT2UGP1", "INT2BORS", "INT2SKIP"]


def test_an_exposure_of_one_integration_says_nothing_of_later_ones():
    skips = Skips(1, 2, back_off=True)
    flagger = Flagger(skips, (1, 1), None, 1)
    flagger.flag(np.zeros((skips.reach, 1, 1), np.uint8), 0)
    assert [key for key, *_ in flagger.keywords()] == ["INT1UGP1", "INT1BORS", "INT1SKIP"]
    assert not flagger.flux_estimated.any()


@pytest.mark.parametrize(("saturated_from", "counted"), [(3, 0), (2, 0), (1, 2), (0, 0)])
def test_where_no_group_is_left_out_all_pixels_count_once_one_saturates_in_the_second_group(saturated_from, counted):
    skips = Skips(0, 0, back_off=True)
    flagger = Flagger(skips, (1, 2), None, 1)
    groupdq = np.zeros((3, 1, 2), np.uint8)
    groupdq[saturated_from:, 0, 0] = SAT
    flagger.flag(groupdq[: skips.reach], 0)
    counts = {key: value for key, value, _ in flagger.keywords()}
    assert counts == {"INT1UGP1": counted, "INT1BORS": 0, "INT1SKIP": 0}
    assert not (groupdq & DNU).any() and not flagger.flux_estimated.any()
