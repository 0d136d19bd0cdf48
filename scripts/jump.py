"""Flag cosmic-ray hits."""

from rampflow.warm import handoff

handoff()

import numpy as np

from rampflow.job import Step
from rampflow.steps import jump

with Step(snakemake) as step:
    jump.check_groups(step.shape[1])
    gain, readnoise = step.reference("gain").read(), step.reference("readnoise").read()
    step.pixeldq = jump.flag_bad_gain(step.pixeldq, gain)
    unused = step.survey(jump.all_dnu_planes, reads=("GROUPDQ",), combine=np.logical_and)
    search = jump.Search(unused, gain, nframes=step.keyword("NFRAMES"), tgroup=step.keyword("TGROUP"), **step.parameters)
    while search.goes_on:
        search.note(
            step.rows(
                search.detect,
                reads=("SCI", "GROUPDQ"),
                writes=("GROUPDQ",),
                along={"gain": gain, "readnoise": readnoise},
                halo=1,
                tell_halo=True,
            )
        )
    for key, rate, comment in search.keywords:
        step.set(key, rate, comment)
