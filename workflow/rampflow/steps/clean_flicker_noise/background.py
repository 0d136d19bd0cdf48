"""The low-resolution background of an image, which is set aside while the noise is fitted.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/description.html
"""

import warnings

import numpy as np

from rampflow.steps.scene_mask import clip

#: Model: sides of a box unless they are given, boxes over which their values are smoothed, clipping in a box.
_BOX, _SMOOTHED, _CLIP, _ROUNDS = 32, 5, 3.0, 5


def box_for(shape):
    """Return the sides of the boxes of an image: the largest, up to 32, that divide it evenly."""
    return tuple(next(side for side in range(min(_BOX, size), 0, -1) if size % side == 0) for size in shape)


def model_background(image, mask, box_size=None):
    """Model the background by the medians of boxes, smoothed and interpolated (photutils).

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        The image.
    mask : 2D bool `~numpy.ndarray`
        True for background.
    box_size : tuple of int, optional
        Rows and columns of a box.

    Returns
    -------
    2D float32 `~numpy.ndarray` or None
        None where no box has enough background to go by.
    """
    from astropy.stats import SigmaClip
    from photutils.background import Background2D, MedianBackground

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = Background2D(
                image,
                tuple(box_size) if box_size else box_for(image.shape),
                mask=~mask,
                filter_size=_SMOOTHED,
                sigma_clip=SigmaClip(sigma=_CLIP, maxiters=_ROUNDS),
                bkg_estimator=MedianBackground(),
            )
            return np.asarray(found.background, np.float32)
        except ValueError:
            return None


def background(image, mask, *, method, box_size=None):
    """Find the background of an image.

    Parameters
    ----------
    image, mask, box_size
        As for `model_background`. What stands out from the background is taken out of the mask in place, unless
        there is no method.
    method : {"median", "model"} or None
        One level, a model, or none.

    Returns
    -------
    float32 or 2D float32 `~numpy.ndarray`
        0 where there is none.
    """
    if method is None:
        return np.float32(0)
    values = clip.keep_background(image, mask, below=_CLIP, above=_CLIP, lower_half=True)
    found = model_background(image, mask, box_size) if method == "model" else None
    return np.float32(clip.median(values)) if found is None else found
