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
    pattern = dark_current.ReadPattern(step.shape[1], **step.needed("NFRAMES", "GROUPGAP"))
    plan = dark_current.plan_dark(pattern, dark_current.ReadPattern.of(reference.header, ngroups))
    flags = reference.read_dq()
    step.pixeldq |= dark_current.combine_dark_dq(flags)
    dark = dark_current.reader(reference.read, plan, has_planes=bool(planes))
    step.groups(
        dark_current.subtract_dark,
        plane=partial(
            dark_current.dark_plane, intstart=step.keyword("INTSTART"), n_reference=planes[0] if planes else 1
        ),
        reference=dark,
        argument="dark",
    )
    if step.parameters["dark_output"]:
        pieces = dark_current.dark_pieces(dark, planes=planes[0] if planes else None, ngroups=step.shape[1])
        images = {"SCI": ((*planes, *step.shape[1:]), "f4", pieces), "DQ": (flags.shape, "u4", [((), flags)])}
        words = pattern.keywords() | {"DATAMODL": dark_current.MODELS.get(step.instrument, "DarkModel")}
        step.save_beside(step.parameters["dark_output"], reference.header, images, **words)
