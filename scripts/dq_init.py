"""Flag the detector's known bad pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import dq_init
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(dq_init.run)
