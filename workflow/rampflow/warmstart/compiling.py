"""Compile kernels in several processes, and say on the terminal how far that is: ``rampflow compile``.

A run compiles what its steps need while CRDS is asked (`rampflow.warmstart.preload`); the command does it beforehand,
for the image of a container or the nodes of a cluster.
"""

import argparse
import importlib
import os
import pkgutil
import select
import socket
import sys
import time
from dataclasses import dataclass

from rampflow.kernels import modules_under, waiting
from rampflow.warmstart import child
from rampflow.warmstart.preload import preload

#: Processes beyond which kernels wait for those that they call and none is faster.
MOST = 8
#: Seconds between two lines where they cannot be written over.
_BETWEEN = 15.0
_CLEAR = "\r\x1b[K"


def kernels_of(step):
    """Return the kernels that a step's job may call: those of all modules that its driver builds on."""
    names = ("rampflow.io._byte_runs", "rampflow.jobs.step", f"rampflow.drivers.{step}", f"rampflow.steps.{step}")
    return waiting.declared(set().union(*(modules_under(name) for name in names if name in sys.modules)))


class Line:
    """What is said while kernels are compiled.

    Parameters
    ----------
    total : int
        Kernels to compile.
    place : str
        Where they are kept.
    processes : int
        How many compile.
    """

    def __init__(self, total, place, processes):
        self._total, self._done = total, 0
        self._began = self._told = time.monotonic()
        self._overwrites = sys.stderr.isatty()
        by = "1 process" if processes == 1 else f"{processes} processes"
        self._say(f"compiling {total} kernels, once, in {by}; kept for later runs in {place}", end="\n")

    def _say(self, text, end):
        try:
            print(f"{_CLEAR if self._overwrites else ''}rampflow: {text}", end=end, file=sys.stderr, flush=True)
        except OSError:  # the terminal is gone
            self._overwrites = False

    def step(self, name):
        """Say that one more is done."""
        self._done += 1
        now = time.monotonic()
        took = now - self._began
        if self._done == self._total:
            self._say(f"{self._total} kernels compiled in {took:.0f} s", end="\n")
        elif self._overwrites:
            bar = "#" * (20 * self._done // self._total)
            # The cursor waits at the beginning: what others write goes over this.
            self._say(f"compiling kernels [{bar:20}] {self._done} of {self._total}, {took:.0f} s; {name}"[:100], "\r")
        elif now - self._told >= _BETWEEN:
            self._told = now
            self._say(f"compiling kernels: {self._done} of {self._total}, {took:.0f} s", end="\n")


@dataclass
class Worker:
    """A process that compiles, one kernel after the other: what it is told, and what it compiles now."""

    process: int
    channel: socket.socket
    kernel: int | None = None


def compile_all(kernels, processes, done):
    """Compile kernels that are missing on disk, in several processes; this one only waits for them.

    A kernel waits for those that it calls. Of those that can be done the one comes first whose callers, and theirs,
    take longest.

    Parameters
    ----------
    kernels : list of numba dispatcher
        Declared in this process, which has no threads.
    processes : int
        Of this computer's, at most.
    done : callable
        Called with the name of each that is done.

    Returns
    -------
    list of str
        Names of those that could not be compiled.
    """
    numbers = {kernel: number for number, kernel in enumerate(kernels)}
    needs = [{numbers[each] for each in waiting.callees(kernel) if each in numbers} for kernel in kernels]
    urgency = _urgency(needs, [waiting.weight(kernel) for kernel in kernels])
    left, failed = set(range(len(kernels))), []
    workers = []
    for _ in range(min(processes, MOST, len(kernels))):
        workers.append(_fork(kernels, workers))
    while left or any(worker.kernel is not None for worker in workers):
        busy = {worker.kernel for worker in workers if worker.kernel is not None}
        for worker in workers:
            ready = [number for number in left if not needs[number] & (left | busy)]
            if worker.kernel is None and ready:
                worker.kernel = max(ready, key=lambda number: (urgency[number], number))
                left.discard(worker.kernel)
                busy.add(worker.kernel)
                worker.channel.sendall(worker.kernel.to_bytes(4, "big"))
        by_channel = {worker.channel: worker for worker in workers if worker.kernel is not None}
        for channel in select.select(list(by_channel), [], [])[0]:
            worker, answer = by_channel[channel], channel.recv(1)
            name = kernels[worker.kernel].py_func.__qualname__
            if answer != b"1":
                failed.append(name)
            done(name)
            worker.kernel = None
            if not answer:
                # It was killed, for want of memory perhaps; the others go on.
                workers.remove(worker)
                os.waitpid(worker.process, 0)
        if not workers:
            failed += [kernels[number].py_func.__qualname__ for number in left]
            break
    for worker in workers:
        worker.channel.close()
        os.waitpid(worker.process, 0)
    return failed


def _urgency(needs, weights):
    """Add to the weight of each kernel that of the heaviest chain of callers above it."""
    callers = [[caller for caller, called in enumerate(needs) if number in called] for number in range(len(needs))]
    found = {}

    def urgency(number):
        if number not in found:
            found[number] = weights[number]
            found[number] += max((urgency(caller) for caller in callers[number] if caller != number), default=0)
        return found[number]

    return [urgency(number) for number in range(len(needs))]


def _fork(kernels, others):
    """Make a process that compiles the kernels whose numbers it is sent."""
    ours, theirs = socket.socketpair()
    parent, process = os.getpid(), os.fork()
    if process:
        theirs.close()
        return Worker(process, ours)
    status = 1
    try:
        child.begin(parent)
        for channel in (ours, *(other.channel for other in others)):
            # A process ends when nobody can send it anything any more.
            channel.close()
        while number := theirs.recv(4):
            try:
                waiting.finish(kernels[int.from_bytes(number, "big")])
                theirs.sendall(b"1")
            except Exception:
                # Whoever needs it has the error where there is a log.
                theirs.sendall(b"0")
        status = 0
    finally:
        os._exit(status)


def missing(kernels):
    """Return those that are not on disk."""
    return [kernel for kernel in kernels if not waiting.is_kept(kernel)]


def place_of(kernel):
    """Return the folder where the kernels of a package are kept, as far as one can say it in a word."""
    folder = kernel._cache._cache_file.folder
    return folder if folder.name == "__pycache__" else folder.parent


def compile_missing(kernels, processes, done=lambda: None):
    """Compile what is missing of some kernels, and say so; return the names of those that could not be compiled.

    Parameters
    ----------
    kernels, processes
        As for `compile_all`.
    done : callable, optional
        Called when one more is done.
    """
    todo = missing(kernels)
    if not todo:
        return []
    # What each process would do for itself at its first kernel.
    todo[0].targetctx.refresh()
    todo[0].typingctx.refresh()
    line = Line(len(todo), place_of(todo[0]), min(processes, MOST, len(todo)))

    def step(name):
        line.step(name)
        done()

    return compile_all(todo, processes, step)


def import_all():
    """Import every module that may have kernels, those that few runs need, too."""
    import rampflow

    for room in ("io", "counting", "steps", "jobs", "drivers"):
        package = importlib.import_module(f"rampflow.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{rampflow.__name__}.{room}."):
            importlib.import_module(module.name)


def main(arguments=None):
    """Compile kernels before any run needs them; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="rampflow compile",
        description="Compile the kernels of all steps and keep them, so that no run has to: for images and clusters. "
        "They are kept beside the code, or in the folder NUMBA_CACHE_DIR; with NUMBA_CPU_NAME=generic they are those "
        "of any processor, if runs have that set, too.",
    )
    parser.add_argument("--all", action="store_true", help="those that few runs need, too: LIKELY, showers")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: cores)")
    options = parser.parse_args(arguments)
    waiting.postpone()
    try:
        if options.all:
            import_all()
        else:
            list(preload())
    except RuntimeError as error:
        if "no locator" not in str(error):
            raise
        print(
            "rampflow: compiled kernels can be kept neither beside the code nor in the user's cache folder; name a "
            "folder that can be written: NUMBA_CACHE_DIR=... rampflow compile",
            file=sys.stderr,
        )
        return 1
    kernels = waiting.declared()
    failed = compile_missing(kernels, max(1, options.cores))
    if failed:
        print(f"rampflow: could not be compiled: {', '.join(failed)}", file=sys.stderr)
        return 1
    print(f"rampflow: all {len(kernels)} kernels are compiled, for {processor()}, in {place_of(kernels[0])}")
    return 0


def processor():
    """Name the kind of processor that kernels are compiled for."""
    name = waiting.declared()[0].targetctx.codegen().magic_tuple()[1]
    return f"{name} processors" if os.environ.get("NUMBA_CPU_NAME") else f"processors as this one ({name})"
