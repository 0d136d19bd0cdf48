import json
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, Run
from stdatamodels.jwst import datamodels

from rampflow.mock import revise

CHAINS = {
    "nrcb1": "dq_init saturation superbias refpix linearity dark_current jump ramp_fit",
    "nrcalong": "dq_init saturation superbias refpix linearity dark_current jump ramp_fit",
    "mirimage": "dq_init emicorr saturation firstframe lastframe reset linearity rscd dark_current jump ramp_fit",
}


def test_every_exposure_ends_in_count_rates(finished, programme):
    for exposure in programme.exposures:
        (rate,) = finished.folder.glob(f"results/*_{exposure.detector.lower()}/*_rate.fits")
        rateints = rate.with_name(rate.name.replace("_rate", "_rateints"))
        with datamodels.open(rate) as image, datamodels.open(rateints) as cube:
            assert image.data.shape == exposure.window.shape
            assert cube.data.shape == (exposure.nints, *exposure.window.shape)
            assert np.isfinite(image.data).mean() > 0.5
            assert image.meta.filename == rate.name
            assert image.meta.cal_step.ramp_fit == "COMPLETE"


@pytest.mark.parametrize("detector", CHAINS)
def test_each_step_leaves_a_product_parameters_a_record_and_a_log(finished, detector):
    (folder,) = finished.folder.glob(f"results/*_{detector}")
    steps = CHAINS[detector].split()
    products = {p.name.removeprefix(f"{folder.name}_") for p in folder.glob("*.fits")}
    expected = {f"{step}.fits" for step in steps}
    assert products == expected | {"ramp_fitints.fits", "rate.fits", "rateints.fits"}
    for name, kind in (("parameters", "json"), ("record", "json"), ("logs", "log")):
        assert {p.stem for p in (folder / name).glob(f"*.{kind}")} >= set(steps)
    record = finished.record(detector, "jump")
    assert record["wall_s"] >= 0 and record["peak_memory_mb"] > 10


def test_products_open_as_the_models_that_jwst_uses(finished):
    for path in sorted(finished.folder.glob("results/*/*.fits")):
        with datamodels.open(path) as model:
            name = type(model).__name__
        kind = path.stem.rsplit("_", 1)[1]
        cube = kind.endswith("ints")
        rate = cube or kind in ("rate", "fit")
        assert name == ("CubeModel" if cube else "ImageModel" if rate else "RampModel"), path.name


def test_a_finished_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished("-n")


def test_nothing_half_written_is_left(finished):
    assert not list(finished.folder.rglob("*.part"))


def test_the_median_of_a_time_series_is_a_background(new_run):
    own = {"skip": False, "background_method": "median_image", "save_background": True}
    run = new_run("nrcalong")
    run(release="3.0", steps={"clean_flicker_noise": own})
    (ramp,) = run.folder.glob("results/*/*_clean_flicker_noise.fits")
    (background,) = run.folder.glob("results/*/*_flicker_bkg.fits")
    assert fits.getval(ramp, "S_CLNFNS") == "COMPLETE"
    background = fits.getdata(background)
    lit = background[:, -1][:, background[0, -1] > 5]
    # Every integration has the same picture, brighter or fainter; of three, the median has it as it is.
    ratios = lit / lit[0]
    scales = np.median(ratios, axis=1)
    assert lit.size > 1000 and len(set(scales)) == len(scales) == 3
    np.testing.assert_allclose(ratios, np.broadcast_to(scales[:, np.newaxis], ratios.shape), rtol=1e-5)
    jump = fits.getdata(ramp.with_name(ramp.name.replace("clean_flicker_noise", "jump")))
    middle = np.argsort(scales)[1]
    np.testing.assert_array_equal(background[middle], np.nanmedian(jump, axis=0))
    assert not list(run.folder.glob("results/*/.*.part"))


def test_without_a_warm_start_with_one_core_and_in_the_smallest_pieces_the_products_are_the_same_bits(
    finished, new_run
):
    run = new_run("nrcb1", "mirimage")
    # Next to no memory: chunks are single rows and groups.
    little = [f"{step}:mem_mb=1" for step in sorted(set(" ".join(CHAINS.values()).split()))]
    run("--cores", "1", "--set-resources", *little, environment={"RAMPFLOW_SERVER": ""})
    made = run.products()
    assert len(made) == 11 + 14
    assert made == {path: finished.products()[path] for path in made}


