"""The sky of NIRISS SOSS, whose level jumps in the middle of the detector: a template of the `bkg` reference.

The template that fits best is scaled on either side of the jump by itself, to the median of what is faint in all
integrations together.

Source: https://jwst-pipeline.readthedocs.io/en/latest/jwst/background_subtraction/description.html
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from rampflow.steps import NotApplicable
from rampflow.steps.clean_flicker_noise.background import background
from rampflow.steps.clean_flicker_noise.ranks import percentiles

#: Columns between which the level jumps, pixels over which the template is smoothed to find it, and the last column
#: that is fitted.
_JUMP, _SMOOTHED, _LAST = (685, 725), 3, 950
#: Percentiles: of the rates, below which a pixel is sky; of rate over template, between which is the scale.
_FAINT, _MIDDLE = 35.0, (25.0, 50.0)
#: Rows of the template below those of SUBSTRIP96.
_BELOW = 10

Rates = Callable[[], Iterable[np.ndarray]]


class Sky(NamedTuple):
    """Levels of the sky: a template (2D float32), True right of the jump (2D bool), and the scales of both sides."""

    template: np.ndarray
    right: np.ndarray
    scales: tuple[float, float]

    def taken_off(self, rate: np.ndarray) -> np.ndarray:
        """Return a rate without the sky (DN/s), 2D float32."""
        return (rate - self.template * np.where(self.right, self.scales[1], self.scales[0])).astype(np.float32)


def right_of_jump(template: np.ndarray) -> np.ndarray:
    """Find the pixels right of the jump, True for these, by where the smoothed template rises most in each row."""
    gradient = np.gradient(gaussian_filter(template, _SMOOTHED), axis=1)
    jump = np.argmax(gradient[:, slice(*_JUMP)], axis=1) + _JUMP[0]
    return np.arange(template.shape[1]) >= jump[:, np.newaxis]


def cut_templates(templates: np.ndarray, rows: int) -> np.ndarray | None:
    """Cut templates to the rows of SUBSTRIP96; None where they have other rows than the exposure, after that."""
    if templates.shape[-2] == 256 and rows == 96:
        templates = templates[:, _BELOW : _BELOW + 96]
    return templates if templates.shape[-2] == rows else None


def fit_sky(rates: Rates, unusable: np.ndarray, templates: np.ndarray) -> Sky | None:
    """Find the template that fits best, and its scales.

    Parameters
    ----------
    rates : callable
        Returns an iterable of the rates of the integrations (2D float32, DN/s). NaN does not count.
    unusable : 2D bool `~numpy.ndarray`
        Pixels that do not count.
    templates : 3D float32 `~numpy.ndarray`
        From `cut_templates`.

    Returns
    -------
    Sky or None
        None where there is nothing to fit one to.
    """
    usable = ~unusable
    threshold = percentiles(lambda: (rate[usable & np.isfinite(rate)] for rate in rates()), _FAINT)
    if threshold is None:
        return None

    def faint(where: np.ndarray, template: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for rate in rates():
            chosen = where & np.isfinite(rate) & (rate < threshold[0])
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = rate[chosen] / template[chosen]
            finite = np.isfinite(ratio)
            yield ratio[finite], rate[chosen][finite], template[chosen][finite]

    best, found = np.inf, None
    for template in templates:
        right, fitted = right_of_jump(template), np.arange(template.shape[1]) <= _LAST
        sides = [_fit_side(partial(faint, side & usable, template)) for side in (~right, right & fitted)]
        if None not in sides and (error := sum(error for _, error in sides)) < best:
            best, found = error, Sky(template, right, tuple(scale for scale, _ in sides))
    return found


def _fit_side(faint):
    """Find the scale of a side, and how far rates are from the scaled template (root of the mean square), or None."""
    middle = percentiles(lambda: (ratio for ratio, _, _ in faint()), *_MIDDLE)
    if middle is None:
        return None
    inner = percentiles(lambda: (ratio[(ratio > middle[0]) & (ratio < middle[1])] for ratio, _, _ in faint()), 50)
    if inner is None:
        return None
    scale, count, total = np.float64(inner[0]), 0, 0.0
    for _, rate, template in faint():
        count += rate.size
        total += np.square(rate - template * scale).sum()
    return scale, np.sqrt(total / count)


def fill_level(level: np.ndarray) -> np.ndarray:
    """Replace NaN of a level of the sky by a model of what is around, in place, and return it.

    Raises
    ------
    NotApplicable
        It has no other value.
    """
    good = np.isfinite(level)
    if not good.any():
        raise NotApplicable("background_method: median_image finds no rate in an integration to tell the sky by")
    if not good.all():
        around = background(np.where(good, level, np.float32(0)), good.copy(), method="model")
        level[~good] = np.broadcast_to(around, level.shape)[~good]
    return level


def group_times(ngroups: int, *, nframes: int, groupgap: int, tframe: float) -> list[float]:
    """Return for each group the time from the reset to the end of its last frame (s)."""
    return [(nframes + (nframes + groupgap) * group) * tframe for group in range(ngroups)]
