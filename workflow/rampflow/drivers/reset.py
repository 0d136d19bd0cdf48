"""reset: the reset anomaly of the MIRI detectors is subtracted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rampflow.steps import reset

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Subtract the anomaly from the first groups of an exposure."""
    reference = step.references.open("reset", cut=False)
    step.pixeldq |= reference.read_dq()
    extent = {key.lower(): reference.header.get(key) for key in ("NINTS", "NGROUPS")}
    planes, groups = reset.used_part(reference.shape(), **extent)
    intstart = step.source.keyword("INTSTART")
    step.chunks.by_group(
        reset.subtract_reset,
        plane=partial(reset.reset_plane, intstart=intstart, n_reference=planes),
        reference=reset.reader(reference.read, n_groups=groups),
        argument="reset",
    )
