"""Find cosmic rays as jumps in the ramps (two-point difference).

A cosmic ray frees thousands of electrons in a few pixels at once: the ramp of such a pixel makes a step
between two groups, and a slope fitted through the step is wrong. Here the difference of each two neighbouring
groups is compared with the median difference of the pixel (Anderson & Gordon 2011, PASP 123, 1237), and
JUMP_DET is set in the group after a difference that noise does not explain; ramp fitting cuts the ramp there.

Units: SCI comes in DN and is turned to electrons with the *gain* reference (electrons/DN), because the
Poisson part of the noise of a difference is the root of its electrons. The *readnoise* reference (DN) holds
the noise of the difference of two frames (CDS), so it enters as it is, without a factor of root two. Only
flags go out.

Order of work on an exposure (https://jwst-pipeline.readthedocs.io, "Jump Detection"):

1. :func:`check_groups`, :func:`all_dnu_planes`, :func:`choose_mode`, :func:`median_gain`: properties of the
   whole exposure;
2. :func:`detect_jumps`: block by block of rows, the jumps, their neighbours and the groups after them; then
   :func:`join_blocks`;
3. :func:`flag_bad_gain` and :func:`event_rates`: what else the product records.
"""

from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from rampflow import dq
from rampflow.steps import NotApplicable

Mode = Literal["none", "single_pass", "iterative", "sigma_clip"]

#: Fewest groups that are not wholly DO_NOT_USE for a search without sigma clipping. jwst has a parameter
#: ``minimum_groups``, but in one process it uses this number whatever the parameter says.
MIN_USABLE_GROUPS = 3

#: What jwst reports as the number of cosmic rays in mode "none"; it makes the rate negative.
NOT_SEARCHED = -99

#: Parameters of the step that :func:`detect_jumps` takes as they are.
OPTIONS = (
    "rejection_threshold",
    "three_group_rejection_threshold",
    "four_group_rejection_threshold",
    "flag_4_neighbors",
    "max_jump_to_flag_neighbors",
    "min_jump_to_flag_neighbors",
    "after_jump_flag_dn1",
    "after_jump_flag_time1",
    "after_jump_flag_dn2",
    "after_jump_flag_time2",
    "only_use_ints",
)

_DNU = np.uint8(dq.DO_NOT_USE)
_JUMP = np.uint8(dq.JUMP_DET)
_BAD = np.uint8(dq.DO_NOT_USE | dq.SATURATED)
_CLIP_ITERATIONS = 5
_SINGLE_PASS, _ITERATIVE, _SIGMA_CLIP = range(3)
_MODES = {"single_pass": _SINGLE_PASS, "iterative": _ITERATIVE, "sigma_clip": _SIGMA_CLIP}
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)


class Jumps(NamedTuple):
    """What :func:`detect_jumps` found in a block of rows.

    Attributes
    ----------
    groupdq : uint8 ndarray (nints, ngroups, rows, nx)
        The buffer that was passed in. Flags of halo rows are not final.
    n_primary : int
        Number of jumps (pixel, group) before neighbours and after-jump groups, halo rows excluded;
        `NOT_SEARCHED` in mode "none".
    full_planes : bool ndarray (nints, ngroups)
        Planes in which every pixel of the block, halo rows excluded, is JUMP_DET or DO_NOT_USE. "And" the
        arrays of all blocks and see :func:`detect_jumps`. All false outside mode "sigma_clip".
    """

    groupdq: np.ndarray
    n_primary: int
    full_planes: np.ndarray


def check_groups(ngroups):
    """Raise `~rampflow.steps.NotApplicable` if the ramps are too short to show a jump.

    Parameters
    ----------
    ngroups : int
        Groups per integration, whatever their flags.
    """
    if ngroups <= 2:
        raise NotApplicable(f"jump detection needs at least 3 groups per integration, found {ngroups}")


def all_dnu_planes(groupdq):
    """Tell which groups of which integrations are DO_NOT_USE in every pixel.

    Parameters
    ----------
    groupdq : uint8 ndarray (nints, ngroups, rows, nx)
        Group flags, or a block of their rows: "and" the results of all blocks for that of the exposure.

    Returns
    -------
    bool ndarray (nints, ngroups)
    """
    return np.bitwise_and.reduce(groupdq, axis=(2, 3)) & _DNU != 0


