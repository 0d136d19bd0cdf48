"""What an exposure sees of its detector, and reference files cut to that, their DQ in standard bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rampflow.detector import dq, irs2
from rampflow.io import files


@dataclass(frozen=True)
class Window:
    """Where an exposure lies on the detector: 0-based first pixel and size, in the science frame.

    Attributes
    ----------
    ystart, xstart, ny, nx : int
        Rectangle that the keywords name.
    pieces : tuple of tuple of `Window`
        Of a multistripe exposure, for every position of its superstripes (one without them): the rectangles that
        its frames are made of, in the order of the frame.
    axis : int
        Axis along which they follow each other: -2, the rows, or -1.
    positions : int
        Of superstripes, which integrations see one after the other. 0: there are none.
    """

    ystart: int
    xstart: int
    ny: int
    nx: int
    pieces: tuple = ()
    axis: int = -2
    positions: int = 0

    @classmethod
    def of(cls, header, shape, path):
        """Read SUBSTRT1/2 and SUBSIZE1/2, checked against the array.

        Raises
        ------
        FileProblem
            The keywords are absent on an array that is not full frame, or name a first pixel below 1.
        """
        ny, nx = shape[-2:]
        keys = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")
        if any(not isinstance(header.get(key), int) for key in keys):
            if (ny, nx) not in ((2048, 2048), (1024, 1032), (3200, 2048)):
                raise files.FileProblem(
                    f"{path}: {', '.join(keys)} are not all given and the array ({ny} x {nx}) is not full frame: "
                    "its place on the detector is unknown; set the keywords"
                )
            return cls(0, 0, ny, nx)
        xstart, ystart = header["SUBSTRT1"], header["SUBSTRT2"]
        if xstart < 1 or ystart < 1:
            raise files.FileProblem(
                f"{path}: SUBSTRT1={xstart}, SUBSTRT2={ystart}: the first pixel of a subarray is counted from 1"
            )
        # The array itself is what counts where SUBSIZE disagrees with it.
        return cls(ystart - 1, xstart - 1, ny, nx)

    def split(self, stripes):
        """Return the window of a multistripe exposure; ``stripes`` is of `~rampflow.detector.multistripe`, or None."""
        if stripes is None:
            return self

        def piece(place):
            if stripes.transpose:
                return Window(self.ystart, place.start, self.ny, len(place))
            return Window(place.start, self.xstart, len(place), self.nx)

        pieces = tuple(tuple(map(piece, stripes.pieces(position))) for position in range(len(stripes.runs)))
        return replace(self, pieces=pieces, axis=-1 if stripes.transpose else -2, positions=stripes.positions)

    @property
    def shape(self):
        """Shape of an image of the exposure's pixels: (rows, columns), or (positions, rows, columns)."""
        return (self.positions, self.ny, self.nx) if self.positions else (self.ny, self.nx)

    @property
    def blocks(self):
        """The rectangles of the detector that a frame is made of, and where they are in it.

        A list of (rows, columns, window): slices of the frame, and the rectangle. With superstripes a list of such
        lists, one for each position.
        """
        if not self.pieces:
            return [(slice(0, self.ny), slice(0, self.nx), self)]
        frames = [self._blocks(pieces) for pieces in self.pieces]
        return frames if self.positions else frames[0]

    def _blocks(self, pieces):
        blocks, y, x = [], 0, 0
        for piece in pieces:
            blocks.append((slice(y, y + piece.ny), slice(x, x + piece.nx), piece))
            y, x = (y + piece.ny, x) if self.axis == -2 else (y, x + piece.nx)
        return blocks

    @property
    def places(self):
        """Row of the detector of each row of a frame, and column of each column, from 0 in the science frame.

        Not for superstripes, whose frames differ.
        """
        pieces = self.pieces[0] if self.pieces else ()
        rows = [self] if self.axis == -1 or not pieces else pieces
        columns = [self] if self.axis == -2 or not pieces else pieces
        return (
            np.concatenate([np.arange(piece.ystart, piece.ystart + piece.ny) for piece in rows]),
            np.concatenate([np.arange(piece.xstart, piece.xstart + piece.nx) for piece in columns]),
        )

    def of_normal_pixels(self):
        """Return the window without the interleaved rows of IRS2 frames."""
        return replace(self, ny=irs2.NORMAL_ROWS) if self.ny == irs2.ROWS else self

    def keywords(self):
        """Return the window as steps take it: first column and row from 1, and size."""
        return {"xstart": self.xstart + 1, "ystart": self.ystart + 1, "xsize": self.nx, "ysize": self.ny}


