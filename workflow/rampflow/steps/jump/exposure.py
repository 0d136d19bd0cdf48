"""What is settled for an exposure before its jumps are looked for, and what is counted afterwards.

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection".
"""

import warnings
from typing import Literal, NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.errors import StepError
from rampflow.steps import at_least
from rampflow.steps.beforehand import GROUPS
from rampflow.steps.jump import tiles, time_domain

Algorithm = Literal["two_point", "time_domain", "both"]
Mode = Literal["none", "single_pass", "iterative", "sigma_clip"]

#: Fewest groups that are not wholly DO_NOT_USE for a search without sigma clipping. jwst has a parameter
#: ``minimum_groups``, but in one process it uses this number whatever the parameter says.
MIN_USABLE_GROUPS = 3

_check_groups_along_time = at_least(2, "jump detection needs at least 2 groups per integration, found {}")


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


def sampling(read_times: list[list[float]] | None, tgroup: float) -> Pace:
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
    StepError
        The groups are not those of frames that are sampled alike.
    """
    if read_times is None or len(read_times) < 2:
        return Pace(1, tgroup)
    steps = np.diff([np.mean(reads) for reads in read_times])
    other = np.flatnonzero(~np.isclose(steps, steps[0]))
    samples = int(other[0]) + 1 if other.size else 1
    frames, rest = divmod(len(read_times), samples)
    if rest or not np.allclose(steps, np.tile(steps[:samples], frames)[: steps.size]):
        raise StepError(
            f"groups are read at {[reads[0] for reads in read_times]} s (meta.exposure.read_times): not the samples of "
            "frames that are read alike; make the ramp anew"
        )
    return Pace(samples, float(steps.mean()))


def check_groups(ngroups: int, algorithm: Algorithm = "two_point") -> None:
    """Raise `~rampflow.steps.NotApplicable` if the ramps are too short to show a jump.

    Parameters
    ----------
    ngroups : int
        Groups per integration, whatever their flags.
    algorithm : {"two_point", "time_domain", "both"}
        Along time, ramps of two groups will do.
    """
    check = GROUPS["jump"] if algorithm == "two_point" else _check_groups_along_time
    check(ngroups)


def choose_algorithm(algorithm: Algorithm, nints: int) -> Algorithm:
    """Return the algorithm, or what is left of it for an exposure of few integrations.

    Parameters
    ----------
    algorithm : {"two_point", "time_domain", "both"}
        What was asked for.
    nints : int
        Integrations.

    Raises
    ------
    StepError
        There are too few integrations for "time_domain". With "both" a warning says so, and "two_point" is left.
    """
    if algorithm == "two_point" or nints >= time_domain.MIN_INTEGRATIONS:
        return algorithm
    lacking = f"jumps along time need at least {time_domain.MIN_INTEGRATIONS} integrations, found {nints}"
    if algorithm == "time_domain":
        raise StepError(f"{lacking}; for such exposures set algorithm: two_point, or both")
    warnings.warn(f"{lacking}; two_point alone is used", stacklevel=2)
    return "two_point"


def all_dnu_planes(groupdq: np.ndarray) -> np.ndarray:
    """Tell which groups of which integrations are DO_NOT_USE in every pixel.

    Parameters
    ----------
    groupdq : uint8 ndarray (nints, ngroups, rows, nx)
        Group flags, or a block of their rows: "and" the results of all blocks for that of the exposure.

    Returns
    -------
    bool ndarray (nints, ngroups)
    """
    return np.bitwise_and.reduce(groupdq, axis=(2, 3)) & tiles.DNU != 0


def median_gain(gain: np.ndarray) -> np.float32:
    """Return the median of the whole gain image (electrons/DN) as float32, NaN ignored.

    Pixels of zero or negative gain count: so does jwst.
    """
    finite = gain[~np.isnan(gain)]
    return np.float32(np.median(finite)) if finite.size else np.float32(np.nan)


def choose_mode(
    dnu_planes: np.ndarray, *, min_diffs_single_pass: int, minimum_sigclip_groups: int, only_use_ints: bool
) -> Mode:
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


def flag_bad_gain(pixeldq: np.ndarray, gain: np.ndarray) -> np.ndarray:
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


def event_rates(
    n_primary: int, n_extended: int, *, dnu_planes: np.ndarray, npixels: int, tgroup: float
) -> tuple[float, float] | None:
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
