"""What goes wrong while a run is on its way: one clear line, nothing half-written, the others finish."""

import html
import json
import re

import numpy as np
import pytest
from astropy.io import fits

from rampflow.inspection import report, summary
from rampflow.io.files import Product

SUICIDE = """
def kill_or_run(step):
    jump.run(step)
    if Path("kill").exists() and "_nis" in step.exposure:
        os.kill(os.getpid(), signal.SIGKILL)


Step(JobSpec.from_snakemake(snakemake)).run(kill_or_run)
"""


def lines_of(text, step):
    """What the run says of a step, each once."""
    return {line for line in text.splitlines() if re.match(rf"rampflow: \S+: {step}: ", line)}


def root_of(programme, detector):
    (raw,) = programme.folder.glob(f"data/*_{detector}_uncal.fits")
    return raw.name.removesuffix("_uncal.fits")


def same_arrays(one, other):
    """Whether two products have the same arrays, bit for bit."""
    with fits.open(one) as left, fits.open(other) as right:
        names = [hdu.name for hdu in left if hdu.name != "ASDF"]
        return all(left[name].data is None or left[name].data.tobytes() == right[name].data.tobytes() for name in names)


@pytest.mark.parametrize("server", [{}, {"RAMPFLOW_SERVER": ""}], ids=["warm", "cold"])
def test_a_killed_job_is_named_leaves_nothing_and_only_its_exposure_is_made_up_for(
    new_run, workflow_copy, finished, programme, server
):
    run = new_run("nis", "guider1")
    run.home = workflow_copy
    script = workflow_copy / "scripts/jump.py"
    text = script.read_text().replace("handoff()\n", "handoff()\n\nimport os, signal\nfrom pathlib import Path\n", 1)
    script.write_text(text.rpartition("Step(")[0] + SUICIDE)
    (run.folder / "kill").touch()
    text = run(status=1, environment=server)
    nis = root_of(programme, "nis")
    (line,) = lines_of(text, "jump")
    assert line.startswith(
        f"rampflow: {nis}: jump: its job left neither a record nor an error: it did not begin, or was killed"
    )
    assert not list(run.folder.rglob("*.part")) and not list(run.folder.glob("results/*_nis/*_jump.fits"))
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))
    (run.folder / "kill").unlink()
    ran = run.jobs(environment=server)
    assert ran == {(step, "nis") for step in ("jump", "ramp_fit", "rate")}
    for path in run.folder.glob("results/*/*.fits"):
        assert same_arrays(path, finished.folder / path.relative_to(run.folder)), path


def test_what_a_killed_run_has_begun_to_write_goes_with_the_next_one(new_run, programme):
    run = new_run("guider1")
    stale = run.folder / "results" / root_of(programme, "guider1") / ".x_jump.fits.part"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half a product")
    run()
    assert not stale.exists()


def test_a_truncated_product_is_made_anew_and_its_exposure_is_as_before(again, programme):
    root = root_of(programme, "nis")
    path = again.folder / f"results/{root}/{root}_dq_init.fits"
    before = path.read_bytes()
    path.write_bytes(before[:-40_000])
    assert again.jobs() >= {("dq_init", "nis")}
    assert path.read_bytes() == before
    assert again.planned() == set()


def test_a_product_that_is_damaged_within_its_size_is_named(again, programme):
    root = root_of(programme, "nis")
    path = again.folder / f"results/{root}/{root}_dq_init.fits"
    path.write_bytes(np.random.default_rng(1).bytes(path.stat().st_size))
    (again.folder / f"results/{root}/{root}_saturation.fits").unlink()
    (again.folder / f"results/{root}/record/saturation.json").unlink()
    for name in ("rate", "rateints"):
        (again.folder / f"results/{root}/{root}_{name}.fits").unlink()
    text = again(f"results/{root}/{root}_saturation.fits", status=1)
    (line,) = lines_of(text, "saturation")
    assert path.name in line and "not a FITS file" in line
    assert not (again.folder / f"results/{root}/{root}_saturation.fits").exists()


