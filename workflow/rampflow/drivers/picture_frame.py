"""picture_frame: what NIRSpec's detectors show as their temperature drifts is taken out of the ramps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from rampflow.drivers._background import Background, auxiliary, warn_of
from rampflow.steps import NotApplicable, picture_frame

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Take the picture frame out of every group but the first ones."""
    source = step.source
    picture_frame.check_exposure(source.instrument, source.text("SUBARRAY"), source.shape)
    frame = step.references.open("pictureframe").read()
    masks = Background(step, mask_word="pctfrm_mask", refuse=_refuse).masks()
    correction = None
    if step.parameters["save_correction"]:
        correction = auxiliary(step, "pctfrm_correction", "RampModel", source.shape)

    def groups() -> Iterator[tuple[Any, ...]]:
        mask = None
        for integration in range(source.shape[0]):
            before, mask = mask, masks(integration)
            if mask is not before:
                levels = picture_frame.measure_reference(frame, mask)
            first = source.read("SCI", integration, 0)
            for group in range(1, source.shape[1]):
                yield integration, group, first, levels, mask

    def correct(where: tuple[Any, ...]) -> tuple[Any, ...]:
        integration, group, first, levels, mask = where
        sci = source.read("SCI", integration, group)
        return integration, group, sci, picture_frame.subtract_frame(sci, first, frame, levels, mask)

    for integration, group, sci, corrected in step.threads.each(correct, groups()):
        if corrected is None:
            warn_of(integration, group)
            corrected = sci
        if correction is not None:
            # What was added to the ramp, as in jwst's file of that name.
            correction.write(corrected - sci, integration, group)
        step.product.write("SCI", corrected, integration, group)


def _refuse(reason: object) -> NoReturn:
    """Leave the exposure as it is."""
    raise NotApplicable(str(reason)) from None
