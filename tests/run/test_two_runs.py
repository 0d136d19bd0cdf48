"""Two runs, closed terminals and kills: nothing half-written, and what is said is true."""

import json
import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kills import Case, Runs


def state(folder):
    """Every file below a folder, and when it was changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_two_runs_from_two_folders_on_one_folder_of_results(new_run, tmp_path):
    run = new_run("guider1")
    results = tmp_path / "shared"
    other = replace(run, folder=tmp_path / "other", config=dict(run.config))
    other.folder.mkdir()
    process = run.start(results=str(results))
    while not list(results.glob("*/*_dq_init.fits")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    try:
        before = state(results)
        text = other(results=str(results), status=1)
        # A job of the first run may have come to its end meanwhile; the second one has touched nothing of it.
        assert {path for path in before if path not in state(results)} == set()
        assert len(list(results.glob("runs/*.json"))) == 1
        assert "Nothing" not in other("-n", results=str(results)) and other("--rulegraph", results=str(results))
    finally:
        process.send_signal(signal.SIGCONT)
    lines = [line for line in text.splitlines() if line.startswith("rampflow: ")]
    assert len(lines) == 1 and "Traceback" not in text
    holder = json.loads((results / ".lock").read_text())
    assert holder["process"] == process.pid
    for words in (str(results), holder["host"], str(process.pid), holder["since"], str(run.folder), "wait for its end"):
        assert words in lines[0]
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert not (results / ".lock").exists()
    assert "Nothing to be done" in run("-n")


def test_no_temporary_product_leads_to_a_warning(new_run):
    run = new_run("guider1")
    assert "flag 'temp'" not in run("-n", keep="none")


def test_ctrl_c_twice_says_what_state_each_exposure_is_in(new_run):
    """As at a terminal: the signal reaches every process of the group."""
    run = new_run("nrcb1", "nis", "guider1")
    runs = Runs(run.folder, run.config)
    process = runs.start()
    while len(list(run.folder.glob("results/*/*_saturation.fits"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 1, runs.said()
    text = runs.said()
    # A process that has only just been started is Python's still: it speaks for itself, before it comes to our code.
    traces = re.findall(r"^Traceback .*\n(?: .*\n)+", text, re.M)
    assert not [trace for trace in traces if "rampflow" in trace], traces
    said = r"^rampflow: interrupted \(SIGINT\): (\d) of 3 exposures are not finished; the same command goes on"
    (head,) = re.findall(said, text, re.M)
    states = re.findall(r"^rampflow: (\d+) (?:interrupted at \w+|stopped before \w+|not begun): (.*)$", text, re.M)
    assert sum(int(number) for number, _ in states) == int(head)
    assert sum(len(names.split(", ")) for _, names in states) == int(head)
    (record,) = run.folder.glob("results/runs/*.json")
    assert json.loads(record.read_text())["outcome"] == "interrupted"
    assert not list(Path(run.folder, ".snakemake/locks").glob("*"))


def test_a_killed_server_costs_no_job(new_run, finished):
    run = new_run("guider1")
    process = run.start()
    while not list(run.folder.glob("results/*/*_dq_init.fits")):
        assert process.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (server,) = [c for c in children if b"warmstart.server" in Path(f"/proc/{c}/cmdline").read_bytes()]
    os.kill(int(server), signal.SIGKILL)
    text = process.communicate()[0]
    assert process.returncode == 0, text
    made = run.products()
    assert made == {path: finished.products()[path] for path in made}


@pytest.fixture(scope="module")
def runs(programme, tmp_path_factory):
    """Runs of few steps on one exposure, and their undisturbed products."""
    steps = {step: {"skip": True} for step in ("group_scale", "refpix", "linearity", "dark_current")}
    made = Runs(tmp_path_factory.mktemp("kills"), programme.config("guider1") | {"steps": steps})
    made.undisturbed()
    return made


@pytest.mark.parametrize(
    ("target", "number", "moment"),
    [
        ("workflow", signal.SIGKILL, 0.7),
        ("group", signal.SIGHUP, 0.8),
        ("child", signal.SIGKILL, 0.6),
        ("server", signal.SIGTERM, 0.7),
    ],
)
def test_a_kill_and_the_same_command_make_the_same_bits(runs, tmp_path, target, number, moment):
    """A sample of ``make kill-test``."""
    runs.folder = tmp_path / "run"
    case = runs.try_case(Case(target, number, moment))
    assert case.faults == []
