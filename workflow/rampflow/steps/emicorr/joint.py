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
from numba import float64, int64, void
from scipy.interpolate import CubicSpline

from rampflow.kernels import F32_3, F64_2R, kernel
from rampflow.steps.emicorr.chi_square import (
    SAME,
    TRIALS,
    phase_bins,
    phase_sums,
    quadratics,
    quadratics_anew,
    wave_value,
)
from rampflow.steps.emicorr.clock import period_of
from rampflow.steps.emicorr.steady import Scatters, median_scatter

#: Pixels whose scatter is beyond so many times the median are not used.
_STEADY = 2.0
#: Relative difference below which two values of chi-square may be the same but for rounding.
_TIE = 1e-5


class FittedWave(NamedTuple):
    """A wave with the amplitude and phase that it has in every integration.

    Attributes
    ----------
    coefficients : 2D float64 `~numpy.ndarray`
        Cubic parts of the wave, shape (4, samples + 1); unit of phase: one sample, from half a sample before 0.
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
        Shape (4, samples + 1), highest power first; the first part begins half a sample before phase 0.
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
    if min(step, 1 - step) * ramp.shape[1] < SAME:
        return FittedWave(coefficients, period, *np.zeros((2, ramp.shape[0])))
    scatters = Scatters(ramp)
    limit = np.float32(_STEADY) * median_scatter(scatters)
    # The dtype of a bin number leaves room for "not used", the last one.
    bins = phase_bins(clock, pixeldq.shape, period, len(wave))
    bins[pixeldq != 0] = len(wave)
    pick = partial(phase_sums, scatters, bins=bins, limit=limit, nbins=len(wave))
    collect = partial(quadratics, pick, coefficients=coefficients, step=step)
    nints = ramp.shape[0]
    curves = np.empty((nints, 2, TRIALS))
    for integration, values in enumerate(ramp.each(collect, range(nints))):
        curves[integration] = values
    # Not the fraction alone, and as a sum of two parts: the timing of integrations is often that of a trial phase, and
    # rounding decides whether it is the trial phase that follows.
    advance = (step * ramp.shape[1] + (clock.integration - ramp.shape[1] * clock.frame) / period) * np.arange(nints)
    anew = None
    if abs(step - 0.5) * ramp.shape[1] < SAME:
        anew = partial(quadratics_anew, pick, wave=wave, step=step)
    parts = [[i] for i in range(nints)] if separately else [range(nints)]
    best = [_best(curves[part], advance[part], anew and partial(anew, part)) for part in parts]
    best = best if separately else best * nints
    phases, amplitudes = np.array(best).T
    return FittedWave(coefficients, period, np.ascontiguousarray(amplitudes), (phases + advance) % 1)


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
    # As jwst has it, the neighbour across phase 0 keeps its own phase: a parabola through it is off.
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


@kernel(void(F32_3, F64_2R, float64, float64, float64, int64, int64, int64, int64, float64))
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
                value[k] = amplitude * wave_value(coefficients, (first + k * sample) * per_clock + ahead)
            for k in range(samples):
                for x in range(4 * k, 4 * k + 4):
                    four[x] = value[k]
            for x in range(4 * samples):
                sci[g, y, x] -= four[x]
