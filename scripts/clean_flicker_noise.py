"""Take flicker (1/f) noise out of the ramps."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.clean_flicker_noise import Flicker

with Flicker(snakemake) as step:
    fit = step.choose()
    flat = step.find_flat()
    fit = step.adapt(fit, flat)
    step.clean(fit, step.find_masks(fit, flat), flat)
