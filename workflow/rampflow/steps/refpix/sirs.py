"""Side correction with optimised kernels ("simple improved reference subtraction", SIRS).

Instead of their running median, the reference pixels at both sides of the detector are convolved with kernels that
predict best what each amplifier shows of the 1/f noise. The reference file holds the kernels as Fourier coefficients,
gamma for the left and zeta for the right side, for each amplifier.

Source: Rauscher et al. 2022 (SIRS, arXiv:2201.04641); https://jwst-pipeline.readthedocs.io, "refpix" step.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rampflow.errors import StepError

#: Standard deviations per median absolute deviation, as jwst has it.
_MAD = 1.48


def coefficients(tree: Mapping[str, Any] | None, detector: str) -> tuple[np.ndarray, ...] | None:
    """Pick the coefficients of a detector out of a sirskernel reference.

    Parameters
    ----------
    tree : mapping or None
        Content of the reference file; None where CRDS has none.
    detector : str
        DETECTOR.

    Returns
    -------
    tuple of 2D `~numpy.ndarray` or None
        gamma and zeta, see `make_kernels`; None if there are none for this detector.
    """
    own = (tree or {}).get(detector.lower())
    return None if own is None else (np.asarray(own["gamma"]), np.asarray(own["zeta"]))


def make_kernels(gamma, zeta, *, gaussmooth, halfwidth):
    """Turn Fourier coefficients into smoothed kernels.

    Parameters
    ----------
    gamma, zeta : 2D `~numpy.ndarray`
        Coefficients of the left and of the right side, shape (amplifiers, frequencies), real or complex.
    gaussmooth : float
        Standard deviation (rows) of the Gaussian that smooths the kernels.
    halfwidth : int
        Rows on each side of the middle of a kernel.

    Returns
    -------
    3D float64 `~numpy.ndarray`
        Shape (2 sides, amplifiers, 2 halfwidth + 1).

    Raises
    ------
    StepError
        If there are fewer frequencies than rows in half a kernel, or a parameter is out of range.
    """
    coefficients = np.array([gamma, zeta])
    middle = coefficients.shape[-1] - 1
    if gaussmooth <= 0 or not 0 <= halfwidth < middle:
        raise StepError(
            f"Refpix: gaussmooth is {gaussmooth} and halfwidth {halfwidth}; expected a positive number, and 0 or "
            f"more but less than the {middle} frequencies of the sirskernel reference."
        )
    kernels = np.fft.fftshift(np.fft.irfft(coefficients, axis=-1), axes=-1)
    kernels = kernels[..., middle - halfwidth : middle + halfwidth + 1]
    offset = np.arange(-halfwidth, halfwidth + 1)
    gaussian = np.exp(-(offset**2) / (2 * gaussmooth**2))
    gaussian /= gaussian.sum()
    return np.apply_along_axis(np.convolve, -1, kernels, gaussian, mode="same")


def side_templates(left, right, kernels, *, sigreject):
    """Predict the drift of each amplifier from the side pixels of a frame.

    Parameters
    ----------
    left, right : 2D `~numpy.ndarray`
        Reference pixels (DN) of the two sides in the detector frame, shape (rows, 4), levels of the amplifiers
        subtracted. Flags play no role: outliers are left out.
    kernels : 3D float64 `~numpy.ndarray`
        From `make_kernels`.
    sigreject : float
        Pixels farther than so many standard deviations from the median are outliers.

    Returns
    -------
    2D float64 `~numpy.ndarray`
        Drift (DN), shape (amplifiers, rows).
    """
    templates = np.zeros((kernels.shape[1], len(left)))
    for pixels, side in zip((left, right), kernels, strict=True):
        pixels = pixels.astype(np.float64)
        distance = np.abs(pixels - np.median(pixels))
        good = distance <= sigreject * _MAD * np.median(distance)
        total = (pixels * good).sum(axis=1) / pixels.shape[1]
        share = good.sum(axis=1) / pixels.shape[1]
        for template, kernel in zip(templates, side, strict=True):
            # Rows without some of their pixels count less; the ends keep the weight that the kernel has there.
            seen = np.convolve(share, kernel, mode="same")
            weight = np.convolve(np.ones_like(share), kernel, mode="same")
            template += np.convolve(total, kernel, mode="same") * np.divide(
                weight, seen, out=np.zeros_like(seen), where=seen != 0
            )
    return templates
