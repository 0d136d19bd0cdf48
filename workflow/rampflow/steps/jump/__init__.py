"""Find cosmic rays as jumps in the ramps.

A cosmic ray frees thousands of electrons in a few pixels at once: the ramp of such a pixel makes a step
between two groups, and a slope fitted through the step is wrong. Here the difference of each two neighbouring
groups is compared with the median difference of the pixel (Anderson & Gordon 2011, PASP 123, 1237), and
JUMP_DET is set in the group after a difference that noise does not explain; ramp fitting cuts the ramp there. In a time
series it can also be compared with the same difference of neighbouring integrations (`time_domain`).

Units: SCI comes in DN and is turned to electrons with the *gain* reference (electrons/DN), because the
Poisson part of the noise of a difference is the root of its electrons. The *readnoise* reference (DN) holds
the noise of the difference of two frames (CDS), so it enters as it is, without a factor of root two. Only
flags go out.

Order of work on an exposure:

1. :func:`sampling`, :func:`choose_algorithm`, :func:`check_groups`, :func:`all_dnu_planes`, :func:`choose_mode`,
   :func:`median_gain`: properties of the whole exposure;
2. :func:`detect_jumps`: block by block of rows, the jumps, their neighbours and the groups after them; then
   :func:`join_blocks`;
3. :func:`expand_snowballs`, if asked for, group by group;
4. showers, if asked for: :func:`enough_for_showers`, :func:`typical_differences`, :func:`find_showers` and
   :func:`flag_showers`;
5. :func:`flag_bad_gain` and :func:`event_rates`: what else the product records.

Source: https://jwst-pipeline.readthedocs.io, "Jump Detection".
"""

from rampflow.steps.jump.exposure import (
    all_dnu_planes,
    check_groups,
    choose_algorithm,
    choose_mode,
    event_rates,
    flag_bad_gain,
    median_gain,
    sampling,
)
from rampflow.steps.jump.search import NOT_SEARCHED, Jumps, detect_jumps, join_blocks
from rampflow.steps.jump.snowballs import expand_snowballs

__all__ = [
    "NOT_SEARCHED",
    "Jumps",
    "all_dnu_planes",
    "check_groups",
    "choose_algorithm",
    "choose_mode",
    "detect_jumps",
    "event_rates",
    "expand_snowballs",
    "flag_bad_gain",
    "join_blocks",
    "median_gain",
    "sampling",
]
