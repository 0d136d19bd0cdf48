"""ipc: the coupling of neighbouring pixels is taken back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rampflow.steps import ipc

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Convolve every group of an exposure."""
    source = step.source
    kernel = source.at_position(step.references.open("ipc").read_kernel())
    blocks = source.window.of_normal_pixels().blocks
    parts = source.each_position(partial(ipc.with_margins, instrument=source.instrument), blocks)
    at = {"kernel": kernel, "parts": parts}
    step.chunks.groups(ipc.convolve_parts, reads=("SCI",), writes=("SCI",), at=at, normal=source.normal_rows)
