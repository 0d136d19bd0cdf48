"""Detector frame and science frame.

Files hold images in the science frame, in which all instruments have a common sense of orientation on the
sky. The electronics read the detector in its own frame: pixels along rows, rows one after the other, both
counted from the first pixel read. Effects of the readout, and the reference pixels that measure them, are
simple in the detector frame only.

The header says how one lies in the other: FASTAXIS is the science axis (1 = x, 2 = y) along which pixels
of a detector row follow each other, SLOWAXIS the one along which rows do; negative where they run
downwards.

Source: JWST keyword dictionary, FASTAXIS and SLOWAXIS; https://jwst-docs.stsci.edu, "JWST Detector
Coordinate Systems".
"""

from typing import NamedTuple

_MIRI_AXES = (1, 2)
#: FASTAXIS and SLOWAXIS of every detector of JWST, by the header keyword DETECTOR.
DETECTOR_AXES = {
    "NRCA1": (-1, 2),
    "NRCA2": (1, -2),
    "NRCA3": (-1, 2),
    "NRCA4": (1, -2),
    "NRCALONG": (-1, 2),
    "NRCB1": (1, -2),
    "NRCB2": (-1, 2),
    "NRCB3": (1, -2),
    "NRCB4": (-1, 2),
    "NRCBLONG": (1, -2),
    "NRS1": (2, 1),
    "NRS2": (-2, -1),
    "NIS": (-2, -1),
    "GUIDER1": (-1, -2),
    "GUIDER2": (-1, 2),
    "MIRIMAGE": _MIRI_AXES,
    "MIRIFULONG": _MIRI_AXES,
    "MIRIFUSHORT": _MIRI_AXES,
}


class Orientation(NamedTuple):
    """How the detector frame follows from the science frame: flip, then transpose.

    The methods take arrays of any number of dimensions, act on the last two (rows, columns) and return
    views.
    """

    flip_rows: bool
    flip_columns: bool
    transpose: bool

    @classmethod
    def from_axes(cls, fastaxis, slowaxis):
        """Orientation of a detector with these FASTAXIS and SLOWAXIS.

        Raises
        ------
        ValueError
            If they are not 1 and 2, in either order, with any sign.
        """
        if {fastaxis, slowaxis} not in ({1, 2}, {1, -2}, {-1, 2}, {-1, -2}):
            raise ValueError(
                f"FASTAXIS is {fastaxis} and SLOWAXIS is {slowaxis}; "
                "one must be 1 or -1 and the other 2 or -2. Correct the header."
            )
        along_x, along_y = (fastaxis, slowaxis) if abs(fastaxis) == 1 else (slowaxis, fastaxis)
        return cls(flip_rows=along_y < 0, flip_columns=along_x < 0, transpose=abs(fastaxis) == 2)

    @classmethod
    def from_detector(cls, detector):
        """Orientation of the detector of this name (DETECTOR).

        Raises
        ------
        ValueError
            If there is no such detector.
        """
        if detector not in DETECTOR_AXES:
            raise ValueError(f"DETECTOR is {detector!r}; known are {', '.join(DETECTOR_AXES)}. Correct the header.")
        return cls.from_axes(*DETECTOR_AXES[detector])

    def to_detector(self, array):
        """View an array of the science frame in the detector frame."""
        array = self._flip(array)
        return array.swapaxes(-2, -1) if self.transpose else array

    def to_science(self, array):
        """View an array of the detector frame in the science frame."""
        return self._flip(array.swapaxes(-2, -1) if self.transpose else array)

    def corner_in_detector(self, corner, shape, detector_size):
        """Locate a subarray in the detector frame.

        Parameters
        ----------
        corner : tuple of int
            First row and column of the subarray in the science frame, from zero.
        shape : tuple of int
            Its rows and columns in the science frame.
        detector_size : int
            Rows, and columns, of the whole (square) detector.

        Returns
        -------
        tuple of int
            First row and column of the subarray in the detector frame, from zero.
        """
        row, column = (
            detector_size - start - size if flip else start
            for start, size, flip in zip(corner, shape, (self.flip_rows, self.flip_columns), strict=True)
        )
        return (column, row) if self.transpose else (row, column)

    def _flip(self, array):
        return array[..., :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
