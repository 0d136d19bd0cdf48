"""Flag groups at full well or at the floor of the converter."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import saturation
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(saturation.run)
