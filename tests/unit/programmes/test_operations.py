"""What the real crds answers for the modes of the programme `operations`, whose parameter files are mock."""

import json
import os
import subprocess
import sys

import asdf
import pytest

from programmes import programme
from rampflow.mock import SERVERLESS, build_cache
from rampflow.mock.configurations import full_frame

ASK = """
import json, os, sys
import crds
questions, context = json.load(sys.stdin)
options = {"observatory": "jwst", "context": context}
found = [crds.getreferences(question, reftypes=types, **options) for question, types in questions]
json.dump(found, sys.stdout)
"""
STEPS = ("jump", "chargemigration", "cleanflickernoise", "pictureframe", "refpix", "emicorr")


@pytest.fixture(scope="module")
def parameters(tmp_path_factory):
    """Parameters by exposure, of the steps and, under the steps' names, of the pipeline: (EXP_TYPE, what tells it)."""
    folder = tmp_path_factory.mktemp("crds")
    made = programme("operations").exposures
    # Only what the rules of parameter files select by counts here, so that few pixels and groups are enough.
    types = {"mask", "saturation", "superbias", "ipc", "linearity", "dark", "gain", "readnoise", "flat", "refpix"}
    types |= {"sirskernel", "reset", "rscd", "emicorr", "pictureframe"}
    context = build_cache(folder, made, without=types, as_operated=True)
    wanted = [f"pars-{step}step" for step in STEPS] + ["pars-detector1pipeline"]
    questions = [[{f"meta.{path}": value for _, path, value in exposure.header()}, wanted] for exposure in made]
    settings = {"CRDS_PATH": str(folder), "CRDS_SERVER_URL": SERVERLESS, "CRDS_CONTEXT": context}
    completed = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps([questions, context]),
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr
    answers = json.loads(completed.stdout)
    return [(exposure, _read(answer)) for exposure, answer in zip(made, answers, strict=True)]


def _read(answer):
    found = {}
    for kind, path in answer.items():
        if "N/A" in path.upper():
            continue
        with asdf.open(path) as file:
            if kind == "pars-detector1pipeline":
                for step in file["steps"]:
                    found.setdefault(step["name"], {}).update(step["parameters"])
            else:
                found[kind.removeprefix("pars-").removesuffix("step")] = dict(file["parameters"])
    return found


def of(parameters, **wanted):
    """Parameters of the only exposure with such attributes."""
    found = [
        steps
        for exposure, steps in parameters
        if all(getattr(exposure, name) == value for name, value in wanted.items())
    ]
    assert len(found) == 1, wanted
    return found[0]


def test_the_programme_has_every_mode_that_operations_treat_in_a_way_of_its_own():
    made = programme("operations").exposures
    assert {exposure.exp_type for exposure in made} >= {
        "NRC_IMAGE", "NRC_WFSS", "NRC_TSIMAGE", "NRC_TSGRISM", "NIS_IMAGE", "NIS_WFSS", "NIS_EXTCAL", "NIS_AMI",
        "NIS_SOSS", "NRS_BRIGHTOBJ", "NRS_FIXEDSLIT", "NRS_IFU", "NRS_MSASPEC", "MIR_IMAGE", "MIR_MRS",
        "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS", "MIR_4QPM", "FGS_IMAGE",
    }  # fmt: skip
    series = {exposure.instrument for exposure in made if exposure.tso}
    assert series == {"NIRCAM", "NIRISS", "NIRSPEC", "MIRI"}
    whole = [exposure for exposure in made if exposure.window == full_frame(exposure.detector)]
    assert {exposure.instrument for exposure in whole} == {"NIRSPEC"}


def test_nircam_has_no_persistence_and_expands_large_events(parameters):
    for exposure, steps in parameters:
        if exposure.instrument == "NIRCAM":
            assert steps["persistence"]["skip"] is True
            assert steps["jump"]["expand_large_events"] is True


@pytest.mark.parametrize(
    ("chosen", "threshold"),
    [
        ({"exp_type": "NIS_IMAGE", "pupil": "F200W"}, 25000.0),
        ({"exp_type": "NIS_IMAGE", "filter": "F444W"}, 28000.0),
        ({"exp_type": "NIS_WFSS"}, 22000.0),
        ({"exp_type": "NIS_AMI"}, 26000.0),
    ],
)
def test_niriss_migrates_charge_with_a_threshold_by_filter(parameters, chosen, threshold):
    assert of(parameters, **chosen)["chargemigration"] == {"skip": False, "signal_threshold": threshold}


def test_spectra_of_soss_have_settings_of_their_own(parameters):
    steps = of(parameters, exp_type="NIS_SOSS")
    assert steps["charge_migration"]["skip"] and "chargemigration" not in steps
    assert steps["cleanflickernoise"]["background_method"] == "median_image"
    assert steps["jump"]["expand_large_events"] == "False"


def test_nirspec_takes_out_flicker_noise_of_series_and_the_picture_frame_of_frames(parameters):
    assert of(parameters, exp_type="NRS_BRIGHTOBJ")["cleanflickernoise"]["fit_method"] == "median"
    integral = of(parameters, exp_type="NRS_IFU")
    assert integral["pictureframe"] == {"skip": False, "mask_science_regions": True, "n_sigma": 2.0}
    assert integral["cleanflickernoise"] == {"skip": True}
    assert of(parameters, exp_type="NRS_MSASPEC")["pictureframe"] == {"skip": True}


def test_nirspec_frames_read_the_usual_way_have_the_sirs_algorithm(parameters):
    for exposure, steps in parameters:
        if exposure.instrument == "NIRSPEC":
            sirs = exposure.subarray == "FULL" and exposure.readpatt in ("NRS", "NRSRAPID")
            assert steps["refpix"]["refpix_algorithm"] == ("sirs" if sirs else "median")


@pytest.mark.parametrize(
    ("chosen", "showers"),
    [
        ({"filter": "F770W"}, True),
        ({"filter": "F2100W"}, False),
        ({"filter": "F1500W", "tso": True}, False),
        ({"filter": "F1550C"}, False),
        ({"filter": "P750L", "tso": True}, False),
        ({"filter": "P750L", "tso": False}, False),
        ({"detector": "MIRIFUSHORT"}, True),
        ({"detector": "MIRIFULONG"}, True),
    ],
)
def test_miri_looks_for_showers_in_short_wavelength_images_and_the_spectrometer(parameters, chosen, showers):
    assert of(parameters, instrument="MIRI", **chosen)["jump"]["find_showers"] is showers


def test_series_of_miri_keep_their_first_and_last_groups(parameters):
    for exposure, steps in parameters:
        if exposure.instrument == "MIRI":
            off = {step for step, own in steps.items() if own.get("skip") is True}
            assert ("emicorr" in off) == (exposure.exp_type not in ("MIR_IMAGE", "MIR_MRS"))
            assert off - {"emicorr"} == ({"ipc", "firstframe", "lastframe", "rscd"} if exposure.tso else {"ipc"})
