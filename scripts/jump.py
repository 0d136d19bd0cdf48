"""Flag cosmic-ray hits."""

from rampflow.warm import handoff

handoff()

from functools import partial

import numpy as np

from rampflow.job import Step
from rampflow.steps import jump

FLAGS = {"reads": ("GROUPDQ",), "writes": ("GROUPDQ",), "updated": ("GROUPDQ",)}
RAMPS = {"reads": ("SCI", "GROUPDQ"), "updated": ("GROUPDQ",)}

with Step(snakemake) as step:
    algorithm = jump.choose_algorithm(step.parameters["algorithm"], step.shape[0])
    jump.check_groups(step.shape[1], algorithm)
    images = {kind: step.reference(kind).read() for kind in ("gain", "readnoise")}
    gain, times = {"gain": images["gain"]}, {"tgroup": step.keyword("TGROUP")}
    step.pixeldq = jump.flag_bad_gain(step.pixeldq, images["gain"])
    unused = step.survey(jump.all_dnu_planes, reads=("GROUPDQ",), combine=np.logical_and)
    mode = jump.choose_mode(unused, **step.options("min_diffs_single_pass", "minimum_sigclip_groups", "only_use_ints"))
    search = partial(
        step.rows,
        jump.detect_jumps,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along=images,
        halo=1,
        tell_halo=True,
        algorithm=algorithm,
        mode=mode,
        nframes=step.keyword("NFRAMES"),
        median_gain=jump.median_gain(images["gain"]),
        **times,
        **step.options(*jump.OPTIONS),
    )
    count, void = jump.join_blocks(search(), unused)
    if void.any():
        count, _ = jump.join_blocks(search(reset_planes=void), unused)
    events = 0
    if step.parameters["expand_large_events"]:
        options = times | step.options(*jump.SNOWBALL_OPTIONS)
        events = step.sequence(jump.expand_snowballs, **FLAGS, ngroups=step.shape[1], **options)
    if step.parameters["find_showers"]:
        showers = []
        if jump.enough_for_showers(unused):
            noise = {"nframes": step.keyword("NFRAMES"), "mode": mode}
            blocks = step.rows(jump.typical_differences, **RAMPS, writes=(), along=images, **noise)
            median, noise = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
            showers = step.sequence(
                jump.find_showers,
                **RAMPS,
                ngroups=step.shape[1],
                median=median,
                noise=noise,
                pixeldq=step.pixeldq,
                **gain,
                **step.options(*jump.FIND_SHOWERS_OPTIONS),
            )
            step.rows(
                jump.flag_showers,
                **RAMPS,
                writes=("GROUPDQ",),
                along=gain | {"pixeldq": step.pixeldq},
                by_integration=True,
                tell_place=True,
                showers=showers,
                ny=step.shape[2],
                **times,
                **step.options(*jump.FLAG_SHOWERS_OPTIONS),
            )
        events = len(showers)
    rates = jump.event_rates(count, events, dnu_planes=unused, npixels=images["gain"].size, **times)
    if rates is not None:
        step.set("PRIMECRS", rates[0], "Cosmic rays per 1000 pixels and second")
        step.set("EXTNCRS", rates[1], "Extended events per 1e6 pixels and second")
