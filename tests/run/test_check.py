"""The check of results against their records, on the results of the workflow."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, Run

from rampflow.inspection import check
from rampflow.io.files import Product
from rampflow.jobs import provenance


@pytest.fixture
def checked(monkeypatch, capsys):
    """Check the results of a run; return the lines that it says, without the summaries."""

    def call(run, *arguments, status):
        monkeypatch.chdir(run.folder)
        # Schemas have tests of their own: to open every product takes half a minute.
        assert check.main(["results", "--schemas", "none", *arguments]) == status
        lines = [line.removeprefix("rampflow: ") for line in capsys.readouterr().out.splitlines()]
        (count,) = re.findall(r"^(\d+) finding", lines.pop())
        assert bool(int(count)) == bool(status)
        return [line for line in lines if not re.match(r"\d+ exposures?: ", line)]

    return call


def one(run, pattern):
    """The one file of the results that fits."""
    (path,) = (run.folder / "results").glob(pattern)
    return path


def flip(path, at=-3000, times=None):
    """Change one bit of a file; restore its times if they are given."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    if times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_untouched_run_is_as_recorded(finished, checked):
    assert checked(finished, status=0) == []


def test_the_records_lead_from_every_product_back_to_the_raw_file(finished, programme):
    for exposure in programme.exposures:
        folder = finished.folder / "results" / exposure.root
        record, steps = json.loads((folder / "record/rate.json").read_text()), []
        while "ramp" in record["inputs"] or "rate" in record["inputs"]:
            steps.append(record["step"])
            entry = record["inputs"].get("ramp") or record["inputs"]["rate"]
            if entry["recipe"] is None:
                break
            record = provenance.made_by(folder / entry["file"])
            assert record["recipe"] == entry["recipe"]
        assert steps[0] == "rate" and steps[-1] == "dq_init" and len(steps) > 8
        raw = programme.folder / "data" / f"{exposure.root}_uncal.fits"
        assert entry["sha256"] == provenance.sha256_of(raw)


def test_a_record_has_checksums_of_references_and_parameters_code_and_versions(finished, programme):
    record = finished.record("nis", "jump")
    gain = record["references"]["gain"]
    assert gain["sha256"] == provenance.sha256_of(gain["file"])
    assert record["crds"]["context"] == programme.context
    assert record["code"] == provenance.code_digest(provenance.script_of("jump"))
    assert record["versions"] == provenance.versions()
    assert record["outputs"]["parameters/jump.json"]["sha256"]
    assert record["parameters"]["rejection_threshold"] == 5.0  # CRDS has a file of parameters for it
    assert finished.record("mirimage", "emicorr")["status"] == "COMPLETE"
    after = finished.record("nrcb1", "dark_current")
    assert "N/A" in after["skipped"]["persistence"] and after["named"] == dict.fromkeys(
        ("trapdensity", "persat", "trappars"), "N/A"
    )


def test_a_run_leaves_a_record_of_itself(finished, programme):
    (path,) = (finished.folder / "results/runs").iterdir()
    run = json.loads(path.read_text())
    assert run["outcome"] == "complete" and run["ended"] >= run["started"]
    assert run["config"]["crds"]["context"] == programme.context
    assert {exposure.root for exposure in programme.exposures} == set(run["exposures"])
    facts = run["exposures"][programme.exposures[0].root]
    assert facts["chain"][0] == "dq_init" and set(facts["idle"]) >= {"group_scale", "gain_scale"}
    assert facts["off"]["ipc"].startswith("pars-detector1pipeline")
    assert finished.record("nis", "jump")["code"] in run["code"]


def test_a_flipped_bit_in_a_final_product_is_found_though_its_time_is_the_old_one(again, checked):
    path = one(again, "*_nis/*_rate.fits")
    flip(path, times=path.stat())
    (line,) = checked(again, status=1)
    assert path.name in line and "written by rate, has changed: sha256" in line


def test_a_flipped_bit_in_a_product_on_the_way_is_found_by_its_time(again, checked):
    path = one(again, "*_nis/*_jump.fits")
    flip(path)
    # Later than the two seconds within which a job's own files may be.
    later = path.stat().st_mtime + 60
    os.utime(path, (later, later))
    (line,) = checked(again, status=1)
    assert "_nis: written or touched after the next step has read it: the product of jump" in line


def test_a_product_that_is_made_anew_of_the_same_is_no_finding_though_the_next_step_has_not_read_it(again, checked):
    path = one(again, "*_nis/*_jump.fits")
    before, content = path.stat().st_mtime_ns, path.read_bytes()
    again("--forcerun", "jump")
    assert path.stat().st_mtime_ns != before and path.read_bytes() == content
    assert checked(again, status=0) == []
    flip(path)
    later = path.stat().st_mtime_ns + 3_000_000_000
    os.utime(path, ns=(later, later))
    (line,) = checked(again, status=1)
    assert "written or touched after the next step has read it: the product of jump" in line


