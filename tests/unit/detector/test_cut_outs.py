"""Windows and reference cut-outs, whatever the place and the size: properties that hold for all of them."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from rampflow.detector import dq
from rampflow.detector.subarray import Window
from rampflow.errors import FileProblem
from rampflow.io.references import Reference

ROWS, COLUMNS = 24, 30
KEYS = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")


@st.composite
def windows(draw, rows=ROWS, columns=COLUMNS):
    """Rectangles of a small detector."""
    ny, nx = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    return Window(draw(st.integers(0, rows - ny)), draw(st.integers(0, columns - nx)), ny, nx)


def keywords(window):
    names = ("xstart", "ystart", "xsize", "ysize")
    return dict(zip(KEYS, (window.keywords()[name] for name in names), strict=True))


@given(windows())
def test_a_window_is_what_its_keywords_say(window):
    assert Window.of(keywords(window), (3, 4, *window.shape), "x.fits") == window


@given(windows())
def test_the_places_of_a_window_are_the_pixels_of_the_detector_that_it_holds(window):
    rows, columns = window.places
    detector = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    expected = detector[window.ystart : window.ystart + window.ny, window.xstart : window.xstart + window.nx]
    assert np.array_equal(detector[np.ix_(rows, columns)], expected)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """Number every pixel of a detector, and write what references covers what: value and flag follow from the place."""
    numbers = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    return numbers, tmp_path_factory.mktemp("references") / "reference.fits"


def write(path, numbers, window):
    part = numbers[window.ystart : window.ystart + window.ny, window.xstart : window.xstart + window.nx]
    primary = fits.PrimaryHDU(header=fits.Header(keywords(window)))
    # Flags in bits of their own: every third pixel is hot, which is bit 1 here.
    table = np.array([(1, 2, "HOT")], dtype=[("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40")])
    hdus = [primary, fits.ImageHDU(part, name="SCI"), fits.ImageHDU((part % 3 == 0).astype(np.uint8) * 2, name="DQ")]
    fits.HDUList([*hdus, fits.BinTableHDU(table, name="DQ_DEF")]).writeto(path, overwrite=True)


def is_covered(inner, outer):
    return (
        outer.ystart <= inner.ystart
        and outer.xstart <= inner.xstart
        and inner.ystart + inner.ny <= outer.ystart + outer.ny
        and inner.xstart + inner.nx <= outer.xstart + outer.nx
    )


@given(outer=windows(), inner=windows())
def test_a_reference_is_cut_to_the_exposure_s_pixels_or_refused(detector, outer, inner):
    numbers, path = detector
    write(path, numbers, outer)
    reference = Reference(path, inner)
    try:
        if not is_covered(inner, outer):
            with pytest.raises(FileProblem, match="choose a reference that covers it"):
                reference.read()
            return
        expected = numbers[inner.ystart : inner.ystart + inner.ny, inner.xstart : inner.xstart + inner.nx]
        assert np.array_equal(reference.read(), expected)
        assert np.array_equal(reference.read_dq(), np.where(expected % 3 == 0, np.uint32(dq.HOT), 0))
    finally:
        reference.close()
