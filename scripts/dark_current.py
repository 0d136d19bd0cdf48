"""Subtract the dark signal, group by group."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import dark_current

with Step(snakemake) as step:
    reference = step.reference("dark", cut=False)
    average = dark_current.average_dark_current(
        step.shape[-2:],
        parameter=step.parameters["average_dark_current"],
        image=reference.read("AVDRKCUR") if "AVDRKCUR" in reference else None,
        keyword=reference.header.get("AVDRKCUR"),
    )
    step.add("AVDRKCUR", average)
    dark = dark_current.Dark(reference.read, reference.shape(), reference.header, step.header)
    step.pixeldq |= dark_current.combine_dark_dq(reference.read_dq())
    step.groups(dark_current.subtract_dark, plane=dark.plane, reference=dark.averaged, argument="dark")
