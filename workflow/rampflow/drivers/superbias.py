"""superbias: the bias pattern of the detector is subtracted from every group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import superbias

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Subtract the bias from an exposure, and from its zero frames."""
    reference = step.references.open("superbias")
    bias = superbias.usable_bias(reference.read())
    step.pixeldq |= reference.read_dq()
    at = {"bias": step.source.at_position(bias)}
    step.chunks.groups(superbias.subtract_superbias, reads=("SCI",), writes=("SCI",), at=at)
    step.chunks.zeroframes(superbias.subtract_from_zeroframe, at=at)