def test_with_checksums_of_all_it_is_found_though_its_time_is_the_old_one(new_run, checked):
    run = new_run("guider1")
    run(checksums="all")
    assert checked(run, status=0) == []
    path = one(run, "*_guider1/*_jump.fits")
    flip(path, times=path.stat())
    (line,) = checked(run, status=1)
    assert path.name in line and "written by jump, has changed: sha256" in line


def test_changed_parameters_and_a_changed_raw_file_are_found(again, programme, checked, tmp_path):
    path = one(again, "*_nis/parameters/jump.json")
    path.write_text(path.read_text().replace("5.0", "5.5"))
    record = one(again, "*_nis/record/dq_init.json")
    raw = tmp_path / "changed_uncal.fits"
    raw.write_bytes((programme.folder / "data" / f"{record.parents[1].name}_uncal.fits").read_bytes())
    flip(raw)
    content = json.loads(record.read_text())
    content["inputs"]["ramp"]["file"] = str(raw)
    record.write_text(json.dumps(content))
    lines = checked(again, status=1)
    assert len(lines) == 2
    assert any("parameters/jump.json, written by jump, has changed" in line for line in lines)
    assert any("changed_uncal.fits, read by dq_init of jw" in line and "has changed: sha256" in line for line in lines)


def test_a_changed_reference_and_a_missing_one_are_found_once(again, programme, checked):
    references = programme.folder / "crds/references/jwst"
    (dark,), (gain,) = references.glob("niriss/*dark*"), references.glob("fgs/*gain*")
    old = {path: (path.read_bytes(), path.stat()) for path in (dark, gain)}
    try:
        flip(dark, times=dark.stat())
        gain.unlink()
        lines = checked(again, status=1)
    finally:
        for path, (content, times) in old.items():
            path.write_bytes(content)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(lines) == 2
    assert any(dark.name in line and "has changed: sha256" in line for line in lines)
    assert any(gain.name in line and "No such file" in line for line in lines)


def test_a_missing_reference_of_many_exposures_is_said_once(again, checked):
    for path in (again.folder / "results").glob("*/record/*.json"):
        path.write_text(re.sub(r'"file": "/[^"]*_gain_\d+', '"file": "/nowhere/gain', path.read_text()))
    (line,) = checked(again, status=1)
    assert line.startswith("/nowhere/gain.fits, the gain reference of jw")


def test_another_answer_of_crds_is_found(again, checked):
    pointer = one(again, "*_nis/references/dark.json")
    content = json.loads(pointer.read_text())
    pointer.write_text(json.dumps(content | {"name": "other.fits"}))
    (line,) = checked(again, status=1)
    assert "references/dark.json names other.fits, where dark_current has used jwst_niriss_dark" in line


def test_an_edited_step_is_found_with_the_file(again, workflow_copy, checked, monkeypatch):
    step = workflow_copy / "workflow/rampflow/steps/jump/two_point.py"
    step.write_text(step.read_text() + "\n# edited\n")
    monkeypatch.setattr(provenance, "HOME", workflow_copy)
    monkeypatch.setattr(provenance, "PACKAGE", workflow_copy / "workflow/rampflow")
    (line,) = checked(again, status=1)
    assert line.startswith("the code of jump has changed (workflow/rampflow/steps/jump/two_point.py) since it made jw")
    assert line.endswith("and 3 more")


def test_another_version_of_a_package_is_found(again, checked):
    path = one(again, "*_nis/record/jump.json")
    content = json.loads(path.read_text())
    content["versions"]["numpy"] = "1.2.3"
    path.write_text(json.dumps(content))
    (line,) = checked(again, status=1)
    assert re.fullmatch(r"numpy \S+ is installed, where 1.2.3 made jw\w+_nis", line)


def test_products_that_are_gone_damaged_records_and_strangers_are_named(again, checked):
    one(again, "*_nis/*_dq_init.fits").unlink()
    one(again, "*_nrs1/record/rate.json").write_text("{")
    stranger = one(again, "*_guider1/*_rate.fits")
    stranger.with_name("other.fits").write_bytes(stranger.read_bytes())
    lines = checked(again, status=1)
    assert len(lines) == 5
    assert any("_dq_init.fits, written by dq_init: No such file" in line for line in lines)
    assert any("other.fits: no record says what made it" in line for line in lines)
    assert any(
        "record/rate.json: not a record of a job: not JSON" in line and "; snakemake --forcerun rate" in line
        for line in lines
    )
    # Without a record the two count rates are nobody's.
    assert sum("no record says what made it" in line for line in lines) == 3


