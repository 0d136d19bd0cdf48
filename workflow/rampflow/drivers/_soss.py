"""Time series of NIRISS SOSS: the light in the trace of every integration, and the sky."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.drivers._background import divided, scratch
from rampflow.drivers._regions import read_by
from rampflow.steps import NotApplicable
from rampflow.steps.clean_flicker_noise import light, sky
from rampflow.steps.scene_mask import soss

if TYPE_CHECKING:
    from rampflow.io import files
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")

#: Subarrays that `median_image` is for.
_SUBARRAYS = ("SUBSTRIP96", "SUBSTRIP256", *(f"SUB{width}STRIPE_SOSS" for width in (17, 60, 204, 680)))


def check_subarray(step: Step) -> None:
    """Refuse subarrays that `median_image` is not for; raises `NotApplicable`."""
    subarray = step.source.text("SUBARRAY")
    if subarray not in _SUBARRAYS:
        raise NotApplicable(
            f"background_method: median_image is for SOSS in {', '.join(_SUBARRAYS)}; this is {subarray}"
        )


class Parts(NamedTuple):
    """What a SOSS exposure is made of, to have the median of its integrations.

    light : 1D float64, of every integration; levels : the sky of every integration (DN/s), in a file that does not
    stay, or None where CRDS has no template of it; times : of every group (s).
    """

    light: np.ndarray
    levels: files.Array | None
    times: list[float]


def take_apart(step: Step, draft: files.Array, flat: np.ndarray | None) -> Parts:
    """Measure the light and the sky of every integration.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        clean_flicker_noise.
    draft : `~rampflow.io.files.Array`
        Rates of the integrations (DN/s).
    flat : 2D float32 `~numpy.ndarray` or None
        What to divide them by.

    Returns
    -------
    Parts

    Raises
    ------
    NotApplicable
        The references, or the exposure, do not have what is needed.
    """
    source = step.source
    nints, ngroups, *frame = source.shape
    model = step.references.optional_tree("pastasoss")
    if model is None:
        raise NotApplicable("CRDS has no pastasoss reference for this exposure (N/A), which says where the light is")
    box = read_by(step, "pastasoss", lambda: soss.light_box(model, source.keyword("PWCPOS"), tuple(frame)))
    tree = step.references.optional_tree("wavelengthrange")
    table = None if tree is None else tree.get("wavelengthrange")
    limits = read_by(step, "wavelengthrange", lambda: soss.shortest_and_longest(table, source.text("FILTER")))

    def rates() -> Iterator[np.ndarray]:
        return (divided(draft.read(integration), flat) for integration in range(nints))

    found = _sky(step, rates)
    if found is None:
        return Parts(light.box_light(rates(), box, limits), None, [])
    without_sky = light.box_light((found.taken_off(rate) for rate in rates()), box, limits)
    levels = scratch(step, "sky", (nints, *frame))
    for integration, rate in enumerate(rates()):
        levels.write(sky.fill_level(rate - found.taken_off(rate)), integration)
    return Parts(without_sky, levels, sky.group_times(ngroups, **source.needed("NFRAMES", "GROUPGAP", "TFRAME")))


def _sky(step: Step, rates: Callable[[], Iterator[np.ndarray]]) -> sky.Sky | None:
    reference = step.references.optional("bkg", cut=False, any_size=True)
    if reference is None:
        log.info("CRDS has no template of the sky for this exposure (N/A): it stays in the light")
        return None
    templates = sky.cut_templates(reference.read(), step.source.shape[-2])
    if templates is None or templates.shape[-1] != step.source.shape[-1]:
        log.warning("%s: templates of another size than the exposure: the sky stays in the light", reference.path)
        return None
    unusable = (step.pixeldq & np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL)) != 0
    found = sky.fit_sky(rates, unusable, templates)
    if found is None:
        log.warning("no template of the sky can be fitted: it stays in the light")
    else:
        log.info("sky: %.6g and %.6g times the template on the left and on the right", *found.scales)
    return found
