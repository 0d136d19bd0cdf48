"""The plan: chains of every mode and release, parameters with their sources, references, and clear "
"refusals."""

import re
from dataclasses import dataclass, field

import pytest

from rampflow.planning import plan as plan_module
from rampflow.planning.plan import Plan, merge_parameters
from rampflow.settings import release as release_module
from rampflow.settings.configuration import ConfigError, releases, schema, steps
from rampflow.settings.release import load_release, not_there_yet

MODES = [(name, tso) for name in ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC") for tso in (False, True)]


@dataclass
class Exposure:
    root: str
    instrument: str
    tso: bool = False
    irs2: bool = False
    superstripes: int = 0


A = Exposure("jw00001001001_02101_00001_nrca1", "NIRCAM")
B = Exposure("jw00002001001_02101_00001_mirimage", "MIRI", tso=True)
C = Exposure("jw00003001001_02101_00001_nrs1", "NIRSPEC")
IRS2 = Exposure("jw00004001001_02101_00001_nrs2", "NIRSPEC", irs2=True)

NEAR_IR = ["group_scale", "dq_init", "saturation", "superbias", "refpix", "linearity"]
GOLDEN = {
    "1.19": {
        ("FGS", False): [*NEAR_IR, "persistence", "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("FGS", True): [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRCAM", False): [*NEAR_IR, "persistence", "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRCAM", True): [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRISS", False): [*NEAR_IR, "persistence", "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRISS", True): [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRSPEC", False): [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("NIRSPEC", True): [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"],
        ("MIRI", False): [
            *(
                "group_scale",
                "dq_init",
                "emicorr",
                "saturation",
                "firstframe",
                "lastframe",
                "reset",
                "linearity",
            ),
            *("rscd", "dark_current", "refpix", "jump", "ramp_fit", "gain_scale"),
        ],
        ("MIRI", True): [
            *(
                "group_scale",
                "dq_init",
                "emicorr",
                "saturation",
                "reset",
                "linearity",
                "dark_current",
                "refpix",
            ),
            *("jump", "ramp_fit", "gain_scale"),
        ],
    },
    "3.0": {
        **{mode: [*NEAR_IR, "dark_current", "jump", "ramp_fit", "gain_scale"] for mode in MODES if mode[0] != "MIRI"},
        ("MIRI", False): [
            *("group_scale", "dq_init", "emicorr", "saturation", "lastframe", "reset", "linearity", "rscd"),
            *("dark_current", "jump", "ramp_fit", "gain_scale"),
        ],
        ("MIRI", True): [
            *("group_scale", "dq_init", "emicorr", "saturation", "reset", "linearity", "dark_current"),
            *("jump", "ramp_fit", "gain_scale"),
        ],
    },
}
# Every step that a mode has, those that are off included, in execution order.
FRONT = ["group_scale", "dq_init", "saturation", "ipc", "superbias", "refpix", "linearity"]
EVERYTHING = {
    "1.19": {
        **{
            (name, False): [
                *(*FRONT, "persistence", "dark_current", "charge_migration", "jump", "clean_flicker_noise"),
                *("ramp_fit", "gain_scale"),
            ]
            for name in ("FGS", "NIRCAM", "NIRISS")
        },
        ("NIRSPEC", False): [
            *(
                *FRONT,
                "dark_current",
                "charge_migration",
                "jump",
                "clean_flicker_noise",
                "ramp_fit",
                "gain_scale",
            )
        ],
        **{
            (name, True): [*FRONT, "dark_current", "jump", "clean_flicker_noise", "ramp_fit", "gain_scale"]
            for name in ("FGS", "NIRCAM", "NIRISS", "NIRSPEC")
        },
        ("MIRI", False): [
            *("group_scale", "dq_init", "emicorr", "saturation", "ipc", "firstframe", "lastframe", "reset"),
            *("linearity", "rscd", "dark_current", "refpix", "jump", "clean_flicker_noise", "ramp_fit"),
            "gain_scale",
        ],
        ("MIRI", True): [
            *("group_scale", "dq_init", "emicorr", "saturation", "ipc", "reset", "linearity", "dark_current"),
            *("refpix", "jump", "clean_flicker_noise", "ramp_fit", "gain_scale"),
        ],
    },
    "3.0": {
        **{
            (name, False): [
                *(*FRONT, "dark_current", "charge_migration", "jump", "clean_flicker_noise", "persistence"),
                *("ramp_fit", "gain_scale"),
            ]
            for name in ("FGS", "NIRCAM", "NIRISS")
        },
        **{
            (name, True): [
                *(
                    *FRONT,
                    "dark_current",
                    "jump",
                    "clean_flicker_noise",
                    "persistence",
                    "ramp_fit",
                    "gain_scale",
                )
            ]
            for name in ("FGS", "NIRCAM", "NIRISS")
        },
        ("NIRSPEC", False): [
            *(*FRONT, "dark_current", "charge_migration", "jump", "picture_frame", "clean_flicker_noise"),
            *("persistence", "ramp_fit", "gain_scale"),
        ],
        ("NIRSPEC", True): [
            *(
                *FRONT,
                "dark_current",
                "jump",
                "picture_frame",
                "clean_flicker_noise",
                "persistence",
                "ramp_fit",
            ),
            "gain_scale",
        ],
        ("MIRI", False): [
            *("group_scale", "dq_init", "emicorr", "saturation", "ipc", "firstframe", "lastframe", "reset"),
            *("linearity", "rscd", "dark_current", "refpix", "jump", "clean_flicker_noise", "persistence"),
            *("ramp_fit", "gain_scale"),
        ],
        ("MIRI", True): [
            *("group_scale", "dq_init", "emicorr", "saturation", "ipc", "reset", "linearity", "dark_current"),
            *("refpix", "jump", "clean_flicker_noise", "persistence", "ramp_fit", "gain_scale"),
        ],
    },
}


@pytest.fixture
def lacking(monkeypatch):
    """Replace what is not there yet by rows of the test."""

    def replace(*rows):
        names = ("step", "parameter", "value", "when", "instead")
        table = [dict(zip(names, row, strict=True)) for row in rows]
        monkeypatch.setattr(release_module, "not_there_yet", lambda: table)
        monkeypatch.setattr(plan_module, "not_there_yet", lambda: table)

    replace()
    return replace


# --- chains -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize("release", ["1.19", "3.0"])
@pytest.mark.parametrize("mode", MODES)
def test_golden_chain(release, mode):
    plan = Plan({"release": release}, [Exposure("e", *mode)])
    assert plan.chain("e") == GOLDEN[release][mode]
    assert plan.steps == GOLDEN[release][mode]
    assert plan.notices == []


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize("release", ["1.19", "3.0"])
@pytest.mark.parametrize("mode", MODES)
def test_golden_chain_with_every_step_turned_on(release, mode):
    turned_on = {step: {"skip": False} for step in EVERYTHING[release][mode]}
    plan = Plan({"release": release, "steps": turned_on}, [Exposure("e", *mode)])
    assert plan.chain("e") == EVERYTHING[release][mode]
    assert plan.eligible("e") == EVERYTHING[release][mode]


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_no_mode_takes_a_step_that_it_does_not_have(release):
    for mode in MODES:
        for step in set(steps()) - set(EVERYTHING[release][mode]):
            name = f"{mode[0]} {'tso' if mode[1] else 'plain'}"
            with pytest.raises(ConfigError, match=f"{step}: skip: false: {name} has no {step} in release {release}"):
                Plan({"release": release, "steps": {step: {"skip": False}}}, [Exposure("e", *mode)])


@pytest.mark.usefixtures("lacking")
def test_previous_and_final_follow_the_chain():
    plan = Plan({}, [A, B])
    assert plan.previous("group_scale", A) is None
    assert plan.previous("superbias", A) == "saturation"
    assert plan.previous("dark_current", A.root) == "persistence"
    assert plan.previous("refpix", B) == "dark_current"
    assert plan.final(A) == "gain_scale"


def test_previous_of_a_step_outside_the_chain_is_an_error():
    with pytest.raises(KeyError, match="does not pass through superbias"):
        Plan({}, [B]).previous("superbias", B)


def test_unknown_exposure_is_an_error_with_the_nearest_name():
    with pytest.raises(KeyError, match=f"did you mean '{A.root}'"):
        Plan({}, [A]).chain(A.root + "x")


@pytest.mark.usefixtures("lacking")
def test_instruments_side_by_side_keep_their_own_chains():
    plan = Plan({}, [A, B, C])
    for exposure in (A, B, C):
        assert plan.chain(exposure) == GOLDEN["1.19"][exposure.instrument, exposure.tso]
    assert sorted(plan.steps) == sorted({step for e in (A, B, C) for step in plan.chain(e)})


@pytest.mark.usefixtures("lacking")
def test_skip_removes_a_step_and_adds_one():
    plan = Plan({"steps": {"jump": {"skip": True}, "ipc": {"skip": False}}}, [A])
    assert "jump" not in plan.steps
    assert plan.previous("superbias", A) == "ipc"
    assert plan.previous("ramp_fit", A) == "dark_current"


def test_skip_of_a_step_that_the_mode_does_not_have_is_no_error():
    assert "rscd" not in Plan({"steps": {"rscd": {"skip": True}}}, [A, B]).steps


def test_without_ramp_fit_there_is_nothing_to_scale():
    plan = Plan({"steps": {"ramp_fit": {"skip": True}}}, [A])
    assert plan.final(A) == "jump"
    assert plan.settings("gain_scale", A)["skip"] == {"value": True, "source": "ramp_fit is skipped"}


def test_an_exposure_without_any_step_is_refused():
    everything = {step: {"skip": True} for step in steps()}
    with pytest.raises(ConfigError, match=f"every step of {A.root} is skipped"):
        Plan({"steps": everything}, [A])


def test_a_more_special_skip_wins():
    config = {"steps": {"jump": {"skip": True}, "MIRI tso": {"jump": {"skip": False}}}}
    plan = Plan(config, [A, B])
    assert "jump" not in plan.chain(A)
    assert "jump" in plan.chain(B)


def test_turning_on_what_one_exposure_lacks_is_refused_and_a_selector_is_the_cure():
    message = (
        "^config: steps: charge_migration: skip: false: MIRI tso has no charge_migration in release 1.19; "
        "turn it on under a selector, of FGS, NIRCAM, NIRISS, NIRSPEC$"
    )
    with pytest.raises(ConfigError, match=message):
        Plan({"steps": {"charge_migration": {"skip": False}}}, [A, B])
    plan = Plan({"steps": {"NIRCAM plain": {"charge_migration": {"skip": False}}}}, [A, B])
    assert "charge_migration" in plan.chain(A)
    assert "charge_migration" not in plan.chain(B)


# --- settings -----------------------------------------------------------------------------------------


def test_settings_name_their_sources():
    plan = Plan({"steps": {"jump": {"rejection_threshold": 5}}}, [A])
    settings = plan.settings("jump", A)
    assert settings["rejection_threshold"] == {"value": 5.0, "source": "config"}
    assert type(settings["rejection_threshold"]["value"]) is float
    assert settings["flag_4_neighbors"] == {"value": True, "source": "release 1.19"}
    assert settings["skip"] == {"value": False, "source": "release 1.19"}


def test_more_special_settings_win_whatever_their_order():
    def threshold(value):
        return {"jump": {"rejection_threshold": value}}

    exposures = [
        Exposure("one", "MIRI", tso=True),
        Exposure("on2", "MIRI", tso=True),
        Exposure("x", "MIRI", tso=True),
        Exposure("y", "MIRI"),
        A,
    ]
    config = {
        "steps": {
            "one": threshold(5),
            "on*": threshold(4),
            "MIRI tso": threshold(3),
            "MIRI": threshold(2),
            **threshold(1),
        }
    }
    plan = Plan(config, exposures)
    found = [plan.settings("jump", exposure)["rejection_threshold"] for exposure in exposures]
    assert [entry["value"] for entry in found] == [5, 4, 3, 2, 1]
    assert [entry["source"] for entry in found] == [
        *("config (one)", "config (on*)", "config (MIRI tso)", "config (MIRI)", "config")
    ]


def test_settings_of_the_same_rank_add_up():
    config = {"steps": {"jw*": {"jump": {"edge_size": 3}}, "*nrca1": {"jump": {"sat_expand": 4}}}}
    settings = Plan(config, [A]).settings("jump", A)
    assert (settings["edge_size"]["value"], settings["sat_expand"]["value"]) == (3, 4)


@pytest.mark.usefixtures("lacking")
def test_releases_differ_where_the_field_did():
    one, three = (Plan({"release": name}, [A, B]) for name in ("1.19", "3.0"))

    def values(plan):
        names = {
            "ramp_fit": ("slope_weights", "flag_saturated", "ignore_persistence"),
            "persistence": ("algorithm",),
            "firstframe": ("bright_use_group1",),
            "rscd": ("algorithm",),
            "linearity": ("read_level",),
            "refpix": ("siglimit", "orientation"),
        }
        return [plan.settings(step, B)[name]["value"] for step in names for name in names[step]]

    assert values(one) == ["total", "all", False, "traps", False, "baseline", False, 3.0, "detector"]
    assert values(three) == ["read_noise", "any", True, "window", True, "per_pixel", True, 3.0, "header"]


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"jmp": {}}, "config: steps: 'jmp' is not known; did you mean 'jump'?"),
        ({"NIRCAMM": {}}, "config: steps: 'NIRCAMM' is not known; did you mean 'NIRCAM'?"),
        (
            {"zzz": {}},
            "config: steps: 'zzz' is not known; write a name, an instrument (and plain or tso), an exposure, or a glob",
        ),
        ({"MIRI": {"jmp": {}}}, "config: steps: MIRI: no step 'jmp'; did you mean 'jump'?"),
        ({"MIRI": {"jump": 3}}, "config: steps: MIRI: jump: expected a block of parameters, found 3"),
        (
            {"jump": {"rejection_treshold": 5.0}},
            "config: steps: jump: rejection_treshold: no such parameter in release 1.19; did you mean "
            "'rejection_threshold'?",
        ),
        (
            {"saturation": {"zzz": 5.0}},
            "config: steps: saturation: zzz: no such parameter in release 1.19; saturation has skip, "
            "n_pix_grow_sat, use_readpatt",
        ),
        (
            {"clean_flicker_noise": {"autoparam": True}},
            "config: steps: clean_flicker_noise: autoparam: no such parameter in release 1.19; "
            "clean_flicker_noise has skip, fit_method, fit_by_channel, background_method, "
            "background_box_size, mask_science_regions, apply_flat_field, n_sigma, fit_histogram, "
            "single_mask, user_mask, save_mask, save_background, save_noise, slope_weights, "
            "ignore_persistence, refused_as",
        ),
        (
            {"jump": {"maximum_cores": "half"}},
            "config: steps: jump: maximum_cores: not a parameter here: the cores of the run decide (snakemake --cores)",
        ),
        (
            {"dark_current": {"override_dark": "my.fits"}},
            "config: steps: dark_current: override_dark: not a parameter here: give the file as references: "
            "{dark: path}",
        ),
        (
            {"jump": {"rejection_threshold": "5.0"}},
            "config: steps: jump: rejection_threshold: expected a number of at least 0, found the text "
            "'5.0'; write it as a plain number: 5.0",
        ),
        (
            {"jump": {"rejection_threshold": -1}},
            "config: steps: jump: rejection_threshold: expected a number of at least 0, found -1",
        ),
        (
            {"NIRCAM tso": {"jump": {"flag_4_neighbors": "false"}}},
            "config: steps: NIRCAM tso: jump: flag_4_neighbors: expected true or false, found the text "
            "'false'; write false without quotes",
        ),
        (
            {"ipc": {"skip": "False"}},
            "config: steps: ipc: skip: expected true or false, found the text 'False'; write false without quotes",
        ),
        (
            {"ramp_fit": {"slope_weights": "readnoise"}},
            "config: steps: ramp_fit: slope_weights: expected one of total, read_noise, found the text "
            "'readnoise'; did you mean 'read_noise'?",
        ),
        (
            {"ramp_fit": {"firstgroup": 1.5}},
            "config: steps: ramp_fit: firstgroup: expected a whole number or null, found 1.5",
        ),
    ],
)
def test_settings_that_do_not_fit_get_one_line(block, line):
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        Plan({"steps": block}, [A, B])


