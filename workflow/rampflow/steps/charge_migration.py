"""Leave out groups in which a bright pixel has begun to push charge into its neighbours.

Electrons that arrive in a pixel with a large charge are drawn to its emptier neighbours: the bright pixel's
ramp bends down and the neighbours' ramps bend up. From the group on in which a pixel's signal exceeds
``signal_threshold``, this pixel and its four edge neighbours get CHARGELOSS and DO_NOT_USE until the end of
the integration. Ramp fitting removes both flags again where it computes the read noise of such pixels. No
reference file; SCI (DN, linear, dark subtracted) is only read.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/charge_migration/description.html and
Goudfrooij et al. 2024, PASP 136, 014503.
"""

import numpy as np
from numba import float32, void

from rampflow.detector import dq
from rampflow.kernels import F32_3R, I32_2, I32_2R, U8_3, U8_3R, kernel
from rampflow.steps.agreement import SAME_ROWS, check_shape

#: Rows that a block needs on each side: a pixel is flagged because of its neighbours above and below.
HALO = 1

_DNU = np.uint8(dq.DO_NOT_USE)
_CHARGELOSS = np.uint8(dq.CHARGELOSS | dq.DO_NOT_USE)


def flag_charge_migration(sci: np.ndarray, groupdq: np.ndarray, *, signal_threshold: float) -> np.ndarray:
    """Flag the groups of one integration from the onset of charge migration on, in place.

    Works on blocks of rows with `HALO` more rows on each side, where the frame has them. The flags of these
    extra rows are not final: they must not be written back, nor be the input of the next block.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (ngroups, rows, nx). NaN is below any threshold.
    groupdq : 3D uint8 `~numpy.ndarray`
        Group flags, same shape. Changed in place. A group flagged DO_NOT_USE and nothing else is no onset.
    signal_threshold : float
        Signal (DN) above which charge migrates.

    Returns
    -------
    3D uint8 `~numpy.ndarray`
        ``groupdq``.

    Raises
    ------
    StepError
        If the shapes differ.
    """
    check_shape("SCI", sci.shape, "GROUPDQ", groupdq.shape, SAME_ROWS)
    onset = np.empty(sci.shape[1:], np.int32)
    _find_onset(sci, groupdq, np.float32(signal_threshold), onset)
    _flag_from_onset(groupdq, onset)
    return groupdq


@kernel(void(F32_3R, U8_3R, float32, I32_2))
def _find_onset(sci, groupdq, threshold, onset):
    """Find each pixel's first group above the threshold, or the number of groups if there is none."""
    ngroups, rows, nx = sci.shape
    for y in range(rows):
        onset[y] = ngroups
        # Backwards, so that the earliest group is the last to be noted.
        for g in range(ngroups - 1, -1, -1):
            for x in range(nx):
                # "Exactly DO_NOT_USE" as in jwst: any other bit beside it makes the group count again.
                if sci[g, y, x] > threshold and groupdq[g, y, x] != _DNU:
                    onset[y, x] = g


@kernel(void(U8_3, I32_2R))
def _flag_from_onset(groupdq, onset):
    """Flag each pixel from the earliest onset among itself and its four neighbours."""
    ngroups, rows, nx = groupdq.shape
    earliest = np.empty(nx, np.int32)
    for y in range(rows):
        above, below = min(y + 1, rows - 1), max(y - 1, 0)
        first = ngroups
        for x in range(nx):
            left, right = max(x - 1, 0), min(x + 1, nx - 1)
            vertical = min(onset[y, x], onset[above, x], onset[below, x])
            earliest[x] = min(vertical, onset[y, left], onset[y, right])
            first = min(first, earliest[x])
        for g in range(first, ngroups):
            for x in range(nx):
                if earliest[x] <= g:
                    groupdq[g, y, x] |= _CHARGELOSS
