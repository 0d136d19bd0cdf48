"""Subtract the bias pattern of the detector from every group."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import superbias

with Step(snakemake) as step:
    reference = step.reference("superbias")
    bias = superbias.usable_bias(reference.read())
    step.pixeldq |= reference.read_dq()
    at = {"bias": step.plane(bias)}
    step.frames(superbias.subtract_superbias, reads=("SCI",), writes=("SCI",), at=at)
    step.zeroframes(superbias.subtract_from_zeroframe, at=at)
