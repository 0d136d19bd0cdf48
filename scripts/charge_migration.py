"""Flag groups in which charge migrates between pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import charge_migration

with Step(snakemake) as step:
    charge_migration.check_groups(step.shape[1])
    step.rows(
        charge_migration.flag_charge_migration,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        halo=charge_migration.HALO,
        by_integration=True,
        **step.options("signal_threshold"),
    )
