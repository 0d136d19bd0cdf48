"""Remove electronic drifts measured by the reference pixels."""

from rampflow.warm import handoff

handoff()

from rampflow.job import Step
from rampflow.steps import refpix

with Step(snakemake) as step:
    plan = refpix.plan_correction(
        step.pixeldq,
        instrument=step.instrument,
        detector=step.keyword("DETECTOR"),
        subarray=step.keyword("SUBARRAY"),
        noutputs=step.keyword("NOUTPUTS"),
        xstart=step.window.xstart + 1,
        ystart=step.window.ystart + 1,
        fastaxis=step.keyword("FASTAXIS"),
        slowaxis=step.keyword("SLOWAXIS"),
        **step.options("odd_even_columns","use_side_ref_pixels","side_smoothing_length","side_gain","odd_even_rows","refpix_algorithm","siglimit"),
    )
    step.frames(
        refpix.correct_frames,
        reads=("SCI",),
        writes=("SCI",),
        at={"first_group": lambda integration, groups: step.read("SCI", integration, 0)},
        plan=plan,
    )
    step.zeroframes(refpix.correct_zeroframes, plan=plan)
