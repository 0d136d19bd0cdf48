"""rscd: the groups that the reset switch charge decay of MIRI spoils are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import firstframe, rscd

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag the first groups of integrations after the first."""
    source = step.source
    skips = rscd.find_skips(
        step.references.open("rscd", cut=False).table("RSCD_GROUP_SKIP", *rscd.COLUMNS),
        ngroups=source.shape[1],
        **source.keywords("SUBARRAY", "READPATT"),
        **step.options("algorithm"),
    )
    nints = source.keyword("NINTS", source.shape[0])
    flagger = rscd.Flagger(skips, source.shape[-2:], source.keyword("INTSTART"), nints)
    affected = slice(0, skips.reach)
    for integration in range(source.shape[0]):
        flags = source.read("GROUPDQ", integration, affected)
        step.product.write("GROUPDQ", flagger.flag(flags, integration), integration, affected)
    step.pixeldq = firstframe.flag_flux_estimated(step.pixeldq, flagger.flux_estimated)
    for keyword, value, comment in flagger.keywords():
        step.stamp.set(keyword, value, comment)
