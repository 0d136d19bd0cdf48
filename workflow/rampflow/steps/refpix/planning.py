"""Settle from PIXELDQ and the header how an exposure is corrected.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html;
https://jwst-docs.stsci.edu, "NIR detector performance" (reference pixels, 1/f noise).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rampflow.detector import dq as bits
from rampflow.detector.orientation import Orientation
from rampflow.errors import StepError
from rampflow.steps import NotApplicable
from rampflow.steps.refpix import sirs
from rampflow.steps.refpix.geometry import (
    AMPLIFIERS,
    BORDER,
    NIR_SIZE,
    plan_four_amplifiers,
    plan_miri,
    plan_single_amplifier,
    plan_stripes,
)

if TYPE_CHECKING:
    from rampflow.steps.refpix.geometry import LevelPlan

# These NIRSpec subarrays have no reference pixels; their first and last columns (science frame) stand in.
_NIRSPEC_EDGES_AS_REFERENCE = ("SUB512", "SUB512S", "SUB32")


def wants_kernels(instrument: str, subarray: str, refpix_algorithm: str) -> bool:
    """Tell whether an exposure is to be corrected with the kernels of the sirskernel reference."""
    return refpix_algorithm == "sirs" and instrument != "MIRI" and "FULL" in subarray


def plan_correction(
    pixeldq: np.ndarray,
    *,
    instrument: str,
    detector: str,
    subarray: str,
    noutputs: int | None,
    xstart: int,
    ystart: int,
    fastaxis: int | None = None,
    slowaxis: int | None = None,
    odd_even_columns: bool,
    use_side_ref_pixels: bool,
    side_smoothing_length: int,
    side_gain: float,
    odd_even_rows: bool,
    refpix_algorithm: str = "median",
    sirs_coefficients: tuple[np.ndarray, ...] | None = None,
    sigreject: float = 4.0,
    gaussmooth: float = 1.0,
    halfwidth: int = 30,
    siglimit: float = 3.0,
    striped: bool = False,
    stripe_side_columns: bool = True,
    orientation: str = "header",
) -> LevelPlan:
    """Decide from PIXELDQ and the header how an exposure is corrected.

    Parameters
    ----------
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags in the science frame, shape (ny, nx). REFERENCE_PIXEL and DO_NOT_USE count.
    instrument, detector, subarray : str
        INSTRUME, DETECTOR, SUBARRAY.
    noutputs : int or None
        Amplifiers in use (NOUTPUTS).
    xstart, ystart : int
        First column and row of the subarray, from one (SUBSTRT1, SUBSTRT2).
    fastaxis, slowaxis : int or None
        FASTAXIS and SLOWAXIS. None: the orientation follows from ``detector``.
    odd_even_columns : bool
        Separate levels for odd and even columns (near infrared).
    use_side_ref_pixels : bool
        Subtract the running median of the side pixels (near infrared, four amplifiers).
    side_smoothing_length : int
        Rows in the running median, from 1 to 4095. An even number takes one more row of those read before
        than of those read after.
    side_gain : float
        Factor for the running median before it is subtracted.
    odd_even_rows : bool
        Separate levels for odd and even rows (MIRI).
    refpix_algorithm : str
        Treatment of the side pixels: "median", or "sirs" for full frames.
    sirs_coefficients : tuple of 2D `~numpy.ndarray` or None
        Coefficients for "sirs", see `sirs.make_kernels`. None: the running median serves instead.
    sigreject, gaussmooth, halfwidth : float, float, int
        Parameters of "sirs", see `sirs`.
    siglimit : float
        Pixels farther than so many standard deviations from the mean are left out of a level; repeated until
        nothing changes.
    striped : bool
        The frames are those of a multistripe exposure.
    stripe_side_columns : bool
        Treat the four columns at either side of multistripe frames like all others. If not, they are neither used
        nor corrected (as in release 1.19).
    orientation : str
        "header": as ``fastaxis`` and ``slowaxis`` have it; "detector": as ``detector`` has it, whatever they are.

    Returns
    -------
    LevelPlan
        For `correct_groups`.

    Raises
    ------
    NotApplicable
        For MIRI subarrays, subarrays that do not fit on the detector, and single-amplifier subarrays with
        reference pixels in odd or in even columns only (where jwst stops with an error).
    StepError
        If a parameter or header value makes no sense, or the frames are larger than the detector (IRS2).
    """
    if siglimit <= 0:
        raise StepError(f"Refpix: siglimit is {siglimit}, expected a positive number.")
    usable = (pixeldq & np.uint32(bits.DO_NOT_USE)) == 0
    if instrument == "MIRI":
        return plan_miri(usable, odd_even_rows, siglimit)
    shape = pixeldq.shape
    if max(shape) > NIR_SIZE:
        raise StepError(f"Refpix: frames of {shape[0]} x {shape[1]} pixels are larger than the detector.")
    if orientation == "detector" or fastaxis is None or slowaxis is None:
        placed = Orientation.from_detector(detector)
    else:
        placed = Orientation.from_axes(fastaxis, slowaxis)
    corner = placed.corner_in_detector((ystart - 1, xstart - 1), shape, NIR_SIZE)

    if striped:
        good = usable & ((pixeldq & np.uint32(bits.REFERENCE_PIXEL)) != 0)
        return plan_stripes(good, placed, corner[1], odd_even_columns, stripe_side_columns, siglimit)
    if xstart < 1 or ystart < 1 or xstart + shape[1] > NIR_SIZE + 1 or ystart + shape[0] > NIR_SIZE + 1:
        raise NotApplicable(
            f"the subarray starts at x={xstart}, y={ystart} and has {shape[1]} x {shape[0]} pixels: "
            f"it does not fit on the detector of {NIR_SIZE} x {NIR_SIZE}"
        )
    if shape != (NIR_SIZE, NIR_SIZE) and noutputs != AMPLIFIERS:
        reference = (pixeldq & np.uint32(bits.REFERENCE_PIXEL)) != 0
        if instrument == "NIRSPEC" and subarray in _NIRSPEC_EDGES_AS_REFERENCE:
            reference[:, :BORDER] = reference[:, -BORDER:] = True
        plan = plan_single_amplifier(reference & usable, placed, odd_even_columns, siglimit)
        return replace(plan, single=True)

    if refpix_algorithm not in ("median", "sirs"):
        raise StepError(f'Refpix: refpix_algorithm is "{refpix_algorithm}", expected "median" or "sirs".')
    if use_side_ref_pixels and not 1 <= side_smoothing_length < 2 * NIR_SIZE:
        raise StepError(f"Refpix: side_smoothing_length is {side_smoothing_length}, expected 1 to {2 * NIR_SIZE - 1}.")
    window = side_smoothing_length if use_side_ref_pixels else 0
    if window and wants_kernels(instrument, subarray, refpix_algorithm) and sirs_coefficients is not None:
        kernels = sirs.make_kernels(*sirs_coefficients, gaussmooth=gaussmooth, halfwidth=halfwidth)
        plan = plan_four_amplifiers(usable, placed, corner, odd_even_columns, 0, side_gain, siglimit)
        return replace(plan, kernels=kernels, sigreject=sigreject)
    plan = plan_four_amplifiers(usable, placed, corner, odd_even_columns, window, side_gain, siglimit)
    return replace(plan, single=not use_side_ref_pixels)
