"""What falls on the detector: count rates of sky, stars and spectra."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Scene:
    """Ingredients of a scene; rates in DN/s.

    Attributes
    ----------
    sky : float
        Uniform background.
    stars : int
        Number of point sources at random places; the brightest is near the middle.
    brightest, slope : float
        Rate in the peak of the brightest star, and the exponent of the power law of the others.
    fwhm : float
        Width of a point source or trace [pixel].
    trace : float
        Rate in the ridge of a spectrum along the longer axis of the window; 0 for none.
    curvature : float
        How far the trace bends over its length [pixel].
    transit : float
        Depth of the dip of all sources (not the sky) in the middle of a time series.
    saturated_patch : float
        Rate of a square of 5 x 5 pixels in the middle, to saturate it at will; 0 for none.
    """

    sky: float = 0.0
    stars: int = 0
    brightest: float = 0.0
    slope: float = 1.2
    fwhm: float = 2.2
    trace: float = 0.0
    curvature: float = 0.0
    transit: float = 0.0
    saturated_patch: float = 0.0

    def but(self, **changes):
        """Return a copy with some ingredients changed."""
        return replace(self, **changes)


def render(scene, shape, rng):
    """Count rates of a scene.

    Parameters
    ----------
    scene : Scene
        The ingredients.
    shape : tuple of int
        (ny, nx).
    rng : numpy.random.Generator
        Source of the places of the stars.

    Returns
    -------
    steady, sources : ndarray
        float32 (ny, nx) [DN/s]: the background, and what varies with `light_curve`.
    """
    ny, nx = shape
    steady = np.full(shape, scene.sky, np.float32)
    sources = np.zeros(shape, np.float32)
    sigma = scene.fwhm / 2.3548
    reach = int(np.ceil(5 * sigma))
    for rank in range(scene.stars):
        y, x = rng.uniform(0, ny), rng.uniform(0, nx)
        if rank == 0:
            y, x = 0.45 * ny + 0.1 * y, 0.45 * nx + 0.1 * x
        peak = scene.brightest * (rank + 1) ** -scene.slope
        rows = np.arange(max(0, int(y) - reach), min(ny, int(y) + reach + 1))
        columns = np.arange(max(0, int(x) - reach), min(nx, int(x) + reach + 1))
        profile_y = np.exp(-0.5 * ((rows + 0.5 - y) / sigma) ** 2)
        profile_x = np.exp(-0.5 * ((columns + 0.5 - x) / sigma) ** 2)
        sources[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += peak * np.outer(profile_y, profile_x)
    if scene.trace:
        length, across = max(ny, nx), min(ny, nx)
        along = np.linspace(-1, 1, length)
        ridge = ridge_of(scene, along, across)
        lines = np.exp(-0.5 * ((along[:, None] - np.array([-0.6, -0.1, 0.35])) / 0.01) ** 2).sum(axis=1)
        spectrum = scene.trace * (0.4 + 0.6 * np.exp(-2 * along**2)) * (1 + 0.5 * lines)
        trace = spectrum * np.exp(-0.5 * ((np.arange(across)[:, None] + 0.5 - ridge) / sigma) ** 2)
        sources += trace if nx >= ny else trace.T
    if scene.saturated_patch:
        y, x = ny // 2, nx // 2
        sources[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] += scene.saturated_patch
    return steady, sources


def ridge_of(scene, along, across):
    """Where the ridge of a spectrum is across the window (pixel, from its edge), for places from -1 to 1 along it."""
    return across / 2 + scene.curvature * (along**2 - 0.5)


def light_curve(scene, nints):
    """Relative brightness of the sources in every integration of the whole exposure, float64 (nints,)."""
    phase = (np.arange(nints) + 0.5) / nints - 0.5
    return 1.0 - scene.transit * 0.5 * (np.tanh((phase + 0.2) * 40) - np.tanh((phase - 0.2) * 40))