def test_selectors_that_select_nothing_are_said():
    plan = Plan({"steps": {"jw09999*": {"jump": {"edge_size": 1}}}, "references": {"FGS": {"dark": "N/A"}}}, [A])
    assert "config: steps: jw09999*: matches no exposure of this run" in plan.notices
    assert "config: references: FGS: matches no exposure of this run" in plan.notices


def test_parameters_of_a_step_that_does_not_run_are_said():
    plan = Plan({"steps": {"charge_migration": {"signal_threshold": 20000}}}, [A])
    assert "config: steps: charge_migration: parameters without effect: it does not run" in plan.notices


# --- what is not there yet ----------------------------------------------------------------------------


def test_a_step_that_is_on_and_not_there_yet_is_left_out_and_said_once(lacking):
    lacking(("emicorr", "", "", "", "left out"))
    plan = Plan({}, [B, Exposure("e", "MIRI"), Exposure("f", "MIRI"), A])
    assert "emicorr" not in plan.steps
    assert plan.previous("saturation", B) == "dq_init"
    assert plan.notices == ["emicorr is not there yet: left out for MIRI tso, MIRI plain (release 1.19 has it)"]
    assert plan.settings("emicorr", B)["skip"] == {"value": True, "source": "not there yet"}


def test_a_step_that_is_off_and_not_there_yet_is_not_spoken_of(lacking):
    lacking(("clean_flicker_noise", "", "", "", "left out"), ("emicorr", "", "", "", "left out"))
    assert Plan({"steps": {"emicorr": {"skip": True}}}, [A, B]).notices == []


