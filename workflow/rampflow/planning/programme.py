"""Progress of a programme: exposures that are finished, those that failed, and when the rest will be.

For runs whose jobs are portions, or on a cluster: Snakemake says nothing of an exposure there. So the head looks from
time to time whether the records of last jobs have come, and what portions say of failures.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TextIO

from rampflow.planning.progress import Progress, duration
from rampflow.settings.branches import told

#: Seconds between two looks at the records, and at least between two lines where they cannot be written over.
_LOOK, _BETWEEN = 10.0, 60.0
#: Failures that are said when they happen; the end of the run has them all.
_SAID = 20
#: What ends the line of a job that failed.
_FAILURE = "(traceback: "


class ProgrammeProgress(Progress):
    """What is told of a programme while its run goes.

    Parameters
    ----------
    results : str
        Folder of the results.
    to_do : callable
        Returns the exposures in which there is something to do, as far as that is known.
    last : callable
        Called with an exposure; returns the rule of its last job.
    logs : callable
        Returns the logs of portions.
    quiet : bool
        Whether what Snakemake says of jobs that go well is kept from the terminal.
    stream, clock : optional
        As for `Progress`; the clock is compared with times of files (s since 1970).
    """

    def __init__(
        self,
        results: str,
        to_do: Callable[[], Collection[str]],
        last: Callable[[str], str],
        logs: Callable[[], Collection[Path]],
        quiet: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(lambda: len(self._to_do), last, stream, clock)
        self._results, self._asked, self._logs, self._quiet = results, to_do, logs, quiet
        self._to_do: set[str] = set()
        self._made: dict[str, float] = {}
        self._failed: set[str] = set()
        self._read: dict[Path, int] = {}
        self._begin = self._clock()
        self._ended = threading.Event()

    def listen(self, log: logging.Logger) -> None:
        """Begin to look at the records, and keep what is no warning from the terminal if that is wanted."""
        if self._quiet:
            super().listen(log)
        self._begin = self._clock()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self, log: logging.Logger) -> None:
        """Look for the last time, and say what has come of it; the terminal is Snakemake's again."""
        self._ended.set()
        with contextlib.suppress(OSError, RuntimeError, KeyError):
            self.look(last=True)
        super().stop(log)

    def emit(self, record: logging.LogRecord) -> None:
        """Take nothing from Snakemake: of exposures it does not know."""

    @property
    def made(self) -> Collection[str]:
        """Exposures that the run has finished, as far as it has looked."""
        return self._made

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK):
            # The graph, and folders, may change meanwhile; what cannot be told now can be in a while.
            try:
                self.look()
            except (OSError, RuntimeError, KeyError):
                continue

    def look(self, last: bool = False) -> None:
        """Look which exposures are finished and which have failed, and say how far the run is; at the end anyway."""
        self._to_do |= set(self._asked())
        for exposure in self._to_do - self._made.keys():
            try:
                record = f"{self._results}/{exposure}/record/{self._last(exposure)}.json"
                written = os.stat(record).st_mtime
            except OSError:
                continue
            if written >= self._begin:
                self._made[exposure] = written
        for line in self._failures():
            self._line(line)
        self._failed -= self._made.keys()
        done, failed = len(self._made), len(self._failed)
        if not self._to_do or not done + failed:
            return
        text = f"{done} of {len(self._to_do)} exposures done"
        text += f", {failed} failed" if failed else ""
        left = len(self._to_do) - done - failed
        times = sorted(self._made.values())
        if left and done > 1 and not last:
            # From the first on: before it references are asked for, and jobs wait in a queue.
            seconds = (self._clock() - times[0]) / (done - 1) * left
            end = time.strftime("%b %d %H:%M", time.localtime(self._clock() + seconds))
            text += f", about {duration(seconds)} left (until {end})"
        if self._overwrites and not last:
            self._write(f"\r\x1b[K{text}\r")
            self._shown = True
        elif last or self._clock() - self._told >= _BETWEEN:
            self._line(text)

    def _failures(self) -> list[str]:
        """Return what portions have said of jobs that failed since the last look."""
        found: list[str] = []
        names = {told(branch): branch for branch in self._to_do}
        for path in self._logs():
            with open(path, "rb") as file:
                file.seek(self._read.get(path, 0))
                text, _, _ = file.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + (len(text) + 1 if text else 0)
            for line in text.decode(errors="replace").splitlines():
                branch = names.get(line.removeprefix("rampflow: ").partition(": ")[0])
                if _FAILURE in line and branch is not None and branch not in self._failed:
                    self._failed.add(branch)
                    if len(self._failed) <= _SAID:
                        found.append(line.removeprefix("rampflow: "))
        return found
