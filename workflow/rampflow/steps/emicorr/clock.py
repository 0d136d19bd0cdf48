"""When a pixel of a MIRI exposure is read, in pixel clocks of 10 microseconds from the start of the exposure.

Four outputs read four neighbouring columns at the same time, so that a row of nx columns has nx // 4 samples.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from typing import NamedTuple

#: Duration of a pixel clock (s).
PIXEL_CLOCK = 1e-5
#: Rows of the detector; those outside a subarray are skipped, each in so many clocks.
_ROWS, _SKIPPED_ROW = 1024, 7


class Clock(NamedTuple):
    """Timing of an exposure, in pixel clocks.

    Attributes
    ----------
    row, sample : int
        From a row to the next, and from a sample of a row to the next.
    frame, integration : int
        From a group to the next (MIRI has one frame a group), and from an integration to the next.
    frameclocks : int
        Length of a frame as the reference has it; what a reset between integrations takes.
    """

    row: int
    sample: int
    frame: int
    integration: int
    frameclocks: int

    @classmethod
    def of(cls, *, rowclocks, frameclocks, nsamples, readpatt, ngroups, rows):
        """Work out the timing of an exposure of ``ngroups`` groups of ``rows`` rows.

        Parameters
        ----------
        rowclocks, frameclocks : int
            Of the subarray, from the reference.
        nsamples : int
            NSAMPLES: samples per pixel, 1 in the FAST patterns and 9 in the SLOW ones.
        readpatt : str
            READPATT; FASTR1 and SLOWR1 spend the time of a frame on a reset between integrations.
        ngroups, rows : int
            Shape of the exposure.
        """
        frame = rows * rowclocks + (_ROWS - rows) * _SKIPPED_ROW
        reset = frameclocks if readpatt.endswith("R1") else 0
        return cls(int(rowclocks), int(nsamples), int(frame), int(ngroups * frame + reset), int(frameclocks))


def period_of(frequency):
    """Period of a frequency (Hz), in pixel clocks."""
    return (1 / frequency) / PIXEL_CLOCK
