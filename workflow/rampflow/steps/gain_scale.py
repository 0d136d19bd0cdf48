"""Bring slopes taken with a non-standard gain setting to the scale of the standard one.

Most exposures use one gain setting per detector, and later calibration counts on it. Some (NIRSpec subarrays,
for one) were taken with another. The gain reference file then carries the ratio of the two as GAINFACT; ramp
fitting has usually copied it into the product's header already. The step multiplies slopes and errors by it
and variances by its square: DN/s in, DN/s out, on the standard scale. Most products have no such factor and
are left alone.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/gain_scale/description.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.steps import NotApplicable

if TYPE_CHECKING:
    # The start of a run asks whether the step applies, and must not wait for numpy.
    import numpy as np


def gain_factor(exposure_factor: float | None, reference_factor: float | None) -> float:
    """Say which factor applies to an exposure.

    Parameters
    ----------
    exposure_factor : float or None
        GAINFACT of the product. Counts if it is there.
    reference_factor : float or None
        GAINFACT of the gain reference file.

    Returns
    -------
    float
        Factor on the slopes.

    Raises
    ------
    NotApplicable
        If neither has one.
    """
    factor = reference_factor if exposure_factor is None else exposure_factor
    if factor is None:
        raise NotApplicable("GAINFACT is neither in the product nor in the gain reference: the gain is standard")
    return float(factor)


def scale(
    slope: np.ndarray, err: np.ndarray, var_poisson: np.ndarray, var_rnoise: np.ndarray, *, factor: float
) -> tuple[np.ndarray, ...]:
    """Multiply slopes and errors by the factor and variances by its square, in place.

    Parameters
    ----------
    slope, err : float32 `~numpy.ndarray`
        SCI and ERR (DN/s), any shape. NaN stays NaN.
    var_poisson, var_rnoise : float32 `~numpy.ndarray`
        Variances (DN²/s²).
    factor : float
        From `gain_factor`.

    Returns
    -------
    slope, err, var_poisson, var_rnoise : float32 `~numpy.ndarray`
        The same four arrays.
    """
    for array in (slope, err):
        array *= array.dtype.type(factor)
    for array in (var_poisson, var_rnoise):
        array *= array.dtype.type(factor**2)
    return slope, err, var_poisson, var_rnoise