def test_a_changed_threshold_reruns_jump_and_what_follows_for_its_exposures(again):
    run = again
    expected = {(step, "nis") for step in ("jump", "ramp_fit", "rate")}
    run.config["steps"] = {"NIRISS": {"jump": {"rejection_threshold": 6.5}}}
    assert run.planned() == expected
    assert run.jobs() == expected
    assert run.planned() == set()


def test_an_edited_step_reruns_itself_and_what_follows_and_a_touched_one_nothing(again, workflow_copy):
    run = again
    run.home = workflow_copy
    step = workflow_copy / "workflow/rampflow/steps/superbias.py"
    step.touch()
    assert run.planned() == set()
    step.write_text(step.read_text() + "\n# edited\n")
    ran = run.jobs()
    assert {rule for rule, _ in ran} == set(
        ["superbias", "refpix", "linearity", "dark_current", "jump", "ramp_fit", "rate"]
    )
    assert {exposure for _, exposure in ran} == {"nrcb1", "nrcalong", "nis", "nrs1", "guider1"}


def test_a_new_dark_under_a_new_context_reruns_dark_current_and_what_follows(again, programme, tmp_path):
    run = again
    crds = tmp_path / "crds"
    # The same cache at the same place, as a user's is when a new context arrives.
    shutil.copytree(programme.folder / "crds", crds)
    try:
        new = revise(programme.folder / "crds", programme.exposures, "NRS1", "dark", scale=2.0)
        ran = run.jobs(crds=dict(run.config["crds"], context=new))
    finally:
        shutil.rmtree(programme.folder / "crds")
        shutil.copytree(crds, programme.folder / "crds", copy_function=shutil.copy2)
    steps = {(rule, exposure) for rule, exposure in ran if rule != "references"}
    assert steps == {(s, "nrs1") for s in ("dark_current", "jump", "ramp_fit", "rate")}


def test_crds_is_asked_again_when_a_header_changes_and_not_when_a_file_is_touched(programme, tmp_path):
    run = Run(tmp_path, HOME, {})
    (raw,) = programme.folder.glob("data/*_guider1_uncal.fits")
    (tmp_path / "data").mkdir()
    raw = Path(shutil.copy(raw, tmp_path / "data"))
    run(crds={"path": str(programme.folder / "crds"), "context": programme.context, "offline": True})
    raw.touch()
    assert "checkpoint references:" not in run("-n")
    fits.setval(raw, "NINTS", value=2)
    text = run("-n")
    assert "checkpoint references:" in text and "rule dq_init:" in text


def test_a_broken_exposure_is_named_and_the_others_finish(new_run, tmp_path):
    run = new_run("nrs1", "guider1")
    text = run("-n")
    # Broken after the headers were read: a gain image of the wrong shape.
    wrong = tmp_path / "gain.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3), np.float32), name="SCI")]).writeto(wrong)
    (root,) = set(re.findall(r"jw\w+_nrs1(?=/)", text))
    text = run(status=1, references={root: {"gain": str(wrong)}})
    lines = {line for line in text.splitlines() if line.startswith(f"rampflow: {root}: jump: ")}
    assert len(lines) == 1 and "gain.fits" in lines.pop()
    assert "Traceback" in (run.folder / f"results/{root}/logs/jump.log").read_text()
    assert not (run.folder / f"results/{root}/{root}_jump.fits").exists()
    assert not list(run.folder.rglob("*.part"))
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))
    ran = run.jobs(references={})
    assert {e for _, e in ran} == {"nrs1"}
    assert "superbias" not in {rule for rule, _ in ran}


def test_an_exposure_without_a_reference_fails_alone_and_is_asked_for_again(new_run, programme):
    run = new_run("nrs1", "guider1")
    (dark,) = programme.folder.glob("crds/references/jwst/nirspec/*dark*")
    content = dark.read_bytes()
    try:
        dark.unlink()
        text = run(status=1)
    finally:
        dark.write_bytes(content)
    # Said when it happens, and once more at the end.
    lines = [line for line in text.splitlines() if line.startswith("rampflow: jw")]
    assert len(lines) == 2 and len(set(lines)) == 1
    assert "_nrs1: references: " in lines[0] and dark.name in lines[0]
    assert "rampflow: 1 of 2 exposures are not finished" in text.splitlines()
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))
    assert not list(run.folder.glob("results/*_nrs1/*.fits"))
    assert {exposure for _, exposure in run.jobs()} == {"nrs1"}
    assert list(run.folder.glob("results/*_nrs1/*_rate.fits"))
    assert run.planned() == set()


