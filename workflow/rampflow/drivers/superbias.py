"""superbias: the bias pattern of the detector is subtracted from every group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rampflow.steps import superbias

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Subtract the bias from an exposure, and from its zero frames."""
    reference = step.references.open("superbias")
    bias = superbias.usable_bias(reference.read())
    step.pixeldq |= reference.read_dq()
    arrays: dict[str, Any] = {"reads": ("SCI",), "writes": ("SCI",), "along": {"bias": bias}}
    step.chunks.rows(superbias.subtract_superbias, by_integration=True, **arrays)
    step.chunks.zeroframes(superbias.subtract_from_zeroframe, at={"bias": step.source.at_position(bias)})
