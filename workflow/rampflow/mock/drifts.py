"""Signals of the read-out electronics that come and go with the frame: reference pixels see them too."""

from dataclasses import replace

import numpy as np
from scipy import fft
from scipy.signal import lfilter

from rampflow.detector import irs2
from rampflow.detector.orientation import Orientation
from rampflow.mock.configurations import PIXEL_CLOCK, full_frame, row_clocks
from rampflow.mock.detector import EMI, flips

#: Scatter of the level of an output from frame to frame, and of its odd against its even columns [DN].
AMPLIFIER, ODD_EVEN, ODD_EVEN_DRIFT = 4.0, 8.0, 1.5
#: 1/f noise along the slow axis: scatter [DN] and correlation length [rows].
ROW_NOISE, ROW_LENGTH = 3.0, 60.0
#: NIRSpec: change of the picture frame from one frame to the next [DN, at the border].
WARMTH = 2.0
#: IRS2: highest frequency of the 1/f noise [per clock].
IRS2_FASTEST = 0.004
#: MIRI: scatter of the level of odd and even rows of an output from frame to frame [DN].
MIRI_ROWS = 2.0


def _detector_vectors(exposure, rng):
    """Level per detector column (ncolumns,) and per detector row (nrows,) of the whole detector."""
    effects = exposure.effects
    columns, rows = np.zeros(2048), np.zeros(2048)
    width = 512 if exposure.noutputs == 4 else 2048
    for start in range(0, 2048, width):
        columns[start : start + width] += effects.amplifier_offsets * AMPLIFIER * rng.standard_normal()
        step = ODD_EVEN + ODD_EVEN_DRIFT * rng.standard_normal()
        columns[start : start + width : 2] += effects.odd_even_columns * step
    memory = np.exp(-1 / ROW_LENGTH)
    walk = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal(2048 + 300))[300:]
    rows += effects.row_noise * ROW_NOISE * walk
    return columns, rows


def near_infrared(exposure, rng):
    """Drift of one frame of a HgCdTe detector in science orientation, float32 (ny, nx) [DN]."""
    columns, rows = _detector_vectors(exposure, rng)
    transposed, flip_rows, flip_columns = flips(exposure.detector)
    if exposure.stripes:
        # The drift goes on from line to line in the order in which they are read.
        rows = rows[: len(exposure.frame_lines())]
    along_y, along_x = (columns, rows) if transposed else (rows, columns)
    if flip_rows:
        along_y = along_y[::-1]
    if flip_columns:
        along_x = along_x[::-1]
    whole, window = full_frame(exposure.detector), exposure.window
    if exposure.stripes:
        # These are the lines already, all of them.
        window = replace(window, xstart=1) if transposed else replace(window, ystart=1)
        whole = replace(whole, xsize=window.xsize) if transposed else replace(whole, ysize=window.ysize)
    cut_y, cut_x = window.within(whole)
    return (along_y[cut_y, None] + along_x[cut_x]).astype(np.float32)


def interleaved(exposure, rng):
    """Drift of one IRS2 frame in science orientation, float32 (3200, 2048) [DN].

    All amplifiers and the reference output show the same 1/f noise in the order of time; each has a level of its
    own, which changes from frame to frame.
    """
    effects = exposure.effects
    size = 2048 * irs2.LINE_SLOTS
    amplitude = np.zeros(size // 2 + 1, np.complex64)
    last = round(IRS2_FASTEST * size)
    noise = rng.standard_normal((2, last - 1), np.float32)
    amplitude[1:last] = (noise[0] + 1j * noise[1]) / np.sqrt(np.arange(1, last))
    series = fft.irfft(amplitude, size)
    series *= effects.row_noise * ROW_NOISE / series.std()
    levels = effects.amplifier_offsets * AMPLIFIER * rng.standard_normal(irs2.SECTIONS)
    frame = series.reshape(2048, irs2.LINE_SLOTS)[:, irs2.slots().ravel()] + np.repeat(levels, irs2.SECTION_ROWS)
    return Orientation.from_detector(exposure.detector).to_science(frame.astype(np.float32))


def warmth(exposure, rng):
    """Level of the picture frame in the frames of an integration: a random walk, float64 (nframes,) [DN]."""
    steps = rng.standard_normal(exposure.frames_per_integration)
    return exposure.effects.picture_frame * WARMTH * np.cumsum(steps)


def mid_infrared(exposure, rng):
    """Drift of one frame of a MIRI detector: a level per output and parity of the row, float32 (ny, nx)."""
    levels = exposure.effects.odd_even_rows * MIRI_ROWS * rng.standard_normal((2, 4))
    window = exposure.window
    rows = (np.arange(window.ysize) + window.ystart - 1) % 2
    columns = (np.arange(window.xsize) + window.xstart - 1) % 4
    return levels[np.ix_(rows, columns)].astype(np.float32)


def waveform(phase):
    """EMI signal at a phase (1 is a period), of unit amplitude."""
    return np.sin(2 * np.pi * phase) + 0.3 * np.sin(4 * np.pi * phase + 0.7)


def emi(exposure, integration, frame, offsets):
    """Pick-up of electromagnetic interference by one frame of a MIRI detector, float32 (ny, nx) [DN].

    Parameters
    ----------
    exposure : MockExposure
        Decides the clocking.
    integration, frame : int
        0-based integration of the exposure, 1-based frame of the integration.
    offsets : sequence of float
        Phase of every frequency at the start of the exposure.
    """
    window = exposure.window
    per_row = row_clocks(exposure.detector, window, exposure.readpatt)
    per_frame = round(exposure.tframe / PIXEL_CLOCK)
    frames = integration * (exposure.frames_per_integration + exposure.pattern.resets_between) + frame - 1
    # Four outputs are sampled at the same time, so four neighbours share a phase.
    sample = np.arange(window.xsize // 4) * exposure.pattern.nsamples
    clocks = np.arange(window.ysize)[:, None] * per_row + sample + float(frames) * per_frame
    signal = np.zeros(clocks.shape)
    for (frequency, amplitude), offset in zip(EMI.values(), offsets, strict=True):
        signal += amplitude * waveform(clocks * (frequency * PIXEL_CLOCK) + offset)
    return np.repeat(exposure.effects.emi * signal, 4, axis=1).astype(np.float32)


def emi_frequencies(exposure):
    """Names of the frequencies that show in the slopes of an exposure.

    Some subarrays are clocked such that a frame takes (almost) a whole number of periods: every frame then
    sees the same pattern, and there is nothing to fit.
    """
    names = []
    for name, (frequency, _) in EMI.items():
        periods = exposure.tframe * frequency
        if abs(periods - round(periods)) > 0.02:
            names.append(name)
    return names
