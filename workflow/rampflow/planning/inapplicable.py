"""Steps that are known to leave an exposure as it is before they run: they do not run, and cost no copy of the ramp."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rampflow.detector.subarray import MIRI_FRAME
from rampflow.errors import StepError
from rampflow.steps import NotApplicable, gain_scale, group_scale

#: Steps that are SKIPPED where CRDS has none of these references, in the order in which they open them. Others do
#: without, or look at more than their references before they are.
_NEEDED = {
    "dq_init": ("mask",),
    "emicorr": ("emicorr",),
    "saturation": ("superbias", "saturation"),
    "ipc": ("ipc",),
    "superbias": ("superbias",),
    "reset": ("reset",),
    "linearity": ("linearity",),
    "persistence": ("trapdensity", "persat", "trappars"),
    "rscd": ("rscd",),
    "dark_current": ("dark",),
}

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


def without_references(names: Mapping[str, str], values: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return the steps that have nothing to do in an exposure since CRDS has no reference for them.

    Parameters
    ----------
    names : mapping
        CRDS type to the name of its file, or ``"N/A"``, of what was asked for the exposure.
    values : mapping
        Step to parameters, name to value, of emicorr and persistence, where the exposure has them: frequencies that
        are given need no reference, and a chain hands on what came from the exposure before.

    Returns
    -------
    dict
        step to the types that CRDS has no file of. What was not asked for is not among them.
    """
    if "N/A" not in names.values():
        return {}
    found = {step: kinds for step, kinds in _NEEDED.items() if all(names.get(kind) == "N/A" for kind in kinds)}
    for step, parameter in (("emicorr", "onthefly_corr_freq"), ("persistence", "chain")):
        if values.get(step, {}).get(parameter):
            found.pop(step, None)
    return found
