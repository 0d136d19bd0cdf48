"""Files of a step beside its product and its references."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from rampflow.jobs.step import Step


def a_step(folder, **parameters):
    """Return a step that has parameters and a place for its product, and nothing opened."""
    step = object.__new__(Step)
    step.parameters, step.also_written = parameters, []
    step.snakemake = SimpleNamespace(output=SimpleNamespace(ramp=str(folder / "results" / "x_dark_current.fits")))
    return step


def test_a_parameter_may_name_a_file_with_an_image(tmp_path):
    path = tmp_path / "flags.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.array([[1, 1024]], np.uint32), name="MINE")]).writeto(path)
    step = a_step(tmp_path, user_supplied_dq=str(path), other=None)
    assert step.user_image("user_supplied_dq").tolist() == [[1, 1024]]
    assert step.user_image("other") is None


def test_a_file_is_written_beside_the_product_when_it_is_complete(tmp_path):
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True), ("NGROUPS", 9)])
    pieces = [((group,), np.full((1, 2), group, np.float32)) for group in range(3)]
    images = {"SCI": ((3, 1, 2), "f4", pieces), "DQ": ((1, 2), "u4", [((), np.array([[5, 1 << 31]], np.uint32))])}
    step = a_step(tmp_path)
    step.save_beside("dark.fits", header, images, NGROUPS=3)
    assert step.also_written == [tmp_path / "results" / "dark.fits"]
    with fits.open(tmp_path / "results" / "dark.fits") as hdus:
        assert (hdus[0].header["NGROUPS"], hdus[0].header["FILENAME"]) == (3, "dark.fits")
        assert hdus["SCI"].data.tolist() == [[[0, 0]], [[1, 1]], [[2, 2]]]
        assert hdus["DQ"].data.tolist() == [[5, 1 << 31]]
    assert header["NGROUPS"] == 9


def test_a_file_that_fails_on_the_way_leaves_nothing(tmp_path):
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    with pytest.raises(ValueError, match="does not fit"):
        a_step(tmp_path).save_beside("d.fits", header, {"SCI": ((3, 2), "f4", [((), np.zeros((2, 2)))])})
    assert list((tmp_path / "results").iterdir()) == []
