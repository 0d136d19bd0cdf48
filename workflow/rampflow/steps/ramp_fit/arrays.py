"""What goes into the kernels of `ramp_fit`, and what comes out of them: arrays that belong together, by name.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

from typing import NamedTuple

import numpy as np
from numba import boolean, int64

from rampflow.kernels import F32_2, F32_3, F32_4, U8_4, U32_2, U32_3, fields


class Ramps(NamedTuple):
    """Ramps of a block of rows.

    Attributes
    ----------
    sci : float32 `~numpy.ndarray`
        Counts (DN), shape (nints, ngroups, rows, nx).
    groupdq : uint8 `~numpy.ndarray`
        Group flags, same shape.
    zeroframe : float32 `~numpy.ndarray`
        First frame of each integration (DN), shape (nints, rows, nx), or (0, rows, nx) if there is none.
    """

    sci: np.ndarray
    groupdq: np.ndarray
    zeroframe: np.ndarray


class Pixels(NamedTuple):
    """What the references say of the pixels, shape (rows, nx).

    Attributes
    ----------
    gain, readnoise, dark_rate : float32 `~numpy.ndarray`
        Gain (electrons/DN), CDS read noise (DN), mean dark current (DN/s).
    """

    gain: np.ndarray
    readnoise: np.ndarray
    dark_rate: np.ndarray


class Rules(NamedTuple):
    """Choices of the ordinary least-squares fit, see `fit_ramps`."""

    suppress_one_group: bool
    ignore_persistence: bool
    any_saturated: bool = False
    read_weights: bool = False


class Block(NamedTuple):
    """Columns of a row that are worked on together."""

    row: int
    left: int
    width: int


class Slopes(NamedTuple):
    """Slopes of an exposure, shape (rows, nx), or of its integrations, shape (nints, rows, nx).

    Attributes
    ----------
    slope, err : float32 `~numpy.ndarray`
        Count rate and its error (DN/s). NaN, with an error of 0, where there is none.
    dq : uint32 `~numpy.ndarray`
        Flags.
    var_poisson, var_rnoise : float32 `~numpy.ndarray`
        Variance of the rate due to photon noise and due to read noise (DN²/s²).
    """

    slope: np.ndarray
    dq: np.ndarray
    err: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray


class Optional(NamedTuple):
    """What `fit_optional` says of the segments: shape (nints, segments, rows, nx) unless noted; 0 where unused.

    Attributes
    ----------
    slope, sigslope, var_poisson, var_rnoise, yint, sigyint, weights : float32 `~numpy.ndarray`
        Slope (DN/s) and its uncertainty, variances, intercept (DN) and its uncertainty, weight in the mean.
    pedestal : float32 `~numpy.ndarray`
        Counts (DN) at the reset, shape (nints, rows, nx).
    crmag : float32 `~numpy.ndarray`
        Height (DN) of each jump, shape (nints, jumps, rows, nx).
    """

    slope: np.ndarray
    sigslope: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray
    yint: np.ndarray
    sigyint: np.ndarray
    pedestal: np.ndarray
    weights: np.ndarray
    crmag: np.ndarray


RAMPS = fields(Ramps, F32_4, U8_4, F32_3)
PIXELS = fields(Pixels, F32_2, F32_2, F32_2)
RULES = fields(Rules, boolean, boolean, boolean, boolean)
BLOCK = fields(Block, int64, int64, int64)
#: Slopes of an exposure, and of its integrations.
RATE = fields(Slopes, F32_2, U32_2, F32_2, F32_2, F32_2)
RATEINTS = fields(Slopes, F32_3, U32_3, F32_3, F32_3, F32_3)
OPTIONAL = fields(Optional, *(F32_4,) * 6, F32_3, F32_4, F32_4)


def ramps_and_pixels(sci, groupdq, zeroframe, gain, readnoise, dark_rate):
    """Put the arrays of a block of rows together; without a zero frame there is none of any integration, the dark is 0.

    Returns
    -------
    Ramps, Pixels
    """
    rows, nx = sci.shape[2:]
    if dark_rate is None:
        dark_rate = np.zeros((rows, nx), np.float32)
    return Ramps(sci, groupdq, with_zeroframe(zeroframe, rows, nx)), Pixels(gain, readnoise, dark_rate)


def with_zeroframe(zeroframe, rows, nx):
    """Give the zero frames that kernels take, which may be those of no integration."""
    return np.zeros((0, rows, nx), np.float32) if zeroframe is None else zeroframe


def empty_slopes(nints, rows, nx):
    """Give room for the slopes of an exposure and for those of its integrations."""
    return tuple(
        Slopes(*(np.empty(shape, np.uint32 if name == "dq" else np.float32) for name in Slopes._fields))
        for shape in ((rows, nx), (nints, rows, nx))
    )
