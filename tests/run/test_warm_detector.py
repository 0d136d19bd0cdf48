"""The picture frame of a full frame of NIRSpec, with the workflow: refused, and corrected."""

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, Run
from stdatamodels.jwst import datamodels

from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, read_truth, write_exposure

EFFECTS = Effects(read_noise=1, reset_noise=1, bias=1, saturation=1, picture_frame=40)
#: Steps whose effects are off.
WITHOUT = {step: {"skip": True} for step in ("refpix", "linearity", "dark_current", "jump")}
SCENE = Scene(sky=0.0, stars=30, brightest=3e3, fwhm=4.0, saturated_patch=2e4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A full frame, and a subarray, which is none of this step's."""
    folder = tmp_path_factory.mktemp("warm")
    for name in ("data", "truth"):
        (folder / name).mkdir()
    common = {"exp_type": "NRS_MSASPEC", "scene": SCENE, "effects": EFFECTS}
    exposures = [
        MockExposure("NRS1", "NRSRAPID", 2, seed=1, **common),
        MockExposure("NRS2", "NRSRAPID", 2, window=Rectangle(1, 1, 40, 32), subarray="SUBS200A1", seed=2, **common),
    ]
    context = build_cache(folder / "crds", exposures)
    for exposure in exposures:
        write_exposure(exposure, folder / "data", folder / "truth")
    config = {
        "release": "3.0",
        "exposures": str(folder / "data/*_uncal.fits"),
        "crds": {"path": str(folder / "crds"), "context": context, "offline": True},
        "keep": ["superbias", "picture_frame"],
    }
    return Run(folder, HOME, config)


def path(run, detector, kind):
    (found,) = run.folder.glob(f"results/*_{detector}/*_{kind}.fits")
    return found


def test_the_picture_frame_goes_and_the_truth_comes_back(run):
    step = {"skip": False}
    text = run(status=1, steps=WITHOUT | {"picture_frame": step})
    lines = {line for line in text.splitlines() if line.startswith("rampflow: jw") and "picture_frame" in line}
    assert len(lines) == 1 and "give a mask of your own as user_mask, or set mask_science_regions" in lines.pop()
    assert fits.getheader(path(run, "nrs2", "rate"))["S_PCTFRM"] == "SKIPPED"
    assert "only full frames of NIRSpec" in run.record("nrs2", "picture_frame")["reason"]
    assert not list(run.folder.glob("results/*/*pctfrm*"))

    step |= {"mask_science_regions": False, "n_sigma": 0.0, "save_mask": True, "save_correction": True}
    run(steps=WITHOUT | {"picture_frame": step})
    truth = read_truth(next((run.folder / "truth").glob("*_nrs1_truth.fits"))).rate(0)
    with datamodels.open(path(run, "nrs1", "rate")) as model:
        assert model.meta.cal_step.picture_frame == "COMPLETE"
        good = (model.dq & 3 == 0) & np.isfinite(model.data)
        good[[*range(4), *range(2044, 2048)]] = good[:, [*range(4), *range(2044, 2048)]] = False
        left = np.where(good, model.data - truth, np.nan)
        error = np.nanmedian(model.err)
    before, after = (fits.getdata(path(run, "nrs1", kind), "SCI")[0] for kind in ("superbias", "picture_frame"))
    tgroup = fits.getheader(path(run, "nrs1", "superbias"))["TGROUP"]
    border, middle = np.s_[4:12, 100:-100], np.s_[1000:1048, 100:-100]
    drift = np.median(before[1][border] - before[0][border]) - np.median(before[1][middle] - before[0][middle])
    rate = abs(drift) / tgroup
    assert rate > error
    # Medians of a frame with noise are not quite those of the frame: 2 to 5 % of it stay, whatever the noise.
    assert abs(np.nanmedian(left[border])) < 0.06 * rate and abs(np.nanmedian(left[middle])) < 0.06 * rate

    with (
        datamodels.open(path(run, "nrs1", "pctfrm_correction")) as added,
        datamodels.open(path(run, "nrs1", "pctfrm_mask")) as mask,
    ):
        assert (type(added).__name__, type(mask).__name__) == ("RampModel", "ImageModel")
        np.testing.assert_array_equal(added.data[0], after - before)
        assert not added.data[0, 0].any()
        assert 0.9 < mask.data.mean() < 1
    assert {entry.split("_nrs1_")[-1] for entry in run.record("nrs1", "picture_frame")["outputs"]} >= {
        "pctfrm_mask.fits",
        "pctfrm_correction.fits",
    }
