"""Subtract electromagnetic interference from MIRI exposures."""

from rampflow.warmstart.client import handoff

handoff()

from functools import partial

from rampflow.jobs.step import Step
from rampflow.steps import emicorr

with Step(snakemake) as step:
    place = {key.lower(): step.keyword(key) for key in ("SUBARRAY", "READPATT")}
    emicorr.check_exposure(instrument=step.instrument, readpatt=place["readpatt"])
    frequencies = step.parameters["onthefly_corr_freq"]
    reference = None if frequencies else step.reference_tree("emicorr")
    emicorr.check_groups(step.shape[1])
    if frequencies:
        case = emicorr.unknown_waves(frequencies, **place)
    else:
        case = emicorr.known_waves(reference, detector=step.keyword("DETECTOR"), **place)
    correction = emicorr.fit_waves(
        emicorr.Ramp(step.shape, step.blocks, partial(step.read, "SCI"), step.each, step.room),
        case,
        pixeldq=step.pixeldq,
        readpatt=place["readpatt"],
        nsamples=step.keyword("NSAMPLES"),
        xstart=step.window.keywords()["xstart"],
        **step.options(*emicorr.OPTIONS),
    )
    step.frames(
        emicorr.subtract_waves, reads=("SCI",), writes=("SCI",), at={"place": step.place}, correction=correction
    )
    if frequencies and step.parameters["save_intermediate_results"]:
        details = {"detector": step.keyword("DETECTOR"), "date": step.keyword("DATE")}
        step.write_tree("emi_ref_waves", emicorr.measured_reference(case, correction, **place, **details))
