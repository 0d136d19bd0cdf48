"""Flag cosmic-ray hits."""

from rampflow.warm import handoff

handoff()

from functools import partial

import numpy as np

from rampflow.events import flag_events
from rampflow.job import Step
from rampflow.steps import jump

with Step(snakemake) as step:
    algorithm = jump.choose_algorithm(step.parameters["algorithm"], step.shape[0])
    jump.check_groups(step.shape[1], algorithm)
    pace = jump.sampling(step.read_times, step.needed("TGROUP")["tgroup"])
    images = {kind: step.reference(kind).read() for kind in ("gain", "readnoise")}
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
        **pace._asdict(),
        median_gain=jump.median_gain(images["gain"]),
        **step.options(*jump.OPTIONS),
    )
    count, void = jump.join_blocks(search(), unused)
    if void.any():
        count, _ = jump.join_blocks(search(reset_planes=void), unused)
    events, unused = flag_events(step, **images, unused=unused, tgroup=pace.tgroup, even=pace.samples == 1)
    rates = jump.event_rates(count, events, dnu_planes=unused, npixels=images["gain"].size, tgroup=pace.tgroup)
    if rates is not None:
        step.set("PRIMECRS", rates[0], "Cosmic rays per 1000 pixels and second")
        step.set("EXTNCRS", rates[1], "Extended events per 1e6 pixels and second")
