"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warm import handoff

handoff()

from rampflow.rates import Fit
from rampflow.steps import ramp_fit

with Fit(snakemake) as step:
    gain, readnoise = step.reference("gain"), step.reference("readnoise")
    step.set_gain_factor(gain.header)
    limits = step.options("firstgroup", "lastgroup")
    times = {key.lower(): step.keyword(key) for key in ("TFRAME", "NFRAMES")}
    images = {"gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.image("AVDRKCUR")}
    if step.parameters["algorithm"] == "LIKELY" and step.shape[1] >= ramp_fit.FEWEST_GROUPS:
        step.fit(
            ramp_fit.fit_likely,
            along=images | {"pixeldq": step.pixeldq},
            chisq=step.parameters["save_opt"],
            groupgap=step.keyword("GROUPGAP"),
            **times,
            **limits,
            **step.options("flag_saturated", "flag_chisq_pvalue"),
        )
    else:
        times["tgroup"] = step.keyword("TGROUP")
        rules = step.options("suppress_one_group", "ignore_persistence")
        planes = step.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        rules["groups"] = ramp_fit.choose_groups(planes, trim=step.instrument == "MIRI", **limits)
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
