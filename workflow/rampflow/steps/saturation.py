"""Flag what the detector or its electronics could not measure: saturated groups and the A/D floor.

A pixel collects charge until its well is full; the counts then stop following the light, and the excess
spills into the neighbours. The saturation reference file holds, per pixel, the count (DN, before bias
subtraction) from which on a reading is useless. From the first group that reaches it, this group and all
later ones of the integration are SATURATED, and so are, group by group, the neighbours within
``n_pix_grow_sat`` pixels. A reading of zero or less is below the range of the A/D converter: AD_FLOOR and
DO_NOT_USE, in that group alone.

Where a group is the average of several frames, a pixel may saturate during the group while the average
stays below the threshold. Two more tests look for that: any group just before a saturated one whose
average could include saturated frames, and the second group, if the flux of the first one does not explain
that the third one is saturated. Such groups get DO_NOT_USE.

SCI is read, never changed (DN). The superbias reference serves the second-group test alone.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/saturation/description.html and
https://jwst-docs.stsci.edu (NIR detector performance, "Saturation"). The mixture of single and double
precision below is jwst's, measured on values at the very boundary; it decides which way a tie falls.

In frames of NIRSpec's IRS2 readout the interleaved reference pixels are left out, what is flagged by growth stays
flagged, there is no test of the group before a saturated one, and what the test of the second group finds is
SATURATED and grown.
"""

import numpy as np
from numba import boolean, float32, int64, uint8, uint16, void

from rampflow.detector import dq as bits
from rampflow.detector import irs2
from rampflow.errors import StepError
from rampflow.kernels import B_1, B_2, F32_2, F32_3, U8_1, U8_2, U8_3, U16_3, kernel
from rampflow.steps.agreement import ANOTHER, SAME_ROWS, check_shape

#: No 16-bit count reaches this threshold (DN).
UNREACHABLE = 65536.0

_DNU = np.uint8(bits.DO_NOT_USE)
_SATURATED = np.uint8(bits.SATURATED)
_FLOOR = np.uint8(bits.AD_FLOOR | bits.DO_NOT_USE)


