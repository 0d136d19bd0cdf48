"""Choose how the noise of an image is fitted by what the image looks like.

The draft of the count rates is cleaned in a simple way, and what is no background is filled up with a model of the
background around it. Averages of a band in the middle, along both axes, then tell a smooth background from a level,
and whether the four outputs differ.

Sources: https://github.com/spacetelescope/jwst/pull/9759 for the idea; the order of things and the limits are those
that were seen in what jwst 3.0.0 does.
"""

from typing import Any, NamedTuple

import numpy as np
from astropy.stats import sigma_clipped_stats

from rampflow.steps.clean_flicker_noise import background, lines
from rampflow.steps.scene_mask import clip

#: Standard deviations below and above the centre of the background at which a pixel is none.
_BELOW, _ABOVE = 3.0, 2.0
#: Parts of an axis: the band in the middle, and one that is nearly free of the light of NIRISS's field.
_MIDDLE, _QUIET = (3 / 8, 5 / 8), (5 / 6, 11 / 12)
#: Sides of a full frame, and its outputs.
_FULL, _OUTPUTS = 2048, 4
#: Standard deviations at which averages do not count for the scatter about a line, and for the mean of an output.
_ODD, _CLIP = 10.0, 3.0


class Limits(NamedTuple):
    """Limits of what is seen in an image.

    Attributes
    ----------
    masked : float
        Part of the pixels that are no background, from which on a field is crowded.
    offset : float
        Difference of neighbouring outputs (DN/s) from which on it is large.
    slope, slope_beside_offset : float
        Slopes (DN/s per pixel) from which on the background is no level; the second where the outputs differ.
    ratio : float
        Ratio of the slopes along the two axes from which on they do not belong to the same background.
    scatter : float
        Standard deviation (DN/s) of averages about their line from which on outputs have noise of their own.
    """

    masked: float
    offset: float
    slope: float
    slope_beside_offset: float
    ratio: float
    scatter: float


#: By exposure type.
LIMITS = {
    "NRC_IMAGE": Limits(0.1, 0.07, 1e-5, 1e-5, 3.0, 0.02),
    "NIS_IMAGE": Limits(0.07, 0.07, 1e-5, 1e-4, 5.0, 0.02),
}


class Seen(NamedTuple):
    """What is seen in an image; the names are those of `Limits`, and ``slope`` is the steeper one."""

    masked: float
    offset: float
    slope: float
    ratio: float
    scatter: float


def smooth_image(rate, axis):
    """Clean an image and fill what is no background.

    Parameters
    ----------
    rate : 2D float32 `~numpy.ndarray`
        Draft of the count rate (DN/s), divided by the flat where there is one.
    axis : {0, 1}
        Axis along which a line runs.

    Returns
    -------
    image : 2D float32 `~numpy.ndarray`
        Without noise of lines, and without sources.
    masked : float
        Part of the pixels that are no background.
    """
    mask = np.isfinite(rate)
    image = np.where(mask, rate, np.float32(0))
    clip.keep_background(image, mask, below=_BELOW, above=_ABOVE)
    level = background.background(image, mask, method="median")
    image -= level
    clip.keep_background(image, mask, below=_BELOW, above=_ABOVE, lower_half=True)
    image -= lines.fit_lines(image, mask, axis=axis, by_channel=False)
    image += level
    image[~mask] = 0
    around = background.background(image, mask, method="model")
    return np.where(mask, image, around).astype(np.float32), float(1 - mask.mean())


def _average(image, axis, part):
    start, stop = (int(image.shape[axis] * end) for end in part)
    return image.take(range(start, stop), axis).mean(axis)


def _fit_line(values):
    """Return the slope of a line through values, and their scatter about it."""
    place = np.arange(values.size)
    slope, start = np.polyfit(place, values.astype(np.float64), 1)
    return slope, sigma_clipped_stats(values - (start + slope * place), sigma=_ODD)[2]


def _largest_offset(values):
    """Return the largest difference of the means of neighbouring outputs; 0 where they are not side by side."""
    if values.size != _FULL:
        return 0.0
    means = [sigma_clipped_stats(output, sigma=_CLIP)[0] for output in np.split(values, _OUTPUTS)]
    return np.abs(np.diff(means)).max()


def look(rate: np.ndarray, axis: int, exp_type: str) -> Seen:
    """See what tells how the noise of an image is to be fitted.

    Parameters
    ----------
    rate, axis
        As for `smooth_image`.
    exp_type : str
        A key of `LIMITS`.

    Returns
    -------
    Seen
    """
    image, masked = smooth_image(rate, axis)
    # The outputs of NIRCam are beside each other along rows, those of NIRISS along columns.
    along_rows, along_columns = _average(image, 0, _MIDDLE), _average(image, 1, _MIDDLE)
    fits = _fit_line(along_rows), _fit_line(along_columns)
    if exp_type == "NIS_IMAGE":
        offset, scatter = _largest_offset(along_columns), _fit_line(_average(image, 0, _QUIET))[1]
    else:
        offset, scatter = _largest_offset(along_rows), fits[0][1]
    gentle, steep = sorted(abs(slope) for slope, _ in fits)
    ratio = steep / gentle if gentle else np.inf
    return Seen(masked, offset, steep, ratio, scatter)


def choose_parameters(seen: Seen, limits: Limits) -> dict[str, Any]:
    """Choose parameters by what is seen in an image.

    Parameters
    ----------
    seen : Seen
        From `look`.
    limits : Limits
        Those of the exposure type.

    Returns
    -------
    dict
        ``background_method`` and ``fit_by_channel``.
    """
    crowded, apart = seen.masked >= limits.masked, seen.offset >= limits.offset
    if crowded:
        sloping = seen.slope >= (limits.slope_beside_offset if apart else limits.slope)
        by_channel = False
    elif apart:
        sloping, by_channel = False, True
    else:
        steep = seen.slope >= limits.slope_beside_offset
        sloping = steep or (seen.slope >= limits.slope and seen.ratio < limits.ratio)
        by_channel = bool(seen.scatter >= limits.scatter)
    return {"background_method": "model" if sloping else "median", "fit_by_channel": by_channel}
