"""The jump step's decision about one pixel, worked out again with its formulas (`rampflow.steps.jump`).

There they are compiled kernels for whole rows, which take longer to load than all the rest of the answer; here is the
same for the ramps of one pixel, in numpy and in the same precision. Tests hold both against each other.
"""

from typing import NamedTuple

import numpy as np

from rampflow.detector import dq

BAD = dq.DO_NOT_USE | dq.SATURATED
#: As in `rampflow.steps.jump`: fewest usable groups for a search, and rounds of sigma clipping.
_FEWEST_GROUPS = 3
_ROUNDS = 5


class PixelJumps(NamedTuple):
    """What the search makes of a pixel; arrays of shape (integrations, groups - 1), of the later group of each pair.

    Attributes
    ----------
    difference : float32 `~numpy.ndarray`
        Differences of groups [electrons]; NaN where one is not used.
    usual, sigma, ratio, threshold : float64 `~numpy.ndarray`
        What a difference is compared with, its noise [electrons], how many sigma they are apart, and how many are
        allowed, all at the time of the decision.
    jump : bool `~numpy.ndarray`
        Where a jump is found.
    spreads : bool `~numpy.ndarray`
        Where it is of a size that has its neighbours flagged.
    above : float32 `~numpy.ndarray`
        Difference above the median of the pixel [electrons], which decides about the groups after.
    """

    difference: np.ndarray
    usual: np.ndarray
    sigma: np.ndarray
    ratio: np.ndarray
    threshold: np.ndarray
    jump: np.ndarray
    spreads: np.ndarray
    above: np.ndarray


def mode_of(unused, parameters):
    """Choose how an exposure is searched: "none", "sigma_clip", "single_pass" or "iterative".

    Parameters
    ----------
    unused : 2D bool `~numpy.ndarray`
        Groups of integrations that are DO_NOT_USE in every pixel, shape (integrations, groups).
    parameters : dict
        Values of the step's parameters.
    """
    nints, ngroups = unused.shape
    usable = nints if parameters["only_use_ints"] else unused.size - np.count_nonzero(unused)
    groups = ngroups - unused.sum(axis=1).max()
    if usable >= parameters["minimum_sigclip_groups"]:
        return "sigma_clip"
    if groups < _FEWEST_GROUPS:
        return "none"
    return "single_pass" if groups - 1 >= parameters["min_diffs_single_pass"] else "iterative"


def find(sci, groupdq, gain, readnoise, nframes, mode, parameters):
    """Search the ramps of a pixel.

    Parameters
    ----------
    sci, groupdq : 2D `~numpy.ndarray`
        Samples [DN] and flags before the step, shape (integrations, groups).
    gain, readnoise : float
        Of the pixel [electrons/DN; DN].
    nframes : int
        Frames averaged into a group.
    mode : str
        From `mode_of`.
    parameters : dict
        Values of the step's parameters.

    Returns
    -------
    `PixelJumps`
    """
    gain, readnoise = np.float32(gain), np.float32(readnoise)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        electrons = sci.astype(np.float32) * gain
        difference = electrons[:, 1:] - electrons[:, :-1]
        difference[((groupdq[:, 1:] | groupdq[:, :-1]) & BAD) != 0] = np.nan
        variance = np.float64(np.square(gain * readnoise)) / nframes
        search = {"iterative": _iterative, "single_pass": _single_pass, "sigma_clip": _sigma_clip}.get(mode, _none)
        found = search(difference, variance, parameters)
        usual, sigma, ratio, threshold, jump = (np.broadcast_to(each, difference.shape) for each in found)
        median = _median(difference)
        above = difference - median
        size = np.abs(above) / _noise(median, variance)
    limits = parameters["min_jump_to_flag_neighbors"], parameters["max_jump_to_flag_neighbors"]
    spreads = jump & (limits[0] < size) & (size < limits[1]) & bool(parameters["flag_4_neighbors"])
    return PixelJumps(difference, usual, sigma, ratio, threshold, jump, spreads, above)


def _median(values):
    usable = values[~np.isnan(values)]
    return np.median(usable) if usable.size else np.float32(np.nan)


def _noise(typical, variance):
    """Return the expected noise [electrons], Poisson and read noise; NaN for none."""
    sigma = np.sqrt(np.abs(np.float64(typical)) + variance)
    return sigma if sigma > 0 else np.float64(np.nan)


def _none(difference, variance, parameters):  # noqa: ARG001
    return np.nan, np.nan, np.nan, np.nan, np.zeros(difference.shape, bool)


def _single_pass(difference, variance, parameters):
    threshold, median = float(parameters["rejection_threshold"]), _median(difference)
    sigma = _noise(median, variance)
    ratio = np.abs(difference - median) / sigma
    return np.float64(median), sigma, ratio, threshold, (threshold < ratio) & (ratio < np.inf)


def _iterative(difference, variance, parameters):
    """Take the most significant difference, leave it out, look again, until none is significant."""
    names = ("rejection_threshold", "four_group_rejection_threshold", "three_group_rejection_threshold")
    thresholds = [float(parameters[name]) for name in names]
    size = np.abs(difference)
    ratio, usual, sigma, allowed = (np.full(size.shape, np.nan) for _ in range(4))
    jump, left = np.zeros(size.shape, bool), ~np.isnan(size)
    while (number := np.count_nonzero(left)) >= 2:
        typical, threshold = _typical(np.sort(size[left])), thresholds[max(4 - number, 0)]
        noise = _noise(typical, variance)
        now = np.where(left, np.abs(size - typical) / noise, np.nan)
        # What was taken keeps the numbers of the round that took it.
        usual[left], sigma[left], ratio[left], allowed[left] = typical, noise, now[left], threshold
        largest = now[left].max()
        if not largest > threshold:
            break
        jump |= now == largest
        left &= now != largest
    return usual, sigma, ratio, allowed, jump


def _typical(ascending):
    """Typical one of magnitudes, robust against one jump among them."""
    n = len(ascending)
    if n == 2:
        return ascending[0]
    kept = ascending[ascending != ascending[-1]] if n >= 4 else ascending
    return np.median(kept) if kept.size else np.float32(np.nan)


def _sigma_clip(difference, variance, parameters):  # noqa: ARG001
    """Clip each difference over all integrations, or all of them together."""
    nsigma = float(parameters["rejection_threshold"])
    usual, sigma = np.full(difference.shape, np.nan), np.full(difference.shape, np.nan)
    each = range(difference.shape[1]) if parameters["only_use_ints"] else [slice(None)]
    for series in each:
        values = difference[:, series].astype(np.float64)
        kept = values[np.isfinite(values)]
        if not kept.size:
            continue
        for _ in range(_ROUNDS):
            center, spread = np.median(kept), kept.std()
            inside = kept[np.abs(kept - center) <= nsigma * spread]
            if inside.size in (0, kept.size):
                break
            kept = inside
        usual[:, series], sigma[:, series] = center, spread
    ratio = np.abs(difference - usual) / sigma
    return usual, sigma, ratio, nsigma, np.isfinite(difference) & (ratio > nsigma)
