"""Flag cosmic-ray hits."""

from rampflow.warm import handoff

handoff()

import numpy as np

from rampflow.job import Step
from rampflow.steps import jump

with Step(snakemake) as step:
    jump.check_groups(step.shape[1])
    images = {"gain": step.reference("gain").read(), "readnoise": step.reference("readnoise").read()}
    step.pixeldq = jump.flag_bad_gain(step.pixeldq, images["gain"])
    unused = step.survey(jump.all_dnu_planes, reads=("GROUPDQ",), combine=np.logical_and)
    mode = jump.choose_mode(unused, **step.options("min_diffs_single_pass","minimum_sigclip_groups","only_use_ints"))
    found = step.rows(jump.detect_jumps, reads=("SCI","GROUPDQ"), writes=("GROUPDQ",), along=images, halo=1, tell_halo=True,
       mode=mode, nframes=step.keyword("NFRAMES"), tgroup=step.keyword("TGROUP"), median_gain=jump.median_gain(images["gain"]),
       **step.options("rejection_threshold","three_group_rejection_threshold","four_group_rejection_threshold","flag_4_neighbors","max_jump_to_flag_neighbors","min_jump_to_flag_neighbors","after_jump_flag_dn1","after_jump_flag_time1","after_jump_flag_dn2","after_jump_flag_time2","only_use_ints"))
