"""charge_migration: groups in which charge migrates between pixels are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import beforehand, charge_migration

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag groups of an exposure, and their neighbours."""
    beforehand.GROUPS["charge_migration"](step.source.shape[1])
    step.chunks.rows(
        charge_migration.flag_charge_migration,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        halo=charge_migration.HALO,
        by_integration=True,
        **step.options("signal_threshold"),
    )
