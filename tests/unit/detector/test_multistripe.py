"""Which lines the frames of multistripe exposures hold: worked out by hand, and counted by the mock."""

import numpy as np
import pytest

from rampflow.detector.multistripe import KEYWORDS, Stripes
from rampflow.mock import configurations

UP, DOWN = {"FASTAXIS": -1, "SLOWAXIS": 2}, {"FASTAXIS": 1, "SLOWAXIS": -2}  # NRCA1, NRCA2
ACROSS = {"FASTAXIS": -2, "SLOWAXIS": -1, "SUBARRAY": "SUB680STRIPE_SOSS", "SUBSTRT1": 1}  # NIS


def header(*values, axes=UP, **more):
    """Header with the values of MSTR_RD1, MSTR_SK1, MSTR_RD2, MSTR_SK2, MSTR_RPT, MSTR_ILV, SSTR_STP, SSTR_NST."""
    return {"SUBSTRT2": 1, **axes, **dict(zip(KEYWORDS, values, strict=False)), **more}


def frames(lines, integrations=1):
    return (integrations, 2, lines, 2048)


def runs(stripes, position=0):
    return [(run.start, run.stop) for run in stripes.runs[position]]


@pytest.mark.parametrize(
    ("values", "size", "expected"),
    [
        # one line of reference pixels, then a stripe
        ((1, 1901, 40, 0, 1, 1), 41, [(0, 1), (1902, 1942)]),
        # the line again before every stripe, which goes on where the one before ended
        ((1, 5, 3, 2, 1, 1), 12, [(0, 1), (6, 9), (0, 1), (11, 14), (0, 1), (16, 19)]),
        # one stripe again and again
        ((1, 5, 3, 2, 1, 0), 12, [(0, 1), (6, 9), (0, 1), (6, 9), (0, 1), (6, 9)]),
        # the line once, whatever MSTR_ILV says
        ((1, 5, 3, 2, 0, 0), 10, [(0, 1), (6, 9), (11, 14), (16, 19)]),
        ((1, 5, 3, 2, 0, 1), 10, [(0, 1), (6, 9), (11, 14), (16, 19)]),
        # lines that follow each other are one run
        ((4, 0, 3, 0, 0, 0), 10, [(0, 10)]),
        ((0, 7, 3, 1, 0, 0), 6, [(7, 10), (11, 14)]),
    ],
)
def test_lines_of_a_frame(values, size, expected):
    stripes = Stripes.of(header(*values, 0, 0), frames(size))
    assert runs(stripes) == expected and stripes.positions == 0


def test_an_exposure_without_stripes_has_none():
    assert Stripes.of({}, frames(64)) is None
    assert Stripes.of(header(0, 0, 0, 0, 0, 0, 0, 0), frames(64)) is None


def test_frames_are_turned_with_the_detector():
    values = (1, 5, 3, 2, 1, 1, 0, 0)
    up = Stripes.of(header(*values), frames(8))
    down = Stripes.of(header(*values, axes=DOWN, SUBSTRT2=2041, SUBARRAY="SUB8STRIPE2_DHS"), frames(8))
    assert [(piece.start, piece.stop) for piece in up.pieces(0)] == [(0, 1), (6, 9), (0, 1), (11, 14)]
    # Line 0 is row 2047 of the science frame, and comes last.
    assert [(piece.start, piece.stop) for piece in down.pieces(0)] == [
        (2034, 2037),
        (2047, 2048),
        (2039, 2042),
        (2047, 2048),
    ]


def test_a_subarray_may_begin_further_in():
    values = (1, 5, 3, 0, 0, 0, 0, 0)
    assert runs(Stripes.of(header(*values, SUBSTRT2=101), frames(4))) == [(100, 101), (106, 109)]
    # Read downwards the first line is that with the highest number, and 1 stands for it as well.
    for start, first in ((2048, 0), (1948, 100), (1, 0)):
        stripes = Stripes.of(header(*values, axes=DOWN, SUBSTRT2=start), frames(4))
        assert runs(stripes) == [(first, first + 1), (first + 6, first + 9)]
    # DHS exposures do not say where their lines begin.
    named = Stripes.of(header(*values, SUBSTRT2=101, SUBARRAY="SUB4STRIPE1_DHS"), frames(4))
    assert runs(named) == [(0, 1), (6, 9)]


def test_superstripes_move_by_a_step():
    stripes = Stripes.of(header(2, 1, 10, 0, 1, 1, 10, 3), frames(12, 6))
    assert [runs(stripes, position) for position in range(3)] == [
        [(0, 2), (3, 13)],
        [(0, 2), (13, 23)],
        [(0, 2), (23, 33)],
    ]
    assert stripes.picture == range(3, 33)
    assert [stripes.part(position) for position in range(3)] == [
        (range(first, first + 10), slice(-10, None)) for first in (3, 13, 23)
    ]


def test_superstripes_that_are_read_downwards_come_from_the_top():
    stripes = Stripes.of(header(2, 1, 10, 0, 1, 1, 10, 3, axes=DOWN, SUBSTRT2=2048), frames(12, 3))
    assert stripes.picture == range(2048 - 33, 2048 - 3)
    assert stripes.part(0) == (range(2048 - 13, 2048 - 3), slice(0, 10))


