"""Subtract the reset anomaly of the MIRI detectors."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import reset

with Step(snakemake) as step:
    reference = step.reference("reset", cut=False)
    step.pixeldq |= reference.read_dq()
    step.frames(
        reset.subtract_reset,
        reads=("SCI",),
        writes=("SCI",),
        at={"reset": reset.Planes(reference.read, reference.shape(), intstart=step.keyword("INTSTART"))},
    )
