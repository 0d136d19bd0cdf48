"""Checks of what the configuration says about steps, parameters and references, selector by selector."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rampflow.planning.selectors import Layer
from rampflow.settings.configuration import schema, schema_problems, steps, suggestion
from rampflow.settings.parameters import as_typed
from rampflow.settings.release import Release

#: In ``references`` of the configuration: all of CRDS's parameter files, of which one can only do without.
PARAMETER_FILES = "pars-*"


def checked(layer: Layer, release: Release, problems: list[str]) -> Layer:
    """Check what a layer says about steps, and give numbers their type."""
    where = f"config: steps{f': {layer.selector}' if layer.selector else ''}"
    content: dict[str, Any] = {}
    for step, given in layer.content.items():
        if step not in steps():
            problems.append(f"{where}: no step {step!r}{suggestion(step, steps())}")
        elif not isinstance(given, dict):
            problems.append(f"{where}: {step}: expected a block of parameters, found {given!r}")
        else:
            place = f"{where}: {step}"
            content[step] = {}
            for name, value in given.items():
                known = len(problems)
                value = _value(release, step, name, value, place, problems)
                if len(problems) == known:
                    content[step][name] = value
    return replace(layer, content=content)


def _value(release: Release, step: str, name: str, value: Any, where: str, problems: list[str]) -> Any:
    rules, place = schema("parameters"), f"{where}: {name}"
    known = release.defaults[step]
    if name == "skip":
        problems += schema_problems(value, {"type": "boolean"}, place)
    elif name in known:
        part = rules["properties"][step]["properties"][name]
        problems += schema_problems(value, part, place)
        value = as_typed(value, part)
    elif name in rules["elsewhere"]:
        problems.append(f"{place}: not a parameter here: {rules['elsewhere'][name]}")
    elif str(name).startswith("override_"):
        kind = name.removeprefix("override_")
        problems.append(f"{place}: not a parameter here: give the file as references: {{{kind}: path}}")
    else:
        has = f"; {step} has {', '.join(['skip', *known])}"
        advice = suggestion(name, ["skip", *known]) or has
        problems.append(f"{place}: no such parameter in release {release.name}{advice}")
    return value


def reference_problems(layer: Layer, release: Release, directory: Path) -> Iterator[str]:
    """Check what a layer says about reference files; give a line for each problem."""
    where = f"config: references{f': {layer.selector}' if layer.selector else ''}"
    types = {row["type"] for row in release.references}
    for kind, path in layer.content.items():
        if kind == PARAMETER_FILES and path == "N/A":
            continue
        if kind not in types:
            yield f"{where}: release {release.name} asks for no type {kind!r}{suggestion(kind, types)}"
        elif not isinstance(path, str):
            yield f"{where}: {kind}: expected a path, found {path!r}"
        elif path != "N/A" and not (directory / path).is_file():
            yield f"{where}: {kind}: no file {path!r}; correct the path, or write N/A to do without"
