"""The science regions of an exposure, which are no background whatever they show."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rampflow.errors import FileProblem
from rampflow.steps import NotApplicable
from rampflow.steps import scene_mask as scene
from rampflow.steps.scene_mask import soss

if TYPE_CHECKING:
    import numpy as np

    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


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
    """
    source = step.source
    if source.instrument == "NIRSPEC":
        scene.refuse_regions("NIRSpec's slits and slices follow from a model of the optics")
    if source.text("EXP_TYPE") == "NIS_SOSS":
        try:
            return _traces(step)
        except NotApplicable as reason:
            scene.refuse_regions(str(reason))
    if source.instrument != "MIRI":
        return None
    flat = step.references.optional("flat")
    return None if flat is None else scene.science_regions(flat.read_dq())


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
