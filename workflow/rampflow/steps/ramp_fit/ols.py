"""Kernels of the ordinary least-squares ramp fit; `ramp_fit` says what they compute.

A row of the detector is taken in blocks of columns. The ramps of a block are copied once into small
buffers, because the groups of a pixel lie whole planes apart in memory, and planes of a power-of-two size
push each other out of the cache. What all pixels need (the median of the group differences) is done for all
columns of the block side by side; what depends on the flags of a pixel is done pixel by pixel.
"""

import math

import numpy as np
from numba import boolean, float32, float64, int64, njit, uint8, uint16, uint32, void

from rampflow.detector import dq
from rampflow.steps.ramp_fit.medians import medians, network

DNU = dq.DO_NOT_USE
SAT = dq.SATURATED
JUMP = dq.JUMP_DET
PERSISTENCE = dq.PERSISTENCE
CHARGELOSS = dq.CHARGELOSS
BAD = DNU | SAT
#: What charge_migration sets.
LOST = CHARGELOSS | DNU
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


@njit(int64(int64, int64), **_OPTIONS)
def block_width(ngroups, nx):
    """Columns per block: an integration stays in the second-level cache, and the blocks of a row are alike."""
    most = max(32, min(256, (1 << 14) // ngroups))
    blocks = (nx + most - 1) // most
    return min(nx, ((nx + blocks - 1) // blocks + 15) // 16 * 16)


# ---- what is usable


@njit(void(_B1, uint8, uint8, uint8, uint8, _B1, _B1, _H1), **_OPTIONS)
def _copy_flags(source, added, cleared, ignored, forgiven, q, flags, good):
    """Take over the flags of one group of a block and count it where it is good."""
    for col in range(source.size):
        flag = source[col] | added
        good[col] += uint16(flag & ~forgiven == 0)
        flag &= ~cleared
        flags[col] |= flag
        q[col] = flag & ~ignored


@njit(boolean(_B4, int64, _I1, int64, int64, int64, _B1), **_OPTIONS)
def _is_clean(gdq, i, groups, row, left, width, flags):
    """Tell whether the kept groups of a block have no flags; if so, clear `flags`."""
    flags[:] = 0
    for group in range(groups[0], groups[1] + 1):
        source = gdq[i, group, row, left : left + width]
        for col in range(width):
            flags[col] |= source[col]
    found = uint8(0)
    for col in range(width):
        found |= flags[col]
    return found == 0


@njit(void(_B4, _F3, _I1, boolean, boolean, int64, int64, int64, _B3, _B2, _B2, _H1), **_OPTIONS)
def load_flags(gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good):
    """Decide which groups of `width` pixels of a row are usable.

    `groups` is (first kept, last kept, first wanted, last wanted). Written: the flags `q` (0: usable) of
    the kept groups, (nints, ngroups, width); `flags`, all of an integration ORed, and `kind`, how it is
    timed, (nints, width). `good` is scratch.
    """
    ignored = uint8(PERSISTENCE if ignore_persistence else 0)
    use_zeroframe = zeroframe.shape[0] > 0 and not suppress
    all_wanted = q.shape[1] > 1 and groups[2] <= groups[0] and groups[1] <= groups[3]
    for i in range(gdq.shape[0]):
        if all_wanted and _is_clean(gdq, i, groups, row, left, width, flags[i]):
            kind[i] = RAMP
            q[i] = 0
            continue
        good[:] = 0
        kind[i] = RAMP
        flags[i] = 0
        for group in range(gdq.shape[1]):
            source = gdq[i, group, row, left : left + width]
            added = uint8(0 if groups[2] <= group <= groups[3] else DNU)
            g = group - groups[0]
            if 0 <= g <= groups[1] - groups[0]:
                # The jump into the first kept group came from a group that is not there any more.
                cleared = uint8(JUMP if g == 0 and group > 0 else 0)
                # Lonely groups are suppressed before that, and timed after that.
                forgiven = ignored if suppress else cleared
                _copy_flags(source, added, cleared, ignored, forgiven, q[i, g], flags[i], good)
            elif suppress:
                for col in range(width):
                    good[col] += uint16((source[col] | added) & ~ignored == 0)
        for col in range(width):
            if good[col] > 1:
                continue
            if suppress:
                if good[col] == 1:
                    flags[i, col] |= DNU
                    for g in range(q.shape[1]):
                        q[i, g, col] |= DNU
            elif good[col] == 1:
                if q[i, 0, col] == 0 and gdq[i, groups[0], row, left + col] & ignored == 0:
                    kind[i, col] = FIRST_GROUP
            elif use_zeroframe and zeroframe[i, row, left + col] != 0:
                kind[i, col] = ZERO_FRAME
                q[i, 0, col] = 0
                flags[i, col] &= ~BAD
                for g in range(1, q.shape[1]):
                    flags[i, col] |= q[i, g, col]


@njit(inline="always", **_OPTIONS)
def find_segments(q, i, col, check_first, segments):
    """Find the runs of good groups to fit; write (start, length) of each, return their number.

    The group that a cosmic ray hit opens the segment after it. A single group counts only where the
    integration has nothing longer, and then once.
    """
    ngroups = q.shape[1]
    if check_first and q[i, 0, col] & SAT:
        return 0
    count = 0
    single = -1
    g = 0
    while g < ngroups:
        if q[i, g, col] != 0:
            g += 1
            continue
        start = g
        while g < ngroups and q[i, g, col] == 0:
            g += 1
        if start > 0 and q[i, start - 1, col] == JUMP:
            start -= 1
        if g - start > 1:
            segments[count, 0] = start
            segments[count, 1] = g - start
            count += 1
        elif single < 0:
            single = start
    if count == 0 and single >= 0:
        segments[0, 0] = single
        segments[0, 1] = 1
        count = 1
    return count


@njit(inline="always", **_OPTIONS)
def _unusable(q, i, col, flags):
    """DO_NOT_USE and SATURATED of an integration: nothing to fit in it, or saturated from its start."""
    if q[i, 0, col] & SAT:
        return BAD
    if flags & BAD == 0:
        return 0
    saturated = SAT
    for g in range(q.shape[1]):
        if q[i, g, col] & BAD == 0:
            return 0
        saturated &= q[i, g, col]
    return DNU | saturated


@njit(inline="always", **_OPTIONS)
def _has_charge_loss(q, i, col):
    """Tell whether a group of an integration is lost to charge migration."""
    found = False
    for g in range(q.shape[1]):
        found |= q[i, g, col] & LOST == LOST
    return found


# ---- samples and their median rate


@njit(void(_F1, _F1, _D1, _D1), **_OPTIONS)
def _subtract(earlier, later, diffs, finite):
    """Differences between two groups of a block; `finite` becomes NaN where one of them is."""
    for col in range(later.size):
        diff = float64(later[col]) - float64(earlier[col])
        diffs[col] = diff
        finite[col] += 0.0 * diff


@njit(int64(_F3, _B3, int64, int64, _D2), **_OPTIONS)
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


@njit(
    void(
        _F4, _F3, _I1, _D1, int64, int64, int64, int64, _B3, _B2, _B2, _F3, _D1,
        _D2, _D1, _H1, _I2, _I2, _F2, _F2, _D2,
    ),
    **_OPTIONS,
)  # fmt: skip
def load_samples(
    sci, zeroframe, groups, times, i, row, left, width, q, flags, kind, x, rate,
    diffs, finite, usable, pairs, middle_pairs, keys, wanted, median,
):  # fmt: skip
    """Copy the samples of an integration of `width` pixels of a row and find their median count rates.

    Written: the samples `x` (NaN where saturated), (nints, ngroups, width); `rate` (DN/s) is added to it. `pairs` and
    `middle_pairs` are the `network` of the differences, all after that is scratch, as are `diffs`, `finite`, `usable`.
    """
    ngroups = x.shape[1]
    finite[:] = 0.0
    for g in range(ngroups):
        x[i, g, :width] = sci[i, groups[0] + g, row, left : left + width]
        if g > 0:
            _subtract(x[i, g - 1, :width], x[i, g, :width], diffs[g - 1], finite)
    ordinary = ngroups > 1
    for col in range(width):
        usable[col] = ngroups - 1
        if flags[i, col] != 0 or kind[i, col] != RAMP or finite[col] != 0.0:
            ordinary = False
            if kind[i, col] == ZERO_FRAME:
                x[i, 0, col] = zeroframe[i, row, left + col]
            usable[col] = _usable_differences(x, q, i, col, diffs)
    medians(diffs, ngroups - 1, width, usable, pairs, middle_pairs, keys, wanted, median)
    if ordinary:
        for col in range(width):
            each = median[0, col] / times[RAMP]
            rate[col] += each if each == each else 0.0
        return
    for col in range(width):
        first = float64(x[i, 0, col])
        if ngroups == 1:
            each = first / times[FIRST_GROUP]
        elif kind[i, col] != RAMP:
            each = first / times[kind[i, col]]
        elif usable[col] > 0:
            each = median[0, col] / times[RAMP]
        else:
            each = first / times[RAMP] if q[i, 0, col] & BAD == 0 else 0.0
        rate[col] += each if each == each or ngroups == 1 else 0.0


@njit(void(_D1, int64), **_OPTIONS)
def finish_rate(rate, nints):
    """Make the sum of the median rates of all integrations their mean; 0 where it is not a number."""
    for col in range(rate.size):
        rate[col] = rate[col] / nints if rate[col] == rate[col] else 0.0


# ---- one segment


@njit(inline="always", **_OPTIONS)
def class_of_weights(signal, gain, read_noise):
    """Class of weights (index into `EXPONENTS`) of a segment that gathers this signal (DN)."""
    electrons = signal * gain
    variance = read_noise * read_noise + electrons
    snr = electrons / math.sqrt(variance)
    # Without branches, for all pixels of a block at once. A NaN gets the last class, as in the peer.
    lower = int64(snr < 5.0) + int64(snr < 10.0) + int64(snr < 20.0) + int64(snr < 50.0) + int64(snr < 100.0)
    return 0 if variance <= 0.0 else 5 - lower


@njit(float64(int64, int64, int64), **_OPTIONS)
def weight_of_group(index, length, weight_class):
    """Weight of a group of a segment, in units of the inverse variance of the read noise.

    The power is taken in single precision, as in the products that ours are compared with.
    """
    middle = 0.5 * (length - 1)
    return float64(float32(abs((index - middle) / middle)) ** EXPONENTS[weight_class])


@njit(void(int64, int64, _D2, _D2), **_OPTIONS)
def _tabulate(length, weight_class, table, norms):
    """Tabulate the coefficients of the slope of a segment of three groups or more.

    The weights are symmetric about the middle of the segment, so that with u = index - middle the slope is
    sum(w u x) / sum(w u^2): one coefficient for each pair of groups. `norms` receives the sum, which is
    never 0.
    """
    half = length // 2
    row = ((length - 1) // 2) * half
    norm = 0.0
    for k in range(half):
        u = 0.5 * (length - 1) - k
        table[row + k, weight_class] = weight_of_group(k, length, weight_class) * u
        norm += 2.0 * table[row + k, weight_class] * u
    for k in range(half):
        table[row + k, weight_class] /= norm
    norms[length, weight_class] = norm


@njit(inline="always", **_OPTIONS)
def _weighted_slope(x, i, col, start, length, weight_class, table, norms):
    """Slope (DN per group) of a segment of three groups or more; a NaN counts as 0, an infinite sample spoils it."""
    half = length // 2
    row = ((length - 1) // 2) * half
    if norms[length, weight_class] == 0.0:
        _tabulate(length, weight_class, table, norms)
    middle = float64(x[i, start + half, col])
    slope = 0.0 * middle if middle == middle else 0.0
    for k in range(half):
        early = float64(x[i, start + k, col])
        late = float64(x[i, start + length - 1 - k, col])
        early = early if early == early else 0.0
        late = late if late == late else 0.0
        difference = late - early
        slope += table[row + k, weight_class] * (difference + 0.0 * difference)
    return slope


@njit(inline="always", **_OPTIONS)
def slope_of_segment(x, i, col, start, length, time, gain, read_noise, table, norms):
    """Slope (DN/s) of a segment."""
    first = float64(x[i, start, col])
    if length == 1:
        return first / time
    signal = float64(x[i, start + length - 1, col]) - first
    if length == 2:
        return signal / time
    if not 0.0 < read_noise * read_noise < math.inf:
        return math.nan
    weight_class = class_of_weights(signal, gain, read_noise)
    return _weighted_slope(x, i, col, start, length, weight_class, table, norms) / time


@njit(void(_F1, _F1, _D1, _I1, _D1), **_OPTIONS)
def _add_pair(early, late, coefficients, classes, slopes):
    """Add the part of one pair of groups to the slopes of a block."""
    for col in range(early.size):
        a = float64(early[col])
        b = float64(late[col])
        a = a if a == a else 0.0
        b = b if b == b else 0.0
        difference = b - a
        slopes[col] += coefficients[classes[col]] * (difference + 0.0 * difference)


@njit(void(_F2, _F1, _D1, float64, _D2, _D2, _I1, _D1), **_OPTIONS)
def _clean_slopes(x, gain, noise, time, table, norms, classes, slopes):
    """Slopes (DN/s) that the pixels of a block have if all their groups are good: `_slope` side by side."""
    ngroups = x.shape[0]
    half = ngroups // 2
    row = ((ngroups - 1) // 2) * half
    if ngroups <= 2:
        for col in range(gain.size):
            slopes[col] = (float64(x[ngroups - 1, col]) - float64(x[0, col])) / time
        return
    if norms[ngroups, 0] == 0.0:
        for weight_class in range(EXPONENTS.size):
            _tabulate(ngroups, weight_class, table, norms)
    early, late, centre = x[0, : gain.size], x[ngroups - 1, : gain.size], x[half, : gain.size]
    for col in range(gain.size):
        signal = float64(late[col]) - float64(early[col])
        classes[col] = class_of_weights(signal, float64(gain[col]), noise[col])
    for col in range(gain.size):
        middle = float64(centre[col])
        square = noise[col] * noise[col]
        # The first 0 makes a negative one positive.
        start = 0.0 + 0.0 * middle if middle == middle else 0.0
        slopes[col] = start if (square > 0.0) & (square < math.inf) else math.nan
    for k in range(half):
        _add_pair(x[k, : gain.size], x[ngroups - 1 - k, : gain.size], table[row + k], classes, slopes)
    for col in range(gain.size):
        slopes[col] /= time


@njit(float64(float64, float64, float64, float64, int64), **_OPTIONS)
def poisson_variance(rate, dark, gain, time, length):
    """Variance (DN/s)^2 of the slope of a segment from the photon noise of the signal and of the dark."""
    return (dark + rate if rate > 0.0 else dark) / (time * gain * max(length - 1, 1))


@njit(float64(float64, float64, float64, int64), **_OPTIONS)
def read_variance(read_noise, gain, time, length):
    """Variance (DN/s)^2 of the slope of a segment from the read noise (e-): of a line without weights."""
    if length > 2 and not gain > 0.0:
        return 0.0
    n = float64(max(length, 2))
    noise = read_noise / time
    return 12.0 * noise * noise / ((n * n * n - n) * gain * gain)


@njit(float64(float64), **_OPTIONS)
def _inverse(total):
    """Variance from a sum of inverse variances; 0 where nothing is known."""
    variance = 1.0 / total if total != 0.0 else 0.0
    return 0.0 if variance >= HUGE_VARIANCE else variance


# ---- blocks of rows


@njit(void(_B1, _B1, _I1, _D2, _D1, _D1, _D1, _D1, _D1, _D1, _I1, _I1), **_OPTIONS)
def _add_clean(
    flags, kind, pixel, inv_clean, slope_clean,
    weights, slopes, inv_poisson, inv_rnoise, inv_rnoise_charge, bits_any, bits_all,
):  # fmt: skip
    """Add an integration to the sums of a block, where it has no flags."""
    inv_weight, inv_p, inv_r, inv_charge = inv_clean[3], inv_clean[1], inv_clean[2], inv_clean[4]
    for c in range(pixel.size):
        clean = (flags[c] == 0) & (kind[c] == RAMP)
        weights[c] += inv_weight[c] if clean else 0.0
        slopes[c] += inv_weight[c] * slope_clean[c] if clean else 0.0
        inv_poisson[c] += inv_p[c] if clean else 0.0
        inv_rnoise[c] += inv_r[c] if clean else 0.0
        inv_rnoise_charge[c] += inv_charge[c] if clean else 0.0
    for c in range(pixel.size):
        clean = (flags[c] == 0) & (kind[c] == RAMP)
        bits_any[c] |= pixel[c] if clean else 0
        bits_all[c] &= pixel[c] if clean else -1


@njit(void(_I1, _D2, _D1, _F1, uint32[::1], _F1, _F1, _F1), **_OPTIONS)
def _store_clean(pixel, clean, slope_clean, slope, bits, err, var_p, var_r):
    """Write what pixels of a block have in an integration without flags; the others are written over."""
    good, clean_err, clean_p, clean_r = clean[0], clean[1], clean[2], clean[3]
    for c in range(pixel.size):
        slope[c] = slope_clean[c] * good[c]
    for c in range(pixel.size):
        bits[c] = pixel[c]
    for c in range(pixel.size):
        err[c] = clean_err[c]
        var_p[c] = clean_p[c]
        var_r[c] = clean_r[c]


@njit(
    void(
        _F4, _B4, _U2, _F2, _F2, _F2, _F3, _I1, boolean, boolean, boolean, boolean, _D1, float64,
        _F2, _U2, _F2, _F2, _F2, _F3, _U3, _F3, _F3, _F3,
    ),
    **_OPTIONS,
)  # fmt: skip
def fit_rows(
    sci, gdq, pdq, gain, readnoise, dark, zeroframe,
    groups, suppress, ignore_persistence, any_saturated, read_weights, times, noise_scale,
    slope, dq_out, err, var_p, var_r, slope_int, dq_int, err_int, var_p_int, var_r_int,
):  # fmt: skip
    """Fit all ramps of a block of rows: see `ramp_fit.fit_ramps`."""
    nints, _, nrows, nx = sci.shape
    ngroups = groups[1] - groups[0] + 1
    block = block_width(ngroups, nx)
    x = np.empty((nints, ngroups, block), dtype=np.float32)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    diffs = np.empty((ngroups, block))
    finite = np.empty(block)
    count = np.empty(block, dtype=np.uint16)
    pairs, middle_pairs = network(ngroups - 1, False), network(ngroups - 1, True)
    keys, wanted = np.empty((ngroups, block), np.float32), np.empty((2, block), np.float32)
    median = np.empty((4, block))
    rate = np.empty(block)
    noise = np.empty(block)
    pixel = np.empty(block, dtype=np.int64)
    classes = np.zeros(block, dtype=np.int64)
    # Of an integration without any flag: slope, inverse variances, products.
    slope_clean = np.empty((nints, block))
    inv_clean = np.empty((5, block))
    clean = np.empty((4, block))
    # Sums over the integrations.
    weights = np.empty(block)
    slopes = np.empty(block)
    inv_poisson = np.empty(block)
    inv_rnoise = np.empty(block)
    inv_rnoise_charge = np.empty(block)
    charge = np.empty(block, dtype=np.uint8)
    bits_any = np.empty(block, dtype=np.int64)
    bits_all = np.empty(block, dtype=np.int64)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    q_charge = np.empty((1, ngroups, 1), dtype=np.uint8)
    norms = np.zeros((ngroups + 1, EXPONENTS.size))
    table = np.empty(((ngroups // 2) * ((ngroups + 1) // 2), EXPONENTS.size))
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            load_flags(gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, count)
            rate[:] = 0.0
            for c in range(width):
                noise[c] = float32(float64(readnoise[row, left + c]) * float64(gain[row, left + c]) * noise_scale)
            for i in range(nints):
                load_samples(
                    sci, zeroframe, groups, times, i, row, left, width, q, flags, kind, x, rate,
                    diffs, finite, count, pairs, middle_pairs, keys, wanted, median,
                )  # fmt: skip
                _clean_slopes(
                    x[i],
                    gain[row, left : left + width],
                    noise,
                    times[RAMP],
                    table,
                    norms,
                    classes,
                    slope_clean[i],
                )
            finish_rate(rate, nints)
            for c in range(width):
                g_e = float64(gain[row, left + c])
                pixel[c] = pdq[row, left + c]
                if not g_e > 0.0:
                    pixel[c] |= NO_GAIN
                v_p = poisson_variance(rate[c], dark[row, left + c], g_e, times[RAMP], ngroups)
                v_r = read_variance(noise[c], g_e, times[RAMP], ngroups)
                inv_clean[0, c] = 1.0 / (v_p + v_r)
                inv_clean[1, c] = 1.0 / v_p if v_p > 0.0 else 0.0
                inv_clean[2, c] = 1.0 / v_r
                valid = pixel[c] & BAD == 0
                weight = inv_clean[2, c] if read_weights else inv_clean[0, c]
                inv_clean[3, c] = weight
                # 1, or NaN where the weight is not a number to divide by.
                clean[0, c] = weight / weight if valid else math.nan
                clean[1, c] = math.sqrt(_inverse(inv_clean[0, c])) if valid else 0.0
                clean[2, c] = _inverse(inv_clean[1, c]) if valid else 0.0
                clean[3, c] = _inverse(inv_clean[2, c]) if valid else 0.0
                inv_clean[4, c] = 1.0 / clean[3, c] if clean[3, c] != 0.0 else 0.0
                weights[c] = 0.0
                slopes[c] = 0.0
                inv_poisson[c] = 0.0
                inv_rnoise[c] = 0.0
                inv_rnoise_charge[c] = 0.0
                charge[c] = 0
                bits_any[c] = 0
                bits_all[c] = BAD
            for i in range(nints):
                _add_clean(
                    flags[i], kind[i], pixel[:width], inv_clean, slope_clean[i],
                    weights, slopes, inv_poisson, inv_rnoise, inv_rnoise_charge, bits_any, bits_all,
                )  # fmt: skip
                right = left + width
                _store_clean(
                    pixel[:width], clean, slope_clean[i], slope_int[i, row, left:right], dq_int[i, row, left:right],
                    err_int[i, row, left:right], var_p_int[i, row, left:right], var_r_int[i, row, left:right],
                )  # fmt: skip
                for c in range(width):
                    g_e = float64(gain[row, left + c])
                    flag = flags[i, c]
                    if flag == 0 and kind[i, c] == RAMP:
                        continue
                    bits = pixel[c] | (flag & JUMP) | _unusable(q, i, c, flag)
                    if ignore_persistence:
                        bits |= flag & PERSISTENCE
                    int_total = 0.0
                    int_poisson = 0.0
                    int_rnoise = 0.0
                    int_weights = 0.0
                    int_slopes = 0.0
                    number = find_segments(q, i, c, True, segments)
                    for s in range(number):
                        start, length = segments[s, 0], segments[s, 1]
                        time = times[kind[i, c]] if length == 1 else times[RAMP]
                        v_p = poisson_variance(rate[c], dark[row, left + c], g_e, time, length)
                        v_r = read_variance(noise[c], g_e, time, length)
                        weight = 1.0 / v_r if read_weights else 1.0 / (v_p + v_r)
                        int_total += 1.0 / (v_p + v_r)
                        int_poisson += 1.0 / v_p if v_p > 0.0 else 0.0
                        int_rnoise += 1.0 / v_r
                        int_weights += weight
                        each = slope_of_segment(x, i, c, start, length, time, g_e, noise[c], table, norms)
                        int_slopes += weight * each
                    weights[c] += int_weights
                    slopes[c] += int_slopes
                    inv_poisson[c] += int_poisson
                    inv_rnoise[c] += int_rnoise
                    lost = flag & CHARGELOSS != 0 and _has_charge_loss(q, i, c)
                    charge[c] |= lost
                    bits_any[c] |= bits
                    bits_all[c] &= bits
                    valid = bits & BAD == 0

                    # Groups lost to charge migration still carried read noise.
                    if lost:
                        int_rnoise = 0.0
                        for g in range(ngroups):
                            group = groups[0] + g
                            raw = int64(gdq[i, group, row, left + c])
                            if raw & LOST == LOST:
                                raw &= ~LOST
                            elif group < groups[2] or group > groups[3]:
                                raw |= DNU
                            if ignore_persistence:
                                raw &= ~PERSISTENCE
                            q_charge[0, g, 0] = raw
                        for s in range(find_segments(q_charge, 0, 0, False, segments)):
                            length = segments[s, 1]
                            time = times[kind[i, c]] if length == 1 else times[RAMP]
                            v_r = read_variance(noise[c], g_e, time, length)
                            int_rnoise += 1.0 / v_r if v_r > 0.0 else 0.0
                    v_r = _inverse(int_rnoise) if valid or lost else 0.0
                    inv_rnoise_charge[c] += 1.0 / v_r if v_r != 0.0 else 0.0

                    if any_saturated:
                        bits |= flag & SAT
                        bits_any[c] |= flag & SAT
                    dq_int[i, row, left + c] = bits
                    var_r_int[i, row, left + c] = v_r
                    if valid:
                        slope_int[i, row, left + c] = int_slopes / int_weights if number > 0 else 0.0
                        err_int[i, row, left + c] = math.sqrt(_inverse(int_total))
                        var_p_int[i, row, left + c] = _inverse(int_poisson)
                    else:
                        slope_int[i, row, left + c] = math.nan
                        err_int[i, row, left + c] = 0.0
                        var_p_int[i, row, left + c] = 0.0
            for c in range(width):
                bits = (bits_any[c] & ~BAD) | bits_all[c]
                dq_out[row, left + c] = bits | (bits_any[c] & SAT if any_saturated else 0)
                if bits & BAD:
                    slope[row, left + c] = math.nan
                    err[row, left + c] = 0.0
                    var_p[row, left + c] = 0.0
                    var_r[row, left + c] = 0.0
                else:
                    v_p = _inverse(inv_poisson[c])
                    v_r = _inverse(inv_rnoise[c])
                    # Without any segment this is 0/0.
                    nothing = read_weights and weights[c] == 0.0
                    slope[row, left + c] = 0.0 if nothing else slopes[c] / weights[c]
                    err[row, left + c] = math.sqrt(v_p + v_r)
                    var_p[row, left + c] = v_p
                    var_r[row, left + c] = v_r
                if charge[c] and inv_rnoise_charge[c] > 0.0:
                    var_r[row, left + c] = _inverse(inv_rnoise_charge[c])


@njit(void(_B4, _I1, boolean, boolean, _B1, _B1), **_OPTIONS)
def whole_planes(gdq, groups, suppress, ignore_persistence, do_not_use, saturated):
    """Clear the entry of every group that some pixel does not have as DO_NOT_USE, or as SATURATED."""
    nints, ngroups, nrows, nx = gdq.shape
    ignored = uint8(PERSISTENCE if ignore_persistence else 0)
    good = np.empty(nx, dtype=np.uint16)
    for row in range(nrows):
        for i in range(nints):
            good[:] = 0
            if suppress:
                for group in range(groups[2], groups[3] + 1):
                    for col in range(nx):
                        good[col] += uint16(gdq[i, group, row, col] & ~ignored == 0)
            for group in range(ngroups):
                unwanted = group < groups[2] or group > groups[3]
                for col in range(nx):
                    flag = gdq[i, group, row, col]
                    if flag & SAT == 0:
                        saturated[group] = 0
                    if flag & DNU == 0 and good[col] != 1 and not unwanted:
                        do_not_use[group] = 0
