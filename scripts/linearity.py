"""Correct the non-linear response of the pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import linearity

with Step(snakemake) as step:
    reference = step.reference("linearity")
    coefficients, flags = linearity.usable_coefficients(reference.read("COEFFS"), reference.read_dq())
    arrays = {"reads": ("SCI", "GROUPDQ"), "writes": ("SCI",)}
    by_read = linearity.has_reads(step.keyword("NFRAMES", 1), step.shape[1]) and step.parameters["read_level"]
    if by_read and "INV_COEFFS" in reference:
        inverse, flags = linearity.usable_coefficients(reference.read("INV_COEFFS"), flags)
        along = {"coefficients": coefficients, "inverse": inverse}
        options = {"by_integration": True, "nframes": step.keyword("NFRAMES")}
        step.rows(linearity.linearize_reads, along=along, **arrays, **options)
    else:
        step.frames(linearity.linearize, coefficients=coefficients, **arrays)
    step.pixeldq |= flags
    step.zeroframes(linearity.linearize_zeroframe, coefficients=coefficients)
