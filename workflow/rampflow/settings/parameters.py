"""The parameters of a step, with the source of each: the release, CRDS's parameter files, or the user."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rampflow.settings.configuration import (
    BOOLEANS,
    ConfigError,
    number_of,
    schema,
    schema_problems,
    types_of,
    word,
)

#: CRDS type of the file that has parameters for all steps.
PIPELINE = "pars-detector1pipeline"

Settings = dict[str, dict[str, Any]]  #: name to {"value": ..., "source": ...}


def merge_parameters(settings: Settings, crds_parameters: Mapping[str, Any], step: str) -> tuple[Settings, list[str]]:
    """Slide what CRDS gives in between a release's defaults and the user's configuration.

    The file of the step wins over what the file of the pipeline says about the step. Text is read as
    configobj, which jwst uses, reads it: ``'False'`` for a switch is false, ``'5.0'`` for a number is 5.

    Parameters
    ----------
    settings : dict
        `Plan.settings` of the step.
    crds_parameters : dict
        CRDS type (``pars-jumpstep``, ``pars-detector1pipeline``) to what its file holds: ``parameters``
        {name: value}; for the pipeline also ``steps`` {step: {name: value}}; ``file``, if there, names the
        source. Files of other steps are passed over.
    step : str
        Name of the step.

    Returns
    -------
    parameters : dict
        name to ``{"value": ..., "source": ...}``; without ``skip``, which is no parameter of the step's
        function: whether a step runs is settled by the plan.
    notes : list of str
        One line each: names in CRDS's files that mean nothing here; a ``skip`` that disagrees with the plan.

    Raises
    ------
    ConfigError
        If a value in a file of CRDS is of the wrong type.
    """
    own, known = parameter_type(step), schema("parameters")["properties"][step].get("properties", {})
    merged, notes, skip = {name: entry for name, entry in settings.items() if name != "skip"}, [], None
    for kind in (PIPELINE, own):
        tree = crds_parameters.get(kind) or {}
        source = kind + (f" ({Path(tree['file']).name})" if tree.get("file") else "")
        given = (tree.get("steps") or {}).get(step) if kind == PIPELINE else tree.get("parameters")
        ignored = []
        for name, value in (given or {}).items():
            if name == "skip":
                skip = coerced(value, {"type": "boolean"}, f"{source}: skip"), source
            elif name not in merged:
                ignored.append(name)
            elif not settings[name]["source"].startswith("config"):
                value = coerced(value, known[name], f"{source}: {name}")
                merged[name] = {"value": value, "source": source}
        if ignored:
            notes.append(f"{source}: without meaning here: {', '.join(sorted(ignored))}")
    if skip and skip[0] != settings["skip"]["value"]:
        asked, decides = word(skip[0]), settings["skip"]["source"]
        advice = f"; to follow CRDS, write steps: {{{step}: {{skip: {asked}}}}}"
        note = f"{skip[1]}: skip: {asked} is not followed, the plan decides ({decides})"
        notes.append(note + (advice if decides.startswith("release") else ""))
    return merged, notes


def parameter_type(step: str) -> str:
    """Return the CRDS type of a step's parameter file."""
    return f"pars-{step.replace('_', '')}step"


def coerced(value: Any, rules: Mapping[str, Any], where: str) -> Any:
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
    types = types_of(rules)
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
        elif number_of(text, types) is not None:
            value = number_of(text, types)
    if isinstance(value, list | tuple):
        value = [coerced(part, rules.get("items", {}), where) for part in value]
    problems = schema_problems(value, rules, where)
    if problems:
        raise ConfigError(problems)
    return as_typed(value, rules)


def as_typed(value: Any, rules: Mapping[str, Any]) -> Any:
    """Return a number in the type of its parameter: 5 for 5.0 or the other way round."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = number_of(value, types_of(rules))
        return value if number is None else number
    return value
