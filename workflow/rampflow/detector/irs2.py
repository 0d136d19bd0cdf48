"""Frames of NIRSpec's IRS2 readout: reference pixels interleaved with the others.

In the "improved reference sampling and subtraction" readout every amplifier leaves its line after 8 of 16
pixels, reads 4 reference pixels, and goes on; the reference output is read along as a fifth amplifier. A frame
of the file therefore has 5 sections of 640 rows (science frame, in which the lines of the detector are
columns): the reference output, and 512 normal pixels with 128 interleaved reads for each amplifier.

Source: https://jwst-docs.stsci.edu, "NIRSpec IRS2 Detector Readout Mode"; Moseley et al. 2010, Proc. SPIE
7742, 77421B; Rauscher et al. 2017, PASP 129, 105003.
"""

import numpy as np

from rampflow.detector.orientation import Orientation

#: Amplifiers, the reference output first, and what each reads in one line.
SECTIONS = 5
SECTION_ROWS = 640
#: Rows of a frame, with and without what is interleaved.
ROWS = SECTIONS * SECTION_ROWS
NORMAL_ROWS = 2048
#: Normal pixels and reference reads that take turns.
NORMAL, REFERENCE = 16, 4
#: Rows from one block of reference reads to the next, and from the start of a section to its first block.
PERIOD = NORMAL + REFERENCE
FIRST = NORMAL // 2


def is_interleaved(shape):
    """Tell whether frames of this shape (..., rows, columns) are of the IRS2 readout."""
    return shape[-2] == ROWS


def section_references():
    """Mask of the reference reads among the rows of a section, in detector order, shape (640,)."""
    return (np.arange(SECTION_ROWS) - FIRST) % PERIOD < REFERENCE


def normal_rows(detector):
    """Mask of the rows of normal pixels in the science frame, shape (3200,).

    Parameters
    ----------
    detector : str
        NRS1 or NRS2.
    """
    rows = np.tile(~section_references(), SECTIONS)
    rows[:SECTION_ROWS] = False
    return rows[::-1].copy() if Orientation.from_detector(detector).flip_rows else rows


def interleaved(image, rows, fill):
    """Put an image of normal pixels into frames that have the interleaved rows, too.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Shape (..., 2048, columns).
    rows : 1D bool `~numpy.ndarray` or None
        From `normal_rows`. None: an ordinary frame, which stays as it is.
    fill : number
        What the other rows hold.

    Returns
    -------
    `~numpy.ndarray`
        Shape (..., 3200, columns), or ``image`` itself.
    """
    if rows is None:
        return image
    frame = np.full((*image.shape[:-2], ROWS, image.shape[-1]), fill, image.dtype)
    frame[..., rows, :] = image
    return frame


#: Slots of the clock in which an amplifier reads a line: pixels, two around each block of reference reads, and the
#: time to start the next line.
LINE_SLOTS = (SECTION_ROWS // PERIOD) * (PERIOD + 2) + 8


def slots():
    """Slot of each row of each section within a line, shape (5, 640), sections and rows in detector order.

    Every second section, the reference output among them, is read backwards.
    """
    place = np.arange(SECTION_ROWS)
    inside = place % PERIOD
    forward = place + 2 * (place // PERIOD) + (inside >= FIRST) + (inside >= FIRST + REFERENCE)
    return np.array([forward[:: 1 if section % 2 else -1] for section in range(SECTIONS)])
