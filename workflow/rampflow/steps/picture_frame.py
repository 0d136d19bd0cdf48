"""Take the picture frame out of NIRSpec's ramps.

When the detectors get warmer or colder during an integration, the level of their pixels changes, towards the edge
otherwise than in the centre. The reference says how that looks. How much there is of it, and on what level, is
measured in every group after the first on the pixels that see no source: their medians at the edge and in the
centre, of the difference to the first group and of the reference, make a straight line.

What rises uniformly since the first group is subtracted with it, as jwst does: that of the sky, too.

Units: SCI in DN; that of the reference does not matter.

Source: https://jwst-pipeline.readthedocs.io/en/latest/jwst/picture_frame/main.html
"""

from typing import NamedTuple

import numpy as np

from rampflow.steps import NotApplicable

#: Rows and columns of the detector.
FULL = (2048, 2048)
#: Rows and columns of the centre, and of the four sides of the edge. Between them, and beside the edge, pixels are
#: left out, such as the reference pixels and the last of the others (row and column 2043), as in jwst.
_CENTRE = np.s_[76:1984, 76:1984]
_EDGE = np.s_[4:75, 4:2043], np.s_[1985:2043, 4:2043], np.s_[75:1985, 4:75], np.s_[75:1985, 1985:2043]


def check_exposure(instrument: str, subarray: str, shape: tuple[int, ...]) -> None:
    """Refuse exposures that are none of this step's.

    Parameters
    ----------
    instrument, subarray : str
        Keywords INSTRUME and SUBARRAY.
    shape : tuple of int
        Of the exposure: integrations, groups, rows, columns.

    Raises
    ------
    NotApplicable
        It is no full frame of NIRSpec, or has one group only.
    """
    _, ngroups, *frame = shape
    if instrument != "NIRSPEC" or subarray != "FULL" or tuple(frame) != FULL:
        raise NotApplicable(
            f"only full frames of NIRSpec are corrected; this is {instrument} {subarray}, {frame[0]} rows of {frame[1]}"
        )
    if ngroups < 2:
        raise NotApplicable("in a single group there is nothing to compare with the first one")


class FrameLevels(NamedTuple):
    """Medians of the background in the centre and at the edge."""

    centre: np.float32
    edge: np.float32

    @property
    def contrast(self):
        """By how much the centre exceeds the edge."""
        return self.centre - self.edge


def measure(image, mask):
    """Measure the background of an image in its centre and at its edge.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        NaN does not count.
    mask : 2D bool `~numpy.ndarray`
        True for background.

    Returns
    -------
    FrameLevels or None
        None where there is no background.
    """
    found = []
    for parts in ((_CENTRE,), _EDGE):
        values = np.concatenate([image[part][mask[part]] for part in parts])
        values = values[~np.isnan(values)]
        if not values.size:
            return None
        found.append(np.median(values, overwrite_input=True))
    return FrameLevels(*found)


def measure_reference(frame: np.ndarray, mask: np.ndarray) -> FrameLevels:
    """Measure the reference on the background of an exposure.

    Parameters
    ----------
    frame : 2D float32 `~numpy.ndarray`
        The reference.
    mask : 2D bool `~numpy.ndarray`
        True for background.

    Returns
    -------
    FrameLevels

    Raises
    ------
    NotApplicable
        There is no background, or the reference has the same level in its centre and at its edge. jwst turns all
        groups but the first into NaN in the latter case.
    """
    levels = measure(frame, mask)
    if levels is None:
        raise NotApplicable("no background in the centre, or none at the edge, to measure the picture frame on")
    if levels.contrast == 0 or not np.isfinite(levels.contrast):
        raise NotApplicable(
            f"the reference has a level of {levels.centre} in its centre and of {levels.edge} at its edge: "
            "that is no picture frame"
        )
    return levels


def subtract_frame(
    sci: np.ndarray, first: np.ndarray, frame: np.ndarray, levels: FrameLevels, mask: np.ndarray
) -> np.ndarray | None:
    """Subtract the picture frame of a group.

    Parameters
    ----------
    sci, first : 2D float32 `~numpy.ndarray`
        The group and the first one of its integration (DN).
    frame : 2D float32 `~numpy.ndarray`
        The reference. Where it is NaN the result is, too.
    levels : FrameLevels
        From `measure_reference`.
    mask : 2D bool `~numpy.ndarray`
        True for background.

    Returns
    -------
    2D float32 `~numpy.ndarray` or None
        The group without it; None where it has no background.
    """
    difference = sci - first
    measured = measure(difference, mask)
    if measured is None:
        return None
    correction = frame - levels.edge
    correction *= measured.contrast / levels.contrast
    correction += measured.edge
    # In this order rounding is jwst's, to the last bit.
    return (first - correction) + difference