def test_superstripes_without_other_lines_say_only_their_step():
    stripes = Stripes.of(header(0, 0, 0, 0, 0, 0, 8, 8, SUBSTRT2=101), frames(8, 8))
    assert runs(stripes, 7) == [(156, 164)] and stripes.picture == range(100, 164)


def test_a_frame_may_sample_a_ramp_again_and_again():
    # SUB64P_SUPSTP002 of NRCB1, as in jwst's tests: line 2 and one more, four times; the next one follows.
    values = (1, 165, 1, 0, 1, 0, 1, 64)
    stripes = Stripes.of(header(*values, axes=DOWN, SUBSTRT2=2046), frames(8, 64))
    assert stripes.samples == 4 and stripes.picture == range(2048 - 232, 2048 - 168)
    assert runs(stripes, 63) == [(2, 3), (231, 232)] * 4
    # Downwards the first sample is at the end of the frame, and the border is below each line.
    assert [stripes.part(0, sample)[1].start for sample in range(4)] == [6, 4, 2, 0]
    assert stripes.part(0, 3)[0] == stripes.part(0, 0)[0] == range(2048 - 169, 2048 - 168)
    upwards = Stripes.of(header(2, 0, 3, 0, 1, 0, 3, 5, SUBSTRT2=1), frames(15, 5))
    assert [upwards.part(4, sample)[1].indices(15) for sample in range(3)] == [(2, 5, 1), (7, 10, 1), (12, 15, 1)]
    assert upwards.part(4)[0] == range(14, 17)


def test_the_picture_of_soss_is_as_long_as_the_detector():
    stripes = Stripes.of(header(4, 0, 680, 0, 1, 1, 680, 3, axes=ACROSS), (3, 2, 256, 684))
    assert runs(stripes, 1) == [(0, 4), (684, 1364)]
    assert stripes.picture == range(2048)
    assert stripes.part(2) == (range(4, 684), slice(0, 680))


STRIPED = [(row.detector, row.name) for row in configurations.striped()]


@pytest.mark.parametrize(("detector", "name"), STRIPED)
def test_the_lines_are_those_that_the_mock_counts(detector, name):
    known = configurations.subarray(detector, name)
    fast, slow = configurations.orientation(detector)
    keys = {key: value for key, _, value in known.stripes.header()}
    keys |= {"FASTAXIS": fast, "SLOWAXIS": slow, "SUBARRAY": name}
    keys |= {"SUBSTRT1": known.window.xstart, "SUBSTRT2": known.window.ystart}
    positions = max(1, known.stripes.positions)
    stripes = Stripes.of(keys, (positions, 1, *known.window.shape))
    size = known.window.xsize if abs(slow) == 1 else known.window.ysize
    for position in range(positions):
        lines = np.concatenate([np.array(run) for run in stripes.runs[position]])
        assert np.array_equal(lines, known.stripes.lines(size, position))


@pytest.mark.parametrize(
    ("values", "shape", "changes", "message"),
    [
        ((1, 5, 3, 2, 1, 1, 0, 0), frames(13), {}, "1 and repeatedly 3 lines do not make the 13 of a frame"),
        ((1, 5, 3, 2, 0, 0, 0, 0), frames(9), {}, "1 and then 3 lines do not make the 9 of a frame"),
        ((1, 5, 3, 2, 1, 1, 0, 0), frames(8), {"MSTR_SK1": None, "MSTR_ILV": None}, "MSTR_SK1, MSTR_ILV missing"),
        ((1, -5, 3, 2, 1, 1, 0, 0), frames(8), {}, "MSTR_SK1 missing, or not a number from 0"),
        ((4, 5, 0, 2, 1, 1, 0, 0), frames(8), {}, "MSTR_RD2 is 0, so that no stripe is read"),
        ((1, 2040, 8, 0, 1, 1, 0, 0), frames(9), {}, "lines up to 2049 are to be read, where the detector has 2048"),
        ((1, 0, 3, 2, 1, 1, 3, 4), frames(8, 4), {}, r"the 2 stripes in a frame .* \(MSTR_RPT 1, MSTR_ILV 1\)"),
        ((1, 0, 3, 0, 0, 0, 3, 4), frames(7, 4), {}, r"the 2 stripes in a frame .* \(MSTR_RPT 0, MSTR_ILV 0\)"),
        ((1, 0, 3, 0, 1, 0, 3, 4), frames(8, 4), {"NFRAMES": 2}, r"2 frames \(NFRAMES\) that sample a ramp 2 times"),
        ((4, 0, 8, 0, 1, 1, 9, 3), frames(12, 3), {}, "move by 9 lines .* where 8 are read"),
        ((4, 0, 8, 0, 1, 1, 8, 3), frames(12, 4), {}, "4 integrations from number 1 are not whole pictures of 3"),
        ((4, 0, 8, 0, 1, 1, 8, 3), frames(12, 3), {"INTSTART": 3}, "3 integrations from number 3 are not whole"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_with_a_reason(values, shape, changes, message):
    with pytest.raises(ValueError, match=rf"^multistripe exposure \((MSTR|SSTR)_.*\): .*{message}"):
        Stripes.of(header(*values) | changes, shape)
