"""jump: cosmic-ray hits are flagged.

Jumps are searched for in the exposure as it came; snowballs and showers in the flags that the search has written into
the new product.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.steps import jump

if TYPE_CHECKING:
    from rampflow.jobs.step import Step

_FLAGS: dict[str, Any] = {"reads": ("GROUPDQ",), "updated": ("GROUPDQ",)}
_RAMPS: dict[str, Any] = {"reads": ("SCI", "GROUPDQ"), "updated": ("GROUPDQ",)}


def run(step: Step) -> None:
    """Flag jumps, then what the parameters ask for: snowballs, showers."""
    nints, ngroups, *_ = step.source.shape
    algorithm = jump.choose_algorithm(step.parameters["algorithm"], nints)
    jump.check_groups(ngroups, algorithm)
    gain, readnoise = (step.references.open(kind).read() for kind in ("gain", "readnoise"))
    step.pixeldq = jump.flag_bad_gain(step.pixeldq, gain)
    step.counts["events"] = {}
    rates = _flag(step, gain, readnoise, algorithm)
    if rates is not None:
        step.stamp.set("PRIMECRS", rates[0], "Cosmic rays per 1000 pixels and second")
        step.stamp.set("EXTNCRS", rates[1], "Extended events per 1e6 pixels and second")


def _flag(step: Step, gain: np.ndarray, readnoise: np.ndarray, algorithm: str) -> tuple[float, float] | None:
    """Flag all that is looked for; return `~rampflow.steps.jump.event_rates` of the exposure."""
    pace = jump.sampling(step.source.read_times, step.source.needed("TGROUP")["tgroup"])
    unused = step.chunks.survey(jump.all_dnu_planes, reads=("GROUPDQ",), combine=np.logical_and)
    mode = jump.choose_mode(unused, **step.options_of(jump.choose_mode))
    search = partial(
        step.chunks.rows,
        jump.detect_jumps,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along={"gain": gain, "readnoise": readnoise},
        halo=1,
        tell_halo=True,
        algorithm=algorithm,
        mode=mode,
        nframes=step.source.keyword("NFRAMES"),
        **pace._asdict(),
        median_gain=jump.median_gain(gain),
        **step.options_of(jump.detect_jumps, "algorithm", "mode"),
    )
    count, void = jump.join_blocks(search(), unused)
    if void.any():
        count, _ = jump.join_blocks(search(reset_planes=void), unused)
    if count != jump.NOT_SEARCHED:
        step.counts["events"]["jumps"] = int(count)
    events, unused = _flag_events(step, gain, readnoise, unused, pace)
    return jump.event_rates(count, events, dnu_planes=unused, npixels=gain.size, tgroup=pace.tgroup)


def _flag_events(
    step: Step, gain: np.ndarray, readnoise: np.ndarray, unused: np.ndarray, pace: Any
) -> tuple[int, np.ndarray]:
    """Flag large events; return their number, and the planes that are still unusable.

    The number is that of showers only, if they are looked for, as in jwst. Cores of snowballs take DO_NOT_USE from
    their pixels. Where groups do not follow each other evenly, showers, which are looked for in all differences alike,
    are not.
    """
    count = 0
    if step.parameters["expand_large_events"]:
        count = step.counts["events"]["snowballs"] = _flag_snowballs(step, pace.tgroup)
        if unused.any():
            unused = step.chunks.survey(jump.all_dnu_planes, **_FLAGS, combine=np.logical_and)
    if step.parameters["find_showers"] and pace.samples > 1:
        warnings.warn("groups do not follow each other evenly: showers are not looked for", stacklevel=2)
    elif step.parameters["find_showers"]:
        count = step.counts["events"]["showers"] = _flag_showers(step, gain, readnoise, unused, pace.tgroup)
    return count, unused


def _flag_snowballs(step: Step, tgroup: float) -> int:
    options = {"ngroups": step.source.shape[1], "tgroup": tgroup} | step.options_of(jump.expand_snowballs)
    return step.chunks.sequence(jump.expand_snowballs, **_FLAGS, writes=("GROUPDQ",), **options)


def _flag_showers(step: Step, gain: np.ndarray, readnoise: np.ndarray, unused: np.ndarray, tgroup: float) -> int:
    # Few exposures have showers, and each job that has the kernels in memory pays for them.
    from rampflow.steps.jump import showers

    if not showers.enough_for_showers(unused):
        return 0
    images = {"gain": gain, "readnoise": readnoise}
    options = {"nframes": step.source.keyword("NFRAMES")} | step.options("minimum_sigclip_groups")
    blocks = step.chunks.rows(showers.typical_differences, **_RAMPS, writes=(), along=images, **options)
    median, noise = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
    options = {"ngroups": step.source.shape[1], "pixeldq": step.pixeldq} | step.options_of(showers.find_showers)
    found = step.chunks.sequence(showers.find_showers, **_RAMPS, median=median, noise=noise, gain=gain, **options)
    options = {"ny": step.source.shape[2], "tgroup": tgroup} | step.options_of(showers.flag_showers)
    step.chunks.rows(
        showers.flag_showers,
        **_RAMPS,
        writes=("GROUPDQ",),
        along={"gain": gain, "pixeldq": step.pixeldq},
        by_integration=True,
        tell_place=True,
        showers=found,
        **options,
    )
    return len(found)
