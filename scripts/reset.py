"""Subtract the reset anomaly of the MIRI detectors."""

from rampflow.warmstart.client import handoff

handoff()

from functools import partial

from rampflow.jobs.step import Step
from rampflow.steps import reset

with Step(snakemake) as step:
    reference = step.reference("reset", cut=False)
    step.pixeldq |= reference.read_dq()
    extent = {key.lower(): reference.header.get(key) for key in ("NINTS", "NGROUPS")}
    planes, groups = reset.used_part(reference.shape(), **extent)
    step.groups(
        reset.subtract_reset,
        plane=partial(reset.reset_plane, intstart=step.keyword("INTSTART"), n_reference=planes),
        reference=reset.reader(reference.read, n_groups=groups),
        argument="reset",
    )
