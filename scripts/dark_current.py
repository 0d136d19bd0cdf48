"""Subtract the dark signal, group by group."""

from rampflow.warmstart.client import handoff

handoff()

from functools import partial

from rampflow.jobs.step import Step
from rampflow.steps import dark_current

with Step(snakemake) as step:
    reference = step.reference("dark", cut=False)
    average = dark_current.average_dark_current(
        step.shape[-2:],
        image=reference.read("AVDRKCUR") if "AVDRKCUR" in reference else None,
        keyword=reference.header.get("AVDRKCUR"),
        **step.options("average_dark_current", "use_average_image"),
    )
    if average is not None:
        step.add("AVDRKCUR", average)
    pattern = dark_current.ReadPattern(step.shape[1], **step.needed("NFRAMES", "GROUPGAP"))
    dark = dark_current.Dark(reference.read, reference.header, reference.shape(), pattern)
    flags = reference.read_dq()
    step.pixeldq |= dark_current.combine_dark_dq(flags)
    plane = partial(dark.plane, intstart=step.keyword("INTSTART"))
    step.groups(dark_current.subtract_dark, plane=plane, reference=dark.group, argument="dark")
    if step.parameters["dark_output"]:
        images, keywords = dark.product(flags, step.instrument)
        step.save_beside(step.parameters["dark_output"], reference.header, images, **keywords)
