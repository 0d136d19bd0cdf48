"""Cosmic rays, snowballs and showers: charge that arrives at once."""

from dataclasses import dataclass

import numpy as np

#: Hits per pixel and second at strength 1: 5 per cm2 and second on pixels of 18 micrometres (25 for MIRI).
COSMIC_RAY_RATE = {"MIRI": 3.1e-5}
COSMIC_RAY_RATE_NIR = 1.6e-5
#: Median charge of a hit [electrons] and the width of its logarithm.
CHARGE, CHARGE_WIDTH = 1500.0, 1.1
#: Mean length of a track beyond its first pixel.
TRACK = 1.5
#: Per pixel and second at strength 1: one of either every 20 s on a whole detector.
SNOWBALL_RATE = SHOWER_RATE = 0.05 / 2048**2

_LONGEST = 12


@dataclass
class Hits:
    """Pixels hit during one integration, ordered by time.

    Attributes
    ----------
    frame : ndarray of int32
        1-based number, since the reset, of the first frame that shows the charge.
    y, x : ndarray of int32
        Pixel.
    charge : ndarray of float32
        Deposited charge [electrons].
    """

    frame: np.ndarray
    y: np.ndarray
    x: np.ndarray
    charge: np.ndarray

    def between(self, after, upto):
        """Slice of the hits whose frame is in (after, upto]."""
        return slice(*np.searchsorted(self.frame, [after, upto], side="right"))


def hits(instrument, shape, nframes, frame_time, effects, rng):
    """Draw what hits a detector during one integration.

    Parameters
    ----------
    instrument : str
        Decides the rates.
    shape : tuple of int
        (ny, nx) of the window.
    nframes : int
        Frames from the reset to the last one.
    frame_time : float
        Time between frames [s].
    effects : Effects
        Strengths.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Hits
        All hit pixels; those outside the window are left out.
    """
    ny, nx = shape
    exposure = ny * nx * nframes * frame_time
    parts = [np.zeros((4, 0))]
    rate = COSMIC_RAY_RATE.get(instrument, COSMIC_RAY_RATE_NIR)
    parts.append(_tracks(rng.poisson(effects.cosmic_rays * rate * exposure), shape, nframes, effects, rng))
    for _ in range(rng.poisson(effects.snowballs * SNOWBALL_RATE * exposure)):
        parts.append(_snowball(shape, nframes, rng))
    for _ in range(rng.poisson(effects.showers * SHOWER_RATE * exposure)):
        parts.append(_shower(shape, nframes, rng))
    frame, y, x, charge = np.concatenate(parts, axis=1)
    inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
    order = np.argsort(frame[inside], kind="stable")
    frame, y, x, charge = (values[inside][order] for values in (frame, y, x, charge))
    return Hits(frame.astype(np.int32), y.astype(np.int32), x.astype(np.int32), charge.astype(np.float32))


def _tracks(number, shape, nframes, effects, rng):
    frame = rng.integers(1, nframes + 1, number)
    y, x = rng.uniform(0, shape[0], number), rng.uniform(0, shape[1], number)
    angle = rng.uniform(0, 2 * np.pi, number)
    length = np.minimum(1 + rng.exponential(TRACK, number).astype(int), _LONGEST)
    charge = effects.cosmic_ray_energy * CHARGE * rng.lognormal(0, CHARGE_WIDTH, number)
    step = np.arange(_LONGEST)[:, None]
    used = step < length
    rows, columns = np.floor(y + step * np.sin(angle)), np.floor(x + step * np.cos(angle))
    everywhere = np.ones_like(rows)
    # The charge is that of the whole track: a longer path crosses every pixel with its share.
    return np.array([frame * everywhere, rows, columns, charge / length * everywhere])[:, used]


def _disc(centre, radius):
    reach = int(np.ceil(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(rows, columns)
    near = distance <= radius
    return np.floor(centre[0]) + rows[near], np.floor(centre[1]) + columns[near], distance[near]


def _snowball(shape, nframes, rng):
    centre = rng.uniform(0, shape)
    core = rng.uniform(2.0, 7.0)
    rows, columns, distance = _disc(centre, 3 * core)
    charge = np.where(distance <= core, 4e5, 8e4 * np.exp(-(distance - core) / (0.35 * core)))
    frame = rng.integers(1, nframes + 1)
    return np.array([np.full(rows.size, frame), rows, columns, charge])


def _shower(shape, nframes, rng):
    centre = rng.uniform(0, shape)
    radius = rng.uniform(15.0, 50.0)
    rows, columns, distance = _disc(centre, radius)
    charge = rng.uniform(60.0, 200.0) * (1 - (distance / radius) ** 2)
    frame = rng.integers(1, nframes + 1)
    return np.array([np.full(rows.size, frame), rows, columns, charge])
