"""lastframe: the last group of every MIRI integration is flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import beforehand, lastframe

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag the last groups of an exposure."""
    nints, ngroups, *_ = step.source.shape
    beforehand.GROUPS["lastframe"](ngroups)
    for integration in range(nints):
        last = step.source.read("GROUPDQ", integration, -1)
        step.product.write("GROUPDQ", lastframe.flag_last_group(last), integration, -1)
