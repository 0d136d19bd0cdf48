"""The configuration: what fits passes with its defaults, what does not fit gets one clear line."""

import re

import pytest

from rampflow.settings.configuration import (
    ConfigError,
    check_config,
    schema,
    schema_problems,
    steps,
    suggestion,
)


def test_empty_config_gets_every_key():
    assert check_config({}) == {
        "release": "1.19",
        "exposures": "data/*_uncal.fits",
        "storage": {"endpoint_url": None, "region": None, "anonymous": None, "timeout": 60},
        "instrument": None,
        "tso": None,
        "skip_bad": False,
        "results": "results",
        "crds": {"path": None, "context": None, "server": None, "offline": False, "pars": True},
        "lock": None,
        "references": {},
        "steps": {},
        "variants": {},
        "masks": {"files": None, "python": None},
        "save_calibrated_ramp": False,
        "keep": "all",
        "scratch": None,
        "checksums": "final",
        "cluster_job": "exposure",
        "portion": 500,
    }


def test_config_is_not_changed():
    config = {"crds": {"context": "jwst_1322.pmap"}}
    assert check_config(config)["crds"]["offline"] is False
    assert config == {"crds": {"context": "jwst_1322.pmap"}}


def test_defaults_are_not_shared_between_configs():
    check_config({})["steps"]["jump"] = {}
    assert check_config({})["steps"] == {}


def test_checking_twice_changes_nothing():
    config = check_config({"tso": True, "keep": ["jump"]})
    assert check_config(config) == config


@pytest.mark.parametrize("name", ["1.19", "3.0"])
def test_release_may_arrive_as_the_number_that_the_command_line_makes_of_it(name):
    assert check_config({"release": float(name)})["release"] == name


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"exposure": "x"}, "config: unknown key 'exposure'; did you mean 'exposures'?"),
        ({"crds": {"contxt": "x"}}, "config: crds: unknown key 'contxt'; did you mean 'context'?"),
        ({"crds": {"zz": 1}}, "config: crds: unknown key 'zz'; known are path, context, server, offline, pars"),
        ({"release": "1.20"}, "config: release: no release '1.20'; there are 1.19, 3.0"),
        (
            {"tso": "true"},
            "config: tso: expected true or false or null, found the text 'true'; write true without quotes, "
            "or --config tso=True",
        ),
        (
            {"tso": "null"},
            "config: tso: expected true or false or null, found the text 'null'; write null without quotes "
            "in a file; the command line cannot say it",
        ),
        (
            {"crds": {"offline": "no"}},
            "config: crds: offline: expected true or false, found the text 'no'; write false without quotes",
        ),
        (
            {"instrument": "nircam"},
            "config: instrument: expected one of FGS, MIRI, NIRCAM, NIRISS, NIRSPEC, null, found the text "
            "'nircam'; did you mean 'NIRCAM'?",
        ),
        ({"exposures": 5}, "config: exposures: expected text or a list that is not empty, found 5"),
        ({"crds": None}, "config: crds: expected a block of keys, found null"),
        ({"steps": {"jump": None}}, "config: steps: jump: expected a block of keys, found null"),
        ({"keep": "some"}, "config: keep: expected one of all, none or a list, found the text 'some'"),
        ({"keep": ["jmp"]}, "config: keep: no step 'jmp'; did you mean 'jump'?"),
    ],
)
def test_what_does_not_fit_gets_one_line(config, line):
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        check_config(config)


def test_every_problem_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        check_config({"exposure": "x", "tso": 3, "skip_bad": "yes"})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("name", ["config", "exposures", "steps", "references", "release"])
def test_every_key_of_a_schema_is_described_and_no_other_is_allowed(name):
    def check(rules):
        assert rules["additionalProperties"] is False
        for part in rules["properties"].values():
            assert part["description"]
            if "properties" in part:
                check(part)

    check(schema(name))


def test_every_parameter_is_described_and_has_a_type():
    for step in steps():
        for name, rules in schema("parameters")["properties"][step].get("properties", {}).items():
            assert rules["description"], name
            assert "type" in rules or "enum" in rules, name
            assert schema_problems(rules["default"], rules, name) == []


def test_numbers_as_text_are_refused_with_the_number():
    problems = schema_problems("4e3", {"type": "number"}, "x")
    assert problems == ["x: expected a number, found the text '4e3'; write it as a plain number: 4000.0"]


def test_suggestion_ignores_case_and_keeps_silent_about_strangers():
    assert suggestion("MASK", ["mask", "dark"]) == "; did you mean 'mask'?"
    assert suggestion("xyz", ["mask", "dark"]) == ""
