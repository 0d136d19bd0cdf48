"""Tell the pixels of an exposure that see background only: on a draft of its count rates, or by the user's own mask.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/main.html
"""

from typing import NoReturn

import numpy as np

from rampflow.detector import dq
from rampflow.errors import StepError
from rampflow.steps import NotApplicable
from rampflow.steps.scene_mask import clip

#: Standard deviations below the draft's centre at which a pixel is no background.
_BELOW = 3.0


def scene_mask(
    rate: np.ndarray, *, n_sigma: float, fit_histogram: bool, science: np.ndarray | None = None
) -> np.ndarray:
    """Find the pixels of an image that see background only.

    Parameters
    ----------
    rate : 2D float32 `~numpy.ndarray`
        Draft of the count rate (DN/s). NaN, or exactly 0, is no background.
    n_sigma : float
        Standard deviations above the centre at which a pixel is a source; none is, if it is not positive.
    fit_histogram : bool
        Take centre and scatter from a Gaussian that is fitted to the histogram.
    science : 2D bool `~numpy.ndarray`, optional
        True for regions that are no background, whatever they show.

    Returns
    -------
    2D bool `~numpy.ndarray`
        True for background.
    """
    mask = np.isfinite(rate) & (rate != 0)
    if science is not None:
        mask &= ~science
    if n_sigma > 0:
        clip.keep_background(rate, mask, below=_BELOW, above=n_sigma, fit_histogram=fit_histogram)
    return mask


def user_mask(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Take the user's image for a mask.

    Parameters
    ----------
    image : 2D or 3D `~numpy.ndarray`
        Not 0 where there is background; 3D is an image for every integration.
    shape : tuple of int
        Of the exposure: integrations, groups, rows, columns.

    Returns
    -------
    bool `~numpy.ndarray`

    Raises
    ------
    NotApplicable
        The image has another shape than the exposure's frames.
    """
    nints, _, *frame = shape
    if image.shape not in (tuple(frame), (nints, *frame)):
        raise NotApplicable(f"user_mask has shape {image.shape}, the frames of the exposure {tuple(frame)}")
    return image != 0


def refuse_regions(reason: str) -> NoReturn:
    """Say that the science regions of an exposure cannot be masked; raises `StepError`.

    Parameters
    ----------
    reason : str
        Why they cannot.
    """
    raise StepError(
        f"mask_science_regions: {reason}; give a mask of your own as user_mask, or set mask_science_regions to false"
    )


def science_regions(flat_dq: np.ndarray) -> np.ndarray:
    """Find the regions of a MIRI image that are not illuminated like the sky; True for those."""
    return (flat_dq & np.uint32(dq.DO_NOT_USE | dq.NON_SCIENCE)) != 0
