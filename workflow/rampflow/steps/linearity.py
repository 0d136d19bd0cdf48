"""Straighten the response of the detector: counts that fall behind the light are brought back to a line.

As a pixel fills, its capacitance (near infrared) or its bias voltage (MIRI) changes, so that equal amounts of
light add fewer and fewer counts. The linearity reference file holds, per pixel, the coefficients of a
polynomial that turns observed counts into those of an ideal linear pixel (DN in, DN out). Groups in
saturation are beyond the polynomial's range and stay as they are; so do pixels without a valid polynomial,
which get NO_LIN_CORR. In the zero frame exactly 0 means "no measurement" and stays 0.

A group may be the average of several reads, and the polynomial of an average is not the average of the
polynomials. Where the reference has the polynomial back from linear to observed counts as well, `linearize_reads`
takes that into account: a first, linear guess of the ramp says how much the reads of a group differ from their
average, and each read is corrected on its own.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/linearity/description.html ; the evaluation is
Horner's, in single precision like the data; that of single reads is in double precision.
"""

import numpy as np
from numba import float32, float64, int64, void

from rampflow.detector import dq as bits
from rampflow.errors import StepError
from rampflow.kernels import F32_3, F32_3R, F64_1, F64_2, U8_3R, kernel
from rampflow.steps import keeping_zeros
from rampflow.steps.agreement import ANOTHER, SAME_ROWS, check_shape

# Columns handled together, so that data, sums and ten coefficients of each stay in the first-level cache.
_BLOCK = 512
# The same for single reads, of which there may be eight in double precision.
_READ_BLOCK = 128
_SATURATED = np.uint8(bits.SATURATED)


