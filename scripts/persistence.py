"""Subtract what traps release into the exposure, or flag groups after their pixel has saturated."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import persistence
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(persistence.run)
