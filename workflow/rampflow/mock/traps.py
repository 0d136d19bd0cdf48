"""Persistence of the synthetic detector: traps that earlier exposures fill, and what they release.

The traps are laid open in proportion to the signal, and all of them at the persistence saturation. Those that are
open for a time t have been filled with the probability late (1 - exp(-t rate)) + prompt of their family; after the
reset, filled ones empty exponentially. Integrated over time by quadrature, not with the formulas of the correction.
"""

import numpy as np
from astropy.time import Time

from rampflow.mock import detector as det

#: late, rate [1/s], prompt, decay [1/s] of the families, as in the columns of the trappars reference.
FAMILIES = ((180.0, -2.0e-2, 90.0, -1.0e-2), (120.0, -5.0e-3, 60.0, -2.5e-3), (60.0, -1.2e-3, 30.0, -6.0e-4))
_NODES = 200


def density(detector, window, strength):
    """Density of traps, float32 (ny, nx), about 0.01 at strength 1."""
    return np.float32(strength * 0.01) * (0.5 + det.scatter(detector, "traps", window, "random"))


def saturation(maps):
    """Signal at which all traps of a pixel are open [DN], float32 (ny, nx)."""
    return np.minimum(0.9 * maps.well, 60000.0)


def fill(filled, rate, seconds, limit, traps):
    """Fill traps during an integration, in place.

    Parameters
    ----------
    filled : ndarray
        float64 (families, ny, nx).
    rate : ndarray
        Signal [DN/s], (ny, nx), steady.
    seconds : float
        How long it is collected.
    limit, traps : ndarray
        Persistence saturation [DN] and density of traps, (ny, nx).
    """
    slope = np.maximum(rate, 0) / limit
    # Until all traps are open; what follows, a saturated pixel, fills those that are left.
    below = np.minimum(seconds, np.divide(1, slope, out=np.full(slope.shape, np.inf), where=slope > 0))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    for plane, (late, speed, prompt, _) in zip(filled, FAMILIES, strict=True):
        caught = np.zeros(slope.shape)
        for node, weight in zip(nodes, weights, strict=True):
            open_for = below * (node + 1) / 2
            caught += weight * below / 2 * open_for * (late * -np.expm1(-open_for * abs(speed)) + prompt)
        caught *= 2 * traps * slope**2
        left = traps * (late + prompt) - caught
        plane += caught - np.where(below < seconds, left * np.expm1(-(seconds - below) * abs(speed)), 0)


def empty(filled, seconds):
    """Let traps empty for a time, in place; return the charge that they release [DN], float64 (ny, nx)."""
    released = np.zeros(filled.shape[1:])
    for plane, (*_, decay) in zip(filled, FAMILIES, strict=True):
        lost = plane * -np.expm1(-seconds * abs(decay))
        plane -= lost
        released += lost
    return released


class Traps:
    """Filled traps of the pixels of an exposure, followed through its integrations.

    Parameters
    ----------
    exposure : MockExposure
        The exposure; those of its `after` have the same window.
    maps : detector.Maps
        Fixed patterns of the window.
    rates : callable
        Called with an exposure; gives its count rate [DN/s], (ny, nx).
    """

    def __init__(self, exposure, maps, rates):
        self.traps = density(exposure.detector, exposure.window, exposure.effects.persistence).astype(np.float64)
        self.traps[maps.reference | maps.is_bad("dead", "nan_dark")] = 0
        self.limit = saturation(maps).astype(np.float64)
        self.filled = np.zeros((len(FAMILIES), *exposure.window.shape))
        now = None
        for earlier in exposure.after:
            if earlier.window != exposure.window:
                raise ValueError(f"{earlier.root} has another window than {exposure.root}, which comes after it")
            self._wait(now, earlier)
            for index in range(earlier.nints):
                self.begin(earlier, index)
                empty(self.filled, earlier.frames_per_integration * earlier.tframe)
                self.end(earlier, index, rates(earlier))
            now = Time(earlier.start).mjd * 86400 + earlier.duration
        self._wait(now, exposure)

    def _wait(self, now, exposure):
        """From the end of one exposure to the start of the next, both [s]."""
        if now is not None:
            empty(self.filled, Time(exposure.start).mjd * 86400 - now)

    def begin(self, exposure, index):
        """Pass over the resets between two integrations."""
        if index > 0:
            empty(self.filled, exposure.pattern.resets_between * exposure.tframe)

    def end(self, exposure, index, rate):
        """Fill traps with what an integration has collected; by convention light counts from the resets on."""
        resets = exposure.pattern.resets_between if index > 0 else exposure.pattern.resets_at_start
        seconds = (exposure.frames_per_integration + resets) * exposure.tframe
        fill(self.filled, rate, seconds, self.limit, self.traps)
