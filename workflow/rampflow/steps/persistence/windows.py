"""Flag groups for some time after their pixel saturated.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/persistence/description.html; Smith et al. 2008, Proc.
SPIE 7021, 70210J (traps in the depletion region); Regan et al. 2012, Proc. SPIE 8442, 84424W.
"""

from collections.abc import Sequence

import numpy as np
from numba import float64, uint8, void

from rampflow.detector import dq
from rampflow.kernels import F32_4R, F64_2, F64_2R, U8_4, kernel
from rampflow.steps import NotUsable
from rampflow.steps.agreement import SAME_ROWS, check_shape

_SATURATED, _DO_NOT_USE, _PERSISTENCE = (np.uint8(bit) for bit in (dq.SATURATED, dq.DO_NOT_USE, dq.PERSISTENCE))


def integration_starts(
    *,
    expstart: float,
    effinttm: float,
    nints: int,
    intstart: int | None = None,
    int_times: Sequence[float] | None = None,
) -> np.ndarray:
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


def check_window(persistence_time: int) -> None:
    """Refuse a window without length.

    Raises
    ------
    NotUsable
        ``persistence_time`` is None, or 0 or less.
    """
    if persistence_time is None or persistence_time <= 0:
        raise NotUsable(f"persistence_time is {persistence_time}; set it to the length of the window (seconds)")


def flag_windows(
    groupdq: np.ndarray,
    sci: np.ndarray | None = None,
    *,
    until: np.ndarray,
    starts: np.ndarray,
    tgroup: float,
    persistence_time: int,
    dn_threshold: float | None = None,
    persistence_dnu: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
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
    StepError
        If the shapes disagree.
    """
    check_shape("an image of windows", until.shape, "the groups", groupdq.shape[-2:], SAME_ROWS)
    if dn_threshold is not None:
        check_shape("SCI", sci.shape, "GROUPDQ", groupdq.shape, SAME_ROWS)  # type: ignore[union-attr]
    bits = np.uint8(_PERSISTENCE | (_DO_NOT_USE if persistence_dnu else 0))
    times = np.asarray(starts)[:, np.newaxis] + np.arange(1, groupdq.shape[1] + 1) * float(tgroup)
    until = until.copy()
    if dn_threshold is None:
        sci, dn_threshold = np.empty((0, 0, 0, 0), np.float32), 0.0
    _flag(groupdq, until, sci, times, persistence_time, dn_threshold, bits)
    return groupdq, until


@kernel(void(U8_4, F64_2, F32_4R, F64_2R, float64, float64, uint8))
def _flag(groupdq, until, sci, times, length, threshold, bits):
    """Flag groups inside windows, and open, keep and close them; in place."""
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
