"""firstframe: the first group of every MIRI integration is flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import beforehand, firstframe

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag the first groups of an exposure."""
    nints, ngroups, *_ = step.source.shape
    beforehand.GROUPS["firstframe"](ngroups)
    for integration in range(nints):
        first, third = (step.source.read("GROUPDQ", integration, group) for group in (0, 2))
        kept = firstframe.flag_first_group(first, third, **step.options("bright_use_group1"))
        step.product.write("GROUPDQ", first, integration, 0)
        if step.parameters["flag_flux_estimated"]:
            step.pixeldq = firstframe.flag_flux_estimated(step.pixeldq, kept)
