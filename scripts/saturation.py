"""Flag groups at full well or at the floor of the converter."""

from rampflow.warm import handoff

handoff()

from rampflow import irs2
from rampflow.job import Step
from rampflow.steps import saturation

with Step(snakemake) as step:
    superbias = step.optional_reference("superbias")
    reference = step.reference("saturation")
    threshold, flags, unchecked = saturation.prepare_threshold(reference.read(), reference.read_dq())
    normal = step.normal_rows
    step.pixeldq |= irs2.interleaved(flags, normal, 0)
    bias = superbias.read() if superbias else None
    step.rows(
        saturation.flag_saturation,
        reads=("SCI", "GROUPDQ"),
        writes=("GROUPDQ",),
        along={
            "threshold": irs2.interleaved(threshold, normal, saturation.UNREACHABLE),
            "unchecked": irs2.interleaved(unchecked, normal, True),
            "bias": bias,
            "normal": None if normal is None else normal[:, None],
        },
        halo=saturation.halo(step.parameters["n_pix_grow_sat"]),
        by_integration=True,
        nframes=step.keyword("NFRAMES"),
        **step.options("n_pix_grow_sat", "use_readpatt"),
    )
    at = {"threshold": step.plane(threshold)}
    step.zeroframes(saturation.flag_zeroframe, at=at, **step.options("n_pix_grow_sat"))
