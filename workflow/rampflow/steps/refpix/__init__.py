"""Subtract the drift of the readout electronics, measured with the reference pixels.

A border of pixels along the edges of each detector is blind to light but goes through the same amplifiers
as the others. What those pixels show, group by group, is the bias level of the moment: it differs between
amplifiers (and between their odd and even columns) and wanders from row to row while a frame is read ("1/f
noise").

Near infrared, whole detector or any subarray that is read through four amplifiers: each amplifier owns 512
columns. From its odd and even columns the level of the reference pixels in the four rows at either end is
subtracted; then, from each row, the running median of the four reference pixels at either side. Subarrays
read through one amplifier: the level of whatever reference pixels they contain, for odd and even columns.
Multistripe frames: for odd and even columns of each amplifier the level of all their reference pixels.
MIRI, full frame: all four outputs serve every row in turn; the first group is taken as zero point, and the
level of the reference pixels at both ends of the rows is subtracted per output, for odd and even rows.

Units: DN in and out. There is no reference file. Group flags play no role: which reference pixels are good
is told by PIXELDQ, so it is settled once for an exposure, in `plan_correction`; `correct_frames` then
treats every frame on its own.

Frames are worked on in double precision and rounded once, but in single precision, rounded after every
operation, for MIRI, in the first group of an exposure, and wherever the side pixels are not used: so does the oracle,
and the two then agree to the last bit. The difference is a few times the rounding of the levels.

Sources: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html;
https://jwst-docs.stsci.edu, "NIR detector performance" (reference pixels, 1/f noise). NIRSpec's IRS2
readout is in `irs2`, the optimised side filter ("sirs") in `sirs`, the geometry in `geometry`.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numba import boolean, float32, float64, int32, int64, njit, void

from rampflow.detector import dq as bits
from rampflow.detector.orientation import Orientation
from rampflow.steps import NotApplicable
from rampflow.steps.refpix import sirs
from rampflow.steps.refpix.geometry import (
    AMPLIFIERS,
    BORDER,
    NIR_SIZE,
    plan_four_amplifiers,
    plan_miri,
    plan_single_amplifier,
    plan_stripes,
)

#: Parameters of `plan_correction`.
OPTIONS = (
    "odd_even_columns",
    "use_side_ref_pixels",
    "side_smoothing_length",
    "side_gain",
    "odd_even_rows",
    "refpix_algorithm",
    "sigreject",
    "gaussmooth",
    "halfwidth",
    "siglimit",
    "stripe_side_columns",
    "orientation",
)

# These NIRSpec subarrays have no reference pixels; their first and last columns (science frame) stand in.
_NIRSPEC_EDGES_AS_REFERENCE = ("SUB512", "SUB512S", "SUB32")

_JIT = {"cache": True, "nogil": True, "error_model": "numpy"}


def wants_kernels(instrument, subarray, refpix_algorithm):
    """Tell whether an exposure is to be corrected with the kernels of the sirskernel reference."""
    return refpix_algorithm == "sirs" and instrument != "MIRI" and "FULL" in subarray


def plan_correction(
    pixeldq,
    *,
    instrument,
    detector,
    subarray,
    noutputs,
    xstart,
    ystart,
    fastaxis=None,
    slowaxis=None,
    odd_even_columns,
    use_side_ref_pixels,
    side_smoothing_length,
    side_gain,
    odd_even_rows,
    refpix_algorithm="median",
    sirs_coefficients=None,
    sigreject=4.0,
    gaussmooth=1.0,
    halfwidth=30,
    siglimit=3.0,
    striped=False,
    stripe_side_columns=True,
    orientation="header",
):
    """Decide from PIXELDQ and the header how an exposure is corrected.

    Parameters
    ----------
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags in the science frame, shape (ny, nx). REFERENCE_PIXEL and DO_NOT_USE count.
    instrument, detector, subarray : str
        INSTRUME, DETECTOR, SUBARRAY.
    noutputs : int or None
        Amplifiers in use (NOUTPUTS).
    xstart, ystart : int
        First column and row of the subarray, from one (SUBSTRT1, SUBSTRT2).
    fastaxis, slowaxis : int or None
        FASTAXIS and SLOWAXIS. None: the orientation follows from ``detector``.
    odd_even_columns : bool
        Separate levels for odd and even columns (near infrared).
    use_side_ref_pixels : bool
        Subtract the running median of the side pixels (near infrared, four amplifiers).
    side_smoothing_length : int
        Rows in the running median, from 1 to 4095. An even number takes one more row of those read before
        than of those read after.
    side_gain : float
        Factor for the running median before it is subtracted.
    odd_even_rows : bool
        Separate levels for odd and even rows (MIRI).
    refpix_algorithm : str
        Treatment of the side pixels: "median", or "sirs" for full frames.
    sirs_coefficients : tuple of 2D `~numpy.ndarray` or None
        Coefficients for "sirs", see `sirs.make_kernels`. None: the running median serves instead.
    sigreject, gaussmooth, halfwidth : float, float, int
        Parameters of "sirs", see `sirs`.
    siglimit : float
        Pixels farther than so many standard deviations from the mean are left out of a level; repeated until
        nothing changes.
    striped : bool
        The frames are those of a multistripe exposure.
    stripe_side_columns : bool
        Treat the four columns at either side of multistripe frames like all others. If not, they are neither used
        nor corrected (as in release 1.19).
    orientation : str
        "header": as ``fastaxis`` and ``slowaxis`` have it; "detector": as ``detector`` has it, whatever they are.

    Returns
    -------
    Plan
        For `correct_frames`.

    Raises
    ------
    NotApplicable
        For MIRI subarrays, subarrays that do not fit on the detector, and single-amplifier subarrays with
        reference pixels in odd or in even columns only (where the oracle stops with an error).
    ValueError
        If a parameter or header value makes no sense, or the frames are larger than the detector (IRS2).
    """
    if siglimit <= 0:
        raise ValueError(f"Refpix: siglimit is {siglimit}, expected a positive number.")
    usable = (pixeldq & np.uint32(bits.DO_NOT_USE)) == 0
    if instrument == "MIRI":
        return plan_miri(usable, odd_even_rows, siglimit)
    shape = pixeldq.shape
    if max(shape) > NIR_SIZE:
        raise ValueError(f"Refpix: frames of {shape[0]} x {shape[1]} pixels are larger than the detector.")
    if orientation == "detector" or fastaxis is None or slowaxis is None:
        orientation = Orientation.from_detector(detector)
    else:
        orientation = Orientation.from_axes(fastaxis, slowaxis)
    corner = orientation.corner_in_detector((ystart - 1, xstart - 1), shape, NIR_SIZE)

    if striped:
        good = usable & ((pixeldq & np.uint32(bits.REFERENCE_PIXEL)) != 0)
        return plan_stripes(good, orientation, corner[1], odd_even_columns, stripe_side_columns, siglimit)
    if xstart < 1 or ystart < 1 or xstart + shape[1] > NIR_SIZE + 1 or ystart + shape[0] > NIR_SIZE + 1:
        raise NotApplicable(
            f"the subarray starts at x={xstart}, y={ystart} and has {shape[1]} x {shape[0]} pixels: "
            f"it does not fit on the detector of {NIR_SIZE} x {NIR_SIZE}"
        )
    if shape != (NIR_SIZE, NIR_SIZE) and noutputs != AMPLIFIERS:
        reference = (pixeldq & np.uint32(bits.REFERENCE_PIXEL)) != 0
        if instrument == "NIRSPEC" and subarray in _NIRSPEC_EDGES_AS_REFERENCE:
            reference[:, :BORDER] = reference[:, -BORDER:] = True
        plan = plan_single_amplifier(reference & usable, orientation, odd_even_columns, siglimit)
        return replace(plan, single=True)

    if refpix_algorithm not in ("median", "sirs"):
        raise ValueError(f'Refpix: refpix_algorithm is "{refpix_algorithm}", expected "median" or "sirs".')
    if use_side_ref_pixels and not 1 <= side_smoothing_length < 2 * NIR_SIZE:
        raise ValueError(f"Refpix: side_smoothing_length is {side_smoothing_length}, expected 1 to {2 * NIR_SIZE - 1}.")
    window = side_smoothing_length if use_side_ref_pixels else 0
    if window and wants_kernels(instrument, subarray, refpix_algorithm) and sirs_coefficients is not None:
        kernels = sirs.make_kernels(*sirs_coefficients, gaussmooth=gaussmooth, halfwidth=halfwidth)
        plan = plan_four_amplifiers(usable, orientation, corner, odd_even_columns, 0, side_gain, siglimit)
        return replace(plan, kernels=kernels, sigreject=sigreject)
    plan = plan_four_amplifiers(usable, orientation, corner, odd_even_columns, window, side_gain, siglimit)
    return replace(plan, single=not use_side_ref_pixels)


def correct_frames(sci, plan, *, first_group=None, place=None):
    """Subtract the drift from frames, each one on its own.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, ny, nx). Changed in place. Reference pixels that are NaN are left out; if all
        that an amplifier has are, it becomes NaN.
    plan : Plan
        From `plan_correction`.
    first_group : 2D float32 `~numpy.ndarray` or None
        Uncorrected first group of the integration (MIRI only, and needed there). It may be a view of
        ``sci``.
    place : tuple or None
        Integration of the frames, counted from 0 in the file, and slice of its groups: the first frame of an
        exposure (near infrared) is worked on in single precision. None: the first one is not among them.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    ValueError
        If the frames do not have the shape of the plan, or ``first_group`` is missing.
    """
    if sci.shape[1:] != plan.shape:
        raise ValueError(f"Refpix: frames of shape {sci.shape[1:]}, but PIXELDQ has {plan.shape}.")
    if plan.from_first_group and first_group is None:
        raise ValueError("Refpix: MIRI frames need the first group of their integration (first_group).")
    if not plan.acts:
        return sci
    if plan.from_first_group:
        first_group = first_group.copy()
        sci -= first_group
    has_first = place is not None and place[0] == 0 and place[1].start == 0
    for number, frame in enumerate(sci):
        single = plan.single or (has_first and number == 0)
        level = _levels_in_single(frame, plan) if single else _levels(frame, *plan.sets)
        if plan.kernels is None:
            _subtract(frame, level, *plan.layout, *plan.side_pixels, single)
        else:
            frame[:] = _without_templates(frame, level, plan, np.float32 if single else np.float64)
    if plan.from_first_group:
        sci += first_group
    return sci


def _levels_in_single(frame, plan):
    """Measure the levels as `_levels` does, in single precision and in numpy's order of summation."""
    level = np.zeros(plan.set_level.size + 1)
    values = frame.ravel()
    for number, (start, stop) in enumerate(pairwise(plan.bounds)):
        chosen = values[plan.pixels[start:stop]]
        chosen = chosen[~np.isnan(chosen)]
        mean = _clipped_mean_in_single(chosen, plan.siglimit) if chosen.size else np.nan
        of = plan.set_level[number]
        level[of] = np.float32(level[of] + plan.set_weight[number] * mean)
    return level


