"""What the server of the warm start does before it only waits: import what jobs import, and see to their kernels."""

import contextlib
import os
import sys

from rampflow.warmstart import child
from rampflow.warmstart.preload import preload


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
        # Imports numba, which takes half a second: not before there is a socket.
        self._compiling = None

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
        from rampflow.warmstart import compiling

        self._compiling = compiling
        waiting.postpone()
        yield waiting.__name__
        yield from preload(self._steps or None)
        if self._compiling.missing(waiting.waiting()):
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
        reader, writer = os.pipe2(os.O_CLOEXEC)
        parent, process = os.getpid(), os.fork()
        if process:
            os.close(writer)
            return reader, process
        status = 1
        try:
            child.begin(parent)
            # What callers have sent is theirs and the server's.
            os.closerange(3, writer)
            os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
            self._compiling.compile_missing(kernels, self._cores, lambda: os.write(writer, b"."))
            status = 0
        finally:
            os._exit(status)

    def ready(self, script):
        """Whether a script's kernels are on disk, or none of ours: its job need not wait."""
        if self._ended or script in self._ready or (self._steps and script not in self._steps):
            return True
        if not self._known:
            return not self._steps
        if not self._compiling.missing(self._compiling.kernels_of(script)):
            self._ready.add(script)
        return script in self._ready
