"""Fit slopes to the ramps: count rates and their errors."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.ramp_fit import Fit
from rampflow.steps import ramp_fit

with Fit(snakemake) as step:
    gain, readnoise = step.reference("gain"), step.reference("readnoise")
    step.set_gain_factor(gain.header)
    images = {"gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.image("AVDRKCUR")}
    if ramp_fit.takes_likely(step.parameters["algorithm"], step.shape[1], step.read_times):
        step.fit_likely(images)
    else:
        step.fit_lines(images)
