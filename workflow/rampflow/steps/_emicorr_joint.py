"""Interference and ramps fitted together: amplitude and phase of a known wave by linear least squares.

For a trial phase the model of a pixel is a straight line and an amplitude times the wave at the times at which
the pixel is read. All pixels that are read at the same phase have the same wave, so their counts are summed
first, and pixels drop out of the problem: what is left are sums in as many bins of phase as the wave has
samples. The straight lines are eliminated, chi-square of the amplitude is a x^2 + b x, and its minimum over 500
trial phases gives phase and amplitude. Pixels that vary more than most (stars, cosmic rays) are left out.

Source: the joint algorithm of jwst's emicorr (1.18 and later),
https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import boolean, float32, float64, int32, int64, njit, uint32, void
from numba.types import Array
from scipy.interpolate import CubicSpline, make_interp_spline

from rampflow.steps._emicorr_clock import period_of

#: Trial phases in a period.
_TRIALS = 500
#: Pixels whose scatter is beyond so many times the median are not used.
_STEADY = 2.0
#: Outputs (column modulo 4) have reference pixels in the first sample of a row; these samples are not used.
_UNUSED = (1, 2)
#: A phase this close (in trial phases) to a trial phase is that phase: timings are often exact fractions of it.
_EXACT = 1e-7
#: Relative difference below which two values of chi-square may be the same but for rounding.
_TIE = 1e-5
#: Shift of the wave over all groups (periods) below which they show the same but for rounding.
_SAME = 1e-9
# Halves of the bits of a float32: medians are found by counting, first the upper then the lower halves.
_HALF = 1 << 16


class FittedWave(NamedTuple):
    """A wave with the amplitude and phase that it has in every integration.

    Attributes
    ----------
    coefficients : 2D float64 `~numpy.ndarray`
        Cubic pieces of the wave, shape (4, samples + 1); unit of phase: one sample, from half a sample before 0.
    period : float
        In pixel clocks.
    amplitudes, phases : 1D float64 `~numpy.ndarray`
        Of each integration; the phase (of a period) at its first sample.
    """

    coefficients: np.ndarray
    period: float
    amplitudes: np.ndarray
    phases: np.ndarray

    def subtract(self, sci, clock, *, integration, group, row):
        """Subtract the wave from groups of an integration, in place.

        Parameters
        ----------
        sci : 3D float32 `~numpy.ndarray`
            Counts (DN), shape (groups, rows, nx).
        clock : `~rampflow.steps._emicorr_clock.Clock`
            Timing.
        integration, group, row : int
            Place of the first value.
        """
        _subtract_wave(
            sci,
            self.coefficients,
            self.amplitudes[integration],
            self.phases[integration],
            1 / self.period,
            row * clock.row,
            clock.row,
            clock.sample,
            group,
            clock.frame / self.period % 1,
        )


def spline(wave):
    """Coefficients of the cubic spline through a periodic wave, one sample beyond both its ends.

    Parameters
    ----------
    wave : 1D `~numpy.ndarray`
        Samples in the middle of equal bins of phase.

    Returns
    -------
    2D float64 `~numpy.ndarray`
        Shape (4, samples + 1), highest power first; the first piece begins half a sample before phase 0.
    """
    wave = np.asarray(wave, np.float64)
    extended = np.concatenate([wave[-1:], wave, wave[:1]])
    return np.ascontiguousarray(CubicSpline(np.arange(len(extended)), extended).c)


def fit_wave(ramp, clock, pixeldq, *, frequency, wave, separately):
    """Fit amplitude and phase of a wave.

    Parameters
    ----------
    ramp : `~rampflow.steps.emicorr.Ramp`
        The exposure.
    clock : `~rampflow.steps._emicorr_clock.Clock`
        Its timing.
    pixeldq : 2D `~numpy.ndarray`
        Pixels with any flag are not used, shape (rows, columns).
    frequency : float
        Of the wave (Hz).
    wave : 1D `~numpy.ndarray`
        A period of it (DN).
    separately : bool
        Each integration has its own amplitude and phase; otherwise they are the same for all.

    Returns
    -------
    FittedWave
        What to subtract. Amplitudes are 0 where nothing could be fitted: no pixel is left, or a frame takes a whole
        number of periods, so that all groups of a pixel show the same.
    """
    period = period_of(frequency)
    coefficients = spline(wave)
    step = clock.frame / period % 1
    if min(step, 1 - step) * ramp.shape[1] < _SAME:
        return FittedWave(coefficients, period, *np.zeros((2, ramp.shape[0])))
    limit = np.float32(_STEADY) * _median_scatter(ramp)
    # The dtype of a bin number leaves room for "not used", the last one.
    bins = _bins(clock, pixeldq.shape, period, len(wave))
    bins[pixeldq != 0] = len(wave)
    collect = partial(_quadratics, ramp, bins=bins, limit=limit, coefficients=coefficients, step=step)
    nints = ramp.shape[0]
    curves = np.empty((nints, 2, _TRIALS))
    for integration, values in enumerate(ramp.each(collect, range(nints))):
        curves[integration] = values
    advance = clock.integration / period % 1 * np.arange(nints)
    anew = None
    if abs(step - 0.5) * ramp.shape[1] < _SAME:
        anew = partial(_quadratics_anew, ramp, bins=bins, limit=limit, wave=wave, step=step)
    parts = [[i] for i in range(nints)] if separately else [range(nints)]
    best = [_best(curves[part], advance[part], anew and partial(anew, part)) for part in parts]
    best = best if separately else best * nints
    phases, amplitudes = np.array(best).T
    return FittedWave(coefficients, period, np.ascontiguousarray(amplitudes), (phases + advance) % 1)


# --- pixels that do not vary too much ------------------------------------------------------------------------


def _median_scatter(ramp):
    """Median of the standard deviations over the groups, of all pixels of all integrations; exact, by counting."""
    upper = sum(ramp.each(partial(_count_upper, ramp), range(ramp.shape[0])), np.zeros(_HALF, np.int64))
    total = upper.sum()
    if total == 0:
        return np.float32(np.nan)
    cumulative = np.cumsum(upper)
    ranks = [(total - 1) // 2, total // 2]
    wanted = [int(np.searchsorted(cumulative, rank, side="right")) for rank in ranks]
    lower = sum(
        ramp.each(partial(_count_lower, ramp, wanted=tuple(wanted)), range(ramp.shape[0])),
        np.zeros((2, _HALF), np.int64),
    )
    middle = np.empty(2, np.uint32)
    for k, (rank, half) in enumerate(zip(ranks, wanted, strict=True)):
        within = rank - (cumulative[half - 1] if half else 0)
        middle[k] = (half << 16) + np.searchsorted(np.cumsum(lower[k]), within, side="right")
    return middle.view(np.float32).mean(dtype=np.float32)


def _scatters(ramp, integration):
    for _, sci in ramp.rows(integration):
        yield _scatter(sci).view(np.uint32)


def _count_upper(ramp, integration):
    counts = np.zeros(_HALF, np.int64)
    for keys in _scatters(ramp, integration):
        _count(keys, counts, True, 0)
    return counts


def _count_lower(ramp, integration, wanted):
    counts = np.zeros((2, _HALF), np.int64)
    for keys in _scatters(ramp, integration):
        for k, half in enumerate(wanted):
            _count(keys, counts[k], False, half)
    return counts


@njit(
    float32[:, ::1](Array(float32, 3, "C", readonly=True)),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _scatter(sci):
    """Work out the population standard deviation over the groups, (rows, columns)."""
    ngroups, rows, nx = sci.shape
    scatter = np.empty((rows, nx), np.float32)
    mean, total = np.empty(nx), np.empty(nx)
    for y in range(rows):
        mean[:] = 0
        total[:] = 0
        for g in range(ngroups):
            for x in range(nx):
                mean[x] += sci[g, y, x]
        for x in range(nx):
            mean[x] /= ngroups
        for g in range(ngroups):
            for x in range(nx):
                deviation = sci[g, y, x] - mean[x]
                total[x] += deviation * deviation
        for x in range(nx):
            scatter[y, x] = math.sqrt(total[x] / ngroups)
    return scatter


@njit(
    void(Array(uint32, 2, "C", readonly=True), int64[::1], boolean, int64),
    cache=True,
    nogil=True,
)
def _count(keys, counts, upper, half):
    """Count upper halves of keys, or the lower halves of those that have a given upper one; NaN is passed over."""
    rows, nx = keys.shape
    for y in range(rows):
        for x in range(nx):
            key = int64(keys[y, x])
            if key > 0x7F800000:
                continue
            if upper:
                counts[key >> 16] += 1
            elif key >> 16 == half:
                counts[key & 0xFFFF] += 1


# --- sums in bins of phase, and chi-square for all trial phases ------------------------------------------------


def _bins(clock, shape, period, nbins):
    """Bin of phase of every pixel in the first frame, int32 (rows, columns); ``nbins`` where it is not used."""
    rows, nx = shape
    samples = np.arange(nx // 4)
    clocks = np.arange(rows)[:, None] * clock.row + samples * clock.sample
    bins = np.full(shape, nbins, np.int32)
    phase = (clocks / period % 1 * nbins).astype(np.int32)
    phase[:, [k for k in _UNUSED if k < len(samples)]] = nbins
    bins[:, : 4 * len(samples)] = np.repeat(phase, 4, axis=1)
    return bins


def _quadratics(ramp, integration, *, bins, limit, coefficients, step):
    """Coefficients a and b of chi-square = a x^2 + b x of an integration, for every trial phase at its start."""
    sums, counts = _phase_sums(ramp, integration, bins, limit, coefficients.shape[1] - 1)
    return _trial_sums(sums, counts, coefficients, step, _TRIALS)


def _quadratics_anew(ramp, integrations, trials, *, bins, limit, wave, step):
    """Work out some of the coefficients again, to the last bit as jwst does.

    With half a period between frames, two phases half a period apart fit alike and rounding decides between them. So
    that it decides in the same way, sums are made in the order that was found in runs of jwst: sums over groups one
    after the other, but for the products of counts and wave, where numpy has its own way.

    Parameters
    ----------
    integrations : iterable of int
        Which.
    trials : 2D int `~numpy.ndarray`
        Trial phases (their numbers) of each, shape (integrations, n).

    Returns
    -------
    3D `~numpy.ndarray`
        a and b, shape (integrations, 2, n).
    """
    nbins, ngroups = len(wave), ramp.shape[1]
    extended = np.concatenate([wave[-1:], wave, wave[:1]]).astype(np.float64)
    curve = make_interp_spline((np.arange(nbins + 2) - 0.5) / nbins, extended)
    group = np.arange(ngroups, dtype=np.float64)[:, None]
    start = ((np.arange(nbins) + 0.5) / nbins + group * step) % 1
    t1, tt = group.sum(), (group**2).sum()
    determinant = ngroups * tt - t1**2
    result = np.empty((len(trials), 2, trials.shape[1]))
    for i, integration in enumerate(integrations):
        sums, counts = (each[..., :-1] for each in _phase_sums(ramp, integration, bins, limit, nbins))
        y1, yt = sums.sum(axis=0), (group * sums).sum(axis=0)
        for k, trial in enumerate(trials[i]):
            z = curve((start + trial / _TRIALS) % 1)
            z1, zt, zz = z.sum(axis=0), (group * z).sum(axis=0), (z**2).sum(axis=0)
            yz = np.ascontiguousarray((sums * z).T).sum(axis=1)
            a = counts / determinant * (-tt * z1**2 + 2 * t1 * z1 * zt - ngroups * zt**2 + zz * determinant)
            b = tt * z1 * y1 - t1 * zt * y1 - t1 * z1 * yt + ngroups * zt * yt
            result[i, :, k] = a.sum(), 2 / determinant * b.sum() - 2 * yz.sum()
    return result


def _phase_sums(ramp, integration, bins, limit, nbins):
    """Add up counts by phase, (groups, bins + 1), and count pixels; the last bin has what is not used."""
    sums, counts = np.zeros((ramp.shape[1], nbins + 1)), np.zeros(nbins + 1)
    for rows, sci in ramp.rows(integration):
        place = bins[rows].copy()
        place[~(_scatter(sci) < limit)] = nbins
        _sum_bins(sci, place, sums, counts)
    return sums, counts


@njit(
    void(Array(float32, 3, "C", readonly=True), int32[:, ::1], float64[:, ::1], float64[::1]),
    cache=True,
    nogil=True,
)
def _sum_bins(sci, bins, sums, counts):
    ngroups, rows, nx = sci.shape
    for y in range(rows):
        for x in range(nx):
            counts[bins[y, x]] += 1
        for g in range(ngroups):
            for x in range(nx):
                sums[g, bins[y, x]] += sci[g, y, x]


@njit(
    float64(Array(float64, 2, "C", readonly=True), float64),
    cache=True,
    nogil=True,
    inline="always",
)
def _value(coefficients, phase):
    """Wave at a phase, of which only the fraction matters."""
    nbins = coefficients.shape[1] - 1
    place = (phase - math.floor(phase)) * nbins + 0.5
    piece = min(int(place), nbins)
    t = place - piece
    return ((coefficients[0, piece] * t + coefficients[1, piece]) * t + coefficients[2, piece]) * t + coefficients[
        3, piece
    ]


@njit(
    float64[:, ::1](float64[:, ::1], float64[::1], Array(float64, 2, "C", readonly=True), float64, int64),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _trial_sums(sums, counts, coefficients, step, trials):
    # Bins and trial phases together fall on multiples of 1 / common, so that the wave is needed there only.
    ngroups, nbins = sums.shape[0], sums.shape[1] - 1
    common, remainder = nbins, trials
    while remainder:
        common, remainder = remainder, common % remainder
    per_bin, per_trial = trials // common, nbins // common
    common = per_bin * nbins
    z, z1, zt, zz = np.empty(2 * common), np.zeros(common), np.zeros(common), np.zeros(common)
    y1, yt = np.zeros(nbins), np.zeros(nbins)
    yz = np.zeros(trials)
    for g in range(ngroups):
        for k in range(common):
            value = _value(coefficients, k / common + 0.5 / nbins + g * step)
            z[k] = z[k + common] = value
            z1[k] += value
            zt[k] += g * value
            zz[k] += value * value
        for k in range(nbins):
            total = sums[g, k]
            y1[k] += total
            yt[k] += g * total
            wave = z[k * per_bin :]
            for trial in range(trials):
                yz[trial] += total * wave[trial * per_trial]
    t1, tt = ngroups * (ngroups - 1) / 2, (ngroups - 1) * ngroups * (2 * ngroups - 1) / 6
    determinant = ngroups * tt - t1 * t1
    curves = np.zeros((2, trials))
    for trial in range(trials):
        a = b = 0.0
        for k in range(nbins):
            j = (k * per_bin + trial * per_trial) % common
            a += counts[k] * (
                zz[j] - (tt * z1[j] * z1[j] - 2 * t1 * z1[j] * zt[j] + ngroups * zt[j] * zt[j]) / determinant
            )
            b += (tt * z1[j] - t1 * zt[j]) * y1[k] + (ngroups * zt[j] - t1 * z1[j]) * yt[k]
        curves[0, trial] = a
        curves[1, trial] = 2 * b / determinant - 2 * yz[trial]
    return curves


def _best(curves, advance, anew):
    """Phase (at the start of the first integration) and amplitude with the least chi-square.

    Parameters
    ----------
    curves : 3D `~numpy.ndarray`
        Shape (integrations, 2, trials): a and b.
    advance : 1D `~numpy.ndarray`
        Phase of each integration, from the first.
    anew : callable or None
        Given where phases half a period apart fit alike. Called with trial phases of each integration, shape
        (integrations, n): a and b of these to the last bit.
    """
    trials = curves.shape[2]
    a, b = np.zeros(trials), np.zeros(trials)
    for curve, ahead in zip(curves, advance, strict=True):
        shifted = np.roll(curve, -_trial_after(ahead, trials), axis=1)
        a += shifted[0]
        b += shifted[1]
    with np.errstate(all="ignore"):
        chi_square = -(b**2) / (4 * a)
    chi_square[~np.isfinite(chi_square)] = 0
    lowest = int(np.argmin(chi_square))
    if anew is not None and chi_square[lowest] < 0:
        tied = np.flatnonzero(chi_square <= chi_square[lowest] * (1 - _TIE))
        later = np.array([_trial_after(ahead, trials) for ahead in advance])
        exact_a, exact_b = anew((tied + later[:, None]) % trials).sum(axis=0)
        amplitude = -exact_b / (2 * exact_a)
        lowest = int(tied[np.argmin(exact_a * amplitude**2 + exact_b * amplitude)])
    # As the oracle has it, the neighbour across phase 0 keeps its own phase: a parabola through it is off.
    neighbours = [lowest - 1 if lowest else trials - 1, lowest, (lowest + 1) % trials]
    phase = _vertex(np.array(neighbours) / trials, chi_square[neighbours])
    # The amplitude is that of the trial phases that follow.
    chosen = [_trial_after(phase + ahead, trials) for ahead in advance]
    a, b = (sum(curves[i, k, trial] for i, trial in enumerate(chosen)) for k in range(2))
    with np.errstate(all="ignore"):
        amplitude = -b / (2 * a)
    return phase, amplitude if np.isfinite(amplitude) else 0.0


def _trial_after(phase, trials):
    """Index of the first trial phase that is not before a phase."""
    return math.ceil(phase % 1 * trials - _EXACT) % trials


def _vertex(x, y):
    """Place of the extremum of the parabola through three points; the middle one's where there is none."""
    left, right = x[1] - x[0], x[1] - x[2]
    rise, fall = y[1] - y[2], y[1] - y[0]
    bottom = left * rise - right * fall
    if bottom == 0:
        return x[1]
    return x[1] - (left**2 * rise - right**2 * fall) / (2 * bottom)


# --- subtraction ------------------------------------------------------------------------------------------------


@njit(
    void(
        float32[:, :, ::1],
        Array(float64, 2, "C", readonly=True),
        float64,
        float64,
        float64,
        int64,
        int64,
        int64,
        int64,
        float64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _subtract_wave(sci, coefficients, amplitude, phase, per_clock, start, row, sample, group, step):
    ngroups, rows, nx = sci.shape
    for g in range(ngroups):
        ahead = (group + g) * step + phase
        for y in range(rows):
            first = start + y * row
            for k in range(nx // 4):
                place = (first + k * sample) * per_clock + ahead
                value = amplitude * _value(coefficients, place)
                for x in range(4 * k, 4 * k + 4):
                    sci[g, y, x] -= value
