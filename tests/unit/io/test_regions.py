import numpy as np
import pytest
from stdatamodels.jwst import datamodels

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.io.regions import read_regions

WHO = {"exp_type": "NRS_IFU", "detector": "NRS2"}


def saved(model, path, exp_type="NRS_IFU"):
    model.meta.exposure.type, model.meta.instrument.detector = exp_type, "NRS2"
    model.save(path)
    return path


def ifu(flags, regions=None):
    model = datamodels.IFUImageModel(np.ones(flags.shape, np.float32))
    model.dq = flags.astype(np.uint32)
    if regions is not None:
        model.regions = regions.astype(np.int32)
    return model


def test_slices_are_the_regions_of_an_ifu_product(tmp_path):
    regions = np.array([[0, 1, 1], [30, 0, 0]])
    flags = np.array([[dq.MSA_FAILED_OPEN, 0, dq.HOT], [dq.NON_SCIENCE, 0, 0]])
    found = read_regions(saved(ifu(flags, regions), tmp_path / "a_cal.fits"), **WHO)
    np.testing.assert_array_equal(found.image, regions > 0)
    np.testing.assert_array_equal(found.shutters, [[True, False, False], [False] * 3])
    assert not found.made and found.nothing is None


def test_without_regions_slices_are_what_is_not_flagged_as_no_science(tmp_path):
    flags = np.array([[dq.NON_SCIENCE | dq.HOT, 0, dq.HOT], [dq.NON_SCIENCE, 0, 0]])
    found = read_regions(saved(ifu(flags), tmp_path / "a_cal.fits"), **WHO)
    np.testing.assert_array_equal(found.image, [[False, True, True], [False, True, True]])


def test_a_product_that_does_not_say_is_refused(tmp_path):
    path = saved(ifu(np.zeros((2, 3))), tmp_path / "a_rate.fits")
    with pytest.raises(FileProblem, match=r"a_rate.fits: neither slits .* nor slices .*; name a _cal product"):
        read_regions(path, **WHO)


@pytest.mark.parametrize("who", [{"exp_type": "NRS_MSASPEC"}, {"detector": "NRS1"}])
def test_a_product_of_another_exposure_is_refused(tmp_path, who):
    path = saved(ifu(np.zeros((2, 3)), np.ones((2, 3))), tmp_path / "a_cal.fits")
    with pytest.raises(FileProblem, match=r"that of the exposure is .*; name its own"):
        read_regions(path, **WHO | who)


def test_slits_of_the_msa_have_places_and_quadrants(tmp_path):
    model = datamodels.MultiSlitModel()
    for number, quadrant in enumerate((2, 5), start=1):
        slit = datamodels.SlitModel(np.ones((3, 4), np.float32))
        slit.xstart, slit.ystart, slit.xsize, slit.ysize = 10 * number, 7, 4, 3
        slit.quadrant = quadrant
        model.slits.append(slit)
    found = read_regions(saved(model, tmp_path / "a_cal.fits", "NRS_MSASPEC"), exp_type="NRS_MSASPEC", detector="NRS2")
    assert found.slits == [(10, 7, 4, 3), (20, 7, 4, 3)]
    assert found.quadrants == [2, 5]
    assert found.image is None and found.shutters is None


def test_a_time_series_has_one_slit(tmp_path):
    model = datamodels.SlitModel(np.ones((5, 3, 4), np.float32))
    model.xstart, model.ystart, model.xsize, model.ysize = 2, 1, 4, 3
    path = saved(model, tmp_path / "a_calints.fits", "NRS_BRIGHTOBJ")
    assert read_regions(path, exp_type="NRS_BRIGHTOBJ", detector="NRS2").slits == [(2, 1, 4, 3)]
