"""dq_init: the detector's known bad pixels are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rampflow.detector import dq
from rampflow.steps import dq_init

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Flag the bad pixels of an exposure."""
    mask_dq = step.references.open("mask").read_dq()
    user_dq = step.user_image("user_supplied_dq")
    if user_dq is not None:
        mask_dq = dq_init.add_user_flags(mask_dq, user_dq)
    step.pixeldq = dq_init.combine_pixel_dq(step.pixeldq, mask_dq)
    # As wide as the flags of groups, once for all of them.
    unusable = (mask_dq & dq.DO_NOT_USE).astype(np.uint8)
    at = {"mask_dq": step.source.at_position(unusable)}
    # Counts as they come from the detector are whole numbers; others may be none at all, which `groups` flags.
    reads = ("SCI", "GROUPDQ") if step.source["SCI"].dtype.kind == "f" else ("GROUPDQ",)
    step.chunks.groups(_flag_groups, reads=reads, writes=("GROUPDQ",), at=at)


def _flag_groups(*arrays: np.ndarray, mask_dq: np.ndarray) -> np.ndarray:
    return dq_init.flag_groups(arrays[-1], mask_dq)
