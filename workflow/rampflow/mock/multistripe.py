"""Detectors that are read in stripes: which lines, and where they are in the science frame.

The lines are counted here as the electronics do it, one frame after the other, and not as the pipeline works them
out from the keywords (`rampflow.detector.multistripe`), so that the one can be held against the other.
"""

from dataclasses import dataclass

import numpy as np

#: FITS keywords and attributes of the data model, in the order of the fields of `StripeReadout`.
KEYWORDS = (
    ("MSTR_RD1", "multistripe_reads1"),
    ("MSTR_SK1", "multistripe_skips1"),
    ("MSTR_RD2", "multistripe_reads2"),
    ("MSTR_SK2", "multistripe_skips2"),
    ("MSTR_RPT", "repeat_stripe"),
    ("MSTR_ILV", "interleave_reads1"),
    ("SSTR_STP", "superstripe_step"),
    ("SSTR_NST", "num_superstripe"),
)


@dataclass(frozen=True)
class StripeReadout:
    """What the electronics are told, and the line (from 0) at which a frame begins."""

    reads1: int
    skips1: int
    reads2: int
    skips2: int
    repeat: int
    interleave: int
    step: int = 0
    positions: int = 0
    start: int = 0

    def header(self):
        """Rows (FITS keyword, path in the data model, value)."""
        values = (self.reads1, self.skips1, self.reads2, self.skips2, self.repeat, self.interleave)
        values += (self.step, self.positions)
        return [(key, f"subarray.{name}", value) for (key, name), value in zip(KEYWORDS, values, strict=True)]

    def lines(self, size, position=0):
        """Lines of a frame in the order of reading, int64 (size,).

        Parameters
        ----------
        size : int
            Lines of the frame.
        position : int
            Of the superstripe, from 0.
        """
        border = range(self.start, self.start + self.reads1)
        line, read = border.stop + self.skips1 + position * self.step, list(border)
        while True:
            stripe = range(line, line + (self.reads2 or self.step))
            read += stripe
            if len(read) >= size:
                return np.array(read)
            if self.repeat:
                read += border
            if self.interleave or not self.repeat:
                line = stripe.stop + self.skips2

    @property
    def in_frame(self):
        """Whether the stripes of a frame are samples of one ramp: superstripes that are read again and again."""
        return bool(self.positions and self.repeat and not self.interleave)

    def part(self, position):
        """Lines of the picture that a superstripe holds, the last of its frame, int64."""
        count = self.reads2 or self.step
        return self.lines(self.reads1 + count, position)[-count:]


@dataclass(frozen=True)
class Samples:
    """The samples of a ramp in a frame: one, but for superstripes that are read again and again.

    Attributes
    ----------
    phases : tuple
        When each of them has been read, as a part of the time of a frame.
    axis : int
        Axis of the frame along which they follow each other.
    size : int
        Rows (or columns) of each.
    downwards : bool
        The first one is the last of the frame.
    """

    phases: tuple = (1,)
    axis: int = -2
    size: int = 0
    downwards: bool = False

    @property
    def count(self):
        """How many there are."""
        return len(self.phases)

    def place(self, number):
        """Index of a sample in a frame."""
        if self.count == 1:
            return (Ellipsis,)
        number = self.count - 1 - number if self.downwards else number
        rows = slice(number * self.size, (number + 1) * self.size)
        return (..., rows, slice(None)) if self.axis == -2 else (..., rows)

    def spread(self, values):
        """Make a frame of which every sample has these values."""
        return values if self.count == 1 else np.concatenate([values] * self.count, self.axis)

    def everywhere(self, y, x):
        """Pixels of a frame that are these of each of the samples, one sample after the other."""
        if self.count == 1:
            return y, x
        starts = [self.place(number)[self.axis].start for number in range(self.count)]
        moved = [(y + start, x) if self.axis == -2 else (y, x + start) for start in starts]
        return tuple(np.concatenate(parts) for parts in zip(*moved, strict=True))

    def frames(self, sample):
        """First frames (from 1) in which each of the samples shows what the n-th sample (from 1) shows."""
        return np.concatenate([-((number + 1 - sample) // self.count) + 1 for number in range(self.count)])


def in_science(lines, size, downwards):
    """Rows (or columns) of the whole science frame in the order of a frame's, for lines in the order of reading."""
    return (size - 1 - lines)[::-1] if downwards else lines
