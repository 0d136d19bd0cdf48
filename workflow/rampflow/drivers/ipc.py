"""ipc: the coupling of neighbouring pixels is taken back."""

from functools import partial

from rampflow.steps import ipc


def run(step):
    """Convolve every group of an exposure."""
    source = step.source
    kernel = source.at_position(step.references.open("ipc").read_kernel())
    blocks = source.window.of_normal_pixels().blocks
    parts = source.each_position(partial(ipc.with_margins, instrument=source.instrument), blocks)
    at = {"kernel": kernel, "parts": parts}
    step.chunks.groups(ipc.convolve_parts, reads=("SCI",), writes=("SCI",), at=at, normal=source.normal_rows)
