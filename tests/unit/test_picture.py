"""Superstripes put together: arrays, flags, header and times, worked out by hand."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow import dq
from rampflow.picture import Picture
from rampflow.stripes import KEYWORDS, Stripes

# Line 0, then lines 1-2, 3-4 and 5-6, one pair in each integration.
VALUES = (1, 0, 2, 0, 1, 1, 2, 3)
UP, DOWN = {"FASTAXIS": -1, "SLOWAXIS": 2, "SUBSTRT2": 1}, {"FASTAXIS": 1, "SLOWAXIS": -2, "SUBSTRT2": 2048}
ACROSS = {"FASTAXIS": 2, "SLOWAXIS": 1, "SUBSTRT1": 1}  # NRS1


def picture(axes=UP, shape=(6, 2, 3, 4), **more):
    return Picture(Stripes.of(axes | dict(zip(KEYWORDS, VALUES, strict=True)) | more, shape))


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
    header = fits.Header([*given.items(), *UP.items(), ("SUBSIZE2", 3), *zip(KEYWORDS, VALUES, strict=True)])
    picture().describe(header)
    assert {key: header[key] for key in expected} == expected
    assert (header["SUBSTRT2"], header["SUBSIZE2"]) == (2, 6)
    assert not set(KEYWORDS) & set(header)


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
