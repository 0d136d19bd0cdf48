"""The observatory's own simulated ramp, with references under the names that the real mappings select."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampflow.crds import resolve
from rampflow.io.raw_headers import read_header
from rampflow.mock import (
    SERVERLESS,
    Effects,
    MockExposure,
    Scene,
    detector,
    read_truth,
    write_exposure,
    write_references,
)

DATA = Path(__file__).parents[3] / "shared/data"
RAMP = DATA / "ramps/jw00793001001_01101_00001_nis_uncal.fits"
CONTEXT = "jwst_0676.pmap"
TYPES = ("mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise")
TRAPS = ("trapdensity", "trappars", "persat")

pytestmark = pytest.mark.skipif(not RAMP.exists(), reason="../shared/data is not here")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A copy of the real mappings, named by the environment."""
    folder = tmp_path / "crds"
    shutil.copytree(DATA / "crds", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for key, value in {"CRDS_PATH": folder, "CRDS_CONTEXT": CONTEXT, "CRDS_SERVER_URL": SERVERLESS}.items():
        monkeypatch.setenv(key, str(value))
    return folder


def selected(path, types=TYPES):
    """Names of the files that the real context selects for an exposure."""
    import crds

    parameters = resolve.crds_parameters(read_header(path))
    return crds.getrecommendations(parameters, reftypes=list(types), context=CONTEXT, observatory="jwst")


def test_the_simulators_ramp_is_calibrated_with_what_the_real_context_selects(cache, new_run):
    names = selected(RAMP, TYPES + TRAPS)
    place = cache / "references/jwst/niriss"
    place.mkdir(parents=True)
    write_references(read_header(RAMP), names, place)
    run = new_run("none")
    run(exposures=str(RAMP), crds={"path": str(cache), "context": CONTEXT, "offline": True})
    (result,) = run.folder.glob("results/jw*")
    for kind in TYPES + TRAPS:
        assert json.loads((result / f"references/{kind}.json").read_text())["name"] == names[kind]
    # Types that came after this context are not applicable in it, and no fault.
    assert json.loads((result / "references/pars-jumpstep.json").read_text())["file"] is None
    rate = result / f"{result.name}_rate.fits"
    header = fits.getheader(rate)
    assert header["CRDS_CTX"] == CONTEXT
    assert header["R_SUPERB"] == f"crds://{names['superbias']}"
    assert fits.getdata(rate, "SCI").shape == (80, 80)
    assert np.isfinite(fits.getdata(rate, "SCI")).mean() > 0.5


def test_a_ramp_built_on_the_real_superbias_and_dark_gives_its_truth_back(cache, new_run, tmp_path):
    real = {
        "superbias": DATA / "references/jwst_nirspec_superbias_0075.fits",
        "dark": DATA / "references/jwst_nirspec_dark_0046.fits",
    }
    exposure = MockExposure(
        "NRS1",
        "NRSRAPID",
        8,
        3,
        subarray="SUB512",
        tso=True,
        exp_type="NRS_BRIGHTOBJ",
        scene=Scene(sky=1, trace=9000.0, fwhm=2.0),
        effects=Effects.nominal("NIRSPEC"),
        start="2015-06-01T12:00:00.000",
    )
    levels = {kind: fits.getdata(path, "SCI") for kind, path in real.items()}
    maps = detector.with_references(detector.maps(exposure.detector, exposure.window, exposure.effects), **levels)
    uncal = write_exposure(exposure, tmp_path, tmp_path, maps=maps)
    names = selected(uncal)
    place = cache / "references/jwst/nirspec"
    place.mkdir(parents=True)
    for kind, path in real.items():
        assert names[kind] == path.name
        (place / path.name).write_bytes(path.read_bytes())
    others = {kind: name for kind, name in names.items() if kind not in real}
    write_references(read_header(uncal), others, place, effects=exposure.effects)
    run = new_run("none")
    run(exposures=str(uncal), crds={"path": str(cache), "context": CONTEXT, "offline": True})
    (rateints,) = run.folder.glob("results/*/*_rateints.fits")
    truth = read_truth(next(tmp_path.glob("*_truth.fits")))
    with fits.open(rateints) as hdus:
        expected = np.array([truth.rate(i) for i in range(3)])
        good = (hdus["DQ"].data == 0) & np.isfinite(hdus["SCI"].data) & (hdus["ERR"].data > 0)
        pulls = ((hdus["SCI"].data - expected) / hdus["ERR"].data)[good]
    assert good.mean() > 0.2
    assert abs(np.median(pulls)) < 0.2
    # The middle two thirds of the pulls, so that single pixels do not decide.
    low, high = np.percentile(pulls, [15.9, 84.1])
    assert 0.85 < (high - low) / 2 < 1.2
