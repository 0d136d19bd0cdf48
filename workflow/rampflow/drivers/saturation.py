"""saturation: groups at full well, or at the floor of the converter, are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.detector import irs2
from rampflow.steps import saturation

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag the saturated groups of an exposure, and of its zero frames."""
    superbias = step.references.optional("superbias")
    reference = step.references.open("saturation")
    threshold, flags, unchecked = saturation.prepare_threshold(reference.read(), reference.read_dq())
    normal_rows = step.source.normal_rows
    step.pixeldq |= irs2.interleaved(flags, normal_rows, 0)
    bias = {"bias": superbias.read() if superbias else None}
    step.chunks.rows(
        saturation.flag_saturation,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along=saturation.interleaved(threshold, unchecked, normal_rows) | bias,
        halo=saturation.halo(step.parameters["n_pix_grow_sat"]),
        by_integration=True,
        nframes=step.source.keyword("NFRAMES"),
        **step.options_of(saturation.flag_saturation, "nframes"),
    )
    at = {"threshold": step.source.at_position(threshold)}
    step.chunks.zeroframes(saturation.flag_zeroframe, at=at, **step.options("n_pix_grow_sat"))
