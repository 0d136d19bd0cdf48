"""Rescale groups whose frames were summed and divided by the wrong number on board.

To save telemetry the detectors average NFRAMES frames into one group. The flight software divides the sum by
shifting bits, hence always by a power of two (FRMDIVSR). Where NFRAMES is not a power of two the result is
too small or too large by NFRAMES / FRMDIVSR; this step takes that ratio out again. It concerns raw counts (DN
in, DN out), so it comes before everything that compares counts with a reference. There is no reference file.
The zero frame is a single frame, was never divided, and is left alone.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/group_scale/description.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.errors import StepError
from rampflow.steps import NotApplicable

if TYPE_CHECKING:
    # The start of a run asks whether the step applies, and must not wait for numpy.
    import numpy as np


def scale_factor(nframes: int | None, frame_divisor: int | None) -> float:
    """Factor that turns the on-board average into the true one.

    Parameters
    ----------
    nframes : int or None
        Frames averaged per group (NFRAMES).
    frame_divisor : int or None
        What the sum of the frames was divided by (FRMDIVSR).

    Returns
    -------
    float
        FRMDIVSR / NFRAMES.

    Raises
    ------
    NotApplicable
        If there is nothing to correct, or the header does not tell.
    StepError
        If one of the numbers is below 1.
    """
    if nframes is None:
        raise NotApplicable("NFRAMES is not in the header, so the on-board average cannot be checked")
    if frame_divisor is None:
        if nframes.bit_count() == 1:
            raise NotApplicable(f"NFRAMES={nframes} is a power of two, which the on-board average divides by exactly")
        raise NotApplicable(f"FRMDIVSR is not in the header, so groups of NFRAMES={nframes} cannot be rescaled")
    if nframes == frame_divisor:
        raise NotApplicable(f"NFRAMES and FRMDIVSR are both {nframes}: the groups are true averages")
    if nframes < 1 or frame_divisor < 1:
        raise StepError(f"NFRAMES={nframes} and FRMDIVSR={frame_divisor} must be 1 or more. Correct the header.")
    return frame_divisor / nframes


def scale_groups(sci: np.ndarray, *, factor: float) -> np.ndarray:
    """Multiply groups by a factor, in place.

    Parameters
    ----------
    sci : float32 `~numpy.ndarray`
        Counts (DN), any shape. NaN stays NaN.
    factor : float
        From `scale_factor`.

    Returns
    -------
    float32 `~numpy.ndarray`
        ``sci``.
    """
    sci *= sci.dtype.type(factor)
    return sci
