"""Chi-square of a wave and straight lines for every trial phase, from sums of counts in bins of phase.

All pixels that are read at the same phase have the same wave, so their counts are summed first. The straight lines are
eliminated; chi-square of the amplitude x is a x^2 + b x.

Source: the joint algorithm of jwst's emicorr (1.18 and later),
https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from typing import NamedTuple

import numpy as np
from numba import float64, int32, int64, void
from numba.types import UniTuple
from scipy.interpolate import make_interp_spline

from rampflow.kernels import F32_3R, F64_1, F64_2, F64_2R, I32_2, I64_1, fields, kernel

#: Trial phases in a period.
TRIALS = 500
#: Outputs (column modulo 4) have reference pixels in the first sample of a row; these samples are not used.
_UNUSED = (1, 2)
#: Periods: a difference of phase below it is one of rounding; so is a shift of the wave over all groups.
SAME = 1e-9


def phase_bins(clock, shape, period, nbins):
    """Bin of phase of every pixel in the first frame, int32 (rows, columns); ``nbins`` where it is not used."""
    rows, nx = shape
    samples = np.arange(nx // 4)
    clocks = np.arange(rows)[:, None] * clock.row + samples * clock.sample
    bins = np.full(shape, nbins, np.int32)
    phase = (clocks / period % 1 * nbins).astype(np.int32)
    phase[:, [k for k in _UNUSED if k < len(samples)]] = nbins
    bins[:, : 4 * len(samples)] = np.repeat(phase, 4, axis=1)
    return bins


def quadratics(pick, integration, *, coefficients, step):
    """Coefficients a and b of chi-square = a x^2 + b x of an integration, for every trial phase at its start."""
    return trial_sums(*pick(integration), coefficients, step, TRIALS)


def quadratics_anew(pick, integrations, trials, *, wave, step):
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
            z = curve((start + trial / TRIALS) % 1)
            z1, zt, zz = z.sum(axis=0), (group * z).sum(axis=0), (z**2).sum(axis=0)
            yz = np.ascontiguousarray((sums * z).T).sum(axis=1)
            a = counts / determinant * (-tt * z1**2 + 2 * t1 * z1 * zt - ngroups * zt**2 + zz * determinant)
            b = tt * z1 * y1 - t1 * zt * y1 - t1 * z1 * yt + ngroups * zt * yt
            result[i, :, k] = a.sum(), 2 / determinant * b.sum() - 2 * yz.sum()
    return result


def phase_sums(scatters, integration, *, bins, limit, nbins):
    """Add up counts by phase, (groups, bins + 1), and count pixels; the last bin has what is not used."""
    sums, counts = np.zeros((scatters.ramp.shape[1], nbins + 1)), np.zeros(nbins + 1)
    for rows, sci, scatter in scatters.with_counts(integration):
        place = bins[rows].copy()
        place[~(scatter < limit)] = nbins
        _sum_bins(sci, place, sums, counts)
    return sums, counts


@kernel(void(F32_3R, I32_2, F64_2, F64_1))
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


@kernel(float64(F64_2R, float64), inline="always")
def wave_value(coefficients, phase):
    """Wave at a phase, of which only the fraction matters."""
    nbins = coefficients.shape[1] - 1
    place = (phase - np.floor(phase)) * nbins + 0.5
    part = min(int32(place), int32(nbins))
    t = place - part
    upper = (coefficients[0, part] * t + coefficients[1, part]) * t + coefficients[2, part]
    return upper * t + coefficients[3, part]


@kernel(inline="always")
def _seen(z, place, per_trial, trials):
    """Cut out what a bin at a multiple of 1 / common sees of the wave at all trial phases."""
    start = place // per_trial
    return z[place % per_trial, start : start + trials]


@kernel(I64_1(float64, int64, int64, int64))
def _at_ends(step, ngroups, nbins, common):
    """Find the multiple of 1 / common that a group sees at phase 0, but for rounding; -1 if there is none."""
    places = np.empty(ngroups, np.int64)
    for g in range(ngroups):
        left = -(0.5 / nbins + g * step) % 1 * common
        nearest = np.rint(left)
        places[g] = int64(nearest) % common if abs(left - nearest) < SAME * common else -1
    return places


class WaveSums(NamedTuple):
    """Sums over the groups of which chi-square is made.

    Attributes
    ----------
    z1, zt, zz : float64 `~numpy.ndarray`
        Of the wave, of group times wave, and of its square, at the multiples of 1 / common: place k is in line
        ``k % per_trial`` at ``k // per_trial``; shape (per_trial, trials).
    y1, yt : float64 `~numpy.ndarray`
        Of the counts and of group times counts, by bin.
    yz : float64 `~numpy.ndarray`
        Of counts times wave, by trial phase.
    """

    z1: np.ndarray
    zt: np.ndarray
    zz: np.ndarray
    y1: np.ndarray
    yt: np.ndarray
    yz: np.ndarray


SUMS = fields(WaveSums, F64_2, F64_2, F64_2, F64_1, F64_1, F64_1)


@kernel(SUMS(F64_2, F64_2R, float64, int64, int64, int64))
def _sum_groups(sums, coefficients, step, trials, per_bin, per_trial):
    """Sum up over the groups what all bins see of the wave at all trial phases."""
    ngroups, nbins = sums.shape[0], sums.shape[1] - 1
    common = per_bin * nbins
    # Kept such that what one bin sees at all trial phases lies together, twice over since they go round.
    z = np.empty((per_trial, 2 * trials))
    z1, zt, zz = np.zeros((per_trial, trials)), np.zeros((per_trial, trials)), np.zeros((per_trial, trials))
    y1, yt = np.zeros(nbins), np.zeros(nbins)
    yz = np.zeros(trials)
    for g in range(ngroups):
        for k in range(common):
            value = wave_value(coefficients, k / common + 0.5 / nbins + g * step)
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
    return WaveSums(z1, zt, zz, y1, yt, yz)


@kernel(UniTuple(float64, 3)(int64))
def _moments(ngroups):
    """Give the sums of the groups' numbers and of their squares, and the determinant of a line through the groups."""
    t1, tt = ngroups * (ngroups - 1) / 2, (ngroups - 1) * ngroups * (2 * ngroups - 1) / 6
    return t1, tt, ngroups * tt - t1 * t1


