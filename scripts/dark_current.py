"""Subtract the dark signal, group by group."""

from rampflow.warm import handoff

handoff()

from functools import partial

from rampflow.job import Step
from rampflow.steps import dark_current

with Step(snakemake) as step:
    reference = step.reference("dark", cut=False)
    average = dark_current.average_dark_current(
        step.shape[-2:],
        parameter=step.parameters["average_dark_current"],
        image=reference.read("AVDRKCUR") if "AVDRKCUR" in reference else None,
        keyword=reference.header.get("AVDRKCUR"),
        use_image=step.parameters["use_average_image"],
    )
    if average is not None:
        step.add("AVDRKCUR", average)
    *planes, ngroups, _, _ = reference.shape()
    plan = dark_current.plan_dark(
        dark_current.ReadPattern.of(step.header, step.shape[1]),
        dark_current.ReadPattern.of(reference.header, ngroups),
    )
    step.pixeldq |= dark_current.combine_dark_dq(reference.read_dq())
    step.groups(
        dark_current.subtract_dark,
        plane=partial(
            dark_current.dark_plane, intstart=step.keyword("INTSTART"), n_reference=planes[0] if planes else 1
        ),
        reference=dark_current.reader(reference.read, plan, has_planes=bool(planes)),
        argument="dark",
    )
