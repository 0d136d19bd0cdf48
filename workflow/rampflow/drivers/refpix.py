"""The passes over an exposure that remove drifts of its electronics: between the script of refpix and its functions.

IRS2 frames take two passes before the one that corrects: what is wrong with interleaved reads shows in all frames
together, and the mean of an integration is set aside before the Fourier transform.
"""

from functools import partial
from operator import add

from rampflow.steps import refpix
from rampflow.steps.refpix import irs2, sirs

_IMAGES = {"reads": ("SCI",), "writes": ("SCI",)}


def correct(step):
    """Correct frames, and zero frames, with the reference pixels around or among them.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step, before it has worked on the exposure. Superstripes are put together in the product.
    """
    wants_sirs = refpix.wants_kernels(step.instrument, step.keyword("SUBARRAY"), step.parameters["refpix_algorithm"])
    tree = step.optional_tree("sirskernel") if wants_sirs else None
    step.collate()
    make_plan = partial(
        refpix.plan_correction,
        instrument=step.instrument,
        striped=step.stripes is not None,
        **{name: step.window.keywords()[name] for name in ("xstart", "ystart")},
        sirs_coefficients=sirs.coefficients(tree, step.keyword("DETECTOR")),
        **step.keywords("DETECTOR", "SUBARRAY", "NOUTPUTS", "FASTAXIS", "SLOWAXIS"),
        **step.options(*refpix.OPTIONS),
    )
    plan = step.each_position(make_plan, step.pixeldq)
    place = {"first_group": step.first_group} if step.instrument == "MIRI" else {"place": step.place}
    step.frames(refpix.correct_frames, **_IMAGES, at={"plan": plan, **place})
    step.zeroframes(refpix.correct_zeroframes, at={"plan": plan})


def correct_interleaved(step, reference):
    """Correct IRS2 frames with the reference reads between their pixels, which the product then does without.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step, before it has worked on the exposure.
    reference : `~rampflow.io.references.Reference`
        The refpix reference.
    """
    detector = step.keyword("DETECTOR")
    rows = irs2.reference_blocks()
    statistics = step.survey(irs2.read_statistics, reads=("SCI",), rows=rows, combine=add)
    limit = step.options("ovr_corr_mitigation_ftr")
    flagged = irs2.flag_reads(step.pixeldq, statistics, detector=detector, **limit)
    known = reference.table("DQ") if "DQ" in reference else None
    options = step.options(*irs2.OPTIONS) | {"detector": detector}
    plan = irs2.plan_correction(flagged, reference.table("IRS2"), known, **options)
    if not plan.keep_reads:
        step.keep_rows(step.normal_rows)
    mean = step.group_means(irs2.prepare_frames, plan=plan)
    step.frames(irs2.correct_frames, **_IMAGES, at={"mean": mean}, plan=plan)
