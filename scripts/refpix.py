"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import refpix
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(refpix.run)
