"""Superstripes put together: arrays, flags, header and times, worked out by hand."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.detector.multistripe import KEYWORDS, Stripes
from rampflow.detector.superstripes import WholeFrames

# Line 0, then lines 1-2, 3-4 and 5-6, one pair in each integration.
VALUES = (1, 0, 2, 0, 1, 1, 2, 3)
UP, DOWN = {"FASTAXIS": -1, "SLOWAXIS": 2, "SUBSTRT2": 1}, {"FASTAXIS": 1, "SLOWAXIS": -2, "SUBSTRT2": 2048}
ACROSS = {"FASTAXIS": 2, "SLOWAXIS": 1, "SUBSTRT1": 1}  # NRS1


def picture(axes=UP, shape=(6, 2, 3, 4), **more):
    return WholeFrames(Stripes.of(axes | dict(zip(KEYWORDS, VALUES, strict=True)) | more, shape))


def numbered(shape):
    """Values that say integration and row: 10 times the one and the other."""
    return np.broadcast_to(
        10.0 * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) + np.arange(shape[-2])[:, np.newaxis], shape
    ).copy()


def test_each_superstripe_comes_to_its_rows():
    joined = picture().join(numbered((6, 2, 3, 4)), np.nan)
    assert joined.shape == (2, 2, 6, 4)
    # Row 0 of a frame is line 0, which is no part of the picture.
    assert joined[0, 0, :, 0].tolist() == [1, 2, 11, 12, 21, 22]
    assert joined[1, 1, :, 3].tolist() == [31, 32, 41, 42, 51, 52]


def test_superstripes_that_are_read_downwards_come_in_turn_from_the_top():
    joined = picture(DOWN).join(numbered((3, 3, 4)), np.nan)
    # Line 0 is the last row of a frame, and the first integration is the highest in the picture.
    assert joined[0, :, 0].tolist() == [20, 21, 10, 11, 0, 1]


def test_superstripes_of_columns():
    values = numbered((3, 3, 4)).swapaxes(1, 2)
    joined = picture(ACROSS, (3, 1, 4, 3)).join(values, np.nan)
    assert joined.shape == (1, 4, 6) and joined[0, 2].tolist() == [1, 2, 11, 12, 21, 22]


# Line 0 and a line of the picture, three times in a frame; lines 1, 2, 3 one after the other.
AGAIN = dict(zip(KEYWORDS, (1, 0, 1, 0, 1, 0, 1, 3), strict=True))


@pytest.mark.parametrize(
    ("axes", "first", "second"),
    [
        # Rows 1, 3 and 5 of the frame, in the order of time; rows 4, 2 and 0 of what is read downwards.
        (UP, [[1, 101, 201], [3, 103, 203], [5, 105, 205]], [[11, 111, 211], [13, 113, 213], [15, 115, 215]]),
        (DOWN, [[204, 104, 4], [202, 102, 2], [200, 100, 0]], [[214, 114, 14], [212, 112, 12], [210, 110, 10]]),
    ],
)
def test_every_sample_of_a_frame_becomes_a_group(axes, first, second):
    made = picture(axes, (3, 2, 6, 4), **AGAIN)
    # 100 times the integration, 10 times the group and the row.
    integration, group, row = np.ogrid[:3, :2, :6]
    values = np.broadcast_to((100.0 * integration + 10 * group + row)[..., np.newaxis], (3, 2, 6, 4))
    joined = made.join_groups(values, np.nan)
    assert joined.shape == made.shape(values.shape) == (1, 6, 3, 4)
    assert joined[0, :, :, 0].tolist() == first + second
    assert made.groups(slice(1, 2)) == slice(3, 6)
    # The zero frame of the picture is the earliest sample.
    assert made.join(values[:, 0], np.nan)[0, :, 1].tolist() == first[0]
    assert made.shape((3, 6, 4)) == (1, 3, 4)


def test_samples_of_columns():
    values = numbered((3, 6, 4)).swapaxes(1, 2)[:, np.newaxis]
    joined = picture(ACROSS, (3, 1, 4, 6), **AGAIN).join_groups(values, np.nan)
    assert joined.shape == (1, 3, 4, 3) and joined[0, :, 2].tolist() == [[1, 11, 21], [3, 13, 23], [5, 15, 25]]


@pytest.mark.parametrize(
    ("axes", "shape", "outputs", "gap", "expected"),
    [
        # A line takes 64 + 12 clocks of 10 us, two lines of no pixels come before a frame of six.
        (UP, (3, 2, 6, 64), 1, 0, [304, 456, 608, 304 + 608, 456 + 608, 608 + 608]),
        (UP, (3, 2, 6, 64), 1, 2, [304, 456, 608, 304 + 3 * 608, 456 + 3 * 608, 608 + 3 * 608]),
        (ACROSS, (3, 1, 64, 6), 1, 0, [304, 456, 608]),
        # Four outputs: 512 + 12 clocks, one line and one clock before.
        (DOWN, (3, 1, 6, 2048), 4, 0, [1573, 2621, 3669]),
    ],
)
def test_when_the_samples_were_read(axes, shape, outputs, gap, expected):
    times = picture(axes, shape, **AGAIN).read_times({"NOUTPUTS": outputs, "GROUPGAP": gap}, shape)
    np.testing.assert_allclose(times, np.array(expected)[:, np.newaxis] * 1e-5, rtol=1e-12)


def test_groups_that_follow_each_other_evenly_have_no_times():
    assert picture().read_times({"NOUTPUTS": 1}, (6, 2, 3, 4)) is None


def test_what_is_never_read_is_empty_and_flagged():
    whole = picture(ACROSS, (3, 1, 4, 3), SUBARRAY="SUB2STRIPE_SOSS")
    joined = whole.join(np.zeros((3, 4, 3)), np.nan)
    assert joined.shape == (1, 4, 2048)
    assert np.flatnonzero(~np.isnan(joined[0, 0])).tolist() == [1, 2, 3, 4, 5, 6]
    flags = whole.flags(np.full((3, 4, 3), dq.HOT, np.uint32))
    assert set(flags[:, 1:7].ravel()) == {dq.HOT}
    assert set(flags[:, 0]) | set(flags[:, 7:].ravel()) == {dq.REFERENCE_PIXEL}


def test_pictures_are_made_one_by_one():
    made = picture()
    assert [list(made.sources(number)) for number in range(2)] == [[0, 1, 2], [3, 4, 5]]
    values = numbered((6, 2, 3, 4))
    for number in range(2):
        piece = made.join([values[k] for k in made.sources(number)], np.nan)[0]
        assert np.array_equal(piece, made.join(values, np.nan)[number])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"NINTS": 6}, {"NINTS": 2, "INTSTART": 1, "INTEND": 2}),
        ({"NINTS": 9, "INTSTART": 4, "INTEND": 9}, {"NINTS": 3, "INTSTART": 2, "INTEND": 3}),
    ],
)
def test_the_header_counts_pictures_and_knows_no_stripes(given, expected):
    place = [("SUBSIZE2", 3), ("NGROUPS", 2)]
    header = fits.Header([*given.items(), *UP.items(), *place, *zip(KEYWORDS, VALUES, strict=True)])
    picture().describe(header)
    assert header["NGROUPS"] == 2
    assert {key: header[key] for key in expected} == expected
    assert (header["SUBSTRT2"], header["SUBSIZE2"]) == (2, 6)
    assert not set(KEYWORDS) & set(header)


def test_the_header_counts_the_samples_of_a_frame_as_groups():
    header = fits.Header([("NINTS", 3), ("NGROUPS", 2), *AGAIN.items()])
    picture(UP, (3, 2, 6, 4), **AGAIN).describe(header)
    assert (header["NINTS"], header["NGROUPS"], header["SUBSIZE2"]) == (1, 6, 3)


def test_a_picture_lasts_from_its_first_superstripe_to_its_last():
    names = [f"int_{part}_{scale}" for scale in ("MJD_UTC", "BJD_TDB") for part in ("start", "mid", "end")]
    table = np.zeros(6, [("integration_number", ">i4"), *((name, ">f8") for name in names)])
    table["integration_number"] = np.arange(4, 10)  # the second segment of an exposure
    for name in names:
        table[name] = np.arange(6) + {"start": 0.0, "mid": 0.25, "end": 0.5}[name.split("_")[1]]
    pictures, stripes = picture().times(table)
    assert pictures["integration_number"].tolist() == [2, 3]
    assert pictures["int_start_MJD_UTC"].tolist() == [0, 3]
    assert pictures["int_end_BJD_TDB"].tolist() == [2.5, 5.5]
    assert pictures["int_mid_MJD_UTC"].tolist() == [1.25, 4.25]
    assert stripes.dtype.names == ("integration_number", "stripe_number", *names)
    assert stripes["integration_number"].tolist() == [2, 2, 2, 3, 3, 3]
    assert stripes["stripe_number"].tolist() == [1, 2, 3, 1, 2, 3]
    assert stripes["int_mid_BJD_TDB"].tolist() == table["int_mid_BJD_TDB"].tolist()
