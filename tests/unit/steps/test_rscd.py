import numpy as np
import pytest

from rampflow import dq
from rampflow.steps import NotApplicable
from rampflow.steps.rscd import flag_groups, group_skip, is_affected

TABLE = np.array(
    [(b"FULL", b"FASTR1", 4), (b"FULL", b"SLOWR1", 2), (b"SLITLESSPRISM", b"FASTR1", 3)],
    dtype=[("subarray", "S13"), ("readpatt", "S8"), ("group_skip", "i2")],
)


@pytest.mark.parametrize(
    ("subarray", "readpatt", "expected"),
    [("FULL", "FASTR1", 4), ("FULL", "SLOWR1", 2), ("SLITLESSPRISM", "FASTR1", 3), ("SUBPRISM", "FASTR1", 3)],
)
def test_row_is_found_by_subarray_and_readout_pattern(subarray, readpatt, expected):
    assert group_skip(TABLE, subarray=subarray, readpatt=readpatt, ngroups=20) == expected


def test_padded_text_is_understood():
    table = [{"subarray": "FULL   ", "readpatt": " FASTR1", "group_skip": 1}]
    assert group_skip(table, subarray="FULL", readpatt="FASTR1", ngroups=20) == 1


def test_readout_without_a_row_is_not_treated():
    with pytest.raises(NotApplicable, match="no row for SUBARRAY=SUB64, READPATT=FASTR1"):
        group_skip(TABLE, subarray="SUB64", readpatt="FASTR1", ngroups=20)


@pytest.mark.parametrize("ngroups", [1, 2, 3, 5])
def test_four_groups_must_remain(ngroups):
    with pytest.raises(NotApplicable, match=f"{ngroups} groups per integration; 6 are needed"):
        group_skip(TABLE, subarray="FULL", readpatt="SLOWR1", ngroups=ngroups)
    assert group_skip(TABLE, subarray="FULL", readpatt="SLOWR1", ngroups=6) == 2


@pytest.mark.parametrize(
    ("integration", "intstart", "expected"),
    [(0, None, False), (1, None, True), (0, 1, False), (1, 1, True), (0, 2, True), (3, 5, True)],
)
def test_all_but_the_first_integration_of_the_exposure_are_affected(integration, intstart, expected):
    assert is_affected(integration, intstart=intstart) is expected


def test_affected_groups_are_flagged_in_place():
    groupdq = np.full((3, 1, 2), dq.SATURATED, dtype=np.uint8)
    flag_groups(groupdq[:2])
    np.testing.assert_array_equal(groupdq[:, 0, 0], [3, 3, 2])