def test_turning_on_a_step_that_is_not_there_yet_is_refused(lacking):
    lacking(("clean_flicker_noise", "", "", "", "left out"))
    line = "config: steps: NIRCAM: clean_flicker_noise: skip: false: clean_flicker_noise is not there yet"
    with pytest.raises(ConfigError, match=f"^{line}; take this out$"):
        Plan({"steps": {"NIRCAM": {"clean_flicker_noise": {"skip": False}}}}, [A])


def test_a_value_that_is_not_there_yet_is_refused_when_asked_for(lacking):
    lacking(("ramp_fit", "algorithm", "LIKELY", "", "OLS_C"), ("jump", "find_showers", "true", "", "false"))
    message = "algorithm: LIKELY is not there yet; take it out, or write OLS_C"
    with pytest.raises(ConfigError, match=message):
        Plan({"steps": {"ramp_fit": {"algorithm": "LIKELY"}}}, [A])
    with pytest.raises(ConfigError, match="find_showers: true is not there yet; take it out, or write false"):
        Plan({"steps": {"jump": {"find_showers": True}}}, [A])
    assert Plan({"steps": {"jump": {"find_showers": False}}}, [A]).notices == []


def test_a_default_that_is_not_there_yet_is_replaced_and_said_once(lacking):
    lacking(("rscd", "algorithm", "per_pixel", "", "baseline"), ("linearity", "read_level", "true", "", "false"))
    plan = Plan({"release": "3.0"}, [Exposure("e", "MIRI"), Exposure("f", "MIRI"), B])
    assert plan.settings("rscd", "e")["algorithm"] == {
        "value": "baseline",
        "source": "release 3.0, where per_pixel is not there yet",
    }
    assert plan.settings("linearity", "e")["read_level"]["value"] is False
    assert plan.notices == [
        "rscd: algorithm: per_pixel (release 3.0) is not there yet: baseline is used for MIRI plain",
        "linearity: read_level: true (release 3.0) is not there yet: false is used for MIRI plain, MIRI tso",
    ]


