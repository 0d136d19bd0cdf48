"""Interference measured in what is left of the counts when ramps are taken away, then subtracted by phase.

A straight line and a level per pixel are removed from the first integrations; the four outputs, which are read
at the same time, are averaged. What is left is sorted by phase into bins, whose clipped means are one period of
the wave as the data have it. A known wave is aligned with it and takes its place, or it is used as it is.

Source: the sequential algorithm of jwst's emicorr,
https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import float32, float64, int64, void

from rampflow.kernels import F32_1, F32_2, F32_2R, F32_3, F32_3R, F64_1, F64_1R, F64_2, I64_1, kernel
from rampflow.steps.emicorr.clock import period_of

#: More bins than this are reduced to the next.
_MOST_BINS, _MANY_BINS = 501, 500
#: Where a row ends with the last sample of the whole detector (column / 4), that sample gets this delay: jwst sets
#: it apart from the others.
_LAST_SAMPLE, _LAST_DELAY = 258, 3 + (1 << 32)
#: Clipping of the values of a bin: standard deviations, and rounds at most.
_CLIP, _ROUNDS = 3.0, 5


class TableWave(NamedTuple):
    """A wave as a table, one value per pixel clock of the period.

    Attributes
    ----------
    table : 1D float64 `~numpy.ndarray`
        Values (DN).
    period : float
        In pixel clocks.
    delay : int
        Of the last sample of a row, in clocks.
    measured : 1D float64 `~numpy.ndarray`
        The wave as the exposure has it, in bins of phase.
    """

    table: np.ndarray
    period: float
    delay: int
    measured: np.ndarray

    def subtract(self, sci, clock, *, integration, group, row):
        """Subtract the wave from groups of an integration, in place; parameters as of `FittedWave.subtract`."""
        start = integration * clock.integration + group * clock.frame + row * clock.row
        _subtract_table(sci, self.table, self.period, start, clock.frame, clock.row, clock.sample, self.delay)


def fit_wave(ramp, clock, xstart, *, frequency, wave, nints, nbins, scale_reference):
    """Measure a wave.

    Parameters
    ----------
    ramp : `~rampflow.steps.emicorr.Ramp`
        The exposure.
    clock : `~rampflow.steps.emicorr.clock.Clock`
        Its timing.
    xstart : int
        SUBSTRT1.
    frequency : float
        Of the wave (Hz).
    wave : 1D `~numpy.ndarray` or None
        A period of the known wave (DN); None takes the measured one.
    nints : int or None
        Integrations to use, from the first; None is all.
    nbins : int or None
        Bins of phase; None is half the period in pixel clocks, but not more than 500.
    scale_reference : bool
        Scale the known wave to the measured one.

    Returns
    -------
    TableWave
        What to subtract; 0 where nothing could be measured, as in exposures of three groups.
    """
    period = period_of(frequency)
    nbins = int(period / 2) if nbins is None else nbins
    nbins = _MANY_BINS if nbins > _MOST_BINS else max(nbins, 1)
    samples = ramp.shape[3] // 4
    delay = _LAST_DELAY if samples + xstart - 1 == _LAST_SAMPLE else 0
    nints = ramp.shape[0] if nints is None else min(nints, ramp.shape[0])
    measured = _phased(ramp, clock, period, nbins, nints, delay)
    measured -= np.median(measured)
    table = _resampled(measured, period) if wave is None else _aligned(wave, measured, period, scale_reference)
    table[~np.isfinite(table)] = 0
    return TableWave(table, period, delay, measured)


def _resampled(values, length):
    """Stretch a period of a wave to so many samples (which need not be whole), each the value before it."""
    places = np.arange(length) * (len(values) / length)
    return values[np.minimum(places.astype(np.int64), len(values) - 1)]


def _aligned(wave, measured, period, scale):
    """Bring the known wave into the phase of the measured one, as a table."""
    wave = np.asarray(wave, np.float64)
    other = _resampled(measured, len(wave))
    centred, deviation = wave - wave.mean(), other - other.mean()
    likeness = [np.dot(np.roll(centred, shift), deviation) for shift in range(len(wave))]
    table = _resampled(np.roll(wave, int(np.argmax(likeness))), period)
    if scale:
        own, given = _resampled(measured, period), table - table.mean()
        with np.errstate(all="ignore"):
            table = table * (np.dot(given, own - own.mean()) / np.dot(given, given))
    return table


# --- the measured wave -------------------------------------------------------------------------------------------


def _phased(ramp, clock, period, nbins, nints, delay):
    """Clipped means in bins of phase; NaN in a bin without values."""
    _, ngroups, ny, nx = ramp.shape
    grid = (clock.row, clock.sample, delay)
    counts = np.zeros(nbins, np.int64)
    for start in _starts(clock, nints, ngroups):
        _count_bins(counts, ny, nx // 4, start, *grid, period)
    means = np.full(nbins, np.nan)
    for first, last in _batches(counts, ramp.room // 4):
        ends = np.cumsum(counts[first:last])
        begins = ends - counts[first:last]
        values, filled = np.empty(ends[-1], np.float32), begins.copy()
        for integration in range(nints):
            slope, level = _baseline(ramp, integration)
            frame = partial(_residual, ramp, integration, slope=slope, level=level)
            for group, residual in enumerate(ramp.each(frame, range(ngroups))):
                start = integration * clock.integration + group * clock.frame
                _gather(residual, values, filled, first, last, nbins, start, *grid, period)
        for k in range(last - first):
            means[first + k] = _clipped_mean(np.sort(values[begins[k] : filled[k]]).astype(np.float64))
    return means


def _starts(clock, nints, ngroups):
    """Clocks at which the frames begin."""
    return (i * clock.integration + g * clock.frame for i in range(nints) for g in range(ngroups))


def _batches(counts, room):
    """Ranges of bins that together have room for their values; at least one bin each."""
    first, total = 0, 0
    for k, count in enumerate(counts):
        if total + count > room and k > first:
            yield first, k
            first, total = k, 0
        total += count
    yield first, len(counts)


def _baseline(ramp, integration):
    """Slope (float64) and level (float32) of every pixel of an integration, (rows, columns) each."""
    slope, level = np.empty(ramp.shape[2:]), np.empty(ramp.shape[2:], np.float32)
    for rows, sci in ramp.rows(integration):
        _lines(sci, slope[rows], level[rows])
    return slope, level


def _residual(ramp, integration, group, *, slope, level):
    """Take lines and levels from a frame, average the outputs, (rows, samples)."""
    # All of this is single precision in jwst, too: that decides which values lie just within the clipping, and a mean
    # that is 1e-7 off changes the last bit of some of the counts.
    frame = (ramp.frame(integration, group) - slope * group).astype(np.float32) - level
    outputs = [frame[:, k : frame.shape[1] // 4 * 4 : 4] for k in range(4)]
    quarter = (outputs[0] + outputs[1] + outputs[2] + outputs[3]) / np.float32(4)
    # Reference pixels of outputs are bad there.
    if quarter.shape[1] >= 4:
        quarter[:, 1:3] = (quarter[:, :1] + quarter[:, 3:4]) / np.float32(2)
    return quarter - np.median(quarter)


@kernel(void(F32_3R, F64_2, F32_2))
def _lines(sci, slope, level):
    """Fit lines to all groups but the first and the last; the level is the median (of two: the lesser) beside it."""
    ngroups, rows, nx = sci.shape
    number = ngroups - 2
    t1 = tt = 0.0
    for g in range(1, ngroups - 1):
        t1 += g
        tt += g * g
    determinant = number * tt - t1 * t1
    rest = np.empty((nx, number), np.float32)
    y1, yt = np.empty(nx), np.empty(nx)
    for y in range(rows):
        y1[:] = 0
        yt[:] = 0
        for g in range(1, ngroups - 1):
            for x in range(nx):
                y1[x] += sci[g, y, x]
                yt[x] += g * sci[g, y, x]
        for x in range(nx):
            slope[y, x] = (number * yt[x] - t1 * y1[x]) / determinant if determinant != 0 else np.nan
        for g in range(1, ngroups - 1):
            for x in range(nx):
                rest[x, g - 1] = float32(sci[g, y, x] - slope[y, x] * g)
        for x in range(nx):
            values = rest[x]
            values.sort()
            middle = float32(values[(number - 1) // 2] + values[number // 2]) * float32(0.5)
            level[y, x] = middle if number > 2 else values[0]


@kernel(int64(int64, int64, int64, int64, int64, float64, int64), inline="always")
def _bin(clocks, k, sample, delay, last, period, nbins):
    """Bin of a sample: a phase on the border of two belongs to the earlier, and phase 0 to none (-1)."""
    clocks += k * sample
    if k == last:
        clocks += delay
    phase = clocks / period
    return int64(math.ceil((phase - math.floor(phase)) * nbins)) - 1


@kernel(void(I64_1, int64, int64, int64, int64, int64, int64, float64))
def _count_bins(counts, rows, samples, start, row, sample, delay, period):
    nbins = len(counts)
    for y in range(rows):
        for k in range(samples):
            place = _bin(start + y * row, k, sample, delay, samples - 1, period, nbins)
            if place >= 0:
                counts[place] += 1


@kernel(void(F32_2R, F32_1, I64_1, int64, int64, int64, int64, int64, int64, int64, float64))
def _gather(residual, values, filled, first, last, nbins, start, row, sample, delay, period):
    """Put the values of the bins from ``first`` to ``last`` to where each bin has its room."""
    rows, samples = residual.shape
    for y in range(rows):
        for k in range(samples):
            place = _bin(start + y * row, k, sample, delay, samples - 1, period, nbins)
            if first <= place < last and math.isfinite(residual[y, k]):
                values[filled[place - first]] = residual[y, k]
                filled[place - first] += 1


@kernel(float64(F64_1))
def _clipped_mean(values):
    """Mean of sorted values, those far from the median left out until none is; NaN of no values."""
    low, high = 0, len(values)
    for _ in range(_ROUNDS):
        number = high - low
        if number == 0:
            break
        middle = (values[low + (number - 1) // 2] + values[low + number // 2]) / 2
        mean = values[low:high].mean()
        spread = _CLIP * math.sqrt(((values[low:high] - mean) ** 2).mean())
        before = number
        while low < high and values[low] < middle - spread:
            low += 1
        while high > low and values[high - 1] > middle + spread:
            high -= 1
        if high - low == before:
            break
    return values[low:high].mean() if high > low else np.nan


# --- subtraction -------------------------------------------------------------------------------------------------


@kernel(void(F32_3, F64_1R, float64, int64, int64, int64, int64, int64))
def _subtract_table(sci, table, period, start, frame, row, sample, delay):
    ngroups, rows, nx = sci.shape
    samples = nx // 4
    for g in range(ngroups):
        for y in range(rows):
            first = start + g * frame + y * row
            for k in range(samples):
                clocks = first + k * sample
                if k == samples - 1:
                    clocks += delay
                phase = clocks / period
                value = table[min(int64((phase - math.floor(phase)) * period), len(table) - 1)]
                for x in range(4 * k, 4 * k + 4):
                    sci[g, y, x] -= value
