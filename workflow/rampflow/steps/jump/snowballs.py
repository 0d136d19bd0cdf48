"""Snowballs: large round events of the near-infrared detectors, whose core saturates at once; `jump` has more.

The flags of single pixels miss the halo of a snowball. So ellipses around the flagged pixels are grown, and the
saturated cores too, from which charge spills (https://jwst-docs.stsci.edu, "Shower and Snowball Artifacts").

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/jump/description.html
"""

from collections.abc import Generator, Iterable
from itertools import chain, islice

import numpy as np

from rampflow.detector import dq
from rampflow.steps.jump.shapes import ellipse_of, grown_axes, pixels_of, regions

_SATURATED = np.uint8(dq.SATURATED)
_JUMP = np.uint8(dq.JUMP_DET)


def expand_snowballs(
    groups: Iterable[np.ndarray],
    *,
    ngroups: int,
    tgroup: float,
    min_sat_area: float,
    min_jump_area: float,
    expand_factor: float,
    sat_required_snowball: bool,
    min_sat_radius_extend: float,
    sat_expand: float,
    edge_size: float,
    mask_snowball_core_next_int: bool,
    snowball_time_masked_next_int: float,
    max_extended_radius: float,
) -> Generator[np.ndarray, None, int]:
    """Flag the surroundings of snowballs, group by group.

    A generator: it takes the flags of one group after the other and gives them back in the same order, holding
    those of three groups at a time.

    A snowball is a region of jumps around the centre of a region that saturates in the same group or in the
    next. JUMP_DET is set in a larger ellipse around it, in this group. Regions that saturate at once are grown
    into ellipses that are SATURATED to the end of the integration; before they are grown, they set JUMP_DET in
    the first groups of the next integration, because the detector remembers them.

    Parameters
    ----------
    groups : iterable of uint8 ndarray (ny, nx)
        Flags of the groups of all integrations, in order, after the search for jumps. Not changed.
    ngroups : int
        Groups per integration.
    tgroup : float
        Group time [s].
    min_sat_area, min_jump_area : float
        Smallest regions of newly saturated pixels and of jumps [pixels, holes counted in].
    expand_factor : float
        An ellipse of axes (a, b) is grown to (a + (factor - 1) b, factor b).
    sat_required_snowball : bool
        False: every region of jumps is a snowball; cores are neither grown nor remembered.
    min_sat_radius_extend : float
        Cores whose full minor axis is longer than this [pixels] are grown and remembered.
    sat_expand : float
        Pixels by which the radii of cores grow.
    edge_size : float
        A region of jumps whose centre is nearer to an edge than this [pixels] is a snowball in any case: its
        core may be outside.
    mask_snowball_core_next_int : bool
        Flag cores in the next integration too …
    snowball_time_masked_next_int : float
        … in the groups up to this time after the first [s, rounded down to groups]; the first is never flagged.
    max_extended_radius : float
        Largest radius of an ellipse that is flagged [pixels].

    Yields
    ------
    uint8 ndarray (ny, nx)
        New flags of the next group.

    Returns
    -------
    int
        Number of snowballs, as the value of the generator.

    Notes
    -----
    Follows jwst 3.0 to the bit, with what may surprise in it: pixels of a grown core lose all other flags,
    DO_NOT_USE too, while remembered cores set JUMP_DET in saturated pixels as well; the limit at the far edge is
    ``ny - edge_size`` for rows *and* columns, so that most columns of a wide subarray count as edge; the ellipse in
    which the centre of a core must lie is that of the jumps mirrored at the diagonal.

    jwst 1.19 has the same rules but OpenCV's shapes: its ellipses are wider, its areas those of polygons through pixel
    centres. In mock fields of ten snowballs on 96 x 96 pixels 0.6 to 0.8 % of all flags differ, 40 % of those that it
    sets; 2.5 % where very many rays are near the edges, probably because a ray with its four neighbours has area 5
    here and 2 there.
    """
    longest = 2 * max_extended_radius
    remembered_groups = snowball_time_masked_next_int // tgroup if mask_snowball_core_next_int else 0
    remembered, count = None, 0
    for integration in _integrations(groups, ngroups):
        before = cores = grown = None
        for group, (given, following) in enumerate(_with_next(integration)):
            if group == 0:
                cores, grown = np.zeros(given.shape, bool), np.zeros(given.shape, bool)
                before = given
                yield given
                continue
            flags = _saturated(given, grown)
            snowballs = regions(flags & _JUMP != 0, min_jump_area)
            if sat_required_snowball:
                new = regions(_newly_saturated(flags, before), min_sat_area)
                coming = []
                if following is not None:
                    coming = regions(_newly_saturated(_saturated(following, grown), flags), min_sat_area)
                centres = np.array([region.centroid for region in chain(new, coming)]).reshape(-1, 2)
                edges = edge_size, flags.shape[0] - edge_size
                snowballs = [region for region in snowballs if _is_snowball(region, centres, edges)]
                for region in new:
                    _grow_core(region, cores, grown, min_sat_radius_extend, sat_expand, longest)
                flags = _saturated(flags, grown)
            for region in snowballs:
                _grow_snowball(region, flags, expand_factor, longest)
            count += len(snowballs)
            before = flags
            if remembered is not None and group < remembered_groups:
                flags = np.where(remembered, flags | _JUMP, flags)
            yield flags
        remembered = cores
    return count