def test_exposures_that_no_step_can_handle_are_refused_or_left_out(lacking):
    lacking(("refpix", "", "", "irs2", "refused"))
    message = (
        f"^{IRS2.root}: refpix is not there yet for the IRS2 readout of NIRSpec; take the exposure out, or "
        f"set "
        "skip_bad: true to leave such exposures out$"
    )
    with pytest.raises(ConfigError, match=message):
        Plan({}, [C, IRS2])
    plan = Plan({"skip_bad": True}, [C, IRS2])
    assert list(plan.exposures) == [C.root]
    assert plan.notices == [f"{IRS2.root}: refpix is not there yet for the IRS2 readout of NIRSpec: left out"]
    with pytest.raises(ConfigError, match="IRS2"):
        Plan({"skip_bad": True}, [IRS2])


SUPERSTRIPES = Exposure("jw00005001001_02101_00001_nis", "NIRISS", tso=True, superstripes=10)


def test_superstripes_need_a_release_that_puts_them_together():
    line = f"{SUPERSTRIPES.root}: superstripes are not put together in release 1.19"
    with pytest.raises(ConfigError, match=rf"^{line} \(refpix: collate_superstripes: false\); take the exposure out"):
        Plan({}, [A, SUPERSTRIPES])
    plan = Plan({"skip_bad": True}, [A, SUPERSTRIPES])
    assert list(plan.exposures) == [A.root] and plan.steps == plan.chain(A)
    assert [notice for notice in plan.notices if notice.startswith(line)][0].endswith(": left out")
    assert SUPERSTRIPES.root in Plan({"release": "3.0"}, [SUPERSTRIPES]).exposures
    steps = {"refpix": {"collate_superstripes": True}}
    assert SUPERSTRIPES.root in Plan({"steps": steps}, [SUPERSTRIPES]).exposures


