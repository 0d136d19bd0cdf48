"""Tell background from signal by the distribution of an image's values.

The values are sorted once. What a clip leaves is then a run of the sorted values, its median one look-up, and every
further clip of the same image starts from the run.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/description.html
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import optimize

#: Standard deviations beyond which values do not count for the level and the scatter, and how often to look.
_CLIP, _ROUNDS = 3.0, 5
#: Histogram: bins, and how many standard deviations around the centre it covers.
_BINS, _COVERED = 2000, 4.0


class Level(NamedTuple):
    """Centre and scatter (standard deviation) of the background."""

    centre: float
    scatter: float


def sorted_values(image, mask):
    """Return the finite values under a mask in ascending order, in the image's own type."""
    values = image[mask]
    if not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    values.sort()
    return values


def median(values):
    """Return the median of sorted values, float64; NaN if there are none."""
    if not values.size:
        return np.nan
    middle = values[(values.size - 1) // 2 : values.size // 2 + 1]
    return middle.astype(np.float64).mean()


def between(values, low, high):
    """Return the run of sorted values that are not below ``low`` nor above ``high``."""
    return values[np.searchsorted(values, low, "left") : np.searchsorted(values, high, "right")]


def _clipped(values):
    """Leave out what is far from the median, until nothing is or the rounds are over; centre, scatter, values."""
    for _ in range(_ROUNDS):
        centre, reach = median(values), _CLIP * values.std()
        kept = between(values, centre - reach, centre + reach)
        if kept.size == values.size:
            break
        values = kept
    if not values.size:
        return Level(np.nan, np.nan), np.nan
    return Level(median(values), values.std()), values.mean()


def find_level(values, *, lower_half=False, fit_histogram=False):
    """Find the level of the background and its scatter.

    Parameters
    ----------
    values : 1D `~numpy.ndarray`
        From `sorted_values`.
    lower_half : bool
        Take the lower half of the values alone, mirrored about the median: sources are in the upper half.
    fit_histogram : bool
        Refine both by a Gaussian that is fitted to the histogram of the values.

    Returns
    -------
    Level
    """
    values = values.astype(np.float64)
    level, mean = _clipped(values)
    if lower_half:
        half = between(values, -np.inf, level.centre)
        values = np.concatenate([half, (2 * level.centre - half)[::-1]])
        level, mean = _clipped(values)
    return _fit_gaussian(values, level._replace(centre=mean)) if fit_histogram else level


def _fit_gaussian(values, level):
    limits = level.centre - _COVERED * level.scatter, level.centre + _COVERED * level.scatter
    counts, edges = np.histogram(values, _BINS, range=limits)
    middle = (edges[1:] + edges[:-1]) / 2

    def gaussian(x, height, centre, width):
        return height * np.exp(-0.5 * ((x - centre) / width) ** 2)

    start = counts.max(), level.centre, level.scatter
    bounds = (0, limits[0], 0), (np.inf, limits[1], np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optimize.OptimizeWarning)
        found, _ = optimize.curve_fit(gaussian, middle, counts, start, bounds=bounds)
    return Level(found[1], found[2])


def keep_background(image, mask, *, below, above, **options):
    """Take out of a mask, in place, what stands out from the background.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        Without NaN under the mask.
    mask : 2D bool `~numpy.ndarray`
        True for background.
    below, above : float
        Standard deviations below and above the centre of the background at which a value stands out.
    **options
        For `find_level`.

    Returns
    -------
    1D `~numpy.ndarray`
        The values that are left, sorted.
    """
    values = sorted_values(image, mask)
    level = find_level(values, **options)
    low, high = level.centre - below * level.scatter, level.centre + above * level.scatter
    mask &= image >= low
    mask &= image <= high
    return between(values, low, high)
