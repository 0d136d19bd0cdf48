"""What the configuration says of steps and references, held against what the release has of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rampflow.planning.selectors import Layer, mode_of
from rampflow.settings.configuration import schema, schema_problems, steps, suggestion
from rampflow.settings.parameters import as_typed
from rampflow.settings.release import Release

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure

#: In ``references`` of the configuration: all of CRDS's parameter files, of which one can only do without.
PARAMETER_FILES = "pars-*"


class LayerChecks:
    """Checks of the layers of a configuration.

    Parameters
    ----------
    release : `~rampflow.settings.release.Release`
        The release that the configuration names.
    directory : path-like
        The run's folder, where relative paths start.
    """

    def __init__(self, release: Release, directory: str | Path) -> None:
        self._release, self._directory = release, Path(directory)

    def checked(self, layer: Layer, problems: list[str]) -> Layer:
        """Return a layer of ``steps`` or a variant with what is right in it, numbers in the type of the parameter.

        What is wrong is added to ``problems``, a line each.
        """
        where = layer.place
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
                    value = self._value(step, name, value, place, problems)
                    if len(problems) == known:
                        content[step][name] = value
        return replace(layer, content=content)

    def _value(self, step: str, name: str, value: Any, where: str, problems: list[str]) -> Any:
        rules, place = schema("parameters"), f"{where}: {name}"
        known = self._release.defaults[step]
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
            problems.append(f"{place}: no such parameter in release {self._release.name}{advice}")
        return value

    def reference_problems(self, layer: Layer) -> Iterator[str]:
        """Find types in a layer of ``references`` that the release does not ask for, and files that are not there."""
        where = layer.place
        release, types = self._release.name, self._release.types
        for kind, path in layer.content.items():
            if kind == PARAMETER_FILES and path == "N/A":
                continue
            if kind not in types:
                yield f"{where}: release {release} asks for no type {kind!r}{suggestion(kind, types)}"
            elif not isinstance(path, str):
                yield f"{where}: {kind}: expected a path, found {path!r}"
            elif path != "N/A" and not (self._directory / path).is_file():
                yield f"{where}: {kind}: no file {path!r}; correct the path, or write N/A to do without"

    def skip_problems(self, exposure: "Exposure", cells: Mapping[str, str], layers: Iterable[Layer]) -> Iterator[str]:
        """Find steps that the user turns on for an exposure and that its mode does not have.

        Parameters
        ----------
        exposure : Exposure
            The exposure.
        cells : mapping
            Step to "on" or "off", of the steps that its mode has.
        layers : iterable of Layer
            What the configuration says for it, the more special the later.
        """
        decided: dict[str, tuple[bool, Layer]] = {}
        for layer in layers:
            for step, given in layer.content.items():
                if "skip" in given:
                    decided[step] = given["skip"], layer
        for step, (skip, layer) in decided.items():
            if skip:
                continue
            place = f"{layer.place}: {step}: skip: false"
            if step not in cells:
                has = [mode for (mode, tso) in self._release.cells if step in self._release.cells[mode, tso]]
                others = f"; turn it on under a selector, of {', '.join(sorted(set(has)))}" if has else ""
                yield f"{place}: {mode_of(exposure)} has no {step} in release {self._release.name}{others}"
