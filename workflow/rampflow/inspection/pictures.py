"""Small pictures of images, as PNG: blocks of pixels become one of the picture, and none of them is passed over."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from astropy.visualization import ZScaleInterval
from PIL import Image

from rampflow.detector import dq

#: Levels of a colour scale: fewer compress better, and more cannot be told apart in a small picture.
LEVELS = 48
_NOT_A_NUMBER = (64, 64, 160)
GREYS = [(v, v, v) for v in np.linspace(0, 255, LEVELS).round().astype(int).tolist()] + [_NOT_A_NUMBER]


def _between(low, high, number):
    steps = np.linspace(0, 1, number)[:, None]
    return (np.array(low) * (1 - steps) + np.array(high) * steps).round().astype(int).tolist()


#: From a few jumps to many, and none.
JUMPS = [tuple(c) for c in _between((120, 165, 240), (10, 30, 100), LEVELS)] + [(250, 250, 250)]

#: Levels of each sign of a difference.
SIGNED = 24
#: From the largest difference below none over none to the largest above, and where there is nothing to compare.
DIFFERENCES = [
    *map(tuple, _between((25, 80, 160), (190, 212, 236), SIGNED)),
    (250, 250, 250),
    *map(tuple, _between((244, 205, 190), (170, 20, 35), SIGNED)),
    (150, 150, 150),
]
#: What only one of two products has: name and colour, of A, of B, and of both, each something else.
SIDES = (("in both, not the same", (120, 60, 160)), ("in A only", (25, 80, 160)), ("in B only", (170, 20, 35)))
#: What the picture of flags shows, each pixel as the first that holds: name, colour, bits.
FLAGS = (
    ("reference pixel", (190, 190, 190), dq.REFERENCE_PIXEL),
    ("saturated", (220, 60, 30), dq.SATURATED),
    ("do not use", (40, 40, 40), dq.DO_NOT_USE),
    ("jump", (40, 110, 220), dq.JUMP_DET),
    ("other flags", (235, 200, 110), 0xFFFFFFFF),
)
GOOD = (246, 246, 246)
#: Pixels of an image that are worked on together.
_BAND = 1 << 17
#: How much of a colour one pixel of a block gives at least: what is rare is to be seen.
_LEAST = 0.25
#: The same of what differs, where mostly little else is to be seen.
_LEAST_OF_SIDES = 0.7


@dataclass
class Picture:
    """A picture and how to read it."""

    content: bytes  #: PNG
    columns: int
    rows: int
    ticks: list  #: (place on the colour bar from 0 to 1, value there); empty without a colour bar

    @property
    def link(self):
        """The file as a link that holds all of it."""
        return "data:image/png;base64," + base64.b64encode(self.content).decode()


def png(pixels, palette=None):
    """Encode an image.

    Parameters
    ----------
    pixels : uint8 `~numpy.ndarray`
        Indices into the palette, shape (rows, columns), or colours, shape (rows, columns, 3). The first row is the
        lowest, as in images of the sky.
    palette : list of (int, int, int), optional
        Red, green and blue, 0 to 255.

    Returns
    -------
    bytes
        A PNG file.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    if palette is not None:
        image.putpalette([value for colour in palette for value in colour])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def stride(length, size):
    """Return how many pixels of an axis go into one of a picture that has at most so many."""
    return -(-length // size)


def grey_picture(values, size, flags=None):
    """Picture of values, the highest white: means of blocks, without what is not to be used.

    Parameters
    ----------
    values : 2D `~numpy.ndarray`
        Values; NaN where there is none.
    size : int
        Largest number of rows and columns.
    flags : 2D uint32 `~numpy.ndarray`, optional
        DQ of the same shape; pixels that are DO_NOT_USE are left out.

    Returns
    -------
    Picture
        Blocks without a value are blue. Levels are linear for what stands out little from the rest and logarithmic
        from there to all but the highest values; the ticks say what they are.
    """
    small = block_means(values, stride(values.shape[0], size), stride(values.shape[1], size), flags)
    finite = np.isfinite(small)
    indices = np.full(small.shape, LEVELS, np.uint8)
    ticks = []
    if finite.any():
        known = small[finite].astype(np.float64)
        low, span, bend = _limits(known)
        bright = np.arcsinh(np.clip((known - low) / span, 0, 1) / bend) / np.arcsinh(1 / bend)
        indices[finite] = np.round(bright * (LEVELS - 1))
        places = (0.0, 0.5, 1.0)
        ticks = [(place, low + span * bend * np.sinh(place * np.arcsinh(1 / bend))) for place in places]
    return Picture(png(indices, GREYS), *indices.shape[::-1], ticks)


def _limits(values):
    """Find the lowest level, the span to the highest, and the part of it that is linear."""
    (low, high), top = ZScaleInterval().get_limits(values), np.percentile(values, 99.7)
    span = max(top - low, np.spacing(np.float32(abs(top) + 1)))
    return low, span, np.clip((high - low) / span, 0.02, 1.0)


def blocks(image, dy, dx, fill):
    """Cut an image into blocks, the last ones filled up: shape (rows, dy, columns, dx)."""
    rows, columns = stride(image.shape[0], dy), stride(image.shape[1], dx)
    if image.shape != (rows * dy, columns * dx):
        padded = np.full((rows * dy, columns * dx), fill, image.dtype)
        padded[: image.shape[0], : image.shape[1]] = image
        image = padded
    return image.reshape(rows, dy, columns, dx)


def _sizes(shape, dy, dx):
    """Pixels of each block of an image; those at the end may have less."""
    ends = (np.minimum(np.arange(0, length, step) + step, length) for length, step in zip(shape, (dy, dx), strict=True))
    high, wide = (np.diff(each, prepend=0) for each in ends)
    return high[:, np.newaxis] * wide


def _numbers(places, shape, dy, dx):
    """Count places, indices into the flat image, by block: most flags are rare, and images are large."""
    rows, columns = stride(shape[0], dy), stride(shape[1], dx)
    of = (places // shape[1]) // dy * columns + (places % shape[1]) // dx
    return np.bincount(of, minlength=rows * columns).reshape(rows, columns)


def _summed(image, step):
    """Return sums of so many rows each: whole rows are added, which lie side by side."""
    totals = np.zeros((stride(image.shape[0], step), image.shape[1]))
    for first in range(step):
        part = image[first::step]
        totals[: len(part)] += part
    return totals


def _bands(shape, dy):
    """Cut an image into bands of whole blocks, small enough that what is worked out of one stays near the processor."""
    step = max(_BAND // max(shape[1] * dy, 1), 1) * dy
    return [slice(top, min(top + step, shape[0])) for top in range(0, shape[0], step)]


def block_means(image, dy, dx, flags=None):
    """Means of blocks of rows and columns without NaN and DO_NOT_USE; NaN for blocks that have nothing else."""
    totals, counts = [], []
    for band in _bands(image.shape, dy):
        part = image[band].astype(np.float32, copy=False)
        odd = ~np.isfinite(part)
        if flags is not None:
            odd |= (flags[band] & np.uint32(dq.DO_NOT_USE)) != 0
        places = np.flatnonzero(odd)
        if places.size:
            part = np.where(odd, np.float32(0), part)
        counts.append(_sizes(part.shape, dy, dx) - _numbers(places, part.shape, dy, dx))
        totals.append(_summed(_summed(part, dy).T, dx).T)
    totals, counts = np.concatenate(totals), np.concatenate(counts)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def block_fractions(mask, size):
    """Fractions of blocks of a mask, 0 to 1, of which a picture of at most this size has one each."""
    return _fractions(np.flatnonzero(mask), mask.shape, size)


def _fractions(places, shape, size):
    dy, dx = (stride(length, size) for length in shape)
    return _numbers(places, shape, dy, dx) / _sizes(shape, dy, dx)


def flag_picture(flags, size):
    """Picture of flags: each block has of the colour of a flag as much as there are pixels with it.

    Parameters
    ----------
    flags : 2D uint32 `~numpy.ndarray`
        DQ.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    Picture
        Colours of `FLAGS`, deeper the larger the fraction of a block; one pixel of a block gives a quarter of the
        colour at least, so that none is passed over.
    """
    shares = []
    every = np.bitwise_or.reduce([np.uint32(bits) for _, _, bits in FLAGS])
    bands = _bands(flags.shape, 1)
    places = np.concatenate([band.start * flags.shape[1] + np.flatnonzero(flags[band] & every) for band in bands])
    found = flags.reshape(-1)[places]
    for _, colour, bits in FLAGS:
        held = (found & np.uint32(bits)) != 0
        if held.any():
            shares.append((colour, _fractions(places[held], flags.shape, size)))
            places, found = places[~held], found[~held]
    return _mixed(shares, flags.shape, size, _LEAST)


def side_picture(a_only, b_only, size):
    """Picture of what only one of two products has.

    Parameters
    ----------
    a_only, b_only : 2D bool `~numpy.ndarray`
        Pixels where A has what B has not, and the other way round.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    Picture
        Colours of `SIDES`, deeper the larger the fraction of a block; a single pixel gives most of its colour.
    """
    masks = (a_only & b_only, a_only & ~b_only, b_only & ~a_only)
    found = [
        (colour, block_fractions(mask, size)) for (_, colour), mask in zip(SIDES, masks, strict=True) if mask.any()
    ]
    return _mixed(found, a_only.shape, size, _LEAST_OF_SIDES)


def _mixed(shares, shape, size, least):
    """Mix the colours of blocks: pairs of a colour and the fractions of blocks; what occurs gives at least so much."""
    rows, columns = (stride(length, stride(length, size)) for length in shape)
    weights = [np.where(share > 0, least + (1 - least) * np.sqrt(share), 0) for _, share in shares]
    total = np.maximum(sum(weights, np.zeros((rows, columns))), 1)
    mixed = np.broadcast_to(np.array(GOOD, float), (rows, columns, 3)).copy()
    for (colour, _), weight in zip(shares, weights, strict=True):
        mixed += (weight / total)[..., None] * (np.array(colour) - GOOD)
    # Levels that cannot be told apart would only make the file larger.
    return Picture(png(np.clip(mixed // 6 * 6 + 3, 0, 255).astype(np.uint8)), columns, rows, [])


def jump_picture(fractions, size):
    """Picture of where jumps are.

    Parameters
    ----------
    fractions : 2D `~numpy.ndarray`
        Fraction of the groups of each pixel that have a jump.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    Picture
        Mean fraction of blocks, from the smallest to the largest that occurs, logarithmic; blocks without any jump
        are white. Without ticks where there is none.
    """
    dy, dx = (stride(length, size) for length in fractions.shape)
    small = block_means(fractions, dy, dx)
    some = small > 0
    indices, ticks = np.full(small.shape, LEVELS, np.uint8), []
    if some.any():
        known = np.log(small[some])
        low, high = known.min(), known.max()
        span = high - low or 1.0
        indices[some] = np.round((known - low) / span * (LEVELS - 1))
        places = (0.0, 0.5, 1.0) if high > low else (0.0,)
        ticks = [(place, float(np.exp(low + place * (high - low)))) for place in places]
    return Picture(png(indices, JUMPS), *indices.shape[::-1], ticks)


def difference_picture(values, size):
    """Picture of differences: red above none, blue below, the deeper the larger.

    Parameters
    ----------
    values : 2D `~numpy.ndarray`
        Differences; NaN where there is nothing to compare.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    Picture
        Of each block the difference that is largest without its sign, so that a single one shows; white where there is
        none, grey where nothing could be compared. Levels are linear up to the typical difference and logarithmic from
        there to the largest; the ticks say what they are, and there are none without a difference.
    """
    small = _block_extremes(values, *(stride(length, size) for length in values.shape))
    known = np.isfinite(small)
    indices = np.full(small.shape, len(DIFFERENCES) - 1, np.uint8)
    indices[known] = SIGNED
    sizes, ticks = np.abs(small), []
    some = known & (sizes > 0)
    if some.any():
        largest = sizes[some].max()
        bend = np.clip(np.median(sizes[some]) / largest, 1e-6, 1.0)
        deep = np.arcsinh(sizes[some] / (largest * bend)) / np.arcsinh(1 / bend)
        # The smallest difference has a colour, too.
        indices[some] = SIGNED + np.sign(small[some]) * np.clip(np.ceil(deep * SIGNED), 1, SIGNED)
        places = (0.0, 0.25, 0.5, 0.75, 1.0)
        heights = (largest * bend * np.sinh(abs(2 * place - 1) * np.arcsinh(1 / bend)) for place in places)
        ticks = [(place, float(np.sign(place - 0.5) * one)) for place, one in zip(places, heights, strict=True)]
    return Picture(png(indices, DIFFERENCES), *indices.shape[::-1], ticks)


def _block_extremes(image, dy, dx):
    """Return of each block the value that is largest without its sign; NaN for blocks that have none."""
    parts = blocks(image.astype(np.float64, copy=False), dy, dx, np.nan)
    sizes = np.where(np.isfinite(parts), np.abs(parts), -1.0)
    high = np.where(np.isfinite(parts), parts, -np.inf).max(axis=(1, 3))
    low = np.where(np.isfinite(parts), parts, np.inf).min(axis=(1, 3))
    return np.where(sizes.max(axis=(1, 3)) < 0, np.nan, np.where(high >= -low, high, low))
