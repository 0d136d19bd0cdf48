"""Take the flicker (1/f) noise out of ramps.

The read-out electronics drift while they read a frame: pixels that are read one after the other, along a line, have a
common offset that changes from line to line. The reference pixels see part of it. The rest is measured here on the
pixels that see no source, in the difference of every two successive groups, and subtracted; the differences are
summed up again, so that the first group of an integration stays as it is.

Background is told from sources on a draft of the count rate (`_scene_mask`), and in every difference by its own values
(`clean_difference`). A background level, or a model of it, is set aside while the noise is fitted: the medians of
lines, or, of spectra of NIRSpec, waves along them.

Of time series the background can be the median of all integrations, as bright as each of them. It has what does not
change, sources included, so that every group is cleaned by itself, the first one, too (`clean_group`).

Units: SCI in DN, the draft in DN/s; the flat has none.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/main.html
"""

from typing import NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.clean_flicker_noise import background, fourier, lines, sections
from rampflow.steps.scene_mask import clip

#: Exposures whose noise is fitted in Fourier space on demand.
_FOURIER = frozenset({"NRS_MSASPEC", "NRS_IFU", "NRS_FIXEDSLIT", "NRS_BRIGHTOBJ"})
_UNUSABLE = np.uint8(dq.DO_NOT_USE | dq.JUMP_DET)


class Fit(NamedTuple):
    """How the noise of an exposure is fitted.

    Attributes
    ----------
    axis : int
        Axis of the image along which a line runs.
    by_channel : bool
        Fit the four outputs of a full frame on their own.
    background_method, background_box_size, n_sigma
        The parameters of these names.
    waves_of : str or None
        The detector, where waves are fitted along its lines, and not medians.
    passed_below : tuple of float or None
        Of a subarray whose waves are fitted: where (Hz) the gain for slow ones falls.
    """

    axis: int
    by_channel: bool
    background_method: str | None
    background_box_size: list | None
    n_sigma: float
    waves_of: str | None = None
    passed_below: tuple | None = None

    @property
    def median_image(self) -> bool:
        """Whether the median of all integrations is the background."""
        return self.background_method == "median_image"


def choose_fit(
    *,
    exp_type: str,
    slowaxis: int,
    subarray: str,
    detector: str,
    frame: tuple[int, ...],
    fit_method: str,
    fit_by_channel: bool,
    background_method: str | None,
    background_box_size: list[int] | None,
    n_sigma: float,
) -> Fit:
    """Choose how the noise of an exposure is fitted.

    Parameters
    ----------
    exp_type, slowaxis, subarray, detector
        Keywords of these names.
    frame : tuple of int
        Rows and columns.
    fit_method, fit_by_channel, background_method, background_box_size, n_sigma
        Parameters of the step.

    Returns
    -------
    Fit

    Raises
    ------
    NotApplicable
        MIRI, but for imaging; a fit in Fourier space of what is no spectrum of NIRSpec.
    """
    mid_infrared = exp_type.startswith("MIR")
    if mid_infrared and exp_type != "MIR_IMAGE":
        raise NotApplicable(f"of MIRI's exposures only images (MIR_IMAGE) are corrected; this is {exp_type}")
    waves_of = passed_below = None
    if fit_method == "fft":
        if exp_type not in _FOURIER:
            raise NotApplicable(f"fit_method: fft is for {', '.join(sorted(_FOURIER))}; this is {exp_type}")
        waves_of = detector
        if tuple(frame) != (fourier.FULL, fourier.FULL):
            passed_below = sections.passed_below(subarray)
    # MIRI's noise shows along columns, whatever the direction of its read-out.
    axis = 0 if mid_infrared else abs(slowaxis) - 1
    by_channel = fit_by_channel and subarray == "FULL" and not mid_infrared
    return Fit(axis, by_channel, background_method, background_box_size, n_sigma, waves_of, passed_below)


def fill_flat(flat: np.ndarray) -> np.ndarray:
    """Replace values of a flat that cannot be divided by, with a model of those around them.

    Parameters
    ----------
    flat : 2D float32 `~numpy.ndarray`
        Changed in place.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        ``flat``.
    """
    good = np.isfinite(flat) & (flat != 0)
    if good.any() and not good.all():
        around = background.background(np.where(good, flat, np.float32(0)), good.copy(), method="model")
        flat[~good] = np.broadcast_to(around, flat.shape)[~good]
    return flat


