"""Flag the groups that the MIRI reset switch charge decay spoils."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import rscd
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(rscd.run)
