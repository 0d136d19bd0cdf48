"""What jobs import, imported ahead of them by the server of the warm start, and the kernels that they call."""

import contextlib
import importlib
import os
import pkgutil
import sys


def preload(names=None):
    """Import all that jobs import: a generator of one module after the other.

    Parameters
    ----------
    names : list of str, optional
        The steps, in the order in which their jobs will come; by default all that there are.

    Yields
    ------
    str
        What was imported. The first job of a run, which asks CRDS, imports that itself: no other job needs it.
    """
    from rampflow import drivers

    # What takes longest, numba, is imported while CRDS is asked.
    for name in ("rampflow.io._byte_runs", "rampflow.jobs.step", "snakemake.iocontainers", "snakemake.logging"):
        yield importlib.import_module(name).__name__
    from rampflow.jobs import provenance

    provenance.versions()
    if names is None:
        names = [module.name for module in pkgutil.iter_modules(drivers.__path__) if not module.name.startswith("_")]
    for name in names:
        for room in ("steps", "drivers"):
            # A step that cannot be imported fails in its own job, where there is a log and an exposure's name.
            with contextlib.suppress(Exception):
                yield importlib.import_module(f"rampflow.{room}.{name}").__name__


class Imports:
    """What the server has to do before it only waits: import what jobs import, and see to their kernels.

    First all modules, whose kernels then wait; where some of them are missing on disk, several processes compile them
    while the server goes on; at last all are read from disk.

    Parameters
    ----------
    steps : list of str
        In the order in which their jobs will come; none: all.
    cores : int
        Processes that may compile at once.
    """

    def __init__(self, steps, cores):
        self._steps, self._cores = list(steps), cores
        self._known = self._ended = False
        self._ready = set()

    def __iter__(self):
        """Do one thing after the other.

        Yields
        ------
        str or int
            What was imported or read; or the number of a file that can be read when there is something to do again.
        """
        try:
            yield from self._do()
        except (MemoryError, ImportError, OSError) as error:
            # Jobs import it themselves, and fail where there is a log, or have more memory.
            print(f"rampflow: the warm start cannot import what jobs need ({error or 'no memory'})", file=sys.stderr)
        finally:
            self._ended = True

    def _do(self):
        from rampflow.kernels import waiting

        waiting.postpone()
        yield waiting.__name__
        yield from preload(self._steps or None)
        from rampflow.warmstart import compiling

        if compiling.missing(waiting.waiting()):
            reader, process = self._compile(waiting.waiting())
            self._known = True
            yield reader
            while os.read(reader, 4096):
                yield reader
            os.close(reader)
            os.waitpid(process, 0)
        self._ended = True
        for kernel in waiting.waiting():
            with contextlib.suppress(Exception):
                # One that cannot be compiled is the concern of the job that calls it.
                waiting.finish(kernel)
            yield kernel.py_func.__name__

    def _compile(self, kernels):
        """Have a process see to it that kernels are compiled; return it, and what it writes to for each of them."""
        from rampflow.warmstart import compiling

        reader, writer = os.pipe2(os.O_CLOEXEC)
        process = os.fork()
        if process:
            os.close(writer)
            return reader, process
        status = 1
        try:
            compiling.become_worker()
            # What callers have sent is theirs and the server's.
            os.closerange(3, writer)
            os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
            compiling.compile_missing(kernels, self._cores, lambda: os.write(writer, b"."))
            status = 0
        finally:
            os._exit(status)

    def ready(self, script):
        """Whether a script's kernels are on disk, or none of ours: its job need not wait."""
        if self._ended or script in self._ready or (self._steps and script not in self._steps):
            return True
        if not self._known:
            return not self._steps
        from rampflow.warmstart import compiling

        if not compiling.missing(compiling.kernels_of(script)):
            self._ready.add(script)
        return script in self._ready
