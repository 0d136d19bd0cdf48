"""Subtract what traps release, group by group, and follow how they empty and fill.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/persistence/description.html; Smith et al. 2008, Proc.
SPIE 7021, 70210J (traps in the depletion region); Regan et al. 2012, Proc. SPIE 8442, 84424W.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import float32, float64, uint32, void

from rampflow.detector import dq
from rampflow.kernels import (
    B_2R,
    F32_1R,
    F32_2R,
    F32_3,
    F32_4,
    F64_1R,
    F64_2R,
    F64_3R,
    U8_4R,
    U32_2,
    kernel,
)
from rampflow.steps.agreement import SAME_ROWS, check_shape
from rampflow.steps.persistence.families import capture_tables

if TYPE_CHECKING:
    from rampflow.steps.persistence.families import Families, Timing

_JUMP, _SATURATED, _PERSISTENCE = (np.uint8(bit) for bit in (dq.JUMP_DET, dq.SATURATED, dq.PERSISTENCE))
#: Persistence saturation where the reference has none (DN): no signal exceeds it.
NO_LIMIT = 1e7


def usable_density(density: np.ndarray, flags: np.ndarray) -> np.ndarray:
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


def usable_saturation(level: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def subtract_traps(
    sci: np.ndarray,
    groupdq: np.ndarray,
    filled: np.ndarray,
    density: np.ndarray,
    level: np.ndarray,
    blind: np.ndarray,
    *,
    families: Families,
    timing: Timing,
    flag_pers_cutoff: float,
    save_persistence: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
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
    StepError
        If the shapes disagree.

    Notes
    -----
    Within a group, what all families have released since the reset is subtracted. After an integration, with the
    slope (of the ramp as it came, relative to the persistence saturation) and the number of groups above that
    level, the traps that were filled are added. Jumps fill further ones; where jumps are found after this step, as
    in the release that has this algorithm, there are none.
    """
    nints, ngroups, ny, nx = sci.shape
    check_shape("GROUPDQ", groupdq.shape, "SCI", sci.shape, SAME_ROWS)
    check_shape("the image of filled traps", filled.shape, "families and groups", (len(families), ny, nx), SAME_ROWS)
    check_shape("the trap density", density.shape, "the groups", (ny, nx))
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


@kernel()
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


@kernel()
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


@kernel(
    void(
        F32_4, U8_4R, F32_3, F32_2R, F32_2R, B_2R, U32_2, F32_4, F32_1R, F32_1R, F64_1R, F64_1R, F64_3R, F64_2R, F64_2R,
        float64, float64,
    )
)  # fmt: skip
def _subtract(
    sci, groupdq, filled, density, level, blind, flags, persistence, release, pause, late, prompt, ramp, saturated,
    jump, tgroup, cutoff,
):  # fmt: skip
    """Subtract what is released and follow the traps, row by row of the image."""
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
                        flags[y, x] |= uint32(_PERSISTENCE)
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
