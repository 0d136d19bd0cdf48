"""Correct for charge that was trapped by earlier light and is released into this exposure, or flag it.

As a pixel of a HAWAII-2RG collects charge, its depletion region shrinks and lays traps open, which catch some of
it. After the reset they let it go over minutes to hours: a fading image of what was bright before. Two algorithms:

traps
    Families of traps, each with its own times of capture and of decay (reference trappars), fill and empty through
    the exposure. What they release is subtracted from every group (DN in, DN out); pixels where it is large get
    PERSISTENCE in PIXELDQ. What is filled at the end is handed on to the next exposure of the detector.
window
    For some time after a pixel saturated, its groups get PERSISTENCE (and, if wanted, DO_NOT_USE). SCI is not
    changed. Windows that are open at the end are handed on.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/persistence/description.html; Smith et al. 2008, Proc.
SPIE 7021, 70210J (traps in the depletion region); Regan et al. 2012, Proc. SPIE 8442, 84424W.
"""

from dataclasses import dataclass

import numpy as np
from numba import boolean, float32, float64, njit, uint8, uint32, void
from numba.types import Array

from rampflow.detector import dq
from rampflow.steps import NotUsable

_JUMP, _SATURATED, _DO_NOT_USE, _FLAG = (
    np.uint8(bit) for bit in (dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE, dq.PERSISTENCE)
)
#: Persistence saturation where the reference has none (DN): no signal exceeds it.
NO_LIMIT = 1e7
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

    late: np.ndarray
    rate: np.ndarray
    prompt: np.ndarray
    decay: np.ndarray

    @classmethod
    def of(cls, table):
        """Read the columns of the reference's table, which are float32."""
        names = ("capture0", "capture1", "capture2", "decay_param")
        return cls(*(np.asarray(table[name]).astype(np.float32).astype(np.float64) for name in names))

    def __len__(self):
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
    """When what happens in an exposure.

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

    def whole(self, nints, ngroups):
        """Return the time for which traps empty during the integrations of a file (s)."""
        return nints * ngroups * self.group + (nints - 1) * self.resets * self.frame


def usable_density(density, flags):
    """Replace unknown trap densities by 0.

    Parameters
    ----------
    density : 2D `~numpy.ndarray`
        Traps per pixel, relative to the families' numbers. NaN where unknown.
    flags : 2D uint32 `~numpy.ndarray`
        DQ of the reference.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        A copy with 0 for NaN and under DO_NOT_USE: such pixels catch nothing.
    """
    known = ~np.isnan(density) & ((flags & dq.DO_NOT_USE) == 0)
    return np.where(known, density, 0).astype(np.float32, copy=False)


def usable_saturation(level, flags):
    """Prepare the persistence saturation, the signal at which all traps of a pixel are open.

    Parameters
    ----------
    level : 2D `~numpy.ndarray`
        Persistence saturation (DN). NaN where unknown.
    flags : 2D uint32 `~numpy.ndarray`
        DQ of the reference.

    Returns
    -------
    level : 2D float32 `~numpy.ndarray`
        A copy with `NO_LIMIT` for NaN.
    blind : 2D bool `~numpy.ndarray`
        Pixels under DO_NOT_USE: only jumps fill their traps.
    """
    level = np.where(np.isnan(level), NO_LIMIT, level).astype(np.float32, copy=False)
    return level, (flags & dq.DO_NOT_USE) != 0


def decayed(filled, seconds, families):
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


def subtract_traps(
    sci, groupdq, filled, density, level, blind, *, families, timing, flag_pers_cutoff, save_persistence=False
):
    """Subtract what traps release, group by group, and follow how they empty and fill; in place.

    Parameters
    ----------
    sci : 4D float32 `~numpy.ndarray`
        Linear counts (DN), shape (integrations, groups, rows, columns). NaN makes the traps of its pixel unknown.
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, same shape.
    filled : 3D float32 `~numpy.ndarray`
        Filled traps at the start of the file's first integration, shape (families, rows, columns); not changed.
    density, level, blind : 2D `~numpy.ndarray`
        From `usable_density` and `usable_saturation`, shape (rows, columns).
    families : Families
        The traps.
    timing : Timing
        Of the exposure.
    flag_pers_cutoff : float
        Persistence (DN) from which a pixel is flagged.
    save_persistence : bool
        Also return what was subtracted.

    Returns
    -------
    sci : 4D float32 `~numpy.ndarray`
        The array given.
    flags : 2D uint32 `~numpy.ndarray`
        PERSISTENCE where it reached the cut-off in any group; to be OR-ed into PIXELDQ.
    filled : 3D float32 `~numpy.ndarray`
        Filled traps after the last integration.
    persistence : 4D float32 `~numpy.ndarray` or None
        What was subtracted (DN), if wanted.

    Raises
    ------
    ValueError
        If the shapes disagree.

    Notes
    -----
    Within a group, what all families have released since the reset is subtracted. After an integration, with the
    slope (of the ramp as it came, relative to the persistence saturation) and the number of groups above that
    level, the traps that were filled are added. Jumps fill further ones; where jumps are found after this step, as
    in the release that has this algorithm, there are none.
    """
    nints, ngroups, ny, nx = sci.shape
    if groupdq.shape != sci.shape or filled.shape != (len(families), ny, nx) or density.shape != (ny, nx):
        raise ValueError(
            f"Persistence: SCI {sci.shape}, GROUPDQ {groupdq.shape}, filled traps {filled.shape} of "
            f"{len(families)} families and trap density {density.shape} disagree. Cut them to the same pixels."
        )
    filled = filled.copy()
    flags = np.zeros((ny, nx), np.uint32)
    persistence = np.empty(sci.shape if save_persistence else (0, 0, 0, 0), np.float32)
    ramp, saturated, jump = capture_tables(families, timing, ngroups)
    release = families.released(timing.group).astype(np.float32)
    pause = families.released(timing.frame * timing.resets).astype(np.float32)
    _subtract(
        sci, groupdq, filled, density, level, blind, flags, persistence, release, pause, families.late,
        families.prompt, ramp, saturated, jump, timing.group, flag_pers_cutoff,
    )  # fmt: skip
    return sci, flags, filled, persistence if save_persistence else None


_fixed2, _fixed1 = Array(float64, 2, "C", readonly=True), Array(float64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy")
def _quiet_slope(raw, groupdq, i, y, x, number, differences):
    """Mean of the smallest differences of groups: as many as there are without a jump, none that is saturated."""
    # Summed in single precision and ascending, as jwst does: jumps are measured against it, small against large.
    if number <= 0:
        return float32(0)
    length = 0
    for g in range(1, len(raw)):
        if groupdq[i, g, y, x] & _SATURATED == 0:
            differences[length] = raw[g, x] - raw[g - 1, x]
            length += 1
    differences[:length].sort()
    total = float32(0)
    for n in range(number):
        total += differences[n]
    return float32(total / float32(number))


@njit(cache=True, nogil=True, error_model="numpy")
def _capture(
    sci, groupdq, filled, i, y, x, slope, above, has_jumps, density, level, blind, late, prompt, ramp, saturated,
    jump, tgroup,
):  # fmt: skip
    """Add the traps that a pixel has filled in an integration."""
    ngroups = sci.shape[1]
    relative = 0.0 if blind else float64(slope) / (float64(level) * tgroup)
    for k in range(len(late)):
        caught = 0.0
        if not blind:
            # A pixel that was never below the level has its prompt traps filled at once.
            caught = prompt[k] * density if above == ngroups else ramp[k, above] * density * relative**2
            if above > 0:
                caught += (late[k] * density - (caught - prompt[k] * density)) * saturated[k, above]
        if has_jumps:
            for g in range(1, ngroups):
                if groupdq[i, g, y, x] & _JUMP:
                    rise = sci[i, g, y, x] - sci[i, g - 1, y, x] - slope
                    if not rise <= 0:
                        caught += rise * density * jump[k, g]
        filled[k, y, x] = float32(filled[k, y, x] + caught)


@njit(
    void(
        float32[:, :, :, ::1],
        Array(uint8, 4, "C", readonly=True),
        float32[:, :, ::1],
        Array(float32, 2, "C", readonly=True),
        Array(float32, 2, "C", readonly=True),
        Array(boolean, 2, "C", readonly=True),
        uint32[:, ::1],
        float32[:, :, :, ::1],
        Array(float32, 1, "C", readonly=True),
        Array(float32, 1, "C", readonly=True),
        _fixed1,
        _fixed1,
        Array(float64, 3, "C", readonly=True),
        _fixed2,
        _fixed2,
        float64,
        float64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _subtract(
    sci, groupdq, filled, density, level, blind, flags, persistence, release, pause, late, prompt, ramp, saturated,
    jump, tgroup, cutoff,
):  # fmt: skip
    nints, ngroups, ny, nx = sci.shape
    families = filled.shape[0]
    # A row of one integration after the other, its groups in order: each sample is read and written once, and what
    # is kept of each pixel of the row stays in the cache.
    raw = np.empty((ngroups, nx), np.float32)
    total, rise = np.empty(nx, np.float64), np.empty(nx, np.float64)
    steps, jumps, above = np.empty(nx, np.int64), np.empty(nx, np.int64), np.empty(nx, np.int64)
    differences = np.empty(ngroups, np.float32)
    for y in range(ny):
        for i in range(nints):
            if i > 0:
                for k in range(families):
                    for x in range(nx):
                        filled[k, y, x] -= filled[k, y, x] * pause[k]
            for x in range(nx):
                total[x] = rise[x] = 0.0
                steps[x] = jumps[x] = above[x] = 0
            for g in range(ngroups):
                for k in range(families):
                    part = release[k]
                    for x in range(nx):
                        lost = filled[k, y, x] * part
                        filled[k, y, x] -= lost
                        total[x] += lost
                for x in range(nx):
                    counts, flag = sci[i, g, y, x], groupdq[i, g, y, x]
                    raw[g, x] = counts
                    jumps[x] += (flag & _JUMP) != 0
                    if g > 0 and (flag & _SATURATED) == 0:
                        rise[x] += counts - raw[g - 1, x]
                        steps[x] += 1
                    corrected = float32(counts - total[x])
                    sci[i, g, y, x] = corrected
                    above[x] += corrected > level[y, x]
                    if total[x] >= cutoff:
                        flags[y, x] |= uint32(_FLAG)
                if persistence.size:
                    for x in range(nx):
                        persistence[i, g, y, x] = total[x]
            for x in range(nx):
                slope = float32(0)
                if ngroups == 1:
                    slope = raw[0, x]
                elif jumps[x] > 0:
                    slope = _quiet_slope(raw, groupdq, i, y, x, steps[x] - jumps[x], differences)
                elif steps[x] > 0:
                    slope = float32(rise[x] / steps[x])
                _capture(
                    sci, groupdq, filled, i, y, x, slope, above[x], jumps[x] > 0, density[y, x], level[y, x],
                    blind[y, x], late, prompt, ramp[min(i, 1)], saturated, jump, tgroup,
                )  # fmt: skip


def integration_starts(*, expstart, effinttm, nints, intstart=None, int_times=None):
    """Return when the integrations of a file start.

    Parameters
    ----------
    expstart : float
        EXPSTART (MJD, UTC).
    effinttm : float
        EFFINTTM, the time of an integration (s).
    nints : int
        Integrations in the file.
    intstart : int, optional
        Number of the first of them in the exposure, from 1 (INTSTART).
    int_times : sequence of float, optional
        int_start_MJD_UTC of the table INT_TIMES; without it, integrations follow one another without a pause.

    Returns
    -------
    1D float64 `~numpy.ndarray`
        Unix times (s).
    """
    if int_times is not None and len(int_times) >= nints:
        return unix_time(np.asarray(int_times[:nints], dtype=np.float64))
    return unix_time(expstart) + (np.arange(nints) + ((intstart or 1) - 1)) * float(effinttm)


def unix_time(mjd):
    """Return the Unix time (s) of a modified Julian date (UTC)."""
    return (mjd - 40587.0) * 86400.0


def check_window(persistence_time):
    """Refuse a window without length.

    Raises
    ------
    NotUsable
        ``persistence_time`` is None, or 0 or less.
    """
    if persistence_time is None or persistence_time <= 0:
        raise NotUsable(f"persistence_time is {persistence_time}; set it to the length of the window (seconds)")


def flag_windows(
    groupdq, sci=None, *, until, starts, tgroup, persistence_time, dn_threshold=None, persistence_dnu=False
):
    """Flag groups for a time after their pixel saturated, in place.

    A window opens with the first saturated group of an integration, and with a group above ``dn_threshold`` where
    none is open; it ends ``persistence_time`` later, in whatever integration that is.

    Parameters
    ----------
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, shape (integrations, groups, rows, columns).
    sci : 4D float32 `~numpy.ndarray`, optional
        Counts (DN), needed with ``dn_threshold``. NaN opens nothing.
    until : 2D float64 `~numpy.ndarray`
        Ends (Unix time, s) of windows that are open at the start, shape (rows, columns); 0: none. Ends further off
        than a window is long are of another time, and count as none.
    starts : 1D float64 `~numpy.ndarray`
        From `integration_starts`.
    tgroup : float
        Time between groups (s).
    persistence_time : int
        Length of a window (s).
    dn_threshold : float, optional
        Counts (DN) above which a window opens.
    persistence_dnu : bool
        Set DO_NOT_USE as well as PERSISTENCE.

    Returns
    -------
    groupdq : 4D uint8 `~numpy.ndarray`
        The array given.
    until : 2D float64 `~numpy.ndarray`
        Ends of windows that are open in the last group; 0: none.

    Raises
    ------
    ValueError
        If the shapes disagree.
    """
    if until.shape != groupdq.shape[-2:] or (dn_threshold is not None and sci.shape != groupdq.shape):
        raise ValueError(f"Persistence: GROUPDQ {groupdq.shape} and windows {until.shape} disagree; cut them alike.")
    bits = np.uint8(_FLAG | (_DO_NOT_USE if persistence_dnu else 0))
    times = np.asarray(starts)[:, np.newaxis] + np.arange(1, groupdq.shape[1] + 1) * float(tgroup)
    until = until.copy()
    if dn_threshold is None:
        sci, dn_threshold = np.empty((0, 0, 0, 0), np.float32), 0.0
    _flag(groupdq, until, sci, times, persistence_time, dn_threshold, bits)
    return groupdq, until


@njit(
    void(
        uint8[:, :, :, ::1],
        float64[:, ::1],
        Array(float32, 4, "C", readonly=True),
        _fixed2,
        float64,
        float64,
        uint8,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _flag(groupdq, until, sci, times, length, threshold, bits):
    nints, ngroups, ny, nx = groupdq.shape
    saturated = np.empty(nx, np.int64)
    for y in range(ny):
        for i in range(nints):
            saturated[:] = 0
            for g in range(ngroups):
                time = times[i, g]
                for x in range(nx):
                    saturated[x] += (groupdq[i, g, y, x] & _SATURATED) != 0
                    # Saturation lasts to the end of the integration, so that this is its first group.
                    bright = sci.size > 0 and until[y, x] < time and sci[i, g, y, x] > threshold
                    if bright or saturated[x] == 1:
                        until[y, x] = time + length
                    if time <= until[y, x] <= time + length:
                        groupdq[i, g, y, x] |= bits
                    else:
                        until[y, x] = 0.0
