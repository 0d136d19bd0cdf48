"""Find cosmic rays as jumps in the ramps.

A cosmic ray frees thousands of electrons in a few pixels at once: the ramp of such a pixel makes a step
between two groups, and a slope fitted through the step is wrong. Here the difference of each two neighbouring
groups is compared with the median difference of the pixel (Anderson & Gordon 2011, PASP 123, 1237), and
JUMP_DET is set in the group after a difference that noise does not explain; ramp fitting cuts the ramp there. In a time
series it can also be compared with the same difference of neighbouring integrations (`_jump_time_domain`).

Units: SCI comes in DN and is turned to electrons with the *gain* reference (electrons/DN), because the
Poisson part of the noise of a difference is the root of its electrons. The *readnoise* reference (DN) holds
the noise of the difference of two frames (CDS), so it enters as it is, without a factor of root two. Only
flags go out.

Order of work on an exposure (https://jwst-pipeline.readthedocs.io, "Jump Detection"):

1. :func:`sampling`, :func:`choose_algorithm`, :func:`check_groups`, :func:`all_dnu_planes`, :func:`choose_mode`,
   :func:`median_gain`: properties of the whole exposure;
2. :func:`detect_jumps`: block by block of rows, the jumps, their neighbours and the groups after them; then
   :func:`join_blocks`;
3. :func:`expand_snowballs`, if asked for, group by group;
4. showers, if asked for: :func:`enough_for_showers`, :func:`typical_differences`, :func:`find_showers` and
   :func:`flag_showers`;
5. :func:`flag_bad_gain` and :func:`event_rates`: what else the product records.
"""

import warnings
from typing import Literal, NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps.jump import sigma_clip, time_domain, two_point
from rampflow.steps.jump.showers import (
    FIND_SHOWERS_OPTIONS,
    FLAG_SHOWERS_OPTIONS,
    enough_for_showers,
    find_showers,
    flag_showers,
    typical_differences,
)
from rampflow.steps.jump.snowballs import SNOWBALL_OPTIONS, expand_snowballs

__all__ = [
    "FIND_SHOWERS_OPTIONS",
    "FLAG_SHOWERS_OPTIONS",
    "OPTIONS",
    "SNOWBALL_OPTIONS",
    "Jumps",
    "all_dnu_planes",
    "check_groups",
    "choose_algorithm",
    "choose_mode",
    "detect_jumps",
    "enough_for_showers",
    "event_rates",
    "expand_snowballs",
    "find_showers",
    "flag_bad_gain",
    "flag_showers",
    "join_blocks",
    "median_gain",
    "sampling",
    "typical_differences",
]

Algorithm = Literal["two_point", "time_domain", "both"]
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
    "time_rejection_threshold",
    "time_window",
)

#: Modes that compare with the median of a pixel.
_MEDIAN_MODES = {"single_pass": two_point.SINGLE_PASS, "iterative": two_point.ITERATIVE}


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


class Pace(NamedTuple):
    """How groups follow each other.

    Attributes
    ----------
    samples : int
        Successive groups that are samples of one frame; 1 where groups follow each other evenly.
    tgroup : float
        Mean time between groups [s].
    """

    samples: int
    tgroup: float


def sampling(read_times, tgroup):
    """Tell how the groups of an exposure follow each other.

    Parameters
    ----------
    read_times : list of list of float, or None
        For each group the times of its reads [s]; None where groups follow each other every `tgroup`.
    tgroup : float
        Group time [s].

    Returns
    -------
    Pace

    Raises
    ------
    ValueError
        The groups are not those of frames that are sampled alike.
    """
    if read_times is None or len(read_times) < 2:
        return Pace(1, tgroup)
    steps = np.diff([np.mean(reads) for reads in read_times])
    other = np.flatnonzero(~np.isclose(steps, steps[0]))
    samples = int(other[0]) + 1 if other.size else 1
    frames, rest = divmod(len(read_times), samples)
    if rest or not np.allclose(steps, np.tile(steps[:samples], frames)[: steps.size]):
        raise ValueError(
            f"groups are read at {[reads[0] for reads in read_times]} s (meta.exposure.read_times): not the samples of "
            "frames that are read alike; make the ramp anew"
        )
    return Pace(samples, float(steps.mean()))


def check_groups(ngroups, algorithm="two_point"):
    """Raise `~rampflow.steps.NotApplicable` if the ramps are too short to show a jump.

    Parameters
    ----------
    ngroups : int
        Groups per integration, whatever their flags.
    algorithm : {"two_point", "time_domain", "both"}
        Along time, ramps of two groups will do.
    """
    needed = 3 if algorithm == "two_point" else 2
    if ngroups < needed:
        raise NotApplicable(f"jump detection needs at least {needed} groups per integration, found {ngroups}")


