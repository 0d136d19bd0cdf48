import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rampflow.inspection import ending
from rampflow.inspection.ending import unfinished
from rampflow.inspection.exposures import ExposureResults
from rampflow.planning import kernels_place

WORKFLOW = Path(kernels_place.__file__).parents[2]
#: A workflow: its scheduler waits for its job to end, and starts no more after it was asked not to.
SCHEDULER = """
import subprocess, sys, threading, time
from rampflow.planning.interruption import Interruption
class Scheduler:
    lock = threading.Lock()
    asked = 0
    def exit_gracefully(self):
        with self.lock:
            self.asked += 1
interruption, scheduler = Interruption(), Scheduler()
interruption.watch()
if "early" in sys.argv:
    print("ready", flush=True)
    time.sleep(30)
interruption.let_end(scheduler, "cluster" not in sys.argv)
job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
spared = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
interruption.spare(spared)
try:
    # From here on it may be interrupted.
    print("ready", flush=True)
    while job.poll() is None and not ("graceful" in sys.argv and scheduler.asked):
        with scheduler.lock:
            # Whoever holds the lock is interrupted, nearly always.
            time.sleep(0.02)
except KeyboardInterrupt:
    print("cancelled")
print(interruption.by, scheduler.asked, job.poll(), spared.poll())
for one in (job, spared):
    one.kill()
"""


def start(*arguments, ignored=()):
    def prepare():
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER, *arguments],
        env=dict(os.environ, PYTHONPATH=str(WORKFLOW)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_anything_runs_a_signal_ends_the_process_with_a_line(number):
    process = start("early")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    name = signal.Signals(number).name
    assert (process.returncode, err) == (1, f"rampflow: interrupted ({name}) before anything has run\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_jobs_end_and_the_second_ends_them(number):
    name = signal.Signals(number).name
    process = start("graceful")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert out.split() == [name, "1", "None", "None"]
    assert err == f"rampflow: interrupted ({name}): jobs that run come to their end; once more to end them\n"
    process = start()
    for _ in range(2):
        process.send_signal(number)
        time.sleep(0.3)
    out, err = process.communicate(timeout=20)
    assert out.split() == [name, "1", str(-signal.SIGTERM), "None"]
    assert len(err.splitlines()) == 1


def test_a_hang_up_that_is_ignored_stays_so():
    process = start("graceful", ignored=(signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[0].split()[0] == "SIGTERM"


def test_jobs_on_a_cluster_are_cancelled_by_snakemake():
    process = start("cluster")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out.split() == ["cancelled", "SIGINT", "0", "None", "None"]


def test_the_summary_lists_by_state(monkeypatch):
    from rampflow.inspection import ending, report

    def one(root, state, why, records=()):
        made = ExposureResults(root, {}, dict.fromkeys(records), [])
        made.state, made.why = state, why
        return made

    found = [one(f"n{k}", "unfinished", f"dq_init: {report.NOT_BEGUN}") for k in range(30)]
    found += [one(f"s{k}", "unfinished", f"jump: {report.NOT_BEGUN}", ["dq_init"]) for k in range(3)]
    found += [one("r", "unfinished", f"jump: {report.ENDED}", ["dq_init"]), one("f", "failed", "refpix: odd")]
    found += [one("c", "complete", ""), one("other", "unfinished", f"dq_init: {report.NOT_BEGUN}")]
    monkeypatch.setattr(ending, "gather", lambda _: found)
    monkeypatch.setattr(ending, "Results", lambda *_: None)
    exposures = {exposure.root for exposure in found} - {"other"}
    lines = unfinished("out", exposures, "SIGINT")
    assert lines[0].startswith("interrupted (SIGINT): 35 of 36 exposures are not finished; the same command goes on")
    assert "f: refpix: odd (traceback: out/f/logs/refpix.log)" in lines
    assert "1 interrupted at jump: r" in lines and "3 stopped before jump: s0, s1, s2" in lines
    (begun,) = [line for line in lines if line.startswith("30 not begun: n0, n1")]
    assert any(line.startswith("exposures: out/summary.tsv, which the report writes") for line in lines)
    assert begun.endswith(" and 22 more") and lines[-1].startswith("not all are listed here")
    # A job that ends without a word in a run that nobody has interrupted was killed, and is named.
    assert any(line.startswith("r: jump: its job left neither") for line in unfinished("out", exposures))


def test_what_has_failed_alike_is_said_once_at_the_end(monkeypatch):
    why = "dark_current: dark.fits: of shape (3, 4), {root} of (5, 6)"
    found = [ExposureResults(f"e{n}", {}, {}, [], "failed", why.format(root=f"e{n}")) for n in range(12)]
    found.append(ExposureResults("cut", {}, {}, [], "failed", "start: data/cut_uncal.fits: truncated"))
    monkeypatch.setattr(ending, "gather", lambda _: found)
    monkeypatch.setattr(ending, "Results", lambda *_: None)
    assert unfinished("out", [one.root for one in found]) == [
        "13 of 13 exposures are not finished",
        "e0, e1, e2 and 9 more: dark_current: dark.fits: of shape (3, 4), <exposure> of (5, 6) (traceback: "
        "out/<exposure>/logs/dark_current.log)",
        "cut: start: data/cut_uncal.fits: truncated",
    ]


@pytest.mark.parametrize("writable", ["code", "user", "neither"])
def test_kernels_have_a_place_where_the_installation_cannot_be_written(tmp_path, monkeypatch, writable):
    """A file in the place of a folder is as good as a folder that cannot be written, for root, too."""
    for name in ("code", "user"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / ("io" if name == "code" else "numba")).touch()
        if name == writable:
            (folder / ("io" if name == "code" else "numba")).unlink()
            (folder / ("io" if name == "code" else "numba")).mkdir()
    monkeypatch.setattr(kernels_place, "PACKAGE", tmp_path / "code")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv(kernels_place.VARIABLE, "")
    kernels_place.choose(tmp_path / "state")
    expected = str(tmp_path / "state/kernels") if writable == "neither" else ""
    assert os.environ[kernels_place.VARIABLE] == expected
    monkeypatch.setenv(kernels_place.VARIABLE, "mine")
    kernels_place.choose(tmp_path / "state")
    assert os.environ[kernels_place.VARIABLE] == "mine"
