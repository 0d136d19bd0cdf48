"""Rescale count rates taken with a non-standard gain."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.gain_scale import Rescale
from rampflow.steps import gain_scale

with Rescale(snakemake) as step:
    reference = step.reference("gain", cut=False).header.get("GAINFACT")
    factor = gain_scale.gain_factor(step.keyword("GAINFACT"), reference)
    step.set("GAINFACT", factor, "Gain factor applied to the count rates")
    step.images(gain_scale.scale, names=("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE"), factor=factor)