def test_superstripes_need_refpix():
    message = f"^{SUPERSTRIPES.root}: its superstripes are put together by refpix, which must not be skipped; "
    with pytest.raises(ConfigError, match=message):
        Plan({"release": "3.0", "steps": {"refpix": {"skip": True}}}, [SUPERSTRIPES])
    Plan({"release": "3.0", "steps": {"refpix": {"skip": True}}}, [A])


def test_rows_of_not_there_yet_speak_of_what_exists():
    for row in not_there_yet():
        assert row["step"] in steps()
        if row["parameter"]:
            rules = schema("parameters")["properties"][row["step"]]["properties"][row["parameter"]]
            values = ["true", "false"] if rules.get("type") == "boolean" else rules["enum"]
            assert {row["value"], row["instead"]} <= set(values)
        else:
            assert row["instead"] in ("left out", "refused")


# --- parameters from CRDS -----------------------------------------------------------------------------


@pytest.fixture
def settings():
    return Plan({"steps": {"jump": {"edge_size": 7}}}, [A]).settings("jump", A)


def test_crds_comes_between_the_release_and_the_config(settings):
    files = {"pars-jumpstep": {"file": "/c/j.asdf", "parameters": {"edge_size": 9, "rejection_threshold": "5"}}}
    merged, notes = merge_parameters(settings, files, "jump")
    assert merged["edge_size"] == {"value": 7, "source": "config"}
    assert merged["rejection_threshold"] == {"value": 5.0, "source": "pars-jumpstep (j.asdf)"}
    assert merged["sat_expand"] == {"value": 2, "source": "release 1.19"}
    assert notes == []


def test_the_file_of_the_step_wins_over_the_file_of_the_pipeline(settings):
    pipeline = {
        "parameters": {},
        "steps": {"jump": {"sat_expand": 5, "min_sat_area": 6}, "ipc": {"edge_size": 1}},
    }
    files = {"pars-jumpstep": {"parameters": {"sat_expand": 3}}, "pars-detector1pipeline": pipeline}
    merged, _ = merge_parameters(settings, files, "jump")
    assert merged["sat_expand"] == {"value": 3, "source": "pars-jumpstep"}
    assert merged["min_sat_area"] == {"value": 6.0, "source": "pars-detector1pipeline"}


def test_without_files_nothing_changes_but_skip_which_is_no_parameter(settings):
    files = {
        "pars-jumpstep": {"file": None, "parameters": {}, "steps": {}},
        "pars-ipcstep": {"parameters": {"a": 1}},
    }
    for given in ({}, files):
        merged, notes = merge_parameters(settings, given, "jump")
        assert merged == {name: entry for name, entry in settings.items() if name != "skip"}
        assert notes == []


