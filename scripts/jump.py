"""Flag cosmic-ray hits."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import jump
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(jump.run)
