"""Subtract the dark signal, group by group."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import dark_current
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(dark_current.run)
