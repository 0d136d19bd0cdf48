"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warm import handoff

handoff()

from operator import add

from rampflow.job import Step
from rampflow.steps import _refpix_irs2, _refpix_sirs, refpix

with Step(snakemake) as step:
    if step.normal_rows is not None:
        reference = step.reference("refpix", cut=False)
        statistics = step.survey(
            _refpix_irs2.read_statistics, reads=("SCI",), combine=add, rows=_refpix_irs2.reference_blocks()
        )
        step.pixeldq = _refpix_irs2.flag_reads(step.pixeldq, statistics, **step.options("ovr_corr_mitigation_ftr"))
        plan = _refpix_irs2.plan_correction(
            step.pixeldq,
            reference.table("IRS2"),
            reference.table("DQ") if "DQ" in reference else None,
            detector=step.keyword("DETECTOR"),
            **step.options(*_refpix_irs2.OPTIONS),
        )
        if not step.parameters["preserve_irs2_refpix"]:
            step.keep_rows(step.normal_rows)
        mean = step.group_means(_refpix_irs2.prepare_frames, plan=plan)
        step.frames(_refpix_irs2.correct_frames, reads=("SCI",), writes=("SCI",), at={"mean": mean}, plan=plan)
    else:
        window, subarray = step.window.keywords(), step.keyword("SUBARRAY")
        sirs = refpix.wants_kernels(step.instrument, subarray, step.parameters["refpix_algorithm"])
        plan = refpix.plan_correction(
            step.pixeldq,
            instrument=step.instrument,
            detector=step.keyword("DETECTOR"),
            subarray=subarray,
            noutputs=step.keyword("NOUTPUTS"),
            xstart=window["xstart"],
            ystart=window["ystart"],
            fastaxis=step.keyword("FASTAXIS"),
            slowaxis=step.keyword("SLOWAXIS"),
            sirs_coefficients=_refpix_sirs.coefficients(
                step.optional_tree("sirskernel") if sirs else None, step.keyword("DETECTOR")
            ),
            **step.options(*refpix.OPTIONS),
        )
        step.frames(
            refpix.correct_frames,
            reads=("SCI",),
            writes=("SCI",),
            at={"first_group": step.first_group} if plan.from_first_group else None,
            plan=plan,
        )
        step.zeroframes(refpix.correct_zeroframes, plan=plan)
