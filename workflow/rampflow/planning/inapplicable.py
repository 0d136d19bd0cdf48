"""Steps that are known to leave an exposure as it is before they run: they do not run, and cost no copy of the ramp."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rampflow.detector.subarray import MIRI_FRAME
from rampflow.errors import StepError
from rampflow.steps import NotApplicable, gain_scale, group_scale

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure


def inapplicable(exposure: "Exposure", gain: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the steps that have nothing to do in an exposure.

    Parameters
    ----------
    exposure : Exposure
        The exposure.
    gain : mapping, optional
        The pointer to its gain reference, which says whether that has a GAINFACT; None while CRDS has not answered.

    Returns
    -------
    dict
        step to why. Empty for an exposure that stands for a mode.
    """
    found: dict[str, str] = {}
    if exposure.placeholder:
        return found
    header = exposure.header
    if exposure.instrument == "MIRI" and tuple(exposure.shape[-2:]) != MIRI_FRAME:
        found["refpix"] = "of MIRI only the full frame is corrected"
    numbers = header.get("NFRAMES"), header.get("FRMDIVSR")
    # What is wrong with the header is said by the step's own job.
    if all(isinstance(number, int | None) for number in numbers):
        try:
            group_scale.scale_factor(*numbers)
        except NotApplicable as reason:
            found["group_scale"] = str(reason)
        except StepError:
            pass
    if gain is not None and "gain_factor" in gain:
        try:
            gain_scale.gain_factor(header.get("GAINFACT"), gain["gain_factor"])
        except NotApplicable as reason:
            found["gain_scale"] = str(reason)
    return found
