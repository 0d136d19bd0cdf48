"""How bright the source of a time series is in every integration, to scale the median of all integrations by.

Of images it is the light in an aperture around the source, in electrons; of spectra, the sum of what stands out from
the background; of other exposures, the median of the image. Only ratios matter.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/tso_photometry/description.html
"""

import warnings
from collections.abc import Callable, Iterable

import numpy as np

from rampflow.steps import NotApplicable
from rampflow.steps import scene_mask as scene
from rampflow.steps.scene_mask.soss import Box

#: Time series of spectra whose place nothing says.
_SPECTRA = frozenset({"NRC_TSGRISM", "NRS_BRIGHTOBJ"})
#: Pixels: radius of the aperture, radius within which a source is expected, sides of the boxes to find it in.
_APERTURE, _EXPECTED, _BOXES = 3.0, 4.0, (41, 11)
#: Standard deviations above the background at which a pixel is part of a spectrum.
_ABOVE = 2.0


def kind_of_light(exp_type: str, tso: bool) -> str:
    """Tell how the brightness of an exposure is measured: "aperture", "spectrum" or "median".

    Parameters
    ----------
    exp_type : str
        EXP_TYPE.
    tso : bool
        TSOVISIT, which tells MIRI's images that are time series.
    """
    if exp_type == "NRC_TSIMAGE" or (exp_type == "MIR_IMAGE" and tso):
        return "aperture"
    return "spectrum" if exp_type in _SPECTRA else "median"


def medians(rates: Iterable[np.ndarray]) -> np.ndarray:
    """Return the median of every image."""
    return np.array([np.nanmedian(rate) if np.isfinite(rate).any() else np.nan for rate in rates], np.float32)


def summed_spectra(rates: Iterable[np.ndarray], middle: np.ndarray) -> np.ndarray:
    """Return the light of the spectrum in every image.

    Parameters
    ----------
    rates : iterable of 2D float32 `~numpy.ndarray`
        Count rates of the integrations (DN/s).
    middle : 2D float32 `~numpy.ndarray`
        Their median, which says where the spectrum is, and what a pixel has that an integration lacks.

    Returns
    -------
    1D float64 `~numpy.ndarray`
        NaN for images without any light.
    """
    mask = scene.scene_mask(middle, n_sigma=_ABOVE, fit_histogram=False)
    level = np.median(middle[mask]) if mask.any() else np.nan
    place = np.isfinite(middle) & ~mask & (middle > level)
    expected = middle[place].astype(np.float64)
    found = []
    for rate in rates:
        values = rate[place].astype(np.float64)
        there = np.isfinite(values)
        found.append(np.where(there, values, expected).sum() if there.any() else np.nan)
    return np.array(found)


def box_light(rates: Iterable[np.ndarray], box: Box, limits: tuple[float, float]) -> np.ndarray:
    """Return the light in a box along a spectrum in every image.

    Parameters
    ----------
    rates : iterable of 2D float32 `~numpy.ndarray`
        Count rates of the integrations (DN/s); NaN does not count.
    box : `~rampflow.steps.scene_mask.soss.Box`
        The box.
    limits : tuple of float
        Shortest and longest wavelength that counts (um).

    Returns
    -------
    1D float64 `~numpy.ndarray`
    """
    there = np.isfinite(box.wavelengths)
    chosen = (box.wavelengths[there] >= limits[0]) & (box.wavelengths[there] <= limits[1])
    # Added up in this order sums are jwst's to the last bit.
    spectra = (np.nansum(rate * box.weights, axis=0)[there] for rate in rates)
    return np.array([np.where(chosen, spectrum, 0.0).sum() for spectrum in spectra])


def _centres(images, bad, around, box):
    """Find the centre of light in a box around a place, in every image; NaN where there is none."""
    from photutils.centroids import centroid_sources

    centres = []
    for image in images:
        good = np.isfinite(image) if bad is None else np.isfinite(image) & ~bad
        rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
        away = np.hypot(columns - around[0], rows - around[1]) >= _EXPECTED
        if not (good & away).any():
            centres.append((np.nan, np.nan))
            continue
        values = image - np.median(image[good & away])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                x, y = centroid_sources(values, *around, mask=~good, box_size=box)
            except ValueError:
                x = y = [np.nan]
        # Noise may draw a centre anywhere.
        inside = 0 <= x[0] < image.shape[1] and 0 <= y[0] < image.shape[0]
        centres.append((x[0], y[0]) if inside else (np.nan, np.nan))
    return np.array(centres)


def find_source(make_images, planned, bad=None):
    """Find where the source of a time series of images is.

    Parameters
    ----------
    make_images : callable
        Returns an iterable of the images.
    planned : tuple of float
        Column and row, counted from 0, where it was planned to be.
    bad : 2D bool `~numpy.ndarray`, optional
        Pixels that do not count.

    Returns
    -------
    tuple of float
        The median of its places; the planned one where it is found in no image.
    """
    around = planned
    for box in _BOXES:
        centres = _centres(make_images(), bad, around, box)
        found = np.isfinite(centres).all(axis=1)
        if not found.any():
            return planned
        around = tuple(np.median(centres[found], axis=0))
    return around


def aperture_light(
    make_images: Callable[[], Iterable[np.ndarray]], planned: tuple[float, ...], bad: np.ndarray | None = None
) -> np.ndarray:
    """Return the light in an aperture around the source in every image.

    Parameters
    ----------
    make_images, planned, bad
        As for `find_source`; bad pixels do count for the light.

    Returns
    -------
    1D float64 `~numpy.ndarray`
        NaN for images that have nothing in the aperture.
    """
    from photutils.aperture import CircularAperture

    aperture = CircularAperture(find_source(make_images, planned, bad), _APERTURE).to_mask(method="exact")
    found = []
    for image in make_images():
        weights, values = aperture.to_image(image.shape), image.astype(np.float64)
        if weights is None or not (there := (weights > 0) & np.isfinite(values)).any():
            found.append(np.nan)
        else:
            found.append((weights[there] * values[there]).sum())
    return np.array(found)


def scales(light: np.ndarray) -> np.ndarray:
    """Return what to multiply the median of all integrations by, to have each of them.

    Parameters
    ----------
    light : 1D `~numpy.ndarray`
        How bright every integration is; those where that is not finite are taken for the median of the others.

    Returns
    -------
    1D `~numpy.ndarray`
        Of the same type.

    Raises
    ------
    NotApplicable
        There are fewer than two integrations, or none is bright.
    """
    if light.size < 2:
        raise NotApplicable("background_method: median_image needs two integrations or more")
    if not np.isfinite(light).any():
        raise NotApplicable("background_method: median_image finds no light in any integration to scale the median by")
    light = light.copy()
    middle = np.median(light[np.isfinite(light)])
    light[~np.isfinite(light)] = middle
    with np.errstate(divide="ignore", invalid="ignore"):
        return light / middle
