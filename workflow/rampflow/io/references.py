"""Reference files as an exposure sees them: cut to its window of the detector, their DQ in standard bits."""

from dataclasses import replace

import numpy as np

from rampflow.detector import dq, irs2
from rampflow.detector.subarray import Window
from rampflow.io import files


class Reference:
    """A reference file, cut to an exposure's window, its DQ in standard bits.

    Parameters
    ----------
    path : path-like
        The file.
    window : `~rampflow.detector.subarray.Window`, optional
        The exposure's place on the detector; None: arrays are taken as they are. A file without the interleaved
        rows of IRS2 frames is cut to the normal pixels of such an exposure.
    frame : tuple of int, optional
        Rows and columns that arrays must have which are taken as they are; None: any.
    """

    def __init__(self, path, window=None, frame=None):
        self.product = files.Product(path)
        self.path, self.window, self.frame = self.product.path, window, frame
        self.header = self.product.header

    def __contains__(self, name):
        return name in self.product

    def _window_in(self, shape):
        return self.window if irs2.is_interleaved(shape) else self.window.of_normal_pixels()

    def _cuts(self, array):
        """Rows and columns of the file for every position and piece of the exposure's window."""
        if self.window is None:
            self._check_frame(array.shape)
            return [[(slice(None), slice(None))]]
        own, window = Window.of(self.header, array.shape, self.path), self._window_in(array.shape)
        if window.pieces and not window.positions and own == replace(window, pieces=(), axis=-2):
            return [[(slice(None), slice(None))]]  # made from such exposures
        return [[self._cut(array, own, piece) for piece in pieces] for pieces in window.pieces or [[window]]]

    def _check_frame(self, shape):
        if self.frame and shape[-2:] != self.frame:
            raise files.FileProblem(
                f"{self.path}: an array of shape ({', '.join(map(str, shape))}), the exposure has {self.frame[0]} rows "
                f"and {self.frame[1]} columns; choose a reference that was made for it"
            )

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
        """Read an array; leading axes by index, the last two cut to the window; without one rows may have an index.

        Returns
        -------
        `~numpy.ndarray`
            float32 as JWST's schemas have it, whatever type the file holds; flags, DQ, are integers as they are. With
            superstripes their positions are the first axis.
        """
        array = self.product[name]
        lead = len(array.shape) - 2
        index, rows = index[:lead] + (slice(None),) * (lead - len(index)), index[lead:]
        planes = []
        for cuts in self._cuts(array):
            pieces = [array.read(*index, *(rows or cut)) for cut in cuts]
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
        if "DQ_DEF" not in self.product or not len(table := self.table("DQ_DEF", "NAME", "VALUE")):
            return flags
        translated = np.zeros_like(flags)
        # Most pixels have no flag.
        flagged = np.flatnonzero(flags)
        values = flags.reshape(-1)[flagged]
        found = np.zeros_like(values)
        for row in table:
            bit = dq.REFERENCE_NAMES.get(str(row["NAME"]).strip())
            if bit is not None:
                found[(values & np.uint32(row["VALUE"])) != 0] |= np.uint32(bit)
        translated.reshape(-1)[flagged] = found
        return translated

    def _dq_shape(self):
        first = next(h for h in self.product.hdus[1:] if h.header.get("NAXIS", 0) >= 2)
        shape = files.image_shape(first.header)[-2:]
        return shape if self.window is None else self._window_in(shape).shape

    def table(self, name, *columns):
        """Read a binary table, which must have the columns that are named.

        Raises
        ------
        FileProblem
            There is no such table, it cannot be understood, or a column is missing.
        """
        table = self.product.table(name)
        there = {column.lower() for column in table.dtype.names or ()}
        if missing := [column for column in columns if column.lower() not in there]:
            raise files.FileProblem(
                f"{self.path}: the table {name} has no column {', '.join(missing)}; it has {', '.join(sorted(there))}"
            )
        return table

    def close(self):
        """Close the file."""
        self.product.close()
