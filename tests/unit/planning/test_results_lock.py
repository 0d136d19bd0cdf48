import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rampflow.io import owners
from rampflow.planning import results_lock
from rampflow.planning.results_lock import ResultsInUse, ResultsLock

WORKFLOW = Path(owners.__file__).parents[2]
SINCE = "2026-01-02T03:04:05Z"


@pytest.fixture
def lock(tmp_path):
    return ResultsLock(tmp_path / "results", SINCE)


def change(lock, **content):
    """A lock of another run."""
    holder = json.loads(lock.path.read_text()) if lock.path.exists() else {}
    lock.path.unlink(missing_ok=True)
    lock.path.parent.mkdir(exist_ok=True)
    lock.path.write_text(json.dumps(holder | content))


def again(lock):
    return ResultsLock(lock.results, SINCE)


def test_a_lock_is_taken_once_and_given_back(lock):
    assert lock.take() is None and lock.take() is None
    with pytest.raises(ResultsInUse) as caught:
        again(lock).take()
    for text in (str(lock.results), os.uname().nodename, str(os.getpid()), SINCE, os.getcwd(), "kill "):
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    lock.release()
    assert os.listdir(lock.results) == []
    assert again(lock).take() is None


def dead_process():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_lock_whose_run_has_ended_is_taken_over(lock):
    lock.take()
    for content in ({"process": dead_process()}, {"start": "1"}):
        change(lock, since="2025", **content)
        other = again(lock)
        assert other.dead_holder()["since"] == "2025"
        assert other.take()["since"] == "2025"
        assert json.loads(lock.path.read_text())["process"] == os.getpid()
        # The lock of the one who was late to give it back is another's.
        lock.release()
        assert lock.path.exists()
        other.release()
        lock = again(lock)
        lock.take()


def test_a_run_on_another_host_or_in_another_container_is_not_judged(lock):
    lock.take()
    for content in (
        {"place": "0123456789", "host": "node7"},
        {"place": owners.place() + "1", "process": dead_process()},
        {"place": "0123456789", "boot": "another", "machine": None},
    ):
        change(lock, **{"place": owners.place(), "host": os.uname().nodename, **content})
        assert again(lock).dead_holder() is None
        with pytest.raises(ResultsInUse, match=r"see on .* that it has ended and remove .*results/\.lock"):
            again(lock).take()


@pytest.mark.skipif(not os.path.exists("/etc/machine-id"), reason="this machine has no name of its own")
def test_a_run_before_this_machine_was_started_anew_has_ended(lock):
    lock.take()
    change(lock, place="0123456789", boot="another")
    assert again(lock).take()["boot"] == "another"


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"process": "x"}'])
def test_what_is_no_lock_is_said_and_stays(lock, content):
    lock.path.parent.mkdir()
    lock.path.write_text(content)
    os.utime(lock.path, (time.time() - 60,) * 2)
    with pytest.raises(ResultsInUse, match="is not a lock that a run has written"):
        lock.take()
    assert lock.path.read_text() == content


def test_without_links_the_lock_is_taken_all_the_same(lock, monkeypatch):
    def no_link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    lock.take()
    with pytest.raises(ResultsInUse):
        again(lock).take()
    lock.release()
    assert os.listdir(lock.results) == []


def test_a_lock_that_another_run_has_taken_over_meanwhile_is_left_alone(lock):
    change(lock, process=dead_process(), place=owners.place())
    _, content = lock._read()
    other = again(lock)
    other.take()
    assert lock._succeed(content) is False
    assert json.loads(lock.path.read_text())["process"] == os.getpid()
    with pytest.raises(ResultsInUse):
        lock.take()
    assert os.listdir(lock.results) == [".lock"]


def test_who_ended_while_it_took_over_a_dead_lock_is_succeeded(lock, monkeypatch):
    change(lock, process=dead_process(), place=owners.place())

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(ResultsLock, "release", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        lock.take()
    monkeypatch.undo()
    (right,) = lock.results.glob(".lock-*")
    right.write_text(right.read_text().replace(f'"process": {os.getpid()}', f'"process": {dead_process()}'))
    other = again(lock)
    other.take()
    assert json.loads(lock.path.read_text())["process"] == os.getpid()
    assert not list(lock.results.glob(".lock-*"))


def test_of_many_that_find_a_dead_lock_one_takes_it(tmp_path):
    """Eight processes at once, some rounds; each holds what it has got until all have tried."""
    text = """
import sys
from rampflow.planning import results_lock
lock = results_lock.ResultsLock(sys.argv[1], "now")
sys.stdin.readline()
try:
    lock.take()
    print("taken", flush=True)
except results_lock.ResultsInUse:
    print("in use", flush=True)
sys.stdin.readline()
"""
    environment = dict(os.environ, PYTHONPATH=str(WORKFLOW))
    for number in range(4):
        results = tmp_path / str(number)
        change(ResultsLock(results, SINCE), process=dead_process(), place=owners.place())
        command = [sys.executable, "-c", text, results]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
        tried = [subprocess.Popen(command, **pipes) for _ in range(8)]
        time.sleep(0.3)
        for process in tried:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in tried]
        for process in tried:
            process.communicate("end\n")
        assert sorted(said) == ["in use"] * 7 + ["taken"]


def test_a_holder_is_dead_only_where_it_can_be_seen():
    own = {"place": owners.place(), "process": os.getpid(), "start": owners.start_of(os.getpid())}
    assert not results_lock.is_dead(own)
    assert results_lock.is_dead(own | {"start": "0"})
    assert not results_lock.is_dead(own | {"place": "x", "start": "0"})