def spoil(path, how):
    with Product(path) as product:
        header, size = product.hdu("SCI").header.copy(), path.stat().st_size
    if how == "truncated":
        path.write_bytes(path.read_bytes()[: size // 2])
    elif how == "garbage":
        path.write_bytes(np.random.default_rng(1).bytes(size))
    else:
        images = {"too small": np.ones((3, 4, 5), np.float32), "too few axes": np.ones((3,), np.float32)}
        sci = fits.ImageHDU(images[how], name="SCI")
        sci.header.extend(card for card in header.cards if card.keyword.startswith("SUB"))
        fits.HDUList([fits.PrimaryHDU(), sci]).writeto(path, overwrite=True)


@pytest.mark.parametrize("how", ["truncated", "garbage", "too small", "too few axes"])
def test_a_reference_that_cannot_be_used_is_named_and_the_others_finish(new_run, programme, how):
    run = new_run("nis", "guider1")
    (dark,) = programme.folder.glob("crds/references/jwst/niriss/*dark*")
    content = dark.read_bytes()
    try:
        spoil(dark, how)
        text = run(status=1)
    finally:
        dark.write_bytes(content)
    (line,) = lines_of(text, "(?:references|dark_current)")
    assert f"{root_of(programme, 'nis')}: " in line and str(dark) in line
    log = line.split("(traceback: ")[1].rstrip(")")
    assert "Traceback" in (run.folder / log).read_text()
    assert not list(run.folder.rglob("*.part")) and not list(run.folder.glob("results/*_nis/*_dark_current.fits"))
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))


def test_files_that_cannot_be_used_get_a_line_each_and_the_others_are_processed(new_run, programme, tmp_path):
    run = new_run("guider1")
    (raw,) = programme.folder.glob("data/*_guider1_uncal.fits")
    for name, key, value in (("a", "INSTRUME", "WFC3"), ("b", "EXP_TYPE", "FGS_TRACK"), ("c", "EXP_TYPE", "FGS_FOO")):
        copy = tmp_path / f"{name}_uncal.fits"
        copy.write_bytes(raw.read_bytes())
        fits.setval(copy, key, value=value)
    (tmp_path / "d_uncal.fits").write_bytes(raw.read_bytes()[:-4000])
    (tmp_path / "e_uncal.fits").write_bytes(b"\x1f\x8b" + raw.read_bytes())
    text = run(status=1, exposures=[str(raw), str(tmp_path / "*_uncal.fits")])
    lines = [line for line in text.partition("Building DAG of jobs")[0].splitlines() if line.startswith("rampflow: ")]
    expected = {
        "a": "unknown INSTRUME 'WFC3'",
        "b": "EXP_TYPE FGS_TRACK is guide-star tracking",
        "c": "unknown FGS EXP_TYPE 'FGS_FOO'",
        "d": "truncated",
        "e": "not a FITS file: it does not begin with SIMPLE; it is compressed, unpack it: gunzip",
    }
    for name, words in expected.items():
        assert sum(f"{name}_uncal.fits: {words}" in line for line in lines) == 1, words
    assert lines[5:] == ["rampflow: 5 of 6 exposures cannot be used, 1 can; skip_bad: true leaves such files out"]
    assert "Traceback" not in text and text.count("Error in rule") == 1
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))
    end = text[text.index("rampflow: 5 of 6 exposures are not finished") :]
    assert all(
        f"rampflow: {name}: start: {tmp_path}/{name}_uncal.fits: {words}" in end for name, words in expected.items()
    )
    (record,) = run.folder.glob("results/runs/*.json")
    content = json.loads(record.read_text())
    assert content["outcome"] == "failed" and set(content["unusable"]) == set(expected)
    assert list(content["exposures"]) == [root_of(programme, "guider1")]
    rows = summary.table(run.folder / "results").set_index("exposure")
    assert set(rows.index) == {*expected, root_of(programme, "guider1")}
    assert (rows["state"]["a"], rows["failing_step"]["a"]) == ("failed", "start")
    assert expected["a"] in rows["reason"]["a"] and rows["state"][root_of(programme, "guider1")] == "complete"
    assert report.main([str(run.folder / "results")]) == 0
    page = html.unescape((run.folder / "results/report.html").read_text())
    assert all(f"{name}_uncal.fits: {words}" in page for name, words in expected.items())
    # Again, with the rest done, the run is no better than it was.
    assert run.jobs(status=1) == set()
    text = run(skip_bad=True)
    assert "Nothing to be done" in text and "Error in rule" not in text
    for name in expected:
        (tmp_path / f"{name}_uncal.fits").unlink()
    assert "Nothing to be done" in run(exposures=[str(raw)], skip_bad=False)


def test_when_no_file_can_be_used_nothing_runs(new_run, programme, tmp_path):
    run = new_run("guider1")
    (raw,) = programme.folder.glob("data/*_guider1_uncal.fits")
    (tmp_path / "d_uncal.fits").write_bytes(raw.read_bytes()[:-4000])
    text = run(status=1, exposures=str(tmp_path / "*_uncal.fits"))
    (line,) = [line for line in text.splitlines() if line.startswith("rampflow: ")]
    assert "d_uncal.fits: truncated" in line and not (run.folder / "results").exists()


def test_results_that_cannot_be_written_are_said_before_anything_runs(new_run):
    run = new_run("guider1")
    (run.folder / "results").write_text("a file in the way")
    text = run(status=1)
    assert "rampflow: results: not a folder; correct the key results of the configuration" in text.splitlines()
