"""Rescale groups whose frames were averaged on board by another divisor."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import group_scale

with Step(snakemake) as step:
    factor = group_scale.scale_factor(step.keyword("NFRAMES"), step.keyword("FRMDIVSR"))
    step.frames(group_scale.scale_groups, reads=("SCI",), writes=("SCI",), factor=factor)
