"""Subtract the drift from groups, each one on its own, by the plan of their exposure.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html;
https://jwst-docs.stsci.edu, "NIR detector performance" (reference pixels, 1/f noise).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rampflow.errors import StepError
from rampflow.steps import keeping_zeros
from rampflow.steps.agreement import SAME_ROWS, check_shape
from rampflow.steps.refpix import sirs
from rampflow.steps.refpix.geometry import AMPLIFIERS, BORDER
from rampflow.steps.refpix.levels import measure_levels, subtract_levels

if TYPE_CHECKING:
    from rampflow.steps.refpix.geometry import LevelPlan


def correct_groups(
    sci: np.ndarray, plan: LevelPlan, *, first_group: np.ndarray | None = None, place: tuple[int, slice] | None = None
) -> np.ndarray:
    """Subtract the drift from groups, each one on its own.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, ny, nx). Changed in place. Reference pixels that are NaN are left out; if all
        that an amplifier has are, it becomes NaN.
    plan : LevelPlan
        From `plan_correction`.
    first_group : 2D float32 `~numpy.ndarray` or None
        Uncorrected first group of the integration (MIRI only, and needed there). It may be a view of
        ``sci``.
    place : tuple or None
        Integration of the groups, counted from 0 in the file, and which of its groups, a slice: the first of an
        exposure (near infrared) is worked on in single precision. None: the first one is not among them.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the groups do not have the shape of the plan, or ``first_group`` is missing.
    """
    check_shape("a group", sci.shape[1:], "PIXELDQ", plan.shape, SAME_ROWS)
    if plan.from_first_group and first_group is None:
        raise StepError("Refpix: groups of MIRI need the first group of their integration (first_group).")
    if not plan.acts:
        return sci
    if plan.from_first_group:
        first_group = first_group.copy()  # type: ignore[union-attr]
        sci -= first_group
    has_first = place is not None and place[0] == 0 and place[1].start == 0
    for number, group in enumerate(sci):
        single = plan.single or (has_first and number == 0)
        level = _levels_in_single(group, plan) if single else measure_levels(group, *plan.sets)
        if plan.kernels is None:
            subtract_levels(group, level, *plan.layout, *plan.side_pixels, single)
        else:
            group[:] = _without_templates(group, level, plan, np.float32 if single else np.float64)
    if plan.from_first_group:
        sci += first_group
    return sci


def _levels_in_single(group, plan):
    """Measure the levels as `measure_levels` does, in single precision and in numpy's order of summation."""
    level = np.zeros(plan.set_level.size + 1)
    values = group.ravel()
    for number, (start, stop) in enumerate(pairwise(plan.bounds)):
        chosen = values[plan.pixels[start:stop]]
        chosen = chosen[~np.isnan(chosen)]
        mean = _clipped_mean_in_single(chosen, plan.siglimit) if chosen.size else np.nan
        of = plan.set_level[number]
        level[of] = np.float32(level[of] + plan.set_weight[number] * mean)
    return level


def _clipped_mean_in_single(values, limit):
    """Mean after repeated rejection of what is beyond ``limit`` standard deviations, in numpy's order of summation."""
    while True:
        mean, spread = values.mean(), limit * values.std()
        kept = values[(values >= mean - spread) & (values <= mean + spread)]
        if kept.size in (0, values.size):
            return float(mean)
        values = kept


def _without_templates(group, level, plan, precision):
    """Subtract levels, and from each amplifier what the kernels make of the side pixels."""
    level = level[plan.level_of][np.ix_(plan.row_kind, plan.column_kind)].astype(precision)
    group = plan.orientation.to_detector((group - level).astype(np.float64))
    templates = sirs.side_templates(group[:, :BORDER], group[:, -BORDER:], plan.kernels, sigreject=plan.sigreject)
    for amplifier, template in zip(np.split(group, AMPLIFIERS, axis=1), templates, strict=True):
        amplifier -= template[:, np.newaxis]
    return plan.orientation.to_science(group)


@keeping_zeros
def correct_zeroframes(zeroframes: np.ndarray, plan: LevelPlan) -> np.ndarray:
    """Subtract the drift from zero frames (near infrared), of which zero marks the unusable pixels.

    Parameters
    ----------
    zeroframes : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, ny, nx). Changed in place. Pixels that are zero stay zero, but still count as
        reference pixels if they are such, as in jwst.
    plan : LevelPlan
        From `plan_correction`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``zeroframes``.
    """
    return correct_groups(zeroframes, plan)
