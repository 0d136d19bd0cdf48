"""Flag groups in which charge migrates between pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import charge_migration
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step

Step(JobSpec.from_snakemake(snakemake)).run(charge_migration.run)
