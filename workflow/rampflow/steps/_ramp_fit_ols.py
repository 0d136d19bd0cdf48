"""Kernels of the ordinary least-squares ramp fit.

A row of the detector is taken in blocks of columns. A block's ramps are copied once into small buffers,
because the groups of a pixel lie whole planes apart in memory and planes of a power-of-two size would
push each other out of the cache. What every pixel needs (the median of its group differences) is done for
all columns of the block side by side; what depends on the flags of a pixel is done pixel by pixel.
"""

import math

import numpy as np
from numba import boolean, float32, float64, int64, njit, uint8, uint32, void
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
_U2, _U3 = uint32[:, ::1], uint32[:, :, ::1]
_D1, _D2 = float64[::1], float64[:, ::1]
_I1, _I2 = int64[::1], int64[:, ::1]


@njit(int64(int64, int64, int64), **_OPTIONS)
def _block_width(nints, ngroups, nx):
    """Columns per block: the ramps of a block stay in the second-level cache, rows are read in long runs."""
    return min(nx, max(16, min(128, (1 << 17) // (nints * ngroups))))


@njit(void(_D2, int64, int64), **_OPTIONS)
def _sort_columns(values, n, width):
    """Sort the first `n` rows of every column: a merging network, the same steps whatever the values."""
    size = 1
    while size < n:
        step = size
        while step >= 1:
            for base in range(step % size, n - step, 2 * step):
                for low in range(base, base + min(step, n - step - base)):
                    high = low + step
                    if low // (2 * size) == high // (2 * size):
                        for col in range(width):
                            a = values[low, col]
                            b = values[high, col]
                            values[low, col] = a if a < b else b
                            values[high, col] = b if a < b else a
            step //= 2
        size *= 2


@njit(void(_B4, _F3, _I1, boolean, boolean, int64, int64, int64, _B3, _B2, _B2, _I1), **_OPTIONS)
def _load_flags(
    gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good
):  # fmt: skip
    """Decide which groups of `width` pixels of a row are usable.

    `groups` is (first kept, last kept, first wanted, last wanted). Written: the flags `q` (0: usable) of
    the kept groups, (nints, ngroups, width); `flags`, all of an integration ORed, and `kind`, how it is
    timed, (nints, width). `good` is scratch.
    """
    ignored = uint8(PERSISTENCE if ignore_persistence else 0)
    use_zeroframe = zeroframe.shape[0] > 0 and not suppress
    for integ in range(gdq.shape[0]):
        for col in range(width):
            good[col] = 0
            flags[integ, col] = 0
            kind[integ, col] = RAMP
        for group in range(gdq.shape[1]):
            g = group - groups[0]
            added = uint8(0 if groups[2] <= group <= groups[3] else DNU)
            # A jump into the first kept group is a jump from a group that is not there any more.
            cleared = uint8(JUMP if g == 0 and group > 0 else 0)
            for col in range(width):
                flag = gdq[integ, group, row, left + col] | added
                good[col] += (flag & ~ignored if suppress else flag & ~cleared) == 0
                if groups[0] <= group <= groups[1]:
                    flag &= ~cleared
                    flags[integ, col] |= flag
                    q[integ, g, col] = flag & ~ignored
        for col in range(width):
            if good[col] > 1:
                continue
            if suppress:
                if good[col] == 1:
                    flags[integ, col] |= DNU
                    for g in range(q.shape[1]):
                        q[integ, g, col] |= DNU
            elif good[col] == 1:
                if q[integ, 0, col] == 0 and gdq[integ, groups[0], row, left + col] & ignored == 0:
                    kind[integ, col] = FIRST_GROUP
            elif use_zeroframe and zeroframe[integ, row, left + col] != 0:
                kind[integ, col] = ZERO_FRAME
                q[integ, 0, col] = 0
                flags[integ, col] &= ~(DNU | SAT)
                for g in range(1, q.shape[1]):
                    flags[integ, col] |= q[integ, g, col]


@njit(void(_F4, _F3, _I1, _D1, int64, int64, int64, _B3, _B2, _F3, _D1, _D2, _I1), **_OPTIONS)
def _load_samples(sci, zeroframe, groups, times, row, left, width, q, kind, x, rate, diffs, good):
    """Copy the samples of `width` pixels of a row and find their median count rates.

    Written: the samples `x` (NaN where saturated), (nints, ngroups, width), and `rate`, the mean over the
    integrations of their median rates (DN/s). `diffs` and `good` are scratch.
    """
    nints, ngroups = x.shape[:2]
    rate[:] = 0.0
    for integ in range(nints):
        for g in range(ngroups):
            for col in range(width):
                value = sci[integ, groups[0] + g, row, left + col]
                x[integ, g, col] = value if q[integ, g, col] & SAT == 0 else np.float32(np.nan)
        if zeroframe.shape[0] > 0:
            for col in range(width):
                if kind[integ, col] == ZERO_FRAME:
                    x[integ, 0, col] = zeroframe[integ, row, left + col]
        good[:] = 0
        for g in range(ngroups - 1):
            for col in range(width):
                flag = ((q[integ, g, col] | q[integ, g + 1, col]) & (DNU | SAT)) | (q[integ, g + 1, col] & JUMP)
                diff = float64(x[integ, g + 1, col]) - float64(x[integ, g, col])
                usable = flag == 0 and diff == diff
                diffs[g, col] = diff if usable else math.inf
                good[col] += usable
        _sort_columns(diffs, ngroups - 1, width)
        for col in range(width):
            first = float64(x[integ, 0, col])
            n = good[col]
            if ngroups == 1:
                median = first / times[FIRST_GROUP]
            elif kind[integ, col] != RAMP:
                median = first / times[kind[integ, col]]
            elif n == 0:
                median = first / times[RAMP] if q[integ, 0, col] & (DNU | SAT) == 0 else 0.0
            else:
                median = 0.5 * (diffs[(n - 1) // 2, col] + diffs[n // 2, col]) / times[RAMP]
            rate[col] += median if median == median or ngroups == 1 else 0.0
    for col in range(width):
        rate[col] = rate[col] / nints if rate[col] == rate[col] else 0.0


@njit(int64(_B1, boolean, _I2), **_OPTIONS)
def _find_segments(q, check_first, segments):
    """Find the runs of good groups to fit; write (start, length) of each, return their number.

    The group that a cosmic ray hit opens the segment after it. A single group counts only where the
    integration has nothing longer, and then once.
    """
    ngroups = q.shape[0]
    if check_first and q[0] & SAT:
        return 0
    count = 0
    single = -1
    g = 0
    while g < ngroups:
        if q[g] != 0:
            g += 1
            continue
        start = g
        while g < ngroups and q[g] == 0:
            g += 1
        if start > 0 and q[start - 1] == JUMP:
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
        return 1
    return count


@njit(int64(float64, float64, float64), **_OPTIONS)
def _weight_class(signal, gain, read_noise):
    """Class of weights (index into `EXPONENTS`) of a segment that gathers this signal (DN)."""
    electrons = signal * gain
    variance = read_noise * read_noise + electrons
    # A NaN goes through all comparisons to the last class, as in the peer.
    snr = electrons / math.sqrt(variance) if not variance <= 0.0 else 0.0
    if snr < 5.0:
        return 0
    if snr < 10.0:
        return 1
    if snr < 20.0:
        return 2
    if snr < 50.0:
        return 3
    if snr < 100.0:
        return 4
    return 5


@njit(float64(int64, int64, int64), **_OPTIONS)
def _weight(index, length, weight_class):
    """Weight of one group of a segment, in units of the inverse variance of the read noise.

    The power is taken in single precision, as in the products that ours are compared with.
    """
    middle = 0.5 * (length - 1)
    return float64(float32(abs((index - middle) / middle)) ** EXPONENTS[weight_class])


@njit(float64(_F1, int64, int64, int64, _D2, _D2), **_OPTIONS)
def _weighted_slope(x, start, length, weight_class, table, norms):
    """Slope (DN per group) of a segment of three groups or more; a NaN sample counts as 0.

    The weights are symmetric about the middle of the segment, so that with u = index - middle the slope is
    sum(w u x) / sum(w u^2): one coefficient for each pair of groups. They are tabulated when a length first
    occurs; until then its entry of `norms` is 0.
    """
    half = length // 2
    row = ((length - 1) // 2) * half
    if norms[weight_class, length] == 0.0:
        norm = 0.0
        for i in range(half):
            u = 0.5 * (length - 1) - i
            table[weight_class, row + i] = _weight(i, length, weight_class) * u
            norm += 2.0 * table[weight_class, row + i] * u
        for i in range(half):
            table[weight_class, row + i] /= norm
        norms[weight_class, length] = norm
    slope = 0.0
    last = start + length - 1
    for i in range(half):
        early = float64(x[start + i])
        late = float64(x[last - i])
        if early != early:
            early = 0.0
        if late != late:
            late = 0.0
        slope += table[weight_class, row + i] * (late - early)
    return slope


@njit(float64(float64, float64, float64, int64), **_OPTIONS)
def _read_variance(read_noise, gain, time, length):
    """Variance (DN/s)^2 of the unweighted slope through `length` groups from the read noise (e-) alone."""
    if length > 2 and not gain > 0.0:
        return 0.0
    n = float64(max(length, 2))
    noise = read_noise / time
    return 12.0 * noise * noise / ((n * n * n - n) * gain * gain)


@njit(
    UniTuple(float64, 3)(_F1, int64, int64, float64, float64, float64, float64, float64, _D2, _D2), **_OPTIONS
)
def _fit_segment(x, start, length, time, rate, dark, gain, read_noise, table, norms):
    """Slope (DN/s) of a segment and its variances from photon noise and from read noise ((DN/s)^2)."""
    counts = dark + rate if rate > 0.0 else dark
    var_poisson = counts / (time * gain * max(length - 1, 1))
    var_rnoise = _read_variance(read_noise, gain, time, length)
    if length == 1:
        return float64(x[start]) / time, var_poisson, var_rnoise
    signal = float64(x[start + length - 1]) - float64(x[start])
    if length == 2:
        return signal / time, var_poisson, var_rnoise
    if not 0.0 < read_noise * read_noise < math.inf:
        return math.nan, var_poisson, var_rnoise
    weight_class = _weight_class(signal, gain, read_noise)
    return _weighted_slope(x, start, length, weight_class, table, norms) / time, var_poisson, var_rnoise


@njit(float64(float64), **_OPTIONS)
def _inverse(total):
    """Variance from a sum of inverse variances; 0 where nothing is known."""
    variance = 1.0 / total if total != 0.0 else 0.0
    return 0.0 if variance >= HUGE_VARIANCE else variance


@njit(int64(_B1, uint8), **_OPTIONS)
def _unusable(q, flags):
    """DO_NOT_USE and SATURATED of an integration: nothing to fit in it, or saturated from the first group."""
    if q[0] & SAT:
        return DNU | SAT
    if flags & (DNU | SAT) == 0:
        return 0
    saturated = True
    for g in range(q.shape[0]):
        if q[g] & (DNU | SAT) == 0:
            return 0
        saturated &= q[g] & SAT != 0
    return DNU | SAT if saturated else DNU


@njit(
    void(
        _F4, _B4, _U2, _F2, _F2, _F2, _F3, _I1, boolean, boolean, boolean, boolean, _D1,
        _F2, _U2, _F2, _F2, _F2, _F3, _U3, _F3, _F3, _F3,
    ),
    **_OPTIONS,
)  # fmt: skip
def fit_rows(
    sci, gdq, pdq, gain, read_noise, dark, zeroframe,
    groups, suppress, ignore_persistence, any_saturated, read_weights, times,
    slope, dq_out, err, var_p, var_r, slope_int, dq_int, err_int, var_p_int, var_r_int,
):  # fmt: skip
    """Fit all ramps of a block of rows; `ramp_fit.fit_ramps` describes what it does."""
    nints, _, nrows, nx = sci.shape
    ngroups = groups[1] - groups[0] + 1
    block = _block_width(nints, ngroups, nx)
    x = np.empty((nints, ngroups, block), dtype=np.float32)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    rate = np.empty(block)
    diffs = np.empty((ngroups, block))
    good = np.empty(block, dtype=np.int64)
    xp = np.empty(ngroups, dtype=np.float32)
    qp = np.empty(ngroups, dtype=np.uint8)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    norms = np.zeros((EXPONENTS.size, ngroups + 1))
    table = np.empty((EXPONENTS.size, (ngroups // 2) * ((ngroups + 1) // 2)))
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            _load_flags(
                gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good
            )
            _load_samples(sci, zeroframe, groups, times, row, left, width, q, kind, x, rate, diffs, good)
            for c in range(width):
                col = left + c
                g_e = float64(gain[row, col])
                r_e = float64(read_noise[row, col])
                d_dn = float64(dark[row, col])
                pixel = int64(pdq[row, col])
                if not g_e > 0.0:
                    pixel |= NO_GAIN
                any_int = 0
                any_charge = 0
                every_int = DNU | SAT
                any_group = 0
                sum_weights = 0.0
                sum_slopes = 0.0
                inv_poisson = 0.0
                inv_rnoise = 0.0
                inv_rnoise_charge = 0.0
                for i in range(nints):
                    flag = flags[i, c]
                    time_1 = times[kind[i, c]]
                    for g in range(ngroups):
                        xp[g] = x[i, g, c]
                        qp[g] = q[i, g, c]
                    if flag == 0:
                        number = 1
                        segments[0, 0] = 0
                        segments[0, 1] = ngroups
                    else:
                        number = _find_segments(qp, True, segments)

                    int_total = 0.0
                    int_poisson = 0.0
                    int_rnoise = 0.0
                    int_weights = 0.0
                    int_slopes = 0.0
                    for s in range(number):
                        length = segments[s, 1]
                        time = time_1 if length == 1 else times[RAMP]
                        b, v_p, v_r = _fit_segment(
                            xp, segments[s, 0], length, time, rate[c], d_dn, g_e, r_e, table, norms
                        )
                        int_total += 1.0 / (v_p + v_r)
                        int_rnoise += 1.0 / v_r
                        if v_p > 0.0:
                            int_poisson += 1.0 / v_p
                        weight = 1.0 / v_r if read_weights else 1.0 / (v_p + v_r)
                        int_weights += weight
                        int_slopes += b * weight
                    sum_weights += int_weights
                    sum_slopes += int_slopes
                    inv_poisson += int_poisson
                    inv_rnoise += int_rnoise

                    if flag & CHARGELOSS:
                        for g in range(ngroups):
                            raw = int64(gdq[i, groups[0] + g, row, col])
                            if raw & CHARGELOSS:
                                raw &= ~(CHARGELOSS | DNU)
                            elif groups[0] + g < groups[2] or groups[0] + g > groups[3]:
                                raw |= DNU
                            if ignore_persistence:
                                raw &= ~PERSISTENCE
                            qp[g] = raw
                        int_rnoise = 0.0
                        for s in range(_find_segments(qp, False, segments)):
                            length = segments[s, 1]
                            time = time_1 if length == 1 else times[RAMP]
                            v_r = _read_variance(r_e, g_e, time, length)
                            int_rnoise += 1.0 / v_r if v_r > 0.0 else 0.0
                        for g in range(ngroups):
                            qp[g] = q[i, g, c]
                    bits = pixel | (flag & JUMP) | _unusable(qp, flag)
                    if ignore_persistence:
                        bits |= flag & PERSISTENCE
                    v_r = _inverse(int_rnoise) if bits & (DNU | SAT) == 0 or flag & CHARGELOSS else 0.0
                    var_r_int[i, row, col] = v_r
                    inv_rnoise_charge += 1.0 / v_r if v_r != 0.0 else 0.0
                    any_charge |= flag & CHARGELOSS
                    any_int |= bits
                    every_int &= bits
                    if any_saturated:
                        any_group |= flag & SAT
                    dq_int[i, row, col] = bits | (flag & SAT if any_saturated else 0)
                    if bits & (DNU | SAT):
                        slope_int[i, row, col] = np.nan
                        err_int[i, row, col] = 0.0
                        var_p_int[i, row, col] = 0.0
                    else:
                        slope_int[i, row, col] = int_slopes / int_weights if number > 0 else 0.0
                        err_int[i, row, col] = math.sqrt(_inverse(int_total))
                        var_p_int[i, row, col] = _inverse(int_poisson)

                bits = (any_int & ~(DNU | SAT)) | every_int
                dq_out[row, col] = bits | any_group
                if bits & (DNU | SAT):
                    slope[row, col] = np.nan
                    err[row, col] = 0.0
                    var_p[row, col] = 0.0
                    var_r[row, col] = 0.0
                else:
                    # Without a segment this is 0/0.
                    slope[row, col] = sum_slopes / sum_weights if sum_weights != 0.0 or not read_weights else 0.0
                    var_p[row, col] = _inverse(inv_poisson)
                    var_r[row, col] = _inverse(inv_rnoise)
                    err[row, col] = math.sqrt(_inverse(inv_poisson) + _inverse(inv_rnoise))
                if any_charge:
                    var_r[row, col] = _inverse(inv_rnoise_charge)


@njit(void(_B4, _I1, boolean, boolean, _B1, _B1), **_OPTIONS)
def whole_planes(gdq, groups, suppress, ignore_persistence, do_not_use, saturated):
    """Clear the entries of `do_not_use` and `saturated` of groups in which some pixel is not flagged so."""
    nints, ngroups, nrows, nx = gdq.shape
    ignored = uint8(PERSISTENCE if ignore_persistence else 0)
    good = np.empty(nx, dtype=np.int64)
    for row in range(nrows):
        for i in range(nints):
            good[:] = 0
            if suppress:
                for g in range(ngroups):
                    if groups[2] <= g <= groups[3]:
                        for col in range(nx):
                            good[col] += gdq[i, g, row, col] & ~ignored == 0
            for g in range(ngroups):
                wanted = groups[2] <= g <= groups[3]
                unsaturated = 0
                usable = 0
                for col in range(nx):
                    flag = gdq[i, g, row, col]
                    unsaturated += flag & SAT == 0
                    usable += flag & DNU == 0 and good[col] != 1
                if unsaturated > 0:
                    saturated[g] = 0
                if usable > 0 and wanted:
                    do_not_use[g] = 0


@njit(UniTuple(int64, 2)(_B4, _F3, _I1, boolean, boolean), **_OPTIONS)
def count_rows(gdq, zeroframe, groups, suppress, ignore_persistence):
    """Largest number of segments, and of jumps, in an integration of a pixel."""
    nints, _, nrows, nx = gdq.shape
    ngroups = groups[1] - groups[0] + 1
    block = _block_width(nints, ngroups, nx)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    good = np.empty(block, dtype=np.int64)
    qp = np.empty(ngroups, dtype=np.uint8)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    most_segments = 0
    most_jumps = 0
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            _load_flags(
                gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good
            )
            for i in range(nints):
                for c in range(width):
                    jumps = 0
                    for g in range(ngroups):
                        qp[g] = q[i, g, c]
                        jumps += g > 0 and qp[g] & JUMP != 0
                    number = _find_segments(qp, True, segments)
                    if number == 1 and segments[0,1] == 1:
                        number = np.sum(qp == 0)
                    most_segments = max(most_segments, number)
                    most_jumps = max(most_jumps, jumps)
    return most_segments, most_jumps


@njit(
    void(
        _F4, _B4, _U2, _F2, _F2, _F2, _F3, _I1, boolean, boolean, boolean, boolean, _D1, float64, _F3,
        _F4, _F4, _F4, _F4, _F4, _F4, _F3, _F4, _F4,
    ),
    **_OPTIONS,
)  # fmt: skip
def optional_rows(
    sci, gdq, pdq, gain, read_noise, dark, zeroframe,
    groups, suppress, ignore_persistence, any_saturated, read_weights, times, delay, slope_int,
    slope, sigma_slope, var_p, var_r, intercept, sigma_intercept, pedestal, weights, jumps,
):  # fmt: skip
    """Write what the optional product holds; `ramp_fit.fit_optional` describes it."""
    nints, _, nrows, nx = sci.shape
    ngroups = groups[1] - groups[0] + 1
    block = _block_width(nints, ngroups, nx)
    x = np.empty((nints, ngroups, block), dtype=np.float32)
    q = np.empty((nints, ngroups, block), dtype=np.uint8)
    flags = np.empty((nints, block), dtype=np.uint8)
    kind = np.empty((nints, block), dtype=np.uint8)
    rate = np.empty(block)
    diffs = np.empty((ngroups, block))
    good = np.empty(block, dtype=np.int64)
    xp = np.empty(ngroups, dtype=np.float32)
    qp = np.empty(ngroups, dtype=np.uint8)
    segments = np.empty((ngroups, 2), dtype=np.int64)
    norms = np.zeros((EXPONENTS.size, ngroups + 1))
    table = np.empty((EXPONENTS.size, (ngroups // 2) * ((ngroups + 1) // 2)))
    for row in range(nrows):
        for left in range(0, nx, block):
            width = min(block, nx - left)
            _load_flags(
                gdq, zeroframe, groups, suppress, ignore_persistence, row, left, width, q, flags, kind, good
            )
            _load_samples(sci, zeroframe, groups, times, row, left, width, q, kind, x, rate, diffs, good)
            for c in range(width):
                col = left + c
                g_e = float64(gain[row, col])
                r_e = float64(read_noise[row, col])
                d_dn = float64(dark[row, col])
                for i in range(nints):
                    jump = 0
                    for g in range(ngroups):
                        xp[g] = x[i, g, c]
                        qp[g] = q[i, g, c]
                        if g > 0 and qp[g] & JUMP:
                            before = sci[i, groups[0], row, col] if g == 1 and kind[i, c] == ZERO_FRAME else xp[g - 1]
                            jumps[i, jump, row, col] = float64(xp[g]) - float64(before)
                            jump += 1
                    b = float64(slope_int[i, row, col])
                    start = float64(xp[0]) - b * delay
                    if start != start or qp[0] & SAT:
                        start = 0.0
                    pedestal[i, row, col] = start
                    for s in range(_find_segments(qp, True, segments)):
                        first = segments[s, 0]
                        length = segments[s, 1]
                        time = times[kind[i, c]] if length == 1 else times[RAMP]
                        b, v_p, v_r = _fit_segment(
                            xp, first, length, time, rate[c], d_dn, g_e, r_e, table, norms
                        )
                        slope[i, s, row, col] = b
                        var_p[i, s, row, col] = v_p
                        var_r[i, s, row, col] = v_r
                        weights[i, s, row, col] = 1.0 / v_r if read_weights else 1.0 / ((v_p + v_r) * (v_p + v_r))
                        if length == 2:
                            intercept[i, s, row, col] = float64(xp[first]) - b * times[RAMP] * first
                            sigma_slope[i, s, row, col] = math.sqrt(2.0) * r_e
                            sigma_intercept[i, s, row, col] = math.sqrt(2.0) * r_e
                        elif length > 2:
                            signal = float64(xp[first + length - 1]) - float64(xp[first])
                            weight_class = _weight_class(signal, g_e, r_e)
                            sum_w = 0.0
                            sum_wx = 0.0
                            sum_uu = 0.0
                            for k in range(length):
                                w = _weight(k, length, weight_class) / (r_e * r_e) if 0<r_e*r_e<math.inf else math.nan
                                u = k - 0.5 * (length - 1)
                                value = float64(xp[first + k])
                                sum_w += w
                                sum_uu += w * u * u
                                sum_wx += w * (value if value == value else 0.0)
                            centre = first + 0.5 * (length - 1)
                            intercept[i, s, row, col] = sum_wx / sum_w - b * times[RAMP] * centre
                            sigma_slope[i, s, row, col] = math.sqrt(1.0 / sum_uu)
                            sigma_intercept[i, s, row, col] = math.sqrt(1.0 / sum_w + centre * centre / sum_uu)

