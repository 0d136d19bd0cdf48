"""Subtract the reset anomaly of the MIRI detectors."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import reset
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(reset.run)
