"""The pictures that superstripes make: where each of them belongs, and what the header says afterwards.

After the reference pixels have served, so many integrations as there are positions become one, as if the detector
had been read in one piece. What no superstripe has read is NaN, and a reference pixel by its flags.

Source: https://jwst-pipeline.readthedocs.io, "Reference Pixel Correction"; which keywords and tables change, and
how, was seen in products of jwst 3.0.0.
"""

import numpy as np

from rampflow import dq
from rampflow.stripes import KEYWORDS

_STARTS = ("int_start_MJD_UTC", "int_start_BJD_TDB")


class Picture:
    """The pictures of an exposure.

    Parameters
    ----------
    stripes : `~rampflow.stripes.Stripes`
        Of superstripes.
    """

    def __init__(self, stripes):
        self.stripes, self.positions = stripes, stripes.positions
        self._lines = stripes.picture

    def shape(self, shape):
        """Return the shape of an array of pictures, where one of superstripes has this shape.

        Parameters
        ----------
        shape : tuple of int
            (integrations, ..., rows, columns).
        """
        *lead, ny, nx = (shape[0] // self.positions, *shape[1:])
        return (*lead, ny, len(self._lines)) if self.stripes.transpose else (*lead, len(self._lines), nx)

    def sources(self, number):
        """Return the integrations that make a picture, both counted from 0 in the file, as a range."""
        return range(number * self.positions, (number + 1) * self.positions)

    def join(self, values, empty):
        """Put arrays of superstripes together.

        Parameters
        ----------
        values : sequence of `~numpy.ndarray`
            Of the integrations of whole pictures, each of shape (..., rows, columns).
        empty : number
            For what none of them has read.

        Returns
        -------
        `~numpy.ndarray`
            Shape (pictures, ..., rows, columns).
        """
        pictures = np.full(self.shape((len(values), *values[0].shape)), empty, values[0].dtype)
        for number, frames in enumerate(values):
            picture, position = divmod(number, self.positions)
            lines, read = self.stripes.part(position)
            there = slice(lines.start - self._lines.start, lines.stop - self._lines.start)
            if self.stripes.transpose:
                pictures[picture, ..., there] = frames[..., read]
            else:
                pictures[picture, ..., there, :] = frames[..., read, :]
        return pictures

    def flags(self, pixeldq):
        """Return PIXELDQ of the picture; that of the superstripes has the shape (positions, rows, columns)."""
        return self.join(pixeldq, dq.REFERENCE_PIXEL)[0]

    def describe(self, header):
        """Change what a header says of the integrations and of the place of the exposure, in place."""
        numbers = {"INTSTART": 1, "INTEND": header["NINTS"], "NINTS": None}
        for key, default in numbers.items():
            header[key] = -(-header.get(key, default) // self.positions)
        axis = 1 if self.stripes.transpose else 2
        header[f"SUBSTRT{axis}"] = self._lines.start + 1
        header[f"SUBSIZE{axis}"] = len(self._lines)
        for key in KEYWORDS:
            header.pop(key, None)

    def times(self, table):
        """Return the times of the pictures and of the superstripes in them.

        Parameters
        ----------
        table : structured `~numpy.ndarray`
            INT_TIMES of the superstripes.

        Returns
        -------
        pictures, stripes : structured `~numpy.ndarray`
            A picture lasts from the start of its first superstripe to the end of its last one. The second table has
            the times of each superstripe, numbered by picture and position from 1.
        """
        names = table.dtype.names
        number, position = np.divmod(np.arange(len(table)), self.positions)
        pictures = np.array(table[:: self.positions])
        number += -(-int(table["integration_number"][0]) // self.positions)
        pictures["integration_number"] = number[:: self.positions]
        for start in _STARTS:
            mid, end = (start.replace("start", part) for part in ("mid", "end"))
            pictures[end] = table[end][self.positions - 1 :: self.positions]
            pictures[mid] = (pictures[start] + pictures[end]) / 2
        kinds = [(name, table.dtype[name]) for name in names]
        stripes = np.empty(len(table), [kinds[0], ("stripe_number", kinds[0][1]), *kinds[1:]])
        for name in names:
            stripes[name] = table[name]
        stripes["integration_number"], stripes["stripe_number"] = number, position + 1
        return pictures, stripes
