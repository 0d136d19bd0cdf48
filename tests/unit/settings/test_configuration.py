"""Configuration and tables: what fits passes with its defaults, what does not fit gets one clear line."""

import re
from pathlib import Path

import pytest
import yaml

from rampflow.planning.exposures import placeholder
from rampflow.planning.plan import Plan
from rampflow.settings.configuration import (
    ConfigError,
    as_typed,
    check_config,
    coerced,
    read_table,
    schema,
    schema_problems,
    steps,
    suggestion,
    word,
)
from rampflow.settings.release import load_release


def test_empty_config_gets_every_key():
    assert check_config({}) == {
        "release": "1.19",
        "exposures": "data/*_uncal.fits",
        "instrument": None,
        "tso": None,
        "skip_bad": False,
        "results": "results",
        "crds": {"path": None, "context": None, "server": None, "offline": False},
        "references": {},
        "steps": {},
        "save_calibrated_ramp": False,
        "keep": "all",
        "checksums": "final",
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
        ({"crds": {"zz": 1}}, "config: crds: unknown key 'zz'; known are path, context, server, offline"),
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


@pytest.mark.parametrize("name", ["config", "exposures", "steps", "references", "not_there_yet"])
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


def test_numbers_as_text_are_refused_with_the_number():
    problems = schema_problems("4e3", {"type": "number"}, "x")
    assert problems == ["x: expected a number, found the text '4e3'; write it as a plain number: 4000.0"]


def test_suggestion_ignores_case_and_keeps_silent_about_strangers():
    assert suggestion("MASK", ["mask", "dark"]) == "; did you mean 'mask'?"
    assert suggestion("xyz", ["mask", "dark"]) == ""


@pytest.mark.parametrize(
    ("value", "rules", "result"),
    [
        ("False", {"type": "boolean"}, False),
        ("yes", {"type": "boolean"}, True),
        (0, {"type": "boolean"}, False),
        ("5.0", {"type": "number"}, 5.0),
        (5, {"type": "number"}, 5.0),
        ("25", {"type": "integer"}, 25),
        (25.0, {"type": "integer"}, 25),
        ("None", {"type": ["integer", "null"]}, None),
        ("None", {"enum": ["median", None]}, None),
        ("median", {"enum": ["median", None]}, "median"),
        ("10.5, 390", {"type": ["array", "null"], "items": {"type": "number"}}, [10.5, 390.0]),
        ("", {"type": "string"}, ""),
    ],
)
def test_values_of_crds_are_read_in_the_type_of_the_parameter(value, rules, result):
    read = coerced(value, rules, "pars-x")
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("maybe", {"type": "boolean"}),
        ("5.5", {"type": "integer"}),
        ("x", {"type": "number"}),
        ("a", {"enum": ["b"]}),
    ],
)
def test_values_of_crds_that_cannot_be_read_are_refused(value, rules):
    with pytest.raises(ConfigError, match="^pars-x: p: expected .*, found the text"):
        coerced(value, rules, "pars-x: p")


def test_typed_numbers():
    assert type(as_typed(5, {"type": "number"})) is float
    assert type(as_typed(5.0, {"type": ["integer", "null"]})) is int
    assert as_typed(True, {"type": "boolean"}) is True


ROW = {
    "properties": {"a": {"type": "string"}, "b": {"enum": ["x", ""]}},
    "additionalProperties": False,
    "required": ["a"],
}


@pytest.mark.parametrize(("name", "separator"), [("t.tsv", "\t"), ("t.csv", ",")])
def test_table_cells_are_stripped_and_empty_lines_passed_over(tmp_path, name, separator):
    (tmp_path / name).write_text("a,b\n 1 ,x\n\n2,\n".replace(",", separator))
    assert read_table(tmp_path / name, ROW) == [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]


def test_cells_at_the_end_of_a_row_may_be_cut_off(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb\n1\n")
    assert read_table(tmp_path / "t.tsv", ROW) == [{"a": "1", "b": ""}]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\tb\n1\tx\t2\n", "t line 2: 3 cells under 2 columns"),
        ("a\tb\n1\ty\n", "t line 2: b: expected one of x, nothing, found the text 'y'"),
        ("a\tbb\n1\tx\n", "t line 2: unknown key 'bb'; did you mean 'b'?"),
        ("b\nx\n", "t line 2: a missing"),
        ('a\tb\n"1\tx\n', "t: not a table of text (unexpected end of data)"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line(tmp_path, text, line):
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        read_table(tmp_path / "t.tsv", ROW, name="t")


# --- the manual ---------------------------------------------------------------------------------------

MANUAL = Path(__file__).parents[3] / "config" / "README.md"


def test_the_manual_has_every_key_with_its_default():
    text = MANUAL.read_text()
    for key, rules in schema("config")["properties"].items():
        parts = {f"{key}.{inner}": part for inner, part in rules.get("properties", {}).items()} or {key: rules}
        for name, part in parts.items():
            shown = f'"{part["default"]}"' if key == "release" else word(part["default"])
            assert f"| `{name}` | `{shown}` |" in text


def test_the_manual_has_every_parameter_with_its_defaults():
    found = re.findall(r"^\| (\w+) \| (\w+) \| (\S+|`\[.*?\]`) \| (\S+) \|", MANUAL.read_text(), flags=re.MULTILINE)
    manual = {(step, name): values for step, name, *values in found if step in steps()}
    expected = {}
    for step in steps():
        for name in schema("parameters")["properties"][step].get("properties", {}):
            values = [load_release(release).defaults[step].get(name, "–") for release in ("1.19", "3.0")]
            shown = [value if value == "–" else f"`{word(value)}`" for value in values]
            expected[step, name] = ['`""`' if value == "``" else value for value in shown]
    assert manual == expected


def test_the_examples_of_the_manual_are_valid(tmp_path):
    (tmp_path / "my").mkdir()
    for name in ("dark.fits", "mask.fits"):
        (tmp_path / "my" / name).touch()
    modes = [placeholder("NIRISS", False), placeholder("MIRI", True)]
    examples = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), flags=re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        Plan(yaml.safe_load(example), modes, tmp_path)
