"""Subtract the signal that collects without light.

Thermal electrons and glow from the electronics add to every ramp. The dark reference file holds this signal
(DN) group by group, averaged from many long exposures with closed shutter; for MIRI also integration by
integration, because the first differ from the later ones. The step subtracts it group by group (DN in, DN
out) and adds the file's flags to PIXELDQ. The dark is usually taken with one frame per group; the frames that
fall into one group of the exposure are then averaged. It is not cut out: CRDS selects a file of the same
subarray. Where the exposure is longer than the dark, the dark is continued along the straight line through
its last two groups.

The file may be far larger than memory (150 groups of 2048 x 2048 pixels), so this module never holds it: the
caller hands in a function that reads one frame. Per group of the exposure and plane of the reference (one
plane, except for MIRI), `averaged_dark` visits each frame that it needs once. Loop over groups outside and
over the integrations that share the plane (`dark_plane`) inside, and hold just that one averaged group:

    for group in range(ngroups):
        for plane, integrations in planes:
            dark = averaged_dark(read_dark, plan, plane=plane, group=group)
            for integration in integrations:
                subtract_dark(sci[integration, group : group + 1], dark)

No frame is then read twice, but for the last two of a dark that has to be continued.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/dark_current/description.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numba import void

from rampflow.errors import StepError
from rampflow.kernels import F32_2, F64_2, kernel
from rampflow.steps import NotApplicable
from rampflow.steps.agreement import check_shape

#: Type of data model (DATAMODL) of a dark, for instruments with one of their own.
MODELS = {"MIRI": "DarkMIRIModel", "NIRSPEC": "DarkNirspecModel"}
_OWN_SUBARRAY = "darks are not cut out: use one that was made for the exposure's subarray"


class ReadPattern(NamedTuple):
    """How an exposure's frames form groups."""

    ngroups: int
    nframes: int
    groupgap: int

    @classmethod
    def of(cls, keywords: Mapping[str, Any], ngroups: int) -> Self:
        """Take NFRAMES and GROUPGAP from a header (a mapping) and the groups from the array that goes with it."""
        if missing := [name for name in ("NFRAMES", "GROUPGAP") if keywords.get(name) is None]:
            raise StepError(
                f"The header of the dark has no {', '.join(missing)}, so that its groups cannot be told from those "
                "of the exposure. Use another dark."
            )
        return cls(ngroups, keywords["NFRAMES"], keywords["GROUPGAP"])

    def keywords(self) -> dict[str, int]:
        """Return the header's words for it."""
        return {"NGROUPS": self.ngroups, "NFRAMES": self.nframes, "GROUPGAP": self.groupgap}

    @property
    def frames(self) -> int:
        """Frames from the first to the last that was averaged, with the dropped ones between."""
        return self.ngroups * (self.nframes + self.groupgap) - self.groupgap


class DarkPlan(NamedTuple):
    """Which groups of the dark make up each group of the exposure."""

    #: One range of dark groups per group of the exposure.
    groups: tuple
    #: Groups in the reference. Those beyond have to be extrapolated.
    available: int
    #: Whether the groups are averages (then single precision) or taken as they are.
    averaged: bool
    #: Whether any group has to be extrapolated: jwst then averages all groups in double precision.
    extrapolated: bool


def plan_dark(science, dark):
    """Decide how the dark's groups match those of the exposure.

    Parameters
    ----------
    science, dark : ReadPattern
        NGROUPS (per integration), NFRAMES and GROUPGAP of the exposure and of the reference. Its ``ngroups``
        must be the number of groups that the array holds.

    Returns
    -------
    DarkPlan
        To be given to `averaged_dark`.

    Raises
    ------
    NotApplicable
        If the dark averages more frames per group than the exposure, or drops more between groups.
    StepError
        If the dark is too short: it has one group and must be extrapolated; or it has more than one frame per
        group, which is counted as one when groups are averaged, and so the last groups find no dark.

    Notes
    -----
    As in jwst each group of the dark is taken as a single frame when groups are averaged, even if its
    own NFRAMES is above 1. References in CRDS either have NFRAMES of 1 or the read pattern of the exposure.
    Where jwst runs out of groups on the way and writes NaN, an unchanged group or the average of too
    few frames, this is an error here.
    """
    for name in ("nframes", "groupgap"):
        ours, theirs = getattr(science, name), getattr(dark, name)
        if theirs > ours:
            raise NotApplicable(f"the dark has {name.upper()}={theirs}, the exposure only {ours}: no match is possible")
    extrapolated = science.frames > dark.frames
    if extrapolated and dark.ngroups < 2:
        raise StepError(
            f"The exposure has {science.frames} frames but the dark {dark.frames} in a single group, from "
            "which nothing can be extrapolated. Use a dark with two groups or more."
        )
    averaged = science[1:] != dark[1:]
    step, length = (science.nframes + science.groupgap, science.nframes) if averaged else (1, 1)
    groups = tuple(range(g * step, g * step + length) for g in range(science.ngroups))
    if averaged and dark[1:] != (1, 0) and groups[-1].stop > dark.ngroups:
        raise StepError(
            f"The exposure {tuple(science)} needs {groups[-1].stop} groups of the dark {tuple(dark)} "
            f"(groups, frames per group, gap), which has {dark.ngroups}. Use a dark with one frame per group."
        )
    return DarkPlan(groups, dark.ngroups, averaged, extrapolated)


