"""The parameters of a step, with the source of each: the release, CRDS's parameter files, or the user."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rampflow.settings.configuration import (
    BOOLEANS,
    ConfigError,
    number_of,
    schema,
    schema_problems,
    types_of,
)

#: CRDS type of the file that has parameters for all steps.
PIPELINE = "pars-detector1pipeline"

Settings = dict[str, dict[str, Any]]  #: name to {"value": ..., "source": ...}


def merge_parameters(settings: Settings, pars: Mapping[str, Any], step: str) -> tuple[Settings, list[str]]:
    """Slide what CRDS gives in between a release's defaults and the user's configuration.

    The file of the pipeline wins over the file of the step, as in stpipe. Text is read as configobj, which jwst
    uses, reads it: ``'False'`` for a switch is false, ``'5.0'`` for a number is 5.

    Parameters
    ----------
    settings : dict
        Parameters of the step from release and configuration: name to ``{"value": ..., "source": ...}``. Those whose
        source is a configuration stay as they are.
    pars : mapping
        CRDS type (``pars-jumpstep``, ``pars-detector1pipeline``) to what its file holds: ``parameters``
        {name: value}; for the pipeline also ``steps`` {step: {name: value}}; ``file``, if there, names the
        source. Files of other steps are passed over.
    step : str
        Name of the step.

    Returns
    -------
    parameters : dict
        name to ``{"value": ..., "source": ...}``; without ``skip``, which is no parameter of the step's function
        (`merge_skip`).
    notes : list of str
        One line for each file with names that mean nothing here: those of other releases, or of jwst's own machinery.

    Raises
    ------
    ConfigError
        If a value in a file of CRDS is of the wrong type.
    """
    known = schema("parameters")["properties"][step].get("properties", {})
    merged, notes = {name: entry for name, entry in settings.items() if name != "skip"}, []
    for source, given in _given(pars, step):
        for name, value in given.items():
            if name in merged and not is_users(settings[name]):
                merged[name] = {"value": coerced(value, known[name], f"{source}: {name}"), "source": source}
        if ignored := sorted(str(name) for name in given if name not in merged and name != "skip"):
            notes.append(f"{source}: without meaning here: {', '.join(ignored)}")
    return merged, notes


def merge_skip(entry: dict[str, Any], pars: Mapping[str, Any], step: str) -> dict[str, Any]:
    """Let CRDS say whether a step is skipped, unless the user has said it.

    Parameters
    ----------
    entry : dict
        What release and configuration say: ``{"value": ..., "source": ...}``.
    pars, step
        As `merge_parameters` takes them.

    Returns
    -------
    dict
        ``{"value": ..., "source": ...}``.

    Raises
    ------
    ConfigError
        The value in a file of CRDS is neither true nor false.
    """
    if is_users(entry):
        return entry
    for source, given in _given(pars, step):
        if "skip" in given:
            # To jwst no value at all is as good as false.
            value = given["skip"] is not None and coerced(given["skip"], {"type": "boolean"}, f"{source}: skip")
            entry = {"value": value, "source": source}
    return entry


def is_users(entry: Mapping[str, Any]) -> bool:
    """Return whether the user's configuration has decided."""
    return entry["source"].startswith("config")


def is_crds(entry: Mapping[str, Any]) -> bool:
    """Return whether a parameter file of CRDS has decided."""
    return entry["source"].startswith("pars-")


def _given(pars: Mapping[str, Any], step: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give what each file says about a step, with the name of the source; the later wins."""
    for kind in (parameter_type(step), PIPELINE):
        tree = pars.get(kind) or {}
        given = (tree.get("steps") or {}).get(step) if kind == PIPELINE else tree.get("parameters")
        if given:
            yield kind + (f" ({os.path.basename(tree['file'])})" if tree.get("file") else ""), given


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
    if isinstance(value, bool) and "boolean" in types:
        return value  # most of what there is; a schema takes a hundred times as long to say so
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
