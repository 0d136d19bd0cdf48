"""Interleaved reference reads of IRS2 frames: which are bad, and what stands in for them.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html
"""

from collections.abc import Sequence

import numpy as np

from rampflow.detector import dq as bits
from rampflow.detector import irs2
from rampflow.errors import StepError

_CLIP_ITERATIONS = 5


def reference_blocks() -> list[slice]:
    """Rows of each block of reference reads in the frame, as slices; those of the reference output included."""
    starts = np.flatnonzero(np.tile(irs2.section_references(), irs2.SECTIONS))[:: irs2.REFERENCE]
    return [slice(int(start), int(start) + irs2.REFERENCE) for start in starts]


def read_statistics(sci: np.ndarray) -> list[np.ndarray]:
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


def flag_reads(
    pixeldq: np.ndarray, statistics: Sequence[np.ndarray], *, detector: str, ovr_corr_mitigation_ftr: float
) -> np.ndarray:
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
    known = bad_rows(pixeldq, detector)
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


def bad_rows(pixeldq, detector):
    """Tell which rows of reference reads or of the reference output have a BAD_REF_PIXEL."""
    # jwst gives up rows of normal pixels, too, for a bad reference pixel at their ends.
    return (pixeldq & np.uint32(bits.BAD_REF_PIXEL)).any(axis=1) & ~irs2.normal_rows(detector)


def _clipped(values, limit):
    """Mean and standard deviation without what is farther than so many deviations from the median."""
    for _ in range(_CLIP_ITERATIONS):
        kept = values[np.abs(values - np.median(values)) <= limit * values.std()] if values.size else values
        if kept.size == values.size:
            break
        values = kept
    return (values.mean(), values.std()) if values.size else (np.inf, 0.0)


def known_reads(dq_table):
    """Rows, in detector order, of the reads that the reference file says are bad."""
    rows = []
    for entry in () if dq_table is None else dq_table:
        output, parity = int(entry["OUTPUT"]), int(entry["ODD_EVEN"])
        if output not in range(1, irs2.SECTIONS) or parity not in (1, 2):
            raise StepError(
                f"the refpix reference names bad reads of output {output}, ODD_EVEN {parity}; there are outputs 1 to "
                f"{irs2.SECTIONS - 1} and ODD_EVEN 1 and 2; take another reference"
            )
        pair = parity if output % 2 else 3 - parity
        blocks = np.flatnonzero([int(entry["MASK"]) >> bit & 1 for bit in range(32)])
        start = irs2.SECTION_ROWS * output + irs2.FIRST + irs2.PERIOD * blocks + 2 * (pair - 1)
        rows += [start, start + 1]
    return np.concatenate(rows) if rows else np.empty(0, np.int64)


def stand_ins(row, bad):
    """Rows whose mean replaces a bad read: the same read of the blocks around it, else the other pair."""
    section = row // irs2.SECTION_ROWS
    near = [r for r in (row - irs2.PERIOD, row + irs2.PERIOD) if r // irs2.SECTION_ROWS == section and not bad[r]]
    if near:
        return near[0], near[-1]
    inside = (row % irs2.SECTION_ROWS - irs2.FIRST) % irs2.PERIOD
    other = row + 2 if inside < 2 else row - 2
    return (-1, -1) if bad[other] else (other, other)
