"""Flag the last group of every MIRI integration."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import lastframe
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(lastframe.run)
