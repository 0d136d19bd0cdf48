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
from scipy import fft

from rampflow.detector import dq as bits
from rampflow.detector import irs2
from rampflow.detector.orientation import Orientation
from rampflow.steps import NotApplicable
from rampflow.steps.refpix import geometry, groups
from rampflow.steps.refpix.reads import (
    bad_rows,
    flag_reads,
    known_reads,
    read_statistics,
    reference_blocks,
    stand_ins,
)
from rampflow.steps.refpix.time_order import (
    LINES,
    SAMPLES,
    fill_gaps,
    fit_line,
    order_in_space,
    order_in_time,
    subtract_line,
)

__all__ = [
    "BAD_READS",
    "COLUMNS",
    "SAMPLES",
    "correct_groups",
    "flag_reads",
    "plan_correction",
    "prepare_groups",
    "read_statistics",
    "reference_blocks",
]


#: Columns that the tables of the refpix reference must have: coefficients, and bad reads.
COLUMNS = tuple(f"{name}_{k}" for name in ("alpha", "beta") for k in range(irs2.SECTIONS - 1))
BAD_READS = ("OUTPUT", "ODD_EVEN", "MASK")
#: Slots, of the 22 between the starts of two blocks, that stand for the reference reads, and the read they repeat.
_SPREAD_TO = np.arange(7, 15)
_SPREAD_FROM = np.array([9, 11, 9, 11, 10, 12, 10, 12])
_BLOCK_SLOTS = irs2.PERIOD + 2
#: The filter for the gaps passes so many frequencies and falls to zero within so many more.
_PASS, _FALL = 30268, 5000
_ITERATIONS = 3
#: Weights by which neighbouring samples fill a gap at first.
_NEAR = np.sin(np.pi * np.arange(1, 32) / 32)


@dataclass(frozen=True, eq=False)
class InterleavedPlan:
    """All that is settled for an exposure before its groups are seen."""

    orientation: Orientation
    #: Science rows of the normal pixels.
    rows: np.ndarray
    #: Science rows to replace, in this order, and the two rows whose mean replaces each; -1: replaced by zero.
    replaced: np.ndarray
    sources: np.ndarray
    #: Levels to subtract first, or None.
    levels: geometry.LevelPlan | None
    #: Coefficients of the four amplifiers, complex64 of shape (4, SAMPLES / 2 + 1).
    alpha: np.ndarray
    beta: np.ndarray
    #: Keep the rows of the reference reads in the frames.
    keep_reads: bool


def plan_correction(
    pixeldq: np.ndarray,
    table: np.ndarray,
    dq_table: np.ndarray | None,
    *,
    detector: str,
    preserve_irs2_refpix: bool,
    irs2_mean_subtraction: bool,
    odd_even_columns: bool,
    siglimit: float,
) -> InterleavedPlan:
    """Settle how the groups of an exposure are corrected.

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
    InterleavedPlan
        For `prepare_groups` and `correct_groups`.

    Raises
    ------
    NotApplicable
        If the table has another number of rows.
    """
    if len(table) != 2 * SAMPLES:
        raise NotApplicable(f"the table of the refpix reference has {len(table)} rows, expected {2 * SAMPLES}")
    orientation = Orientation.from_detector(detector)
    bad = bad_rows(pixeldq, detector)
    first = np.flatnonzero(bad)
    sources = [stand_ins(row, bad) for row in first]
    known = known_reads(dq_table)
    if orientation.flip_rows:
        known = irs2.ROWS - 1 - known
    late = np.unique(known[~bad[known]])
    bad[late] = True
    sources += [stand_ins(row, bad) for row in late]
    return InterleavedPlan(
        orientation,
        rows=np.flatnonzero(irs2.normal_rows(detector)),
        replaced=np.concatenate([first, late]).astype(np.int64),
        sources=np.array(sources, np.int64).reshape(-1, 2),
        levels=_plan_levels(pixeldq, orientation, odd_even_columns, siglimit) if irs2_mean_subtraction else None,
        alpha=_coefficients(table, "alpha"),
        beta=_coefficients(table, "beta"),
        keep_reads=preserve_irs2_refpix,
    )


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


def prepare_groups(sci: np.ndarray, plan: InterleavedPlan) -> np.ndarray:
    """Subtract mean levels, if wanted, and replace bad reference reads, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, 3200, 2048).
    plan : InterleavedPlan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.
    """
    if plan.levels is not None:
        groups.correct_groups(sci, plan.levels)
    for group in sci:
        for row, (before, after) in zip(plan.replaced, plan.sources, strict=True):
            group[row] = 0 if before < 0 else 0.5 * (group[before] + group[after])
    return sci


def correct_groups(sci: np.ndarray, *, mean: np.ndarray, plan: InterleavedPlan) -> np.ndarray:
    """Subtract the drift from groups of one integration.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, 3200, 2048). Changed in place. A NaN makes its whole group NaN.
    mean : 2D float64 `~numpy.ndarray`
        Mean over all groups of the integration of what `prepare_groups` returns.
    plan : InterleavedPlan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        Shape (n, 2048, 2048); (n, 3200, 2048) if the plan is to keep the reference reads, which are then as
        `prepare_groups` leaves them.
    """
    sci = prepare_groups(sci, plan)
    flip = plan.orientation.flip_rows
    slots, rows = irs2.slots(), plan.rows
    result = sci if plan.keep_reads else np.empty((len(sci), rows.size, sci.shape[2]), np.float32)
    place = rows if plan.keep_reads else np.arange(rows.size)
    gaps = np.ones(irs2.LINE_SLOTS, bool)
    gaps[slots[0, ~irs2.section_references()]] = False
    series = np.zeros((irs2.SECTIONS, LINES, irs2.LINE_SLOTS), np.float32)
    for group, corrected in zip(sci, result, strict=True):
        order_in_time(group, mean, slots, flip, series)
        for amplifier in series:
            subtract_line(amplifier, *fit_line(amplifier))
        _subtract(series, gaps, plan)
        order_in_space(series, mean, slots, flip, rows, place, corrected)
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
    fill_gaps(output.ravel(), _NEAR)
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
