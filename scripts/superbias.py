"""Subtract the bias pattern of the detector from every group."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import superbias
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(superbias.run)
