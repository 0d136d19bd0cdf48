"""The record decides what stands: wherever results came from, and whatever the times of files say."""

import json
import os
import shutil
import time

import pytest

from rampflow.inspection.exposures import gather
from rampflow.inspection.results import Results

REST = {"jump", "ramp_fit", "rate"}


def later(path):
    """Set the time of a file to a minute from now."""
    soon = time.time() + 60
    os.utime(path, (soon, soon))


def records(run):
    """When each record was written: (job, exposure) to time."""
    found = run.folder.glob("results/*/record/*.json")
    return {(path.stem, path.parts[-3].split("_")[-1]): path.stat().st_mtime_ns for path in found}


def rules(jobs):
    return {rule for rule, _ in jobs}


@pytest.mark.parametrize("how", ["copied with times", "copied without times", "moved"])
def test_results_stand_wherever_they_came_from(again, how):
    results, other = again.folder / "results", again.folder / "other"
    if how == "moved":
        results.rename(other)
    else:
        shutil.copytree(results, other, copy_function=shutil.copy2 if "with " in how else shutil.copyfile)
    again.config["results"] = "other"
    assert again.planned() == set()
    again.config["steps"] = {"jump": {"rejection_threshold": 7.0}}
    assert rules(again.planned()) == REST


def test_results_stand_without_snakemakes_memory(again):
    shutil.rmtree(again.folder / ".snakemake")
    assert again.planned() == set()


def test_a_dry_run_names_exactly_what_runs_when_a_step_is_turned_off_and_on_again(again):
    for steps in ({"linearity": {"skip": True}}, {}):
        again.config["steps"] = steps
        planned = again.planned()
        assert {("dark_current", "nrcb1"), ("rate", "nrcb1")} <= planned
        assert not rules(planned) & {"references", "dq_init", "saturation", "superbias", "linearity"}
        before = records(again)
        again()
        after = records(again)
        assert {job for job in after if after[job] != before.get(job)} == planned
        assert again.planned() == set()


def test_a_step_that_needs_what_crds_was_not_asked_for_asks_it_first(again):
    text = again("-n", steps={"ipc": {"skip": False}})
    assert "checkpoint references:" in text
    ran = again.jobs()
    assert ("ipc", "nrcb1") in ran and ("dq_init", "nrcb1") not in ran
    assert again.planned() == set()


def test_times_of_files_say_nothing(again):
    for pattern in ("*_saturation.fits", "references/*.json", "parameters/jump.json"):
        for path in again.folder.glob(f"results/*/{pattern}"):
            later(path)
    assert again.planned() == set()


def test_what_was_asked_for_last_decides_and_not_what_was_run_last(again):
    again("--until", "jump", steps={"jump": {"rejection_threshold": 7.0}})
    # The jumps are new, the rates are not: no run that is asked for either configuration may say that all is well.
    assert rules(again.planned()) == {"ramp_fit", "rate"}
    again.config["steps"] = {}
    # The rates would stand as they are; what follows a job that is done anew is done with it.
    assert rules(again.planned()) == REST
    before = {path: path.read_bytes() for path in again.folder.glob("results/*/*_rate*.fits")}
    again()
    assert before == {path: path.read_bytes() for path in again.folder.glob("results/*/*_rate*.fits")}
    assert again.planned() == set()


def test_a_raw_file_of_another_time_is_looked_into(again, programme, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(programme.folder / "data", data)
    again.config["exposures"] = [str(path) for path in sorted(data.iterdir())]
    for path in data.iterdir():
        later(path)
    assert again.planned() == set()
    (raw,) = data.glob("*_nrcb1_uncal.fits")
    content = bytearray(raw.read_bytes())
    content[-1000] ^= 1
    raw.write_bytes(content)
    assert {exposure for _, exposure in again.planned()} == {"nrcb1"}


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda record: record.unlink(), REST),
        (lambda record: record.write_text("[]"), REST),
        (lambda record: record.write_text(json.dumps(json.loads(record.read_text()) | {"code": "0" * 16})), set()),
        (lambda record: record.write_text(json.dumps(json.loads(record.read_text()) | {"recipe": "0" * 64})), {"jump"}),
    ],
    ids=["gone", "not a record", "says the same", "says something else"],
)
def test_a_product_without_a_true_record_is_made_again(again, harm, expected):
    (record,) = again.folder.glob("results/*_nrcb1/record/jump.json")
    harm(record)
    planned = again.planned()
    assert {exposure for _, exposure in planned} <= {"nrcb1"}
    assert ("jump" in rules(planned)) == ("jump" in expected)


def test_a_product_that_was_replaced_is_made_again(again):
    (product,) = again.folder.glob("results/*_nrcb1/*_jump.fits")
    product.write_bytes(product.read_bytes()[:-2880])
    assert ("jump", "nrcb1") in again.planned()


def test_a_run_that_has_something_to_do_again_does_what_is_missing_elsewhere_too(again):
    """Of one exposure a job in the middle does not stand and what follows is gone; of another the rates are gone."""
    for pattern in ("ramp_fit*", "rate*"):
        for path in again.folder.glob(f"results/*_nrcb1/*_{pattern}.fits"):
            path.unlink()
        for path in again.folder.glob(f"results/*_nrcb1/record/{pattern}.json"):
            path.unlink()
    (record,) = again.folder.glob("results/*_nrcb1/record/jump.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"recipe": "0" * 64}))
    for path in again.folder.glob("results/*_nis/*_rate*.fits"):
        path.unlink()
    assert again.planned() == {(step, "nrcb1") for step in REST} | {("rate", "nis")}
    again()
    assert again.planned() == set()
    assert len(list(again.folder.glob("results/*/*_rate.fits"))) == 6


def test_what_is_forced_is_done_with_what_follows(again):
    assert rules(again.planned("--forcerun", "jump")) == REST


@pytest.mark.parametrize(
    ("pattern", "harm"),
    [
        ("*_jump.fits", lambda path: path.write_bytes(path.read_bytes()[:-2880])),
        ("parameters/jump.json", lambda path: path.write_text("")),
        ("record/jump.json", lambda path: path.write_text("{")),
    ],
    ids=["product", "parameters", "record"],
)
def test_what_a_run_does_again_is_what_is_called_outdated(again, pattern, harm):
    (path,) = again.folder.glob(f"results/*_nrcb1/{pattern}")
    harm(path)
    states = {one.root.split("_")[-1]: (one.state, one.why) for one in gather(Results(again.folder / "results"))}
    state, why = states.pop("nrcb1")
    assert {state for state, _ in states.values()} == {"complete"}
    assert state == "outdated" and why.startswith("jump: ")
    planned = again.planned()
    assert ("jump", "nrcb1") in planned and {exposure for _, exposure in planned} == {"nrcb1"}
