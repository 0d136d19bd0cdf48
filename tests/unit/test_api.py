"""One step on one file, from Python."""

import doctest
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import rampflow
from rampflow import api
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, write_exposure
from rampflow.settings.configuration import ConfigError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a raw exposure and a CRDS cache: (raw file, settings of crds)."""
    folder = tmp_path_factory.mktemp("api")
    exposure = MockExposure(
        "NRCB1",
        "RAPID",
        6,
        2,
        window=Rectangle(1, 1, 40, 32),
        scene=Scene(sky=5.0, stars=4, brightest=3000.0),
        effects=Effects.nominal("NIRCAM"),
    )
    raw = Path(write_exposure(exposure, folder, folder))
    return raw, {"path": folder / "crds", "context": build_cache(folder / "crds", [exposure]), "offline": True}


@pytest.fixture(scope="module")
def ramp(place):
    """The ramp after dq_init and saturation."""
    raw, crds = place
    return rampflow.apply("saturation", rampflow.apply("dq_init", raw, crds=crds), crds=crds)


def test_a_step_runs_on_a_file_and_says_with_what(place, ramp):
    raw, _ = place
    root = raw.name.removesuffix("_uncal.fits")
    assert ramp == raw.with_name(f"{root}_saturation.fits")
    header = fits.getheader(ramp)
    assert (header["S_DQINIT"], header["S_SATURA"]) == ("COMPLETE", "COMPLETE")
    assert header["R_SATURA"].startswith("crds://") and header["CRDS_CTX"] == "jwst_9001.pmap"


def test_parameters_win_over_the_release(place, ramp, tmp_path):
    _, crds = place
    chain = ramp
    for step in ("superbias", "linearity", "dark_current"):
        chain = rampflow.apply(step, chain, crds=crds, output=tmp_path)
    few = rampflow.apply("jump", chain, crds=crds, output=tmp_path / "few", rejection_threshold=50.0)
    many = rampflow.apply("jump", chain, crds=crds, output=tmp_path / "many", rejection_threshold=1)
    jumps = [np.count_nonzero(fits.getdata(path, "GROUPDQ") & 4) for path in (few, many)]
    assert 0 <= jumps[0] < jumps[1]
    assert any("rejection_threshold=1.0" in str(line) for line in fits.getheader(many)["HISTORY"])
    rate, rateints = rampflow.apply("ramp_fit", few, crds=crds, output=tmp_path)
    assert fits.getdata(rate).shape == (32, 40) and fits.getdata(rateints).shape == (2, 32, 40)
    scaled = rampflow.apply("gain_scale", rate, crds=crds, output=tmp_path)
    assert [path.name.rpartition("_")[2] for path in scaled] == ["scale.fits", "scaleints.fits"]


def test_references_may_be_given_and_then_crds_is_not_asked(place, ramp, tmp_path):
    _, crds = place
    bias = next(Path(crds["path"]).rglob("*superbias*.fits"))
    made = rampflow.apply("superbias", ramp, references={"superbias": bias}, crds={"path": "/nowhere"}, output=tmp_path)
    header = fits.getheader(made)
    assert header["R_SUPERB"] == str(bias) and header["S_SUPERB"] == "COMPLETE"
    left = rampflow.apply("superbias", ramp, references={"superbias": "N/A"}, output=tmp_path)
    assert fits.getheader(left)["S_SUPERB"] == "SKIPPED"
    np.testing.assert_array_equal(fits.getdata(left, "SCI"), fits.getdata(ramp, "SCI"))


def test_a_product_may_be_opened_as_a_model(place, ramp, tmp_path):
    with rampflow.apply("group_scale", ramp, crds=place[1], output=tmp_path, as_model=True) as model:
        assert type(model).__name__ == "RampModel"
        assert model.meta.cal_step.group_scale == "SKIPPED"


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        ("jumps", {}, "no step 'jumps'; did you mean 'jump'"),
        ("jump", {"rejection_treshold": 4}, "no parameter 'rejection_treshold' in release 1.19; did you mean"),
        ("jump", {"rejection_threshold": "high"}, "jump: rejection_threshold: expected a number"),
        ("jump", {"references": {"gian": "x.fits"}}, "jump asks for no 'gian' reference; did you mean 'gain'"),
    ],
)
def test_what_is_not_known_is_refused(ramp, step, options, message):
    with pytest.raises(ConfigError, match=message):
        rampflow.apply(step, ramp, **options)


def test_nothing_is_left_of_a_step_that_fails(place, tmp_path):
    raw, crds = place
    with fits.open(raw) as hdus:
        hdus[0].header["SUBSTRT1"] = 2040
        hdus.writeto(tmp_path / "jw1_uncal.fits")
    with pytest.raises(rampflow.errors.RampflowError, match="covers rows"):
        rampflow.apply("dq_init", tmp_path / "jw1_uncal.fits", crds=crds)
    assert [path.name for path in tmp_path.iterdir()] == ["jw1_uncal.fits"]


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    result = doctest.testmod(api)
    assert result.attempted > 5 and not result.failed
