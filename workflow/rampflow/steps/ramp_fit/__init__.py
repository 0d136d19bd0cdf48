"""Fit slopes to ramps by weighted ordinary least squares (OLS_C).

A pixel's counts rise while light falls on it; the slope of the ramp is the count rate. The ramp is cut where a
cosmic ray hit (JUMP_DET) and where groups must not be used; each piece, a *segment*, is fitted by a straight line,
and the slopes are combined with the inverse of their variances, first over an integration, then over the exposure.

Inside a segment the groups are weighted by its signal-to-noise ratio: with read noise alone the best slope is the
unweighted one, with photon noise the first and last groups count most (Fixsen et al. 2000, PASP 112, 1350). The
variance of a slope has a photon part, from the pixel's median rate, and a read-noise part.

Units: SCI in DN, slopes and errors in DN/s, variances in DN²/s². The *gain* reference (electrons/DN) and the
*readnoise* reference (DN, of the difference of two frames) give the noise. A slope that cannot be had is NaN, its
error and variances 0, its pixel DO_NOT_USE.

Order of work: `survey` over all blocks, joined by `join`; `choose_groups` for the exposure; `fit_ramps` block by
block; if the optional product is wanted, `count_segments` over all blocks and `fit_optional`.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import special

from rampflow.errors import RampflowError
from rampflow.steps.ramp_fit import likely, ols, optional

#: Groups from which on LIKELY is used; with fewer its search for jumps would have nothing to go by.
FEWEST_GROUPS = 4


class NoSlopes(RampflowError):
    """There is no slope to fit in the whole exposure; the message says why."""


class Planes(NamedTuple):
    """Groups that all pixels of all integrations have flagged alike.

    Attributes
    ----------
    unused, saturated : uint8 `~numpy.ndarray`
        1 where a group is DO_NOT_USE, or SATURATED, everywhere; shape (ngroups,).
    """

    unused: np.ndarray
    saturated: np.ndarray


class Groups(NamedTuple):
    """Which groups are fitted, as indices: the others are dropped (MIRI), or count as DO_NOT_USE."""

    first_kept: int
    last_kept: int
    first_wanted: int
    last_wanted: int


class Slopes(NamedTuple):
    """Slopes of an exposure, shape (rows, nx), or of its integrations, shape (nints, rows, nx).

    Attributes
    ----------
    slope, err : float32 `~numpy.ndarray`
        Count rate and its error (DN/s). NaN, with an error of 0, where there is none.
    dq : uint32 `~numpy.ndarray`
        Flags.
    var_poisson, var_rnoise : float32 `~numpy.ndarray`
        Variance of the rate due to photon noise and due to read noise (DN²/s²).
    """

    slope: np.ndarray
    dq: np.ndarray
    err: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray


class Optional(NamedTuple):
    """What `fit_optional` says of the segments: shape (nints, segments, rows, nx) unless noted; 0 where unused.

    Attributes
    ----------
    slope, sigslope, var_poisson, var_rnoise, yint, sigyint, weights : float32 `~numpy.ndarray`
        Slope (DN/s) and its uncertainty, variances, intercept (DN) and its uncertainty, weight in the mean.
    pedestal : float32 `~numpy.ndarray`
        Counts (DN) at the reset, shape (nints, rows, nx).
    crmag : float32 `~numpy.ndarray`
        Height (DN) of each jump, shape (nints, jumps, rows, nx).
    """

    slope: np.ndarray
    sigslope: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray
    yint: np.ndarray
    sigyint: np.ndarray
    pedestal: np.ndarray
    weights: np.ndarray
    crmag: np.ndarray


def takes_likely(algorithm, ngroups, read_times):
    """Tell whether ramps are fitted by LIKELY.

    Parameters
    ----------
    algorithm : {"OLS_C", "LIKELY"}
        What was asked for.
    ngroups : int
        Groups; with fewer than `FEWEST_GROUPS` it is OLS_C.
    read_times : list or None
        Times of groups that do not follow each other evenly, which OLS_C cannot fit; a warning says so.
    """
    if read_times is None:
        return algorithm == "LIKELY" and ngroups >= FEWEST_GROUPS
    if algorithm != "LIKELY":
        warnings.warn(f"groups do not follow each other evenly: fitted by LIKELY instead of {algorithm}", stacklevel=2)
    return True


def _wanted(ngroups, firstgroup, lastgroup):
    """Range of groups that the user leaves in; contradictory limits are ignored, as in the oracle."""
    first = max(firstgroup or 0, 0)
    last = ngroups - 1 if lastgroup is None else lastgroup
    # Limits beyond the ramp contradict nothing: they leave what there is, maybe nothing.
    return (min(first, ngroups), min(last, ngroups - 1)) if first < last else (0, ngroups - 1)


def survey(groupdq, *, suppress_one_group, ignore_persistence, firstgroup, lastgroup):
    """Find the groups that are flagged in every pixel of a block of rows.

    Parameters
    ----------
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, shape (nints, ngroups, rows, nx).
    suppress_one_group : bool
        Pixels with a single usable group count as unused.
    ignore_persistence : bool
        PERSISTENCE does not make a group unusable.
    firstgroup, lastgroup : int or None
        Groups before and after these count as DO_NOT_USE.

    Returns
    -------
    Planes
        Of the block; `join` those of all blocks.
    """
    ngroups = groupdq.shape[1]
    groups = np.array([0, ngroups - 1, *_wanted(ngroups, firstgroup, lastgroup)])
    planes = Planes(np.ones(ngroups, np.uint8), np.ones(ngroups, np.uint8))
    ols.whole_planes(groupdq, groups, suppress_one_group and ngroups > 1, ignore_persistence, *planes)
    return planes


def join(planes, others):
    """Join the `Planes` of two blocks."""
    return Planes(planes.unused & others.unused, planes.saturated & others.saturated)


def choose_groups(planes, *, trim, firstgroup, lastgroup):
    """Choose the groups of an exposure that are fitted.

    Parameters
    ----------
    planes : Planes
        Of the whole exposure.
    trim : bool
        Drop leading groups, and the last one, that are DO_NOT_USE everywhere (MIRI: the frames that firstframe,
        lastframe and rscd have flagged). A jump into the first group that is left is then no jump any more.
    firstgroup, lastgroup : int or None
        As for `survey`.

    Returns
    -------
    Groups

    Raises
    ------
    NoSlopes
        Fewer than two groups are left, or the first one is saturated everywhere. The oracle writes no product.
    """
    ngroups = planes.unused.size
    first, last = 0, ngroups - 1
    if trim and ngroups > 1:
        usable = np.flatnonzero(planes.unused == 0)
        if usable.size == 0:
            raise NoSlopes(f"all {ngroups} groups are DO_NOT_USE in every pixel: there is no slope to fit")
        first, last = usable[0], last - int(planes.unused[last])
        if last - first < 1:
            raise NoSlopes(
                f"only {last - first + 1} of {ngroups} groups is not DO_NOT_USE in every pixel, two are needed: "
                "there is no slope to fit"
            )
    if planes.saturated[first]:
        raise NoSlopes("every pixel is saturated in its first group: there is no slope to fit")
    return Groups(int(first), int(last), *_wanted(ngroups, firstgroup, lastgroup))


def fit_ramps(
    sci,
    groupdq,
    pixeldq,
    gain,
    readnoise,
    dark_rate=None,
    zeroframe=None,
    *,
    groups,
    tgroup,
    tframe,
    nframes,
    suppress_one_group,
    ignore_persistence,
    slope_weights,
    flag_saturated,
):
    """Fit the ramps of a block of rows.

    Parameters
    ----------
    sci : 4D float32 `~numpy.ndarray`
        Counts (DN), shape (nints, ngroups, rows, nx). NaN is no measurement; an infinite sample gives a segment of
        three groups or more the slope NaN.
    groupdq : 4D uint8 `~numpy.ndarray`
        Group flags, same shape. A group is usable if it has none.
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags, shape (rows, nx); they go into the flags of all slopes.
    gain, readnoise : 2D float32 `~numpy.ndarray`
        Gain (electrons/DN) and CDS read noise (DN). A gain that is NaN or not positive is NO_GAIN_VALUE and
        DO_NOT_USE.
    dark_rate : 2D float32 `~numpy.ndarray` or None
        Mean dark current (DN/s), for the photon noise; None is 0.
    zeroframe : 3D float32 `~numpy.ndarray` or None
        First frame of each integration (DN), shape (nints, rows, nx), 0 where it is not usable. It stands in where
        no group is usable, unless ``suppress_one_group``.
    groups : Groups
        From `choose_groups`.
    tgroup, tframe : float
        Time of a group and of a frame (s).
    nframes : int
        Frames averaged into a group.
    suppress_one_group : bool
        No slope for integrations with a single usable group (unless the exposure has no more).
    ignore_persistence : bool
        PERSISTENCE does not make a group unusable.
    slope_weights : {"total", "read_noise"}
        Variance whose inverse weights the slopes in their mean: of everything, or of the read noise.
    flag_saturated : {"all", "any"}
        SATURATED is set where all groups are saturated, or where any is.

    Returns
    -------
    rate, rateints : Slopes
        Of the exposure and of its integrations.
    """
    nints, ngroups, rows, nx = sci.shape
    rate, rateints = _empty_slopes(nints, rows, nx)
    ols.fit_rows(
        sci,
        groupdq,
        pixeldq,
        gain,
        readnoise,
        *_optional_images(dark_rate, zeroframe, rows, nx),
        np.array(groups),
        suppress_one_group and ngroups > 1,
        ignore_persistence,
        flag_saturated == "any",
        slope_weights == "read_noise",
        _times(tgroup, tframe, nframes),
        1 / np.sqrt(2 * nframes),
        *rate,
        *rateints,
    )
    return rate, rateints


def fit_likely(
    sci,
    groupdq,
    pixeldq,
    gain,
    readnoise,
    dark_rate=None,
    zeroframe=None,
    *,
    firstgroup,
    lastgroup,
    tframe,
    nframes,
    groupgap,
    flag_saturated,
    flag_chisq_pvalue,
    read_times=None,
):
    """Fit the ramps of a block of rows by maximum likelihood (LIKELY).

    The differences of successive groups are fitted by one rate, by generalised least squares with their full
    covariance: of the read noise, and of the photons, which arrive within the groups that are averages, too (Brandt
    2024, PASP 136, 045004). The covariance needs a rate: first the median difference, then, lest it be biased, the
    rate that comes out of that fit. The fit has a search for jumps of its own (Brandt 2024, PASP 136, 045005): as
    long as leaving out a difference, or two adjacent ones where groups are averages, lowers chi-squared by more than
    20.25 (23.8) and more than three are left, the worst go. JUMP_DET tells so.

    Integrations are combined with weights in which the photon noise is that of the common rate.

    Parameters
    ----------
    sci, groupdq, pixeldq, dark_rate, flag_saturated
        As for `fit_ramps`; `FEWEST_GROUPS` or more groups, for want of another fit two or three with `read_times`.
    gain, readnoise : 2D float32 `~numpy.ndarray`
        As for `fit_ramps`, but a gain that is NaN or not positive gives no slope and no flag, as in the oracle.
    zeroframe : 3D float32 `~numpy.ndarray` or None
        First frame of each integration (DN), shape (nints, rows, nx), 0 or NaN where it is not usable. If groups are
        averages it is the first sample of the ramp, and taken out of the first group.
    firstgroup, lastgroup : int or None
        Groups before and after these count as DO_NOT_USE.
    tframe : float
        Time of a frame (s).
    nframes, groupgap : int
        Frames averaged into a group, and dropped between groups.
    flag_chisq_pvalue : float or None
        UNRELIABLE_SLOPE is set where chi-squared of an integration's fit has a smaller chance than this to be as
        large if the ramp is a straight line with the noise expected. None is never.
    read_times : list of list of float, optional
        For each group the times of its reads (s), where they are not what the three numbers above say.

    Returns
    -------
    rate, rateints : Slopes
        Of the exposure and of its integrations. Without two usable groups in succession all is NaN, errors and
        variances, too.
    chisq : 2D float32 `~numpy.ndarray`
        Chi-squared of the fits, summed over the integrations, shape (rows, nx); NaN where one has none.
    """
    nints, ngroups, rows, nx = sci.shape
    rate, rateints = _empty_slopes(nints, rows, nx)
    chisq = np.empty((rows, nx), np.float32)
    frames = np.arange(nframes) + 1 + (nframes + groupgap) * np.arange(ngroups)[:, np.newaxis]
    times = list(frames * tframe) if read_times is None else [np.array(reads) for reads in read_times]
    tables = [likely.read_pattern(times)]
    if zeroframe is not None and nframes > 1:
        # Where the zero frame is not usable the differences are counted from 1.
        tables = [likely.read_pattern([times[0][:1], times[0][1:], *times[1:]]), np.pad(tables[0], ((0, 0), (1, 0)))]
    limits = np.empty(0)
    if flag_chisq_pvalue is not None:
        limits = special.chdtri(np.maximum(1, np.arange(tables[0].shape[1] + 1) - 1), flag_chisq_pvalue)
    likely.fit_rows(
        sci,
        groupdq,
        pixeldq,
        gain,
        readnoise,
        *_optional_images(dark_rate, zeroframe, rows, nx),
        np.array(_wanted(ngroups, firstgroup, lastgroup)),
        flag_saturated == "any",
        nframes,
        np.array(tables),
        limits,
        *rate,
        *rateints,
        chisq,
    )
    return rate, rateints, chisq


def count_segments(groupdq, zeroframe=None, *, groups, suppress_one_group, ignore_persistence):
    """Count the segments and the jumps of the integration that has most: the size of the optional product.

    Parameters
    ----------
    groupdq, zeroframe, groups, suppress_one_group, ignore_persistence
        As for `fit_ramps`.

    Returns
    -------
    tuple of int
        Segments and jumps; over blocks take the larger of each.
    """
    _, ngroups, rows, nx = groupdq.shape
    _, zeroframe = _optional_images(None, zeroframe, rows, nx)
    suppress = suppress_one_group and ngroups > 1
    return optional.count_rows(groupdq, zeroframe, np.array(groups), suppress, ignore_persistence)


def fit_optional(
    sci,
    groupdq,
    gain,
    readnoise,
    slope,
    dark_rate=None,
    zeroframe=None,
    *,
    counts,
    groups,
    tgroup,
    tframe,
    nframes,
    groupgap,
    dropped,
    suppress_one_group,
    ignore_persistence,
    slope_weights,
):
    """Describe every segment of a block of rows.

    Parameters
    ----------
    sci, groupdq, gain, readnoise, dark_rate, zeroframe, groups, tgroup, tframe, nframes
        As for `fit_ramps`.
    slope : 3D float32 `~numpy.ndarray`
        Slopes of the integrations from `fit_ramps` (DN/s).
    counts : tuple of int
        From `count_segments`, of the whole exposure.
    groupgap, dropped : int
        Frames dropped between groups (GROUPGAP) and before the first one (DRPFRMS1).
    suppress_one_group, ignore_persistence, slope_weights
        As for `fit_ramps`.

    Returns
    -------
    Optional
    """
    nints, ngroups, rows, nx = sci.shape
    segments, jumps = counts
    shapes = {"pedestal": (nints, rows, nx), "crmag": (nints, jumps, rows, nx)}
    whole = (nints, segments, rows, nx)
    result = Optional(*(np.zeros(shapes.get(name, whole), np.float32) for name in Optional._fields))
    optional.optional_rows(
        sci,
        groupdq,
        gain,
        readnoise,
        *_optional_images(dark_rate, zeroframe, rows, nx),
        slope,
        np.array(groups),
        suppress_one_group and ngroups > 1,
        ignore_persistence,
        slope_weights == "read_noise",
        _times(tgroup, tframe, nframes),
        1 / np.sqrt(2 * nframes),
        ((nframes + 1) / 2 + dropped) / (nframes + groupgap),
        *result,
    )
    return result


def _empty_slopes(nints, rows, nx):
    return (
        Slopes(*(np.empty(shape, np.uint32 if name == "dq" else np.float32) for name in Slopes._fields))
        for shape in ((rows, nx), (nints, rows, nx))
    )


def _optional_images(dark_rate, zeroframe, rows, nx):
    if dark_rate is None:
        dark_rate = np.zeros((rows, nx), np.float32)
    if zeroframe is None:
        zeroframe = np.zeros((0, rows, nx), np.float32)
    return dark_rate, zeroframe


def _times(tgroup, tframe, nframes):
    """Seconds per sample of a ramp, of a lone first group, and of the zero frame; the oracle holds times in float32."""
    tgroup, tframe = float(np.float32(tgroup)), float(np.float32(tframe))
    return np.array([tgroup, (nframes + 1) * tframe / 2, tframe])