def dark_plane(integration, *, intstart, n_reference):
    """Say which integration of a MIRI dark serves an integration of the exposure.

    In every file but an exposure's first (INTSTART above 1) jwst uses the last integration of the dark
    throughout, also where the dark has the very one; so do we. (Its averaged darks are then 0 in planes that
    the file's own count of integrations does not reach, and nothing is subtracted. That we do not follow.)

    Parameters
    ----------
    integration : int
        Integration within this file, from 0.
    intstart : int or None
        Number of the file's first integration within the exposure (INTSTART), from 1. None means 1.
    n_reference : int
        Integrations in the reference; 1 for a 3-D dark.

    Returns
    -------
    int
        Index of the integration in the reference, from 0.
    """
    last = n_reference - 1
    return last if (intstart or 1) > 1 else min(integration, last)


def averaged_dark(read_dark, plan, *, plane, group):
    """Make the dark of one group of the exposure.

    Parameters
    ----------
    read_dark : callable
        ``read_dark(plane, group)`` returns that frame of the reference as a 2D float32 `~numpy.ndarray` (DN),
        whole or a block of rows; not changed, and not to be overwritten by the next read. NaN where it could
        not be measured.
    plan : DarkPlan
        From `plan_dark`.
    plane : int
        From `dark_plane`; 0 for a 3-D dark.
    group : int
        Group of the exposure, from 0.

    Returns
    -------
    2D `~numpy.ndarray`
        Dark (DN), a new array. Each NaN was counted as 0. float32; float64 for a group that is extrapolated
        and not averaged, because jwst rounds it only after subtracting.
    """
    wanted = plan.groups[group]
    precision = np.float64 if plan.extrapolated else np.float32
    total = None
    if wanted.stop > plan.available:
        last = read_dark(plane, plan.available - 1)
        # The difference in single, the rest in double precision, as jwst has it.
        step = (last - read_dark(plane, plan.available - 2)).astype(np.float64)
    for index in wanted:
        ahead = index - (plan.available - 1)
        frame = _without_nan(last + ahead * step if ahead > 0 else read_dark(plane, index), precision)
        if total is None:
            total = frame
        else:
            total += frame
    if plan.averaged:
        total /= len(wanted)
    elif wanted.stop > plan.available:
        return total
    return total.astype(np.float32, copy=False)


def _without_nan(frame, precision):
    """Return a frame as a new array of that precision, with 0 for NaN."""
    copy = np.empty(frame.shape, precision)
    _copy_without_nan(np.ascontiguousarray(frame), copy)
    return copy


@kernel([void(F32_2, F32_2), void(F32_2, F64_2), void(F64_2, F64_2)])
def _copy_without_nan(frame, copy):
    rows, nx = frame.shape
    for y in range(rows):
        for x in range(nx):
            value = frame[y, x]
            copy[y, x] = value if value == value else 0


