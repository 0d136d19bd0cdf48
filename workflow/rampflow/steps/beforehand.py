"""What tells, before a step runs, that it leaves an exposure as it is: its length, its pattern, what a reference has.

Asked by the steps themselves, and by the plan of a run, which has nothing but headers: nothing is imported here that
takes time.

Source: https://jwst-pipeline.readthedocs.io, the steps' descriptions.
"""

from collections.abc import Mapping
from typing import Any

from rampflow.steps import NotApplicable, at_least

#: Steps that need so many groups per integration, whatever their flags: what to call with the number.
GROUPS = {
    "charge_migration": at_least(3, "{} groups per integration; at least 3 are needed to leave out bright ones"),
    "emicorr": at_least(3, "{} groups where at least 3 are needed"),
    # Ramps of three groups or fewer cannot spare their first one, nor those of two their last.
    "firstframe": at_least(4, "{} groups per integration; more than 3 are needed to leave out the first"),
    "lastframe": at_least(3, "{} groups per integration; more than 2 are needed to leave out the last"),
    "jump": at_least(3, "jump detection needs at least 3 groups per integration, found {}"),
}

_EMI_PATTERNS = ("FAST", "FASTR1", "SLOW", "SLOWR1")


def check_interference(*, instrument: str, readpatt: str) -> None:
    """Say whether emicorr can correct an exposure, apart from its length.

    Raises
    ------
    NotApplicable
        If it is not MIRI's, or in another pattern than FAST, FASTR1, SLOW and SLOWR1.
    """
    if instrument != "MIRI":
        raise NotApplicable(f"the interference is MIRI's, this is an exposure of {instrument}")
    if readpatt not in _EMI_PATTERNS:
        raise NotApplicable(f"no timing is known for READPATT={readpatt}; it is for {', '.join(_EMI_PATTERNS)}")


def clocking(subarray: str, readpatt: str) -> str:
    """Name the clocking of a subarray of MIRI: FULL is clocked differently in the FAST and the SLOW patterns."""
    return f"{subarray}_{speed(readpatt)}" if "FULL" in subarray else subarray


def speed(readpatt: str) -> str:
    """Tell the FAST patterns of MIRI from the SLOW ones, as the emicorr reference does."""
    return "FAST" if "FAST" in readpatt else "SLOW"


def interfering(cases: Mapping[str, Any], *, subarray: str, readpatt: str, detector: str) -> list[str]:
    """Name the waves that an exposure shows according to the emicorr reference.

    Parameters
    ----------
    cases : mapping
        Its ``subarray_cases``; of each, ``freqs`` alone count.
    subarray, readpatt, detector : str
        SUBARRAY, READPATT, DETECTOR.

    Returns
    -------
    list of str
        In the order of the reference.

    Raises
    ------
    NotApplicable
        If the reference has no such subarray, or no waves of it for the pattern.
    KeyError, TypeError, AttributeError
        If it holds something else in the place of these.
    """
    name = clocking(subarray, readpatt)
    case = cases.get(name)
    if case is None:
        raise NotApplicable(f"the emicorr reference has no subarray {name}")
    names = case["freqs"].get(speed(readpatt))
    if speed(readpatt) == "SLOW" and names is not None:
        names = names.get(detector)
    if not names:
        raise NotApplicable(f"the emicorr reference has no frequencies of {name} for {readpatt} on {detector}")
    return list(names)
