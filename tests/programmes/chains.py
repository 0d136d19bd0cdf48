"""Results of one exposure, made step by step in this process, with what a run of the workflow leaves beside them."""

from pathlib import Path

from astropy.io import fits

from rampflow import api
from rampflow.drivers import final
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, write_exposure
from rampflow.settings.release import load_release

NEAR_IR = ("group_scale", "dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current", "jump")

#: The detector's columns and rows that the exposure of `stars_and_cosmic_rays` sees begin here, from 1.
LEFT, BOTTOM = 101, 201


def stars_and_cosmic_rays():
    """Describe an exposure of a near-infrared detector: bright stars, cosmic rays, averages of four frames."""
    return MockExposure(
        "NRCB1",
        "SHALLOW4",
        6,
        2,
        window=Rectangle(LEFT, BOTTOM, 48, 40),
        scene=Scene(sky=5.0, stars=12, brightest=2e6),
        effects=Effects.nominal("NIRCAM", cosmic_rays=150.0),
        seed=3,
    )


def run_chain(folder, exposure, chain, edit=None, **parameters):
    """Run steps as the workflow does, with records, pointers and parameters; return the exposure's name."""
    crds = {"path": folder / "crds", "context": build_cache(folder / "crds", [exposure]), "offline": True}
    raw = Path(write_exposure(exposure, folder, folder))
    if edit:
        with fits.open(raw, mode="update") as hdus:
            edit(hdus)
    root, release = raw.name.removesuffix("_uncal.fits"), load_release("1.19")
    out, before = folder / "results" / root, {"ramp": str(raw)}
    for step in (*chain, "ramp_fit", "gain_scale"):
        settings = api._settings(release, step, parameters.get(step, {}))
        path = Path(next(iter(before.values())))
        pointers, asked = api._references(release, step, path, settings, {}, crds, out / "references")
        made = api._outputs(step, root, out)
        kept = {kind: str(out / kind / f"{step}.json") for kind in ("parameters", "record")}
        spec = JobSpec(step, root, before, made | kept, pointers, asked, settings, inputs_stay=True)
        Step(spec).work(driver(step).run)
        before = made
    made = {kind: str(out / f"{root}_{kind}.fits") for kind in ("rate", "rateints")}
    Job(JobSpec("rate", root, before, made | {"record": str(out / "record/rate.json")})).work(final.run)
    return root
