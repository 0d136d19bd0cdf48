"""Correct the non-linear response of the pixels."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import linearity

with Step(snakemake) as step:
    reference = step.reference("linearity")
    coefficients, flags = linearity.usable_coefficients(reference.read("COEFFS"), reference.read_dq())
    step.pixeldq |= flags
    step.frames(linearity.linearize, reads=("SCI", "GROUPDQ"), writes=("SCI",), coefficients=coefficients)
    step.zeroframes(linearity.linearize_zeroframe, coefficients=coefficients)