def prepare_threshold(threshold: np.ndarray, dq: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the saturation reference safe to compare with.

    Parameters
    ----------
    threshold : 2D `~numpy.ndarray`
        Saturation threshold (DN). NaN means that it is not known.
    dq : 2D uint32 `~numpy.ndarray`
        Reference flags, in standard bits.

    Returns
    -------
    threshold : 2D float32 `~numpy.ndarray`
        The same, but `UNREACHABLE` in unchecked pixels.
    dq : 2D uint32 `~numpy.ndarray`
        The same plus NO_SAT_CHECK where the threshold was NaN. To be OR-ed into PIXELDQ.
    unchecked : 2D bool `~numpy.ndarray`
        Where there is no threshold: NO_SAT_CHECK, or NaN.

    Raises
    ------
    StepError
        If the two arrays differ in shape.
    """
    check_shape("the threshold", threshold.shape, "DQ of the reference", dq.shape, ANOTHER)
    unknown = np.isnan(threshold)
    dq = np.where(unknown, dq | np.uint32(bits.NO_SAT_CHECK), dq)
    unchecked = (dq & bits.NO_SAT_CHECK) != 0
    threshold = np.where(unchecked, UNREACHABLE, threshold).astype(np.float32, copy=False)
    return threshold, dq, unchecked


def interleaved(
    threshold: np.ndarray, unchecked: np.ndarray, normal: np.ndarray | None
) -> dict[str, np.ndarray | None]:
    """Give images of normal pixels the interleaved rows of IRS2 frames, in which nothing is checked.

    Parameters
    ----------
    threshold, unchecked : 2D `~numpy.ndarray`
        From `prepare_threshold`.
    normal : 1D bool `~numpy.ndarray` or None
        From `irs2.normal_rows`; None: ordinary frames, whose images stay as they are.

    Returns
    -------
    dict
        ``threshold``, ``unchecked`` and ``normal`` for `flag_saturation`.
    """
    return {
        "threshold": irs2.interleaved(threshold, normal, UNREACHABLE),
        "unchecked": irs2.interleaved(unchecked, normal, True),
        "normal": None if normal is None else normal[:, np.newaxis],
    }


def halo(n_pix_grow_sat: int) -> int:
    """Rows to add on each side of a block so that its own rows come out as in the whole frame.

    Growth acts twice. What saturates spreads by so many pixels; a pixel reached in this way may then count as
    partly saturated in the group before, and that spreads by as many again. In IRS2 frames growth acts once, but
    there may be interleaved rows on the way.
    """
    return 2 * n_pix_grow_sat + irs2.REFERENCE


def flag_saturation(
    sci: np.ndarray,
    groupdq: np.ndarray,
    threshold: np.ndarray,
    bias: np.ndarray | None,
    unchecked: np.ndarray,
    normal: np.ndarray | None = None,
    *,
    n_pix_grow_sat: int,
    use_readpatt: bool,
    nframes: int,
) -> np.ndarray:
    """Flag the saturated groups and the A/D floor of one integration.

    Works on blocks of rows. All arrays must hold ``halo(n_pix_grow_sat)`` more rows on each side, where
    the frame has them; the flags of these extra rows are not final and must not be written back, nor be
    the input of the next block.

    Parameters
    ----------
    sci : 3D float32 or uint16 `~numpy.ndarray`
        Counts (DN, bias included), shape (ngroups, rows, nx). NaN is never flagged.
    groupdq : 3D uint8 `~numpy.ndarray`
        Group flags, same shape. Changed in place. SATURATED pixels are grown as well, DO_NOT_USE pixels
        are not tested for a partly saturated average.
    threshold, unchecked : 2D `~numpy.ndarray`
        From `prepare_threshold`, cut to the same rows.
    bias : 2D float32 `~numpy.ndarray` or None
        Superbias (DN); None means zero (MIRI).
    normal : 2D bool `~numpy.ndarray` or None
        IRS2: where a row holds normal pixels, shape (rows, 1), cut likewise. None: there are no others.
    n_pix_grow_sat : int
        Pixels to flag around a saturated one, in each direction.
    use_readpatt : bool
        Look for averages that include saturated frames.
    nframes : int
        Frames averaged per group (NFRAMES). The frames dropped between groups are not counted.

    Returns
    -------
    3D uint8 `~numpy.ndarray`
        ``groupdq``.

    Raises
    ------
    StepError
        If shapes disagree, or a number is out of range.
    """
    check_shape("GROUPDQ", groupdq.shape, "SCI", sci.shape, SAME_ROWS)
    images = {"the threshold": threshold, "unchecked": unchecked}
    for name, image in (images if bias is None else images | {"the superbias": bias}).items():
        check_shape(name, image.shape, "the groups", sci.shape[1:])
    _check_growth(n_pix_grow_sat)
    if use_readpatt and (nframes is None or nframes < 1):
        raise StepError(
            f"Saturation: NFRAMES is {nframes}, expected 1 or more. Correct the header, or set use_readpatt to false."
        )
    if normal is not None:
        rows = normal[:, 0]
        frames = np.compress(rows, sci, axis=1)
        flags = np.compress(rows, groupdq, axis=1)
        bias = np.zeros_like(threshold) if bias is None else bias
        _flag_normal_pixels(frames, flags, threshold[rows], bias[rows], nframes if use_readpatt else 0, n_pix_grow_sat)
        groupdq[:, rows] = flags
        return groupdq
    _flag_full_wells(sci, groupdq, threshold, n_pix_grow_sat)
    if use_readpatt:
        if nframes > 1:
            _flag_partial_averages(sci, groupdq, threshold, unchecked, nframes, n_pix_grow_sat)
        if len(sci) > 2:
            if bias is None:
                bias = np.zeros_like(threshold)
            _flag_second_group(sci, groupdq, threshold, bias, nframes)
    return groupdq


def flag_zeroframe(zeroframe: np.ndarray, threshold: np.ndarray, *, n_pix_grow_sat: int) -> np.ndarray:
    """Set to zero the pixels of a zero frame that cannot be used.

    The zero frame is the first frame of an integration, kept apart; zero is its mark for "no measurement"
    from here on. Saturated pixels, their neighbours and the A/D floor get it. Works on whole frames, or on
    blocks of rows with ``n_pix_grow_sat`` more rows on each side.

    Parameters
    ----------
    zeroframe : 2D or 3D float32 `~numpy.ndarray`
        Counts (DN), shape (rows, nx) or (n, rows, nx). Changed in place. NaN stays, unless a neighbour
        saturates.
    threshold : 2D float32 `~numpy.ndarray`
        From `prepare_threshold`.
    n_pix_grow_sat : int
        Pixels to set to zero around a saturated one, in each direction.

    Returns
    -------
    float32 `~numpy.ndarray`
        ``zeroframe``.

    Raises
    ------
    StepError
        If the shapes disagree or ``n_pix_grow_sat`` is negative.
    """
    check_shape("the threshold", threshold.shape, "the zero frame", zeroframe.shape[-2:])
    _check_growth(n_pix_grow_sat)
    for frame in zeroframe.reshape(-1, *threshold.shape):
        flags = np.zeros((1, *frame.shape), np.uint8)
        _flag_full_wells(frame[np.newaxis], flags, threshold, n_pix_grow_sat)
        frame[flags[0] != 0] = 0
    return zeroframe


def _check_growth(n_pix_grow_sat):
    if n_pix_grow_sat < 0:
        raise StepError(f"Saturation: n_pix_grow_sat is {n_pix_grow_sat}, expected 0 or more.")


# Growth by a box of (2n+1)² pixels goes row by row: each row's sources are spread sideways into a ring of
# 2n+1 rows; a row is finished when the last row that reaches it has been read. So the sources of a row are
# always read before anything is grown into it, and rows far from any source cost nothing.


@kernel(boolean(U8_1, U8_1, int64))
def _spread(sources, row, n):
    """Fill ``row`` with the sources (0 or 1) spread by n columns; tell whether there is any."""
    any_source = np.uint8(0)
    for x in range(sources.size):
        any_source |= sources[x]
    if any_source == 0:
        return False
    row[:] = 0
    for x in range(sources.size):
        if sources[x]:
            for k in range(max(0, x - n), min(sources.size, x + n + 1)):
                row[k] = 1
    return True


@kernel(void(U8_2, B_1, U8_1, uint8))
def _join(ring, filled, flags, value):
    """Add ``value`` to the flags wherever a filled row of the ring says so."""
    for r in range(len(ring)):
        if filled[r]:
            for x in range(flags.size):
                flags[x] |= ring[r, x] * value


@kernel([void(counts, U8_3, F32_2, int64) for counts in (F32_3, U16_3)])
def _flag_full_wells(sci, groupdq, threshold, n):
    ngroups, rows, nx = sci.shape
    ever = np.zeros((rows, nx), np.uint8)
    sources = np.empty(nx, np.uint8)
    ring = np.empty((2 * n + 1, nx), np.uint8)
    filled = np.zeros(2 * n + 1, np.bool_)
    for g in range(ngroups):
        filled[:] = False
        for y in range(rows + n):
            slot = y % (2 * n + 1)
            filled[slot] = False
            if y < rows:
                for x in range(nx):
                    counts = np.float32(sci[g, y, x])
                    full = ever[y, x] | np.uint8(counts >= threshold[y, x])
                    ever[y, x] = full
                    flags = groupdq[g, y, x] | (full * _SATURATED) | (np.uint8(counts <= 0) * _FLOOR)
                    groupdq[g, y, x] = flags
                    sources[x] = np.uint8((flags & _SATURATED) != 0)
                filled[slot] = _spread(sources, ring[slot], n)
            if y >= n:
                _join(ring, filled, groupdq[g, y - n], _SATURATED)


@kernel([void(counts, U8_3, F32_2, B_2, int64, int64) for counts in (F32_3, U16_3)])
def _flag_partial_averages(sci, groupdq, threshold, unchecked, nframes, n):
    ngroups, rows, nx = sci.shape
    sources = np.empty(nx, np.uint8)
    ring = np.empty((2 * n + 1, nx), np.uint8)
    filled = np.zeros(2 * n + 1, np.bool_)
    for g in range(ngroups - 1):
        # A steady source that fills the well in the last frame of the group has this share of it on
        # average.
        share = (g * nframes + (nframes + 1) / 2) / ((g + 1) * nframes)
        filled[:] = False
        for y in range(rows + n):
            slot = y % (2 * n + 1)
            filled[slot] = False
            if y < rows:
                saturates_next = np.uint8(0)
                for x in range(nx):
                    saturates_next |= groupdq[g + 1, y, x]
                if saturates_next & _SATURATED:
                    for x in range(nx):
                        limit = np.float64(threshold[y, x])
                        if not unchecked[y, x]:
                            limit *= share
                        sources[x] = np.uint8(
                            (np.float64(sci[g, y, x]) >= limit)
                            & ((groupdq[g, y, x] & (_SATURATED | _DNU)) == 0)
                            & ((groupdq[g + 1, y, x] & _SATURATED) != 0)
                        )
                    filled[slot] = _spread(sources, ring[slot], n)
            if y >= n:
                _join(ring, filled, groupdq[g, y - n], _DNU)


@kernel([boolean(counts, counts, float32, float32, int64) for counts in (float32, uint16)])
def _saturates_in_second(first, second, threshold, bias, nframes):
    """Tell from the first two groups of a pixel that is full in the third whether it filled during the second."""
    first = np.float32(first)
    step = np.float32(second) - first
    # The flux of the first group, steady, would not have filled the well within the third …
    steady = np.float64(first - bias) / ((nframes + 1) / 2) * (3 * nframes) + np.float64(bias)
    # … and the second is higher than it would be if its last frame alone were at the threshold.
    return steady < threshold and step > (threshold - first) / np.float32(nframes)


@kernel([void(counts, U8_3, F32_2, F32_2, int64) for counts in (F32_3, U16_3)])
def _flag_second_group(sci, groupdq, threshold, bias, nframes):
    rows, nx = threshold.shape
    for y in range(rows):
        for x in range(nx):
            if (groupdq[2, y, x] & _SATURATED) == 0 or (groupdq[1, y, x] & _SATURATED) != 0:
                continue
            if _saturates_in_second(sci[0, y, x], sci[1, y, x], threshold[y, x], bias[y, x], nframes):
                groupdq[1, y, x] |= _DNU


@kernel([void(counts, U8_3, F32_2, F32_2, int64, int64) for counts in (F32_3, U16_3)])
def _flag_normal_pixels(sci, groupdq, threshold, bias, nframes, n):
    """Flag the normal pixels of IRS2 frames; without a read pattern ``nframes`` is 0."""
    ngroups, rows, nx = sci.shape
    full = np.zeros((rows, nx), np.uint8)
    early = np.zeros((rows, nx), np.uint8)
    sources, sources_early = np.empty(nx, np.uint8), np.zeros(nx, np.uint8)
    ring, ring_early = np.empty((2 * n + 1, nx), np.uint8), np.empty((2 * n + 1, nx), np.uint8)
    filled, filled_early = np.zeros(2 * n + 1, np.bool_), np.zeros(2 * n + 1, np.bool_)
    for g in range(ngroups):
        look_back = g == 2 and nframes > 0
        filled[:] = False
        filled_early[:] = False
        for y in range(rows + n):
            slot = y % (2 * n + 1)
            filled[slot] = filled_early[slot] = False
            if y < rows:
                for x in range(nx):
                    counts = np.float32(sci[g, y, x])
                    sources[x] = np.uint8(counts >= threshold[y, x])
                    groupdq[g, y, x] |= np.uint8(counts <= 0) * _FLOOR
                filled[slot] = _spread(sources, ring[slot], n)
                if look_back:
                    for x in range(nx):
                        sources_early[x] = np.uint8(
                            sources[x] != 0
                            and _saturates_in_second(sci[0, y, x], sci[1, y, x], threshold[y, x], bias[y, x], nframes)
                        )
                    filled_early[slot] = _spread(sources_early, ring_early[slot], n)
            if y >= n:
                # What is full once stays so, and so does what it spreads to.
                _join(ring, filled, full[y - n], np.uint8(1))
                _join(ring_early, filled_early, early[y - n], np.uint8(1))
                for x in range(nx):
                    groupdq[g, y - n, x] |= full[y - n, x] * _SATURATED
                if look_back:
                    for x in range(nx):
                        groupdq[1, y - n, x] |= early[y - n, x] * _SATURATED
