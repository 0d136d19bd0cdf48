"""The observatory's own simulated ramp, with references under the names that the real mappings select."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampflow import exposures, references
from rampflow.mock import SERVERLESS, write_references

DATA = Path(__file__).parents[3] / "shared/data"
RAMP = DATA / "ramps/jw00793001001_01101_00001_nis_uncal.fits"
CONTEXT = "jwst_0676.pmap"
TYPES = ("mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise")

pytestmark = pytest.mark.skipif(not RAMP.exists(), reason="../shared/data is not here")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The real mappings, and references of the synthetic detector under the names that they select."""
    folder = tmp_path / "crds"
    shutil.copytree(DATA / "crds", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for key, value in {"CRDS_PATH": folder, "CRDS_CONTEXT": CONTEXT, "CRDS_SERVER_URL": SERVERLESS}.items():
        monkeypatch.setenv(key, str(value))
    crds = pytest.importorskip("crds")
    header = exposures.read_header(RAMP)
    names = crds.getrecommendations(
        references.crds_parameters(header), reftypes=list(TYPES), context=CONTEXT, observatory="jwst"
    )
    place = folder / "references/jwst/niriss"
    place.mkdir(parents=True)
    write_references(header, names, place)
    return folder, names


def test_the_simulators_ramp_is_calibrated_with_what_the_real_context_selects(cache, new_run):
    folder, names = cache
    run = new_run("none")
    run(exposures=str(RAMP), crds={"path": str(folder), "context": CONTEXT, "offline": True})
    (result,) = run.folder.glob("results/*")
    for kind in TYPES:
        assert json.loads((result / f"references/{kind}.json").read_text())["name"] == names[kind]
    # Types that came after this context are not applicable in it, and no fault.
    assert json.loads((result / "references/pars-jumpstep.json").read_text())["file"] is None
    rate = result / f"{result.name}_rate.fits"
    header = fits.getheader(rate)
    assert header["CRDS_CTX"] == CONTEXT
    assert header["R_SUPERB"] == f"crds://{names['superbias']}"
    assert fits.getdata(rate, "SCI").shape == (80, 80)
    assert np.isfinite(fits.getdata(rate, "SCI")).mean() > 0.5
