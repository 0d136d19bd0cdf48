"""Steps that are known to leave an exposure as it is before they run: they do not run, and cost no copy of the ramp."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rampflow.detector.subarray import MIRI_FRAME
from rampflow.errors import StepError
from rampflow.steps import NotApplicable, beforehand, gain_scale, group_scale

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


def inapplicable(
    exposure: "Exposure", pointers: Mapping[str, Mapping[str, Any]], values: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the steps that have nothing to do in an exposure.

    Parameters
    ----------
    exposure : Exposure
        The exposure.
    pointers : mapping
        CRDS type to the pointer to the exposure's reference file, of gain, which says whether that has a GAINFACT, and
        of emicorr, which says for what it has frequencies; empty while CRDS has not answered.
    values : mapping
        Step to parameters, name to value, of emicorr and jump, likewise: frequencies that are given need no reference,
        and along time jumps are found in shorter ramps.

    Returns
    -------
    dict
        step to why. Empty for an exposure that stands for a mode.
    """
    if exposure.placeholder:
        return {}
    header, ngroups = exposure.header, exposure.shape[1]
    checks: dict[str, Callable[[], object]] = {
        step: partial(beforehand.GROUPS[step], ngroups) for step in ("charge_migration", "firstframe", "lastframe")
    }
    if values.get("jump", {}).get("algorithm") == "two_point":
        checks["jump"] = partial(beforehand.GROUPS["jump"], ngroups)
    if exposure.instrument == "MIRI":
        cases = pointers.get("emicorr", {}).get("cases")
        frequencies = values.get("emicorr", {}).get("onthefly_corr_freq")
        checks["emicorr"] = partial(_check_emicorr, header, ngroups, None if frequencies else cases)
    # What is wrong with the header is said by the step's own job.
    numbers = header.get("NFRAMES"), header.get("FRMDIVSR")
    if all(isinstance(number, int | None) for number in numbers):
        checks["group_scale"] = partial(group_scale.scale_factor, *numbers)
    if "gain_factor" in (gain := pointers.get("gain", {})):
        checks["gain_scale"] = partial(gain_scale.gain_factor, header.get("GAINFACT"), gain["gain_factor"])
    found: dict[str, str] = {}
    if exposure.instrument == "MIRI" and tuple(exposure.shape[-2:]) != MIRI_FRAME:
        found["refpix"] = "of MIRI only the full frame is corrected"
    for step, check in checks.items():
        try:
            check()
        except NotApplicable as reason:
            found[step] = str(reason)
        except (StepError, LookupError, TypeError, AttributeError):
            # So is what is wrong with a reference.
            pass
    return found


def _check_emicorr(header: Mapping[str, Any], ngroups: int, cases: Mapping[str, Any] | None) -> None:
    """Raise `NotApplicable` where emicorr does; without cases as far as these say nothing of it."""
    place: dict[str, Any] = {key.lower(): header.get(key) for key in ("SUBARRAY", "READPATT", "DETECTOR")}
    beforehand.check_interference(instrument="MIRI", readpatt=place["readpatt"])
    beforehand.GROUPS["emicorr"](ngroups)
    if cases is not None:
        beforehand.interfering(cases, **place)


def named_by_emicorr(
    exposure: "Exposure", pointer: Mapping[str, Any] | None, values: Mapping[str, Any]
) -> dict[str, str]:
    """Return what emicorr's product would say of its reference where the step leaves the exposure as it is.

    Parameters
    ----------
    exposure, pointer, values
        As `inapplicable` takes them: the pointer and the parameters of emicorr.

    Returns
    -------
    dict
        CRDS type to the value of its keyword. Empty where the step opens none.
    """
    try:
        beforehand.check_interference(instrument=exposure.instrument, readpatt=exposure.header.get("READPATT", ""))
    except NotApplicable:
        return {}
    return {} if pointer is None or values.get("onthefly_corr_freq") else {"emicorr": pointer["crds_uri"]}


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
