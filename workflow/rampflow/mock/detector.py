"""The fixed patterns of a detector: what its reference files describe.

A map belongs to a detector, not to an exposure or a programme: it is drawn from random streams named after
the detector, the map and the block of rows, so every subarray and every reference sees the same pixels.
"""

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from rampflow.detector import irs2
from rampflow.mock.configurations import Rectangle, full_frame, instrument_of, orientation, properties

#: Kinds of bad pixels and the share of pixels of each at strength 1.
BAD_PIXELS = {
    "dead": 8e-4,
    "hot": 1.5e-3,
    "telegraph": 4e-4,
    "no_gain": 2e-4,
    "no_linearity": 3e-4,
    "nan_linearity": 1e-4,
    "no_saturation": 2e-4,
    "nan_saturation": 1e-4,
    "nan_bias": 2e-4,
    "nan_dark": 2e-4,
    "open": 1e-4,
}
_BLOCK = 64
_ROWS = 32
_KINDS = {kind: number for number, kind in enumerate(BAD_PIXELS, start=1)}

#: Coupling of a pixel to its neighbours at strength 1, as the ipc reference describes it.
IPC_COUPLING = 0.006
#: Decay time of the settling after a reset [frames].
SETTLING_FRAMES = 3.0
#: Well depth without saturation [DN]: far above what the converter can say.
BOTTOMLESS = 1e6
#: MIRI reset anomaly: amplitude [DN], decay [groups], and what integrations 1, 2, 3 and later show of it.
RESET_ANOMALY, RESET_DECAY, RESET_SHARES = 40.0, 4.0, (1.0, 0.5, 0.35)
#: MIRI: what integrations after the first show of the settling.
LATER_SETTLING = 0.6
#: Picture frame: decay from the border towards the centre [pixels], and by how much the far side exceeds the near one.
FRAME_WIDTH, FRAME_TILT = 60.0, 0.4
#: Groups that the rscd reference throws away at the start of integrations after the first.
RSCD_GROUPS, RSCD_GROUPS_FIRST = 4, 1
#: MIRI pick-up: frequency [Hz] and amplitude [DN] at strength 1, by the names in the emicorr reference.
EMI = {"Hz390": (390.625, 12.0), "Hz10": (10.039216, 2.0)}


@dataclass
class Maps:
    """Fixed patterns of a window of a detector; arrays (ny, nx), float32 unless said otherwise.

    Attributes
    ----------
    reference : ndarray of bool
        Reference pixels: they see no light and no dark current.
    bad : ndarray of uint8
        Kind of bad pixel, see `is_bad`; 0 is a good one.
    gain : ndarray
        Electrons per DN.
    bias : ndarray
        Level without signal [DN].
    dark, settling : ndarray
        Dark rate [DN/s] and what the level rises by just after a reset [DN].
    curve : ndarray
        Factor on the non-linearity of the detector.
    well : ndarray
        Largest signal that a pixel shows above its bias [DN].
    response : ndarray
        1, or 0 where a pixel sees no light.
    read_noise : ndarray
        Standard deviation of one read [DN].
    reset_anomaly : ndarray
        Amplitude of the start of an integration [DN], MIRI.
    dark_groups : ndarray, optional
        (ngroups, ny, nx): dark signal of every group [DN], noiseless, instead of `dark` and `settling`.
    """

    reference: np.ndarray
    bad: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    dark: np.ndarray
    settling: np.ndarray
    curve: np.ndarray
    well: np.ndarray
    response: np.ndarray
    read_noise: np.ndarray
    reset_anomaly: np.ndarray
    dark_groups: np.ndarray | None = None

    def is_bad(self, *kinds):
        """Mask of the pixels of the given kinds."""
        return is_kind(self.bad, *kinds)


def is_kind(bad, *kinds):
    """Mask of the pixels of the given kinds in a map of `bad_pixels`."""
    return np.isin(bad, [_KINDS[kind] for kind in kinds])


