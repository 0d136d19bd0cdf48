"""Flag the groups that the MIRI reset switch charge decay spoils."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import firstframe, rscd

with Step(snakemake) as step:
    skips = rscd.find_skips(
        step.reference("rscd", cut=False).table("RSCD_GROUP_SKIP"),
        subarray=step.keyword("SUBARRAY"),
        readpatt=step.keyword("READPATT"),
        ngroups=step.shape[1],
        **step.options("algorithm"),
    )
    nints = step.keyword("NINTS", step.shape[0])
    flagger = rscd.Flagger(skips, step.shape[-2:], step.keyword("INTSTART"), nints)
    affected = slice(0, skips.reach)
    for integration in range(step.shape[0]):
        flags = step.read("GROUPDQ", integration, affected)
        step.write("GROUPDQ", flagger.flag(flags, integration), integration, affected)
    step.pixeldq = firstframe.flag_flux_estimated(step.pixeldq, flagger.flux_estimated)
    for keyword, value, comment in flagger.keywords():
        step.set(keyword, value, comment)
