"""Flag cosmic-ray hits."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.jump import flag_cosmic_rays
from rampflow.jobs.step import Step
from rampflow.steps import jump

with Step(snakemake) as step:
    algorithm = jump.choose_algorithm(step.parameters["algorithm"], step.shape[0])
    jump.check_groups(step.shape[1], algorithm)
    gain, readnoise = (step.reference(kind).read() for kind in ("gain", "readnoise"))
    step.pixeldq = jump.flag_bad_gain(step.pixeldq, gain)
    rates = flag_cosmic_rays(step, gain=gain, readnoise=readnoise, algorithm=algorithm)
    if rates is not None:
        step.set("PRIMECRS", rates[0], "Cosmic rays per 1000 pixels and second")
        step.set("EXTNCRS", rates[1], "Extended events per 1e6 pixels and second")