def choose_algorithm(algorithm, nints) -> Algorithm:
    """Return the algorithm, or what is left of it for an exposure of few integrations.

    Parameters
    ----------
    algorithm : {"two_point", "time_domain", "both"}
        What was asked for.
    nints : int
        Integrations.

    Raises
    ------
    ValueError
        There are too few integrations for "time_domain". With "both" a warning says so, and "two_point" is left.
    """
    if algorithm == "two_point" or nints >= time_domain.MIN_INTEGRATIONS:
        return algorithm
    lacking = f"jumps along time need at least {time_domain.MIN_INTEGRATIONS} integrations, found {nints}"
    if algorithm == "time_domain":
        raise ValueError(f"{lacking}; for such exposures set algorithm: two_point, or both")
    warnings.warn(f"{lacking}; two_point alone is used", stacklevel=2)
    return "two_point"


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
    return np.bitwise_and.reduce(groupdq, axis=(2, 3)) & two_point.DNU != 0


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
    algorithm="two_point",
    time_rejection_threshold=5.0,
    time_window=11,
    halo=(0, 0),
    samples=1,
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
        Time between groups [s], for the after-jump times.
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
    algorithm : {"two_point", "time_domain", "both"}
        From :func:`choose_algorithm`: what `mode` says; or compare every difference with the same one of neighbouring
        integrations, see Notes; or flag what either finds.
    time_rejection_threshold : float
        "time_domain": a jump is further than this from the running median along time [sigma].
    time_window : int
        "time_domain": integrations in the running median.
    halo : (int, int)
        Rows at the start and at the end of the block that only serve as neighbours.
    samples : int
        From :func:`sampling`. With several a difference is compared with those that took the same time: of samples
        of one frame, or from one frame to the next. After-jump sizes are counted from the median of all of them.
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

    "time_domain" is not in jwst. sigma is the median absolute deviation (times 1.4826) of all integrations from the
    running median, for each pixel and difference by itself, or the expected noise where that is larger. At the ends
    the window is that of the first or last `time_window` integrations.

    Borderline cases are decided as by jwst 1.19: differences and medians are float32 electrons, sigma and
    significance float64. (jwst 3.0 takes medians in float64 and differs where a value is on the border.)
    """
    _check_shapes(sci, groupdq, gain, readnoise, halo)
    if algorithm not in ("two_point", "time_domain", "both"):
        raise ValueError(f"algorithm is {algorithm!r}; there are two_point, time_domain, both")
    if mode not in ("none", "sigma_clip", *_MEDIAN_MODES):
        raise ValueError(f"mode is {mode!r}; choose_mode gives none, sigma_clip, single_pass or iterative")
    full_planes = np.zeros(sci.shape[:2], bool)
    with_two_point = algorithm != "time_domain" and mode != "none"
    if algorithm == "two_point" and not with_two_point:
        two_point.clean_up(groupdq)
        return Jumps(groupdq, NOT_SEARCHED, full_planes)

    nints, ngroups, rows, _ = sci.shape
    gain, readnoise = (np.ascontiguousarray(image, np.float32) for image in (gain, readnoise))
    variance = np.square(gain * readnoise)  # electrons², of a difference of single frames
    thresholds = (
        float(rejection_threshold),
        float(four_group_rejection_threshold),
        float(three_group_rejection_threshold),
    )
    if reset_planes is None:
        reset_planes = np.zeros_like(full_planes)
    two_point.reset(groupdq, reset_planes)
    neighbors = flag_4_neighbors, min_jump_to_flag_neighbors, max_jump_to_flag_neighbors

    def find(ramps, flags, planes):
        if mode == "sigma_clip":
            options = thresholds[0], only_use_ints, planes, *neighbors
            return sigma_clip.find_jumps(ramps, flags, gain, variance, nframes, *options)
        network = two_point.sorting_network(ramps.shape[0] * (ramps.shape[1] - 1))
        options = _MEDIAN_MODES[mode], thresholds, planes, *neighbors, network
        return two_point.find_jumps(ramps, flags, gain, variance, nframes, *options)

    triggers = []
    if with_two_point and samples > 1 and not (mode == "sigma_clip" and only_use_ints):
        triggers += _find_by_duration(find, sci, groupdq, reset_planes, samples)
    elif with_two_point:
        triggers.append(find(sci, groupdq, reset_planes))
    if algorithm != "two_point":
        options = float(time_rejection_threshold), time_window, *neighbors
        triggers.append(time_domain.find_jumps_in_time(sci, groupdq, gain, variance, nframes, *options))
    inner = (halo[0], rows - halo[1])
    n_primary = two_point.count_jumps(groupdq, *inner)
    if with_two_point and mode == "sigma_clip":
        two_point.find_full_planes(groupdq, *inner, full_planes)
    two_point.flag_neighbors(groupdq, np.concatenate(triggers))
    n1, n2 = (int(time // tgroup) for time in (after_jump_flag_time1, after_jump_flag_time2))
    if n1 > 0 or n2 > 0:
        gain_32 = np.float32(median_gain)
        e1, e2 = np.float32(after_jump_flag_dn1) * gain_32, np.float32(after_jump_flag_dn2) * gain_32
        network = two_point.sorting_network(nints * (ngroups - 1))
        two_point.flag_after_jumps(sci, groupdq, gain, e1, n1, e2, n2, network)
    two_point.clean_up(groupdq)
    return Jumps(groupdq, n_primary, full_planes)


def _find_by_duration(find, sci, groupdq, planes, samples):
    """Find jumps among the differences within frames, and among those from one frame to the next.

    Either are ramps by themselves: of the samples of each frame, and of two samples.
    """
    nints, ngroups, rows, nx = sci.shape
    frames = ngroups // samples
    shape = (nints * frames, samples, rows, nx)
    yield find(sci.reshape(shape), groupdq.reshape(shape), planes.reshape(shape[:2]))
    if frames == 1:
        return
    before, after = slice(samples - 1, ngroups - 1, samples), slice(samples, ngroups, samples)
    shape = (nints * (frames - 1), 2, rows, nx)
    ramps, flags = (np.stack((values[:, before], values[:, after]), 2).reshape(shape) for values in (sci, groupdq))
    found = find(ramps, flags, np.stack((planes[:, before], planes[:, after]), 2).reshape(shape[:2]))
    groupdq[:, after] = flags[:, 1].reshape(nints, frames - 1, rows, nx)
    # As indices into all flags.
    pair, pixel = np.divmod(found, 2 * rows * nx)
    integration, frame = np.divmod(pair, frames - 1)
    yield ((integration * frames + frame + 1) * samples) * rows * nx + pixel % (rows * nx)


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
        Time between groups [s].

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
