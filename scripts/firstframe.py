"""Flag the first group of every MIRI integration."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import firstframe

with Step(snakemake) as step:
    firstframe.check_groups(step.shape[1])
    for integration in range(step.shape[0]):
        first, third = (step.read("GROUPDQ", integration, group) for group in (0, 2))
        kept = firstframe.flag_first_group(first, third, **step.options("bright_use_group1"))
        step.write("GROUPDQ", first, integration, 0)
        if step.parameters["flag_flux_estimated"]:
            step.pixeldq = firstframe.flag_flux_estimated(step.pixeldq, kept)