class Dark:
    """The dark of an exposure, made from a reference one group at a time.

    Parameters
    ----------
    read : callable
        ``read("SCI", *index)`` returns a frame of the reference: index (group,), or (plane, group) where it differs
        between integrations (4-D, MIRI); rows of it where a slice of them follows.
    header : mapping
        Primary header of the reference: NFRAMES, GROUPGAP.
    shape : tuple of int
        Of the reference: ([planes,] groups, rows, columns).
    pattern : ReadPattern
        That of the exposure.

    Raises
    ------
    NotApplicable, ValueError
        As `plan_dark` and `ReadPattern.of` do.
    """

    def __init__(
        self, read: Callable[..., np.ndarray], header: Mapping[str, Any], shape: tuple[int, ...], pattern: ReadPattern
    ) -> None:
        *self.planes, ngroups, _, _ = shape
        self.pattern = pattern
        self._read = read
        self._plan = plan_dark(pattern, ReadPattern.of(header, ngroups))

    @property
    def available(self) -> int:
        """Groups of the reference."""
        return self._plan.available

    @property
    def extrapolated(self) -> int:
        """Groups of the reference that it would have to have beyond those; they follow from its last two."""
        return max(0, self._plan.groups[-1].stop - self._plan.available)

    def plane(self, integration: int, *, intstart: int | None) -> int:
        """Say which integration of the reference serves one of the exposure, as `dark_plane` does."""
        return dark_plane(integration, intstart=intstart, n_reference=self.planes[0] if self.planes else 1)

    def group(self, plane: int, group: int, *rows: slice) -> np.ndarray:
        """Make the dark (DN) of a group of the exposure, or of some of its rows, as `averaged_dark` does."""

        def read_dark(plane: int, group: int) -> np.ndarray:
            return self._read("SCI", *((plane, group) if self.planes else (group,)), *rows)

        return averaged_dark(read_dark, self._plan, plane=plane, group=group)

    def chunks(self) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Give the dark chunk by chunk, for a file of its own.

        Yields
        ------
        index : tuple of int
            (group,), or (plane, group).
        dark : 2D float32 `~numpy.ndarray`
            Dark (DN).
        """
        for *plane, group in np.ndindex(*self.planes, self.pattern.ngroups):
            dark = self.group(*(plane or [0]), group)
            yield (*plane, group), dark.astype(np.float32, copy=False)

    def product(self, flags: np.ndarray, instrument: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a file of the dark as it was used holds: (images, keywords)."""
        shape = (*self.planes, self.pattern.ngroups, *flags.shape[-2:])
        images = {"SCI": (shape, "f4", self.chunks()), "DQ": (flags.shape, "u4", [((), flags)])}
        return images, self.pattern.keywords() | {"DATAMODL": MODELS.get(instrument, "DarkModel")}


def subtract_dark(sci: np.ndarray, dark: np.ndarray) -> np.ndarray:
    """Subtract the dark from groups, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, rows, nx). NaN stays NaN.
    dark : 2D or 3D `~numpy.ndarray`
        From `averaged_dark`: one for all n groups (the same group of n integrations), or one for each.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the shapes do not fit.
    """
    due = sci.shape if dark.ndim == sci.ndim else sci.shape[1:]
    check_shape("the dark", dark.shape, "the groups", due, _OWN_SUBARRAY)
    return np.subtract(sci, dark, out=sci, casting="same_kind")


def combine_dark_dq(dq: np.ndarray) -> np.ndarray:
    """Join the flags of a dark into one image.

    Parameters
    ----------
    dq : uint32 `~numpy.ndarray`
        Flags of the reference, in standard bits: 2D, 3D, or 4D of shape (nints, 1, rows, nx) for MIRI.

    Returns
    -------
    2D uint32 `~numpy.ndarray`
        To be OR-ed into PIXELDQ: a pixel that is bad in any integration of the dark is bad.
    """
    images = dq[:, 0] if dq.ndim == 4 else dq.reshape(-1, *dq.shape[-2:])
    return np.bitwise_or.reduce(images, axis=0)


def average_dark_current(
    shape: tuple[int, ...],
    *,
    image: np.ndarray | None,
    keyword: float | None,
    average_dark_current: float | None,
    use_average_image: bool = True,
) -> np.ndarray | None:
    """Choose the mean dark current that ramp fitting adds to the photon noise.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the exposure.
    image : 2D `~numpy.ndarray` or None
        AVDRKCUR extension of the reference (electrons/s). One whose sum is 0 counts as missing. One of
        another shape cannot be used, and the dark current is then taken as 0, as in jwst.
    keyword : float or None
        AVDRKCUR keyword of the reference (electrons/s), for want of an image.
    average_dark_current : float or None
        Value (electrons/s) for all pixels that the user gave. Goes before everything else.
    use_average_image : bool
        False as in jwst 3.0.0, which loses the dark current of a reference that has an image of it.

    Returns
    -------
    2D float32 `~numpy.ndarray` or None
        Dark current of each pixel (electrons/s), for the AVDRKCUR extension. Needed even if the dark itself
        is not applicable. None, no extension, where an image must not be used.
    """
    if average_dark_current is None and image is not None and image.sum() != 0:
        if not use_average_image:
            return None
        return image.astype(np.float32) if image.shape == tuple(shape) else np.zeros(shape, np.float32)
    value = keyword if average_dark_current is None else average_dark_current
    return np.full(shape, value or 0, dtype=np.float32)
