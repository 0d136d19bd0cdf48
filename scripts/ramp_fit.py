"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warm import handoff

handoff()

from rampflow.rates import Fit
from rampflow.steps import ramp_fit

with Fit(snakemake) as step:
    gain, readnoise = step.reference("gain"), step.reference("readnoise")
    step.set_gain_factor(gain.header)
    rules = step.options("suppress_one_group", "ignore_persistence")
    limits = step.options("firstgroup", "lastgroup")
    planes = step.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
    times = {key.lower(): step.keyword(key) for key in ("TGROUP", "TFRAME", "NFRAMES")}
    rules["groups"] = ramp_fit.choose_groups(planes, trim=step.instrument == "MIRI", **limits)
    images = {"gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.image("AVDRKCUR")}
    step.fit(
        ramp_fit.fit_ramps,
        along=images | {"pixeldq": step.pixeldq},
        **times,
        **rules,
        **step.options("slope_weights", "flag_saturated"),
    )
    if step.parameters["save_opt"]:
        step.fit_optional(
            ramp_fit.count_segments,
            ramp_fit.fit_optional,
            along=images,
            rules=rules,
            groupgap=step.keyword("GROUPGAP"),
            dropped=step.keyword("DRPFRMS1", 0),
            **times,
            **step.options("slope_weights"),
        )
