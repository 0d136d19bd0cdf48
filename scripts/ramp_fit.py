"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warm import handoff

handoff()

import numpy as np

from rampflow.rates import Fit
from rampflow.steps import ramp_fit

with Fit(snakemake) as step:
    gain, readnoise = step.reference("gain"), step.reference("readnoise")
    P = step.parameters
    o = dict(suppress_one_group=P["suppress_one_group"], ignore_persistence=P["ignore_persistence"], firstgroup=P["firstgroup"], lastgroup=P["lastgroup"])
    d, s = step.survey(ramp_fit.planes, reads=("GROUPDQ",), combine=lambda a, b: (a[0] & b[0], a[1] & b[1]), **o)
    first, last = ramp_fit.to_fit(d, s, trim=step.instrument == "MIRI")
    step.fit(
        ramp_fit.fit_ramps,
        along={"pixeldq": step.pixeldq, "gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.image("AVDRKCUR")},
        tgroup=step.keyword("TGROUP"), tframe=step.keyword("TFRAME"), nframes=step.keyword("NFRAMES"),
        slope_weights=P["slope_weights"], flag_saturated=P["flag_saturated"], first_kept=first, last_kept=last, **o)
