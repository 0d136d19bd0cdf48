"""Interference and ramps fitted together: amplitude and phase of a known wave by linear least squares.

For a trial phase the model of a pixel is a straight line and an amplitude times the wave at the times at which
the pixel is read. All pixels that are read at the same phase have the same wave, so their counts are summed
first, and pixels drop out of the problem: what is left are sums in as many bins of phase as the wave has
samples. The straight lines are eliminated, chi-square of the amplitude is a x^2 + b x, and its minimum over 500
trial phases gives phase and amplitude. Pixels that vary more than most (stars, cosmic rays) are left out.

Source: the joint algorithm of jwst's emicorr (1.18 and later),
https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numba import boolean, float32, float64, int32, int64, njit, uint32, void
from numba.types import Array
from scipy.interpolate import CubicSpline, make_interp_spline

from rampflow.steps.emicorr.clock import period_of

#: Trial phases in a period.
_TRIALS = 500
#: Pixels whose scatter is beyond so many times the median are not used.
_STEADY = 2.0
#: Outputs (column modulo 4) have reference pixels in the first sample of a row; these samples are not used.
_UNUSED = (1, 2)
#: Relative difference below which two values of chi-square may be the same but for rounding.
_TIE = 1e-5
#: Periods: a difference of phase below it is one of rounding; so is a shift of the wave over all groups.
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
        clock : `~rampflow.steps.emicorr.clock.Clock`
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
    clock : `~rampflow.steps.emicorr.clock.Clock`
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
    scatters = Scatters(ramp)
    limit = np.float32(_STEADY) * _median_scatter(scatters)
    # The dtype of a bin number leaves room for "not used", the last one.
    bins = _bins(clock, pixeldq.shape, period, len(wave))
    bins[pixeldq != 0] = len(wave)
    pick = partial(_phase_sums, scatters, bins=bins, limit=limit, nbins=len(wave))
    collect = partial(_quadratics, pick, coefficients=coefficients, step=step)
    nints = ramp.shape[0]
    curves = np.empty((nints, 2, _TRIALS))
    for integration, values in enumerate(ramp.each(collect, range(nints))):
        curves[integration] = values
    # Not the fraction alone, and as a sum of two parts: the timing of integrations is often that of a trial phase, and
    # rounding decides whether it is the trial phase that follows.
    advance = (step * ramp.shape[1] + (clock.integration - ramp.shape[1] * clock.frame) / period) * np.arange(nints)
    anew = None
    if abs(step - 0.5) * ramp.shape[1] < _SAME:
        anew = partial(_quadratics_anew, pick, wave=wave, step=step)
    parts = [[i] for i in range(nints)] if separately else [range(nints)]
    best = [_best(curves[part], advance[part], anew and partial(anew, part)) for part in parts]
    best = best if separately else best * nints
    phases, amplitudes = np.array(best).T
    return FittedWave(coefficients, period, np.ascontiguousarray(amplitudes), (phases + advance) % 1)


# --- pixels that do not vary too much ------------------------------------------------------------------------


class Scatters:
    """Standard deviations over the groups, worked out once for as many integrations as there is room for.

    Parameters
    ----------
    ramp : `~rampflow.steps.emicorr.Ramp`
        The exposure.
    """

    def __init__(self, ramp):
        self.ramp, self.kept = ramp, {}
        self.most = ramp.room // (4 * ramp.shape[2] * ramp.shape[3])

    def of(self, integration):
        """Give those of an integration, float32 (rows, columns)."""
        if integration in self.kept:
            return self.kept[integration]
        scatter = np.empty(self.ramp.shape[2:], np.float32)
        for rows, sci in self.ramp.rows(integration):
            scatter[rows] = _scatter(sci)
        if integration < self.most:
            self.kept[integration] = scatter
        return scatter

    def with_counts(self, integration):
        """Yield an integration in blocks of rows: (rows, counts, scatter)."""
        known = self.kept.get(integration)
        for rows, sci in self.ramp.rows(integration):
            yield rows, sci, _scatter(sci) if known is None else known[rows]


def _median_scatter(scatters):
    """Median of the standard deviations of all pixels of all integrations; exact, by counting."""
    each, every = scatters.ramp.each, range(scatters.ramp.shape[0])
    upper = sum(each(partial(_count_upper, scatters), every), np.zeros(_HALF, np.int64))
    total = upper.sum()
    if total == 0:
        return np.float32(np.nan)
    cumulative = np.cumsum(upper)
    ranks = [(total - 1) // 2, total // 2]
    wanted = [int(np.searchsorted(cumulative, rank, side="right")) for rank in ranks]
    lower = sum(each(partial(_count_lower, scatters, wanted=wanted), every), np.zeros((2, _HALF), np.int64))
    middle = np.empty(2, np.uint32)
    for k, (rank, half) in enumerate(zip(ranks, wanted, strict=True)):
        within = rank - (cumulative[half - 1] if half else 0)
        middle[k] = (half << 16) + np.searchsorted(np.cumsum(lower[k]), within, side="right")
    return middle.view(np.float32).mean(dtype=np.float32)


def _count_upper(scatters, integration):
    counts = np.zeros(_HALF, np.int64)
    _count(scatters.of(integration).view(np.uint32), counts, True, 0)
    return counts


def _count_lower(scatters, integration, wanted):
    counts = np.zeros((2, _HALF), np.int64)
    keys = scatters.of(integration).view(np.uint32)
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
    # In single precision and group by group, as in jwst: with counts of some thousand the result is off in the last
    # digits, and these decide about pixels at the limit.
    mean, total = np.empty(nx, np.float32), np.empty(nx, np.float32)
    number = float32(ngroups)
    for y in range(rows):
        mean[:] = 0
        total[:] = 0
        for g in range(ngroups):
            for x in range(nx):
                mean[x] += sci[g, y, x]
        for x in range(nx):
            mean[x] /= number
        for g in range(ngroups):
            for x in range(nx):
                deviation = sci[g, y, x] - mean[x]
                total[x] += deviation * deviation
        for x in range(nx):
            scatter[y, x] = np.sqrt(total[x] / number)
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


def _quadratics(pick, integration, *, coefficients, step):
    """Coefficients a and b of chi-square = a x^2 + b x of an integration, for every trial phase at its start."""
    return _trial_sums(*pick(integration), coefficients, step, _TRIALS)


def _quadratics_anew(pick, integrations, trials, *, wave, step):
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
    nbins = len(wave)
    extended = np.concatenate([wave[-1:], wave, wave[:1]]).astype(np.float64)
    curve = make_interp_spline((np.arange(nbins + 2) - 0.5) / nbins, extended)
    result = np.empty((len(trials), 2, trials.shape[1]))
    for i, integration in enumerate(integrations):
        sums, counts = (each[..., :-1] for each in pick(integration))
        ngroups = len(sums)
        group = np.arange(ngroups, dtype=np.float64)[:, None]
        start = ((np.arange(nbins) + 0.5) / nbins + group * step) % 1
        t1, tt = group.sum(), (group**2).sum()
        determinant = ngroups * tt - t1**2
        y1, yt = sums.sum(axis=0), (group * sums).sum(axis=0)
        for k, trial in enumerate(trials[i]):
            z = curve((start + trial / _TRIALS) % 1)
            z1, zt, zz = z.sum(axis=0), (group * z).sum(axis=0), (z**2).sum(axis=0)
            yz = np.ascontiguousarray((sums * z).T).sum(axis=1)
            a = counts / determinant * (-tt * z1**2 + 2 * t1 * z1 * zt - ngroups * zt**2 + zz * determinant)
            b = tt * z1 * y1 - t1 * zt * y1 - t1 * z1 * yt + ngroups * zt * yt
            result[i, :, k] = a.sum(), 2 / determinant * b.sum() - 2 * yz.sum()
    return result


def _phase_sums(scatters, integration, *, bins, limit, nbins):
    """Add up counts by phase, (groups, bins + 1), and count pixels; the last bin has what is not used."""
    sums, counts = np.zeros((scatters.ramp.shape[1], nbins + 1)), np.zeros(nbins + 1)
    for rows, sci, scatter in scatters.with_counts(integration):
        place = bins[rows].copy()
        place[~(scatter < limit)] = nbins
        _sum_bins(sci, place, sums, counts)
    return sums, counts


@njit(
    void(Array(float32, 3, "C", readonly=True), int32[:, ::1], float64[:, ::1], float64[::1]),
    cache=True,
    nogil=True,
)
def _sum_bins(sci, bins, sums, counts):
    ngroups, rows, nx = sci.shape
    whole = np.empty(nx // 4, np.bool_)
    for y in range(rows):
        for x in range(nx):
            counts[bins[y, x]] += 1
        # Four neighbours are read at the same time, so mostly all or none of them are used.
        for k in range(nx // 4):
            x = 4 * k
            whole[k] = bins[y, x] == bins[y, x + 1] == bins[y, x + 2] == bins[y, x + 3]
        for g in range(ngroups):
            for k in range(nx // 4):
                x = 4 * k
                if whole[k]:
                    four = float64(sci[g, y, x]) + sci[g, y, x + 1] + sci[g, y, x + 2] + sci[g, y, x + 3]
                    sums[g, bins[y, x]] += four
                else:
                    for i in range(x, x + 4):
                        sums[g, bins[y, i]] += sci[g, y, i]


@njit(
    float64(Array(float64, 2, "C", readonly=True), float64),
    cache=True,
    nogil=True,
    inline="always",
)
def _value(coefficients, phase):
    """Wave at a phase, of which only the fraction matters."""
    nbins = coefficients.shape[1] - 1
    place = (phase - np.floor(phase)) * nbins + 0.5
    piece = min(int32(place), int32(nbins))
    t = place - piece
    return ((coefficients[0, piece] * t + coefficients[1, piece]) * t + coefficients[2, piece]) * t + coefficients[
        3, piece
    ]


@njit(cache=True, nogil=True, inline="always")
def _seen(z, place, per_trial, trials):
    """Cut out what a bin at a multiple of 1 / common sees of the wave at all trial phases."""
    start = place // per_trial
    return z[place % per_trial, start : start + trials]


@njit(cache=True, nogil=True, error_model="numpy")
def _at_ends(step, ngroups, nbins, common):
    """Find the multiple of 1 / common that a group sees at phase 0, but for rounding; -1 if there is none."""
    places = np.empty(ngroups, np.int64)
    for g in range(ngroups):
        left = -(0.5 / nbins + g * step) % 1 * common
        nearest = np.rint(left)
        places[g] = int64(nearest) % common if abs(left - nearest) < _SAME * common else -1
    return places


@njit(
    float64[:, ::1](float64[:, ::1], float64[::1], Array(float64, 2, "C", readonly=True), float64, int64),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _trial_sums(sums, counts, coefficients, step, trials):
    # Bins and trial phases together fall on multiples of 1 / common, so that the wave is needed there only. It is
    # kept such that what one bin sees at all trial phases lies together, twice over since they go round.
    ngroups, nbins = sums.shape[0], sums.shape[1] - 1
    shared, remainder = nbins, trials
    while remainder:
        shared, remainder = remainder, shared % remainder
    per_bin, per_trial = trials // shared, nbins // shared
    common = per_bin * nbins
    z = np.empty((per_trial, 2 * trials))
    z1, zt, zz = np.zeros((per_trial, trials)), np.zeros((per_trial, trials)), np.zeros((per_trial, trials))
    y1, yt = np.zeros(nbins), np.zeros(nbins)
    yz = np.zeros(trials)
    for g in range(ngroups):
        for k in range(common):
            value = _value(coefficients, k / common + 0.5 / nbins + g * step)
            line, place = k % per_trial, k // per_trial
            z[line, place] = z[line, place + trials] = value
            z1[line, place] += value
            zt[line, place] += g * value
            zz[line, place] += value * value
        for k in range(nbins):
            y1[k] += sums[g, k]
            yt[k] += g * sums[g, k]
        # Four bins at a time: the sums are read and written less often.
        for k in range(0, nbins - nbins % 4, 4):
            a, b, c, d = sums[g, k], sums[g, k + 1], sums[g, k + 2], sums[g, k + 3]
            wave_a = _seen(z, k * per_bin, per_trial, trials)
            wave_b = _seen(z, (k + 1) * per_bin, per_trial, trials)
            wave_c = _seen(z, (k + 2) * per_bin, per_trial, trials)
            wave_d = _seen(z, (k + 3) * per_bin, per_trial, trials)
            for t in range(trials):
                yz[t] += (a * wave_a[t] + b * wave_b[t]) + (c * wave_c[t] + d * wave_d[t])
        for k in range(nbins - nbins % 4, nbins):
            wave_a = _seen(z, k * per_bin, per_trial, trials)
            for t in range(trials):
                yz[t] += sums[g, k] * wave_a[t]
    t1, tt = ngroups * (ngroups - 1) / 2, (ngroups - 1) * ngroups * (2 * ngroups - 1) / 6
    determinant = ngroups * tt - t1 * t1
    curves = np.zeros((2, trials))
    for trial in range(trials):
        a = b = 0.0
        for k in range(nbins):
            j = k * per_bin
            line, place = j % per_trial, (j // per_trial + trial) % trials
            one, time, square = z1[line, place], zt[line, place], zz[line, place]
            a += counts[k] * (square - (tt * one * one - 2 * t1 * one * time + ngroups * time * time) / determinant)
            b += (tt * one - t1 * time) * y1[k] + (ngroups * time - t1 * one) * yt[k]
        curves[0, trial] = a
        curves[1, trial] = 2 * b / determinant - 2 * yz[trial]
    # At phase 0 the two ends of the spline meet, which do not quite agree, and where a bin falls on it rounding decides
    # which it sees: that of bin and trial phase, as in jwst, and not that of their place.
    at_end = _at_ends(step, ngroups, nbins, common)
    for first in range(ngroups):
        joint = at_end[first]
        if joint < 0 or (at_end[:first] == joint).any():
            continue
        for k in range(nbins):
            j = k * per_bin
            if (joint - j) % per_trial:
                continue
            trial = (joint - j) % common // per_trial
            one = time = square = product = 0.0
            for g in range(first, ngroups):
                if at_end[g] == joint:
                    was = _value(coefficients, joint / common + 0.5 / nbins + g * step)
                    seen = _value(coefficients, ((k + 0.5) / nbins + g * step) % 1 + trial / trials)
                    one += seen - was
                    time += g * (seen - was)
                    square += seen * seen - was * was
                    product += sums[g, k] * (seen - was)
            line, place = joint % per_trial, joint // per_trial
            twice1, twicet = 2 * z1[line, place] + one, 2 * zt[line, place] + time
            squares = tt * one * twice1 - t1 * (one * twicet + twice1 * time) + ngroups * time * twicet
            curves[0, trial] += counts[k] * (square - squares / determinant)
            b = (tt * one - t1 * time) * y1[k] + (ngroups * time - t1 * one) * yt[k]
            curves[1, trial] += 2 * b / determinant - 2 * product
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
    grid = np.arange(trials) / trials
    a, b = np.zeros(trials), np.zeros(trials)
    for curve, ahead in zip(curves, advance, strict=True):
        later = _trials_after(grid, ahead, trials)
        a += curve[0, later]
        b += curve[1, later]
    with np.errstate(all="ignore"):
        chi_square = -(b**2) / (4 * a)
    chi_square[~np.isfinite(chi_square)] = 0
    lowest = int(np.argmin(chi_square))
    if anew is not None and chi_square[lowest] < 0:
        tied = np.flatnonzero(chi_square <= chi_square[lowest] * (1 - _TIE))
        later = np.array([_trials_after(grid[tied], ahead, trials) for ahead in advance])
        exact_a, exact_b = anew(later).sum(axis=0)
        amplitude = -exact_b / (2 * exact_a)
        lowest = int(tied[np.argmin(exact_a * amplitude**2 + exact_b * amplitude)])
    # As the oracle has it, the neighbour across phase 0 keeps its own phase: a parabola through it is off.
    neighbours = [lowest - 1 if lowest else trials - 1, lowest, (lowest + 1) % trials]
    phase = _vertex(grid[neighbours], chi_square[neighbours])
    # The amplitude is that of the trial phases that follow.
    chosen = [_trials_after(np.array([phase]), ahead, trials)[0] for ahead in advance]
    a, b = (sum(curves[i, k, trial] for i, trial in enumerate(chosen)) for k in range(2))
    with np.errstate(all="ignore"):
        amplitude = -b / (2 * a)
    return phase, amplitude if np.isfinite(amplitude) else 0.0


def _trials_after(phases, ahead, trials):
    """Find the first trial phases (their numbers) that are not before phases with ``ahead`` added.

    Which that is where a phase falls on a trial phase is left to rounding, of the same differences as in jwst.
    """
    near = np.floor((phases + ahead) % 1 * trials).astype(np.int64)[:, None] + np.arange(-1, 3)
    near %= trials
    distance = (near / trials - phases[:, None] - ahead) % 1
    return near[np.arange(len(near)), distance.argmin(axis=1)]


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
    samples = nx // 4
    # A row of values first, then the subtraction: both are done several at a time.
    value, four = np.empty(samples), np.empty(4 * samples)
    for g in range(ngroups):
        ahead = (group + g) * step + phase
        for y in range(rows):
            first = start + y * row
            for k in range(samples):
                value[k] = amplitude * _value(coefficients, (first + k * sample) * per_clock + ahead)
            for k in range(samples):
                for x in range(4 * k, 4 * k + 4):
                    four[x] = value[k]
            for x in range(4 * samples):
                sci[g, y, x] -= four[x]
