"""Deconvolve the coupling of neighbouring pixels."""

from rampflow.warmstart.client import handoff

handoff()

from functools import partial

from rampflow.jobs.step import Step
from rampflow.steps import ipc

with Step(snakemake) as step:
    kernel = step.plane(step.reference("ipc").read_kernel())
    blocks = step.window.of_normal_pixels().blocks
    parts = step.each_position(partial(ipc.with_margins, instrument=step.instrument), blocks)
    at = {"kernel": kernel, "parts": parts}
    step.frames(ipc.convolve_parts, reads=("SCI",), writes=("SCI",), at=at, normal=step.normal_rows)
