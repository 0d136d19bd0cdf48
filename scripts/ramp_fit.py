"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import ramp_fit
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(ramp_fit.run)
