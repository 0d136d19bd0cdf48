"""The plan of a run: which steps each exposure passes through, in which order, with which parameters.

A calibration release is data (``workflow/releases``): step tables, parameter defaults, and the CRDS types of
each step. The plan joins it with the configuration and with what each exposure is. It knows neither FITS nor
CRDS nor Snakemake; of an exposure it needs ``root``, ``instrument``, ``tso`` and ``irs2``
(`rampflow.planning.exposures.Exposure`).
"""

import fnmatch
import re
from dataclasses import dataclass, replace
from pathlib import Path

from rampflow.settings.configuration import (
    INSTRUMENTS,
    ConfigError,
    as_typed,
    check_config,
    coerced,
    schema,
    schema_problems,
    steps,
    suggestion,
    word,
)
from rampflow.settings.release import is_missing, load_release, not_there_yet, stand_in

_MODE = re.compile(rf"({'|'.join(INSTRUMENTS)})(?: (plain|tso))?")
_PIPELINE = "pars-detector1pipeline"


def merge_parameters(settings, crds_parameters, step):
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
        One line each: names in CRDS's files that mean nothing here; a ``skip`` that disagrees with the plan;
        values that are not there yet and were replaced.

    Raises
    ------
    ConfigError
        If a value in a file of CRDS is of the wrong type.
    """
    own, known = _parameter_type(step), schema("parameters")["properties"][step].get("properties", {})
    merged, notes, skip = {name: entry for name, entry in settings.items() if name != "skip"}, [], None
    for kind in (_PIPELINE, own):
        tree = crds_parameters.get(kind) or {}
        source = kind + (f" ({Path(tree['file']).name})" if tree.get("file") else "")
        given = (tree.get("steps") or {}).get(step) if kind == _PIPELINE else tree.get("parameters")
        ignored = []
        for name, value in (given or {}).items():
            if name == "skip":
                skip = coerced(value, {"type": "boolean"}, f"{source}: skip"), source
            elif name not in merged:
                ignored.append(name)
            elif not settings[name]["source"].startswith("config"):
                value = coerced(value, known[name], f"{source}: {name}")
                instead = stand_in(step, name, value)
                merged[name] = {"value": value, "source": source}
                if instead is not None:
                    lacking = f"{word(value)} is not there yet"
                    merged[name] = {"value": instead, "source": f"{source}, where {lacking}"}
                    notes.append(f"{source}: {name}: {lacking}; {word(instead)} is used")
        if ignored:
            notes.append(f"{source}: without meaning here: {', '.join(sorted(ignored))}")
    if skip and skip[0] != settings["skip"]["value"]:
        asked, decides = word(skip[0]), settings["skip"]["source"]
        advice = f"; to follow CRDS, write steps: {{{step}: {{skip: {asked}}}}}"
        note = f"{skip[1]}: skip: {asked} is not followed, the plan decides ({decides})"
        notes.append(note + (advice if decides.startswith("release") else ""))
    return merged, notes


def _parameter_type(step):
    return f"pars-{step.replace('_', '')}step"


#: In ``references`` of the configuration: all of CRDS's parameter files, of which one can only do without.
PARAMETER_FILES = "pars-*"


@dataclass(frozen=True)
class _Layer:
    """What ``steps`` or ``references`` of the configuration say for some exposures."""

    level: int  #: 0 all, 1 instrument, 2 instrument and mode, 3 glob, 4 exposure
    selector: str
    content: dict

    @property
    def source(self):
        return f"config ({self.selector})" if self.selector else "config"

    def holds_for(self, exposure):
        if self.level in (1, 2):
            instrument, mode = _MODE.fullmatch(self.selector).groups()
            return exposure.instrument == instrument and mode in (None, _mode(exposure).split()[1])
        return not self.level or fnmatch.fnmatchcase(exposure.root, self.selector)


def _mode(exposure):
    return f"{exposure.instrument} {'tso' if exposure.tso else 'plain'}"


def _place_in_time(exposure):
    """Key by which exposures are in the order of time; all segments of one have the start of the whole."""
    whole = re.sub(r"-seg\d+", "", exposure.root)
    return exposure.header.get("EXPSTART") or 0.0, whole, exposure.header.get("INTSTART") or 1, exposure.root


def _layers(block, names, roots, where):
    """Split a block of the configuration by selector, the more special the later."""
    layers, problems = [_Layer(0, "", {})], []
    for key, content in ((str(key), content) for key, content in block.items()):
        mode = _MODE.fullmatch(key)
        if key in names or isinstance(content, str):
            layers[0].content[key] = content
        elif mode:
            layers.append(_Layer(2 if mode[2] else 1, key, content))
        elif key in roots or re.match(r"jw\d{5}", key) or re.search(r"[*?[]", key):
            layers.append(_Layer(3 if re.search(r"[*?[]", key) else 4, key, content))
        else:
            advice = suggestion(key, [*names, *INSTRUMENTS, *roots])
            advice = advice or "; write a name, an instrument (and plain or tso), an exposure, or a glob"
            problems.append(f"{where}: {key!r} is not known{advice}")
    return sorted(layers, key=lambda layer: layer.level), problems


class Plan:
    """The plan of a run.

    Parameters
    ----------
    config : dict
        The configuration (`rampflow.settings.configuration.check_config`).
    exposures : iterable of Exposure
        The run's exposures, with different ``root``.
    directory : path-like, optional
        The run's folder, where relative paths start.
    others : iterable of str, optional
        Names of exposures that were asked for and cannot be used: the configuration may speak of them.

    Attributes
    ----------
    config : dict
        The configuration with every key.
    release : Release
        The release that it names.
    exposures : dict
        root to Exposure.
    steps : list of str
        The steps that any exposure passes through, each after those that come before it.
    notices : list of str
        What to say once per run: one line each.

    Raises
    ------
    ConfigError
        With a line for each problem.

    Notes
    -----
    Methods take an exposure or its root.
    """

    def __init__(self, config, exposures, directory=".", others=()):
        self.config = check_config(config)
        self.release = load_release(self.config["release"])
        self.exposures = {exposure.root: exposure for exposure in exposures}
        self.notices = []
        refused = self._refuse(self._irs2_problems())
        roots = {*self.exposures, *others}
        types = {row["type"] for row in self.release.references}
        self._step_layers, problems = _layers(self.config["steps"], steps(), roots, "config: steps")
        self._reference_layers, wrong = _layers(self.config["references"], types, roots, "config: references")
        problems += wrong
        self._step_layers = [self._checked(layer, problems) for layer in self._step_layers]
        for layer in self._reference_layers:
            problems += self._reference_problems(layer, types, Path(directory))
        self._layers_of = {
            exposure.root: [layer for layer in self._step_layers if layer.holds_for(exposure)]
            for exposure in self.exposures.values()
        }
        for exposure in self.exposures.values():
            problems += self._skip_problems(exposure)
        # What is wrong with a value is no reason to be silent about what the others lead to.
        self._chains = {exposure.root: self._chain(exposure) for exposure in self.exposures.values()}
        problems += [
            f"config: steps: every step of {root} is skipped" for root, chain in self._chains.items() if not chain
        ]
        problems += refused + self._refuse(self._superstripe_problems())
        self.steps = self._all_steps()
        self._before, wrong = self._links()
        problems += wrong
        if problems:
            raise ConfigError(problems)
        self._notice()

    def chain(self, exposure):
        """Return the steps of an exposure in execution order, as a list."""
        return self._chains[self._find(exposure).root]

    def previous(self, step, exposure):
        """Return the step before a step of the exposure's chain; None before the first."""
        chain = self.chain(exposure)
        if step not in chain:
            raise KeyError(f"{self._find(exposure).root} does not pass through {step}")
        return chain[chain.index(step) - 1] if step != chain[0] else None

    def final(self, exposure):
        """Return the last step of an exposure's chain."""
        return self.chain(exposure)[-1]

    def chained_after(self, exposure):
        """Return the root of the exposure whose persistence is handed on to this one; None without one.

        Exposures of a detector that have the step, with its parameter ``chain``, in the order in which they started;
        segments of an exposure one after the other.
        """
        return self._before.get(self._find(exposure).root)

    def eligible(self, exposure):
        """Return the steps that an exposure's mode has, on or off, in execution order, as a list."""
        return list(self._cells(self._find(exposure)))

    def skipped_before(self, step, exposure):
        """Return the steps that the instrument has, plain or as a time series, but this exposure skips, as a list.

        Those between a step of the chain and the one before it; with the chain's last step also those after it.
        """
        exposure = self._find(exposure)
        plain, series = (self.release.cells[exposure.instrument, tso] for tso in (False, True))
        rows = [*plain, *(row for row in series if row not in plain)]
        chain = self.chain(exposure)
        before = self.previous(step, exposure)
        start = rows.index(before) + 1 if before else 0
        stop = rows.index(step) if step != chain[-1] else len(rows)
        return [row for row in rows[start:stop] if row not in chain]

    def settings(self, step, exposure):
        """Return the parameters of a step before CRDS has its say (`merge_parameters`).

        Returns
        -------
        dict
            name to ``{"value": ..., "source": ...}``, ``skip`` included. The source is "release 1.19",
            "config", or "config (<selector>)".
        """
        exposure = self._find(exposure)
        source, values = f"release {self.release.name}", {}
        for name, value in self.release.defaults[step].items():
            instead = stand_in(step, name, value)
            values[name] = {"value": value, "source": source}
            if instead is not None:
                values[name] = {"value": instead, "source": f"{source}, where {word(value)} is not there yet"}
        for layer in self._layers_of[exposure.root]:
            for name, value in layer.content.get(step, {}).items():
                values[name] = {"value": value, "source": layer.source}
        skip, source = self._skip(step, exposure)
        return values | {"skip": {"value": skip, "source": source}}

    def reference_types(self, step, exposure, parameters=None):
        """Return the CRDS types of the reference files that a step of the exposure needs, as a list.

        Parameters
        ----------
        step : str
            Name of the step.
        exposure : Exposure or str
            The exposure.
        parameters : dict, optional
            The step's parameters as `merge_parameters` returns them; by default as they are before CRDS has
            its say, which is right unless CRDS changes one that a type hangs on.
        """
        exposure = self._find(exposure)
        values = {name: entry["value"] for name, entry in (parameters or self.settings(step, exposure)).items()}
        return self.release.reference_types(step, exposure.instrument, irs2=exposure.irs2, parameters=values)

    def parameter_types(self, exposure):
        """Return the CRDS types of the parameter files that concern an exposure, as a list.

        Those of steps that are off are among them: `merge_parameters` says so where CRDS has them on.
        """
        exposure = self._find(exposure)
        return self.release.parameter_types(self._cells(exposure), exposure.instrument)

    def all_reference_types(self, exposure):
        """Return every CRDS type that an exposure needs, each once: reference files, then parameter files."""
        files = [kind for step in self.chain(exposure) for kind in self.reference_types(step, exposure)]
        return list(dict.fromkeys([*files, *self.parameter_types(exposure)]))

    def overrides(self, exposure):
        """Return the reference files that the user gives: CRDS type to path, or to "N/A" for none."""
        exposure = self._find(exposure)
        given = {}
        for layer in self._reference_layers:
            if layer.holds_for(exposure):
                single = dict(layer.content)
                if all_parameters := single.pop(PARAMETER_FILES, None):
                    types = [row["type"] for row in self.release.references]
                    given |= {kind: all_parameters for kind in types if kind.startswith("pars-")}
                given |= single
        return given

    # --- inside ---------------------------------------------------------------------------------------

    def _find(self, exposure):
        root = exposure if isinstance(exposure, str) else exposure.root
        if root not in self.exposures:
            raise KeyError(f"no exposure {root!r} in this run{suggestion(root, self.exposures)}")
        return self.exposures[root]

    def _cells(self, exposure):
        return self.release.cells[exposure.instrument, bool(exposure.tso)]

    def _skip(self, step, exposure):
        """Return whether the step is skipped, and who says so."""
        cell = self._cells(exposure).get(step)
        if cell is None:
            return True, f"release {self.release.name} has no {step} for {_mode(exposure)}"
        skip, source = cell != "on", f"release {self.release.name}"
        for layer in self._layers_of[exposure.root]:
            if "skip" in layer.content.get(step, {}):
                skip, source = layer.content[step]["skip"], layer.source
        if not skip and is_missing(step):
            return True, "not there yet"
        # Without a ramp fit there is no slope to scale.
        if step == "gain_scale" and not skip and self._skip("ramp_fit", exposure)[0]:
            return True, "ramp_fit is skipped"
        return skip, source

    def _chain(self, exposure):
        return [step for step in self._cells(exposure) if not self._skip(step, exposure)[0]]

    def _links(self):
        """Link the exposures of each detector in time, for persistence: root to the root before it; and problems."""
        detectors, links, problems = {}, {}, []
        for exposure in self.exposures.values():
            if "persistence" in self.chain(exposure) and self.settings("persistence", exposure)["chain"]["value"]:
                detectors.setdefault(exposure.detector, []).append(exposure)
                if exposure.header.get("EXPSTART") is None and not exposure.placeholder:
                    problems.append(
                        f"{exposure.root}: no EXPSTART, by which persistence is chained; set it, or chain: false"
                    )
        if problems:
            return links, problems
        for detector, members in detectors.items():
            algorithms = {self.settings("persistence", exposure)["algorithm"]["value"] for exposure in members}
            if len(algorithms) > 1:
                problems.append(
                    f"config: steps: persistence: chain: exposures of {detector} have different algorithms "
                    f"({', '.join(sorted(algorithms))}); give them one, or chain: false to some"
                )
            members.sort(key=_place_in_time)
            links |= {after.root: before.root for before, after in zip(members, members[1:], strict=False)}
        return links, problems

    def _all_steps(self):
        """Merge the chains; a step that only some have stands behind its predecessor there."""
        merged = []
        for chain in dict.fromkeys(map(tuple, self._chains.values())):
            at = 0
            for step in chain:
                if step in merged:
                    at = merged.index(step) + 1
                else:
                    merged.insert(at, step)
                    at += 1
        return merged

    def _refuse(self, problems):
        """Return a line for each exposure that has a problem (root to what it is); with skip_bad leave them out."""
        refused = {root: f"{root}: {problem}" for root, problem in problems.items()}
        if refused and (not self.config["skip_bad"] or refused.keys() == self.exposures.keys()):
            cure = "take the exposure out, or set skip_bad: true to leave such exposures out"
            return [f"{line}; {cure}" for line in refused.values()]
        self.notices += [f"{line}: left out" for line in refused.values()]
        for root in refused:
            del self.exposures[root]
        return []

    def _irs2_problems(self):
        problems = {}
        for row in not_there_yet():
            for root, exposure in self.exposures.items():
                if row["instead"] == "refused" and exposure.irs2 and row["step"] in self._cells(exposure):
                    problems[root] = f"{row['step']} is not there yet for the IRS2 readout of NIRSpec"
        return problems

    def _superstripe_problems(self):
        """Find exposures of superstripes that nothing would put together."""
        problems = {}
        for root, exposure in self.exposures.items():
            if not exposure.superstripes:
                continue
            if "refpix" not in self.chain(exposure):
                problems[root] = "its superstripes are put together by refpix, which must not be skipped"
            elif not self.settings("refpix", exposure)["collate_superstripes"]["value"]:
                who = self.settings("refpix", exposure)["collate_superstripes"]["source"]
                problems[root] = f"superstripes are not put together in {who} (refpix: collate_superstripes: false)"
        return problems

    def _checked(self, layer, problems):
        """Check what a layer says about steps, and give numbers their type."""
        where, content = f"config: steps{f': {layer.selector}' if layer.selector else ''}", {}
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

    def _value(self, step, name, value, where, problems):
        rules, place = schema("parameters"), f"{where}: {name}"
        known = self.release.defaults[step]
        if name == "skip":
            problems += schema_problems(value, {"type": "boolean"}, place)
        elif name in known:
            part = rules["properties"][step]["properties"][name]
            problems += schema_problems(value, part, place)
            value = as_typed(value, part)
            instead = stand_in(step, name, value)
            if instead is not None:
                lacking = f"{place}: {word(value)} is not there yet"
                problems.append(f"{lacking}; take it out, or write {word(instead)}")
        elif name in rules["elsewhere"]:
            problems.append(f"{place}: not a parameter here: {rules['elsewhere'][name]}")
        elif str(name).startswith("override_"):
            kind = name.removeprefix("override_")
            problems.append(f"{place}: not a parameter here: give the file as references: {{{kind}: path}}")
        else:
            has = f"; {step} has {', '.join(['skip', *known])}"
            advice = suggestion(name, ["skip", *known]) or has
            problems.append(f"{place}: no such parameter in release {self.release.name}{advice}")
        return value

    def _reference_problems(self, layer, types, directory):
        where = f"config: references{f': {layer.selector}' if layer.selector else ''}"
        release = self.release.name
        for kind, path in layer.content.items():
            if kind == PARAMETER_FILES and path == "N/A":
                continue
            if kind not in types:
                yield f"{where}: release {release} asks for no type {kind!r}{suggestion(kind, types)}"
            elif not isinstance(path, str):
                yield f"{where}: {kind}: expected a path, found {path!r}"
            elif path != "N/A" and not (directory / path).is_file():
                yield f"{where}: {kind}: no file {path!r}; correct the path, or write N/A to do without"

    def _skip_problems(self, exposure):
        """Find steps that the user turns on and that the mode, or the workflow, does not have."""
        cells, turned_on = self._cells(exposure), {}
        for layer in self._layers_of[exposure.root]:
            for step, given in layer.content.items():
                if "skip" in given:
                    turned_on[step] = not given["skip"] and layer
        for step, layer in turned_on.items():
            if not layer:
                continue
            place = f"config: steps: {f'{layer.selector}: ' if layer.selector else ''}{step}: skip: false"
            if step not in cells:
                has = [mode for (mode, tso) in self.release.cells if step in self.release.cells[mode, tso]]
                others = f"; turn it on under a selector, of {', '.join(sorted(set(has)))}" if has else ""
                yield f"{place}: {_mode(exposure)} has no {step} in release {self.release.name}{others}"
            elif is_missing(step):
                yield f"{place}: {step} is not there yet; take this out"

    def _notice(self):
        """Collect what deserves a line per run."""
        release, exposures = f"release {self.release.name}", self.exposures.values()
        left_out, replaced = {}, {}
        lacking = [(row["step"], row["parameter"]) for row in not_there_yet() if row["parameter"]]
        for exposure in exposures:
            for step in self._cells(exposure):
                if self._skip(step, exposure) == (True, "not there yet"):
                    left_out.setdefault(step, {})[_mode(exposure)] = None
            for step, name in lacking:
                value = self.release.defaults[step].get(name)
                if step in self.chain(exposure) and stand_in(step, name, value) is not None:
                    replaced.setdefault((step, name, value), {})[_mode(exposure)] = None
        for step, modes in left_out.items():
            modes = ", ".join(modes)
            self.notices.append(f"{step} is not there yet: left out for {modes} ({release} has it)")
        for (step, name, value), modes in replaced.items():
            self.notices.append(
                f"{step}: {name}: {word(value)} ({release}) is not there yet: "
                f"{word(stand_in(step, name, value))} is used for {', '.join(modes)}"
            )
        for block, layers in (("steps", self._step_layers), ("references", self._reference_layers)):
            for layer in layers:
                if not any(layer.holds_for(exposure) for exposure in exposures):
                    self.notices.append(f"config: {block}: {layer.selector}: matches no exposure of this run")
        for layer in self._step_layers:
            for step, given in layer.content.items():
                if given.keys() - {"skip"} and step not in self.steps:
                    self.notices.append(f"config: steps: {step}: parameters without effect: it does not run")
        self.notices = list(dict.fromkeys(self.notices))
