"""Auxiliary products, and files that parameters name."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.io import layout
from rampflow.jobs.auxiliary import Auxiliary
from rampflow.jobs.step import Step


def a_header(**keywords):
    return fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True), *keywords.items()])


def test_a_parameter_may_name_a_file_with_an_image(tmp_path):
    path = tmp_path / "flags.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.array([[1, 1024]], np.uint32), name="MINE")]).writeto(path)
    step = Step(None)
    step.parameters = {"user_supplied_dq": str(path), "other": None}
    assert step.user_image("user_supplied_dq").tolist() == [[1, 1024]]
    assert step.user_image("other") is None


def test_a_file_gets_its_name_when_it_is_committed(tmp_path):
    auxiliary, header = Auxiliary(tmp_path / "results"), a_header(NGROUPS=9)
    plans = [layout.image("SCI", (3, 1, 2), "f4"), layout.image("DQ", (1, 2), "u4")]
    new = auxiliary.begin("dark.fits", plans, header=header, NGROUPS=3)
    for group in range(3):
        new["SCI"].write(np.full((1, 2), group, np.float32), group)
    new["DQ"].write(np.array([[5, 1 << 31]], np.uint32))
    assert not (tmp_path / "results" / "dark.fits").exists() and auxiliary.paths == []
    auxiliary.commit()
    assert auxiliary.paths == [tmp_path / "results" / "dark.fits"]
    with fits.open(tmp_path / "results" / "dark.fits") as hdus:
        assert (hdus[0].header["NGROUPS"], hdus[0].header["FILENAME"]) == (3, "dark.fits")
        assert hdus["SCI"].data.tolist() == [[[0, 0]], [[1, 1]], [[2, 2]]]
        assert hdus["DQ"].data.tolist() == [[5, 1 << 31]]
    assert header["NGROUPS"] == 9


def test_what_is_discarded_or_scratch_leaves_nothing(tmp_path):
    auxiliary = Auxiliary(tmp_path)
    new = auxiliary.begin("d.fits", [layout.image("SCI", (3, 2), "f4")], header=a_header())
    with pytest.raises(ValueError, match="does not fit"):
        new["SCI"].write(np.zeros((2, 2)))
    auxiliary.add_tree("t.asdf", {"a": 1})
    auxiliary.discard()
    assert list(tmp_path.iterdir()) == []
    draft = auxiliary.scratch("draft.fits", layout.image("SCI", (2,), "f4"), header=a_header())
    draft.write(np.array([1, 2], np.float32))
    assert draft.read().tolist() == [1, 2]
    auxiliary.add_tree("t.asdf", {"a": 1})
    auxiliary.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["t.asdf"]


def test_one_that_is_left_out_does_not_stay(tmp_path):
    auxiliary = Auxiliary(tmp_path)
    new = auxiliary.begin("d.fits", [layout.image("SCI", (3, 2), "f4")], header=a_header(), model="TrapsFilledModel")
    auxiliary.leave_out(new)
    auxiliary.commit()
    assert list(tmp_path.iterdir()) == [] and auxiliary.paths == []
