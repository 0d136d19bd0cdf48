"""Rescale count rates taken with a non-standard gain."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import gain_scale
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(gain_scale.run)
