"""Detectors that are read in stripes: which lines, and where they are in the science frame.

The lines are counted here as the electronics do it, one frame after the other, and not as the pipeline works them
out from the keywords (`rampflow.stripes`), so that the one can be held against the other.
"""

from dataclasses import dataclass

import numpy as np

#: FITS keywords and attributes of the data model, in the order of the fields of `Stripes`.
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
class Stripes:
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

    def part(self, position):
        """Lines of the picture that a superstripe holds, the last of its frame, int64."""
        count = self.reads2 or self.step
        return self.lines(self.reads1 + count, position)[-count:]


def in_science(lines, size, downwards):
    """Rows (or columns) of the whole science frame in the order of a frame's, for lines in the order of reading."""
    return (size - 1 - lines)[::-1] if downwards else lines