def test_merging_does_not_change_its_input(settings):
    before = {name: dict(entry) for name, entry in settings.items()}
    merge_parameters(settings, {"pars-jumpstep": {"parameters": {"sat_expand": 3}}}, "jump")
    assert settings == before


def test_text_is_read_as_configobj_reads_it(settings):
    values = {"flag_4_neighbors": "False", "min_jump_area": "7.5", "sat_expand": "4"}
    merged, _ = merge_parameters(settings, {"pars-jumpstep": {"parameters": values}}, "jump")
    assert [merged[name]["value"] for name in values] == [False, 7.5, 4]


def test_unknown_names_of_crds_are_listed(settings):
    values = {"save_results": True, "maximum_cores": "half", "sat_expand": 4}
    _, notes = merge_parameters(settings, {"pars-jumpstep": {"parameters": values}}, "jump")
    assert notes == ["pars-jumpstep: without meaning here: maximum_cores, save_results"]


def test_wrong_values_of_crds_are_refused(settings):
    files = {"pars-jumpstep": {"file": "/c/j.asdf", "parameters": {"sat_expand": "many"}}}
    message = r"^pars-jumpstep \(j.asdf\): sat_expand: expected a whole number, found the text 'many'$"
    with pytest.raises(ConfigError, match=message):
        merge_parameters(settings, files, "jump")


def test_a_skip_of_crds_is_reported_and_not_followed(settings):
    files = {"pars-jumpstep": {"parameters": {"skip": "True"}}}
    merged, notes = merge_parameters(settings, files, "jump")
    assert "skip" not in merged
    assert notes == [
        "pars-jumpstep: skip: true is not followed, the plan decides (release 1.19); to follow CRDS, write "
        "steps: {jump: {skip: true}}"
    ]


def test_a_skip_of_crds_that_agrees_is_not_reported(settings):
    assert merge_parameters(settings, {"pars-jumpstep": {"parameters": {"skip": "False"}}}, "jump")[1] == []


def test_a_skip_of_crds_for_a_step_that_is_off_is_reported():
    settings = Plan({}, [A]).settings("charge_migration", A)
    files = {"pars-chargemigrationstep": {"parameters": {"skip": False, "signal_threshold": 21864}}}
    _, notes = merge_parameters(settings, files, "charge_migration")
    assert notes == [
        "pars-chargemigrationstep: skip: false is not followed, the plan decides (release 1.19); to follow "
        "CRDS, write steps: {charge_migration: {skip: false}}"
    ]


def test_a_skip_of_crds_that_could_not_be_followed_comes_without_advice(lacking):
    lacking(("persistence", "", "", "", "left out"))
    settings = Plan({}, [A]).settings("persistence", A)
    _, notes = merge_parameters(settings, {"pars-persistencestep": {"parameters": {"skip": False}}}, "persistence")
    assert notes == ["pars-persistencestep: skip: false is not followed, the plan decides (not there yet)"]


def test_values_of_crds_that_are_not_there_yet_are_replaced_and_said(lacking, settings):
    lacking(("jump", "expand_large_events", "true", "", "false"))
    files = {"pars-jumpstep": {"parameters": {"expand_large_events": "True"}}}
    merged, notes = merge_parameters(settings, files, "jump")
    assert merged["expand_large_events"] == {
        "value": False,
        "source": "pars-jumpstep, where true is not there yet",
    }
    assert notes == ["pars-jumpstep: expand_large_events: true is not there yet; false is used"]


# --- references ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "exposure", "types"),
    [
        ("group_scale", A, []),
        ("dq_init", A, ["mask"]),
        ("saturation", A, ["saturation", "superbias"]),
        ("saturation", B, ["saturation", "superbias"]),
        ("refpix", A, []),
        ("refpix", B, []),
        ("refpix", C, []),
        ("persistence", A, ["trapdensity", "trappars", "persat"]),
        ("emicorr", B, ["emicorr"]),
        ("reset", B, ["reset"]),
        ("dark_current", C, ["dark"]),
        ("jump", A, ["gain", "readnoise"]),
        ("ramp_fit", B, ["gain", "readnoise"]),
        ("gain_scale", A, ["gain"]),
        ("clean_flicker_noise", A, ["gain", "readnoise"]),
    ],
)
def test_reference_types_of_a_step(step, exposure, types):
    assert Plan({}, [A, B, C]).reference_types(step, exposure) == types


@pytest.mark.usefixtures("lacking")
def test_conditional_reference_types():
    steps_ = {"refpix": {"refpix_algorithm": "sirs"}, "clean_flicker_noise": {"apply_flat_field": True}}
    plan = Plan({"steps": steps_}, [A, B, IRS2])
    assert plan.reference_types("refpix", A) == ["sirskernel"]
    assert plan.reference_types("refpix", B) == []
    assert plan.reference_types("refpix", IRS2) == ["refpix", "sirskernel"]
    assert plan.reference_types("clean_flicker_noise", A) == ["flat", "gain", "readnoise"]