def usable_coefficients(coefficients: np.ndarray, dq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give pixels without a valid polynomial one that changes nothing, in place.

    Not valid are pixels that the reference flags NO_LIN_CORR, that have a NaN among the coefficients, or
    whose linear coefficient is 0. Each pixel is treated by itself, so any block of rows will do.

    Parameters
    ----------
    coefficients : 3D float32 `~numpy.ndarray`
        Polynomial coefficients, shape (n, rows, nx), the constant first; n of 2 or more. DN in, DN out.
    dq : 2D uint32 `~numpy.ndarray`
        Flags of the reference, in standard bits.

    Returns
    -------
    coefficients : 3D float32 `~numpy.ndarray`
        ``coefficients``, with 0, 1, 0, … in pixels without a valid polynomial.
    dq : 2D uint32 `~numpy.ndarray`
        ``dq``, with NO_LIN_CORR in the same pixels. To be OR-ed into PIXELDQ.

    Raises
    ------
    StepError
        If there are fewer than two coefficients, or the shapes differ.
    """
    if len(coefficients) < 2:
        raise StepError(f"the reference has {len(coefficients)} coefficients, expected 2 or more; {ANOTHER}")
    check_shape("an image of coefficients", coefficients.shape[1:], "DQ of the reference", dq.shape, ANOTHER)
    invalid = ((dq & bits.NO_LIN_CORR) != 0) | (coefficients[1] == 0)
    for plane in coefficients:
        invalid |= np.isnan(plane)
    coefficients[:, invalid] = 0
    coefficients[1, invalid] = 1
    dq[invalid] |= bits.NO_LIN_CORR
    return coefficients, dq


def linearize(sci: np.ndarray, groupdq: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Apply the polynomial to every group that is not saturated, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, rows, nx): groups of any integrations. NaN stays NaN.
    groupdq : 3D uint8 `~numpy.ndarray`
        Group flags, same shape. Groups with SATURATED keep their counts; DO_NOT_USE makes no difference.
    coefficients : 3D float32 `~numpy.ndarray`
        From `usable_coefficients`, cut to the same rows.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the shapes disagree.
    """
    _check_shapes(sci, groupdq, coefficients)
    _linearize(sci, groupdq, coefficients, _BLOCK)
    return sci


def has_reads(nframes: int, ngroups: int) -> bool:
    """Say whether single reads can be told apart: groups average several, and two groups give a rate."""
    return nframes > 1 and ngroups > 1


def linearize_reads(
    sci: np.ndarray, groupdq: np.ndarray, *, coefficients: np.ndarray, inverse: np.ndarray, nframes: int
) -> np.ndarray:
    """Correct the reads that unsaturated groups of an integration average, in place.

    The rate of a pixel is that between its first group and the last but one before saturation (or the second
    group), both corrected as averages. The reads that this rate predicts are turned into observed counts,
    shifted so that their average is the observed one, corrected, and averaged again.

    As in jwst the reads are taken to follow each other without the frames that are dropped between groups
    (GROUPGAP), so that with dropped frames the reads of a group are spread too far.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (groups, rows, nx): all groups of one integration, at least two. NaN stays NaN.
    groupdq : 3D uint8 `~numpy.ndarray`
        Group flags, same shape. Groups with SATURATED keep their counts.
    coefficients, inverse : 3D float32 `~numpy.ndarray`
        From `usable_coefficients`, cut to the same rows: observed to linear counts, and back.
    nframes : int
        Reads that a group averages.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the shapes disagree, or there is but one group.
    """
    _check_shapes(sci, groupdq, coefficients)
    _check_shapes(sci, groupdq, inverse)
    if len(sci) < 2:
        raise StepError("One group gives no rate: use linearize")
    _linearize_reads(sci, groupdq, coefficients, inverse, nframes, _READ_BLOCK)
    return sci


@keeping_zeros
def linearize_zeroframe(zeroframe: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Apply the polynomial to zero frames, in place, except where they hold no measurement.

    Parameters
    ----------
    zeroframe : 3D float32 `~numpy.ndarray`
        First frame of each integration (DN), shape (n, rows, nx). Exactly 0 means "no measurement" and stays
        0.
    coefficients : 3D float32 `~numpy.ndarray`
        From `usable_coefficients`, cut to the same rows.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``zeroframe``.

    Raises
    ------
    StepError
        If the shapes disagree.
    """
    return linearize(zeroframe, np.zeros(zeroframe.shape, np.uint8), coefficients)


def _check_shapes(sci, groupdq, coefficients):
    check_shape("GROUPDQ", groupdq.shape, "SCI", sci.shape, SAME_ROWS)
    check_shape("an image of coefficients", coefficients.shape[1:], "the groups", sci.shape[1:])


@kernel(void(F32_3, U8_3R, F32_3R, int64))
def _linearize(sci, groupdq, coefficients, block):
    ngroups, rows, nx = sci.shape
    top = coefficients.shape[0] - 1
    total = np.empty(block, np.float32)
    # Groups innermost but one: the coefficients of a block of columns are read from memory once for all
    # groups.
    for y in range(rows):
        for start in range(0, nx, block):
            stop = min(start + block, nx)
            for g in range(ngroups):
                counts, flags = sci[g, y, start:stop], groupdq[g, y, start:stop]
                highest = coefficients[top, y, start:stop]
                for x in range(stop - start):
                    total[x] = highest[x]
                for k in range(top - 1, -1, -1):
                    coefficient = coefficients[k, y, start:stop]
                    for x in range(stop - start):
                        total[x] = total[x] * counts[x] + coefficient[x]
                for x in range(stop - start):
                    # Both values are read before the choice, so that it costs no branch.
                    observed, linear = counts[x], total[x]
                    counts[x] = observed if flags[x] & _SATURATED != 0 else linear


@kernel(inline="always")
def _linear(counts, flag, coefficients, y, x):
    """Linear counts of one sample, in single precision; a saturated one stays as it is."""
    if flag & _SATURATED != 0:
        return counts
    total = coefficients[coefficients.shape[0] - 1, y, x]
    for k in range(coefficients.shape[0] - 2, -1, -1):
        total = total * counts + coefficients[k, y, x]
    return total


@kernel(void(F64_2, F64_1, F64_1, F64_1))
def _evaluate(coefficients, argument, result, total):
    """Evaluate the polynomials of a block of columns, and add the results to the total."""
    top = coefficients.shape[0] - 1
    for x in range(argument.size):
        result[x] = coefficients[top, x]
    for k in range(top - 1, -1, -1):
        coefficient = coefficients[k]
        for x in range(argument.size):
            result[x] = result[x] * argument[x] + coefficient[x]
    for x in range(argument.size):
        total[x] += result[x]


@kernel(void(F32_3, U8_3R, F32_3R, F32_3R, int64, int64))
def _linearize_reads(sci, groupdq, coefficients, inverse, nframes, block):
    ngroups, rows, nx = sci.shape
    there, back = np.empty((coefficients.shape[0], block)), np.empty((inverse.shape[0], block))
    # Columns beyond the last of a row are worked out along and not used.
    there[:], back[:] = 0.0, 0.0
    first, rate, shift = np.zeros(block), np.zeros(block), np.zeros(block)
    value, total = np.zeros(block), np.empty(block)
    reads = np.zeros((nframes, block))
    for y in range(rows):
        for start in range(0, nx, block):
            width = min(block, nx - start)
            there[:, :width] = coefficients[:, y, start : start + width]
            back[:, :width] = inverse[:, y, start : start + width]
            for x in range(width):
                good = 0
                for g in range(ngroups):
                    good += groupdq[g, y, start + x] & _SATURATED == 0
                last = min(max(good - 1, 2) - 1, ngroups - 1)
                begin = _linear(sci[0, y, start + x], groupdq[0, y, start + x], coefficients, y, start + x)
                end = _linear(sci[last, y, start + x], groupdq[last, y, start + x], coefficients, y, start + x)
                first[x], rate[x] = begin, float64(end - begin) / (last * nframes)
            for g in range(ngroups):
                counts, flags = sci[g, y, start : start + width], groupdq[g, y, start : start + width]
                total[:] = 0.0
                for r in range(nframes):
                    # Reads since the middle of the first group.
                    time = g * nframes + r - 0.5 * (nframes - 1)
                    for x in range(width):
                        value[x] = first[x] + rate[x] * time
                    _evaluate(back, value, reads[r], total)
                for x in range(width):
                    shift[x] = counts[x] - total[x] / nframes
                total[:] = 0.0
                for r in range(nframes):
                    read = reads[r]
                    for x in range(width):
                        read[x] += shift[x]
                    _evaluate(there, read, value, total)
                for x in range(width):
                    observed, linear = counts[x], float32(total[x] / nframes)
                    counts[x] = observed if flags[x] & _SATURATED != 0 else linear
