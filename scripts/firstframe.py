"""Flag the first group of every MIRI integration."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import firstframe
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(firstframe.run)
