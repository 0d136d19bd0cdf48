"""Flicker noise as the slowest waves along the lines of a full frame.

Along every line that is read the background is fitted by a constant and up to eight cycles, and what is found is
smoothed across lines. Background is sampled unevenly where slits or sources are masked; a pixel counts the more,
the fewer there are around it.

A fit by weighted least squares needs, for every line, the Fourier transforms of the squared weights and of the
values times them at a few low frequencies: a product of matrices for the whole image. As published, the fit is of
waves of positive frequencies to real values, which is exact without gaps, and near with gaps of some hundred pixels.

Source: Rauscher 2024, PASP 136, 015001 (https://arxiv.org/abs/2306.03250)
"""

from functools import lru_cache

import numpy as np
from scipy import fft, ndimage

from rampflow.steps.clean_flicker_noise import lines
from rampflow.steps.clean_flicker_noise.orientation import from_detector, to_detector

#: Pixels of a line, and lines.
FULL = 2048
#: Reference pixels at the first and at the last lines, which are not fitted.
_BORDER = 4
#: Gain of the waves of 0 to 8 cycles in a line: half at a cycle in 256 pixels, with an edge of 1 / 1024.
_GAIN = np.r_[np.ones(8), 0.5]
#: Values that are further from the median of their line, in standard deviations, are replaced by it.
_OUTLIER = 3 * 1.4826
#: Standard deviations (pixels) of the Gaussians: along lines for the density of background, across for the noise.
_DENSITY_WIDTH, _ACROSS_WIDTH, _REACH = 32, 1.5, 12
#: jwst centres its Gaussians beside the pixel, by this many pixels and lines: densities and noise are displaced.
DISPLACED = 1
#: A density that is smaller is none. jwst's has rounding errors of 1e-7, and 1 / density is noise there.
_NO_DENSITY = 1e-4
#: Combinations of waves that have less than this part of the greatest eigenvalue are left out. In single precision,
#: which jwst has, they are rounding errors.
TELLING = 1e-6


def line_weights(mask):
    """Weigh pixels by how few of the background are around them in their line.

    Parameters
    ----------
    mask : 2D bool `~numpy.ndarray`
        True for background; rows are lines.

    Returns
    -------
    2D float64 `~numpy.ndarray`
        One over the density of background in the line before, 0 where there is none, and for what is masked.
    """
    return _one_over(np.roll(_density(mask, _DENSITY_WIDTH), DISPLACED, axis=0), mask)


def clock_weights(mask, width):
    """Weigh pixels by how few of the background are around them.

    Parameters
    ----------
    mask : 1D bool `~numpy.ndarray`
        True for background, in the order of reading.
    width : float
        Standard deviation (pixels) of the Gaussian that says what is around.

    Returns
    -------
    1D float64 `~numpy.ndarray`
        As those of `line_weights`.
    """
    return _one_over(_density(mask, width), mask)


@lru_cache(maxsize=64)
def _spectrum(size, width):
    distance = np.minimum(np.arange(size), size - np.arange(size))
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    return fft.rfft(np.roll(kernel / kernel.sum(), DISPLACED))


def _density(mask, width):
    size = mask.shape[-1]
    return fft.irfft(fft.rfft(mask.astype(np.float64)) * _spectrum(size, width), size)


def _one_over(density, mask):
    counts = mask & (density > _NO_DENSITY)
    return np.divide(1, density, out=np.zeros_like(density), where=counts)


def without_outliers(image, mask):
    """Return an image in which values that stand out from their line's background are the line's median."""
    middle = lines.line_medians(image, mask)[:, np.newaxis]
    away = np.abs(image - middle)
    limit = np.float32(_OUTLIER) * lines.line_medians(away, mask)[:, np.newaxis]
    return np.where(away > limit, middle, image)


def _waves(size, count):
    return np.exp(-2j * np.pi / size * np.outer(np.arange(size), np.arange(count)))


def _transform(rows, waves):
    """Return the Fourier transform of every row at the frequencies of some waves."""
    return rows @ waves.real + 1j * (rows @ waves.imag)


def fit_waves(values, weights):
    """Fit a constant and the slowest waves to every line by weighted least squares.

    Parameters
    ----------
    values : 2D float32 `~numpy.ndarray`
        Rows are lines.
    weights : 2D float64 `~numpy.ndarray`
        From `line_weights`; residuals are multiplied with them.

    Returns
    -------
    2D complex128 `~numpy.ndarray`
        Of every line, the coefficients of 0 to 8 cycles; 0 for lines without weights.
    """
    count = _GAIN.size
    waves = _waves(values.shape[1], count)
    squared = weights**2
    overlap = _transform(squared, waves)
    apart = np.subtract.outer(np.arange(count), np.arange(count))
    normal = np.where(apart >= 0, overlap[:, np.abs(apart)], overlap[:, np.abs(apart)].conj())
    projected = _transform(squared * values, waves)
    # What the background hardly tells, as with few pixels or a wide gap, would run wild where there is none.
    return (np.linalg.pinv(normal, TELLING, hermitian=True) @ projected[..., np.newaxis])[..., 0]


def _smooth_across(coefficients):
    parts = coefficients.real, coefficients.imag
    real, imaginary = (
        ndimage.gaussian_filter1d(part, _ACROSS_WIDTH, axis=0, mode="wrap", truncate=_REACH) for part in parts
    )
    return np.roll(real + 1j * imaginary, DISPLACED, axis=0)


def fit_full_frame(image, mask, detector):
    """Fit the noise of a full frame.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        Of 2048 by 2048 pixels, without NaN.
    mask : 2D bool `~numpy.ndarray`
        True for background.
    detector : {"NRS1", "NRS2"}
        Its name.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        The noise, of the image's shape.
    """
    values = np.ascontiguousarray(to_detector(image, detector))
    mask = np.ascontiguousarray(to_detector(mask, detector))
    fitted = slice(_BORDER, len(values) - _BORDER)
    weights = line_weights(mask)[fitted]
    values = without_outliers(values[fitted], mask[fitted])
    coefficients = np.zeros((len(mask), _GAIN.size), complex)
    coefficients[fitted] = fit_waves(values, weights)
    coefficients = _smooth_across(coefficients * _GAIN)
    # Waves of more than 0 cycles stand for their negative frequencies, too.
    coefficients[:, 1:] *= 2
    waves = np.roll(_waves(mask.shape[1], _GAIN.size).conj(), DISPLACED, axis=0).T
    noise = coefficients.real @ waves.real - coefficients.imag @ waves.imag
    return from_detector(noise.astype(np.float32), detector)
