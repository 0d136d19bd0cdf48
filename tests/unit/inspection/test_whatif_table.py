"""Which configuration `rampflow whatif` asks about. What it says of it is held against runs in tests/run."""

import json

import pytest
import yaml

from rampflow.inspection import whatif, whatif_text
from rampflow.settings.configuration import ConfigError

RUN = {
    "started": "2026-01-01T00:00:00Z",
    "outcome": "complete",
    "command": "snakemake",
    "versions": {},
    "host": "here",
    "platform": "x",
    "exposures": {},
    "config": {
        "release": "1.19",
        "results": "results",
        "exposures": "data/*_uncal.fits",
        "keep": "all",
        "crds": {"path": None, "context": None},
        "steps": {"jump": {"skip": True}},
        "references": {},
        "save_calibrated_ramp": False,
    },
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Results of two runs in a folder of their own, which is the current one."""
    home = tmp_path / "home"
    (home / "results/runs").mkdir(parents=True)
    for number, release in enumerate(("3.0", "1.19")):
        run = RUN | {"folder": str(home), "config": RUN["config"] | {"release": release}}
        (home / f"results/runs/20260101T00000{number}Z.json").write_text(json.dumps(run))
    monkeypatch.chdir(home)
    return home / "results"


def test_the_configuration_of_results_is_that_of_their_last_run(results, tmp_path, monkeypatch):
    config, folder = whatif.configuration("results")
    assert config == RUN["config"] and folder.resolve() == results.parent
    # From elsewhere paths start where the run was.
    monkeypatch.chdir(tmp_path)
    config, folder = whatif.configuration(results)
    assert config == RUN["config"] and folder == results.parent


def test_results_that_lie_elsewhere_are_where_they_are_said_to_be(results, tmp_path):
    moved = tmp_path / "moved"
    results.rename(moved)
    config, folder = whatif.configuration(moved)
    assert config["results"] == str(moved) and folder == results.parent


def test_keys_are_set_as_yaml_has_them(results):
    settings = ["steps.jump.skip=false", "steps.MIRI tso.ipc={skip: false}", "keep=[jump]", 'release="3.0"', "lock=a=b"]
    config, _ = whatif.configuration(results, settings=settings)
    assert config["steps"] == {"jump": {"skip": False}, "MIRI tso": {"ipc": {"skip": False}}}
    assert (config["keep"], config["release"], config["lock"]) == (["jump"], "3.0", "a=b")


def test_another_configuration_is_asked_about_for_these_results(results):
    other = results.parent / "other.yaml"
    other.write_text(yaml.safe_dump({"results": "new", "release": "3.0"}))
    config, folder = whatif.configuration("results", "other.yaml")
    assert config == {"results": str(results), "release": "3.0"} and str(folder) == "."
    assert whatif.configuration("other.yaml")[0] == {"results": "new", "release": "3.0"}
    with pytest.raises(ConfigError, match="--config is for a folder of results"):
        whatif.configuration("other.yaml", "other.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [("[1, 2]", "expected keys and values"), ("a: [", "not a configuration"), (b"\xff\xfe\x00", "not a configuration")],
)
def test_what_is_no_configuration_is_a_line(results, content, said):
    path = results.parent / "other.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=said) as problem:
        whatif.configuration(path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("setting", ["keep", "=1", "steps..skip=1", "steps.jump=[", ".keep=1"])
def test_what_is_no_setting_is_a_line(results, setting):
    with pytest.raises(ConfigError, match="expected KEY=VALUE|is not a value in YAML"):
        whatif.configuration(results, settings=[setting])


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_results_without_the_record_of_a_run_need_a_configuration(tmp_path, content):
    (tmp_path / "runs").mkdir()
    if content is not None:
        (tmp_path / "runs/20260101T000000Z.json").write_text(content)
    with pytest.raises(ConfigError, match="with --config"):
        whatif.configuration(tmp_path)


def test_times_are_said_as_people_say_them():
    assert [whatif_text._time(seconds) for seconds in (0.0, 59.94, 90.0, 3600.0, 9000.0)] == [
        "0.0 s", "59.9 s", "1.5 min", "1 h 00 min", "2 h 30 min",
    ]  # fmt: skip
