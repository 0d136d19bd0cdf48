"""Subtract the reset anomaly of the MIRI detectors."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import reset

with Step(snakemake) as step:
    reference = step.reference("reset", cut=False)
    step.pixeldq |= reference.read_dq()
    step.groups(
        reset.subtract_reset,
        plane=reset.planes(intstart=step.keyword("INTSTART"), n_reference=reference.shape()[0]),
        reference=reset.reader(reference.read, n_groups=reference.shape()[1]),
        argument="reset",
    )