def scatter(detector, name, window, distribution="standard_normal"):
    """Random map of a window of a detector, the same in every run.

    Parameters
    ----------
    detector, name : str
        Whose map, and which.
    window : Rectangle
        Part of the detector.
    distribution : {"standard_normal", "random"}
        Method of `numpy.random.Generator` that draws it.

    Returns
    -------
    ndarray
        float32 (ny, nx).
    """
    ncolumns = full_frame(detector).xsize
    first, last = window.ystart - 1, window.ystart - 1 + window.ysize
    columns = slice(window.xstart - 1, window.xstart - 1 + window.xsize)
    result = np.empty(window.shape, np.float32)
    for block in range(first // _BLOCK, -(-last // _BLOCK)):
        rng = np.random.default_rng([zlib.crc32(detector.encode()), zlib.crc32(name.encode()), block])
        rows = getattr(rng, distribution)((_BLOCK, ncolumns), np.float32)
        start, end = max(first, block * _BLOCK), min(last, (block + 1) * _BLOCK)
        result[start - first : end - first] = rows[start - block * _BLOCK : end - block * _BLOCK, columns]
    return result


def reference_pixels(detector, window):
    """Mask of the reference pixels of a window: a frame 4 pixels wide, or 4 columns on each side of MIRI."""
    frame = full_frame(detector)
    inside = np.ones(frame.shape, bool)
    if instrument_of(detector) == "MIRI":
        inside[:, 4:-4] = False
    else:
        inside[4:-4, 4:-4] = False
    return inside[window.within(frame)]


def bad_pixels(detector, window, effects):
    """Kind of bad pixel at every place of a window, uint8 (ny, nx), 0 for good ones; see `is_kind`."""
    draw = scatter(detector, "bad pixels", window, "random")
    kinds = np.zeros(window.shape, np.uint8)
    edge = 0.0
    for kind, share in BAD_PIXELS.items():
        kinds[(draw >= edge) & (draw < edge + share * effects.bad_pixels)] = _KINDS[kind]
        edge += share * effects.bad_pixels
    if effects.sound_border:
        kinds[reference_pixels(detector, window)] = 0
    return kinds


@lru_cache(maxsize=2)
def maps(detector, window, effects):
    """Draw the fixed patterns of a window; the result is shared and not to be modified.

    Parameters
    ----------
    detector : str
        Name of the detector.
    window : Rectangle
        Part of it.
    effects : Effects
        An effect that is off leaves a flat map.

    Returns
    -------
    Maps
        The patterns.
    """
    nominal = properties(detector)

    def scattered(name, strength):
        if not strength:
            return np.zeros(window.shape, np.float32)
        return strength * scatter(detector, name, window)

    reference = reference_pixels(detector, window)
    bad = bad_pixels(detector, window, effects)
    gain = np.float32(nominal.gain) * (1 + 0.01 * scattered("gain", effects.gain_structure))
    bias = np.float32(nominal.pedestal) + np.float32(nominal.bias_scatter) * scattered("bias", effects.bias)
    dark = np.zeros(window.shape, np.float32)
    settling = np.zeros(window.shape, np.float32)
    if effects.dark_current:
        level = np.exp(0.5 * scatter(detector, "dark", window))
        dark[:] = effects.dark_current * nominal.dark * level
        settling[:] = effects.dark_current * nominal.settling * (1 + 0.2 * scatter(detector, "settling", window))
    curve = effects.nonlinearity * (1 + 0.05 * scattered("curve", effects.nonlinearity))
    well = np.full(window.shape, BOTTOMLESS, np.float32)
    if effects.saturation:
        well[:] = nominal.well * (1 + 0.03 * scatter(detector, "well", window))
    read_noise = np.float32(effects.read_noise * nominal.read_noise) * (
        1 + 0.08 * scattered("read noise", min(effects.read_noise, 1.0))
    )
    anomaly = np.zeros(window.shape, np.float32)
    if effects.reset_anomaly:
        anomaly[:] = effects.reset_anomaly * RESET_ANOMALY
        anomaly *= 1 + 0.15 * scatter(detector, "reset anomaly", window)
    result = Maps(
        reference,
        bad,
        gain.astype(np.float32),
        bias.astype(np.float32),
        dark,
        settling,
        np.float32(curve) * np.ones(window.shape, np.float32),
        well,
        np.ones(window.shape, np.float32),
        read_noise.astype(np.float32),
        anomaly,
    )
    result.dark[result.is_bad("hot")] += 20.0
    result.response[result.is_bad("dead", "open")] = 0
    result.read_noise[result.is_bad("telegraph")] *= 20
    for light in (result.dark, result.settling, result.response):
        light[reference] = 0
    return result


def frame_maps(exposure):
    """Draw the fixed patterns of the frames of an exposure.

    Returns
    -------
    list of Maps
        One, or one for each position of superstripes.
    """
    if not exposure.stripes:
        return [maps(exposure.detector, exposure.window, exposure.effects)]
    cover = exposure.cover
    whole = maps(exposure.detector, cover, exposure.effects)
    axis, first = (1, cover.xstart) if exposure.line_axis == 1 else (0, cover.ystart)
    frames = []
    for position in range(max(1, exposure.positions)):
        lines = exposure.frame_lines(position) - (first - 1)
        cut = {name: values.take(lines, axis) for name, values in vars(whole).items() if values is not None}
        frames.append(replace(whole, **cut))
    return frames


def picture_maps(exposure):
    """Draw the fixed patterns of what superstripes make; of the frames, where there are none."""
    if exposure.positions:
        return maps(exposure.detector, exposure.picture, exposure.effects)
    return frame_maps(exposure)[0]


def with_references(maps, superbias=None, dark=None):
    """Put the levels of real references into the fixed patterns.

    Parameters
    ----------
    maps : Maps
        Patterns of the window of the references; not modified.
    superbias : ndarray, optional
        (ny, nx) [DN]; NaN counts as 0.
    dark : ndarray, optional
        (ngroups, ny, nx) [DN], in the pattern of the exposure; its last group serves for those after it.

    Returns
    -------
    Maps
        Patterns with those levels.
    """
    changes = {}
    if superbias is not None:
        changes["bias"] = np.nan_to_num(superbias).astype(np.float32)
    if dark is not None:
        none = np.zeros_like(maps.dark)
        changes |= {"dark_groups": np.nan_to_num(dark).astype(np.float32), "dark": none, "settling": none}
    return replace(maps, **changes)


def interleaved_bias(detector, effects):
    """Levels without signal of what IRS2 interleaves, 0 in the rows of normal pixels; float32 (3200, nx) [DN]."""
    nominal, whole = properties(detector), full_frame(detector)
    levels = np.full((irs2.ROWS, whole.xsize), nominal.pedestal, np.float32)
    if effects.bias:
        window = Rectangle(1, 1, whole.xsize, irs2.ROWS)
        levels += np.float32(effects.bias * nominal.bias_scatter) * scatter(detector, "interleaved bias", window)
    levels[irs2.normal_rows(detector)] = 0
    return levels


def picture_frame(detector, window):
    """Draw the picture frame of a NIRSpec detector, warmer towards its border: 1 there, up to 1.4 along a side.

    Parameters
    ----------
    detector : str
        Its name.
    window : Rectangle
        Part of the detector.

    Returns
    -------
    ndarray
        float32 (ny, nx), 0 for reference pixels.
    """
    whole = full_frame(detector)
    y, x = np.arange(whole.ysize), np.arange(whole.xsize)
    to_border = np.minimum.outer(np.minimum(y, y[::-1]), np.minimum(x, x[::-1]))
    tilt = 1 + FRAME_TILT * (y if detector == "NRS1" else y[::-1])[:, np.newaxis] / y[-1]
    frame = (tilt * np.exp(-to_border / FRAME_WIDTH)).astype(np.float32)[window.within(whole)]
    frame[reference_pixels(detector, window)] = 0
    return frame


def measured(linear, maps, detector):
    """Signal that the converter sees for a linear signal: the inverse of the linearity polynomial.

    Parameters
    ----------
    linear : ndarray
        float32 (ny, nx), signal above bias [DN].
    maps : Maps
        Patterns of the same window.
    detector : str
        Name of the detector.

    Returns
    -------
    ndarray
        float32 (ny, nx) [DN].
    """
    second, third, fourth = properties(detector).nonlinearity
    signal = np.empty_like(linear)
    # A few rows at a time, so that the dozen temporary arrays stay in the processor's cache.
    for start in range(0, linear.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        target, curve = linear[rows], maps.curve[rows]
        guess = 2 * target / (1 + np.sqrt(1 + 4 * second * curve * np.maximum(target, 0)))
        for _ in range(3):
            bend = curve * guess
            value = guess * (1 + bend * (second + guess * (third + guess * fourth)))
            slope = 1 + bend * (2 * second + guess * (3 * third + guess * 4 * fourth))
            guess -= (value - target) / slope
        signal[rows] = guess
    return signal


def linearised(signal, maps, detector):
    """Linear signal of a measured one: the polynomial of the linearity reference, in float32."""
    second, third, fourth = properties(detector).nonlinearity
    return signal * (1 + maps.curve * signal * (second + signal * (third + signal * fourth)))


def ipc_kernel(strength):
    """3 x 3 kernel by which a pixel's signal shows in its neighbours; its sum is 1."""
    edge = strength * IPC_COUPLING
    corner = edge / 12
    return np.array([[corner, edge, corner], [edge, 1 - 4 * (edge + corner), edge], [corner, edge, corner]])


def settled(maps, instrument, integration, frame):
    """Level that has settled at a frame (1-based since the reset), float32 (ny, nx) [DN]."""
    share = LATER_SETTLING if instrument == "MIRI" and integration > 0 else 1.0
    return maps.settling * np.float32(share * (1 - np.exp(-frame / SETTLING_FRAMES)))


def reset_level(maps, integration, group):
    """MIRI reset anomaly of a group of an integration (both 0-based), float32 (ny, nx) [DN]."""
    share = RESET_SHARES[min(integration, len(RESET_SHARES) - 1)]
    return maps.reset_anomaly * np.float32(share * np.exp(-group / RESET_DECAY))


def flips(detector):
    """(transposed, rows flipped, columns flipped) from the science to the detector frame.

    The detector frame has pixels read along x and rows along y, upwards; the flips come before the
    transposition, FASTAXIS and SLOWAXIS say along which science axis and which way reading goes.
    """
    fast, slow = orientation(detector)
    if abs(fast) == 1:
        return False, slow < 0, fast < 0
    return True, fast < 0, slow < 0
