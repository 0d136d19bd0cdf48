"""Passes over an exposure that flag its large events: between the script of jump and the functions of `steps.jump`.

They work on the flags that the search for jumps has written into the new product.
"""

import warnings

import numpy as np

from rampflow.steps import jump

_FLAGS = {"reads": ("GROUPDQ",), "updated": ("GROUPDQ",)}
_RAMPS = {"reads": ("SCI", "GROUPDQ"), "updated": ("GROUPDQ",)}


def flag_events(step, *, gain, readnoise, unused, tgroup, even):
    """Flag snowballs, then showers, as the parameters of the step ask for.

    Parameters
    ----------
    step : `~rampflow.job.Step`
        The step, after its search for jumps.
    gain, readnoise : float32 ndarray (ny, nx)
        [electrons/DN]; CDS noise [DN].
    unused : bool ndarray (nints, ngroups)
        `~rampflow.steps.jump.all_dnu_planes` of the exposure.
    tgroup : float
        Time between groups [s].
    even : bool
        Groups follow each other evenly. Where they do not, showers, which are looked for in all differences alike,
        are not; a warning says so.

    Returns
    -------
    count : int
        Number of events; of showers only, if they are looked for, as in jwst.
    unused : bool ndarray (nints, ngroups)
        The planes that are still unusable: cores of snowballs take DO_NOT_USE from their pixels.
    """
    count = 0
    if step.parameters["expand_large_events"]:
        count = _snowballs(step, tgroup)
        if unused.any():
            unused = step.survey(jump.all_dnu_planes, **_FLAGS, combine=np.logical_and)
    if step.parameters["find_showers"] and not even:
        warnings.warn("groups do not follow each other evenly: showers are not looked for", stacklevel=2)
    elif step.parameters["find_showers"]:
        count = _showers(step, gain, readnoise, tgroup) if jump.enough_for_showers(unused) else 0
    return count, unused


def _snowballs(step, tgroup):
    options = {"ngroups": step.shape[1], "tgroup": tgroup} | step.options(*jump.SNOWBALL_OPTIONS)
    return step.sequence(jump.expand_snowballs, **_FLAGS, writes=("GROUPDQ",), **options)


def _showers(step, gain, readnoise, tgroup):
    images = {"gain": gain, "readnoise": readnoise}
    options = {"nframes": step.keyword("NFRAMES")} | step.options("minimum_sigclip_groups")
    blocks = step.rows(jump.typical_differences, **_RAMPS, writes=(), along=images, **options)
    median, noise = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
    options = {"ngroups": step.shape[1], "pixeldq": step.pixeldq} | step.options(*jump.FIND_SHOWERS_OPTIONS)
    showers = step.sequence(jump.find_showers, **_RAMPS, median=median, noise=noise, gain=gain, **options)
    options = {"ny": step.shape[2], "tgroup": tgroup} | step.options(*jump.FLAG_SHOWERS_OPTIONS)
    step.rows(
        jump.flag_showers,
        **_RAMPS,
        writes=("GROUPDQ",),
        along={"gain": gain, "pixeldq": step.pixeldq},
        by_integration=True,
        tell_place=True,
        showers=showers,
        **options,
    )
    return len(showers)
