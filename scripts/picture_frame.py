"""Take the picture frame, which drifts with the temperature, out of NIRSpec's ramps."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import picture_frame
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(picture_frame.run)
