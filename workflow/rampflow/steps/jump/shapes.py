"""Ellipses of flagged regions, for the large events that `jump` looks for: what stands out, and what to flag.

Geometry as of jwst 3.0, which uses scikit-image as this module does: regions touch along edges or corners, an
ellipse has the second moments of its region, and pixels are inside when their centres are.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/jump/description.html
"""

from typing import NamedTuple

import numpy as np
from skimage.draw import ellipse as ellipse_pixels
from skimage.measure import label, regionprops


class Ellipse(NamedTuple):
    """An ellipse in an image.

    Attributes
    ----------
    centre : tuple of float
        (row, column).
    axes : tuple of float
        Full major and minor axis [pixels]; of lines and single pixels the minor axis is -1.
    angle : float
        From the direction of rows (downwards) to the major axis [rad], as scikit-image's orientation.
    """

    centre: tuple
    axes: tuple
    angle: float


def regions(mask, min_area):
    """Find the connected regions of a mask.

    Parameters
    ----------
    mask : bool ndarray (ny, nx)
        Flagged pixels.
    min_area : float
        Smallest area [pixels], holes counted in.

    Returns
    -------
    list of `skimage.measure.RegionProperties`
        In the order of their first pixels. What they say of a region is worked out when asked for.
    """
    if not mask.any():
        return []
    return [region for region in regionprops(label(mask, connectivity=2)) if large_enough(region, min_area)]


def large_enough(region, min_area):
    """Tell whether a region has an area, holes counted in; the costly count only where the box leaves it open."""
    top, left, bottom, right = region.bbox
    if region.area >= min_area:
        return True
    return (bottom - top) * (right - left) >= min_area and region.area_filled >= min_area


def ellipse_of(region):
    """Return the `Ellipse` with the centroid and the second moments of a region."""
    axes = region.axis_major_length - 1, region.axis_minor_length - 1
    return Ellipse(tuple(map(float, region.centroid)), tuple(map(float, axes)), float(region.orientation))


def pixels_of(ellipse, axes, shape):
    """List the pixels of an image that are inside an ellipse of other axes.

    Parameters
    ----------
    ellipse : Ellipse
        Its centre and angle are used; the centre is rounded to a pixel.
    axes : sequence of float
        Full major and minor axis [pixels]; the half of each is rounded to whole pixels.
    shape : (int, int)
        Of the image; what is outside is left out.

    Returns
    -------
    tuple of int ndarray
        Rows and columns; empty if an axis is.
    """
    radii = [round(axis / 2) for axis in axes]
    if 0 in radii:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # The detour by degrees decides which pixels exactly on the border are inside, as in jwst.
    rotation = np.deg2rad(np.rad2deg(ellipse.angle))
    return ellipse_pixels(*map(round, ellipse.centre), *radii, shape=shape, rotation=rotation)


def grown_axes(ellipse, factor, longest):
    """Return the axes of an ellipse that is grown in proportion to its minor axis, up to a longest axis."""
    major, minor = ellipse.axes
    return min(major + (factor - 1) * minor, longest), min(minor * factor, longest)
