"""What an exposure sees of its detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rampflow.errors import FileProblem

#: Rows and columns of a full frame of MIRI.
MIRI_FRAME = (1024, 1032)


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
            if (ny, nx) not in ((2048, 2048), MIRI_FRAME, (3200, 2048)):
                raise FileProblem(
                    f"{path}: {', '.join(keys)} are not all given and the array ({ny} x {nx}) is not full frame: "
                    "its place on the detector is unknown; set the keywords"
                )
            return cls(0, 0, ny, nx)
        xstart, ystart = header["SUBSTRT1"], header["SUBSTRT2"]
        if xstart < 1 or ystart < 1:
            raise FileProblem(
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
        import numpy as np  # here: the start of a run reads windows, too, and has no use for arrays

        pieces = self.pieces[0] if self.pieces else ()
        rows = [self] if self.axis == -1 or not pieces else pieces
        columns = [self] if self.axis == -2 or not pieces else pieces
        return (
            np.concatenate([np.arange(piece.ystart, piece.ystart + piece.ny) for piece in rows]),
            np.concatenate([np.arange(piece.xstart, piece.xstart + piece.nx) for piece in columns]),
        )

    def of_normal_pixels(self):
        """Return the window without the interleaved rows of IRS2 frames."""
        from rampflow.detector import irs2  # as above

        return replace(self, ny=irs2.NORMAL_ROWS) if self.ny == irs2.ROWS else self

    def keywords(self):
        """Return the window as steps take it: first column and row from 1, and size."""
        return {"xstart": self.xstart + 1, "ystart": self.ystart + 1, "xsize": self.nx, "ysize": self.ny}
