"""Find the jumps of an exposure, block by block of its rows.

Source: Anderson & Gordon 2011, PASP 123, 1237; https://jwst-pipeline.readthedocs.io, "Jump Detection".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rampflow.errors import StepError
from rampflow.steps.agreement import SAME_ROWS, check_shape
from rampflow.steps.jump import flags, sigma_clip, tiles, time_domain, two_point
from rampflow.steps.sorting import network

if TYPE_CHECKING:
    from rampflow.steps.jump.exposure import Algorithm, Mode

#: What jwst reports as the number of cosmic rays in mode "none"; it makes the rate negative.
NOT_SEARCHED = -99

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


def detect_jumps(
    sci: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    *,
    mode: Mode,
    nframes: int,
    tgroup: float,
    median_gain: float,
    rejection_threshold: float,
    three_group_rejection_threshold: float,
    four_group_rejection_threshold: float,
    flag_4_neighbors: bool,
    max_jump_to_flag_neighbors: float,
    min_jump_to_flag_neighbors: float,
    after_jump_flag_dn1: float,
    after_jump_flag_time1: float,
    after_jump_flag_dn2: float,
    after_jump_flag_time2: float,
    only_use_ints: bool,
    algorithm: Algorithm = "two_point",
    time_rejection_threshold: float = 5.0,
    time_window: int = 11,
    halo: tuple[int, int] = (0, 0),
    samples: int = 1,
    reset_planes: np.ndarray | None = None,
) -> Jumps:
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
    _check_choices(mode, algorithm)
    full_planes = np.zeros(sci.shape[:2], bool)
    with_two_point = algorithm != "time_domain" and mode != "none"
    if algorithm == "two_point" and not with_two_point:
        flags.clean_up(groupdq)
        return Jumps(groupdq, NOT_SEARCHED, full_planes)

    gain, readnoise = (np.ascontiguousarray(image, np.float32) for image in (gain, readnoise))
    variance = np.square(gain * readnoise)  # electrons², of a difference of single frames
    thresholds = (
        float(rejection_threshold),
        float(four_group_rejection_threshold),
        float(three_group_rejection_threshold),
    )
    if reset_planes is None:
        reset_planes = np.zeros_like(full_planes)
    flags.reset(groupdq, reset_planes)
    limits = float(min_jump_to_flag_neighbors), float(max_jump_to_flag_neighbors)
    neighbors = tiles.Neighbors(bool(flag_4_neighbors), *limits)

    def find(ramps, ramp_flags, planes):
        if mode == "sigma_clip":
            options = thresholds[0], only_use_ints, planes, neighbors
            return sigma_clip.find_jumps(ramps, ramp_flags, gain, variance, nframes, *options)
        pairs = network(ramps.shape[0] * (ramps.shape[1] - 1), False)
        options = _MEDIAN_MODES[mode], thresholds, planes, neighbors, pairs
        return two_point.find_jumps(ramps, ramp_flags, gain, variance, nframes, *options)

    triggers = []
    if with_two_point and samples > 1 and not (mode == "sigma_clip" and only_use_ints):
        triggers += _find_by_duration(find, sci, groupdq, reset_planes, samples)
    elif with_two_point:
        triggers.append(find(sci, groupdq, reset_planes))
    if algorithm != "two_point":
        options = float(time_rejection_threshold), time_window, neighbors
        triggers.append(time_domain.find_jumps_in_time(sci, groupdq, gain, variance, nframes, *options))
    inner = (halo[0], sci.shape[2] - halo[1])
    n_primary = flags.count_jumps(groupdq, *inner)
    if with_two_point and mode == "sigma_clip":
        flags.find_full_planes(groupdq, *inner, full_planes)
    flags.flag_neighbors(groupdq, np.concatenate(triggers))
    transients = (after_jump_flag_dn1, after_jump_flag_time1), (after_jump_flag_dn2, after_jump_flag_time2)
    _flag_transients(sci, groupdq, gain, np.float32(median_gain), tgroup, transients)
    flags.clean_up(groupdq)
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


def _flag_transients(sci, groupdq, gain, median_gain, tgroup, transients):
    """Flag the groups after jumps of at least a size [DN at the median gain], for a time [s]: two such pairs."""
    (e1, n1), (e2, n2) = ((np.float32(size) * median_gain, int(time // tgroup)) for size, time in transients)
    if n1 > 0 or n2 > 0:
        nints, ngroups = sci.shape[:2]
        flags.flag_after_jumps(sci, groupdq, gain, e1, n1, e2, n2, network(nints * (ngroups - 1), False))


def join_blocks(found: Iterable[tuple[int, np.ndarray]], dnu_planes: np.ndarray) -> tuple[int, np.ndarray]:
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


def _check_choices(mode, algorithm):
    if algorithm not in ("two_point", "time_domain", "both"):
        raise StepError(f"algorithm is {algorithm!r}; there are two_point, time_domain, both")
    if mode not in ("none", "sigma_clip", *_MEDIAN_MODES):
        raise StepError(f"mode is {mode!r}; choose_mode gives none, sigma_clip, single_pass or iterative")


def _check_shapes(sci, groupdq, gain, readnoise, halo):
    if sci.ndim != 4:
        raise StepError(f"SCI has shape {sci.shape}; it must be (nints, ngroups, rows, nx)")
    check_shape("GROUPDQ", groupdq.shape, "SCI", sci.shape, SAME_ROWS)
    for name, image in (("gain", gain), ("readnoise", readnoise)):
        check_shape(name, image.shape, "ramps", sci.shape[2:])
    if min(halo) < 0 or sum(halo) >= sci.shape[2]:
        raise StepError(f"halo {halo} leaves none of the {sci.shape[2]} rows of the block")
