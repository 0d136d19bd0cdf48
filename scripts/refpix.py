"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warm import handoff

handoff()

from rampflow import drifts
from rampflow.job import Step

with Step(snakemake) as step:
    if step.normal_rows is None:
        drifts.correct(step)
    else:
        drifts.correct_interleaved(step, step.reference("refpix", cut=False))
