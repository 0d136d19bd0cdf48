"""Rescale groups whose frames were averaged on board by another divisor."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import group_scale
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(group_scale.run)
