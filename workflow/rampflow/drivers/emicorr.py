"""emicorr: electromagnetic interference is subtracted from MIRI exposures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rampflow.steps import beforehand, emicorr

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Subtract the waves that the reference knows, or that are looked for."""
    source = step.source
    place = source.keywords("SUBARRAY", "READPATT")
    beforehand.check_interference(instrument=source.instrument, readpatt=place["readpatt"])
    frequencies = step.parameters["onthefly_corr_freq"]
    reference: Any = None if frequencies else step.references.tree("emicorr")
    beforehand.GROUPS["emicorr"](source.shape[1])
    if frequencies:
        case = emicorr.unknown_waves(frequencies, **place)
    else:
        case = emicorr.known_waves(reference, detector=source.keyword("DETECTOR"), **place)
    ramp = emicorr.Ramp(
        source.shape, step.chunks.blocks, partial(source.read, "SCI"), step.threads.each, step.chunks.room
    )
    correction = emicorr.fit_waves(
        ramp,
        case,
        pixeldq=step.pixeldq,
        readpatt=place["readpatt"],
        nsamples=source.keyword("NSAMPLES"),
        xstart=source.window.keywords()["xstart"],
        **step.options_of(emicorr.fit_waves),
    )
    step.counts["waves"] = correction.amplitudes(case)
    at = {"place": step.chunks.place}
    step.chunks.groups(emicorr.subtract_waves, reads=("SCI",), writes=("SCI",), at=at, correction=correction)
    if frequencies and step.parameters["save_intermediate_results"]:
        details = source.keywords("DETECTOR", "DATE")
        tree = emicorr.measured_reference(case, correction, **place, **details)
        step.auxiliary.add_tree(f"{step.exposure}_emi_ref_waves.asdf", tree)
