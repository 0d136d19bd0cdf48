"""Showers: wide faint events of MIRI, too faint in each pixel to be found there; `jump` has more.

How far each difference is from the typical one of its pixel, in units of noise, is averaged over a ring around
every pixel. Where that stands out over a large enough area, an ellipse is flagged, for a while
(https://jwst-docs.stsci.edu, "Shower and Snowball Artifacts").

Order of work: :func:`enough_for_showers`; :func:`typical_differences` by blocks of rows; :func:`find_showers` by
groups; :func:`flag_showers` by blocks of rows of an integration.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/jump/description.html
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.kernels import F32_2, F64_2, I64_2, kernel
from rampflow.steps.jump import tiles, typical
from rampflow.steps.jump.shapes import Ellipse, ellipse_of, grown_axes, pixels_of, regions
from rampflow.steps.sorting import network

#: Fewest differences of an exposure that showers are looked for in.
MIN_DIFFERENCES = 10
#: A pixel keeps its flags if without the shower's groups its rate is another by more than this [e/s]. (jwst has a
#: parameter for it, max_shower_amplitude, and uses this number whatever that says.)
MAX_AMPLITUDE = 6

#: Where statistics along the integrations are clipped.
CLIP_SIGMA = 5.0

_DNU, _JUMP, _BAD = tiles.DNU, tiles.JUMP, tiles.BAD
_ANY = _BAD | _JUMP
_SATURATED = np.uint8(dq.SATURATED)


class Shower(NamedTuple):
    """A shower: where and when.

    Attributes
    ----------
    integration, group : int
        In which group it shows first.
    ellipse : `~rampflow.steps.jump.shapes.Ellipse`
        Of what stands out.
    """

    integration: int
    group: int
    ellipse: Ellipse


def enough_for_showers(dnu_planes: np.ndarray) -> bool:
    """Tell whether an exposure has differences enough for showers, from `~rampflow.steps.jump.all_dnu_planes`."""
    nints, ngroups = dnu_planes.shape
    return nints * (ngroups - 1) - np.count_nonzero(dnu_planes) >= MIN_DIFFERENCES


def typical_differences(
    sci: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    readnoise: np.ndarray,
    *,
    nframes: int,
    minimum_sigclip_groups: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the typical difference of every pixel of a block of rows, and its noise.

    Parameters
    ----------
    sci : float32 ndarray (nints, ngroups, rows, nx)
        Ramps [DN].
    groupdq : uint8 ndarray (nints, ngroups, rows, nx)
        Flags after the search for jumps. DO_NOT_USE and SATURATED are left out, and JUMP_DET where it is the only
        flag.
    gain, readnoise : float32 ndarray (rows, nx)
        [electrons/DN]; CDS noise [DN].
    nframes : int
        Frames averaged into a group.
    minimum_sigclip_groups : int
        From so many integrations on every difference is compared with the same one of the other integrations, whatever
        the search for jumps does.

    Returns
    -------
    median, noise : float32 ndarray (n, rows, nx)
        [electrons]; NaN where no difference is left. n is 1, or ngroups - 1 where they are compared along the
        integrations: then median and standard deviation are clipped at 5 sigma.
    """
    nints, ngroups, rows, nx = sci.shape
    unused = np.where(groupdq == _JUMP, _DNU, groupdq)
    gain = np.ascontiguousarray(gain, np.float32)
    if nints >= minimum_sigclip_groups:
        median, noise = np.empty((2, ngroups - 1, rows, nx), np.float32)
        typical.clipped_statistics(sci, unused, gain, CLIP_SIGMA, median, noise, ngroups - 1)
        return median, noise
    pairs = network(nints * (ngroups - 1), False)
    median = typical.median_differences(sci, unused, gain, pairs)[None]
    with np.errstate(invalid="ignore"):
        return median, np.sqrt(np.abs(median) + np.square(np.float32(readnoise) * gain) / np.float32(nframes))


def find_showers(
    groups: Iterable[Any],
    *,
    ngroups: int,
    median: np.ndarray,
    noise: np.ndarray,
    gain: np.ndarray,
    pixeldq: np.ndarray,
    extend_snr_threshold: float,
    extend_min_area: float,
    extend_inner_radius: float,
    extend_outer_radius: float,
) -> Generator[None, None, list[Shower]]:
    """Find showers, group by group.

    A generator that takes one group after the other, holding two at a time, and has nothing to give back until its
    end.

    Parameters
    ----------
    groups : iterable of (float32 ndarray (ny, nx), uint8 ndarray (ny, nx))
        SCI [DN] and flags of the groups of all integrations, in order, after the search for jumps.
    ngroups : int
        Groups per integration.
    median, noise : float32 ndarray (n, ny, nx)
        :func:`typical_differences` [electrons].
    gain : float32 ndarray (ny, nx)
        [electrons/DN].
    pixeldq : uint32 ndarray (ny, nx)
        Pixels with DO_NOT_USE, and those that are reference pixels and nothing else, are left out.
    extend_snr_threshold : float
        A shower is where the mean over the ring is larger than this [sigma] …
    extend_min_area : float
        … in a region of at least this area [pixels, holes counted in].
    extend_inner_radius, extend_outer_radius : float
        Inner radius of the ring and, in spite of its name, the width of the ring [pixels].

    Yields
    ------
    None

    Returns
    -------
    list of Shower
        In order of integration and group, as the value of the generator.
    """
    left_out = (pixeldq & np.uint32(dq.DO_NOT_USE) != 0) | (pixeldq == np.uint32(dq.REFERENCE_PIXEL))
    offsets = _ring(extend_inner_radius, extend_outer_radius)
    found = []
    before, begun = None, False
    for number, (sci, flags) in enumerate(groups):
        integration, group = divmod(number, ngroups)
        if group == 0:
            before, begun = None, False
        electrons = np.where((flags & _BAD != 0) | (flags == _JUMP), np.float32(np.nan), sci * gain)
        if begun:
            n = min(group, len(median)) - 1
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = np.abs(electrons - before - median[n]) / noise[n]
            ratio[(flags & _ANY != 0) | left_out] = np.nan
            extended = _ring_mean(ratio, offsets) > extend_snr_threshold
            found += [Shower(integration, group, ellipse_of(region)) for region in regions(extended, extend_min_area)]
        begun = begun or not (flags & _DNU).all()
        before = electrons
        yield
    return found


