"""NIRSpec's science regions: masks that a rule makes once, by a stand-in for jwst, and products of jwst's."""

import json
import shlex
import sys

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME

from rampflow.inspection import check

STAND_IN = """
import json, sys
import numpy as np
sys.path.insert(0, {envs!r})
import jwst_mask

def regions(request):
    assert request["frame"] == [32, 40] and request["crds"]["CRDS_CONTEXT"] == {context!r}
    with open({calls!r}, "a") as file:
        file.write(json.dumps(request) + "\\n")
    science, shutters = np.zeros((2, 32, 40), bool)
    science[:, 10:20], shutters[3] = True, True
    header = {{"EXP_TYPE": "NRS_FIXEDSLIT", "DETECTOR": "NRS1"}}
    return header | {more!r}, science, shutters

jwst_mask.regions = regions
sys.exit(jwst_mask.main(*sys.argv[3:]))
"""


@pytest.fixture
def run(new_run):
    """NIRSpec's exposure and one that has no such mask."""
    run = new_run("nrs1", "nis")
    run.config["steps"] = {
        "NIRSPEC": {"clean_flicker_noise": {"skip": False, "mask_science_regions": True, "save_mask": True}}
    }
    return run


def stand_in(run, name="python", **more):
    """Write what is run in place of a python that has jwst; return its path."""
    program, script = run.folder / f"{name}.py", run.folder / name
    context = run.config["crds"]["context"]
    program.write_text(
        STAND_IN.format(envs=str(HOME / "envs"), context=context, calls=str(run.folder / "calls"), more=more)
    )
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(program))} "$@"\n')
    script.chmod(0o755)
    return str(script)


def mask_of(run):
    (path,) = (run.folder / "results").glob("*_nrs1/*_mask.fits")
    return fits.getdata(path) > 0


def masks(run):
    return sorted((run.folder / "results").glob("*_nrs1/masks/*.fits"))


def test_a_mask_is_made_once_and_left_out_of_the_background(run, monkeypatch):
    run.config["masks"] = {"python": stand_in(run)}
    jobs = run.jobs()
    assert ("clean_flicker_noise", "nis") not in jobs
    # Its name has the exposure and what the mask follows from.
    assert [rule for rule, _ in jobs].count("science_mask") == 1
    assert not mask_of(run)[:, 10:20].any()
    # clean_flicker_noise asks for open shutters of the MSA and the IFU alone.
    assert mask_of(run)[3, :10].any()
    assert mask_of(run).mean() > 0.5
    (path,) = masks(run)
    assert path.name in json.dumps(run.record("nrs1", "clean_flicker_noise")["inputs"]["mask"])
    assert run.planned() == set()
    (request,) = map(json.loads, (run.folder / "calls").read_text().splitlines())
    assert request["expected"] == "1.19.2"
    assert request["crds"]["CRDS_PATH"] == run.config["crds"]["path"]
    monkeypatch.chdir(run.folder)
    assert check.main(["results", "--schemas", "none"]) == 0


def test_another_python_makes_another_mask_and_what_follows_is_done_anew(run):
    run.config["masks"] = {"python": stand_in(run)}
    run()
    before = run.products()
    jobs = run.jobs(masks={"python": stand_in(run, "other")})
    assert {rule for rule, _ in jobs if rule != "references"} == {
        "science_mask", "clean_flicker_noise", "ramp_fit", "rate"
    }  # fmt: skip
    assert len(masks(run)) == 2
    (other,) = set(run.products()) - set(before)
    assert other.parent.name == "masks"


def test_without_jwst_the_exposure_stops_in_one_line_and_others_do_not(run):
    run.config["masks"] = {"python": sys.executable}
    said = run(status=1)
    (line,) = [line for line in said.splitlines() if line.startswith("rampflow: science_mask")]
    assert f"{sys.executable} does not have jwst (ModuleNotFoundError" in line
    assert "expected is an environment with jwst 1.19.2: name its python" in line
    assert list((run.folder / "results").glob("*_nis/*_rate.fits"))
    assert not list((run.folder / "results").glob("*_nrs1/*_rate.fits"))


def test_an_exposure_without_wcs_is_left_as_it_is(run):
    run.config["masks"] = {"python": stand_in(run, NO_WCS="NoDataOnDetectorError")}
    run()
    assert run.record("nrs1", "clean_flicker_noise")["status"] == "SKIPPED"
    assert "jwst has no WCS" in run.record("nrs1", "clean_flicker_noise")["reason"]


def test_a_product_with_slits_says_where_they_are(run):
    from stdatamodels.jwst import datamodels

    model = datamodels.MultiSlitModel()
    model.meta.exposure.type, model.meta.instrument.detector = "NRS_FIXEDSLIT", "NRS1"
    for name, (xstart, ystart, xsize, ysize) in {"S200A1": (3, 5, 20, 4), "S400A1": (1, 20, 40, 2)}.items():
        slit = datamodels.SlitModel(np.ones((ysize, xsize), np.float32))
        slit.name, slit.xstart, slit.ystart, slit.xsize, slit.ysize = name, xstart, ystart, xsize, ysize
        model.slits.append(slit)
    (raw,) = (run.folder.parent / run.config["exposures"][0]).parent.glob("*_nrs1_uncal.fits")
    (run.folder / "mast").mkdir()
    model.save(str(run.folder / "mast" / raw.name.replace("_uncal", "_cal")))
    run(masks={"files": ["none/{exposure}_calints.fits", "mast/{exposure}_cal.fits"]})
    due = np.zeros((32, 40), bool)
    due[4:8, 2:22] = due[19:21] = True
    assert not mask_of(run)[due].any()
    assert mask_of(run)[~due].mean() > 0.7
    assert run.planned() == set()


def test_without_a_way_to_tell_the_error_names_all(run):
    said = run(status=1)
    line = next(line for line in said.splitlines() if "mask_science_regions: NIRSpec" in line)
    assert "(masks: {files: …})" in line and "(masks: {python: …})" in line and "user_mask" in line


def test_what_cannot_be_is_said_before_anything_runs(run):
    said = run("-n", status=1, masks={"python": "/no/such/python", "files": "mast/{root}_cal.fits"})
    assert "config: masks: python: nothing to run at '/no/such/python'" in said
    assert "config: masks: files: 'mast/{root}_cal.fits': of what is in braces only {exposure} has a meaning" in said
