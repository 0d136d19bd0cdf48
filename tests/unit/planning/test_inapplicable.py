"""Steps that are known to have nothing to do before they run."""

import json
from dataclasses import replace

import pytest

from rampflow.planning.answers import Answers
from rampflow.planning.demand import Demand
from rampflow.planning.exposures import placeholder
from rampflow.planning.inapplicable import inapplicable, named_by_emicorr, without_references
from rampflow.planning.plan import Plan
from rampflow.settings.chain import Chain
from rampflow.steps import no_reference

NONE = {"gain": {"gain_factor": None}}
TRAPS = ("trapdensity", "persat", "trappars")


def exposure(instrument="NIRCAM", shape=(2, 5, 64, 64), **header):
    return replace(placeholder(instrument, False), placeholder=False, shape=shape, header=header)


@pytest.mark.parametrize(
    ("header", "idle"),
    [
        ({}, True),
        ({"NFRAMES": 4}, True),
        ({"NFRAMES": 5}, True),
        ({"NFRAMES": 5, "FRMDIVSR": 5}, True),
        ({"NFRAMES": 5, "FRMDIVSR": 4}, False),
        # The job says what is wrong with it.
        ({"NFRAMES": 5, "FRMDIVSR": 0}, False),
        ({"NFRAMES": "5"}, False),
    ],
)
def test_groups_are_scaled_where_the_divisor_is_another(header, idle):
    assert ("group_scale" in inapplicable(exposure(**header), NONE, {})) is idle


@pytest.mark.parametrize(
    ("header", "gain", "idle"),
    [
        ({}, NONE, True),
        ({}, {"gain": {"gain_factor": 1.5}}, False),
        ({"GAINFACT": 1.5}, NONE, False),
        # What is not known yet, or was not asked by an earlier version, is found out by the job.
        ({}, {}, False),
        ({}, {"gain": {"type": "gain"}}, False),
    ],
)
def test_rates_are_scaled_where_there_is_a_factor(header, gain, idle):
    assert ("gain_scale" in inapplicable(exposure(**header), gain, {})) is idle


def test_of_miri_the_full_frame_alone_has_its_reference_pixels_corrected():
    assert "refpix" in inapplicable(exposure("MIRI", (1, 5, 64, 72)), NONE, {})
    assert "refpix" not in inapplicable(exposure("MIRI", (1, 5, 1024, 1032)), NONE, {})
    assert "refpix" not in inapplicable(exposure("NIRSPEC"), NONE, {})


@pytest.mark.parametrize(
    ("ngroups", "short"),
    [
        (1, {"charge_migration", "firstframe", "lastframe", "jump"}),
        (2, {"charge_migration", "firstframe", "lastframe", "jump"}),
        (3, {"firstframe"}),
        (4, set()),
    ],
)
def test_ramps_that_are_too_short_for_a_step_are_known(ngroups, short):
    one = exposure("MIRI", (2, ngroups, 1024, 1032), READPATT="FASTR1", NFRAMES="?")
    values = {"jump": {"algorithm": "two_point"}}
    assert set(inapplicable(one, {}, values)) == short | ({"emicorr"} if ngroups < 3 else set())
    # Along time shorter ones will do, and before CRDS has answered the algorithm is not known.
    for values in ({"jump": {"algorithm": "both"}}, {}):
        assert "jump" not in inapplicable(one, {}, values)


CASES = {
    "FULL_FAST": {"freqs": {"FAST": ["Hz390"]}},
    "SUB64": {"freqs": {"FAST": ["Hz390"], "SLOW": {"MIRIMAGE": ["Hz10"], "MIRIFULONG": []}}},
}


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (("SUB64", "FASTR1", "MIRIMAGE"), None),
        (("SUB64", "SLOWR1", "MIRIMAGE"), None),
        (("SUB64", "SLOWR1", "MIRIFULONG"), "no frequencies of SUB64 for SLOWR1 on MIRIFULONG"),
        (("SUB64", "SLOWR1", "MIRIFUSHORT"), "no frequencies"),
        (("FULL", "FASTR1", "MIRIMAGE"), None),
        (("FULL", "SLOWR1", "MIRIMAGE"), "no subarray FULL_SLOW"),
        (("SUB128", "FASTR1", "MIRIMAGE"), "no subarray SUB128"),
        (("SUB64", "FASTGRPAVG8", "MIRIMAGE"), "no timing is known"),
        ((None, "FASTR1", "MIRIMAGE"), None),
    ],
)
def test_miris_interference_is_left_alone_where_the_reference_has_none(place, why):
    one = exposure("MIRI", (1, 5, 1024, 1032), **dict(zip(("SUBARRAY", "READPATT", "DETECTOR"), place, strict=True)))
    pointers = {"emicorr": {"cases": CASES, "crds_uri": "crds://e.asdf"}}
    said = inapplicable(one, pointers, {}).get("emicorr")
    assert said is None if why is None else why in said
    untimed = place[1] == "FASTGRPAVG8"
    assert named_by_emicorr(one, pointers["emicorr"], {}) == ({} if untimed else {"emicorr": "crds://e.asdf"})
    # Frequencies that are given need no reference, and what it has is not known before CRDS has answered.
    given = {"onthefly_corr_freq": [390.6]}
    assert named_by_emicorr(one, pointers["emicorr"], given) == named_by_emicorr(one, None, {}) == {}
    for fewer in (inapplicable(one, pointers, {"emicorr": given}), inapplicable(one, {}, {})):
        assert ("emicorr" in fewer) is untimed