class Reference:
    """A reference file, cut to an exposure's window, its DQ in standard bits.

    Parameters
    ----------
    path : path-like
        The file.
    window : `Window`, optional
        The exposure's place on the detector; None: arrays are taken as they are. A file without the interleaved
        rows of IRS2 frames is cut to the normal pixels of such an exposure.
    """

    def __init__(self, path, window=None):
        self.product = files.Product(path)
        self.path, self.window = self.product.path, window
        self.header = self.product.header

    def __contains__(self, name):
        return name in self.product

    def _window_in(self, shape):
        return self.window if irs2.is_interleaved(shape) else self.window.of_normal_pixels()

    def _cuts(self, array):
        """Rows and columns of the file for every position and piece of the exposure's window."""
        if self.window is None:
            return [[(slice(None), slice(None))]]
        own, window = Window.of(self.header, array.shape, self.path), self._window_in(array.shape)
        if window.pieces and not window.positions and own == replace(window, pieces=(), axis=-2):
            return [[(slice(None), slice(None))]]  # made from such exposures
        return [[self._cut(array, own, piece) for piece in pieces] for pieces in window.pieces or [[window]]]

    def _cut(self, array, own, window):
        y0, x0 = window.ystart - own.ystart, window.xstart - own.xstart
        y1, x1 = y0 + window.ny, x0 + window.nx
        if y0 < 0 or x0 < 0 or y1 > array.shape[-2] or x1 > array.shape[-1]:
            raise files.FileProblem(
                f"{self.path}: covers rows {own.ystart + 1}-{own.ystart + own.ny}, columns "
                f"{own.xstart + 1}-{own.xstart + own.nx} of the detector, the exposure needs rows "
                f"{window.ystart + 1}-{window.ystart + window.ny}, columns "
                f"{window.xstart + 1}-{window.xstart + window.nx}; choose a reference that covers it"
            )
        return slice(y0, y1), slice(x0, x1)

    def read(self, name="SCI", *index):
        """Read an array; leading axes by index, the last two cut to the window.

        Returns
        -------
        `~numpy.ndarray`
            float32 as JWST's schemas have it, whatever type the file holds; flags, DQ, are integers as they are. With
            superstripes their positions are the first axis.
        """
        array = self.product[name]
        index = tuple(index) + (slice(None),) * (len(array.shape) - 2 - len(index))
        planes = []
        for cuts in self._cuts(array):
            pieces = [array.read(*index, *cut) for cut in cuts]
            planes.append(pieces[0] if len(pieces) == 1 else np.concatenate(pieces, self.window.axis))
        values = np.stack(planes) if self.window is not None and self.window.positions else planes[0]
        return values if name == "DQ" else values.astype(np.float32, copy=False)

    def read_kernel(self):
        """Read the kernel of an ipc reference: (rows, columns), or four axes of which the last two are cut.

        With superstripes their positions are the first axis of either.
        """
        array = self.product["SCI"]
        if len(array.shape) > 2:
            return self.read()
        kernel = array.read().astype(np.float32, copy=False)
        return np.broadcast_to(kernel, (*self.window.shape[:-2], *kernel.shape))

    def shape(self, name="SCI"):
        """Return the shape of an array as stored."""
        return self.product[name].shape

    def read_dq(self, *index):
        """Read the DQ array, its bits translated by the file's DQ_DEF table.

        Reference files number their flags as they like and name them in DQ_DEF; names unknown to the
        pipeline are dropped. Without such a table the bits are the standard ones.

        Returns
        -------
        `~numpy.ndarray` of uint32
            Zeros when the file has no DQ array.
        """
        if "DQ" not in self.product:
            return np.zeros(self._dq_shape(), np.uint32)
        flags = self.read("DQ", *index).astype(np.uint32, copy=False)
        if "DQ_DEF" not in self.product or not len(table := self.product.table("DQ_DEF")):
            return flags
        translated = np.zeros_like(flags)
        for row in table:
            bit = dq.REFERENCE_NAMES.get(str(row["NAME"]).strip())
            if bit is not None:
                translated[(flags & np.uint32(row["VALUE"])) != 0] |= np.uint32(bit)
        return translated

    def _dq_shape(self):
        first = next(h for h in self.product.hdus[1:] if h.header.get("NAXIS", 0) >= 2)
        shape = files.image_shape(first.header)[-2:]
        return shape if self.window is None else self._window_in(shape).shape

    def table(self, name):
        """Read a binary table."""
        return self.product.table(name)

    def close(self):
        """Close the file."""
        self.product.close()