def median_gain(gain):
    """Return the median of the whole gain image (electrons/DN) as float32, NaN ignored.

    Pixels of zero or negative gain count: so does jwst.
    """
    finite = gain[~np.isnan(gain)]
    return np.float32(np.median(finite)) if finite.size else np.float32(np.nan)


def choose_mode(dnu_planes, *, min_diffs_single_pass, minimum_sigclip_groups, only_use_ints) -> Mode:
    """Choose how an exposure is searched.

    Parameters
    ----------
    dnu_planes : bool ndarray (nints, ngroups)
        :func:`all_dnu_planes` of the whole exposure.
    min_diffs_single_pass : int
        Fewest differences for finding all jumps of a ramp at once.
    minimum_sigclip_groups : int
        Fewest integrations (`only_use_ints`) or usable groups of all integrations for sigma clipping.
    only_use_ints : bool
        Sigma clipping compares a group with the same group of other integrations only.

    Returns
    -------
    {"none", "sigma_clip", "single_pass", "iterative"}
        "none": too few groups are usable; flags stay as they are and the count is `NOT_SEARCHED`.

    Notes
    -----
    jwst 1.19 differs in one corner: with ``only_use_ints=False`` it leaves out only the DO_NOT_USE planes of
    the last integration when it asks whether there are too few groups for anything, and so may search where
    this function says "none". jwst 3.0 leaves out all of them, as this function does.
    """
    nints, ngroups = dnu_planes.shape
    usable = nints if only_use_ints else dnu_planes.size - np.count_nonzero(dnu_planes)
    usable_groups = ngroups - dnu_planes.sum(axis=1).max()
    if usable >= minimum_sigclip_groups:
        return "sigma_clip"
    if usable_groups < MIN_USABLE_GROUPS:
        return "none"
    return "single_pass" if usable_groups - 1 >= min_diffs_single_pass else "iterative"


