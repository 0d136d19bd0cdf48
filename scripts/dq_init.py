"""Flag the detector's known bad pixels."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.step import Step
from rampflow.steps import dq_init

with Step(snakemake) as step:
    mask_dq = step.reference("mask").read_dq()
    user_dq = step.user_image("user_supplied_dq")
    if user_dq is not None:
        mask_dq = dq_init.add_user_flags(mask_dq, user_dq)
    step.pixeldq = dq_init.combine_pixel_dq(step.pixeldq, mask_dq)
    at = {"mask_dq": step.plane(mask_dq)}
    step.frames(dq_init.flag_groups, reads=("GROUPDQ",), writes=("GROUPDQ",), at=at)