def test_merged_parameters_decide_about_reference_types_when_given():
    plan = Plan({}, [A])
    merged, _ = merge_parameters(
        plan.settings("clean_flicker_noise", A),
        {"pars-cleanflickernoisestep": {"parameters": {"apply_flat_field": "True"}}},
        "clean_flicker_noise",
    )
    assert plan.reference_types("clean_flicker_noise", A) == ["gain", "readnoise"]
    assert plan.reference_types("clean_flicker_noise", A, merged) == ["flat", "gain", "readnoise"]


@pytest.mark.usefixtures("lacking")
def test_all_reference_types_of_an_exposure():
    assert Plan({}, [B]).all_reference_types(B) == [
        *("mask", "emicorr", "saturation", "superbias", "reset", "linearity", "dark", "gain", "readnoise"),
        *("pars-detector1pipeline", "pars-groupscalestep", "pars-dqinitstep", "pars-emicorrstep"),
        *("pars-saturationstep", "pars-ipcstep", "pars-refpixstep", "pars-resetstep", "pars-linearitystep"),
        *("pars-darkcurrentstep", "pars-jumpstep", "pars-cleanflickernoisestep", "pars-rampfitstep"),
        "pars-gainscalestep",
    ]


def test_a_skipped_step_needs_no_reference_files():
    plan = Plan({"steps": {"dark_current": {"skip": True}}}, [A])
    assert "dark" not in plan.all_reference_types(A)
    assert "gain" in plan.all_reference_types(A)


@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_every_step_of_a_release_has_a_parameter_type(release):
    found = load_release(release)
    types = {row["step"]: row["type"] for row in found.references if row["type"].startswith("pars-")}
    for cells in found.cells.values():
        for step in cells:
            assert types[step] == f"pars-{step.replace('_', '')}step"
    assert types["all"] == "pars-detector1pipeline"


def test_overrides_of_an_exposure(tmp_path):
    for name in ("a.fits", "b.fits", "c.fits"):
        (tmp_path / name).touch()
    config = {
        "references": {
            B.root: {"dark": "c.fits", "gain": "N/A"},
            "dark": "a.fits",
            "MIRI": {"dark": "b.fits", "mask": "b.fits"},
        }
    }
    plan = Plan(config, [A, B], tmp_path)
    assert plan.overrides(A) == {"dark": "a.fits"}
    assert plan.overrides(B) == {"dark": "c.fits", "mask": "b.fits", "gain": "N/A"}


def test_all_parameter_files_can_be_done_without():
    plan = Plan({"references": {"pars-*": "N/A", "mask": "N/A"}}, [A])
    without = plan.overrides(A)
    assert without.keys() >= {"mask", *plan.parameter_types(A)}
    assert set(without.values()) == {"N/A"}


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"drak": "N/A"}, "config: references: release 1.19 asks for no type 'drak'; did you mean 'dark'?"),
        (
            {"MIRI": {"drak": "N/A"}},
            "config: references: MIRI: release 1.19 asks for no type 'drak'; did you mean 'dark'?",
        ),
        (
            {"dark": "no.fits"},
            "config: references: dark: no file 'no.fits'; correct the path, or write N/A to do without",
        ),
        ({"dark": {"x": "y"}}, "config: references: dark: expected a path, found {'x': 'y'}"),
        ({"MRI": {"dark": "N/A"}}, "config: references: 'MRI' is not known; did you mean 'MIRI'?"),
        (
            {"dark": 3},
            "config: references: dark: expected text or a block of keys that is not empty, found 3",
        ),
    ],
)
def test_overrides_that_do_not_fit_get_one_line(tmp_path, block, line):
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        Plan({"references": block}, [A], tmp_path)


# --- releases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_a_release_knows_every_mode_and_the_defaults_of_its_steps(release):
    found = load_release(release)
    assert set(found.cells) == set(MODES)
    for cells in found.cells.values():
        for step in cells:
            assert set(found.defaults[step]) <= set(schema("parameters")["properties"][step].get("properties", {}))


def test_every_parameter_belongs_to_a_release():
    for step in steps():
        known = set(schema("parameters")["properties"][step].get("properties", {}))
        assert known == {name for release in releases() for name in load_release(release).defaults[step]}


