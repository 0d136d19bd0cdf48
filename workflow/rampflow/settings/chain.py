"""The chain of an exposure: which steps it passes through, and who says so.

Step tables and configuration say what is expected before CRDS is asked; CRDS's parameter files, which turn steps on
and off, settle it. Everything here works on plain data, so that the job that asks CRDS and the workflow's own process
come to the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from rampflow.settings.parameters import Settings, merge_parameters, merge_skip
from rampflow.settings.release import needed_types


class Terms(TypedDict):
    """What the chain of an exposure is settled from, beside CRDS's answers."""

    skips: Settings  #: step to ``{"value": ..., "source": ...}``, in the order in which jwst calls the steps
    kept: dict[str, str]  #: steps that CRDS cannot turn off here, and why
    types: dict[str, list[tuple[str, str]]]  #: step to its CRDS types, each with a condition on a parameter or ""
    values: dict[str, Settings]  #: step to the parameters that the conditions are about


@dataclass(frozen=True)
class Chain:
    """The steps of an exposure in execution order, with who decided of each."""

    steps: list[str]
    skips: Settings  #: of every step that jwst calls, in order
    pars: Mapping[str, Any] = field(default_factory=dict)  #: CRDS's parameter files, as `settle` was given them
    kept: dict[str, str] = field(default_factory=dict)  #: steps that CRDS turns off in vain: why
    idle: Mapping[str, str] = field(default_factory=dict)  #: steps that are on and have nothing to do: why
    #: Of those, what their products would say of references: step to type to the value of its keyword.
    named: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def previous(self, step: str) -> str | None:
        """Return the step before a step; None before the first.

        A step that the exposure does not pass through has one, too: Snakemake asks once more for a job that it has
        planned before CRDS turned the step off.
        """
        before = None
        for other in self.skips:
            if other == step:
                return before
            before = other if other in self.steps else before
        raise KeyError(step)

    @property
    def final(self) -> str:
        """The last step."""
        return self.steps[-1]

    @property
    def before_fit(self) -> str | None:
        """The step whose product is the calibrated ramp: that before ramp_fit, or the last where nothing is fitted."""
        return self.previous("ramp_fit") if "ramp_fit" in self.steps else self.final

    def without(self, reasons: Mapping[str, str], named: Mapping[str, Mapping[str, str]] | None = None) -> "Chain":
        """Return the chain without steps that have nothing to do. The last one stays in any case.

        Parameters
        ----------
        reasons : mapping
            Step to why.
        named : mapping, optional
            Step to the references that its product would name: CRDS type to the value of its keyword.
        """
        left = [step for step in self.steps if step not in reasons]
        if not left or left == self.steps:
            return self
        idle = {step: reasons[step] for step in self.steps if step in reasons}
        skips = self.skips | {step: {"value": True, "source": why} for step, why in idle.items()}
        named = {step: names for step, names in (named or {}).items() if step in idle}
        return replace(self, steps=left, skips=skips, idle=idle, named=named)

    def asks_for(self, step: str) -> bool:
        """Whether CRDS is asked for what a step reads: one without anything to do can be run by its product's name."""
        return step in self.steps or step in self.idle

    def skipped_before(self, step: str) -> dict[str, str]:
        """Return the steps that are left out between a step and the one before it, and who says so.

        With the chain's last step also those after it. Those of the calibrated ramp, for ``"ramp"``, are left out
        after the step that makes it, where a fit comes then.
        """
        rows, last = list(self.skips), step == self.final
        if step == "ramp":
            if "ramp_fit" not in self.steps:
                return {}
            step = "ramp_fit"
        before = self.previous(step)
        start = rows.index(before) + 1 if before else 0
        stop = len(rows) if last else rows.index(step)
        return {row: self.skips[row]["source"] for row in rows[start:stop] if row not in self.steps}


def settle(terms: Terms, pars: Mapping[str, Any]) -> Chain:
    """Settle the chain of an exposure.

    Parameters
    ----------
    terms : Terms
        What step tables and configuration say of the exposure (`Plan.terms`).
    pars : mapping
        CRDS type of a parameter file (``pars-jumpstep``, ``pars-detector1pipeline``) to what it holds:
        ``{"parameters": ..., "steps": ..., "file": ...}``. Types without a file may be missing.

    Raises
    ------
    ConfigError
        A ``skip`` in a file of CRDS is neither true nor false.
    """
    skips, kept = {}, {}
    for step, entry in terms["skips"].items():
        skips[step] = merge_skip(entry, pars, step)
        if skips[step]["value"] and not entry["value"] and step in terms["kept"]:
            kept[step] = f"{skips[step]['source']}: skip: true is not followed: {terms['kept'][step]}"
            skips[step] = entry
    if skips.get("ramp_fit", {}).get("value") and not skips["gain_scale"]["value"]:
        # Without a ramp fit there is no slope to scale.
        skips["gain_scale"] = {"value": True, "source": "ramp_fit is skipped"}
    steps = [step for step, entry in skips.items() if not entry["value"]]
    return Chain(steps, skips, pars, kept)


def reference_types(terms: Terms, pars: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the CRDS types of the reference files that an exposure needs, each step's, with CRDS's say in both.

    Raises
    ------
    ConfigError
        A value in a file of CRDS is of the wrong type.
    """
    return {step: step_types(terms, step, pars) for step in settle(terms, pars).steps}


def step_types(terms: Terms, step: str, pars: Mapping[str, Any]) -> list[str]:
    """Return the CRDS types of the reference files that one step needs."""
    values = terms["values"].get(step, {})
    if values:
        values, _ = merge_parameters(values, pars, step)
    return needed_types(terms["types"].get(step, []), {name: entry["value"] for name, entry in values.items()})
