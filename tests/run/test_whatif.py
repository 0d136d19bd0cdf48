"""What `rampflow whatif` says of a change is what the run with it does, and to say it nothing is touched."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from astropy.io import fits
from conftest import Run

from rampflow.mock.added_parameters import add_parameters
from rampflow.mock.crds_cache import revise

ON = {"skip": "False", "signal_threshold": "40.0"}
AFTER_JUMP = {"ramp_fit", "rate"}


def tree(*folders):
    """Every file of some folders, its content and its time."""
    paths = [path for folder in folders for path in Path(folder).rglob("*")]
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in paths
    }


@pytest.fixture
def whatif(programme, tmp_path):
    """Ask in a process of its own, see that nothing is touched; return what it says, as JSON, and the jobs by name."""

    def ask(run, *arguments, status=1, where="results"):
        into = tmp_path / "whatif.json"
        before = tree(run.folder, programme.folder)
        command = [sys.executable, "-m", "rampflow", "whatif", where, *arguments, "--json", into]
        environment = os.environ | {"PYTHONPATH": str(run.home / "workflow")}
        done = subprocess.run(command, cwd=run.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        assert done.stderr == ""
        assert tree(run.folder, programme.folder) == before
        ask.said = done.stdout
        found = json.loads(into.read_text())
        return found, {(job, root.split("_")[-1]) for root, jobs in found["jobs"].items() for job in jobs}

    return ask


def done_by(run, **config):
    """The jobs that a run does: as Snakemake plans them once CRDS has answered."""
    run("--until", "references", **config)
    return run.planned()


def of(jobs, step):
    return {exposure for job, exposure in jobs if job == step}


def test_without_a_change_nothing_would_run(again, whatif):
    found, jobs = whatif(again, status=0)
    assert jobs == again.planned() == set()
    assert not found["asks_crds"] and "nothing would run: all 6 exposures stand as they are" in whatif.said


def test_another_context_with_another_dark(again, programme, whatif):
    context = revise(programme.folder / "crds", programme.exposures, "NRCB1", "dark", context="jwst_9011.pmap", scale=2)
    found, jobs = whatif(again, "--context", context, "--rmap")
    changed = {(change["kind"], change["exposure"].split("_")[-1], change["name"]) for change in found["changes"]}
    # The rules are those of both detectors, the file is that of one.
    assert changed == {("reference", "nrcb1", "dark"), ("mapping", "nrcalong", "dark")}
    assert jobs == {(step, "nrcb1") for step in ("dark_current", "jump", *AFTER_JUMP)}
    assert "rules of CRDS that differ, and choose the same files:\n  dark" in whatif.said
    assert found["asks_crds"] and found["wall_s"] > 0 and found["jobs_of_unknown_time"] == 0
    # Here all of it is done.
    assert again.jobs(crds=again.config["crds"] | {"context": context}) == jobs
    assert whatif(again, status=0)[1] == set()


def test_another_context_whose_parameter_file_turns_a_step_on(again, programme, whatif):
    context = add_parameters(
        programme.folder / "crds", "NIRISS", "pars-chargemigrationstep", ON, context="jwst_9012.pmap"
    )
    found, jobs = whatif(again, "--context", context)
    assert {(change["kind"], change["name"], change["after"]) for change in found["changes"]} == {
        ("step", "charge_migration", "on")
    }
    assert any(line.startswith("charge_migration: on by CRDS") for line in found["notices"])
    assert found["jobs_of_unknown_time"] == 1
    assert jobs == done_by(again, crds=again.config["crds"] | {"context": context})
    assert jobs == {(step, "nis") for step in ("charge_migration", "jump", *AFTER_JUMP)}


def test_a_parameter_of_the_configuration(again, whatif):
    found, jobs = whatif(again, "steps.NIRISS.jump.rejection_threshold=7")
    (change,) = found["changes"]
    assert (change["step"], change["name"], change["after"]) == ("jump", "rejection_threshold", "7.0")
    assert change["source"] == "config (NIRISS)" and change["source_before"].startswith("pars-jumpstep")
    again.config["steps"] = {"NIRISS": {"jump": {"rejection_threshold": 7}}}
    assert jobs == again.planned() == {(step, "nis") for step in ("jump", *AFTER_JUMP)}


def test_another_release(again, whatif):
    found, jobs = whatif(again, "--release", "3.0")
    assert jobs == done_by(again, release="3.0")
    assert of(jobs, "linearity") == {"nrcb1", "nrcalong", "nis", "nrs1", "mirimage", "guider1"}
    assert {("step", "firstframe"), ("parameter", "read_level")} < {
        (one["kind"], one["name"]) for one in found["changes"]
    }


def test_steps_that_are_skipped_and_products_that_were_not_kept(again, whatif):
    for path in again.folder.glob("results/*/*.fits"):
        if not path.stem.endswith(("_rate", "_rateints")):
            path.unlink()
    assert whatif(again, status=0)[1] == again.planned() == set()
    again.config |= {"keep": "none", "steps": {"linearity": {"skip": True}, "FGS": {"linearity": {"skip": False}}}}
    (again.folder / "other.yaml").write_text(yaml.safe_dump(again.config))
    _, jobs = whatif(again, "--config", "other.yaml")
    assert jobs == done_by(again)
    # What comes before is not there any more, and has to be made for what is to be done.
    assert of(jobs, "dq_init") == {"nrcb1", "nrcalong", "nis", "nrs1", "mirimage"} and not of(jobs, "linearity")


def test_a_product_in_the_middle_that_is_gone(again, whatif):
    for pattern in ("_saturation", "_superbias", "_rateints"):
        for path in again.folder.glob(f"results/*_n*/*{pattern}.fits"):
            path.unlink()
    _, jobs = whatif(again)
    assert jobs == again.planned() == {("rate", name) for name in ("nrcb1", "nrcalong", "nis", "nrs1")}
    again.config |= {"steps": {"NIRSPEC": {"refpix": {"odd_even_columns": False}}}, "save_calibrated_ramp": True}
    (again.folder / "other.yaml").write_text(yaml.safe_dump(again.config))
    _, jobs = whatif(again, where="other.yaml")
    assert jobs == again.planned()
    assert {("saturation", "nrs1"), ("superbias", "nrs1"), ("ramp", "mirimage")} < jobs


def test_a_reference_file_of_the_users(again, programme, whatif):
    (dark,) = (programme.folder / "crds/references/jwst/miri").glob("*_dark_*.fits")
    shutil.copy(dark, again.folder / "mine.fits")
    found, jobs = whatif(again, "references.MIRI.dark=mine.fits")
    (change,) = found["changes"]
    assert (change["name"], change["after"], change["source"]) == ("dark", "mine.fits", "config")
    assert jobs == done_by(again, references={"MIRI": {"dark": "mine.fits"}})
    assert ("dark_current", "mirimage") in jobs and {exposure for _, exposure in jobs} == {"mirimage"}
    # The same file with other content.
    again()
    assert whatif(again, status=0)[1] == set()
    content = bytearray(dark.read_bytes())
    content[-2881 * 2] ^= 1
    (again.folder / "mine.fits").write_bytes(content)
    found, jobs = whatif(again)
    assert [change["after"] for change in found["changes"]] == ["mine.fits (other content)"]
    assert jobs == done_by(again) and ("dark_current", "mirimage") in jobs


def test_an_exposure_whose_products_have_no_place(again, whatif):
    (folder,) = again.folder.glob("results/*_nis/record")
    shutil.rmtree(folder)
    folder.write_text("in the way")
    found, jobs = whatif(again, "steps.jump.rejection_threshold=7", status=2)
    assert [line for line in found["notices"] if "in the place of a folder" in line]
    again.config["steps"] = {"jump": {"rejection_threshold": 7}}
    assert jobs == again.planned() and "nis" not in of(jobs, "jump")


def test_code_that_was_edited(again, whatif, workflow_copy):
    step = workflow_copy / "workflow/rampflow/steps/superbias.py"
    step.write_text(step.read_text() + "\n# Edited.\n")
    edited = Run(again.folder, workflow_copy, again.config)
    found, jobs = whatif(edited)
    assert {(change["kind"], change["step"]) for change in found["changes"]} == {("code", "superbias")}
    assert jobs == edited.planned()
    assert {("superbias", "nrcb1"), ("rate", "nrcb1")} < jobs and {"mirimage"}.isdisjoint(of(jobs, "rate"))


def test_exposures_that_are_chained_one_that_is_new_and_one_that_crds_has_nothing_for(
    again, programme, whatif, tmp_path
):
    data = tmp_path / "data"
    shutil.copytree(programme.folder / "data", data)
    (first,) = data.glob("*_nis_uncal.fits")
    shutil.copy(first, data / "jw09001001001_02101_00002_nis2_uncal.fits")
    again.config |= {"exposures": str(data / "*_uncal.fits"), "steps": {"persistence": {"chain": True}}}
    (again.folder / "other.yaml").write_text(yaml.safe_dump(again.config))
    _, jobs = whatif(again, where="other.yaml")
    assert jobs == done_by(again)
    assert of(jobs, "dq_init") == {"nis2"} and of(jobs, "persistence") == {"nis2", "nis", "nrcb1", "guider1"}
    # No rule of the context has a dark for such a subarray.
    fits.setval(data / first.name, "SUBARRAY", value="SUB64")
    found, jobs = whatif(again, where="other.yaml", status=2)
    assert list(found["without_references"]) == [first.name.removesuffix("_uncal.fits")]
    assert "exposures that would stop" in whatif.said
    assert again.jobs(status=1) == jobs


def test_exposures_that_are_chained_where_one_is_done_anew_for_want_of_a_record(new_run, programme, whatif):
    run = new_run("nis")
    data = run.folder / "data"
    data.mkdir()
    (first,) = (programme.folder / "data").glob("*_nis_uncal.fits")
    for number in (1, 2):
        shutil.copy(first, data / f"jw09001001001_02101_0000{number}_nis{number}_uncal.fits")
    run(exposures="data/*_uncal.fits", steps={"persistence": {"chain": True}})
    for name, change in (("nis1/record/dq_init.json", None), ("nis2/record/jump.json", {"recipe": "0" * 64})):
        (record,) = (run.folder / "results").glob(f"*_{name}")
        record.write_text("" if change is None else json.dumps(json.loads(record.read_text()) | change))
    found, jobs = whatif(run)
    # The recipe of what the first hands on is what it was; that the second has something to do anew is not passed over.
    assert jobs == run.planned()
    assert of(jobs, "dq_init") == {"nis1"} and of(jobs, "jump") == of(jobs, "persistence") == {"nis1", "nis2"}
    assert found["changes"] == []
    assert run.jobs() == jobs and run.planned() == set()


def test_results_that_were_moved_and_the_configuration_that_is_written(again, whatif, tmp_path):
    (again.folder / "results").rename(again.folder / "moved")
    written = tmp_path / "new.yaml"
    found, jobs = whatif(again, "steps.jump.rejection_threshold=7", "--output", written, where="moved")
    assert found["config"]["results"] == str(again.folder / "moved")
    again.config |= {"results": "moved", "steps": {"jump": {"rejection_threshold": 7}}}
    assert jobs == again.planned() and {job for job, _ in jobs} == {"jump", *AFTER_JUMP}
    again.config = yaml.safe_load(written.read_text())
    assert jobs == again.planned()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--context", "jwst_9099.pmap"], "jwst_9099.pmap is missing"),
        (["steps.jmp.skip=true"], "'jmp' is not known; did you mean 'jump'?"),
        (["--config", "absent.yaml"], "absent.yaml: No such file or directory"),
        (["keep"], "'keep': expected KEY=VALUE"),
    ],
)
def test_what_cannot_be_told_is_a_line(finished, arguments, said):
    command = [sys.executable, "-m", "rampflow", "whatif", "results", *arguments]
    environment = os.environ | {"PYTHONPATH": str(finished.home / "workflow")}
    done = subprocess.run(command, cwd=finished.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("rampflow: ") and said in done.stderr and "Traceback" not in done.stderr
