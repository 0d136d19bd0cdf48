"""Flicker noise of a subarray as waves in the time in which it is read.

A subarray is short along its lines, so that several are fitted together: pixels are taken in the order in which they
are read, with the time that a new line takes. Slow waves are fitted, and those that alternate from pixel to pixel.
Sections of lines that overlap are fitted one by one and blended.

Source: Rauscher 2024, PASP 136, 015001 (https://arxiv.org/abs/2306.03250)
"""

import numpy as np
from scipy import fft, ndimage

from rampflow.steps.clean_flicker_noise import fourier
from rampflow.steps.clean_flicker_noise.orientation import from_detector, to_detector

#: Time of a pixel (s), and how many of them a new line takes.
_DWELL, _NEW_LINE = 1e-5, 12
#: Frequencies (Hz) where the gain falls from 1 to 0, and where it rises again: of all subarrays, and of ALLSLITS.
_FALL, _FALL_ALLSLITS, _RISE = (1061.0, 1211.0), (150.0, 200.0), (49943.0, 49957.0)
#: The density of background is measured over an eighth of the shortest slow wave's length (standard deviation).
_PARTS_OF_WAVE = 8
#: Background pixels that a section has more of; once fewer than so many times that number are left, it takes the rest.
_ENOUGH, _TAIL = 512, 1.5
#: Part of a section's pixels that has to be background.
_LEAST = 0.05
#: Median absolute deviations at which a value, and its neighbours, do not count.
_OUTLIER = 4 * 1.4825


def passed_below(subarray):
    """Return the frequencies (Hz) between which the gain for slow waves of a subarray falls from 1 to 0."""
    return _FALL_ALLSLITS if subarray == "ALLSLITS" else _FALL


def gains(frequency, fall):
    """Return the gain at some frequencies (Hz): 1 for slow and for the fastest waves, with edges of a cosine."""
    low = np.clip((frequency - fall[0]) / (fall[1] - fall[0]), 0, 1)
    high = np.clip((frequency - _RISE[0]) / (_RISE[1] - _RISE[0]), 0, 1)
    return (1 + np.cos(np.pi * low)) / 2 + (1 - np.cos(np.pi * high)) / 2


def keep_inliers(values, mask):
    """Return a mask without values that stand out from the median of all, and without their four neighbours."""
    counted = values[mask]
    middle = np.median(counted)
    limit = _OUTLIER * np.median(np.abs(counted - middle))
    return mask & ~ndimage.binary_dilation(mask & (np.abs(values - middle) > limit))


def find_sections(good):
    """Divide lines into sections that overlap by half.

    Parameters
    ----------
    good : 1D int `~numpy.ndarray`
        Background pixels of every line.

    Yields
    ------
    slice
        Lines of a section.
    """
    total = np.r_[0, np.cumsum(good)]
    start, stop = 0, 0
    while stop < good.size:
        if total[-1] - total[start] < _TAIL * _ENOUGH:
            stop = good.size
        else:
            stop = int(np.searchsorted(total, total[start] + _ENOUGH, "right"))
        yield slice(start, stop)
        start += max(round((stop - start) / 2), 1)


def fit_section(values, mask, fall):
    """Fit waves to a section.

    Parameters
    ----------
    values : 2D float32 `~numpy.ndarray`
        Rows are lines.
    mask : 2D bool `~numpy.ndarray`
        True for background.
    fall : tuple of float
        From `passed_below`.

    Returns
    -------
    2D float64 `~numpy.ndarray`
        The noise.
    """
    width = values.shape[1]
    time = [(0, 0), (0, _NEW_LINE)]
    clocked = np.pad(mask, time).ravel()
    size = clocked.size
    reach = 1 / (np.mean(fall) * _DWELL * _PARTS_OF_WAVE)
    squared = fourier.clock_weights(clocked, reach) ** 2
    gain = gains(fft.rfftfreq(size, _DWELL), fall)
    waves = np.flatnonzero(gain > 0)
    normal = fft.fft(squared)[np.subtract.outer(waves, waves)]  # negative ones count from the end
    projected = fft.rfft(squared * np.pad(values, time).ravel())[waves]
    spectrum = np.zeros(gain.size, complex)
    spectrum[waves] = gain[waves] * size * (np.linalg.pinv(normal, fourier.TELLING, hermitian=True) @ projected)
    return fft.irfft(spectrum, size).reshape(-1, width + _NEW_LINE)[:, :width]


def fit_subarray(image, mask, detector, fall):
    """Fit the noise of a subarray.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        Without NaN.
    mask : 2D bool `~numpy.ndarray`
        True for background, which there has to be.
    detector : {"NRS1", "NRS2"}
        Its name.
    fall : tuple of float
        From `passed_below`.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        The noise, of the image's shape; 0 where there is too little background.
    """
    values = np.ascontiguousarray(to_detector(image, detector))
    mask = keep_inliers(values, np.ascontiguousarray(to_detector(mask, detector)))
    noise, blended = np.zeros(values.shape), np.zeros((len(values), 1))
    for section in find_sections(np.count_nonzero(mask, axis=1)):
        if mask[section].mean() < _LEAST:
            continue
        weight = 1.001 - np.abs(np.linspace(-1, 1, section.stop - section.start))[:, np.newaxis]
        noise[section] += weight * fit_section(values[section], mask[section], fall)
        blended[section] += weight
    noise = np.divide(noise, blended, out=np.zeros_like(noise), where=blended > 0)
    return from_detector(noise.astype(np.float32), detector)