def _integrations(groups, ngroups):
    """Split a sequence into iterators of `ngroups` items, each to be used up before the next."""
    groups = iter(groups)
    for first in groups:
        yield chain((first,), islice(groups, ngroups - 1))


def _with_next(items):
    """Pair every item with the one after it, the last one with None."""
    items = iter(items)
    current = next(items)
    for following in items:
        yield current, following
        current = following
    yield current, None


def _saturated(flags, where):
    """Return a copy of flags that is SATURATED and nothing else in some pixels."""
    return np.where(where, _SATURATED, flags)


def _newly_saturated(flags, before):
    return (flags & ~before & _SATURATED) != 0


def _is_snowball(region, centres, edges):
    """Tell whether a region of jumps lies at an edge or has one of the centres of saturated regions in it."""
    top, left, bottom, right = region.bbox
    near, far = edges
    # The box decides first, because the moments of ten thousand regions take their time. The centroid is in it,
    # and no axis of an ellipse is longer than twice the diagonal.
    reach = np.hypot(bottom - top, right - left)
    below, beyond = np.array([top, left]) - reach, np.array([bottom, right]) + reach
    centres = centres[((centres > below) & (centres < beyond)).all(axis=1)]
    if not len(centres) and min(top, left) >= near and max(bottom, right) - 1 <= far:
        return False
    row, column = region.centroid
    if min(row, column) < near or max(row, column) > far:
        return True
    if not len(centres):
        return False
    ellipse = ellipse_of(region)
    sine, cosine = np.sin(ellipse.angle), np.cos(ellipse.angle)
    down, right_of = (centres - (row, column)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (down * sine + right_of * cosine) / (ellipse.axes[0] / 2)
        across = (down * cosine - right_of * sine) / (ellipse.axes[1] / 2)
        return bool((along**2 + across**2 <= 1).any())


def _grow_core(region, cores, grown, min_axis, margin, longest):
    """Mark the ellipse of a saturated region, and the larger one that is to be saturated."""
    top, left, bottom, right = region.bbox
    if 2 * (min(bottom - top, right - left) - 1) - 1 <= min_axis:
        return  # the box is too narrow for such an axis, whatever is in it
    ellipse = ellipse_of(region)
    if min(ellipse.axes) > min_axis:
        cores[pixels_of(ellipse, ellipse.axes, cores.shape)] = True
        grown[pixels_of(ellipse, [min(axis + 2 * margin, longest) for axis in ellipse.axes], cores.shape)] = True


def _grow_snowball(region, flags, factor, longest):
    """Set JUMP_DET in the grown ellipse of a region of jumps, where it is not saturated."""
    ellipse = ellipse_of(region)
    pixels = pixels_of(ellipse, grown_axes(ellipse, factor, longest), flags.shape)
    flags[pixels] |= np.where(flags[pixels] & _SATURATED, np.uint8(0), _JUMP)
