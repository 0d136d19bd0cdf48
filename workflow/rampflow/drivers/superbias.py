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
    positions = bias.reshape(-1, *bias.shape[-2:])
    step.chunks.by_group(
        superbias.subtract_superbias,
        plane=lambda integration: integration % len(positions),
        reference=lambda position, _group, rows: positions[position, rows],
        argument="bias",
    )
    step.chunks.zeroframes(superbias.subtract_from_zeroframe, at={"bias": step.source.at_position(bias)})
