"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import refpix

with Step(snakemake) as step:
    window = step.window.keywords()
    plan = refpix.plan_correction(
        step.pixeldq,
        instrument=step.instrument,
        detector=step.keyword("DETECTOR"),
        subarray=step.keyword("SUBARRAY"),
        noutputs=step.keyword("NOUTPUTS"),
        xstart=window["xstart"],
        ystart=window["ystart"],
        fastaxis=step.keyword("FASTAXIS"),
        slowaxis=step.keyword("SLOWAXIS"),
        **step.options(
            "odd_even_columns",
            "use_side_ref_pixels",
            "side_smoothing_length",
            "side_gain",
            "odd_even_rows",
            "refpix_algorithm",
            "siglimit",
        ),
    )
    step.frames(
        refpix.correct_frames,
        reads=("SCI",),
        writes=("SCI",),
        at={"first_group": step.first_group} if plan.from_first_group else None,
        plan=plan,
    )
    step.zeroframes(refpix.correct_zeroframes, plan=plan)
