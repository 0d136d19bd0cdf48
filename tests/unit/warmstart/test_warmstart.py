import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rampflow.warmstart import client, server

WORKFLOW = Path(client.__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A server that has nothing to import, and a way to start scripts under it."""
    # A relative address, as in a run: socket paths are limited to about 100 characters.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(WORKFLOW))
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os; from rampflow.warmstart.server import Server; Server('s', os.getppid()).serve()",
        ]
    )
    while not os.path.exists("s"):
        assert process.poll() is None
        time.sleep(0.01)

    def start(text):
        Path("script.py").write_text(
            f"from rampflow.warmstart.client import handoff\nhandoff()\nimport os, sys, time\n{text}\n"
        )
        environment = dict(os.environ, **{client.VARIABLE: "s"})
        return subprocess.Popen(
            [sys.executable, "script.py"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    start.server = process
    yield start
    process.terminate()
    process.wait(10)


def test_a_script_runs_in_a_child_of_the_server_with_its_streams_and_folder(run):
    job = run("print(os.getppid(), os.getcwd(), __name__, __file__); print('no', file=sys.stderr)")
    out, err = job.communicate(timeout=20)
    parent, folder, name, file = out.split()
    assert int(parent) == run.server.pid
    assert (folder, name, Path(file).name, err) == (os.getcwd(), "__main__", "script.py", "no\n")
    assert job.returncode == 0


@pytest.mark.parametrize(
    ("text", "status"), [("sys.exit(3)", 3), ("raise ValueError('x')", 1), ("os.kill(os.getpid(), 9)", -9)]
)
def test_a_job_ends_as_its_child_ended(run, text, status):
    job = run(text)
    _, err = job.communicate(timeout=20)
    assert job.returncode == status
    assert ("ValueError: x" in err) == ("ValueError" in text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_job_ends_the_child(run, number):
    job = run("print(os.getpid(), flush=True); time.sleep(60)")
    child = int(job.stdout.readline())
    job.send_signal(number)
    job.communicate(timeout=20)
    assert job.returncode == -number
    for _ in range(200):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()


def test_without_a_server_the_script_goes_on_where_it_is(run):
    run.server.terminate()
    run.server.wait(10)
    job = run("print(os.getppid())")
    out, _ = job.communicate(timeout=20)
    assert int(out) == os.getpid()
    assert job.returncode == 0


def test_the_server_ends_its_children_when_it_ends(run):
    job = run("print(os.getpid(), flush=True); time.sleep(60)")
    child = int(job.stdout.readline())
    run.server.terminate()
    run.server.wait(10)
    job.communicate(timeout=20)
    assert job.returncode == 1
    assert not Path(f"/proc/{child}").exists()
    assert not os.path.exists("s")


def test_only_the_owner_may_use_the_socket(run):
    assert run.server.poll() is None
    assert os.stat("s").st_mode & 0o077 == 0


def test_children_that_end_while_one_is_seen_to_are_told_once_each(tmp_path, monkeypatch):
    """The signal of the second one comes in the middle of the first one's turn."""
    monkeypatch.chdir(tmp_path)
    served = server.Server("s", os.getppid())
    jobs = {}
    for status in (3, 0, 5):
        child = os.fork()
        if child == 0:
            os._exit(status)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        ours, theirs = socket.socketpair()
        served.children[theirs] = child
        jobs[status] = ours
    wait = os.waitpid

    def interrupted(*which):
        monkeypatch.setattr(os, "waitpid", wait)
        found = wait(*which)
        served._reap()
        return found

    monkeypatch.setattr(os, "waitpid", interrupted)
    served._reap()
    assert not served.children
    for status, job in jobs.items():
        assert os.waitstatus_to_exitcode(struct.unpack("!i", job.recv(100))[0]) == status
        assert job.recv(1) == b""
        job.close()
    served.listener.close()