def test_an_unknown_release_is_refused():
    with pytest.raises(ConfigError, match="no release '2.0'; there are 1.19, 3.0"):
        load_release("2.0")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("miri.tsv", "step\tMIRI\njmp\ton\n", "miri.tsv: 'jmp': unknown or repeated step"),
        ("miri.tsv", "step\tMIRI\njump\ton\njump\ton\n", "miri.tsv: 'jump': unknown or repeated step"),
        (
            "miri.tsv",
            "step\tMIRI\njump\tyes\n",
            "miri.tsv line 2: MIRI: expected one of on, off, nothing, found",
        ),
        ("miri.tsv", "step\tMIR\njump\ton\n", "miri.tsv line 2: unknown key 'MIR'"),
        (
            "defaults.yaml",
            "jump: {rejection_treshold: 4.0}\n",
            "defaults.yaml: jump: unknown key 'rejection_treshold'",
        ),
        ("defaults.yaml", "ipc: {}\n", "defaults.yaml: jump is missing"),
        (
            "references.tsv",
            "step\ttype\tinstruments\twhen\njmp\tgain\tall\t\n",
            "references.tsv: 'jmp': unknown step",
        ),
    ],
)
def test_a_damaged_release_is_refused(tmp_path, monkeypatch, name, text, line):
    folder = tmp_path / "9.9"
    folder.mkdir()
    (folder / "near_ir.tsv").write_text("step\tNIRCAM\njump\ton\n")
    (folder / "miri.tsv").write_text("step\tMIRI\njump\ton\n")
    (folder / "defaults.yaml").write_text("jump: {rejection_threshold: 4.0}\n")
    (folder / "references.tsv").write_text("step\ttype\tinstruments\twhen\njump\tgain\tall\t\n")
    monkeypatch.setattr(release_module, "RELEASES", tmp_path)
    monkeypatch.setattr(release_module, "releases", lambda: ["9.9"])
    assert load_release.__wrapped__("9.9").cells["MIRI", False] == {"jump": "on"}
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(line)):
        load_release.__wrapped__("9.9")


# --- persistence, from exposure to exposure -------------------------------------------------------------


@dataclass
class InTime(Exposure):
    detector: str = "NRCA1"
    header: dict = field(default_factory=dict)
    placeholder: bool = False


def at(root, start, *, detector="NRCA1", instrument="NIRCAM", tso=False, **header):
    return InTime(root, instrument, tso, detector=detector, header={"EXPSTART": start, **header})


CHAIN = {"steps": {"persistence": {"chain": True}}}


def links(config, *exposures):
    plan = Plan(config, exposures)
    return {exposure.root: plan.chained_after(exposure) for exposure in exposures}


def test_exposures_are_not_chained_unless_it_is_asked_for():
    assert links({}, at("a", 1.0), at("b", 2.0)) == {"a": None, "b": None}


def test_exposures_of_each_detector_are_chained_in_order_of_time():
    exposures = at("a", 3.0), at("b", 1.0), at("c", 2.0), at("x", 1.5, detector="NRCA2"), at("y", 2.5, detector="NRCA2")
    assert links(CHAIN, *exposures) == {"a": "c", "b": None, "c": "b", "x": None, "y": "x"}


def test_segments_follow_one_another_and_exposures_of_one_time_their_names():
    exposures = (
        at("e-seg010_a", 1.0, INTSTART=30),
        at("e-seg002_a", 1.0, INTSTART=10),
        at("e-seg001_a", 1.0, INTSTART=1),
    )
    expected = {
        "e-seg001_a": None,
        "e-seg002_a": "e-seg001_a",
        "e-seg010_a": "e-seg002_a",
        "z": "e-seg010_a",
        "d": None,
    }
    assert links(CHAIN, *exposures, at("z", 1.0)) == {k: v for k, v in expected.items() if k != "d"}
    assert links(CHAIN, *exposures, at("d", 1.0))["e-seg001_a"] == "d"


def test_the_chain_goes_past_exposures_without_the_step():
    config = {"steps": {"persistence": {"chain": True}, "b": {"persistence": {"skip": True}}}}
    exposures = at("a", 1.0), at("b", 2.0), at("t", 2.5, tso=True), at("c", 3.0)
    assert links(config, *exposures) == {"a": None, "b": None, "t": None, "c": "a"}
    nirspec = [at(name, start, detector="NRS1", instrument="NIRSPEC") for name, start in (("a", 1.0), ("b", 2.0))]
    assert links(CHAIN, *nirspec) == {"a": None, "b": None}


def test_windows_of_release_3_are_chained_where_the_step_is_turned_on():
    config = {"release": "3.0", "steps": {"persistence": {"chain": True, "skip": False, "persistence_time": 60}}}
    miri = [at(name, start, detector="MIRIMAGE", instrument="MIRI") for name, start in (("a", 1.0), ("b", 2.0))]
    assert links(config, *miri) == {"a": None, "b": "a"}


def test_a_chain_needs_start_times_and_one_algorithm():
    with pytest.raises(ConfigError, match="b: no EXPSTART, by which persistence is chained"):
        links(CHAIN, at("a", 1.0), at("b", None))
    config = {"steps": {"persistence": {"chain": True}, "b": {"persistence": {"algorithm": "window"}}}}
    with pytest.raises(ConfigError, match=r"NRCA1 have different algorithms \(traps, window\)"):
        links(config, at("a", 1.0), at("b", 2.0))
