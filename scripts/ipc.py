"""Deconvolve the coupling of neighbouring pixels."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import ipc

with Step(snakemake) as step:
    kernel = step.reference("ipc").read_kernel()
    margins = ipc.reference_pixel_margins(step.instrument, **step.window.of_normal_pixels().keywords())
    step.frames(
        ipc.convolve_ipc, reads=("SCI",), writes=("SCI",), kernel=kernel, margins=margins, normal=step.normal_rows
    )
