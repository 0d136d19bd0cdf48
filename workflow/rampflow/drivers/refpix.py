"""refpix: drifts of the electronics that the reference pixels measure are removed.

IRS2 frames take two passes before the one that corrects: what is wrong with interleaved reads shows in all groups
together, and the mean of an integration is set aside before the Fourier transform.
"""

from __future__ import annotations

from functools import partial
from operator import add
from typing import TYPE_CHECKING

from rampflow.jobs.group_means import GroupMeans
from rampflow.steps import refpix
from rampflow.steps.refpix import irs2, sirs

if TYPE_CHECKING:
    from rampflow.io.references import Reference
    from rampflow.jobs.step import Step

_IMAGES = {"reads": ("SCI",), "writes": ("SCI",)}


def run(step: Step) -> None:
    """Correct an exposure. Superstripes are put together in the product."""
    step.product.measure_line_noise()
    if step.source.normal_rows is None:
        _correct(step)
    else:
        _correct_interleaved(step, step.references.open("refpix", cut=False))


def _correct(step: Step) -> None:
    """Correct groups, and zero frames, with the reference pixels around or among them."""
    source = step.source
    place = source.keywords("DETECTOR", "SUBARRAY", "NOUTPUTS", "FASTAXIS", "SLOWAXIS")
    wants_sirs = refpix.wants_kernels(source.instrument, place["subarray"], step.parameters["refpix_algorithm"])
    tree = step.references.optional_tree("sirskernel") if wants_sirs else None
    step.product.join_superstripes()
    make_plan = partial(
        refpix.plan_correction,
        instrument=source.instrument,
        striped=source.stripes is not None,
        **{name: source.window.keywords()[name] for name in ("xstart", "ystart")},
        sirs_coefficients=sirs.coefficients(tree, place["detector"]),
        **place,
        **step.options_of(refpix.plan_correction),
    )
    plan = source.each_position(make_plan, step.pixeldq)
    if source.instrument == "MIRI":
        at = {"plan": plan, "first_group": step.chunks.first_group}
    else:
        at = {"plan": plan, "place": step.chunks.place}
    step.chunks.groups(refpix.correct_groups, **_IMAGES, at=at)
    step.chunks.zeroframes(refpix.correct_zeroframes, at={"plan": plan})


def _correct_interleaved(step: Step, reference: Reference) -> None:
    """Correct IRS2 frames with the reference reads between their pixels, which the product then does without."""
    detector = step.source.keyword("DETECTOR")
    rows = irs2.reference_blocks()
    statistics = step.chunks.survey(irs2.read_statistics, reads=("SCI",), rows=rows, combine=add)
    limit = step.options("ovr_corr_mitigation_ftr")
    flagged = irs2.flag_reads(step.pixeldq, statistics, detector=detector, **limit)
    known = reference.table("DQ", *irs2.BAD_READS) if "DQ" in reference else None
    options = step.options_of(irs2.plan_correction) | {"detector": detector}
    plan = irs2.plan_correction(flagged, reference.table("IRS2", *irs2.COLUMNS), known, **options)
    if not plan.keep_reads:
        step.product.keep_rows(step.source.normal_rows)
    mean = GroupMeans(step.source, step.threads, irs2.prepare_groups, plan=plan)
    step.chunks.groups(irs2.correct_groups, **_IMAGES, at={"mean": mean}, plan=plan)
