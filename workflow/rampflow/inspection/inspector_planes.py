"""Frames of products as the inspector shows them: a window of one, in blocks as large as the screen needs.

Nothing but the lines of the window is read, in bands of a few megabytes, so that memory does not follow the frame, and
time and memory do not follow the exposure.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.visualization import ZScaleInterval

from rampflow.detector import dq
from rampflow.errors import RampflowError
from rampflow.inspection import pictures
from rampflow.inspection.pixel_place import Frames
from rampflow.inspection.pixel_sources import RATES, ExposureFiles
from rampflow.io import files
from rampflow.settings.branches import branch_of

#: Bytes of a band of rows, about.
_BAND = 1 << 22
#: Arrays that are shown, in this order, and the units where the file does not say them.
ARRAYS = {"SCI": "DN", "ERR": "DN/s", "VAR_POISSON": "(DN/s)^2", "VAR_RNOISE": "(DN/s)^2"}
#: Ways to choose the lowest and highest level.
STRETCHES = {"zscale": None, "98": (1, 99), "99.8": (0.1, 99.9), "all": (0, 100), "log": (0.1, 99.9)}


@dataclass(frozen=True)
class Cutout:
    """Rows and columns of a frame, from 0, the last ones excluded."""

    y0: int
    y1: int
    x0: int
    x1: int

    @classmethod
    def within(cls, shape, y0, y1, x0, x1):
        """Make a window of what lies in a frame; at least one pixel."""
        (y0, y1), (x0, x1) = (
            (min(max(int(np.floor(a)), 0), n - 1), max(min(int(np.ceil(b)), n), 1))
            for a, b, n in ((y0, y1, shape[0]), (x0, x1, shape[1]))
        )
        return cls(y0, max(y1, y0 + 1), x0, max(x1, x0 + 1))


@dataclass(frozen=True)
class View:
    """What is seen of a frame.

    Attributes
    ----------
    values : 2D float32 `~numpy.ndarray`
        Means of blocks; NaN for blocks without a number.
    window : Cutout
        What the blocks cover; the last ones may reach beyond.
    block : (int, int)
        Rows and columns of a block.
    """

    values: np.ndarray
    window: Cutout
    block: tuple


def exposures(results, variant=None):
    """Return the names of the exposures that have a record of a job, or a variant that has one.

    Raises
    ------
    RampflowError
        There are none.
    """
    folder = Path(results)
    known = sorted(path.name for path in folder.iterdir() if (path / "record").is_dir()) if folder.is_dir() else []
    if not known:
        raise RampflowError(f"{results}: no exposure with a record of a job in it; name the folder of results of a run")
    return [name for name in known if variant is None or (folder / branch_of(name, variant) / "record").is_dir()]


def products(sources):
    """Return the products of an exposure that are on the disk: {name: path}, in the order of its chain.

    Parameters
    ----------
    sources : `~rampflow.inspection.pixel_sources.ExposureFiles`
        The exposure.

    Returns
    -------
    dict
        Names are "uncal", those of the steps, and those of rates of integrations with "ints" at their end.
    """
    found = {"uncal": sources.raw()}
    for step in [*sources.chain, "ramp", "rate"]:
        found[step] = sources.path(step)
        if step in RATES:
            found[f"{step}ints"] = sources.path(step, "ints")
    return {name: path for name, path in found.items() if path is not None and path.is_file()}


class ShownProduct:
    """A product of which frames are shown.

    Parameters
    ----------
    path : path-like
        The file.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of its frames as the final products have them (IRS2: without the interleaved rows).
    integrations, groups : int
        How many there are; 1 where it has no such axis.
    striped : bool
        Whether frames are superstripes, which have no place of their own in the final frame.

    Raises
    ------
    FileProblem
        The file cannot be read.
    """

    def __init__(self, path):
        self.path, self.product = Path(path), files.Product(path)
        try:
            shape = self.product["SCI"].shape
            self.frames = Frames(self.product.header, shape, self.path)
        except BaseException:
            self.product.close()
            raise
        self._axes = shape[:-2]
        self.integrations = shape[0] if len(shape) > 2 else 1
        self.groups = shape[1] if len(shape) > 3 else 1
        self.striped = self.frames.positions > 0 and len(shape) == 4
        self._rows = self.frames.normal
        self.shape = (shape[-2] if self._rows is None else len(self._rows), shape[-1])
        self._arrays = {}

    def __del__(self):
        if hasattr(self, "product") and hasattr(self.product, "descriptor"):
            self.product.close()

    @property
    def arrays(self):
        """Names of the arrays that can be shown."""
        return [name for name in ARRAYS if name in self.product]

    def unit(self, name):
        """Return the unit of an array."""
        said = self.product.hdu(name).header.get("BUNIT")
        return str(said) if said else ("DN/s" if name == "SCI" and len(self._axes) < 2 else ARRAYS[name])

    def _array(self, name):
        if name not in self._arrays:
            self._arrays[name] = self.product[name]
        return self._arrays[name]

    def read(self, name, integration, group, window):
        """Read a window of an array.

        Parameters
        ----------
        name : str
            EXTNAME.
        integration, group : int
            From 0; passed over where the array has no such axis.
        window : Cutout
            Of the final frame.

        Returns
        -------
        2D `~numpy.ndarray`
        """
        array = self._array(name)
        lead = (integration, group)[: len(array.shape) - 2]
        # An image of a product whose frames are superstripes has an axis for their positions.
        if len(array.shape) == 3 and len(self._axes) == 2:
            lead = (integration % array.shape[0],)
        columns = slice(window.x0, window.x1)
        if self._rows is None:
            return array.read(*lead, slice(window.y0, window.y1), columns)
        rows = self._rows[window.y0 : window.y1]
        return array.read(*lead, slice(int(rows[0]), int(rows[-1]) + 1), columns)[rows - rows[0]]

    def flagged(self, bit, integration, group, window):
        """Tell which pixels of a window have a flag, in the group or as a whole: 2D bool `~numpy.ndarray`."""
        found = np.zeros((window.y1 - window.y0, window.x1 - window.x0), bool)
        for name in ("GROUPDQ", "PIXELDQ", "DQ"):
            if name in self.product and not (name == "GROUPDQ" and bit > 255):
                values = self.read(name, integration, group, window)
                found |= (values & values.dtype.type(bit)) != 0
        return found


def bands(window, block):
    """Cut a window into bands of rows, as many as fill whole blocks of so many rows."""
    rows = max(_BAND // (4 * (window.x1 - window.x0)) // block, 1) * block
    for y in range(window.y0, window.y1, rows):
        yield Cutout(y, min(y + rows, window.y1), window.x0, window.x1)


def block_of(window, size):
    """Return how many rows, and how many columns, go into one block so that at most so many are seen."""
    return pictures.stride(window.y1 - window.y0, size), pictures.stride(window.x1 - window.x0, size)


def look(planes, name, integration, group, window, size, less=None):
    """See a window of a frame.

    Parameters
    ----------
    planes : ShownProduct
        The product.
    name : str
        EXTNAME.
    integration, group : int
        From 0.
    window : Cutout
        What to see.
    size : int
        Most rows and columns of blocks.
    less : ShownProduct, optional
        A product whose frame is subtracted, where it has the integration and group; its last ones where it has fewer.

    Returns
    -------
    View
    """
    block, parts = block_of(window, size), []
    for band in bands(window, block[0]):
        values = planes.read(name, integration, group, band)
        if less is not None:
            other = less.read(name, min(integration, less.integrations - 1), min(group, less.groups - 1), band)
            values = values.astype(np.float32) - other.astype(np.float32)
        parts.append(pictures.block_means(values, *block).astype(np.float32))
    return View(np.concatenate(parts), window, block)


def look_at_flags(planes, bit, integration, group, window, size):
    """See where a flag is: a bool for each block of a window that any of its pixels has it, as `look` cuts them."""
    block = block_of(window, size)
    parts = [
        pictures.blocks(planes.flagged(bit, integration, group, band), *block, False).any(axis=(1, 3))
        for band in bands(window, block[0])
    ]
    return np.concatenate(parts)


def next_flagged(planes, bit, start, most=200):
    """Find the next pixel with a flag, by integrations, groups, rows and columns; after the last comes the first.

    Parameters
    ----------
    planes : ShownProduct
        The product.
    bit : int
        The flag.
    start : (int, int, int, int)
        Integration, group, row and column to go on from, from 0.
    most : int
        Frames that are read at most.

    Returns
    -------
    found : tuple of int or None
        Integration, group, row and column.
    last : (int, int) or None
        Integration and group of the last frame that was read; None where all were.
    """
    rows, columns = planes.shape
    groups = planes.groups if bit < 256 and "GROUPDQ" in planes.product else 1
    integrations = planes.integrations if groups > 1 or "DQ" in planes.product else 1
    i, g, y, x = start
    first = min(i, integrations - 1) * groups + min(g, groups - 1)
    # The frame that it begins in comes twice: what is behind the start, and last what is before.
    frames = integrations * groups + 1
    for number in range(min(frames, most)):
        i, g = divmod((first + number) % (integrations * groups), groups)
        for band in bands(Cutout(0, rows, 0, columns), 1):
            if number == 0 and band.y1 <= y:
                continue
            found = planes.flagged(bit, i, g, band)
            if number == 0 and band.y0 <= y:
                found[: y - band.y0] = False
                found[y - band.y0, : x + 1] = False
            if found.any():
                row, column = divmod(int(np.argmax(found)), columns)
                return (i, g, band.y0 + row, column), (i, g)
    return None, None if frames <= most else (i, g)


def limits(values, stretch):
    """Choose the lowest and the highest level.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Values; NaN is passed over.
    stretch : str
        A key of `STRETCHES`.

    Returns
    -------
    (float, float)
        0 and 1 where there is no number.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if stretch == "log":
        known = known[known > 0]
    if not known.size:
        return 0.0, 1.0
    if STRETCHES[stretch] is None:
        low, high = ZScaleInterval().get_limits(known)
    else:
        low, high = np.percentile(known, STRETCHES[stretch])
    return float(low), float(high if high > low else low + max(abs(low) * 1e-6, 1e-6))


def flag_names(planes):
    """Return the flags that can be looked for in a product: those of groups, of pixels, or of both."""
    pixels = any(name in planes.product for name in ("PIXELDQ", "DQ"))
    groups = "GROUPDQ" in planes.product
    return [name for name, bit in dq.MNEMONICS.items() if (pixels or (groups and bit < 256)) and name != "RESERVED"]


@lru_cache(maxsize=12)
def _opened(path, _inode, _time):
    return ShownProduct(path)


def opened(path):
    """Open a product, or take the one that is open if it is still the same file."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise files.FileProblem(f"{path}: cannot be opened ({error.strerror}); it may be made anew just now") from None
    return _opened(str(path), status.st_ino, status.st_mtime_ns)


def sources_of(results, exposure, variant=None):
    """Return the files of an exposure; see `~rampflow.inspection.pixel_sources.ExposureFiles`."""
    return ExposureFiles(results, exposure, variant)
