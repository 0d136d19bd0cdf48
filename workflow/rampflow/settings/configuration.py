"""The configuration, checked against its schema, and what checks all that people write.

What does not fit is said in one line each: where, what was found, what was expected, what to do. A schema is
never printed.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rampflow.errors import RampflowError
from rampflow.places import WORKFLOW
from rampflow.settings.paths import with_homes

RELEASES = WORKFLOW / "releases"
INSTRUMENTS = ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC")

# configobj's words for booleans: files of parameters in CRDS hold them as text.
BOOLEANS = dict.fromkeys(["true", "on", "1", "yes"], True) | dict.fromkeys(["false", "off", "0", "no"], False)
_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a block of keys",
    "null": "null",
}


# Names of contexts, and the words and dates that crds takes in place of them.
_DATE = r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?)?"
_CONTEXT = re.compile(rf"jwst(_[a-z0-9]+)*\.pmap|jwst-(edit|operational|latest|build|versions)|(jwst-)?{_DATE}")
_EXAMPLE = "jwst_1322.pmap"


class ConfigError(RampflowError, ValueError):
    """The configuration, or a table, asks for what cannot be.

    Parameters
    ----------
    problems : iterable of str
        One line for each problem; repeated ones are said once.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a JSON schema of ``workflow/schemas`` by its name."""
    return read_yaml(WORKFLOW / "schemas" / f"{name}.schema.yaml")


def steps() -> tuple[str, ...]:
    """Return the name of every step, as a tuple."""
    return tuple(schema("parameters")["properties"])


def releases() -> list[str]:
    """Return the names of the releases, sorted."""
    return sorted(path.name for path in RELEASES.iterdir() if path.is_dir())


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file."""
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration against its schema and fill in the defaults.

    Parameters
    ----------
    config : dict
        What the configuration files and the command line say; not changed.

    Returns
    -------
    dict
        A copy that has every key.

    Raises
    ------
    ConfigError
        With a line for each unknown key, wrong type or unknown name. Names and values inside ``steps`` and
        ``references`` depend on the release and the exposures: `rampflow.planning.plan.Plan` checks them.
    """
    checked = deepcopy(dict(config))
    if isinstance(checked.get("release"), float):
        checked["release"] = str(checked["release"])  # `--config release=1.19` can only arrive as a number
    problems = schema_problems(checked, schema("config"), "config")
    if problems:
        raise ConfigError(problems)
    for key, rules in schema("config")["properties"].items():
        checked.setdefault(key, deepcopy(rules["default"]))
        for inner, inner_rules in rules.get("properties", {}).items():
            checked[key].setdefault(inner, inner_rules["default"])
    release = checked["release"]
    if release not in releases():
        problems.append(f"config: release: no release {release!r}; there are {', '.join(releases())}")
    if isinstance(checked["keep"], list):
        unknown = [step for step in checked["keep"] if step not in steps()]
        problems += [f"config: keep: no step {step!r}{suggestion(step, steps())}" for step in unknown]
    context = checked["crds"]["context"]
    if context is not None and not _CONTEXT.fullmatch(context):
        problems.append(f"config: crds: context: {context!r} is not a JWST context; write a name such as {_EXAMPLE}")
    if problems:
        raise ConfigError(problems)
    return with_homes(checked)


def schema_problems(value: object, rules: Mapping[str, Any], where: str | Path) -> list[str]:
    """Compare a value with a JSON schema.

    Parameters
    ----------
    value : object
        What YAML, JSON or a row of a table holds.
    rules : dict
        JSON schema.
    where : str
        What the value is, for the messages: "config", "samples.tsv line 3".

    Returns
    -------
    list of str
        One line for each problem.
    """
    import jsonschema  # here, because it costs 0.1 s and not every import of the plan checks something

    problems = []
    errors = jsonschema.Draft202012Validator(rules).iter_errors(value)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        place = ": ".join([str(where), *(str(part) for part in error.absolute_path)])
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            patterns = [re.compile(pattern) for pattern in error.schema.get("patternProperties", {})]
            for key in error.instance:
                if key not in known and not any(pattern.search(str(key)) for pattern in patterns):
                    advice = suggestion(key, known) or f"; known are {', '.join(known)}"
                    problems.append(f"{place}: unknown key {key!r}{advice}")
        elif error.validator == "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            problems.append(f"{place}: {' and '.join(missing)} missing")
        else:
            found = error.instance
            line = f"{place}: expected {_expected(error.schema)}, found {_shown(found)}"
            key = error.absolute_path[0] if where == "config" and len(error.absolute_path) == 1 else None
            problems.append(line + _hint(found, error.schema, key))
    return list(dict.fromkeys(problems))


def suggestion(name: object, choices: Iterable[object]) -> str:
    """Return "; did you mean 'x'?" for the choice nearest to a name, or nothing."""
    by_lower = {str(choice).lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def word(value: object) -> str:
    """Return a value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def types_of(rules: Mapping[str, Any]) -> list[str]:
    """Return the types that a schema allows; none where it has a list of values."""
    types = rules.get("type", [])
    return [types] if isinstance(types, str) else types


def number_of(value: str | float, types: list[str]) -> float | None:
    """Return a number, or the number in a text, in one of the types: 5 for 5.0 and ``"5"``; None where it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    if "number" in types:
        return number
    return int(number) if "integer" in types and math.isfinite(number) and number == int(number) else None


def _expected(rules: Mapping[str, Any]) -> str:
    if "enum" in rules:
        return "one of " + ", ".join(word(choice) or "nothing" for choice in rules["enum"])
    if "anyOf" in rules:
        return " or ".join(_expected(part) for part in rules["anyOf"])
    text = " or ".join(_WORDS[kind] for kind in types_of(rules))
    for limit, phrase in ("minimum", "of at least"), ("exclusiveMinimum", "above"), ("minItems", "of length"):
        text += f" {phrase} {rules[limit]}" if limit in rules else ""
    text += " that is not empty" if rules.keys() & {"minLength", "minProperties"} else ""
    return text + (f" of the form {rules['pattern']}" if "pattern" in rules else "")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, dict):
        return "a block of keys" if value else "an empty block"
    text = json.dumps(value, default=str)
    return text if len(text) < 60 else f"{text[:57]}..."


def _hint(found: object, rules: Mapping[str, Any], key: object) -> str:
    """Say how to write what came as text: quotes, YAML's 1e5 and the command line make text of anything."""
    # Snakemake reads True on the command line as a switch, true as text, and text inside blocks in any case.
    if not isinstance(found, str):
        return ""
    types = types_of(rules)
    if "boolean" in types and found.lower() in BOOLEANS:
        right = BOOLEANS[found.lower()]
        return f"; write {word(right)} without quotes" + (f", or --config {key}={right}" if key else "")
    if ("null" in types or None in rules.get("enum", [])) and found.lower() in ("null", "none", ""):
        return "; write null without quotes in a file; the command line cannot say it"
    if number_of(found, types) is not None:
        return f"; write it as a plain number: {number_of(found, types)}"
    return suggestion(found, [choice for choice in rules.get("enum", []) if choice])
