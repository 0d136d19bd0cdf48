"""Deconvolve the coupling of neighbouring pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import ipc
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(ipc.run)
