"""linearity: the non-linear response of the pixels is corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rampflow.steps import linearity

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Correct an exposure, read by read where it can be, and its zero frames."""
    reference = step.references.open("linearity")
    coefficients, flags = linearity.usable_coefficients(reference.read("COEFFS"), reference.read_dq())
    arrays: dict[str, Any] = {"reads": ("SCI", "GROUPDQ"), "writes": ("SCI",), "by_integration": True}
    nframes = step.source.keyword("NFRAMES", 1)
    by_read = linearity.has_reads(nframes, step.source.shape[1]) and step.parameters["read_level"]
    if by_read and "INV_COEFFS" in reference:
        inverse, flags = linearity.usable_coefficients(reference.read("INV_COEFFS"), flags)
        along = {"coefficients": coefficients, "inverse": inverse}
        step.chunks.rows(linearity.linearize_reads, along=along, nframes=nframes, **arrays)
    else:
        step.chunks.rows(linearity.linearize, along={"coefficients": coefficients}, **arrays)
    step.pixeldq |= flags
    step.chunks.zeroframes(linearity.linearize_zeroframe, coefficients=coefficients)
