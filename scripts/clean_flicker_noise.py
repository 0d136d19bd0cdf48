"""Take flicker (1/f) noise out of the ramps."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import clean_flicker_noise
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(clean_flicker_noise.run)
