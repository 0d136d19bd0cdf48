"""Flag the last group of every MIRI integration."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import lastframe

with Step(snakemake) as step:
    lastframe.check_groups(step.shape[1])
    for integration in range(step.shape[0]):
        last = step.read("GROUPDQ", integration, -1)
        step.write("GROUPDQ", lastframe.flag_last_group(last), integration, -1)
