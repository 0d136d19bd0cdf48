"""Subtract electromagnetic interference from MIRI exposures."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import emicorr
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(emicorr.run)
