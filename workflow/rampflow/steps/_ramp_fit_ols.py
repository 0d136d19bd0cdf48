"""Kernels of the ordinary least-squares ramp fit; `ramp_fit` says what they compute.

A row of the detector is taken in blocks of columns. The ramps of a block are copied once into small
buffers, because the groups of a pixel lie whole planes apart in memory, and planes of a power-of-two size
push each other out of the cache. What all pixels need (the median of the group differences) is done for all
columns of the block side by side; what depends on the flags of a pixel is done pixel by pixel.
"""

import math

import numpy as np
from numba import boolean, float32, float64, int64, njit, uint8, uint16, uint32, void
from numba.types import UniTuple

from rampflow import dq

DNU = dq.DO_NOT_USE
SAT = dq.SATURATED
JUMP = dq.JUMP_DET
PERSISTENCE = dq.PERSISTENCE
CHARGELOSS = dq.CHARGELOSS
NO_GAIN = dq.NO_GAIN_VALUE | DNU

#: Not a variance any more but the absence of information, for which products hold 0.
HUGE_VARIANCE = 1e6

#: Exponents of the weights, one for each class of signal-to-noise ratio (Fixsen et al. 2000).
EXPONENTS = np.array([0.0, 0.4, 1.0, 3.0, 6.0, 10.0], dtype=np.float32)

#: How the samples of an integration are timed: index into `times`, seconds per sample.
RAMP, FIRST_GROUP, ZERO_FRAME = 0, 1, 2

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_F1, _F2, _F3, _F4 = float32[::1], float32[:, ::1], float32[:, :, ::1], float32[:, :, :, ::1]
_B1, _B2, _B3, _B4 = uint8[::1], uint8[:, ::1], uint8[:, :, ::1], uint8[:, :, :, ::1]
_D1, _D2 = float64[::1], float64[:, ::1]
_I1, _I2 = int64[::1], int64[:, ::1]
_H1 = uint16[::1]
_U2, _U3 = uint32[:, ::1], uint32[:, :, ::1]


@njit(int64(int64, int64, int64), **_OPTIONS)
def _block_width(nints, ngroups, nx):
    """Columns per block: an integration stays in the first-level cache, all of them in the second."""
    return min(nx, max(16, min(128, (1 << 13) // ngroups, (1 << 18) // (nints * ngroups))))


@njit(void(_B1, uint8, uint8, uint8, uint8, _B1, _B1, _H1), **_OPTIONS)
def _copy_flags(source, added, cleared, ignored, forgiven, q, flags, good):
    """Take over the flags of a group of a block; count it where it is good."""
    for col in range(source.size):
        flag = source[col] | added
        good[col] += uint16(flag & ~forgiven == 0)
        flag &= ~cleared
        flags[col] |= flag
        q[col] = flag & ~ignored


@njit(void(_B4, _F3, _I1, boolean, boolean, int64, int64, int64, _B3, _B2, _B2, _H1), **_OPTIONS)
def _load_flags(gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good):
    """Decide which groups of `width` pixels of a row are usable.

    `groups` is (first kept, last kept, first wanted, last wanted). Written: the flags `q` (0: usable) of
    the kept groups, (nints, ngroups, width); `flags`, all of an integration ORed, and `kind`, how it is
    timed, (nints, width). `good` is scratch.
    """
    right = left + width
    ignored = uint8(PERSISTENCE if ignore_persistence else 0)
    use_zeroframe = zeroframe.shape[0] > 0 and not suppress
    for i in range(gdq.shape[0]):
        good[:] = 0
        for group in range(gdq.shape[1]):
            g = group - groups[0]
            added = uint8(0 if groups[2] <= group <= groups[3] else DNU)
            # The group before the first kept one is gone, and the jump from it too.
            cleared = uint8(JUMP if g == 0 and group > 0 else 0)
            # A lonely group is looked for before groups are dropped, a lonely first group after it.
            if groups[0] <= group <= groups[1]:
                forgiven = ignored if suppress else cleared
                _copy_flags(gdq[i,group,row,left:right], added, cleared, ignored, forgiven, q[i,g,:width], flags[i,:width], good[:width])
            elif suppress:
                for col in range(width):
                    good[col] += uint16((gdq[i, group, row, left + col] | added) & ~ignored == 0)
