"""Start the quality flags of an exposure from the mask of known bad pixels.

Some pixels never work: dead, hot, without gain, reference pixels that see no light. The mask reference file
names them, one set of bits per pixel. They become the first flags of PIXELDQ. Pixels that must not be used at
all (DO_NOT_USE) are marked in every group too, because ramp fitting looks at group flags. SCI (DN) is not
touched. Observers can add flags of their own to those of the mask.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/dq_init/description.html
"""

import numpy as np

from rampflow.detector import dq
from rampflow.steps.agreement import check_shape

_NOT_CUT = "it is not cut out: give flags for the pixels of the exposure"


def add_user_flags(mask_dq: np.ndarray, user_dq: np.ndarray) -> np.ndarray:
    """Add flags that the user supplies to those of the mask.

    Parameters
    ----------
    mask_dq : 2D or 3D uint32 `~numpy.ndarray`
        Flags of the mask, in standard bits, cut to the exposure's pixels; for superstripes of each position.
    user_dq : 2D or 3D `~numpy.ndarray`
        Flags of the user, in standard bits, for just these pixels. Of any type, as the file has it.

    Returns
    -------
    2D or 3D uint32 `~numpy.ndarray`
        All flags.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    check_shape("user_supplied_dq", user_dq.shape, "the exposure's frames", mask_dq.shape, _NOT_CUT)
    return mask_dq | user_dq.astype(np.uint32)


def combine_pixel_dq(pixeldq: np.ndarray, mask_dq: np.ndarray) -> np.ndarray:
    """Add the flags of the mask to those of the exposure, in place.

    Parameters
    ----------
    pixeldq : 2D or 3D uint32 `~numpy.ndarray`
        Pixel flags of the exposure; for superstripes of each position.
    mask_dq : 2D or 3D uint32 `~numpy.ndarray`
        Flags of the mask, in standard bits, cut to the same pixels.

    Returns
    -------
    2D or 3D uint32 `~numpy.ndarray`
        ``pixeldq``.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    check_shape("the mask", mask_dq.shape, "PIXELDQ", pixeldq.shape[-mask_dq.ndim :])
    pixeldq |= mask_dq
    return pixeldq


def flag_groups(groupdq: np.ndarray, mask_dq: np.ndarray) -> np.ndarray:
    """Mark the pixels that the mask forbids as DO_NOT_USE in every group, in place.

    Parameters
    ----------
    groupdq : 3D uint8 `~numpy.ndarray`
        Group flags, shape (n, rows, nx): groups of any integrations.
    mask_dq : 2D uint32 or uint8 `~numpy.ndarray`
        Flags of the mask, in standard bits, or of these DO_NOT_USE; cut to the same pixels.

    Returns
    -------
    3D uint8 `~numpy.ndarray`
        ``groupdq``.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    check_shape("the mask", mask_dq.shape, "the frames of GROUPDQ", groupdq.shape[-mask_dq.ndim :])
    groupdq |= (mask_dq & dq.DO_NOT_USE).astype(np.uint8, copy=False)
    return groupdq
