"""Where a pixel lies: in the frames of each product, which change on the way, on the detector, in reference files.

The pixel is named in the frame of the final products, from 0 here: that of IRS2 exposures without the interleaved
rows, of superstripes the picture that they make. The detector is that of the science frame, in which files are.
"""

from dataclasses import dataclass, replace

import numpy as np

from rampflow.detector import irs2
from rampflow.detector.multistripe import Stripes
from rampflow.detector.subarray import Window
from rampflow.errors import RampflowError


@dataclass(frozen=True)
class Place:
    """A pixel of an exposure.

    Attributes
    ----------
    y, x : int
        In the final frame.
    row, column : int
        On the detector.
    shape : tuple of int
        Rows and columns of the final frame.
    corner : tuple of int
        Row and column of the detector of its first pixel.
    notes : tuple of str
        What is to be said of it, such as that lines of the detector lie several times in a frame.
    """

    y: int
    x: int
    row: int
    column: int
    shape: tuple
    corner: tuple
    notes: tuple = ()

    @classmethod
    def of(cls, frames, x, y, *, detector):
        """Find a pixel.

        Parameters
        ----------
        frames : `Frames`
            Of any ramp of the exposure.
        x, y : int
            From 0; in the final frame, or on the detector.
        detector : bool
            Which of both.

        Raises
        ------
        RampflowError
            It is not in the exposure; counted from 1.
        """
        rows, columns = frames.lines
        where = "the part of the detector that was read" if detector else "the frame"
        if detector:
            found = [np.flatnonzero(lines == value) for lines, value in ((rows, y), (columns, x))]
        else:
            found = [np.array([v] if 0 <= v < len(n) else [], int) for v, n in ((y, rows), (x, columns))]
        if not all(len(each) for each in found):
            spans = [_spans(lines) if detector else f"1-{len(lines)}" for lines in (columns, rows)]
            other = (
                "without --detector they are of the frame" if detector else "with --detector they are of the detector"
            )
            raise RampflowError(
                f"x {x + 1}, y {y + 1} (counted from 1) is not in {where}, where x is {spans[0]}, y {spans[1]}; {other}"
            )
        y, x = (int(each[0]) for each in found)
        notes = list(frames.notes(y, x))
        if (times := max(map(len, found))) > 1:
            notes.append(
                f"this line of the detector lies {times} times in a frame: the first is shown; the others have an x "
                "and y of their own in the frame"
            )
        return cls(
            y,
            x,
            int(rows[y]),
            int(columns[x]),
            (len(rows), len(columns)),
            (int(rows[0]), int(columns[0])),
            tuple(notes),
        )

    def moved(self, dy, dx, frames):
        """Return the pixel so many rows and columns further in the frame; None beyond its edge."""
        rows, columns = frames.lines
        y, x = self.y + dy, self.x + dx
        if not (0 <= y < len(rows) and 0 <= x < len(columns)):
            return None
        return replace(self, y=y, x=x, row=int(rows[y]), column=int(columns[x]))


def _spans(lines):
    """Write consecutive lines as ranges from 1."""
    lines = np.unique(lines)
    cuts = np.flatnonzero(np.diff(lines) != 1) + 1
    return ", ".join(f"{r[0] + 1}-{r[-1] + 1}" if len(r) > 1 else f"{r[0] + 1}" for r in np.split(lines, cuts))


