"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warm import handoff

handoff()

from rampflow.rates import Fit
from rampflow.steps import ramp_fit

with Fit(snakemake) as step:
    gain, readnoise = step.reference("gain"), step.reference("readnoise")
    step.set_gain_factor(gain.header)
    limits = step.options("firstgroup", "lastgroup")
    times = step.needed("TFRAME", "NFRAMES")
    images = {"gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.image("AVDRKCUR")}
    pixels = images | {"pixeldq": step.pixeldq}
    uneven = step.read_times
    if ramp_fit.takes_likely(step.parameters["algorithm"], step.shape[1], uneven):
        times |= step.needed("GROUPGAP") | {"read_times": uneven}
        rules = step.options("flag_saturated", "flag_chisq_pvalue")
        step.fit(ramp_fit.fit_likely, along=pixels, chisq=step.parameters["save_opt"], **times, **limits, **rules)
    else:
        times |= step.needed("TGROUP")
        rules = step.options("suppress_one_group", "ignore_persistence")
        planes = step.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        rules["groups"] = ramp_fit.choose_groups(planes, trim=step.instrument == "MIRI", **limits)
        weights = step.options("slope_weights")
        step.fit(ramp_fit.fit_ramps, along=pixels, **times, **rules, **weights, **step.options("flag_saturated"))
        if step.parameters["save_opt"]:
            step.fit_optional(
                ramp_fit.count_segments,
                ramp_fit.fit_optional,
                along=images,
                rules=rules,
                groupgap=step.keyword("GROUPGAP"),
                dropped=step.keyword("DRPFRMS1", 0),
                **times,
                **weights,
            )