def _clipped_mean_in_single(values, limit):
    while True:
        mean, spread = values.mean(), limit * values.std()
        kept = values[(values >= mean - spread) & (values <= mean + spread)]
        if kept.size in (0, values.size):
            return float(mean)
        values = kept


def _without_templates(frame, level, plan, precision):
    level = level[plan.level_of][np.ix_(plan.row_kind, plan.column_kind)].astype(precision)
    frame = plan.orientation.to_detector((frame - level).astype(np.float64))
    templates = sirs.side_templates(frame[:, :BORDER], frame[:, -BORDER:], plan.kernels, sigreject=plan.sigreject)
    for amplifier, template in zip(np.split(frame, AMPLIFIERS, axis=1), templates, strict=True):
        amplifier -= template[:, np.newaxis]
    return plan.orientation.to_science(frame)


def correct_zeroframes(zeroframes, plan):
    """Subtract the drift from zero frames (near infrared), of which zero marks the unusable pixels.

    Parameters
    ----------
    zeroframes : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, ny, nx). Changed in place. Pixels that are zero stay zero, but still count as
        reference pixels if they are such, as in the oracle.
    plan : Plan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``zeroframes``.
    """
    unusable = zeroframes == 0
    correct_frames(zeroframes, plan)
    zeroframes[unusable] = 0
    return zeroframes


