"""Subtract the drift of the readout from NIRSpec's IRS2 frames, in Fourier space.

IRS2 frames hold reference pixels that were read every few hundred microseconds between the others, and the
reference output, read all along (`rampflow.detector.irs2`). What the normal pixels of an amplifier show of the noise of
the electronics is, at each frequency, a fixed linear combination of what its interleaved reference reads and the
reference output show. The reference file holds the coefficients, beta and alpha. For each group, less the mean of
the groups of its integration:

1. samples are put in the order of time, a line of 712 clock slots after the other;
2. a straight line in time, fitted to the reference pixels of the first and last lines, is subtracted from each
   amplifier (samples of exactly zero count as absent and stay);
3. gaps of the reference output are filled smoothly, then three times by a filter that leaves low frequencies and
   those near the Nyquist frequency (columns that alternate);
4. beta x (spectrum of the reference reads) + alpha x (spectrum of the reference output) is transformed back and
   subtracted from the normal pixels.

Reference reads that are bad are replaced by their neighbours before: those that PIXELDQ or the reference file
names, and those that behave unlike the others of the exposure. DN in and out.

Sources: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html; Rauscher et al. 2017, PASP
129, 105003 ("Improved reference sampling and subtraction"). Transforms are of single precision: the reference
signal is small, and the error far below the rounding of the counts it is subtracted from.
"""

from dataclasses import dataclass

import numpy as np
from numba import boolean, float32, float64, int64, njit, void
from scipy import fft

from rampflow.detector import dq as bits
from rampflow.detector import irs2
from rampflow.detector.orientation import Orientation
from rampflow.steps import NotApplicable, refpix
from rampflow.steps.refpix import geometry

#: Parameters of `plan_correction`.
OPTIONS = ("preserve_irs2_refpix", "irs2_mean_subtraction", "odd_even_columns", "siglimit")

LINES = geometry.NIR_SIZE
#: Samples of a frame and amplifier.
SAMPLES = LINES * irs2.LINE_SLOTS
#: Slots, of the 22 between the starts of two blocks, that stand for the reference reads, and the read they repeat.
_SPREAD_TO = np.arange(7, 15)
_SPREAD_FROM = np.array([9, 11, 9, 11, 10, 12, 10, 12])
_BLOCK_SLOTS = irs2.PERIOD + 2
#: The filter for the gaps passes so many frequencies and falls to zero within so many more.
_PASS, _FALL = 30268, 5000
_ITERATIONS = 3
#: Weights by which neighbouring samples fill a gap at first.
_NEAR = np.sin(np.pi * np.arange(1, 32) / 32)
_CLIP_ITERATIONS = 5

