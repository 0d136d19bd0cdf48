"""Multistripe frames of all kinds, not only those on offer: the keywords mean what the mock's electronics do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rampflow.detector.multistripe import LINES, Stripes
from rampflow.detector.subarray import Window
from rampflow.detector.superstripes import WholeFrames
from rampflow.mock import StripeReadout

AXES = st.sampled_from([(-1, 2), (1, -2), (-2, -1), (2, 1)])


@st.composite
def striped(draw):
    """What the electronics are told, the lines of a frame, and the header."""
    reads1, skips1, reads2, skips2 = (draw(st.integers(low, 9)) for low in (0, 0, 1, 0))
    repeat, interleave = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    number = draw(st.integers(1, 6))
    size = number * (reads1 + reads2) if repeat else reads1 + number * reads2
    readout = StripeReadout(reads1, skips1, reads2, skips2, repeat, interleave)
    return readout, size, _header(readout, draw(AXES))


@st.composite
def moving(draw):
    """Superstripes, likewise; their frames may sample a ramp several times."""
    reads1, skips1, reads2 = (draw(st.integers(low, 6)) for low in (0, 0, 1))
    samples, positions = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    # What repeats without interleaving begins where the first stripe did.
    readout = StripeReadout(reads1, skips1, reads2, 0, 1, 0, reads2, positions)
    return readout, samples * (reads1 + reads2), _header(readout, draw(AXES))


def _header(readout, axes):
    keys = {key: value for key, _, value in readout.header()}
    return keys | {"FASTAXIS": axes[0], "SLOWAXIS": axes[1], "SUBSTRT1": 1, "SUBSTRT2": 1}


def _shape(header, size, integrations=1):
    """Shape of SCI with so many lines in a frame."""
    return (integrations, 2, 5, size) if abs(header["SLOWAXIS"]) == 1 else (integrations, 2, size, 5)


@given(striped())
def test_a_frame_holds_the_lines_that_the_electronics_read(case):
    readout, size, header = case
    stripes = Stripes.of(header, _shape(header, size))
    if stripes is None:
        assert not readout.reads1 and not readout.reads2
        return
    read = np.concatenate([np.array(run) for run in stripes.runs[0]])
    assert np.array_equal(read, readout.lines(size))
    # In the science frame they lie in its own order, from whichever side they are read.
    placed = np.concatenate([np.array(piece) for piece in stripes.pieces(0)])
    expected = LINES - 1 - readout.lines(size)[::-1] if header["SLOWAXIS"] < 0 else readout.lines(size)
    assert np.array_equal(placed, expected)


@given(striped())
def test_the_blocks_of_a_frame_are_its_pixels_each_once(case):
    _, size, header = case
    ny, nx = _shape(header, size)[2:]
    stripes = Stripes.of(header, (1, 2, ny, nx))
    window = Window(0, 0, ny, nx).split(stripes)
    seen = np.zeros((ny, nx), int)
    for rows, columns, piece in window.blocks:
        assert seen[rows, columns].shape == (piece.ny, piece.nx)
        seen[rows, columns] += 1
    assert (seen == 1).all()


@given(moving())
def test_pictures_hold_every_line_of_the_detector_that_a_superstripe_has_read(case):
    readout, size, header = case
    positions = readout.positions
    stripes = Stripes.of(header, _shape(header, size, positions))
    samples = stripes.samples
    assert samples * (readout.reads1 + readout.reads2) == size
    # Frames that hold the number of each line in the science frame.
    frames = []
    for position in range(positions):
        lines = np.concatenate([np.array(piece) for piece in stripes.pieces(position)]).astype(float)
        across = stripes.transpose
        frames.append(np.broadcast_to(lines if across else lines[:, None], (5, size) if across else (size, 5)))
    for sample in range(samples):
        (picture,) = WholeFrames(stripes).join(frames, np.nan, sample)
        lines = picture[0] if stripes.transpose else picture[:, 0]
        assert np.array_equal(lines, np.array(stripes.picture))
