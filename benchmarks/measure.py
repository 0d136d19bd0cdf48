"""Time and memory of a process with all its descendants, on Linux.

Wall time from start to end of the process. Memory in two ways: the sum over the whole tree of processes of
what each really uses (PSS: pages shared by n processes count as 1/n to each), sampled; and the largest
resident size that any single process of the tree has reached, from the kernel's own account.
"""

import ctypes
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
#: Seconds between samples of the tree's memory, and how many times longer than a sample takes: looking at a
#: large process keeps it from growing meanwhile, and must not slow down what is measured.
INTERVAL, REST = 0.1, 30


@dataclass
class Measurement:
    """What a command took.

    Attributes
    ----------
    wall_s, cpu_s : float
        Wall time; user and system time of the tree.
    peak_tree_mb, peak_process_mb : float
        Largest sampled sum of PSS over the tree; largest resident size of one process.
    """

    wall_s: float
    cpu_s: float
    peak_tree_mb: float
    peak_process_mb: float


def measure(commands, *, cwd=None, env=None, log=None, settle=None):
    """Run commands side by side and measure them as one.

    Parameters
    ----------
    commands : list of list of str
        They start together; the measurement ends with the last one.
    cwd, env : optional
        As for `subprocess.Popen`.
    log : path-like, optional
        For what the commands print.
    settle : callable, optional
        Is called after the last command: waits for what this process has started before, and the commands have put to
        work. Its processor time is in the account, too.

    Returns
    -------
    Measurement

    Raises
    ------
    SystemExit
        A command fails; the message ends with the last lines of the log.
    """
    # Orphans of the tree come back to this process and stay in the account.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stop, peaks = threading.Event(), {"tree": 0.0, "process": 0.0}
    before = os.times()
    with open(log or os.devnull, "w") as stream:
        start = time.perf_counter()
        started = [
            subprocess.Popen(each, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
            for each in commands
        ]
        sampler = threading.Thread(target=_sample, args=(os.getpid(), stop, peaks))
        sampler.start()
        try:
            statuses = [process.wait() for process in started]
            wall = time.perf_counter() - start
            if settle is not None:
                settle()
        finally:
            stop.set()
            sampler.join()
            for process in started:
                if process.poll() is None:
                    process.kill()
    _reap()
    if any(statuses):
        tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-20:]) if log else ""
        raise SystemExit(f"{' '.join(commands[0])}\nended with status {max(statuses, key=abs)}\n{tail}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measurement(wall, cpu, peaks["tree"], peaks["process"])


def _sample(root, stop, peaks):
    took = 0.0
    while not stop.wait(max(INTERVAL, REST * took)):
        total, start = 0.0, time.perf_counter()
        for pid in _descendants(root):
            pss, high = _memory(pid)
            total += pss
            peaks["process"] = max(peaks["process"], high)
        peaks["tree"] = max(peaks["tree"], total)
        took = time.perf_counter() - start


def _descendants(root):
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The parent's id is the second field after the name, which is in parentheses.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], list(children.get(root, ()))
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, ())
    return found


def _memory(pid):
    """PSS and highest resident size of a process, in MB; 0 for one that has just ended."""
    try:
        pss = _field(f"/proc/{pid}/smaps_rollup", "Pss:")
        return pss / 1024, _field(f"/proc/{pid}/status", "VmHWM:") / 1024
    except (OSError, ValueError):
        return 0.0, 0.0


def _field(path, name):
    with open(path) as stream:
        for line in stream:
            if line.startswith(name):
                return float(line.split()[1])
    return 0.0


def _reap():
    """Collect orphans that have ended, so that their time is in the account."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
