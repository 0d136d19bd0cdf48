"""The pictures that superstripes make: where each of them belongs, and what the header says afterwards.

After the reference pixels have served, so many integrations as there are positions become one, as if the detector
had been read in one piece. What no superstripe has read is NaN, and a reference pixel by its flags. Where a frame
samples a ramp several times each sample becomes a group; then these do not follow each other at even intervals.

Sources: https://jwst-pipeline.readthedocs.io, "Reference Pixel Correction"; which keywords and tables change, and
how, was seen in products of jwst 3.0.0. The clocking of a frame: https://jwst-docs.stsci.edu, "NIRCam Detector
Subarrays".
"""

import numpy as np

from rampflow.detector import dq
from rampflow.detector.multistripe import KEYWORDS

#: Seconds to read a pixel, and pixels that the end of a line takes the time of.
_CLOCK, _LINE_END = 1e-5, 12
_STARTS = ("int_start_MJD_UTC", "int_start_BJD_TDB")


class WholeFrames:
    """The pictures of an exposure.

    Parameters
    ----------
    stripes : `~rampflow.detector.multistripe.Stripes`
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
            (integrations, rows, columns) or (integrations, groups, rows, columns).
        """
        *lead, ny, nx = (shape[0] // self.positions, *shape[1:])
        if len(shape) == 4:
            lead[1] *= self.stripes.samples
        return (*lead, ny, len(self._lines)) if self.stripes.transpose else (*lead, len(self._lines), nx)

    def sources(self, number):
        """Return the integrations that make a picture, both counted from 0 in the file, as a range."""
        return range(number * self.positions, (number + 1) * self.positions)

    def join(self, values, empty, sample=0):
        """Put arrays of superstripes together.

        Parameters
        ----------
        values : sequence of `~numpy.ndarray`
            Of the integrations of whole pictures, each of shape (..., rows, columns).
        empty : number
            For what none of them has read.
        sample : int
            Which sample of the frames is taken.

        Returns
        -------
        `~numpy.ndarray`
            Shape (pictures, ..., rows, columns).
        """
        *lead, ny, nx = (len(values) // self.positions, *values[0].shape)
        lines = len(self._lines)
        shape = (*lead, ny, lines) if self.stripes.transpose else (*lead, lines, nx)
        pictures = np.full(shape, empty, values[0].dtype)
        for number, frames in enumerate(values):
            picture, position = divmod(number, self.positions)
            lines, read = self.stripes.part(position, sample)
            there = slice(lines.start - self._lines.start, lines.stop - self._lines.start)
            if self.stripes.transpose:
                pictures[picture, ..., there] = frames[..., read]
            else:
                pictures[picture, ..., there, :] = frames[..., read, :]
        return pictures

    def join_groups(self, values, empty):
        """Put ramps of superstripes together as `join` does; every sample of their frames becomes a group.

        Parameters
        ----------
        values, empty
            As for `join`; the shape of each is (groups, rows, columns).

        Returns
        -------
        `~numpy.ndarray`
            Shape (pictures, groups, rows, columns), groups in the order of time.
        """
        samples = [self.join(values, empty, sample) for sample in range(self.stripes.samples)]
        pictures, groups, *image = samples[0].shape
        return np.stack(samples, 2).reshape(pictures, groups * len(samples), *image)

    def groups(self, groups):
        """Return the groups of a picture that these, a slice, of superstripes make."""
        return slice(groups.start * self.stripes.samples, groups.stop * self.stripes.samples)

    def flags(self, pixeldq):
        """Return PIXELDQ of the picture; that of the superstripes has the shape (positions, rows, columns)."""
        return self.join(pixeldq, dq.REFERENCE_PIXEL)[0]

    def describe(self, header):
        """Change what a header says of the integrations and of the place of the exposure, in place."""
        numbers = {"INTSTART": 1, "INTEND": header["NINTS"], "NINTS": None}
        for key, default in numbers.items():
            header[key] = -(-header.get(key, default) // self.positions)
        header["NGROUPS"] *= self.stripes.samples
        axis = 1 if self.stripes.transpose else 2
        header[f"SUBSTRT{axis}"] = self._lines.start + 1
        header[f"SUBSIZE{axis}"] = len(self._lines)
        for key in KEYWORDS:
            header.pop(key, None)

    def read_times(self, header, shape):
        """Return when the groups of the pictures were read, or None where they follow each other evenly.

        Parameters
        ----------
        header : mapping
            Primary header of the superstripes.
        shape : tuple of int
            Of their SCI.

        Returns
        -------
        list of list of float, or None
            For each group the time of its only read (s), counted from the reset.
        """
        samples = self.stripes.samples
        if samples == 1:
            return None
        lines, fast = shape[:-3:-1] if self.stripes.transpose else shape[-2:]
        outputs = header.get("NOUTPUTS") or 1
        line = fast // outputs + _LINE_END
        # What a frame takes beside its lines comes before the first of them.
        lead = line + 1 if outputs == 4 else line * (2 if fast >= 9 and outputs == 1 else 3)
        frames = (1 + (header.get("GROUPGAP") or 0)) * np.arange(shape[1])[:, np.newaxis]
        clocks = frames * (lead + line * lines) + lead + line * self.stripes.stride * np.arange(1, samples + 1)
        return (clocks.reshape(-1, 1) * _CLOCK).tolist()

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
