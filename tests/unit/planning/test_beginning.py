"""What can be known before anything runs is said in one pass."""

import pytest
from fuzz.fits_bytes import uncal

from rampflow.planning.beginning import prepare, usable
from rampflow.settings.configuration import ConfigError, check_config, steps


def exposures(folder, *broken):
    """One good exposure, and others that are cut."""
    (folder / "data").mkdir()
    (folder / "data" / "good_uncal.fits").write_bytes(uncal())
    for name in broken:
        (folder / "data" / f"{name}_uncal.fits").write_bytes(uncal()[:-2880])


def problems(config, folder):
    with pytest.raises(ConfigError) as caught:
        prepare(config, folder)
    return caught.value.problems


def test_every_problem_is_said_whatever_the_others_are(tmp_path):
    exposures(tmp_path, "cut")
    (tmp_path / "out").write_text("a file in the way")
    config = {
        "exposure": "data/*.fits",
        "keep": ["jumps"],
        "skip_bad": "maybe",
        "results": "out",
        "crds": {"context": "hst_0001.pmap", "path": 5, "ofline": True},
        "references": {"dark": "nowhere.fits", "gain": 3, "MIRI": {"reset": "none.fits"}, "darks": "N/A"},
        "steps": {
            "jump": {"rejection_treshold": 4},
            "dq_init": {"user_supplied_dq": "none.fits"},
            "ramp_fit": 7,
            "linearity": {"skip": "perhaps"},
            "dark_curent": {"skip": True},
        },
    }
    said = problems(config, tmp_path)
    expected = [
        "unknown key 'exposure'",
        "keep: no step 'jumps'",
        "skip_bad: expected true or false",
        "crds: unknown key 'ofline'",
        "crds: path: expected text",
        "references: gain: expected",
        "steps: ramp_fit: expected",
        "cut_uncal.fits: truncated",
        "'dark_curent' is not known; did you mean 'dark_current'?",
        "references: release 1.19 asks for no type 'darks'; did you mean 'dark'?",
        "jump: rejection_treshold: no such parameter",
        "linearity: skip: expected true or false",
        "references: dark: no file 'nowhere.fits'",
        "references: MIRI: reset: no file 'none.fits'",
        "out: not a folder",
        "dq_init: user_supplied_dq: no file 'none.fits'",
    ]
    for words in expected:
        assert sum(words in line for line in said) == 1, (words, said)
    assert not [line for line in said if not any(words in line for words in expected)]


def test_a_wrong_value_does_not_hide_what_the_others_lead_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "e_uncal.fits").write_bytes(uncal())
    off = {step: {"skip": True} for step in steps() if step not in ("jump", "persistence")}
    config = {"steps": off | {"jump": {"skip": True, "rejection_threshold": [4]}, "persistence": {"skip": True}}}
    said = problems(config, tmp_path)
    assert len(said) == 2
    assert (
        "rejection_threshold: expected a number" in said[0] and said[1] == "config: steps: every step of e is skipped"
    )
    config["steps"]["persistence"] = {"skip": False, "chain": True, "algorithm": ["traps"]}
    said = problems(config, tmp_path)
    assert len(said) == 3 and "algorithm: expected one of" in said[1] and "e: no EXPSTART" in said[2]


def test_a_context_of_another_observatory_does_not_hide_the_rest(tmp_path):
    exposures(tmp_path)
    said = problems({"crds": {"context": "hst_1.pmap"}, "steps": {"jumb": {}}}, tmp_path)
    assert len(said) == 2 and "not a JWST context" in said[0] and "did you mean 'jump'" in said[1]


def test_where_exposures_cannot_be_found_nothing_is_said_of_those_of_the_default(tmp_path):
    said = problems({"exposures": 5, "results": "a{b}"}, tmp_path)
    assert [line.split(":")[1] for line in said] == [" exposures", " results"]


def test_an_unknown_release_hides_only_what_depends_on_it(tmp_path):
    exposures(tmp_path, "cut")
    said = problems({"release": "9.9", "steps": {"jumb": {}}}, tmp_path)
    assert any("no release '9.9'" in line for line in said) and any("truncated" in line for line in said)
    assert not any("jumb" in line for line in said)


def test_the_configuration_may_speak_of_exposures_that_cannot_be_used(tmp_path):
    exposures(tmp_path, "cut")
    config = {"steps": {"cut": {"jump": {"skip": True}}}, "references": {"cut": {"dark": "N/A"}}}
    _, plan, notices = prepare(config, tmp_path)
    assert list(plan.exposures) == ["good"] and list(plan.unusable) == ["cut"]
    assert plan.unusable["cut"].startswith("data/cut_uncal.fits: truncated")
    _, left_out, notices = prepare(config | {"skip_bad": True}, tmp_path)
    assert list(left_out.exposures) == ["good"] and left_out.unusable == {}
    assert f"left out: {plan.unusable['cut']}" in notices
    assert any("cut: matches no exposure of this run" in line for line in notices)


def test_when_no_exposure_can_be_used_the_run_is_refused_with_a_line_for_each(tmp_path):
    exposures(tmp_path, "cut")
    (tmp_path / "data/good_uncal.fits").write_bytes(uncal(EXP_TYPE="FGS_TRACK"))
    for skip_bad in (False, True):
        said = problems({"skip_bad": skip_bad}, tmp_path)
        assert [line.split(": ")[0] for line in said] == ["data/cut_uncal.fits", "data/good_uncal.fits"]


def test_what_can_be_used_of_a_configuration_that_cannot():
    given = {"crds": {"path": "crds", "context": 5}, "results": 5, "keep": "none", "steps": {"jump": 5, "ipc": {}}}
    config, said, wrong = usable(given)
    default = check_config({})
    assert config == default | {"crds": default["crds"] | {"path": "crds"}, "keep": "none", "steps": {"ipc": {}}}
    assert len(said) == 3 and wrong == {"crds", "results", "steps"}


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ("out{exposure}", "config: results: 'out{exposure}': braces are wildcards of Snakemake; choose another name"),
        ("file", "file: not a folder; correct the key results of the configuration"),
        ("file/", "file: not a folder; correct the key results of the configuration"),
        ("file/in/it", "{0}/file: not a folder; correct the key results of the configuration"),
        ("link", "link: a link to what is not there; correct the key results of the configuration"),
    ],
)
def test_results_that_cannot_be_a_folder(tmp_path, results, says):
    exposures(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    assert problems({"results": results}, tmp_path) == [says.replace("{0}", str(tmp_path))]