def flag_showers(
    sci: np.ndarray,
    groupdq: np.ndarray,
    gain: np.ndarray,
    pixeldq: np.ndarray,
    *,
    place: tuple[int, slice],
    showers: Sequence[Shower],
    ny: int,
    tgroup: float,
    extend_ellipse_expand_ratio: float,
    time_masked_after_shower: float,
    max_extended_radius: float,
) -> np.ndarray:
    """Flag the showers of an integration in a block of its rows.

    Parameters
    ----------
    sci : float32 ndarray (ngroups, rows, nx)
        Ramps [DN].
    groupdq : uint8 ndarray (ngroups, rows, nx)
        Flags, changed in place.
    gain : float32 ndarray (rows, nx)
        [electrons/DN].
    pixeldq : uint32 ndarray (rows, nx)
        Those that are reference pixels and nothing else are not flagged.
    place : (int, slice)
        Integration, and rows of the image that are given.
    showers : list of Shower
        From :func:`find_showers`.
    ny : int
        Rows of the image.
    tgroup : float
        Group time [s].
    extend_ellipse_expand_ratio : float
        An ellipse of axes (a, b) is grown to (a + (ratio - 1) b, ratio b).
    time_masked_after_shower : float
        For how long after the first group JUMP_DET is set [s, rounded down to groups].
    max_extended_radius : float
        Largest radius of an ellipse [pixels].

    Returns
    -------
    uint8 ndarray (ngroups, rows, nx)
        `groupdq`.

    Notes
    -----
    A pixel that is saturated in the group of a shower or later is not flagged from there on. One whose mean difference
    of groups without flags changes by more than `MAX_AMPLITUDE`, or that has none left, keeps the flags it had in
    this integration.
    """
    integration, rows = place
    ngroups, _, nx = groupdq.shape
    more = int(time_masked_after_shower // tgroup)
    new = groupdq.copy()
    for shower in showers:
        if shower.integration != integration:
            continue
        axes = grown_axes(shower.ellipse, extend_ellipse_expand_ratio, 2 * max_extended_radius)
        y, x = pixels_of(shower.ellipse, axes, (ny, nx))
        here = (y >= rows.start) & (y < rows.stop)
        y, x = y[here] - rows.start, x[here]
        saturated = np.zeros(y.size, np.uint8)
        for group in range(shower.group, min(shower.group + more + 1, ngroups)):
            flags = new[group, y, x]
            saturated |= flags & _SATURATED
            new[group, y, x] = np.where(saturated, flags, flags | _JUMP)
    changed = (new != groupdq).any(axis=0) & (pixeldq != np.uint32(dq.REFERENCE_PIXEL))
    y, x = np.nonzero(changed)
    electrons = sci[:, y, x] * gain[y, x]
    electrons[groupdq[:, y, x] & _BAD != 0] = np.nan
    shift = np.abs(_mean_difference(electrons, new[:, y, x]) - _mean_difference(electrons, groupdq[:, y, x]))
    kept = shift <= MAX_AMPLITUDE * tgroup
    y, x = y[kept], x[kept]
    groupdq[:, y, x] = new[:, y, x]
    return groupdq


def _ring(inner, width):
    """List the offsets (dy, dx) of the pixels of a ring."""
    outer = inner + width
    half = int(np.ceil(2 * outer)) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    distance = np.hypot(y, x)
    return np.ascontiguousarray(np.argwhere((distance >= inner) & (distance <= outer)) - half)


def _mean_difference(ramps, flags):
    """Return the mean difference of the unflagged groups of ramps (ngroups, n), NaN without any."""
    differences = np.diff(np.where(flags & _ANY, np.float32(np.nan), ramps), axis=0)
    usable = ~np.isnan(differences)
    total = np.where(usable, differences, np.float32(0)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / usable.sum(axis=0).astype(np.float32)


@kernel(F64_2(F32_2, I64_2))
def _ring_mean(values, offsets):
    """Average over the pixels at some offsets from each; NaN are left out, outside the image is 0; NaN stays NaN."""
    ny, nx = values.shape
    means = np.full((ny, nx), np.nan)
    for y in range(ny):
        for x in range(nx):
            if np.isnan(values[y, x]):
                continue
            total, count = 0.0, 0
            for k in range(offsets.shape[0]):
                row, column = y + offsets[k, 0], x + offsets[k, 1]
                value = np.float32(0)
                if 0 <= row < ny and 0 <= column < nx:
                    value = values[row, column]
                if not np.isnan(value):
                    total += value
                    count += 1
            if count > 0:
                means[y, x] = total / count
    return means
