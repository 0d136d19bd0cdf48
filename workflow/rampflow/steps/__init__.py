"""The detector steps: functions on arrays, one module or package per step, and here what several of them share."""

from collections.abc import Callable
from functools import wraps
from typing import Any


class NotApplicable(Exception):
    """The step decides not to touch this exposure; the message says why.

    The job layer passes the ramp on unchanged and records the step as SKIPPED.
    """

    status = "SKIPPED"


class NotUsable(NotApplicable):
    """The step cannot work with the parameters that it was given; recorded as FAILED, the ramp unchanged."""

    status = "FAILED"


def no_reference(*kinds: str) -> str:
    """Say why a step does not touch an exposure for which CRDS has no file of these types."""
    return f"CRDS has no {', '.join(kinds)} reference for this exposure (N/A)"


def at_least(fewest: int, message: str) -> Callable[[int], None]:
    """Make the check of a step that needs so many groups.

    Parameters
    ----------
    fewest : int
        Groups that an integration must have.
    message : str
        What is said of fewer; ``{}`` stands for their number.

    Returns
    -------
    callable
        Called with the groups per integration, whatever their flags; raises `NotApplicable`.
    """

    def check_groups(ngroups: int) -> None:
        if ngroups < fewest:
            raise NotApplicable(message.format(ngroups))

    return check_groups


def keeping_zeros(correct: Callable[..., object]) -> Callable[..., Any]:
    """Let a correction of zero frames, in place, leave alone what is exactly 0: it means "no measurement" there.

    Parameters
    ----------
    correct : callable
        Called with the zero frames, which it may change everywhere, and whatever else it needs.
    """

    @wraps(correct)
    def corrected(zeroframes: Any, *arguments: Any, **options: Any) -> Any:
        unusable = zeroframes == 0
        correct(zeroframes, *arguments, **options)
        zeroframes[unusable] = 0
        return zeroframes

    return corrected