def test_without_a_cache_nothing_runs_and_one_line_says_so(new_run, tmp_path):
    run = new_run("nrs1", "guider1")
    text = run(status=1, crds={"path": str(tmp_path / "nowhere"), "context": "jwst_0001.pmap", "offline": True})
    (line,) = [line for line in text.splitlines() if line.startswith("rampflow: references: ")]
    assert "2 exposures: " in line and "nowhere" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_a_killed_workflow_completes_with_the_same_bits(finished, run, number):
    process = run.start()
    while len(list(run.folder.glob("results/*/*_superbias.fits"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    (record,) = run.folder.glob("results/runs/*.json")
    text = run("--rerun-incomplete")
    killed = number == signal.SIGKILL
    assert json.loads(record.read_text())["outcome"] == ("killed" if killed else "interrupted")
    assert ("was killed; this one goes on where it ended" in text) == killed
    assert run.products() == finished.products()
    assert not list(run.folder.rglob("*.part")) and not (run.folder / "results/.lock").exists()


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half_written(new_run, finished):
    run = new_run("mirimage")
    # A limit on the size of files stands in for the full disk: the products have 100 kB and more.
    text = run(status=1, largest_file=60_000)
    lines = {line for line in text.splitlines() if line.startswith("rampflow: jw") and "dq_init" in line}
    assert len(lines) == 1
    advice = r"files of more than 0\.1 MB are not allowed; raise the limit \(ulimit -f\)"
    assert re.search(rf"dq_init: results/\S+: File too large; {advice}", lines.pop())
    assert not list(run.folder.rglob("*.part")) and not list(run.folder.rglob("*.fits"))
    run()
    assert run.products().items() <= finished.products().items()


def test_two_runs_in_one_folder_are_refused(new_run):
    run = new_run("nrs1", "nis")
    process = run.start()
    while not list(run.folder.glob(".snakemake/locks/*")):
        assert process.poll() is None
        time.sleep(0.02)
    text = run(status=1)
    assert "lock" in text.lower()
    process.communicate()
    assert process.returncode == 0


def test_intermediate_products_go_when_they_are_not_kept(new_run):
    run = new_run("guider1")
    run(keep=["dark_current"], save_calibrated_ramp=True)
    kinds = {p.stem.split("_guider1_")[1] for p in run.folder.glob("results/*/*.fits")}
    assert kinds == {"dark_current", "rate", "rateints", "ramp"}


def test_every_switchable_step_runs_when_it_is_turned_on(new_run, finished):
    run = new_run("nis")
    run(steps={"ipc": {"skip": False}, "charge_migration": {"skip": False, "signal_threshold": 20000}})
    (path,) = run.folder.glob("results/*/*_charge_migration.fits")
    header = fits.getheader(path)
    assert (header["S_IPC"], header["S_CHGMIG"]) == ("COMPLETE", "COMPLETE")
    (plain,) = finished.folder.glob("results/*_nis/*_dark_current.fits")
    assert not np.array_equal(fits.getdata(path, "SCI"), fits.getdata(plain, "SCI"))


def test_a_step_without_anything_to_do_is_made_when_its_product_is_asked_for(again, programme):
    (root,) = (exposure.root for exposure in programme.exposures if exposure.detector == "NRCB1")
    kinds = ("group_scale", "gain_scale", "gain_scaleints", "rate")
    *idle, rate = (Path(f"results/{root}/{root}_{kind}.fits") for kind in kinds)
    before = again.products()
    assert not {*idle} & before.keys()
    again(*map(str, idle))
    after = again.products()
    assert after.keys() - before.keys() == {*idle} and before.items() <= after.items()
    headers = [fits.getheader(again.folder / path) for path in (*idle, rate)]
    assert [header["S_GRPSCL"] for header in headers] == ["SKIPPED"] * 4
    assert [header["S_GANSCL"] for header in headers[1:]] == ["SKIPPED"] * 3
    assert again.planned() == set()


def test_a_step_that_is_kept_by_name_runs_though_it_has_nothing_to_do(new_run, finished):
    run = new_run("guider1")
    run(keep=["gain_scale"])
    products = run.products()
    assert {path.stem.split("guider1_")[1] for path in products} == {"gain_scale", "gain_scaleints", "rate", "rateints"}
    (rate,) = finished.folder.glob("results/*_guider1/*_rate.fits")
    assert fits.getdata(rate).tobytes() == fits.getdata(run.folder / rate.relative_to(finished.folder)).tobytes()