def detect_jumps(
    sci,
    groupdq,
    gain,
    readnoise,
    *,
    mode,
    nframes,
    tgroup,
    median_gain,
    rejection_threshold,
    three_group_rejection_threshold,
    four_group_rejection_threshold,
    flag_4_neighbors,
    max_jump_to_flag_neighbors,
    min_jump_to_flag_neighbors,
    after_jump_flag_dn1,
    after_jump_flag_time1,
    after_jump_flag_dn2,
    after_jump_flag_time2,
    only_use_ints,
    halo=(0, 0),
    reset_planes=None,
):
    """Flag the jumps of a block of rows, their neighbours and the groups after them.

    The neighbours reach one row: give one halo row on each side that is not an edge of the image. The rows
    between the halos then come out the same, to the bit, however the image is cut.

    Parameters
    ----------
    sci : float32 ndarray (nints, ngroups, rows, nx)
        Ramps [DN], all integrations and groups. NaN is no measurement.
    groupdq : uint8 ndarray (nints, ngroups, rows, nx)
        Group flags, changed in place. Groups with DO_NOT_USE or SATURATED are not used and get no JUMP_DET.
    gain : float32 ndarray (rows, nx)
        Gain [electrons/DN]; where it is NaN nothing is found.
    readnoise : float32 ndarray (rows, nx)
        CDS read noise [DN]; where it is NaN the median modes find nothing.
    mode : {"none", "sigma_clip", "single_pass", "iterative"}
        From :func:`choose_mode`.
    nframes : int
        Frames averaged into a group.
    tgroup : float
        Group time [s], for the after-jump times.
    median_gain : float
        :func:`median_gain` of the gain of the whole image [electrons/DN], for the after-jump sizes.
    rejection_threshold, four_group_rejection_threshold, three_group_rejection_threshold : float
        A jump is more significant than this [sigma]: with at least 4, with 3 and with 2 usable differences in
        the pixel, all integrations together. The last two are for mode "iterative".
    flag_4_neighbors : bool
        Flag the pixels above, below, left and right of a jump too, because charge spreads.
    max_jump_to_flag_neighbors, min_jump_to_flag_neighbors : float
        Only for jumps between these significances [sigma], both excluded.
    after_jump_flag_dn1, after_jump_flag_dn2 : float
        Jumps of at least this size [DN at the median gain] are followed by a transient …
    after_jump_flag_time1, after_jump_flag_time2 : float
        … which is flagged for this long [s, rounded down to groups]; 0 is off.
    only_use_ints : bool
        Mode "sigma_clip" compares groups between integrations only, not all groups.
    halo : (int, int)
        Rows at the start and at the end of the block that only serve as neighbours.
    reset_planes : bool ndarray (nints, ngroups), optional
        Mode "sigma_clip": planes in which jumps are void, see Notes.

    Returns
    -------
    Jumps

    Notes
    -----
    Mode "sigma_clip" has a rule about whole planes: if every pixel of the image is JUMP_DET or DO_NOT_USE in
    some group of some integration, those flagged JUMP_DET and nothing else are cleared again, before the
    neighbours. Whether a plane is full is known when all blocks were seen; it practically never is. So: call
    without `reset_planes`, :func:`join_blocks`, and only if planes remain call again for all blocks, with the
    original flags and these planes as `reset_planes`.

    Borderline cases are decided as by jwst 1.19: differences and medians are float32 electrons, sigma and
    significance float64. (jwst 3.0 takes medians in float64 and differs where a value is on the border.)
    """
    _check_shapes(sci, groupdq, gain, readnoise, halo)
    if mode not in ("none", *_MODES):
        raise ValueError(f"mode is {mode!r}; choose_mode gives none, sigma_clip, single_pass or iterative")
    full_planes = np.zeros(sci.shape[:2], bool)
    if mode == "none":
        _clean_up(groupdq)
        return Jumps(groupdq, NOT_SEARCHED, full_planes)

    nints, ngroups, rows, _ = sci.shape
    network = _sorting_network(nints * (ngroups - 1))
    gain, readnoise = (np.ascontiguousarray(image, np.float32) for image in (gain, readnoise))
    variance = np.square(gain * readnoise)  # electrons², of a difference of single frames
    thresholds = (
        float(rejection_threshold),
        float(four_group_rejection_threshold),
        float(three_group_rejection_threshold),
    )
    if reset_planes is None:
        reset_planes = np.zeros_like(full_planes)
    _reset(groupdq, reset_planes)
    triggers = _find_jumps(
        sci,
        groupdq,
        gain,
        variance,
        nframes,
        _MODES[mode],
        thresholds,
        only_use_ints,
        reset_planes,
        flag_4_neighbors,
        min_jump_to_flag_neighbors,
        max_jump_to_flag_neighbors,
        network,
    )
    inner = (halo[0], rows - halo[1])
    n_primary = _count_jumps(groupdq, *inner)
    if mode == "sigma_clip":
        _find_full_planes(groupdq, *inner, full_planes)
    _flag_neighbors(groupdq, triggers)
    n1, n2 = (int(time // tgroup) for time in (after_jump_flag_time1, after_jump_flag_time2))
    if n1 > 0 or n2 > 0:
        gain_32 = np.float32(median_gain)
        e1, e2 = np.float32(after_jump_flag_dn1) * gain_32, np.float32(after_jump_flag_dn2) * gain_32
        _flag_after_jumps(sci, groupdq, gain, e1, n1, e2, n2, network)
    _clean_up(groupdq)
    return Jumps(groupdq, n_primary, full_planes)


def join_blocks(found, dnu_planes):
    """Join what :func:`detect_jumps` found in the blocks of an exposure.

    Parameters
    ----------
    found : iterable of (n_primary, full_planes)
        See `Jumps`.
    dnu_planes : bool ndarray (nints, ngroups)
        :func:`all_dnu_planes` of the whole exposure.

    Returns
    -------
    n_primary : int
        Jumps of the exposure, or `NOT_SEARCHED`.
    void_planes : bool ndarray (nints, ngroups)
        Planes that are full in every block, and not for being DO_NOT_USE: the `reset_planes` of a second search.
    """
    counts, planes = zip(*found, strict=True)
    n_primary = NOT_SEARCHED if NOT_SEARCHED in counts else sum(counts)
    return n_primary, np.logical_and.reduce(planes) & ~dnu_planes


def flag_bad_gain(pixeldq, gain):
    """Flag pixels without a usable gain as NO_GAIN_VALUE and DO_NOT_USE.

    Parameters
    ----------
    pixeldq : uint32 ndarray (rows, nx)
        Pixel flags, changed in place.
    gain : float32 ndarray (rows, nx)
        Gain [electrons/DN]; zero, negative and NaN are not usable.

    Returns
    -------
    uint32 ndarray
        `pixeldq`.
    """
    pixeldq[~(gain > 0)] |= np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE)
    return pixeldq


def event_rates(n_primary, n_extended, *, dnu_planes, npixels, tgroup):
    """Return the values of the keywords PRIMECRS and EXTNCRS.

    Parameters
    ----------
    n_primary : int
        Jumps of the exposure, see :func:`join_blocks`; `NOT_SEARCHED` gives a negative rate.
    n_extended : int
        Number of snowballs or showers.
    dnu_planes : bool ndarray (nints, ngroups)
        :func:`all_dnu_planes` of the whole exposure.
    npixels : int
        Pixels of an image.
    tgroup : float
        Group time [s].

    Returns
    -------
    tuple of float, or None
        Cosmic rays per 1000 pixels and second; extended events per 10⁶ pixels and second. None when the
        exposure has no usable difference of groups: then the keywords are not written.
    """
    nints = dnu_planes.shape[0]
    differences = dnu_planes.size - np.count_nonzero(dnu_planes) - nints
    if differences < 1:
        return None
    exposure = tgroup * differences * npixels
    return 1e3 * n_primary / exposure, 1e6 * n_extended / exposure


def _check_shapes(sci, groupdq, gain, readnoise, halo):
    if sci.ndim != 4 or groupdq.shape != sci.shape:
        raise ValueError(
            f"SCI has shape {sci.shape} and GROUPDQ {groupdq.shape}; both must be (nints, ngroups, rows, nx)"
        )
    for name, image in (("gain", gain), ("readnoise", readnoise)):
        if image.shape != sci.shape[2:]:
            raise ValueError(
                f"{name} has shape {image.shape}, ramps {sci.shape[2:]}; cut the reference to the same rows"
            )
    if min(halo) < 0 or sum(halo) >= sci.shape[2]:
        raise ValueError(f"halo {halo} leaves none of the {sci.shape[2]} rows of the block")


def _sorting_network(n):
    """List pairs (low, high) of rows: comparing and, where needed, swapping them in this order sorts n rows.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M). What is compared
    does not depend on the data, so that all columns of a tile can be sorted at once.
    """
    pairs = [np.empty((0, 2), np.int32)]
    top = 1 << max((n - 1).bit_length() - 1, 0)
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while True:
            low = np.arange(n - distance, dtype=np.int32)
            low = low[low & p == r]
            pairs.append(np.column_stack((low, low + distance)).astype(np.int32))
            if q == p:
                break
            distance, q, r = q - p, q // 2, p
        p //= 2
    return np.concatenate(pairs)


# Kernels. A row of the image is done in tiles of some columns, of shape (nints * (ngroups - 1), width):
# `differences` [e], NaN where a group is bad; `ascending`, the same sorted; `jumps`, JUMP_DET of the later
# group. What every pixel needs is done for all columns of a tile at once (vector instructions), the rest one
# by one for the few pixels that need it. `variance` is the square of the read noise [e²].

_RAMPS = "float32[:, :, :, ::1], uint8[:, :, :, ::1], float32[:, ::1]"
_FLAGS = "uint8[:, :, :, ::1]"
_TILE = "float32[:, ::1]"
_JUMPS = "uint8[:, ::1]"


def _kernel(signature):
    return njit(signature, cache=True, nogil=True, error_model="numpy")


@_kernel("int64(int64, int64)")
def _tile_width(nvalues, nx):
    """Columns per tile of `nvalues` float32 per column: fits the second-level cache, fills vectors."""
    return min(max(65536 // max(nvalues, 1) // 16 * 16, 32), 512, nx)


@_kernel(f"void({_RAMPS}, int64, int64, {_TILE}, {_JUMPS})")
def _load_tile(sci, groupdq, gain, y, x0, differences, jumps):
    """Fill the tiles of differences and jumps."""
    nints, ngroups = sci.shape[:2]
    width = differences.shape[1]
    k = gain[y, x0 : x0 + width]
    row = 0
    for i in range(nints):
        for g in range(ngroups - 1):
            before, after = sci[i, g, y, x0 : x0 + width], sci[i, g + 1, y, x0 : x0 + width]
            flag, flag_after = groupdq[i, g, y, x0 : x0 + width], groupdq[i, g + 1, y, x0 : x0 + width]
            out, jump = differences[row], jumps[row]
            for x in range(width):
                difference = after[x] * k[x] - before[x] * k[x]
                out[x] = _NAN if (flag[x] | flag_after[x]) & _BAD else difference
                jump[x] = flag_after[x] & _JUMP
            row += 1


@_kernel(f"void({_TILE}, boolean, int32[:, ::1], {_TILE}, int64[::1])")
def _sort_tile(differences, magnitude, network, ascending, count):
    """Sort the usable values (or their magnitudes) of each column, then +inf; count them."""
    nvalues, width = differences.shape
    count[:] = 0
    for row in range(nvalues):
        values, out = differences[row], ascending[row]
        for x in range(width):
            value = abs(values[x]) if magnitude else values[x]
            usable = value == value
            out[x] = value if usable else _INF
            count[x] += usable
    for pair in range(network.shape[0]):
        low, high = ascending[network[pair, 0]], ascending[network[pair, 1]]
        for x in range(width):
            a, b = low[x], high[x]
            low[x] = a if a < b else b
            high[x] = b if a < b else a


@_kernel("float64(float64[::1], int64, int64)")
def _select(a, n, k):
    """Return the k-th smallest of a[:n], reordering a (Wirth's selection).

    astropy's sigma clipping sums its buffer in the order in which exactly this algorithm leaves it; the order
    decides the last bit of its mean and standard deviation, and with it the borderline cases.
    """
    low, high = 0, n - 1
    while low < high:
        pivot = a[k]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return a[k]


@_kernel("float32(float32, float32)")
def _middle(lower, upper):
    return (lower + upper) / np.float32(2)


@_kernel(f"float32({_TILE}, int64, int64)")
def _median(ascending, x, n):
    """Return the median of the first n values of a sorted column, as numpy's of float32; NaN if n is 0."""
    return _middle(ascending[(n - 1) // 2, x], ascending[n // 2, x]) if n > 0 else _NAN


@_kernel("float64(float32, float32, int64)")
def _sigma(median, variance, nframes):
    """Return the noise [e] of a difference, Poisson and read noise; NaN for none."""
    sigma = np.sqrt(np.float64(abs(median)) + np.float64(variance) / nframes)
    return sigma if sigma > 0 else np.nan


@_kernel(f"void({_TILE}, {_TILE}, int64[::1], float32[::1], int64, float64, {_JUMPS})")
def _mark_single_pass(differences, ascending, count, variance, nframes, threshold, jumps):
    """Mark every difference that is more than `threshold` sigma from the median of its pixel."""
    nvalues, width = differences.shape
    for x in range(width):
        n = count[x]
        if n == 0:
            continue
        median = _median(ascending, x, n)
        sigma = _sigma(median, variance[x], nframes)
        if not max(abs(ascending[0, x] - median), abs(ascending[n - 1, x] - median)) / sigma > threshold:
            continue
        for row in range(nvalues):
            if _INF > abs(differences[row, x] - median) / sigma > threshold:
                jumps[row, x] = _JUMP


@_kernel("float32(float32[::1], int64)")
def _typical_size(ascending, n):
    """Return the typical one of n magnitudes in ascending order, robust against one jump among them.

    Four and more: the median without all those equal to the largest. Three: the median. Two: the smaller.
    Else NaN, also when nothing is left.
    """
    if n < 2:
        return _NAN
    if n == 2:
        return ascending[0]
    kept = n
    if n >= 4:
        while kept > 0 and ascending[kept - 1] == ascending[n - 1]:
            kept -= 1
        if kept == 0:
            return _NAN
    return _middle(ascending[(kept - 1) // 2], ascending[kept // 2])


@_kernel(f"void({_TILE}, {_TILE}, int64[::1], float32[::1], int64, UniTuple(float64, 3), float32[::1], {_JUMPS})")
def _mark_iterative(differences, ascending, count, variance, nframes, thresholds, sizes, jumps):
    """Mark the most significant difference of a pixel, leave it out, look again, until none is significant.

    `thresholds` are for 4 and more values, for 3 and for 2; `ascending` holds magnitudes; `sizes` is a buffer
    for a column.
    """
    nvalues, width = differences.shape
    for x in range(width):
        n = count[x]
        for row in range(n):
            sizes[row] = ascending[row, x]
        while n >= 2:
            typical = _typical_size(sizes, n)
            sigma = _sigma(typical, variance[x], nframes)
            threshold = thresholds[max(4 - n, 0)]
            largest = max(abs(sizes[0] - typical), abs(sizes[n - 1] - typical)) / sigma
            if not largest > threshold:
                break
            for row in range(nvalues):
                if abs(abs(differences[row, x]) - typical) / sigma == largest:
                    jumps[row, x] = _JUMP
            kept = 0
            for row in range(n):
                if abs(sizes[row] - typical) / sigma != largest:
                    sizes[kept] = sizes[row]
                    kept += 1
            n = kept


@_kernel("void(float64[::1], int64, float64, float64[::1])")
def _clip_bounds(values, n, nsigma, bounds):
    """Find the limits of sigma clipping about the median as astropy does, destroying `values`."""
    for _ in range(_CLIP_ITERATIONS):
        if n % 2:
            median = _select(values, n, n // 2)
        else:
            upper = _select(values, n, n // 2)
            median = 0.5 * (upper + _select(values, n, n // 2 - 1))
        mean = 0.0
        for row in range(n):
            mean += values[row]
        mean /= n
        std = 0.0
        for row in range(n):
            std += (values[row] - mean) * (values[row] - mean)
        std = np.sqrt(std / n)
        bounds[0], bounds[1] = median - nsigma * std, median + nsigma * std
        kept = 0
        for row in range(n):
            if bounds[0] <= values[row] <= bounds[1]:
                values[kept] = values[row]
                kept += 1
        if kept == n or kept == 0:
            return
        n = kept


@_kernel(f"void({_TILE}, int64, int64, float64, boolean[::1])")
def _may_clip(differences, first, stride, nsigma, may_clip):
    """Tell for which columns sigma clipping of rows first, first + stride … may remove something.

    It certainly does not if the median is within 0.3 standard deviations of the mean and all values are
    within nsigma - 0.3. The margins are far above rounding: nothing is decided otherwise than exactly.
    """
    nvalues, width = differences.shape
    count, below, above = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width, np.int32)
    low, high = np.full(width, _INF), np.full(width, -_INF)
    mean, std = np.zeros(width), np.zeros(width)
    for row in range(first, nvalues, stride):
        values = differences[row]
        for x in range(width):
            value = values[x]
            finite = abs(value) < _INF
            count[x] += finite
            mean[x] += value if finite else 0.0
            low[x] = value if finite and value < low[x] else low[x]
            high[x] = value if finite and value > high[x] else high[x]
    for x in range(width):
        mean[x] /= count[x]
    for row in range(first, nvalues, stride):
        values = differences[row]
        for x in range(width):
            residual = values[x] - mean[x]
            std[x] += residual * residual if abs(values[x]) < _INF else 0.0
    for x in range(width):
        std[x] = np.sqrt(std[x] / count[x])
    for row in range(first, nvalues, stride):
        values = differences[row]
        for x in range(width):
            below[x] += values[x] < mean[x] - 0.3 * std[x]
            above[x] += values[x] > mean[x] + 0.3 * std[x]
    for x in range(width):
        reach = max(high[x] - mean[x], mean[x] - low[x])
        rounding_is_small = std[x] > 1e-6 * max(abs(low[x]), abs(high[x]))
        median_is_near = 2 * below[x] < count[x] and 2 * above[x] < count[x]
        safe = rounding_is_small and median_is_near and reach < (nsigma - 0.3) * std[x] * (1 - 1e-6)
        may_clip[x] = count[x] > 0 and not safe


@_kernel(f"void({_TILE}, int64, float64, boolean[::1], float64[::1], {_JUMPS})")
def _mark_sigma_clip(differences, stride, nsigma, may_clip, values, jumps):
    """Mark what sigma clipping removes from a column, each series of every `stride`-th row by itself.

    `may_clip` is a buffer for a row, `values` one for a column.
    """
    nvalues, width = differences.shape
    bounds = np.empty(2)
    for first in range(stride):
        _may_clip(differences, first, stride, nsigma, may_clip)
        for x in range(width):
            if not may_clip[x]:
                continue
            n = 0
            for row in range(first, nvalues, stride):
                if abs(differences[row, x]) < _INF:
                    values[n] = differences[row, x]
                    n += 1
            _clip_bounds(values, n, nsigma, bounds)
            for row in range(first, nvalues, stride):
                inside = bounds[0] <= differences[row, x] <= bounds[1]
                if abs(differences[row, x]) < _INF and not inside:
                    jumps[row, x] = _JUMP


@_kernel(f"boolean({_JUMPS})")
def _has_jumps(jumps):
    found = np.uint8(0)
    for row in range(jumps.shape[0]):
        for x in range(jumps.shape[1]):
            found |= jumps[row, x]
    return found != 0


@_kernel(f"void({_FLAGS}, boolean[:, ::1])")
def _reset(groupdq, planes):
    """Clear the pixels of some planes that have no other flag than JUMP_DET."""
    nints, ngroups, rows, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            if planes[i, g]:
                for y in range(rows):
                    for x in range(nx):
                        if groupdq[i, g, y, x] == _JUMP:
                            groupdq[i, g, y, x] = 0


@_kernel(f"void({_JUMPS}, {_FLAGS}, int64, int64, boolean[:, ::1])")
def _store_jumps(jumps, groupdq, y, x0, void_planes):
    """Set JUMP_DET in the flags; in void planes only where there are others, and forget the rest."""
    steps = groupdq.shape[1] - 1
    width = jumps.shape[1]
    for row in range(jumps.shape[0]):
        i, g = row // steps, row % steps + 1
        flags = groupdq[i, g, y, x0 : x0 + width]
        for x in range(width):
            if void_planes[i, g] and flags[x] == 0:
                jumps[row, x] = 0
            flags[x] |= jumps[row, x]


@_kernel(
    f"int64[::1]({_RAMPS}, float32[:, ::1], int64, int64, UniTuple(float64, 3), boolean, boolean[:, ::1],"
    "boolean, float64, float64, int32[:, ::1])"
)
def _find_jumps(
    sci,
    groupdq,
    gain,
    variance,
    nframes,
    mode,
    thresholds,
    only_use_ints,
    void_planes,
    with_neighbors,
    least,
    most,
    network,
):
    """Flag the jumps in place; return those with neighbours to flag, as indices into the flattened `groupdq`.

    The neighbours are left for later, because they have no neighbours to flag of their own.
    """
    nints, ngroups, rows, nx = sci.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = _tile_width(nvalues, nx)
    buffers = np.empty((2, nvalues * tile_width), np.float32)
    jump_buffer = np.empty(nvalues * tile_width, np.uint8)
    counts, may_clip = np.empty(tile_width, np.int64), np.empty(tile_width, np.bool_)
    medians, sigmas = np.empty(tile_width, np.float32), np.empty(tile_width)
    values, sizes = np.empty(nvalues), np.empty(nvalues, np.float32)
    triggers = np.empty(1024, np.int64)
    ntriggers = 0
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffers[0, : nvalues * width].reshape(nvalues, width)
            ascending = buffers[1, : nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            count, noise = counts[:width], variance[y, x0 : x0 + width]

            _load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            if mode == _SINGLE_PASS:
                _sort_tile(differences, False, network, ascending, count)
                _mark_single_pass(differences, ascending, count, noise, nframes, thresholds[0], jumps)
            elif mode == _ITERATIVE:
                _sort_tile(differences, True, network, ascending, count)
                _mark_iterative(differences, ascending, count, noise, nframes, thresholds, sizes, jumps)
            else:
                stride = steps if only_use_ints else 1
                _mark_sigma_clip(differences, stride, thresholds[0], may_clip[:width], values, jumps)
            if not _has_jumps(jumps):
                continue
            _store_jumps(jumps, groupdq, y, x0, void_planes)

            if not with_neighbors:
                continue
            if mode != _SINGLE_PASS:
                _sort_tile(differences, False, network, ascending, count)
            for x in range(width):
                medians[x] = _median(ascending, x, count[x])
                sigmas[x] = _sigma(medians[x], noise[x], nframes)
            for row in range(nvalues):
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    if not least < abs(differences[row, x] - medians[x]) / sigmas[x] < most:
                        continue
                    if ntriggers == triggers.size:
                        longer = np.empty(2 * ntriggers, np.int64)
                        longer[:ntriggers] = triggers
                        triggers = longer
                    plane = row // steps * ngroups + row % steps + 1
                    triggers[ntriggers] = (plane * rows + y) * nx + x0 + x
                    ntriggers += 1
    return triggers[:ntriggers].copy()


@_kernel(f"void({_FLAGS}, int64[::1])")
def _flag_neighbors(groupdq, triggers):
    """Flag the four pixels around each jump in its group; the clean-up takes it back from those bad there."""
    _, ngroups, rows, nx = groupdq.shape
    for index in triggers:
        plane, pixel = divmod(index, rows * nx)
        i, g = divmod(plane, ngroups)
        y, x = divmod(pixel, nx)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            ny, mx = y + dy, x + dx
            if 0 <= ny < rows and 0 <= mx < nx:
                groupdq[i, g, ny, mx] |= _JUMP


@_kernel(f"void({_RAMPS}, float32, int64, float32, int64, int32[:, ::1])")
def _flag_after_jumps(sci, groupdq, gain, size_1, n_1, size_2, n_2, network):
    """Flag the n groups after a jump of at least the given size [e] above the median.

    A flagged neighbour that is so large itself counts as a jump here. The clean-up takes the flag back from
    bad groups.
    """
    nints, ngroups, rows, nx = groupdq.shape
    steps = ngroups - 1
    nvalues = nints * steps
    tile_width = _tile_width(nvalues, nx)
    buffers = np.empty((2, nvalues * tile_width), np.float32)
    jump_buffer = np.empty(nvalues * tile_width, np.uint8)
    counts, medians = np.empty(tile_width, np.int64), np.empty(tile_width, np.float32)
    for y in range(rows):
        for x0 in range(0, nx, tile_width):
            width = min(tile_width, nx - x0)
            differences = buffers[0, : nvalues * width].reshape(nvalues, width)
            ascending = buffers[1, : nvalues * width].reshape(nvalues, width)
            jumps = jump_buffer[: nvalues * width].reshape(nvalues, width)
            _load_tile(sci, groupdq, gain, y, x0, differences, jumps)
            if not _has_jumps(jumps):
                continue
            _sort_tile(differences, False, network, ascending, counts[:width])
            for x in range(width):
                medians[x] = _median(ascending, x, counts[x])
            for row in range(nvalues):
                i, g = row // steps, row % steps + 1
                for x in range(width):
                    if not jumps[row, x]:
                        continue
                    size = differences[row, x] - medians[x]
                    reach = max(n_1 if size >= size_1 else 0, n_2 if size >= size_2 else 0)
                    for after in range(g + 1, min(g + reach, steps) + 1):
                        groupdq[i, after, y, x0 + x] |= _JUMP


@_kernel(f"int64({_FLAGS}, int64, int64)")
def _count_jumps(groupdq, first_row, end_row):
    nints, ngroups, _, nx = groupdq.shape
    total = 0
    for i in range(nints):
        for g in range(ngroups):
            for y in range(first_row, end_row):
                for x in range(nx):
                    total += (groupdq[i, g, y, x] & _JUMP) != 0
    return total


@_kernel(f"void({_FLAGS}, int64, int64, boolean[:, ::1])")
def _find_full_planes(groupdq, first_row, end_row, full):
    """Tell in which planes every pixel of the given rows is JUMP_DET or DO_NOT_USE."""
    nints, ngroups, _, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            full[i, g] = True
            for y in range(first_row, end_row):
                for x in range(nx):
                    if not groupdq[i, g, y, x] & (_JUMP | _DNU):
                        full[i, g] = False
                        break
                if not full[i, g]:
                    break


@_kernel(f"void({_FLAGS})")
def _clean_up(groupdq):
    """Remove JUMP_DET from groups that are bad anyway."""
    nints, ngroups, rows, nx = groupdq.shape
    for i in range(nints):
        for g in range(ngroups):
            for y in range(rows):
                for x in range(nx):
                    flags = groupdq[i, g, y, x]
                    groupdq[i, g, y, x] = flags & ~_JUMP if flags & _BAD else flags
