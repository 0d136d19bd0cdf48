"""Kernels that load ramps for the ordinary least-squares fit: which groups are usable, samples, median count rates.

A row of the detector is taken in blocks of columns. The ramps of a block are copied once into small buffers, because
the groups of a pixel lie whole planes apart in memory, and planes of a power-of-two size push each other out of the
cache. What all pixels need (the median of the group differences) is done for all columns of the block side by side;
what depends on the flags of a pixel is done pixel by pixel.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, uint8, uint16, void

from rampflow.detector import dq
from rampflow.kernels import F32_1, F32_3, F64_1, F64_2, U8_1, U8_2, U8_3, U8_4, U16_1, fields, kernel
from rampflow.steps.ramp_fit.arrays import BLOCK, RAMPS, RULES
from rampflow.steps.ramp_fit.groups import GROUPS
from rampflow.steps.ramp_fit.medians import ROOM, Room, medians, room_for_medians

DNU = dq.DO_NOT_USE
SAT = dq.SATURATED
JUMP = dq.JUMP_DET
PERSISTENCE = dq.PERSISTENCE
BAD = DNU | SAT

#: How the samples of an integration are timed: index into `times`, seconds per sample.
RAMP, FIRST_GROUP, ZERO_FRAME = 0, 1, 2


class Flags(NamedTuple):
    """Flags of a block.

    Attributes
    ----------
    of_groups : uint8 `~numpy.ndarray`
        Of the kept groups, 0 where usable; shape (nints, ngroups, width).
    ored : uint8 `~numpy.ndarray`
        All of an integration together, shape (nints, width).
    kind : uint8 `~numpy.ndarray`
        How an integration is timed, same shape.
    good : uint16 `~numpy.ndarray`
        Scratch, shape (width,).
    """

    of_groups: np.ndarray
    ored: np.ndarray
    kind: np.ndarray
    good: np.ndarray


class LoadedSamples(NamedTuple):
    """Samples of a block.

    Attributes
    ----------
    x : float32 `~numpy.ndarray`
        Of the kept groups (DN), NaN where saturated; shape (nints, ngroups, width).
    rate : float64 `~numpy.ndarray`
        Median count rate (DN/s), shape (width,).
    diffs, finite, usable, room
        Scratch: differences of groups, 0 or NaN where one of them is not a number, how many count, and what their
        medians are found with.
    """

    x: np.ndarray
    rate: np.ndarray
    diffs: np.ndarray
    finite: np.ndarray
    usable: np.ndarray
    room: Room


FLAGS = fields(Flags, U8_3, U8_2, U8_2, U16_1)
SAMPLES = fields(LoadedSamples, F32_3, F64_1, F64_2, F64_1, U16_1, ROOM)


@kernel(int64(GROUPS))
def number_of(groups):
    """Count the groups that are kept."""
    return groups.last_kept - groups.first_kept + 1


@kernel(int64(int64, int64))
def block_width(ngroups, nx):
    """Columns per block: an integration stays in the second-level cache, and the blocks of a row are alike."""
    most = max(32, min(256, (1 << 14) // ngroups))
    blocks = (nx + most - 1) // most
    return min(nx, ((nx + blocks - 1) // blocks + 15) // 16 * 16)


@kernel(FLAGS(int64, int64, int64))
def room_for_flags(nints, ngroups, width):
    """Make room for the flags of a block."""
    return Flags(
        np.empty((nints, ngroups, width), np.uint8),
        np.empty((nints, width), np.uint8),
        np.empty((nints, width), np.uint8),
        np.empty(width, np.uint16),
    )


@kernel(SAMPLES(int64, int64, int64))
def room_for_samples(nints, ngroups, width):
    """Make room for the samples of a block."""
    return LoadedSamples(
        np.empty((nints, ngroups, width), np.float32),
        np.empty(width),
        np.empty((ngroups, width)),
        np.empty(width),
        np.empty(width, np.uint16),
        room_for_medians(ngroups - 1, width),
    )


# ---- what is usable


@kernel(void(U8_1, uint8, uint8, uint8, uint8, U8_1, U8_1, U16_1))
def _copy_flags(source, added, cleared, ignored, forgiven, of_group, ored, good):
    """Take over the flags of one group of a block and count it where it is good."""
    for col in range(source.size):
        flag = source[col] | added
        good[col] += uint16(flag & ~forgiven == 0)
        flag &= ~cleared
        ored[col] |= flag
        of_group[col] = flag & ~ignored


@kernel(boolean(U8_4, int64, GROUPS, BLOCK, U8_1))
def _is_clean(groupdq, i, groups, block, ored):
    """Tell whether the kept groups of a block have no flags; if so, clear `ored`."""
    ored[:] = 0
    for group in range(groups.first_kept, groups.last_kept + 1):
        source = groupdq[i, group, block.row, block.left : block.left + block.width]
        for col in range(block.width):
            ored[col] |= source[col]
    found = uint8(0)
    for col in range(block.width):
        found |= ored[col]
    return found == 0


@kernel(void(RAMPS, GROUPS, RULES, BLOCK, FLAGS))
def load_flags(ramps, groups, rules, block, flags):
    """Decide which groups of the pixels of a block are usable."""
    row, left, width = block.row, block.left, block.width
    groupdq, zeroframe = ramps.groupdq, ramps.zeroframe
    of_groups, ored, kind, good = flags.of_groups, flags.ored, flags.kind, flags.good
    ignored = uint8(PERSISTENCE if rules.ignore_persistence else 0)
    suppress = rules.suppress_one_group
    use_zeroframe = zeroframe.shape[0] > 0 and not suppress
    all_kept = groups.first_wanted <= groups.first_kept and groups.last_kept <= groups.last_wanted
    all_wanted = of_groups.shape[1] > 1 and all_kept
    for i in range(groupdq.shape[0]):
        kind[i] = RAMP
        if all_wanted and _is_clean(groupdq, i, groups, block, ored[i]):
            of_groups[i] = 0
            continue
        good[:] = 0
        ored[i] = 0
        for group in range(groupdq.shape[1]):
            source = groupdq[i, group, row, left : left + width]
            added = uint8(0 if groups.first_wanted <= group <= groups.last_wanted else DNU)
            g = group - groups.first_kept
            if 0 <= g <= groups.last_kept - groups.first_kept:
                # The jump into the first kept group came from a group that is not there any more.
                cleared = uint8(JUMP if g == 0 and group > 0 else 0)
                # Lonely groups are suppressed before that, and timed after that.
                forgiven = ignored if suppress else cleared
                _copy_flags(source, added, cleared, ignored, forgiven, of_groups[i, g], ored[i], good)
            elif suppress:
                for col in range(width):
                    good[col] += uint16((source[col] | added) & ~ignored == 0)
        for col in range(width):
            if good[col] > 1:
                continue
            if suppress:
                if good[col] == 1:
                    ored[i, col] |= DNU
                    for g in range(of_groups.shape[1]):
                        of_groups[i, g, col] |= DNU
            elif good[col] == 1:
                if of_groups[i, 0, col] == 0 and groupdq[i, groups.first_kept, row, left + col] & ignored == 0:
                    kind[i, col] = FIRST_GROUP
            elif use_zeroframe and zeroframe[i, row, left + col] != 0:
                kind[i, col] = ZERO_FRAME
                of_groups[i, 0, col] = 0
                ored[i, col] &= ~BAD
                for g in range(1, of_groups.shape[1]):
                    ored[i, col] |= of_groups[i, g, col]


# ---- samples and their median rate


@kernel(void(F32_1, F32_1, F64_1, F64_1))
def _subtract(earlier, later, diffs, finite):
    """Differences between two groups of a block; `finite` becomes NaN where one of them is."""
    for col in range(later.size):
        diff = float64(later[col]) - float64(earlier[col])
        diffs[col] = diff
        finite[col] += 0.0 * diff


@kernel(int64(F32_3, U8_3, int64, int64, F64_2))
def _usable_differences(x, q, i, col, diffs):
    """Blank the saturated samples of a pixel, set unusable differences to infinity, count the usable."""
    usable = 0
    for g in range(x.shape[1]):
        if q[i, g, col] & SAT:
            x[i, g, col] = np.nan
        if g > 0:
            diff = float64(x[i, g, col]) - float64(x[i, g - 1, col])
            if (q[i, g - 1, col] | q[i, g, col]) & BAD or q[i, g, col] & JUMP or diff != diff:
                diffs[g - 1, col] = math.inf
            else:
                diffs[g - 1, col] = diff
                usable += 1
    return usable


@kernel(void(RAMPS, GROUPS, F64_1, int64, BLOCK, FLAGS, SAMPLES))
def load_samples(ramps, groups, times, i, block, flags, samples):
    """Copy the samples of an integration of a block, NaN where saturated, and find their median count rates.

    `times` are the seconds per sample, by the kind of the ramp. The rates are added to those of `samples`.
    """
    row, left, width = block.row, block.left, block.width
    of_groups, kind = flags.of_groups, flags.kind
    x, diffs, finite, usable, rate = samples.x, samples.diffs, samples.finite, samples.usable, samples.rate
    sci, ored = ramps.sci, flags.ored
    ngroups = x.shape[1]
    finite[:] = 0.0
    for g in range(ngroups):
        x[i, g, :width] = sci[i, groups.first_kept + g, row, left : left + width]
        if g > 0:
            _subtract(x[i, g - 1, :width], x[i, g, :width], diffs[g - 1], finite)
    ordinary = ngroups > 1
    for col in range(width):
        usable[col] = ngroups - 1
        if ored[i, col] != 0 or kind[i, col] != RAMP or finite[col] != 0.0:
            ordinary = False
            if kind[i, col] == ZERO_FRAME:
                x[i, 0, col] = ramps.zeroframe[i, row, left + col]
            usable[col] = _usable_differences(x, of_groups, i, col, diffs)
    medians(diffs, ngroups - 1, width, usable, samples.room)
    median = samples.room.found[0]
    if ordinary:
        for col in range(width):
            each = median[col] / times[RAMP]
            rate[col] += each if each == each else 0.0
        return
    for col in range(width):
        first = float64(x[i, 0, col])
        if ngroups == 1:
            each = first / times[FIRST_GROUP]
        elif kind[i, col] != RAMP:
            each = first / times[kind[i, col]]
        elif usable[col] > 0:
            each = median[col] / times[RAMP]
        else:
            each = first / times[RAMP] if of_groups[i, 0, col] & BAD == 0 else 0.0
        rate[col] += each if each == each or ngroups == 1 else 0.0


@kernel(void(F64_1, int64))
def finish_rate(rate, nints):
    """Make the sum of the median rates of all integrations their mean; 0 where it is not a number."""
    for col in range(rate.size):
        rate[col] = rate[col] / nints if rate[col] == rate[col] else 0.0
