"""Small pictures of images, as PNG: numpy and zlib are enough, and nothing has to be installed for them."""

import base64
import struct
import zlib

import numpy as np
from astropy.visualization import ZScaleInterval

from rampflow.detector import dq

#: Levels of grey: fewer compress better, and more cannot be told apart in a small picture.
_LEVELS = 48
_NOT_A_NUMBER = (64, 64, 160)
GREYS = [(v, v, v) for v in np.linspace(0, 255, _LEVELS).round().astype(int).tolist()] + [_NOT_A_NUMBER]

#: What the picture of flags shows, the first that holds: name, colour, bits.
FLAGS = (
    ("reference pixel", (190, 190, 190), dq.REFERENCE_PIXEL),
    ("saturated", (220, 60, 30), dq.SATURATED),
    ("do not use", (40, 40, 40), dq.DO_NOT_USE),
    ("jump", (40, 110, 220), dq.JUMP_DET),
    ("other flags", (235, 200, 110), 0xFFFFFFFF),
)
_GOOD = (246, 246, 246)


def png(indices, palette):
    """Encode an image.

    Parameters
    ----------
    indices : 2D uint8 `~numpy.ndarray`
        Index into the palette of each pixel; the first row is the lowest, as in images of the sky.
    palette : list of (int, int, int)
        Red, green and blue, 0 to 255.

    Returns
    -------
    bytes
        A PNG file with a palette.

    Notes
    -----
    Portable Network Graphics, third edition, https://www.w3.org/TR/png-3/.
    """
    rows, columns = indices.shape
    # Each row begins with the number of its filter: none.
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 1:] = indices[::-1]

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    colours = bytes(value for colour in palette for value in colour)
    chunks = {b"IHDR": head, b"PLTE": colours, b"IDAT": zlib.compress(lines.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in chunks.items())


def as_link(content):
    """Return a PNG file as a link that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def stride(length, size):
    """Return how many pixels of an axis go into one of a picture that has at most so many."""
    return -(-length // size)


def rate_picture(rate, flags, size):
    """Picture of count rates, brightest white; blocks of pixels are averaged, those not to be used left out.

    Parameters
    ----------
    rate : 2D `~numpy.ndarray`
        Count rates (DN/s); NaN where there is none.
    flags : 2D uint32 `~numpy.ndarray`
        DQ of the same shape.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    bytes
        PNG. Blocks without a rate are blue.
    """
    good = np.where((flags & dq.DO_NOT_USE) == 0, rate, np.nan)
    small = _block_means(good, stride(rate.shape[0], size), stride(rate.shape[1], size))
    finite = np.isfinite(small)
    indices = np.full(small.shape, _LEVELS, np.uint8)
    if finite.any():
        values = small[finite].astype(np.float64)
        # Linear for what stands out little from the sky, logarithmic from there to all but the brightest pixels.
        (low, high), top = ZScaleInterval().get_limits(values), np.percentile(values, 99.7)
        span = max(top - low, np.spacing(np.float32(abs(top) + 1)))
        bend = np.clip((high - low) / span, 0.02, 1.0)
        bright = np.arcsinh(np.clip((values - low) / span, 0, 1) / bend) / np.arcsinh(1 / bend)
        indices[finite] = np.round(bright * (_LEVELS - 1))
    return png(indices, GREYS)


def _block_means(image, dy, dx):
    """Means of blocks of rows and columns without their NaN; NaN for blocks that have nothing else."""
    rows, columns = -(-image.shape[0] // dy), -(-image.shape[1] // dx)
    padded = np.full((rows * dy, columns * dx), np.nan, np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(rows, dy, columns, dx)
    counts = np.isfinite(blocks).sum(axis=(1, 3))
    totals = np.where(np.isfinite(blocks), blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _middles(length, size):
    """Return the pixel in the middle of each block of an axis."""
    step = stride(length, size)
    return np.minimum(np.arange(0, length, step) + step // 2, length - 1)


def flag_picture(flags, size):
    """Picture of flags (`FLAGS`) of some pixels of each column and row: averages of flags would show none of them.

    Parameters
    ----------
    flags : 2D uint32 `~numpy.ndarray`
        DQ.
    size : int
        Largest number of rows and columns.

    Returns
    -------
    bytes
        PNG.
    """
    rows, columns = (_middles(length, size) for length in flags.shape)
    some = flags[rows][:, columns]
    indices = np.full(some.shape, len(FLAGS), np.uint8)
    for number, (_, _, bits) in reversed(list(enumerate(FLAGS))):
        indices[(some & np.uint32(bits)) != 0] = number
    return png(indices, [colour for _, colour, _ in FLAGS] + [_GOOD])
