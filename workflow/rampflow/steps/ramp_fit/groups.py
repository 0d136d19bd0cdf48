"""Which groups of an exposure are fitted, and by which algorithm.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

import warnings
from typing import NamedTuple

import numpy as np
from numba import boolean, int64, uint8, uint16, void

from rampflow.detector import dq
from rampflow.errors import RampflowError
from rampflow.kernels import U8_1, U8_4, fields, kernel

#: Groups from which on LIKELY is used; with fewer its search for jumps would have nothing to go by.
FEWEST_GROUPS = 4


class NoSlopes(RampflowError):
    """There is no slope to fit in the whole exposure; the message says why."""


class Planes(NamedTuple):
    """Groups that all pixels of all integrations have flagged alike.

    Attributes
    ----------
    unused, saturated : uint8 `~numpy.ndarray`
        1 where a group is DO_NOT_USE, or SATURATED, everywhere; shape (ngroups,).
    """

    unused: np.ndarray
    saturated: np.ndarray


class Groups(NamedTuple):
    """Which groups are fitted, as indices: the others are dropped (MIRI), or count as DO_NOT_USE."""

    first_kept: int
    last_kept: int
    first_wanted: int
    last_wanted: int


GROUPS = fields(Groups, int64, int64, int64, int64)


def takes_likely(algorithm: str, ngroups: int, read_times: list[list[float]] | None) -> bool:
    """Tell whether ramps are fitted by LIKELY.

    Parameters
    ----------
    algorithm : {"OLS_C", "LIKELY"}
        What was asked for.
    ngroups : int
        Groups; with fewer than `FEWEST_GROUPS` it is OLS_C.
    read_times : list or None
        Times of groups that do not follow each other evenly, which OLS_C cannot fit; a warning says so.
    """
    if read_times is None:
        return algorithm == "LIKELY" and ngroups >= FEWEST_GROUPS
    if algorithm != "LIKELY":
        warnings.warn(f"groups do not follow each other evenly: fitted by LIKELY instead of {algorithm}", stacklevel=2)
    return True


def wanted(ngroups, firstgroup, lastgroup):
    """Range of groups that the user leaves in; contradictory limits are ignored, as in jwst."""
    first = max(firstgroup or 0, 0)
    last = ngroups - 1 if lastgroup is None else lastgroup
    # Limits beyond the ramp contradict nothing: they leave what there is, maybe nothing.
    return (min(first, ngroups), min(last, ngroups - 1)) if first < last else (0, ngroups - 1)


def survey(
    groupdq: np.ndarray,
    *,
    suppress_one_group: bool,
    ignore_persistence: bool,
    firstgroup: int | None,
    lastgroup: int | None,
) -> Planes:
    """Find the groups that are flagged in every pixel of a block of rows.

    Parameters
    ----------
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, shape (nints, ngroups, rows, nx).
    suppress_one_group : bool
        Pixels with a single usable group count as unused.
    ignore_persistence : bool
        PERSISTENCE does not make a group unusable.
    firstgroup, lastgroup : int or None
        Groups before and after these count as DO_NOT_USE.

    Returns
    -------
    Planes
        Of the block; `join` those of all blocks.
    """
    ngroups = groupdq.shape[1]
    groups = Groups(0, ngroups - 1, *wanted(ngroups, firstgroup, lastgroup))
    planes = Planes(np.ones(ngroups, np.uint8), np.ones(ngroups, np.uint8))
    _whole_planes(groupdq, groups, bool(suppress_one_group and ngroups > 1), bool(ignore_persistence), planes)
    return planes


def join(planes: Planes, others: Planes) -> Planes:
    """Join the `Planes` of two blocks."""
    return Planes(planes.unused & others.unused, planes.saturated & others.saturated)


def choose_groups(planes: Planes, *, trim: bool, firstgroup: int | None, lastgroup: int | None) -> Groups:
    """Choose the groups of an exposure that are fitted.

    Parameters
    ----------
    planes : Planes
        Of the whole exposure.
    trim : bool
        Drop leading groups, and the last one, that are DO_NOT_USE everywhere (MIRI: the frames that firstframe,
        lastframe and rscd have flagged). A jump into the first group that is left is then no jump any more.
    firstgroup, lastgroup : int or None
        As for `survey`.

    Returns
    -------
    Groups

    Raises
    ------
    NoSlopes
        Fewer than two groups are left, or the first one is saturated everywhere. jwst writes no product.
    """
    ngroups = planes.unused.size
    first, last = 0, ngroups - 1
    if trim and ngroups > 1:
        usable = np.flatnonzero(planes.unused == 0)
        if usable.size == 0:
            raise NoSlopes(f"all {ngroups} groups are DO_NOT_USE in every pixel: there is no slope to fit")
        first, last = usable[0], last - int(planes.unused[last])
        if last - first < 1:
            raise NoSlopes(
                f"only {last - first + 1} of {ngroups} groups is not DO_NOT_USE in every pixel, two are needed: "
                "there is no slope to fit"
            )
    if planes.saturated[first]:
        raise NoSlopes("every pixel is saturated in its first group: there is no slope to fit")
    return Groups(int(first), int(last), *wanted(ngroups, firstgroup, lastgroup))


@kernel(void(U8_4, GROUPS, boolean, boolean, fields(Planes, U8_1, U8_1)))
def _whole_planes(groupdq, groups, suppress, ignore_persistence, planes):
    """Clear the entry of every group that some pixel does not have as DO_NOT_USE, or as SATURATED."""
    nints, ngroups, nrows, nx = groupdq.shape
    ignored = uint8(dq.PERSISTENCE if ignore_persistence else 0)
    good = np.empty(nx, dtype=np.uint16)
    for row in range(nrows):
        for i in range(nints):
            good[:] = 0
            if suppress:
                for group in range(groups.first_wanted, groups.last_wanted + 1):
                    for col in range(nx):
                        good[col] += uint16(groupdq[i, group, row, col] & ~ignored == 0)
            for group in range(ngroups):
                unwanted = group < groups.first_wanted or group > groups.last_wanted
                for col in range(nx):
                    flag = groupdq[i, group, row, col]
                    if flag & dq.SATURATED == 0:
                        planes.saturated[group] = 0
                    if flag & dq.DO_NOT_USE == 0 and good[col] != 1 and not unwanted:
                        planes.unused[group] = 0
