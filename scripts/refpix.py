"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warm import handoff

handoff()

from functools import partial
from operator import add

from rampflow.job import Step
from rampflow.steps import _refpix_irs2, _refpix_sirs, refpix

with Step(snakemake) as step:
    detector = step.keyword("DETECTOR")
    images = {"reads": ("SCI",), "writes": ("SCI",)}
    if step.normal_rows is None:
        sirs = refpix.wants_kernels(step.instrument, step.keyword("SUBARRAY"), step.parameters["refpix_algorithm"])
        step.collate()
        make_plan = partial(
            refpix.plan_correction,
            instrument=step.instrument,
            striped=step.stripes is not None,
            **{name: step.window.keywords()[name] for name in ("xstart", "ystart")},
            sirs_coefficients=_refpix_sirs.coefficients(step.optional_tree("sirskernel") if sirs else None, detector),
            **step.keywords("DETECTOR", "SUBARRAY", "NOUTPUTS", "FASTAXIS", "SLOWAXIS"),
            **step.options(*refpix.OPTIONS),
        )
        plan = step.each_position(make_plan, step.pixeldq)
        place = {"first_group": step.first_group} if step.instrument == "MIRI" else {"place": step.place}
        step.frames(refpix.correct_frames, **images, at={"plan": plan, **place})
        step.zeroframes(refpix.correct_zeroframes, at={"plan": plan})
    else:
        reference = step.reference("refpix", cut=False)
        known = reference.table("DQ") if "DQ" in reference else None
        pairs = {"rows": _refpix_irs2.reference_blocks(), "combine": add}
        statistics = step.survey(_refpix_irs2.read_statistics, reads=("SCI",), **pairs)
        limit = step.options("ovr_corr_mitigation_ftr")
        flagged = _refpix_irs2.flag_reads(step.pixeldq, statistics, detector=detector, **limit)
        options = step.options(*_refpix_irs2.OPTIONS) | {"detector": detector}
        plan = _refpix_irs2.plan_correction(flagged, reference.table("IRS2"), known, **options)
        if not plan.keep_reads:
            step.keep_rows(step.normal_rows)
        mean = step.group_means(_refpix_irs2.prepare_frames, plan=plan)
        step.frames(_refpix_irs2.correct_frames, **images, at={"mean": mean}, plan=plan)
