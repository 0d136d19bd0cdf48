"""Arrays that a step's function is given have to fit together: one check for all steps, and one way to say so."""

from __future__ import annotations

from collections.abc import Sequence

from rampflow.errors import StepError

#: What to do about a reference, and about the arrays of an exposure.
CUT = "cut the reference to the exposure's subarray, and to the rows of the block"
SAME_ROWS = "give the same rows of both"
#: What to do where a reference contradicts itself.
ANOTHER = "use another reference file"


def check_shape(what: str, shape: Sequence[int], other: str, expected: Sequence[int], advice: str = CUT) -> None:
    """Hold that an array has the shape that another one asks for.

    Parameters
    ----------
    what, other : str
        Names of the array and of what it has to fit, for the message.
    shape, expected : tuple of int
        What it has, and what it has to have.
    advice : str
        What to do.

    Raises
    ------
    StepError
        If it has another one.
    """
    if tuple(shape) != tuple(expected):
        raise StepError(f"{what} has shape {tuple(shape)}, {other} {tuple(expected)}; {advice}")
