"""Subtract the bias pattern of the near-infrared detectors.

Right after a reset each pixel of a HAWAII-2RG starts at its own level, and the readout adds a pattern that is
the same in every read. The superbias reference file holds this image (DN), averaged from many zero-second
reads, for one readout pattern and subarray. The step subtracts it from every group (DN in, DN out), adds the
file's flags to PIXELDQ, and treats the zero frame likewise. There, exactly 0 means that an earlier step found
the value unusable, and stays 0.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/superbias/description.html and
https://jwst-docs.stsci.edu (NIR detectors, "Bias").
"""

import numpy as np

from rampflow.steps import keeping_zeros
from rampflow.steps.agreement import check_shape


def usable_bias(bias: np.ndarray) -> np.ndarray:
    """Replace unknown bias values by zero.

    Parameters
    ----------
    bias : 2D `~numpy.ndarray`
        Superbias (DN), cut to the exposure's pixels. NaN where it could not be measured.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        A copy with 0 for NaN: such pixels stay as they are.
    """
    return np.where(np.isnan(bias), 0, bias).astype(np.float32, copy=False)


def subtract_superbias(sci: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Subtract the bias from every group, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, rows, nx): groups of any integrations. NaN stays NaN.
    bias : 2D float32 `~numpy.ndarray`
        From `usable_bias`, cut to the same rows.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    check_shape("the superbias", bias.shape, "the frames", sci.shape[-2:])
    sci -= bias
    return sci


@keeping_zeros
def subtract_from_zeroframe(zeroframe: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Subtract the bias from zero frames, in place, except where they hold no measurement.

    Parameters
    ----------
    zeroframe : 3D float32 `~numpy.ndarray`
        First frame of each integration (DN), shape (n, rows, nx). Exactly 0 means "no measurement" and stays
        0.
    bias : 2D float32 `~numpy.ndarray`
        From `usable_bias`, cut to the same rows.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``zeroframe``.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    return subtract_superbias(zeroframe, bias)