@pytest.mark.parametrize("cases", [{"SUB64": None}, {"SUB64": {}}, {"SUB64": {"freqs": 3}}, [], "SUB64", 7])
def test_what_is_wrong_with_a_reference_is_said_by_the_job(cases):
    one = exposure("MIRI", (1, 5, 64, 72), SUBARRAY="SUB64", READPATT="SLOWR1", DETECTOR="MIRIMAGE")
    found = inapplicable(one, {"emicorr": {"cases": cases}}, {})
    assert ("emicorr" in found) is (cases == {"SUB64": None})


def test_an_exposure_that_stands_for_a_mode_has_its_whole_chain():
    assert inapplicable(placeholder("MIRI", True), NONE, {}) == {}


def test_a_step_without_anything_to_do_is_left_out_with_the_reason():
    entry = {"value": False, "source": "release 1.19"}
    chain = Chain(["group_scale", "dq_init", "jump"], dict.fromkeys(("group_scale", "dq_init", "ipc", "jump"), entry))
    short = chain.without({"group_scale": "no need", "refpix": "not in it"})
    assert short.steps == ["dq_init", "jump"] and short.skipped_before("dq_init") == {"group_scale": "no need"}
    assert short.asks_for("group_scale") and not short.asks_for("refpix")
    assert short.previous("group_scale") is None and short.previous("dq_init") is None
    assert chain.steps[0] == "group_scale"


def test_what_comes_after_the_fit_is_not_said_in_the_ramp():
    steps = ("jump", "picture_frame", "ramp_fit", "gain_scale")
    entries = {step: {"value": step == "picture_frame", "source": "release 1.19"} for step in steps}
    chain = Chain(["jump", "ramp_fit", "gain_scale"], entries).without({"gain_scale": "no need"})
    assert chain.skipped_before("ramp") == {"picture_frame": "release 1.19"}
    assert chain.skipped_before("ramp_fit") == {"picture_frame": "release 1.19", "gain_scale": "no need"}


def test_the_last_step_stays():
    entry = {"value": False, "source": "release 1.19"}
    chain = Chain(["group_scale"], {"group_scale": entry})
    assert chain.without({"group_scale": "no need"}) is chain


@pytest.mark.parametrize(
    ("keep", "runs"), [("all", set()), ("none", set()), (["gain_scale"], {"gain_scale"}), (["jump"], set())]
)
def test_what_is_kept_by_name_runs(tmp_path, keep, runs):
    one = exposure(NFRAMES=1)
    folder = tmp_path / one.root / "references"
    folder.mkdir(parents=True)
    (folder / "gain.json").write_text(json.dumps(NONE["gain"]))
    answers = Answers(Plan({"keep": keep}, [one]), tmp_path)
    # Before CRDS has answered, what the raw header alone says.
    assert {"group_scale", "gain_scale"} & set(answers.chain(one.root).steps) == {"gain_scale"}
    (tmp_path / "references.json").write_text("{}")
    assert {"group_scale", "gain_scale"} & set(answers.chain(one.root).steps) == runs


@pytest.mark.parametrize(
    ("names", "values", "lacking"),
    [
        ({"mask": "m.fits", "dark": "N/A"}, {}, {"dark_current": ("dark",)}),
        # What was not asked for, or is there, is no reason.
        ({"trapdensity": "N/A", "persat": "N/A"}, {}, {}),
        ({"saturation": "s.fits", "superbias": "N/A"}, {}, {"superbias": ("superbias",)}),
        ({"emicorr": "N/A"}, {"emicorr": {"onthefly_corr_freq": None}}, {"emicorr": ("emicorr",)}),
        ({"emicorr": "N/A"}, {"emicorr": {"onthefly_corr_freq": [390.625]}}, {}),
        (dict.fromkeys(TRAPS, "N/A"), {"persistence": {"chain": False}}, {"persistence": TRAPS}),
        (dict.fromkeys(TRAPS, "N/A"), {"persistence": {"chain": True}}, {}),
        # ramp_fit says that it cannot go without.
        ({"gain": "N/A", "readnoise": "N/A"}, {}, {}),
    ],
)
def test_steps_without_references_are_known(names, values, lacking):
    assert without_references(names, values) == lacking


def test_a_step_without_references_is_left_out_unless_it_is_kept_by_name(tmp_path):
    one = exposure("NIRISS", NFRAMES=1)
    folder = tmp_path / one.root / "references"
    folder.mkdir(parents=True)
    (folder / "asked.json").write_text(json.dumps({"references": dict.fromkeys(TRAPS, "N/A")}))
    (tmp_path / "references.json").write_text("{}")
    for keep, runs in (("all", False), (["persistence"], True)):
        plan = Plan({"keep": keep, "results": str(tmp_path)}, [one])
        demand = Demand(plan, Answers(plan, tmp_path))
        assert ("persistence" in demand.chain(one.root).steps) is runs
        said = {} if runs else {"by": no_reference(*TRAPS), "names": dict.fromkeys(TRAPS, "N/A")}
        assert demand.skipped("dark_current", one.root).get("persistence", {}) == said
