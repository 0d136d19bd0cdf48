"""The science regions of an exposure, which are no background whatever they show."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rampflow.errors import FileProblem
from rampflow.io import regions
from rampflow.steps import NotApplicable, NotUsable
from rampflow.steps import scene_mask as scene
from rampflow.steps.scene_mask import slits, soss

if TYPE_CHECKING:
    import numpy as np

    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")

#: Exposures of which clean_flicker_noise leaves out shutters that are open.
_SHUTTERS = ("NRS_IFU", "NRS_MSASPEC")


def science_regions(step: Step) -> np.ndarray | None:
    """Find the science regions of an exposure, True for those.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step that leaves them out.

    Returns
    -------
    2D bool `~numpy.ndarray` or None
        None where there are none.

    Raises
    ------
    StepError
        There are, and they cannot be told.
    NotApplicable
        jwst cannot tell them, either: it then leaves the exposure as it is.
    """
    source = step.source
    if source.instrument == "NIRSPEC":
        return _slits(step)
    if source.text("EXP_TYPE") == "NIS_SOSS":
        try:
            return _traces(step)
        except NotApplicable as reason:
            scene.refuse_regions(str(reason))
    if source.instrument != "MIRI":
        return None
    flat = step.references.optional("flat")
    return None if flat is None else scene.science_regions(flat.read_dq())


def _slits(step: Step) -> np.ndarray | None:
    path, source = step.spec.inputs.get("mask"), step.source
    if path is None:
        scene.refuse_regions(
            "NIRSpec's slits and slices follow from a model of the optics, which this workflow does not have, and the "
            "configuration has neither a product of jwst for them (masks: {files: …}) nor a python that has jwst "
            "(masks: {python: …})"
        )
    exp_type, frame = source.text("EXP_TYPE"), tuple(source.shape[-2:])
    log.info("science regions: %s", path)
    found = regions.read_regions(path, exp_type=exp_type, detector=source.text("DETECTOR"))
    if found.nothing is not None:
        _without(step, found.nothing)
        return None
    if found.image is None:
        try:
            image = slits.slit_regions(found.slits, frame)
        except ValueError as error:
            raise FileProblem(f"{path}: {error}; name a product of the exposure itself") from None
    elif found.image.shape == frame:
        image = found.image
    else:
        raise FileProblem(
            f"{path}: {found.image.shape[0]} rows and {found.image.shape[1]} columns, the exposure has {frame[0]} and "
            f"{frame[1]}; name a product of the exposure itself"
        )
    if not found.made:
        slits.with_fixed_slits(image, exp_type, found.quadrants)
    # Of fixed slits picture_frame alone leaves out shutters that are open.
    if found.shutters is not None and (step.spec.name == "picture_frame" or exp_type in _SHUTTERS):
        image |= found.shutters
    return image


def _without(step: Step, why: str) -> None:
    """Do as jwst does where it has found no WCS: leave the exposure as it is, or its science regions in."""
    reason = f"mask_science_regions: jwst has no WCS for this exposure ({why})"
    if step.spec.name != "picture_frame":
        raise NotApplicable(reason)
    if why == "MSAFileError":
        raise NotUsable(reason)
    log.warning("%s: no science region is masked", reason)


def _traces(step: Step) -> np.ndarray | None:
    if "pastasoss" not in step.references.pointers:
        log.warning("mask_science_regions: this release does not mask the traces of SOSS; nothing is masked")
        return None
    model = step.references.optional_tree("pastasoss")
    if model is None:
        raise NotApplicable("CRDS has no pastasoss reference for this exposure (N/A), which says where the traces are")
    source = step.source
    frame = tuple(source.shape[-2:])
    pupil, subarray = source.keyword("PWCPOS"), source.text("SUBARRAY")
    return read_by(step, "pastasoss", lambda: soss.trace_mask(model, pupil, frame, subarray=subarray))


def read_by(step: Step, kind: str, function: Callable[[], Any]) -> Any:
    """Call a function that reads a reference, and name the file where that is not laid out as it must be.

    Raises
    ------
    FileProblem
        It is not.
    """
    try:
        return function()
    except (KeyError, IndexError, TypeError, ValueError) as error:
        path = step.references.pointers[kind]["file"]
        raise FileProblem(
            f"{path}: not laid out as a {kind} reference ({type(error).__name__}: {error}); choose another"
        ) from None
