"""The plan: chains of every mode and release, parameters with their sources, references, and clear "
"refusals."""

import re
from dataclasses import dataclass, field

import pytest

from rampflow.planning.plan import Plan
from rampflow.settings.configuration import ConfigError, steps
from rampflow.settings.release import load_release

MODES = [(name, tso) for name in ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC") for tso in (False, True)]


@dataclass
class Exposure:
    root: str
    instrument: str
    tso: bool = False
    kinds: frozenset[str] = frozenset()
    superstripes: int = 0


A = Exposure("jw00001001001_02101_00001_nrca1", "NIRCAM")
B = Exposure("jw00002001001_02101_00001_mirimage", "MIRI", tso=True)
C = Exposure("jw00003001001_02101_00001_nrs1", "NIRSPEC")
IRS2 = Exposure("jw00004001001_02101_00001_nrs2", "NIRSPEC", kinds=frozenset({"irs2"}))

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


# --- chains -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["1.19", "3.0"])
@pytest.mark.parametrize("mode", MODES)
def test_golden_chain(release, mode):
    plan = Plan({"release": release}, [Exposure("e", *mode)])
    assert plan.chain("e") == GOLDEN[release][mode]
    assert plan.steps == GOLDEN[release][mode]
    assert plan.notices == []


@pytest.mark.parametrize("release", ["1.19", "3.0"])
@pytest.mark.parametrize("mode", MODES)
def test_golden_chain_with_every_step_turned_on(release, mode):
    turned_on = {step: {"skip": False} for step in EVERYTHING[release][mode]}
    plan = Plan({"release": release, "steps": turned_on}, [Exposure("e", *mode)])
    assert plan.chain("e") == EVERYTHING[release][mode]
    assert plan.eligible("e") == EVERYTHING[release][mode]


@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_no_mode_takes_a_step_that_it_does_not_have(release):
    for mode in MODES:
        for step in set(steps()) - set(EVERYTHING[release][mode]):
            name = f"{mode[0]} {'tso' if mode[1] else 'plain'}"
            with pytest.raises(ConfigError, match=f"{step}: skip: false: {name} has no {step} in release {release}"):
                Plan({"release": release, "steps": {step: {"skip": False}}}, [Exposure("e", *mode)])


def test_previous_and_final_follow_the_chain():
    plan = Plan({}, [A, B])
    assert plan.expected(A).previous("group_scale") is None
    assert plan.expected(A).previous("superbias") == "saturation"
    assert plan.expected(A.root).previous("dark_current") == "persistence"
    assert plan.expected(B).previous("refpix") == "dark_current"
    assert plan.expected(A).final == "gain_scale"


def test_previous_of_a_step_that_the_instrument_does_not_have_is_an_error():
    with pytest.raises(KeyError, match="superbias"):
        Plan({}, [B]).expected(B).previous("superbias")


def test_unknown_exposure_is_an_error_with_the_nearest_name():
    with pytest.raises(KeyError, match=f"did you mean '{A.root}'"):
        Plan({}, [A]).chain(A.root + "x")


def test_instruments_side_by_side_keep_their_own_chains():
    plan = Plan({}, [A, B, C])
    for exposure in (A, B, C):
        assert plan.chain(exposure) == GOLDEN["1.19"][exposure.instrument, exposure.tso]
    assert sorted(plan.steps) == sorted({step for e in (A, B, C) for step in plan.chain(e)})


def test_skip_removes_a_step_and_adds_one():
    plan = Plan({"steps": {"jump": {"skip": True}, "ipc": {"skip": False}}}, [A])
    assert "jump" not in plan.steps
    assert plan.expected(A).previous("superbias") == "ipc"
    assert plan.expected(A).previous("ramp_fit") == "dark_current"


def test_skip_of_a_step_that_the_mode_does_not_have_is_no_error():
    assert "rscd" not in Plan({"steps": {"rscd": {"skip": True}}}, [A, B]).steps


def test_without_ramp_fit_there_is_nothing_to_scale():
    plan = Plan({"steps": {"ramp_fit": {"skip": True}}}, [A])
    assert plan.expected(A).final == "jump"
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
    line = "config: steps: charge_migration: parameters without effect: it does not run"
    assert f"{line} unless CRDS turns it on" in plan.notices
    assert line in Plan({**plan.config, "crds": {"pars": False}}, [A]).notices


# --- superstripes ---------------------------------------------------------------------------------------


SUPERSTRIPES = Exposure("jw00005001001_02101_00001_nis", "NIRISS", tso=True, superstripes=10)


def test_superstripes_need_a_release_that_puts_them_together():
    line = f"{SUPERSTRIPES.root}: superstripes are not put together in release 1.19"
    with pytest.raises(ConfigError, match=rf"^{line} \(refpix: collate_superstripes: false\); take the exposure out"):
        Plan({}, [SUPERSTRIPES])
    plan = Plan({}, [A, SUPERSTRIPES])
    assert list(plan.exposures) == [A.root] and plan.steps == plan.chain(A)
    assert list(plan.unusable) == [SUPERSTRIPES.root] and plan.unusable[SUPERSTRIPES.root].startswith(line)
    plan = Plan({"skip_bad": True}, [A, SUPERSTRIPES])
    assert (list(plan.exposures), plan.unusable) == ([A.root], {})
    assert [notice for notice in plan.notices if notice.startswith(f"left out: {line}")]
    assert SUPERSTRIPES.root in Plan({"release": "3.0"}, [SUPERSTRIPES]).exposures
    steps = {"refpix": {"collate_superstripes": True}}
    assert SUPERSTRIPES.root in Plan({"steps": steps}, [SUPERSTRIPES]).exposures


def test_superstripes_need_refpix():
    message = f"^{SUPERSTRIPES.root}: its superstripes are put together by refpix, which must not be skipped; "
    with pytest.raises(ConfigError, match=message):
        Plan({"release": "3.0", "steps": {"refpix": {"skip": True}}}, [SUPERSTRIPES])
    Plan({"release": "3.0", "steps": {"refpix": {"skip": True}}}, [A])


# --- exposures that cannot be used ------------------------------------------------------------------------


def test_what_persistence_chains_to_an_exposure_that_cannot_be_used_is_given_up_with_it():
    chained, single = at("a", 1.0), at("b", 2.0)
    config = {"steps": {"a": {"persistence": {"chain": True}}}}
    unusable = {"cut": "cut_uncal.fits: truncated"}
    plan = Plan(config, [chained, single], others=["cut"], unusable=unusable)
    assert list(plan.exposures) == ["b"]
    assert plan.unusable == unusable | {
        "a": "a: persistence is chained, and what cut leaves is not known; mend that, or set skip_bad: true"
    }
    with pytest.raises(ConfigError, match="^a: persistence is chained"):
        Plan(config, [chained], others=["cut"], unusable=unusable)
    assert list(Plan({}, [chained, single], unusable=unusable).exposures) == ["a", "b"]


def test_exposures_are_given_up_unless_none_would_be_left():
    plan = Plan({}, [A, B])
    assert plan.give_up({A.root: "no place"}) == [] and plan.unusable == {A.root: f"{A.root}: no place"}
    assert plan.give_up({B.root: "no place"}) == [f"{B.root}: no place"]
    with pytest.raises(KeyError, match="cannot be used: .*no place"):
        plan.chain(A)


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


def test_conditional_reference_types():
    steps_ = {"refpix": {"refpix_algorithm": "sirs"}, "clean_flicker_noise": {"apply_flat_field": True}}
    plan = Plan({"steps": steps_}, [A, B, IRS2])
    assert plan.reference_types("refpix", A) == ["sirskernel"]
    assert plan.reference_types("refpix", B) == []
    assert plan.reference_types("refpix", IRS2) == ["refpix", "sirskernel"]
    assert plan.reference_types("clean_flicker_noise", A) == ["flat", "gain", "readnoise"]


def test_crds_decides_about_reference_types_too():
    plan = Plan({}, [A])
    pars = {"pars-cleanflickernoisestep": {"parameters": {"apply_flat_field": "True", "skip": "False"}}}
    assert plan.reference_types("clean_flicker_noise", A) == ["gain", "readnoise"]
    assert plan.reference_types("clean_flicker_noise", A, plan.settle(A, pars)) == ["flat", "gain", "readnoise"]


def test_parameter_types_are_those_of_every_step_that_there_could_be():
    assert Plan({}, [B]).parameter_types(B) == [
        *("pars-detector1pipeline", "pars-groupscalestep", "pars-dqinitstep", "pars-emicorrstep"),
        *("pars-saturationstep", "pars-ipcstep", "pars-refpixstep", "pars-firstframestep", "pars-lastframestep"),
        *("pars-resetstep", "pars-linearitystep", "pars-rscdstep", "pars-darkcurrentstep"),
        *("pars-chargemigrationstep", "pars-jumpstep", "pars-cleanflickernoisestep", "pars-rampfitstep"),
        "pars-gainscalestep",
    ]
    assert Plan({"crds": {"pars": False}}, [B]).parameter_types(B) == []


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
    found = plan.links(plan.expected)
    return {exposure.root: found.get(exposure.root) for exposure in exposures}


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
