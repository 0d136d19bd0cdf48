"""Flag the groups that the MIRI reset switch charge decay spoils."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import rscd

with Step(snakemake) as step:
    skip = rscd.group_skip(
        step.reference("rscd", cut=False).table("RSCD_GROUP_SKIP"),
        subarray=step.keyword("SUBARRAY"),
        readpatt=step.keyword("READPATT"),
        ngroups=step.shape[1],
    )
    for integration in range(step.shape[0]):
        if rscd.is_affected(integration, intstart=step.keyword("INTSTART")):
            flags = step.read("GROUPDQ", integration, slice(0, skip))
            step.write("GROUPDQ", rscd.flag_groups(flags), integration, slice(0, skip))