def test_what_a_step_has_read_must_not_have_been_made_anew_since(again, checked):
    target = one(again, "*_nis/*_jump.fits").relative_to(again.folder)
    again("--cores", "2", "--", str(target), steps={"NIRISS": {"jump": {"rejection_threshold": 9.0}}})
    (line,) = checked(again, status=1)
    assert re.search(r"_jump.fits was made anew \(by jump\) after ramp_fit has read it; run the workflow again", line)
    again()
    assert checked(again, status=0) == []


def test_products_that_are_not_kept_are_not_missed(new_run, checked):
    run = new_run("guider1")
    run(keep="none")
    assert checked(run, status=0) == []


def test_results_can_be_moved_with_their_raw_files(programme, tmp_path, checked):
    run = Run(tmp_path / "here", HOME, {})
    (run.folder / "data").mkdir(parents=True)
    (raw,) = programme.folder.glob("data/*_guider1_uncal.fits")
    (run.folder / "data" / raw.name).write_bytes(raw.read_bytes())
    crds = {"path": str(programme.folder / "crds"), "context": programme.context, "offline": True}
    run(crds=crds)
    run.folder = run.folder.rename(tmp_path / "there")
    assert checked(run, status=0) == []


def test_what_is_made_again_is_the_same_bit_for_bit(finished, checked):
    before = finished.products()
    (line,) = checked(finished, "--again", "*_nis", status=0)
    assert re.fullmatch(r"jw\w+_nis: made again, bit for bit the same", line)
    assert finished.products() == before


def test_what_is_not_the_same_when_made_again_is_named_with_the_place(again, checked):
    path = one(again, "*_nis/*_jump.fits")
    with Product(path) as product:
        place = product.hdu("SCI").offset
    flip(path, at=place, times=path.stat())  # no check of times or sizes finds that
    assert checked(again, status=0) == []
    (line,) = checked(again, "--again", "*_nis", status=1)
    assert line.endswith(
        "_nis_jump.fits, written by jump: other bits when made again: SCI (1 values); the recipe is the same"
    )


def test_an_exposure_that_no_longer_can_be_made_again_says_why(again, programme, checked):
    name = one(again, "*_nis/*_rate.fits").parent.name
    raw = Path(programme.folder / "data" / f"{name}_uncal.fits")
    aside = raw.rename(raw.with_suffix(".aside"))
    try:
        lines = checked(again, "--again", name, status=1)
    finally:
        aside.rename(raw)
    assert any(
        line.startswith(f"{name}: cannot be made again: rampflow: ") and "no such file" in line for line in lines
    )


def test_files_of_the_user_are_found_when_an_exposure_is_made_again(new_run, checked, programme):
    run = new_run("guider1")
    (run.folder / "my").mkdir()
    flags = np.zeros(programme.exposures[-1].window.shape, np.uint32)
    flags[7, 9] = 1
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flags)]).writeto(run.folder / "my/flags.fits")
    (gain,) = programme.folder.glob("crds/references/jwst/fgs/*gain*")
    (run.folder / "my/gain.fits").write_bytes(gain.read_bytes())
    settings = {"dq_init": {"user_supplied_dq": "my/flags.fits"}, "dark_current": {"dark_output": "dark.fits"}}
    run(steps=settings, references={"FGS": {"gain": "my/gain.fits"}})
    (line,) = checked(run, "--again", "*", status=0)
    assert line.endswith("_guider1: made again, bit for bit the same")
    flip(run.folder / "my/flags.fits")
    lines = checked(run, status=1)
    assert len(lines) == 1 and "my/flags.fits, read by dq_init of jw" in lines[0] and "has changed" in lines[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dq_init": {"user_supplied_dq": "../flags.fits"}}, "leads out of the folder of the run"),
        (
            {"FGS": {"dark_current": {"dark_output": "/data/dark.fits"}}},
            "dark_output: /data/dark.fits would be written over",
        ),
    ],
)
def test_what_cannot_be_made_again_without_harm_is_not(again, checked, settings, words):
    path = one(again, "runs/*.json")
    run = json.loads(path.read_text())
    run["config"]["steps"] = settings
    path.write_text(json.dumps(run))
    (line,) = checked(again, "--again", "*_guider1", status=1)
    assert "_guider1: cannot be made again: " in line and words in line


def test_a_folder_without_records_is_no_success(tmp_path, capsys):
    assert check.main([str(tmp_path)]) == 2
    assert "no records of exposures there" in capsys.readouterr().out


def test_a_name_that_fits_no_exposure_is_no_success(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    assert check.main(["results", "--again", "nothing*"]) == 2
    assert "no exposure of that name" in capsys.readouterr().out
