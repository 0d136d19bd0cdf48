"""Where masks of NIRSpec's science regions come from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rampflow.places import HOME
from rampflow.planning.exposures import placeholder
from rampflow.planning.masks import Masks, problems
from rampflow.settings.release import jwst_version

ANSWERS = {}
ON = {"mask_science_regions": {"value": True}, "user_mask": {"value": None}}


def masks(files=None, python="/opt/jwst/bin/python", release="3.0"):
    return Masks({"release": release, "masks": {"files": files, "python": python}}, "results", ANSWERS.get)


@pytest.fixture
def exposure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/a_uncal.fits").touch()
    made = replace(
        placeholder("NIRSPEC", False),
        root="a",
        path="data/a_uncal.fits",
        shape=(1, 4, 2048, 2048),
        digest="d1",
        placeholder=False,
    )
    answered("a", "jwst_1322.pmap")
    return made


def answered(root, context, server=None):
    ANSWERS[root] = {"context": context, "asked": {"crds": {"cache": {"CRDS_PATH": "/crds"}, "server": server}}}


def test_only_nirspec_where_the_regions_are_masked_and_nobody_gives_a_mask(exposure):
    assert masks().file(exposure, ON).startswith("results/a/masks/")
    assert masks().file(replace(exposure, instrument="NIRISS"), ON) is None
    for name, value in (("mask_science_regions", False), ("user_mask", "own.fits")):
        assert masks().file(exposure, ON | {name: {"value": value}}) is None
    assert masks(python=None).file(exposure, ON) is None


def test_the_first_file_that_is_there_goes_before_a_mask_that_is_made(exposure):
    files = ["none/{exposure}_cal.fits", "mast/{exposure}_cal.fits", "mast/other.fits"]
    assert masks(files).file(exposure, ON).startswith("results/a/masks/")
    Path("mast").mkdir()
    for name in ("a_cal.fits", "other.fits"):
        Path("mast", name).touch()
    assert masks(files).file(exposure, ON) == "mast/a_cal.fits"
    assert masks("mast/other.fits", python=None).file(exposure, ON) == "mast/other.fits"


def test_the_name_of_a_mask_changes_with_what_it_follows_from(exposure):
    named = replace(exposure, header={"MSAMETFL": "a_msa.fits"})
    Path("data/a_msa.fits").write_text("one")
    first = masks().file(named, ON)
    found = {first, masks(python="/opt/other/python").file(named, ON), masks(release="1.19").file(named, ON)}
    found.add(masks().file(replace(named, digest="d2"), ON))
    answered("a", "jwst_1400.pmap")
    found.add(masks().file(named, ON))
    answered("a", "jwst_1322.pmap")
    assert masks().file(named, ON) == first
    Path("data/a_msa.fits").write_text("two")
    found.add(masks().file(named, ON))
    assert len(found) == 6


def test_what_jwst_is_asked(exposure):
    answered("a", "jwst_1322.pmap", server="https://crds.example.org")
    request = json.loads(masks().request(exposure))
    assert request == {
        "exposure": "a",
        "raw": str(Path("data/a_uncal.fits").resolve()),
        "frame": [2048, 2048],
        "expected": jwst_version("3.0"),
        "crds": {
            "CRDS_PATH": "/crds",
            "CRDS_CONTEXT": "jwst_1322.pmap",
            "CRDS_SERVER_URL": "https://crds.example.org",
        },
    }
    interleaved = replace(exposure, shape=(1, 4, 3200, 2048), irs2=True)
    assert json.loads(masks().request(interleaved))["frame"] == [2048, 2048]


@pytest.mark.parametrize(("python", "named"), [("python", True), ("/opt/jwst/bin/python", False), (None, False)])
def test_the_rule_has_an_environment_where_no_other_is_named(python, named):
    assert (masks(python=python).environment is not None) is named


@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_environments_have_what_the_release_is_held_against(release):
    path = Path(masks(python="python", release=release).environment)
    packages = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
    assert packages == (HOME / f"workflow/releases/{release}/oracle.txt").read_text().split()


def test_what_cannot_be(tmp_path):
    config = {"masks": {"python": "no/python", "files": ["{exposure}_cal.fits", "{root}.fits"]}}
    first, second = problems(config, tmp_path)
    assert first.startswith("config: masks: python: nothing to run at 'no/python'")
    assert "'{root}.fits'" in second
    assert not list(problems({"masks": {"python": "python", "files": None}}, tmp_path))
