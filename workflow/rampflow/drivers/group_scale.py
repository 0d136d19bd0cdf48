"""group_scale: groups whose frames were averaged on board by another divisor are rescaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import group_scale

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Rescale the groups of an exposure."""
    factor = group_scale.scale_factor(step.source.keyword("NFRAMES"), step.source.keyword("FRMDIVSR"))
    step.counts["factor"] = float(factor)
    step.chunks.groups(group_scale.scale_groups, reads=("SCI",), writes=("SCI",), factor=factor)
