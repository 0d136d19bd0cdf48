"""dark_current: the dark signal is subtracted, group by group."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rampflow.errors import FileProblem
from rampflow.io import layout
from rampflow.steps import dark_current

if TYPE_CHECKING:
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


def run(step: Step) -> None:
    """Subtract the dark from an exposure, and write the one that was used."""
    source, reference = step.source, step.references.open("dark", cut=False)
    image = reference.read("AVDRKCUR") if "AVDRKCUR" in reference else None
    if image is not None and image.shape != source.shape[-2:]:
        log.warning(
            "AVDRKCUR of the dark is of shape %s, the exposure of %s: no mean dark current is taken from it",
            image.shape,
            source.shape[-2:],
        )
    average = dark_current.average_dark_current(
        source.shape[-2:],
        image=image,
        keyword=_number(reference, "AVDRKCUR"),
        **step.options("average_dark_current", "use_average_image"),
    )
    if average is not None:
        step.product.add("AVDRKCUR", average)
    pattern = dark_current.ReadPattern(source.shape[1], **source.needed("NFRAMES", "GROUPGAP"))
    dark = dark_current.Dark(reference.read, reference.header, reference.shape(), pattern)
    if dark.extrapolated:
        log.warning(
            "the dark has %d groups where the exposure needs %d: the last %d follow from its last two",
            dark.available,
            dark.available + dark.extrapolated,
            dark.extrapolated,
        )
    flags = reference.read_dq()
    step.pixeldq |= dark_current.combine_dark_dq(flags)
    plane = partial(dark.plane, intstart=source.keyword("INTSTART"))
    step.chunks.by_group(dark_current.subtract_dark, plane=plane, reference=dark.group, argument="dark")
    if step.parameters["dark_output"]:
        _write_dark(step, reference.header, *dark.product(flags, source.instrument))


def _number(reference: Any, keyword: str) -> float | None:
    """Return a number of the reference's header; None where it has none."""
    value = reference.header.get(keyword)
    if value is None or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise FileProblem(f"{reference.path}: {keyword} is {value!r}, where a number is due; take another reference")


def _write_dark(step: Step, header: Any, images: Mapping[str, Any], keywords: Mapping[str, Any]) -> None:
    """Write the dark as it was used, a file that ``dark_output`` names."""
    plans = [layout.image(key, shape, dtype) for key, (shape, dtype, _) in images.items()]
    new = step.auxiliary.begin(step.parameters["dark_output"], plans, header=header, **keywords)
    for key, (_, _, chunks) in images.items():
        for index, values in chunks:
            new[key].write(values, *index)
