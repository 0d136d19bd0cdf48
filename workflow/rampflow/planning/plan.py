"""The plan of a run: which steps each exposure passes through, in which order, with which parameters.

A calibration release is data (``workflow/releases``): step tables, parameter defaults, and the CRDS types of
each step. The plan joins it with the configuration and with what each exposure is, and then with what CRDS's
parameter files say. It knows neither FITS nor Snakemake, and does not ask CRDS; of an exposure it needs ``root``,
``instrument``, ``tso``, ``kinds`` and ``superstripes`` (`rampflow.planning.exposures.Exposure`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rampflow.planning.layer_checks import PARAMETER_FILES, LayerChecks
from rampflow.planning.selectors import Layer, layers_of, mode_of
from rampflow.planning.succession import Linked, link, link_problems
from rampflow.planning.variants import variants_of
from rampflow.settings import chain as chains
from rampflow.settings.branches import branch_of, exposure_of, told, variant_of
from rampflow.settings.chain import Chain, Terms
from rampflow.settings.configuration import ConfigError, check_config, steps, suggestion
from rampflow.settings.parameters import Settings, is_users, merge_parameters
from rampflow.settings.release import Mode, load_release

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure

_NO_RATES = "there would be no count rates; write steps: {ramp_fit: {skip: true}} to do without"
_NOT_COLLATED = "the exposure's superstripes are put together by it"


def _mode(exposure: "Exposure") -> Mode:
    return exposure.instrument, bool(exposure.tso)


def _branch(exposure: "Exposure | str") -> str:
    return exposure if isinstance(exposure, str) else exposure.root


def _merged(lists: Iterable[Sequence[str]]) -> list[str]:
    """Merge chains; a step that only some have stands behind its predecessor there."""
    merged: list[str] = []
    for chain in dict.fromkeys(map(tuple, lists)):
        at = 0
        for step in chain:
            if step in merged:
                at = merged.index(step) + 1
            else:
                merged.insert(at, step)
                at += 1
    return merged


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
        Names of all exposures that were asked for: the configuration may speak of those that cannot be used, too.
    unusable : mapping, optional
        root to a line, of exposures that cannot be used.

    Attributes
    ----------
    config : dict
        The configuration with every key.
    release : Release
        The release that it names.
    exposures : dict
        root to Exposure, of those that the run processes.
    unusable : dict
        root to a line that says why, of those that it does not.
    steps : list of str
        The steps that any exposure passes through before CRDS has its say, each after those that come before it.
    possible_steps : list of str
        Those that any exposure may pass through once CRDS has had its say, likewise.
    variants : list of str
        Names of the variants.
    notices : list of str
        What to say once per run: one line each.

    Raises
    ------
    ConfigError
        With a line for each problem.

    Notes
    -----
    Methods take an exposure or its root, which stand for what is made of it without a variant, or a branch
    (`rampflow.settings.branches`).
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        exposures: "Iterable[Exposure]",
        directory: str | Path = ".",
        others: Iterable[str] = (),
        unusable: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.config = check_config(config)
        self.release = load_release(self.config["release"])
        self.exposures = {exposure.root: exposure for exposure in exposures}
        self.unusable = dict(unusable)
        self.notices: list[str] = []
        roots = {*self.exposures, *others}
        types = self.release.types
        self._step_layers, problems = layers_of(self.config["steps"], steps(), roots, "config: steps")
        self._reference_layers, wrong = layers_of(self.config["references"], types, roots, "config: references")
        problems += wrong
        checks = LayerChecks(self.release, directory)
        self._step_layers = [checks.checked(layer, problems) for layer in self._step_layers]
        self._variants, wrong = variants_of(self.config["variants"], checks, roots)
        problems += wrong
        self.variants = list(self._variants)
        for layer in self._reference_layers:
            problems += checks.reference_problems(layer)
        self._layers_of: dict[str, list[Layer]] = {}
        for branch in self.branches:
            exposure, variant = self._find(branch), variant_of(branch)
            layers = [*self._step_layers, *(self._variants[variant] if variant else [])]
            self._layers_of[branch] = [layer for layer in layers if layer.holds_for(exposure)]
            problems += checks.skip_problems(exposure, self.cells(exposure), self._layers_of[branch])
        self._terms: dict[object, Terms] = {}
        self._expected: dict[object, Chain] = {}
        # What is wrong with a value is no reason to be silent about what the others lead to.
        every = (branch for branch in self.branches if not self.chain(branch))
        problems += [f"config: steps: every step of {told(branch)} is skipped" for branch in every]
        stripes = self._superstripe_problems()
        problems += [f"config: variants: {told(name)}: {why}" for name, why in stripes.items() if variant_of(name)]
        own = {root: why for root, why in stripes.items() if root in self.exposures}
        problems += self.give_up(own, self.config["skip_bad"])
        for variant in (None, *self.variants):
            problems += link_problems(self._linked(variant))
        if problems:
            raise ConfigError(problems)
        self.steps = _merged(map(self.chain, self.branches))
        self.possible_steps = _merged(map(self._possible, self.branches))
        self._notice()

    def branches_of(self, exposure: str) -> list[str]:
        """Return an exposure and the branches of all variants of it."""
        return [branch_of(exposure, variant) for variant in (None, *self.variants)]

    @property
    def branches(self) -> list[str]:
        """The exposures, and the variants of each."""
        return [branch for root in self.exposures for branch in self.branches_of(root)]

    def expected(self, exposure: "Exposure | str") -> Chain:
        """Return the chain of an exposure before CRDS has its say: that of step tables and configuration."""
        if (key := self._kind(exposure)) not in self._expected:
            self._expected[key] = chains.settle(self.terms(exposure), {})
        return self._expected[key]

    def settle(self, exposure: "Exposure | str", pars: Mapping[str, Any]) -> Chain:
        """Return the chain of an exposure as CRDS's parameter files settle it.

        Later wins: the release, the step's file, the pipeline's file, the configuration. That order is stpipe's.

        Parameters
        ----------
        exposure : Exposure or str
            The exposure.
        pars : mapping
            CRDS type (``pars-jumpstep``, ``pars-detector1pipeline``) to what its file holds, as
            `rampflow.settings.chain.settle` takes it.
        """
        return chains.settle(self.terms(exposure), pars) if self.config["crds"]["pars"] else self.expected(exposure)

    def terms(self, exposure: "Exposure | str") -> Terms:
        """Return what the chain of an exposure is settled from, as plain data; shared by exposures of one kind."""
        if (key := self._kind(exposure)) not in self._terms:
            self._terms[key] = self._terms_of(exposure)
        return self._terms[key]

    def chain(self, exposure: "Exposure | str") -> list[str]:
        """Return the steps of an exposure in execution order before CRDS has its say."""
        return self.expected(exposure).steps

    def cells(self, exposure: "Exposure") -> dict[str, str]:
        """Return what its step table says of an exposure: step to "on" or "off", of the steps that its mode has."""
        return self.release.cells[_mode(exposure)]

    def eligible(self, exposure: "Exposure | str") -> list[str]:
        """Return the steps that an exposure's mode has, on or off, in execution order, as a list."""
        return list(self.cells(self._find(exposure)))

    def links(self, chain_of: Callable[[str], Chain], variant: str | None = None) -> dict[str, str]:
        """Link the exposures of each detector in time, for persistence: root to the root before it.

        Of exposures that have the step, with its parameter ``chain``.

        Parameters
        ----------
        chain_of : callable
            Gives the chain of a branch; asked of those alone whose parameter is true.
        variant : str, optional
            The variant that is worked on in each.
        """
        return link(
            one.exposure
            for one in self._linked(variant)
            if "persistence" in chain_of(branch_of(one.exposure.root, variant)).steps
        )

    def settings(self, step: str, exposure: "Exposure | str", chain: Chain | None = None) -> Settings:
        """Return the parameters of a step, with the source of each.

        Parameters
        ----------
        step : str
            Name of the step.
        exposure : Exposure or str
            The exposure.
        chain : Chain, optional
            Its chain as `settle` returns it; by default that before CRDS has its say.

        Returns
        -------
        dict
            name to ``{"value": ..., "source": ...}``, ``skip`` included. The source is "release 1.19", a type and
            file of CRDS, "config", "config (<selector>)" or "config (variant <name>)".
        """
        chain = chain or self.expected(exposure)
        values, _ = merge_parameters(self._values(step, exposure), chain.pars, step)
        return values | {"skip": chain.skips.get(step) or self._skip(step, exposure)}

    def reference_types(self, step: str, exposure: "Exposure | str", chain: Chain | None = None) -> list[str]:
        """Return the CRDS types of the reference files that a step of the exposure needs, as a list.

        Parameters
        ----------
        step, exposure, chain
            As `settings` takes them.
        """
        return chains.step_types(self.terms(exposure), step, chain.pars if chain else {})

    def parameter_types(self, exposure: "Exposure | str") -> list[str]:
        """Return the CRDS types of the parameter files that concern an exposure, as a list.

        Those of every step that there could be, since CRDS may turn it on; none with ``crds: {pars: false}``.
        """
        if not self.config["crds"]["pars"]:
            return []
        exposure = self._find(exposure)
        return self.release.parameter_types(self.release.order[_mode(exposure)], exposure.instrument)

    def overrides(self, exposure: "Exposure | str") -> dict[str, str]:
        """Return the reference files that the user gives: CRDS type to path, or to "N/A" for none."""
        exposure = self._find(exposure)
        given: dict[str, str] = {}
        for layer in self._reference_layers:
            if layer.holds_for(exposure):
                single = dict(layer.content)
                if all_parameters := single.pop(PARAMETER_FILES, None):
                    parameters = [kind for kind in self.release.types if kind.startswith("pars-")]
                    given |= dict.fromkeys(parameters, all_parameters)
                given |= single
        return given

    def give_up(self, problems: Mapping[str, str], leave_out: bool = False) -> list[str]:
        """Go on without exposures, which are ``unusable`` then, or left out with a notice.

        What one leaves in its detector is not known to those that persistence chains to it: they are given up, too.

        Parameters
        ----------
        problems : mapping
            root to what is wrong, of exposures of the plan.
        leave_out : bool, optional
            Whether the user has asked for that (``skip_bad``), and the run is complete without them.

        Returns
        -------
        list of str
            A line for each if no exposure is left; else nothing.
        """
        lines = {root: f"{root}: {problem}" for root, problem in problems.items()}
        if not leave_out and (first := next(iter([*self.unusable, *lines]), None)):
            why = f"persistence is chained, and what {first} leaves is not known; mend that, or set skip_bad: true"
            lines |= {one.exposure.root: f"{one.exposure.root}: {why}" for one in self._linked()} | lines
        if lines.keys() == self.exposures.keys():
            return list(lines.values())
        if leave_out:
            self.notices += [f"left out: {line}" for line in lines.values()]
        else:
            self.unusable |= lines
        for root in lines:
            del self.exposures[root]
        return []

    # --- inside ---------------------------------------------------------------------------------------

    def _find(self, exposure: "Exposure | str") -> "Exposure":
        root = exposure_of(_branch(exposure))
        if (variant := variant_of(_branch(exposure))) and variant not in self._variants:
            raise KeyError(f"no variant {variant!r} in this run{suggestion(variant, self._variants)}")
        if root in self.unusable:
            raise KeyError(f"exposure {root!r} cannot be used: {self.unusable[root]}")
        if root not in self.exposures:
            raise KeyError(f"no exposure {root!r} in this run{suggestion(root, self.exposures)}")
        return self.exposures[root]

    def _kind(self, of: "Exposure | str") -> object:
        """Return what the terms of an exposure depend on: exposures for which it is equal share them."""
        exposure = self._find(of)
        layers = tuple(id(layer) for layer in self._layers_of[_branch(of)])
        return _mode(exposure), exposure.kinds, bool(exposure.superstripes), layers

    def _skip(self, step: str, of: "Exposure | str") -> dict[str, Any]:
        """Return whether the step is skipped, and who says so, before CRDS has its say."""
        exposure = self._find(of)
        release, cell = f"release {self.release.name}", self.cells(exposure).get(step)
        entry = {"value": cell != "on", "source": release}
        if cell is None:
            entry["source"] = f"{release} has no {step} for {mode_of(exposure)}"
        for layer in self._layers_of[_branch(of)]:
            if "skip" in layer.content.get(step, {}):
                entry = {"value": layer.content[step]["skip"], "source": layer.source}
        return entry

    def _terms_of(self, of: "Exposure | str") -> Terms:
        exposure = self._find(of)
        order = self.release.order[_mode(exposure)]
        kept = {"ramp_fit": _NO_RATES} | ({"refpix": _NOT_COLLATED} if exposure.superstripes else {})
        needed = partial(self.release.conditional_types, instrument=exposure.instrument, kinds=exposure.kinds)
        types = {step: needed(step) for step in order}
        values: dict[str, Settings] = {}
        for step, kinds in types.items():
            names = {condition.partition("=")[0] for _, condition in kinds if condition}
            if names:
                values[step] = {name: entry for name, entry in self._values(step, of).items() if name in names}
        return {
            "skips": {step: self._skip(step, of) for step in order},
            "kept": kept,
            "types": types,
            "values": values,
        }

    def _values(self, step: str, of: "Exposure | str") -> Settings:
        """Return the parameters of a step before CRDS has its say; ``skip`` too, where the configuration has it."""
        source = f"release {self.release.name}"
        values = {name: {"value": value, "source": source} for name, value in self.release.defaults[step].items()}
        for layer in self._layers_of[_branch(of)]:
            for name, value in layer.content.get(step, {}).items():
                values[name] = {"value": value, "source": layer.source}
        return values

    def _possible(self, exposure: "Exposure | str") -> list[str]:
        """Return the steps that the exposure may pass through, once CRDS has its say."""
        if not self.config["crds"]["pars"]:
            return self.chain(exposure)
        skips = self.terms(exposure)["skips"]
        return [step for step, entry in skips.items() if not (entry["value"] and is_users(entry))]

    def _linked(self, variant: str | None = None) -> Iterator[Linked]:
        """Give the exposures that hand on what they leave in their detector, if they have the step."""
        if not any("chain" in layer.content.get("persistence", {}) for layer in self._step_layers):
            return
        for exposure in self.exposures.values():
            branch = branch_of(exposure.root, variant)
            values = self._values("persistence", branch)
            if values["chain"]["value"] and "persistence" in self._possible(branch):
                yield Linked(exposure, values["algorithm"]["value"])

    def _superstripe_problems(self) -> dict[str, str]:
        """Find exposures of superstripes that nothing would put together."""
        problems = {}
        for branch in self.branches:
            if not self._find(branch).superstripes:
                continue
            if "refpix" not in self.chain(branch):
                why = "its superstripes are put together by refpix, which must not be skipped"
                problems[branch] = f"{why}; take the exposure out, or do not skip it"
            elif not (collates := self.settings("refpix", branch)["collate_superstripes"])["value"]:
                why = f"superstripes are not put together in {collates['source']} (refpix: collate_superstripes: false)"
                problems[branch] = f"{why}; take the exposure out, or set it to true"
        return problems

    def _notice(self) -> None:
        """Collect what deserves a line per run."""
        of_steps = [*self._step_layers, *(layer for layers in self._variants.values() for layer in layers)]
        for layer in [*of_steps, *self._reference_layers]:
            if not any(map(layer.holds_for, self.exposures.values())):
                self.notices.append(f"{layer.place}: matches no exposure of this run")
        for layer in of_steps:
            for step, given in layer.content.items():
                if given.keys() - {"skip"} and step not in self.steps:
                    unless = " unless CRDS turns it on" if step in self.possible_steps else ""
                    self.notices.append(f"{layer.block}: {step}: parameters without effect: it does not run{unless}")
        self.notices = list(dict.fromkeys(self.notices))
