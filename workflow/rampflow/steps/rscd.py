"""Leave out the first groups of MIRI integrations (reset switch charge decay).

Each reset disturbs the ramp that follows: its first groups lie off the line that the later ones follow. The
RSCD reference file has a table that says, per subarray and readout pattern, how many groups are affected; these
get DO_NOT_USE. SCI (DN) is not changed. Two algorithms decide which groups of which pixels:

baseline
    The same groups in every pixel of every integration that follows another one. The first integration of an
    exposure follows a long idle phase and is spared (`firstframe` takes care of its first group).
per_pixel
    All integrations, the first one with a number of its own. Never so many that fewer than three groups
    remain, and a pixel that saturates early gives back one group for each of its saturated ones in reach: the
    flux of such a pixel rests on groups that are normally left out, so it is marked FLUX_ESTIMATED. This
    algorithm does what `firstframe` did before.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/rscd/description.html and
Morrison et al. 2023, PASP 135, 075004.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rampflow.detector import dq
from rampflow.errors import StepError
from rampflow.steps import NotApplicable

#: What the table of the reference must have.
COLUMNS = ("subarray", "readpatt", "group_skip")
#: Baseline: groups that must remain after the affected ones are left out.
GROUPS_TO_KEEP = 4
#: Per pixel: groups that always remain; integrations of up to so many groups lose just the first one.
GROUPS_LEFT, FEW_GROUPS = 3, 5


@dataclass(frozen=True)
class Skips:
    """How many groups to leave out.

    Attributes
    ----------
    first, later : int
        Groups of the first integration of the exposure and of those after it.
    back_off : bool
        Whether pixels that saturate early give groups back.
    """

    first: int
    later: int
    back_off: bool

    def of(self, integration, *, intstart):
        """Say how many groups of an integration are affected, for pixels that do not saturate.

        Parameters
        ----------
        integration : int
            Integration within this file, from 0.
        intstart : int or None
            Number of the file's first integration within the exposure (INTSTART), from 1. None means 1.

        Returns
        -------
        int
            Groups to leave out.
        """
        return max(0, self.first if integration + (intstart or 1) == 1 else self.later)

    @property
    def reach(self):
        """Groups from the first that decide, or change, in any integration."""
        longest = max(0, self.first, self.later)
        return longest + 2 if self.back_off else longest


def find_skips(table: np.ndarray, *, subarray: str, readpatt: str, ngroups: int, algorithm: str) -> Skips:
    """Look up how many groups to leave out.

    Parameters
    ----------
    table : structured `~numpy.ndarray`
        RSCD_GROUP_SKIP of the reference: columns "subarray", "readpatt", "group_skip" and, since jwst 2.0,
        "group_skip1" for the first integration; without that, or where it is negative, 1.
    subarray, readpatt : str
        SUBARRAY and READPATT of the exposure.
    ngroups : int
        Groups per integration.
    algorithm : {"baseline", "per_pixel"}
        See the module's text.

    Returns
    -------
    Skips
        Groups to leave out.

    Raises
    ------
    NotApplicable
        If the table has no row for this readout, or too few groups would remain.
    StepError
        If a number of groups in it is none.
    """
    # The prism's subarray has another name in the exposures than in the reference.
    name = "SLITLESSPRISM" if subarray == "SUBPRISM" else subarray
    for row in table:
        if _text(row["subarray"]) == name and _text(row["readpatt"]) == readpatt:
            break
    else:
        raise NotApplicable(f"the RSCD reference has no row for SUBARRAY={name}, READPATT={readpatt}")
    later = _groups(row["group_skip"])
    if algorithm == "baseline":
        needed = later + GROUPS_TO_KEEP
        if ngroups < needed:
            raise NotApplicable(f"{ngroups} groups per integration; {needed} are needed to skip the first {later}")
        return Skips(0, later, back_off=False)
    if ngroups < GROUPS_LEFT:
        raise NotApplicable(f"{ngroups} groups per integration; {GROUPS_LEFT} have to remain")
    first = _groups(row["group_skip1"]) if "group_skip1" in (table.dtype.names or ()) else 1
    first, later = (1, 1) if ngroups <= FEW_GROUPS else (1 if first < 0 else first, later)
    return Skips(min(first, ngroups - GROUPS_LEFT), min(later, ngroups - GROUPS_LEFT), back_off=True)


def _groups(value: Any) -> int:
    if not np.issubdtype(np.asarray(value).dtype, np.number) or np.size(value) != 1 or not np.isfinite(value):
        raise StepError(f"the RSCD reference has {value!r} as a number of groups to skip; take another one")
    return int(value)


@dataclass
class Tally:
    """Pixels that were treated otherwise than the table has it, in any integration of a kind.

    Attributes
    ----------
    skip : int
        Groups left out in other pixels.
    kept_first, backed_off : 2D bool `~numpy.ndarray`
        Pixels that keep their first group, and that keep a group of those that others leave out.
    """

    skip: int
    kept_first: np.ndarray
    backed_off: np.ndarray

    @classmethod
    def empty(cls, skip, shape):
        """Begin with no pixel."""
        return cls(skip, np.zeros(shape, bool), np.zeros(shape, bool))


@dataclass
class Flagger:
    """Flags the affected groups, one integration after the other, and remembers what it did.

    Attributes
    ----------
    skips : Skips
        From `find_skips`.
    shape : tuple of int
        Rows and columns.
    intstart : int or None
        INTSTART of the file.
    nints : int
        Integrations of the exposure (NINTS).
    """

    skips: Skips
    shape: tuple
    intstart: int | None
    nints: int
    first: Tally | None = field(default=None, init=False)
    later: Tally | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin the counts, for the kinds of integrations that file and exposure have."""
        if (self.intstart or 1) == 1:
            self.first = Tally.empty(self.skips.first, self.shape)
        if self.nints > 1:
            self.later = Tally.empty(self.skips.later, self.shape)

    def flag(self, groupdq: np.ndarray, integration: int) -> np.ndarray:
        """Mark the affected groups of an integration as DO_NOT_USE, in place.

        Parameters
        ----------
        groupdq : 3D uint8 `~numpy.ndarray`
            Flags of the integration's first ``skips.reach`` groups, shape (reach, rows, columns).
        integration : int
            Integration within this file, from 0.

        Returns
        -------
        3D uint8 `~numpy.ndarray`
            ``groupdq``.
        """
        skip = self.skips.of(integration, intstart=self.intstart)
        if not self.skips.back_off:
            groupdq[:skip] |= dq.DO_NOT_USE
            return groupdq
        lost = early_saturated(groupdq, skip)
        per_pixel = np.maximum(skip - lost, 0)
        for group in range(skip):
            np.bitwise_or(groupdq[group], dq.DO_NOT_USE, out=groupdq[group], where=per_pixel > group)
        tally: Any = self.first if self.first is not None and integration == 0 else self.later
        if lost.any():
            # Of integrations too short to lose a group jwst counts all pixels, once a single one saturates early.
            tally.kept_first |= per_pixel == 0
        tally.backed_off |= per_pixel < skip
        return groupdq

    @property
    def flux_estimated(self) -> np.ndarray:
        """Pixels that keep groups which are normally left out, in any integration."""
        tallies = [tally.backed_off for tally in (self.first, self.later) if tally is not None]
        return np.logical_or.reduce(tallies)

    def keywords(self) -> Iterator[tuple[str, Any, str]]:
        """Return what the header says of it, as (keyword, value, comment); nothing for the baseline."""
        tallies = {"INT1": ("Int 1-", self.first), "INT2": ("Int 2+-", self.later)} if self.skips.back_off else {}
        for prefix, (text, tally) in tallies.items():
            if tally is not None:
                yield f"{prefix}UGP1", int(tally.kept_first.sum()), f"{text} Pixels where 1st grp is kept"
                yield f"{prefix}BORS", int(tally.backed_off.sum()), f"{text} RSCD back-off due to sat."
                yield f"{prefix}SKIP", tally.skip, f"{text} Number of groups skipped"


def early_saturated(groupdq, skip):
    """Say how many of the groups to leave out each pixel gives back, given where it saturates.

    One for each saturated group among groups 1 to ``skip + 1``, so that the last two groups before saturation stay; or
    the first group alone, where saturation leaves no two. A pixel that is saturated from the start gives back nothing.

    Parameters
    ----------
    groupdq : 3D uint8 `~numpy.ndarray`
        Flags of the first ``skip + 2`` groups of an integration, or more.
    skip : int
        Groups to leave out of pixels that do not saturate.

    Returns
    -------
    2D int16 `~numpy.ndarray`
        Groups to give back; may be more than ``skip``.
    """
    saturated = (groupdq[: skip + 2] & dq.SATURATED) != 0
    return np.where(saturated[0], np.int16(0), saturated[1:].sum(axis=0, dtype=np.int16))


def _text(value):
    return (value.decode("ascii") if isinstance(value, bytes) else str(value)).strip()
