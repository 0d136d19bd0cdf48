"""The passes over an exposure that flag its cosmic rays: between the script of jump and the functions of `steps.jump`.

Jumps are searched for in the exposure as it came; snowballs and showers in the flags that the search has written into
the new product.
"""

import warnings
from functools import partial

import numpy as np

from rampflow.steps import jump

_FLAGS = {"reads": ("GROUPDQ",), "updated": ("GROUPDQ",)}
_RAMPS = {"reads": ("SCI", "GROUPDQ"), "updated": ("GROUPDQ",)}


def flag_cosmic_rays(step, *, gain, readnoise, algorithm):
    """Flag jumps, then what the parameters of the step ask for: snowballs, showers.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step, before it has worked on the exposure.
    gain, readnoise : float32 ndarray (ny, nx)
        [electrons/DN]; CDS noise [DN].
    algorithm : {"two_point", "time_domain", "both"}
        From `~rampflow.steps.jump.choose_algorithm`.

    Returns
    -------
    tuple of float, or None
        `~rampflow.steps.jump.event_rates` of the exposure.
    """
    pace = jump.sampling(step.read_times, step.needed("TGROUP")["tgroup"])
    unused = step.survey(jump.all_dnu_planes, reads=("GROUPDQ",), combine=np.logical_and)
    mode = jump.choose_mode(unused, **step.options("min_diffs_single_pass", "minimum_sigclip_groups", "only_use_ints"))
    search = partial(
        step.rows,
        jump.detect_jumps,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along={"gain": gain, "readnoise": readnoise},
        halo=1,
        tell_halo=True,
        algorithm=algorithm,
        mode=mode,
        nframes=step.keyword("NFRAMES"),
        **pace._asdict(),
        median_gain=jump.median_gain(gain),
        **step.options(*jump.OPTIONS),
    )
    count, void = jump.join_blocks(search(), unused)
    if void.any():
        count, _ = jump.join_blocks(search(reset_planes=void), unused)
    events, unused = _events(step, gain, readnoise, unused, pace)
    return jump.event_rates(count, events, dnu_planes=unused, npixels=gain.size, tgroup=pace.tgroup)


def _events(step, gain, readnoise, unused, pace):
    """Flag large events; return their number, and the planes that are still unusable.

    The number is that of showers only, if they are looked for, as in jwst. Cores of snowballs take DO_NOT_USE from
    their pixels. Where groups do not follow each other evenly, showers, which are looked for in all differences alike,
    are not.
    """
    count = 0
    if step.parameters["expand_large_events"]:
        count = _snowballs(step, pace.tgroup)
        if unused.any():
            unused = step.survey(jump.all_dnu_planes, **_FLAGS, combine=np.logical_and)
    if step.parameters["find_showers"] and pace.samples > 1:
        warnings.warn("groups do not follow each other evenly: showers are not looked for", stacklevel=2)
    elif step.parameters["find_showers"]:
        count = _showers(step, gain, readnoise, pace.tgroup) if jump.enough_for_showers(unused) else 0
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