@njit([float64(float64[::1], int64, float64)], **_JIT)
def _clipped_mean(values, n, limit):
    """Mean of the first n values after repeated rejection of those beyond ``limit`` standard deviations.

    Overwrites ``values``.
    """
    while True:
        mean = 0.0
        for i in range(n):
            mean += values[i]
        mean /= n
        variance = 0.0
        for i in range(n):
            variance += (values[i] - mean) ** 2
        spread = limit * np.sqrt(variance / n)
        kept = 0
        for i in range(n):
            value = values[i]
            if mean - spread <= value <= mean + spread:
                values[kept] = value
                kept += 1
        # Nothing is left only for a limit of less than one standard deviation.
        if kept == n or kept == 0:
            return mean
        n = kept


@njit([int64(float64[::1], int64, float64)], **_JIT)
def _place(ordered, count, value):
    """Index of the first of ``count`` ordered values that is not below ``value``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit([float64[::1](float32[:, ::1], int32[::1], int64[::1], int64[::1], float64[::1], float64)], **_JIT)
def _levels(frame, pixels, bounds, set_level, set_weight, siglimit):
    """Measure all levels of a frame; the last one is 0, that of pixels from which nothing is subtracted."""
    flat = frame.ravel()
    values = np.empty(pixels.size)
    level = np.zeros(set_level.size + 1)
    for s in range(set_level.size):
        n = 0
        for i in range(bounds[s], bounds[s + 1]):
            if not np.isnan(flat[pixels[i]]):
                values[n] = flat[pixels[i]]
                n += 1
        level[set_level[s]] += set_weight[s] * _clipped_mean(values, n, siglimit)
    return level


@njit([float64(float64, boolean)], **_JIT)
def _rounded(value, single):
    return np.float64(np.float32(value)) if single else value


@njit([void(float32[::1], float64[::1], int32[:, ::1], int64[::1], int64, boolean, float64[::1])], **_JIT)
def _running_median(frame, level, table, levels, window, single, medians):
    """Median of the side pixels in each window of rows, NaN where there is none."""
    ordered = np.empty(window * table.shape[1])
    count = 0
    for row in range(len(table)):
        for k in range(table.shape[1]):
            if table[row, k] >= 0:
                value = _rounded(frame[table[row, k]] - level[levels[k]], single)
                if not np.isnan(value):
                    at = _place(ordered, count, value)
                    for i in range(count, at, -1):
                        ordered[i] = ordered[i - 1]
                    ordered[at] = value
                    count += 1
        first = row - window + 1
        if first < 0:
            continue
        if count == 0:
            medians[first] = np.nan
        else:
            medians[first] = _rounded(0.5 * (ordered[(count - 1) // 2] + ordered[count // 2]), single)
        for k in range(table.shape[1]):
            if table[first, k] >= 0:
                value = _rounded(frame[table[first, k]] - level[levels[k]], single)
                if not np.isnan(value):
                    count -= 1
                    for i in range(_place(ordered, count, value), count):
                        ordered[i] = ordered[i + 1]


@njit(
    [
        void(
            float32[:, ::1],
            float64[::1],
            int64[:, ::1],
            int64[::1],
            int64[::1],
            int32[:, :, ::1],
            int64[:, ::1],
            int64,
            float64,
            boolean,
            boolean,
        )
    ],
    **_JIT,
)
def _subtract(
    frame,
    level,
    level_of,
    row_kind,
    column_kind,
    sides,
    side_levels,
    window,
    side_gain,
    transpose,
    single,
):
    """Subtract the levels, measure the side pixels and subtract them, too; ``single``: round after the levels."""
    ny, nx = frame.shape
    lines = np.empty((len(level_of), nx))
    along_rows, along_columns = np.zeros(nx), np.zeros(ny)
    side = along_rows if transpose else along_columns
    if sides.size:
        medians = np.empty((2, side.size))
        for k in range(2):
            _running_median(frame.ravel(), level, sides[k], side_levels[k], window, single, medians[k])
        for i in range(side.size):
            left, right = medians[0, i], medians[1, i]
            if np.isnan(left):
                left = right
            if np.isnan(right):
                right = left
            side[i] = 0.0 if np.isnan(left) else side_gain * (0.5 * (left + right))
    for kind in range(len(level_of)):
        for x in range(nx):
            lines[kind, x] = level[level_of[kind, column_kind[x]]]
    for y in range(ny):
        line = lines[row_kind[y]]
        along = along_columns[y]
        for x in range(nx):
            frame[y, x] = _rounded(frame[y, x] - line[x], single) - along - along_rows[x]
