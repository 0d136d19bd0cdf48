"""Flag groups at full well or at the floor of the converter."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.detector import irs2
from rampflow.jobs.step import Step
from rampflow.steps import saturation

with Step(snakemake) as step:
    superbias = step.optional_reference("superbias")
    reference = step.reference("saturation")
    threshold, flags, unchecked = saturation.prepare_threshold(reference.read(), reference.read_dq())
    step.pixeldq |= irs2.interleaved(flags, step.normal_rows, 0)
    bias = {"bias": superbias.read() if superbias else None}
    step.rows(
        saturation.flag_saturation,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along=saturation.interleaved(threshold, unchecked, step.normal_rows) | bias,
        halo=saturation.halo(step.parameters["n_pix_grow_sat"]),
        by_integration=True,
        nframes=step.keyword("NFRAMES"),
        **step.options("n_pix_grow_sat", "use_readpatt"),
    )
    at = {"threshold": step.plane(threshold)}
    step.zeroframes(saturation.flag_zeroframe, at=at, **step.options("n_pix_grow_sat"))
