"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers import refpix
from rampflow.jobs.step import Step

with Step(snakemake) as step:
    if step.normal_rows is None:
        refpix.correct(step)
    else:
        refpix.correct_interleaved(step, step.reference("refpix", cut=False))
