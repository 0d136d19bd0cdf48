"""Rescale groups whose frames were averaged on board by another divisor."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import group_scale

with Step(snakemake) as step:
    factor = group_scale.scale_factor(step.keyword("NFRAMES"), step.keyword("FRMDIVSR"))
    step.frames(group_scale.scale_groups, reads=("SCI",), writes=("SCI",), factor=factor)
