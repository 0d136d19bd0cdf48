"""Where a pixel lies in frames that change on the way: IRS2, superstripes, several stripes of the detector."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import irs2
from rampflow.detector.multistripe import Stripes
from rampflow.detector.superstripes import WholeFrames
from rampflow.errors import RampflowError
from rampflow.inspection.pixel_place import Frames, Place, in_reference
from rampflow.io.pixels import PixelFile
from rampflow.mock import MockExposure, Rectangle, StripeReadout


def written(path, header, sci):
    """Write a ramp whose samples are all different; return it opened, and its frames."""
    primary = fits.PrimaryHDU()
    for key, value in header.items():
        primary.header[key] = value
    fits.HDUList([primary, fits.ImageHDU(sci, name="SCI")]).writeto(path)
    product = PixelFile(path)
    return product, Frames(product.header, product.shape("SCI"), path)


def samples(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_rows_of_irs2_frames_are_those_of_the_normal_pixels(tmp_path, detector):
    sci = samples(1, 2, irs2.ROWS, 3)
    place_of = {"SUBSTRT1": 7, "SUBSTRT2": 1, "SUBSIZE1": 3, "SUBSIZE2": 2048, "DETECTOR": detector}
    product, frames = written(tmp_path / "a.fits", place_of, sci)
    normal = sci[:, :, irs2.normal_rows(detector)]
    for y in (0, 1, 700, 2047):
        place = Place.of(frames, 1, y, detector=False)
        np.testing.assert_array_equal(frames.ramp(product, "SCI", place), normal[:, :, y, 1])
        assert (place.row, place.column, place.shape) == (y, 7, (2048, 3))
        assert place.notes[0].startswith(f"IRS2: row {y + 1} is row ")
    with pytest.raises(RampflowError, match=r"y 2049 .* y 1-2048"):
        Place.of(frames, 0, 2048, detector=False)


@pytest.mark.parametrize(
    ("subarray", "window", "stripes", "nints"),
    [
        ("SUB680STRIPE_SOSS", None, None, 6),
        ("SUB17STRIPE_SOSS", Rectangle(1, 1793, 42, 256), StripeReadout(4, 0, 17, 0, 1, 0, 17, 120), 240),
    ],
)
def test_superstripes_are_read_where_their_picture_has_them(tmp_path, subarray, window, stripes, nints):
    more = {"exp_type": "NIS_SOSS", "pupil": "GR700XD", "tso": True}
    exposure = MockExposure("NIS", "NISRAPID", 2, nints, subarray=subarray, window=window, stripes=stripes, **more)
    ny, nx = exposure.window.shape
    sci = np.random.default_rng(1).random((nints, 2, ny, nx), np.float32)
    header = {key: value for key, _, value in exposure.header() if key in _KEYS}
    product, frames = written(tmp_path / "a.fits", header, sci)
    picture = WholeFrames(Stripes.of(header, sci.shape)).join_groups(list(sci), np.nan)
    assert Place.of(frames, 0, 0, detector=False).shape == picture.shape[2:]
    rng = np.random.default_rng(2)
    read = 0
    for _ in range(30):
        y, x = (int(rng.integers(n)) for n in picture.shape[2:])
        place = Place.of(frames, x, y, detector=False)
        np.testing.assert_array_equal(frames.ramp(product, "SCI", place), picture[:, :, y, x])
        read += np.isfinite(picture[0, 0, y, x])
        same = Place.of(frames, place.column, place.row, detector=True)
        assert (same.y, same.x) == (y, x)
    assert read > 5


_KEYS = {"MSTR_RD1", "MSTR_SK1", "MSTR_RD2", "MSTR_SK2", "MSTR_RPT", "MSTR_ILV", "SSTR_STP", "SSTR_NST", "SUBARRAY"}
_KEYS |= {"SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS", "DETECTOR", "NFRAMES", "NINTS"}


def test_lines_of_several_stripes_are_named_by_their_place_on_the_detector(tmp_path):
    exposure = MockExposure(
        "NRCA2", "RAPID", 2, 1, subarray="SUB82STRIPE2_DHS", pupil="GDHS0", filter="F150W2", exp_type="NRC_TSGRISM"
    )
    ny, nx = exposure.window.shape
    header = {key: value for key, _, value in exposure.header() if key in _KEYS}
    product, frames = written(tmp_path / "a.fits", header, samples(1, 2, ny, nx))
    rows = frames.window.places[0]
    assert len(rows) == ny
    y = ny - 3
    place = Place.of(frames, 9, y, detector=False)
    assert (place.row, place.column) == (rows[y], 9) and "multistripe" in place.notes[0]
    np.testing.assert_array_equal(frames.ramp(product, "SCI", place)[0], samples(1, 2, ny, nx)[0, :, y, 9])
    whole = samples(2048, 2048)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(whole, name="SCI")]).writeto(tmp_path / "reference.fits")
    reference = PixelFile(tmp_path / "reference.fits")
    assert reference.read("SCI", *in_reference(reference, "SCI", place, frames)) == whole[rows[y], 9]
    border = int(np.flatnonzero(np.bincount(rows) > 1)[0])
    assert "times in a frame" in " ".join(Place.of(frames, 9, border, detector=True).notes)


def test_flags_of_references_are_in_standard_bits_and_unsigned(tmp_path):
    table = np.array(
        [(0, 1, b"HOT"), (1, 2, b"DEAD"), (2, 4, b"NOBODY_KNOWS")], [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40")]
    )
    images = [fits.PrimaryHDU(), fits.ImageHDU(np.array([[7, 2]], np.uint32), name="DQ")]
    fits.HDUList([*images, fits.BinTableHDU(table, name="DQ_DEF")]).writeto(tmp_path / "mask.fits")
    mask = PixelFile(tmp_path / "mask.fits")
    assert [mask.flags(0, x) for x in (0, 1)] == [(1 << 11) | (1 << 10), 1 << 10]
    assert mask.read("DQ", 0).dtype == np.uint32