@kernel(void(F64_2, F64_1, F64_2R, float64, int64, int64, SUMS, F64_2))
def _mend_ends(sums, counts, coefficients, step, per_bin, per_trial, of, curves):
    """Correct chi-square where a bin falls on phase 0, at which the two ends of the spline meet.

    They do not quite agree, and rounding decides which the bin sees: that of bin and trial phase, as in jwst, and not
    that of their place.
    """
    ngroups, nbins = sums.shape[0], sums.shape[1] - 1
    trials, common = curves.shape[1], per_bin * nbins
    t1, tt, determinant = _moments(ngroups)
    z1, zt, y1, yt = of.z1, of.zt, of.y1, of.yt
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
                    was = wave_value(coefficients, joint / common + 0.5 / nbins + g * step)
                    seen = wave_value(coefficients, ((k + 0.5) / nbins + g * step) % 1 + trial / trials)
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


@kernel(F64_2(F64_2, F64_1, F64_2R, float64, int64))
def trial_sums(sums, counts, coefficients, step, trials):
    """Work out a and b of chi-square = a x^2 + b x for all trial phases, shape (2, trials)."""
    # Bins and trial phases together fall on multiples of 1 / common, so that the wave is needed there only.
    ngroups, nbins = sums.shape[0], sums.shape[1] - 1
    shared, remainder = nbins, trials
    while remainder:
        shared, remainder = remainder, shared % remainder
    per_bin, per_trial = trials // shared, nbins // shared
    of = _sum_groups(sums, coefficients, step, trials, per_bin, per_trial)
    z1, zt, zz, y1, yt, yz = of
    t1, tt, determinant = _moments(ngroups)
    curves = np.zeros((2, trials))
    for k in range(nbins):
        line, start = k * per_bin % per_trial, k * per_bin // per_trial
        # At the trial phases that follow the bin's own, and at those before it, since they go round.
        for trial, place, number in ((0, start, trials - start), (trials - start, 0, start)):
            a, b = curves[0, trial : trial + number], curves[1, trial : trial + number]
            ones, times = z1[line, place : place + number], zt[line, place : place + number]
            squares = zz[line, place : place + number]
            for t in range(number):
                one, time = ones[t], times[t]
                loss = (tt * one * one - 2 * t1 * one * time + ngroups * time * time) / determinant
                a[t] += counts[k] * (squares[t] - loss)
                b[t] += (tt * one - t1 * time) * y1[k] + (ngroups * time - t1 * one) * yt[k]
    for trial in range(trials):
        curves[1, trial] = 2 * curves[1, trial] / determinant - 2 * yz[trial]
    _mend_ends(sums, counts, coefficients, step, per_bin, per_trial, of, curves)
    return curves