class Frames:
    """How the frames of a product lie in the final ones.

    Parameters
    ----------
    header : dict
        Its primary header.
    shape : tuple of int
        Of its SCI.
    path : path-like
        For messages.

    Attributes
    ----------
    positions : int
        Of superstripes; 0: the integrations are the final ones.
    normal : 1D `~numpy.ndarray` or None
        IRS2: rows that the final frames have of these; None where frames have no interleaved rows.
    """

    def __init__(self, header, shape, path):
        self.shape = shape
        ramp = shape if len(shape) == 4 else (1, 1, *shape[-2:])
        self.stripes = Stripes.of(header, ramp)
        self.positions = self.stripes.positions if self.stripes else 0
        self.window = Window.of(header, shape, path).split(self.stripes)
        self.normal = None
        if irs2.is_interleaved(shape):
            self.normal = np.flatnonzero(irs2.normal_rows(str(header.get("DETECTOR")).strip()))
        self.samples = self.stripes.samples if self.positions else 1

    @property
    def interleaved(self):
        """Whether frames have the interleaved rows of IRS2."""
        return self.normal is not None

    @property
    def lines(self):
        """Row of the detector of each row of a final frame, and column of each column."""
        window = self.window.of_normal_pixels()
        if not self.positions:
            return window.places
        rows, columns = (np.arange(n) + start for n, start in ((window.ny, window.ystart), (window.nx, window.xstart)))
        picture = np.array(self.stripes.picture)
        return (rows, picture) if self.stripes.transpose else (picture, columns)

    def notes(self, y, x):
        """Say how the pixel was read, where that is not plain."""
        if self.normal is not None:
            yield f"IRS2: row {y + 1} is row {self.normal[y] + 1} of the frames with interleaved rows, up to refpix"
        if self.positions:
            position = self._position(y, x)
            if position is None:
                yield "no superstripe has read this pixel"
            else:
                yield (
                    f"superstripes: read at position {position + 1} of {self.positions}, {self.samples} time(s) in a "
                    "frame; the products up to refpix have an integration for each position"
                )
        elif self.stripes:
            yield f"multistripe: {len(self.stripes.pieces(0))} runs of lines of the detector make a frame"

    def _position(self, y, x):
        line = self.lines[1][x] if self.stripes.transpose else self.lines[0][y]
        return next((p for p in range(self.positions) if line in self.stripes.part(p)[0]), None)

    def ramp(self, product, name, place):
        """Read the samples of a pixel.

        Parameters
        ----------
        product : `~rampflow.io.pixels.PixelFile`
            The product that these frames are of.
        name : str
            An array of four axes.
        place : `Place`
            The pixel.

        Returns
        -------
        `~numpy.ndarray`
            Shape (integrations, groups) as of the final ramp; of superstripes that have not read it NaN, or 0.
        """
        if not self.positions:
            y = place.y if self.normal is None else self.normal[place.y]
            return product.read(name, slice(None), slice(None), y, place.x)
        nints, ngroups = self.shape[0] // self.positions, self.shape[1]
        position = self._position(place.y, place.x)
        if position is None:
            floats = name == "SCI"
            return np.full((nints, ngroups * self.samples), np.nan if floats else 0, np.float32 if floats else np.uint8)
        samples = [
            product.read(name, slice(position, None, self.positions), slice(None), *self._in_stripe(place, position, n))
            for n in range(self.samples)
        ]
        return np.stack(samples, 2).reshape(nints, -1)

    def _in_stripe(self, place, position, sample):
        lines, frame = self.stripes.part(position, sample)
        size = self.shape[-1] if self.stripes.transpose else self.shape[-2]
        first = frame.indices(size)[0]
        if self.stripes.transpose:
            return place.y, first + place.column - lines.start
        return first + place.row - lines.start, place.x

    def image(self, product, name, place):
        """Read one value of an image of the exposure's pixels, such as PIXELDQ; 0 where no superstripe has read it."""
        if not self.positions:
            y = place.y if self.normal is None else self.normal[place.y]
            return product.read(name, y, place.x)
        position = self._position(place.y, place.x)
        return 0 if position is None else product.read(name, position, *self._in_stripe(place, position, 0))


def in_reference(reference, name, place, frames):
    """Find a pixel in an array of a reference file: indices of its last two axes; None where the file lacks it.

    Parameters
    ----------
    reference : `~rampflow.io.pixels.PixelFile`
        The file.
    name : str
        EXTNAME of the array.
    place : `Place`
        The pixel.
    frames : `Frames`
        Of the exposure: files that were made from frames of several pieces like its own are not cut.
    """
    shape = reference.shape(name)
    own, window = Window.of(reference.header, shape, reference.path), frames.window
    if window.pieces and not window.positions and own == replace(window, pieces=(), axis=-2):
        return place.y, place.x
    rows = np.arange(shape[-2])
    if irs2.is_interleaved(shape):
        rows = np.flatnonzero(irs2.normal_rows(str(reference.header.get("DETECTOR")).strip()))
    y, x = place.row - own.ystart, place.column - own.xstart
    return (int(rows[y]), x) if 0 <= y < len(rows) and 0 <= x < shape[-1] else None
