"""The configuration and the tables, checked against their schemas.

What does not fit is said in one line each: where, what was found, what was expected, what to do. A schema is
never printed.
"""

import csv
import difflib
import json
import math
import re
from copy import deepcopy
from functools import cache

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

    def __init__(self, problems):
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


@cache
def schema(name):
    """Return a JSON schema of ``workflow/schemas`` by its name."""
    return read_yaml(WORKFLOW / "schemas" / f"{name}.schema.yaml")


def steps():
    """Return the name of every step, as a tuple."""
    return tuple(schema("parameters")["properties"])


def releases():
    """Return the names of the releases, sorted."""
    return sorted(path.name for path in RELEASES.iterdir() if path.is_dir())


def read_yaml(path):
    """Read a YAML file."""
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_table(path, row_schema, name=None):
    """Read a table of text with a header line; tabs, or commas where the name ends in .csv.

    Parameters
    ----------
    path : path-like
        The table.
    row_schema : dict
        JSON schema of a row, a mapping of column to text.
    name : str, optional
        What messages call the table; its path by default.

    Returns
    -------
    list of dict
        The rows, in order; cells without the blanks around them.

    Raises
    ------
    ConfigError
        With a line for each row that does not fit.
    """
    # The csv module and not pandas: tables of twenty lines are not worth 0.4 s at each start of Snakemake.
    name = name or path
    rows, problems = [], []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter="," if str(path).lower().endswith(".csv") else "\t", strict=True)
        try:
            columns = [cell.strip() for cell in next(reader, [])]
            for cells in reader:
                where = f"{name} line {reader.line_num}"
                if not any(cell.strip() for cell in cells):
                    continue
                cells += [""] * (len(columns) - len(cells))  # editors cut off the tabs at the end of a line
                if len(cells) > len(columns):
                    problems.append(f"{where}: {len(cells)} cells under {len(columns)} columns")
                    continue
                rows.append(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
                problems += schema_problems(rows[-1], row_schema, where)
        except (csv.Error, UnicodeDecodeError) as error:
            problems.append(f"{name}: not a table of text ({error})")
    if problems:
        raise ConfigError(problems)
    return rows


def check_config(config):
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
    config = deepcopy(dict(config))
    if isinstance(config.get("release"), float):
        config["release"] = str(config["release"])  # `--config release=1.19` can only arrive as a number
    problems = schema_problems(config, schema("config"), "config")
    if problems:
        raise ConfigError(problems)
    for key, rules in schema("config")["properties"].items():
        config.setdefault(key, deepcopy(rules["default"]))
        for inner, inner_rules in rules.get("properties", {}).items():
            config[key].setdefault(inner, inner_rules["default"])
    release = config["release"]
    if release not in releases():
        problems.append(f"config: release: no release {release!r}; there are {', '.join(releases())}")
    if isinstance(config["keep"], list):
        unknown = [step for step in config["keep"] if step not in steps()]
        problems += [f"config: keep: no step {step!r}{suggestion(step, steps())}" for step in unknown]
    context = config["crds"]["context"]
    if context is not None and not _CONTEXT.fullmatch(context):
        problems.append(f"config: crds: context: {context!r} is not a JWST context; write a name such as {_EXAMPLE}")
    if problems:
        raise ConfigError(problems)
    return with_homes(config)


def schema_problems(value, rules, where):
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


def suggestion(name, choices):
    """Return "; did you mean 'x'?" for the choice nearest to a name, or nothing."""
    by_lower = {str(choice).lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def word(value):
    """Return a value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def coerced(value, rules, where):
    """Read a value of a CRDS file of parameters, where numbers and switches may be text, as configobj does.

    Parameters
    ----------
    value : object
        As the file holds it: ``'False'``, ``'5.0'``, ``5``.
    rules : dict
        JSON schema of the parameter.
    where : str
        For the messages.

    Returns
    -------
    object
        The value in the type of the parameter.

    Raises
    ------
    ConfigError
        If it cannot be read so.
    """
    types = _types(rules)
    if "boolean" in types and value in (0, 1):
        value = bool(value)
    elif isinstance(value, str):
        text = value.strip()
        if text == "None" and ("null" in types or None in rules.get("enum", [])):
            value = None
        elif "boolean" in types:
            value = BOOLEANS.get(text.lower(), value)
        elif "array" in types:
            value = [part for part in re.split(r"[\s,\[\]()]+", text) if part]
        elif _number(text, types) is not None:
            value = _number(text, types)
    if isinstance(value, list | tuple):
        value = [coerced(part, rules.get("items", {}), where) for part in value]
    problems = schema_problems(value, rules, where)
    if problems:
        raise ConfigError(problems)
    return as_typed(value, rules)


def as_typed(value, rules):
    """Return a number in the type of its parameter: 5 for 5.0 or the other way round."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _number(value, _types(rules))
        return value if number is None else number
    return value


def _types(rules):
    types = rules.get("type", [])
    return [types] if isinstance(types, str) else types


def _number(value, types):
    try:
        number = float(value)
    except ValueError:
        return None
    if "number" in types:
        return number
    return int(number) if "integer" in types and math.isfinite(number) and number == int(number) else None


def _expected(rules):
    if "enum" in rules:
        return "one of " + ", ".join(word(choice) or "nothing" for choice in rules["enum"])
    if "anyOf" in rules:
        return " or ".join(_expected(part) for part in rules["anyOf"])
    text = " or ".join(_WORDS[kind] for kind in _types(rules))
    for limit, phrase in ("minimum", "of at least"), ("exclusiveMinimum", "above"), ("minItems", "of length"):
        text += f" {phrase} {rules[limit]}" if limit in rules else ""
    text += " that is not empty" if "minLength" in rules else ""
    return text + (f" of the form {rules['pattern']}" if "pattern" in rules else "")


def _shown(value):
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, dict):
        return "a block of keys" if value else "an empty block"
    text = json.dumps(value, default=str)
    return text if len(text) < 60 else f"{text[:57]}..."


def _hint(found, rules, key):
    """Say how to write what came as text: quotes, YAML's 1e5 and the command line make text of anything."""
    # Snakemake reads True on the command line as a switch, true as text, and text inside blocks in any case.
    if not isinstance(found, str):
        return ""
    types = _types(rules)
    if "boolean" in types and found.lower() in BOOLEANS:
        right = BOOLEANS[found.lower()]
        return f"; write {word(right)} without quotes" + (f", or --config {key}={right}" if key else "")
    if ("null" in types or None in rules.get("enum", [])) and found.lower() in ("null", "none", ""):
        return "; write null without quotes in a file; the command line cannot say it"
    if _number(found, types) is not None:
        return f"; write it as a plain number: {_number(found, types)}"
    return suggestion(found, [choice for choice in rules.get("enum", []) if choice])