_JIT = {"cache": True, "nogil": True, "error_model": "numpy"}


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is settled for an exposure before its frames are seen."""

    orientation: Orientation
    #: Science rows of the normal pixels.
    rows: np.ndarray
    #: Science rows to replace, in this order, and the two rows whose mean replaces each; -1: replaced by zero.
    replaced: np.ndarray
    sources: np.ndarray
    #: Levels to subtract first, or None.
    levels: geometry.Plan | None
    #: Coefficients of the four amplifiers, complex64 of shape (4, SAMPLES / 2 + 1).
    alpha: np.ndarray
    beta: np.ndarray
    #: Keep the rows of the reference reads in the frames.
    keep_reads: bool


def reference_blocks():
    """Rows of each block of reference reads in the frame, as slices; those of the reference output included."""
    starts = np.flatnonzero(np.tile(irs2.section_references(), irs2.SECTIONS))[:: irs2.REFERENCE]
    return [slice(int(start), int(start) + irs2.REFERENCE) for start in starts]


def read_statistics(sci):
    """Measure how the two pairs of reads of a block behave.

    Parameters
    ----------
    sci : 4D float32 `~numpy.ndarray`
        Counts (DN) of one integration, shape (1, groups, 4, columns).

    Returns
    -------
    list of 2D float64 `~numpy.ndarray`
        One array of shape (2 pairs, 3): mean of the absolute difference of the two reads, mean, and standard
        deviation, over groups and columns.
    """
    pairs = sci.astype(np.float64).reshape(sci.shape[1], 2, 2, sci.shape[3])
    differences = np.abs(pairs[:, :, 1] - pairs[:, :, 0])
    return [np.stack([differences.mean(axis=(0, 2)), pairs.mean(axis=(0, 2, 3)), pairs.std(axis=(0, 2, 3))], axis=1)]


def flag_reads(pixeldq, statistics, *, detector, ovr_corr_mitigation_ftr):
    """Flag the rows of bad reference reads, in place.

    A pair of reads is bad if one of its statistics is above the mean of those of its section by more than
    ``ovr_corr_mitigation_ftr`` standard deviations, mean and deviation being taken without outliers, in any
    integration. A row of reference reads or of the reference output with a single BAD_REF_PIXEL is bad altogether.

    Parameters
    ----------
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags, shape (3200, columns). Rows of bad reads get BAD_REF_PIXEL and DO_NOT_USE.
    statistics : list of 2D `~numpy.ndarray`
        From `read_statistics`, of all blocks of the first integration, then of the second, and so on.
    detector : str
        NRS1 or NRS2.
    ovr_corr_mitigation_ftr : float
        Number of standard deviations.

    Returns
    -------
    2D uint32 `~numpy.ndarray`
        ``pixeldq``.
    """
    starts = np.array([block.start for block in reference_blocks()])
    known = _bad_rows(pixeldq, detector)
    pair_rows = starts.reshape(irs2.SECTIONS, -1, 1) + np.array([0, 2])
    usable = ~(known[pair_rows] | known[pair_rows + 1])
    values = np.array(statistics).reshape(-1, *pair_rows.shape, 3)
    bad = np.zeros(pair_rows.shape, bool)
    for integration in values:
        for section, good, found in zip(integration, usable, bad, strict=True):
            for k in range(section.shape[-1]):
                mean, deviation = _clipped(section[good][:, k], ovr_corr_mitigation_ftr)
                found |= good & (section[..., k] > mean + ovr_corr_mitigation_ftr * deviation)
    rows = pair_rows[bad]
    known[np.concatenate([rows, rows + 1])] = True
    pixeldq[known] |= np.uint32(bits.BAD_REF_PIXEL | bits.DO_NOT_USE)
    return pixeldq


def _bad_rows(pixeldq, detector):
    # The oracle gives up rows of normal pixels, too, for a bad reference pixel at their ends.
    return (pixeldq & np.uint32(bits.BAD_REF_PIXEL)).any(axis=1) & ~irs2.normal_rows(detector)


def _clipped(values, limit):
    """Mean and standard deviation without what is farther than so many deviations from the median."""
    for _ in range(_CLIP_ITERATIONS):
        kept = values[np.abs(values - np.median(values)) <= limit * values.std()] if values.size else values
        if kept.size == values.size:
            break
        values = kept
    return (values.mean(), values.std()) if values.size else (np.inf, 0.0)


def plan_correction(
    pixeldq, table, dq_table, *, detector, preserve_irs2_refpix, irs2_mean_subtraction, odd_even_columns, siglimit
):
    """Settle how the frames of an exposure are corrected.

    Parameters
    ----------
    pixeldq : 2D uint32 `~numpy.ndarray`
        From `flag_reads`.
    table : structured `~numpy.ndarray`
        Coefficients: columns alpha_0 to alpha_3 and beta_0 to beta_3 with 2 x 712 x 2048 rows, real and imaginary
        parts taking turns.
    dq_table : structured `~numpy.ndarray` or None
        Bad reads known to the reference: columns OUTPUT (1 to 4), ODD_EVEN (1 or 2) and MASK, of which each bit
        is a block of the amplifier.
    detector : str
        NRS1 or NRS2.
    preserve_irs2_refpix : bool
        Keep the reference reads in the frames.
    irs2_mean_subtraction : bool
        Subtract mean levels first, of each section.
    odd_even_columns : bool
        Of odd and even columns separately.
    siglimit : float
        Pixels farther than so many standard deviations from the mean are left out of a level.

    Returns
    -------
    Plan
        For `prepare_frames` and `correct_frames`.

    Raises
    ------
    NotApplicable
        If the table has another number of rows.
    """
    if len(table) != 2 * SAMPLES:
        raise NotApplicable(f"the table of the refpix reference has {len(table)} rows, expected {2 * SAMPLES}")
    orientation = Orientation.from_detector(detector)
    bad = _bad_rows(pixeldq, detector)
    first = np.flatnonzero(bad)
    sources = [_stand_ins(row, bad) for row in first]
    known = _known_reads(dq_table)
    if orientation.flip_rows:
        known = irs2.ROWS - 1 - known
    late = np.unique(known[~bad[known]])
    bad[late] = True
    sources += [_stand_ins(row, bad) for row in late]
    return Plan(
        orientation,
        rows=np.flatnonzero(irs2.normal_rows(detector)),
        replaced=np.concatenate([first, late]).astype(np.int64),
        sources=np.array(sources, np.int64).reshape(-1, 2),
        levels=_plan_levels(pixeldq, orientation, odd_even_columns, siglimit) if irs2_mean_subtraction else None,
        alpha=_coefficients(table, "alpha"),
        beta=_coefficients(table, "beta"),
        keep_reads=preserve_irs2_refpix,
    )


def _known_reads(dq_table):
    """Rows, in detector order, of the reads that the reference file says are bad."""
    rows = []
    for entry in () if dq_table is None else dq_table:
        output, parity = int(entry["OUTPUT"]), int(entry["ODD_EVEN"])
        pair = parity if output % 2 else 3 - parity
        blocks = np.flatnonzero([int(entry["MASK"]) >> bit & 1 for bit in range(32)])
        start = irs2.SECTION_ROWS * output + irs2.FIRST + irs2.PERIOD * blocks + 2 * (pair - 1)
        rows += [start, start + 1]
    return np.concatenate(rows) if rows else np.empty(0, np.int64)


def _stand_ins(row, bad):
    """Rows whose mean replaces a bad read: the same read of the blocks around it, else the other pair."""
    section = row // irs2.SECTION_ROWS
    near = [r for r in (row - irs2.PERIOD, row + irs2.PERIOD) if r // irs2.SECTION_ROWS == section and not bad[r]]
    if near:
        return near[0], near[-1]
    inside = (row % irs2.SECTION_ROWS - irs2.FIRST) % irs2.PERIOD
    other = row + 2 if inside < 2 else row - 2
    return (-1, -1) if bad[other] else (other, other)


def _coefficients(table, name):
    # The result is real, so only the Hermitian part of the coefficients counts.
    full = [table[f"{name}_{k}"].astype(np.float32).view(np.complex64) for k in range(irs2.SECTIONS - 1)]
    half = SAMPLES // 2 + 1
    return np.array([0.5 * (c[:half] + np.conj(np.roll(c[::-1], 1)[:half])) for c in full], np.complex64)


def _plan_levels(pixeldq, orientation, odd_even_columns, siglimit):
    """Plan the mean levels at both ends of each section, for odd and even columns, interleaved pairs by pair."""
    usable = orientation.to_detector((pixeldq & np.uint32(bits.DO_NOT_USE)) == 0)
    index = orientation.to_detector(np.arange(pixeldq.size, dtype=np.int32).reshape(pixeldq.shape))
    place = np.arange(irs2.SECTION_ROWS)
    odd = place % 2
    if odd_even_columns:
        reads = irs2.section_references()
        odd[reads] = (place[reads] - irs2.FIRST) % irs2.PERIOD // 2
        parities = [odd == 0, odd == 1]
    else:
        parities = [np.ones(place.size, bool)]
    ends = [slice(0, geometry.BORDER), slice(LINES - geometry.BORDER, None)]
    levels = geometry.Levels()
    level_of_column = np.full(irs2.ROWS, geometry.NO_LEVEL)
    for section in range(irs2.SECTIONS):
        owned = [irs2.SECTION_ROWS * section + np.flatnonzero(parity) for parity in parities]
        measured = [[index[end, columns][usable[end, columns]] for end in ends] for columns in owned]
        measured = [[pixels for pixels in sets if pixels.size] for sets in measured]
        if all(measured):
            for columns, sets in zip(owned, measured, strict=True):
                level_of_column[columns] = levels.add(sets)
    return geometry.plan_columns(levels, level_of_column, pixeldq.shape, orientation, siglimit)


def prepare_frames(sci, plan):
    """Subtract mean levels, if wanted, and replace bad reference reads, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, 3200, 2048).
    plan : Plan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.
    """
    if plan.levels is not None:
        refpix.correct_frames(sci, plan.levels)
    for frame in sci:
        for row, (before, after) in zip(plan.replaced, plan.sources, strict=True):
            frame[row] = 0 if before < 0 else 0.5 * (frame[before] + frame[after])
    return sci


def correct_frames(sci, *, mean, plan):
    """Subtract the drift from groups of one integration.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, 3200, 2048). Changed in place. A NaN makes its whole group NaN.
    mean : 2D float64 `~numpy.ndarray`
        Mean over all groups of the integration of what `prepare_frames` returns.
    plan : Plan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        Shape (n, 2048, 2048); (n, 3200, 2048) if the plan is to keep the reference reads, which are then as
        `prepare_frames` leaves them.
    """
    sci = prepare_frames(sci, plan)
    flip = plan.orientation.flip_rows
    slots, rows = irs2.slots(), plan.rows
    result = sci if plan.keep_reads else np.empty((len(sci), rows.size, sci.shape[2]), np.float32)
    place = rows if plan.keep_reads else np.arange(rows.size)
    gaps = np.ones(irs2.LINE_SLOTS, bool)
    gaps[slots[0, ~irs2.section_references()]] = False
    series = np.zeros((irs2.SECTIONS, LINES, irs2.LINE_SLOTS), np.float32)
    for frame, corrected in zip(sci, result, strict=True):
        _order_in_time(frame, mean, slots, flip, series)
        for amplifier in series:
            _subtract_line(amplifier, *_fit_line(amplifier))
        _subtract(series, gaps, plan)
        _order_in_space(series, mean, slots, flip, rows, place, corrected)
    return result


def _subtract(series, gaps, plan):
    """Subtract from the amplifiers what the reference output and their own reference reads say; in place."""
    output = _spectrum_of_output(series[0], gaps)
    spread = np.zeros_like(series[0])
    starts = np.arange(irs2.SECTION_ROWS // irs2.PERIOD) * _BLOCK_SLOTS
    to, origin = ((starts[:, np.newaxis] + part).ravel() for part in (_SPREAD_TO, _SPREAD_FROM))
    for amplifier, alpha, beta in zip(series[1:], plan.alpha, plan.beta, strict=True):
        spread[:, to] = amplifier[:, origin]
        spectrum = fft.rfft(spread.ravel())
        spectrum *= beta
        spectrum += alpha * output
        amplifier -= fft.irfft(spectrum, SAMPLES, overwrite_x=True).reshape(amplifier.shape)


def _spectrum_of_output(output, gaps):
    _fill_gaps(output.ravel(), _NEAR)
    fall = 0.5 * (1 + np.cos(np.pi * np.arange(_FALL) / _FALL))
    half = SAMPLES // 2 + 1
    passed = np.zeros(half, np.float32)
    passed[:_PASS] = passed[half - _PASS - 1 :] = 1
    passed[_PASS : _PASS + _FALL] = fall
    passed[half - _PASS - 1 - _FALL : half - _PASS - 1] = fall[::-1]
    for _ in range(_ITERATIONS):
        spectrum = fft.rfft(output.ravel())
        spectrum *= passed
        smooth = fft.irfft(spectrum, SAMPLES, overwrite_x=True).reshape(output.shape)
        # What was measured stays, so the reference reads of the output only matter in the first round.
        output[:, gaps] = smooth[:, gaps]
    return fft.rfft(output.ravel())


_frame = float32[:, ::1]
_BLOCK = 16


@njit([void(_frame, float64[:, ::1], int64[:, ::1], boolean, float32[:, :, ::1])], **_JIT)
def _order_in_time(frame, mean, slots, flip, series):
    """Put a frame, less the mean, in the order of time: (sections, lines, slots), zero where nothing is read."""
    series[:] = 0
    nsections, nrows = slots.shape
    nlines = frame.shape[1]
    for first in range(0, nlines, _BLOCK):
        for s in range(nsections):
            for j in range(nrows):
                r = s * nrows + j
                if flip:
                    r = frame.shape[0] - 1 - r
                for line in range(first, min(first + _BLOCK, nlines)):
                    c = nlines - 1 - line if flip else line
                    series[s, line, slots[s, j]] = np.float32(np.float64(frame[r, c]) - mean[r, c])


@njit(
    [void(float32[:, :, ::1], float64[:, ::1], int64[:, ::1], boolean, int64[::1], int64[::1], _frame)],
    **_JIT,
)
def _order_in_space(series, mean, slots, flip, rows, place, frame):
    """Put the normal pixels of the amplifiers back into a frame, and the mean with them."""
    nrows = slots.shape[1]
    nlines = series.shape[1]
    for first in range(0, nlines, _BLOCK):
        for i in range(rows.size):
            r = len(slots) * nrows - 1 - rows[i] if flip else rows[i]
            s, j = r // nrows, r % nrows
            for line in range(first, min(first + _BLOCK, nlines)):
                c = nlines - 1 - line if flip else line
                frame[place[i], c] = np.float32(np.float64(series[s, line, slots[s, j]]) + mean[rows[i], c])


def _fit_line(series):
    """Fit a straight line in time to the samples of the first and last lines that are not zero.

    In single precision and in the oracle's order: what is 0 once the line is subtracted counts as absent, and with
    levels of single precision a sample now and then is. One more sample, or one less, changes the filtered output
    by up to 0.03 DN around it.
    """
    ends = np.r_[0:4, LINES - 4 : LINES]
    values = series[ends]
    slots = ends[:, np.newaxis] * irs2.LINE_SLOTS + np.arange(irs2.LINE_SLOTS)
    times = (slots - (SAMPLES - 1) / 2).astype(np.float32)
    measured = values != 0
    x, y = times[measured], values[measured]
    if x.size < 2:
        return np.float32(0), np.float32(0)
    n, mean_x, mean_y = float(x.size), x.mean(), y.mean()
    slope = ((x * y).sum() - n * mean_x * mean_y) / ((x * x).sum() - n * (mean_x * mean_x))
    return mean_y - slope * mean_x, slope


@njit([void(_frame, float32, float32)], **_JIT)
def _subtract_line(series, level, slope):
    """Subtract a straight line in time (slots from the middle of the frame) from the samples that are not zero."""
    nlines, nslots = series.shape
    middle = (nlines * nslots - 1) / 2
    for line in range(nlines):
        for slot in range(nslots):
            if series[line, slot] != 0:
                series[line, slot] -= level + float32(line * nslots + slot - middle) * slope


@njit([void(float32[::1], float64[::1])], **_JIT)
def _fill_gaps(series, weights):
    """Replace zeros by the weighted mean of the other samples around them, the last next to the first."""
    reach = weights.size // 2
    absent = series == 0
    measured = series.copy()
    for i in range(series.size):
        if absent[i]:
            total = weight = 0.0
            for k in range(-reach, reach + 1):
                j = (i + k) % series.size
                if not absent[j]:
                    total += weights[k + reach] * measured[j]
                    weight += weights[k + reach]
            if weight > 0:
                series[i] = np.float32(total / weight)
