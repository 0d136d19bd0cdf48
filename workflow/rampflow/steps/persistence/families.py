"""Families of traps and the times of an exposure: how many traps fill and empty in between.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/persistence/description.html; Smith et al. 2008, Proc.
SPIE 7021, 70210J (traps in the depletion region); Regan et al. 2012, Proc. SPIE 8442, 84424W.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from rampflow.errors import StepError

#: Time of capture that stands for a family that does not wait (s).
_SLOWEST = 1e10


@dataclass(frozen=True)
class Families:
    """Families of traps, from the reference trappars; arrays of one value for each family.

    Attributes
    ----------
    late, rate, prompt : `~numpy.ndarray`
        Traps that are filled in time (per unit of trap density), how fast (1/s, its sign does not count), and
        traps that are filled at once: capture0, capture1, capture2.
    decay : `~numpy.ndarray`
        How fast filled traps empty (1/s, its sign does not count; 0: never).
    """

    COLUMNS: ClassVar = ("capture0", "capture1", "capture2", "decay_param")
    late: np.ndarray
    rate: np.ndarray
    prompt: np.ndarray
    decay: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> Self:
        """Read the columns of the reference's table, which are float32."""
        columns = [np.asarray(table[name]) for name in cls.COLUMNS]
        if any(each.ndim != 1 or each.dtype.kind not in "fiu" for each in columns):
            raise StepError(
                f"columns {', '.join(cls.COLUMNS)} of the trappars reference: expected a number in each row"
            )
        return cls(*(each.astype(np.float32).astype(np.float64) for each in columns))

    def __len__(self) -> int:
        return len(self.decay)

    def released(self, seconds):
        """Return the part of its filled traps that each family releases in a time (s), 1D float64."""
        return -np.expm1(-seconds * np.abs(self.decay))

    def ramp(self, seconds):
        """Return what a ramp of unit slope (of the persistence saturation per second) fills in a time (s).

        With the time t since a trap was laid open, 2 ∫ t (late (1 - exp(-t rate)) + prompt) dt, for a trap density
        of 1: shape of ``seconds``, after an axis of families.
        """
        time = np.asarray(seconds, dtype=np.float64)
        late, prompt = self.late[:, np.newaxis], self.prompt[:, np.newaxis]
        with np.errstate(divide="ignore"):
            tau = np.where(self.rate == 0, _SLOWEST, 1 / np.abs(self.rate))[:, np.newaxis]
        waiting = late * (time * tau + tau**2) * np.exp(-time / tau) - late * tau**2
        return 2 * (time**2 * (late + prompt) / 2 + waiting)

    def saturated(self, seconds):
        """Return the part of the traps still empty that a saturated pixel fills in a time (s); after families."""
        return 1 - np.exp(-np.abs(self.rate)[:, np.newaxis] * np.asarray(seconds, dtype=np.float64))

    def jump(self, seconds):
        """Return what a jump of 1 DN, so long before the end of the ramp (s), fills; after an axis of families."""
        time = np.asarray(seconds, dtype=np.float64)
        return 2 * (
            self.late[:, np.newaxis] * (1 - np.exp(self.rate[:, np.newaxis] * time)) + self.prompt[:, np.newaxis]
        )


@dataclass(frozen=True)
class Timing:
    """The times of an exposure that traps follow: of groups, frames and resets.

    Attributes
    ----------
    group, frame : float
        Time between groups, and between frames (s): TGROUP, TFRAME.
    resets_at_start, resets : int
        Resets before the first integration, and before each further one: NRSTSTRT, NRESETS.
    first : bool
        The file has the exposure's first integration; a later segment begins as later integrations do.
    """

    group: float
    frame: float
    resets_at_start: int
    resets: int
    first: bool = True

    def ramp(self, ngroups, saturated, integration):
        """Return how long a ramp collects charge below saturation, the resets before it included (s)."""
        at_start = self.first and integration == 0
        resets = self.resets_at_start if at_start else self.resets
        return ngroups * self.group + resets * self.frame - saturated * self.group

    def whole(self, nints: int, ngroups: int) -> float:
        """Return the time for which traps empty during the integrations of a file (s)."""
        return nints * ngroups * self.group + (nints - 1) * self.resets * self.frame


def decayed(filled: np.ndarray, seconds: float, families: Families) -> np.ndarray:
    """Let filled traps empty for a time, in place; unknown ones (NaN) count as empty.

    Parameters
    ----------
    filled : 3D float32 `~numpy.ndarray`
        Filled traps, shape (families, rows, columns).
    seconds : float
        How long.
    families : Families
        How fast.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``filled``.
    """
    np.nan_to_num(filled, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
    for plane, part in zip(filled, families.released(seconds).astype(np.float32), strict=True):
        plane -= plane * part
    return filled


def capture_tables(families, timing, ngroups):
    """Work out all that the filling of traps has of exponentials: it depends on numbers of groups alone.

    Returns
    -------
    ramp : 3D float64 `~numpy.ndarray`
        `Families.ramp`, shape (2, families, ngroups + 1): for the file's first integration and for the others, by
        the number of groups above the persistence saturation.
    saturated : 2D float64 `~numpy.ndarray`
        `Families.saturated`, shape (families, ngroups + 1), by the same number.
    jump : 2D float64 `~numpy.ndarray`
        `Families.jump`, shape (families, ngroups), by the group of the jump; it happened half a group before.
    """
    above = np.arange(ngroups + 1)
    ramp = np.stack([families.ramp(timing.ramp(ngroups, above, integration)) for integration in (0, 1)])
    late = (ngroups - np.arange(ngroups) - 0.5) * timing.group
    return ramp, families.saturated(above * timing.group), families.jump(late)
