"""Correct the non-linear response of the pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import linearity
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(linearity.run)