class Cleaned(NamedTuple):
    """What `clean_difference` finds (DN): the difference without noise, and the background that was set aside.

    NaN of the difference stays NaN. The background is that of the difference divided by the flat.
    """

    difference: np.ndarray
    background: np.ndarray


def clean_difference(
    before: np.ndarray,
    after: np.ndarray,
    groupdq: np.ndarray,
    mask: np.ndarray,
    fit: Fit,
    flat: np.ndarray | None = None,
) -> Cleaned | None:
    """Take the flicker noise out of the difference of two successive groups.

    Parameters
    ----------
    before, after : 2D float32 `~numpy.ndarray`
        The groups (DN).
    groupdq : 2D uint8 `~numpy.ndarray`
        Flags of the later one: pixels with DO_NOT_USE or JUMP_DET are no background.
    mask : 2D bool `~numpy.ndarray`
        True for background, from `_scene_mask`.
    fit : Fit
        From `choose_fit`.
    flat : 2D float32 `~numpy.ndarray`, optional
        From `fill_flat`; background and noise are fitted to the difference divided by it.

    Returns
    -------
    Cleaned or None
        None where no pixel is left to go by.
    """
    return _clean(after - before, mask & ((groupdq & _UNUSABLE) == 0), fit, flat)


def _clean(image, mask, fit, flat):
    """Take the noise out of an image, in place; returns a `Cleaned` or None."""
    if flat is not None:
        image /= flat
    good = np.isfinite(image)
    image[~good] = 0
    mask = mask & good
    if not mask.any():
        return None
    level = background.background(image, mask, method=fit.background_method, box_size=fit.background_box_size)
    image -= level
    if fit.background_method and fit.n_sigma > 0:
        clip.keep_background(image, mask, below=fit.n_sigma, above=fit.n_sigma, lower_half=True)
    image -= fit_noise(image, mask, fit)
    image += level
    if flat is not None:
        image *= flat
    image[~good] = np.nan
    return Cleaned(image, level)


def fit_noise(image, mask, fit):
    """Fit the noise of an image without background.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        Without NaN.
    mask : 2D bool `~numpy.ndarray`
        True for background, which there has to be.
    fit : Fit
        From `choose_fit`.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        The noise, of the image's shape.
    """
    if fit.passed_below:
        return sections.fit_subarray(image, mask, fit.waves_of, fit.passed_below)
    if fit.waves_of:
        return fourier.fit_full_frame(image, mask, fit.waves_of)
    return lines.fit_lines(image, mask, axis=fit.axis, by_channel=fit.by_channel)


def median_ramp(values: np.ndarray) -> np.ndarray:
    """Return the median of all integrations, float32; NaN where no integration has a value.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Float32, integrations first.
    """
    # NaN are sorted to the end.
    values = np.sort(values, axis=0)
    count = np.count_nonzero(np.isfinite(values), axis=0)[np.newaxis]
    low, high = (np.take_along_axis(values, np.maximum(k, 0) // 2, axis=0)[0] for k in (count - 1, count))
    return (low + high) / np.float32(2)


def clean_group(
    sci: np.ndarray, scaled: np.ndarray, mask: np.ndarray, fit: Fit, flat: np.ndarray | None = None
) -> np.ndarray | None:
    """Take the flicker noise out of a group, beside the median of all integrations of that group.

    Parameters
    ----------
    sci : 2D float32 `~numpy.ndarray`
        The group (DN).
    scaled : 2D `~numpy.ndarray`
        The median, as bright as the integration; NaN where there is none.
    mask : 2D bool `~numpy.ndarray`
        True for background, from `_scene_mask`. Flags of the group do not count.
    fit : Fit
        From `choose_fit`.
    flat : 2D float32 `~numpy.ndarray`, optional
        From `fill_flat`; the noise is fitted to what is left, divided by it.

    Returns
    -------
    2D float32 `~numpy.ndarray` or None
        None where no pixel is left to go by. What is NaN, or has no median, is NaN.
    """
    found = _clean((sci - scaled).astype(np.float32), mask, fit._replace(background_method=None), flat)
    return None if found is None else (found.difference + scaled).astype(np.float32)
