"""Progress on the terminal: a line for each exposure, and variant, that is finished, and how far the others are.

Snakemake tells its log what happens, job by job; this listens, and keeps what it would write about jobs that go well
from the terminal. Its file below `.snakemake/log` has all of it, and warnings and errors stay on the terminal.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any, TextIO

from rampflow.planning.terminal import tell
from rampflow.settings.branches import told

#: Seconds between two lines about exposures on the way, where they cannot be written over.
_BETWEEN = 60.0
#: Characters of a line that is written over, and exposures that it names.
_WIDTH, _NAMED = 100, 3
_CLEAR = "\r\x1b[K"


def duration(seconds: float) -> str:
    """Say a time in words."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


class Progress(logging.Handler):
    """What is told of a run while it goes.

    Parameters
    ----------
    exposures : callable
        Returns how many exposures have jobs in this run, variants of them counted each; called when their number of
        jobs is another.
    last : callable
        Called with an exposure, or the branch of a variant of it; returns the rule of its last job.
    stream : file, optional
        The terminal, or what stands for it; by default standard error.
    clock : callable, optional
        Returns the time (s).
    """

    def __init__(
        self,
        exposures: Callable[[], int],
        last: Callable[[str], str],
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(logging.INFO)
        self._count, self._last, self._clock = exposures, last, clock
        self._stream = stream if stream is not None else sys.stderr
        self._overwrites = self._stream.isatty()
        self._running: dict[Any, tuple[str, str | None]] = {}
        self._begun: dict[str, float] = {}
        self._jobs: defaultdict[str, int] = defaultdict(int)
        self._finished = self._exposures = self._done = self._total = 0
        # The first jobs ask for references and wait for kernels: they say little about the others.
        self._pace: tuple[float, int] | None = None
        self._told = self._clock()
        self._shown, self._noun = False, "exposures"
        self._quietened: list[tuple[logging.Handler, Callable[[logging.LogRecord], bool]]] = []

    # --- the log of Snakemake ---------------------------------------------------------------------------

    def listen(self, log: logging.Logger) -> None:
        """Listen to the log, and keep what is no warning from the terminal.

        Parameters
        ----------
        log : `logging.Logger`
            That of Snakemake.
        """
        for handler in log.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.addFilter(self._passes)
                self._quietened.append((handler, self._passes))
        log.addHandler(self)

    def stop(self, log: logging.Logger) -> None:
        """Listen no more; the terminal is Snakemake's again."""
        log.removeHandler(self)
        for handler, passes in self._quietened:
            handler.removeFilter(passes)
        self._quietened = []
        self._clear()

    @property
    def made(self) -> Collection[str]:
        """Exposures that are known to be complete, where there may be thousands."""
        return ()

    def _passes(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake writes a record to the terminal, whose last line is then free for it."""
        passes = record.levelno >= logging.WARNING
        if passes:
            self._clear()
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        """Take what has happened; never an error of the run."""
        try:
            event = str(getattr(record, "event", None) or "")
            if event == "job_info":
                wildcards = dict(getattr(record, "wildcards", None) or {})
                exposure = wildcards.get("exposure")
                if variant := wildcards.get("variant"):
                    exposure, self._noun = f"{exposure}{variant}", "exposures and variants"
                self._running[record.jobid] = record.rule_name, exposure  # type: ignore[attr-defined]
                if exposure is not None:
                    self._begun.setdefault(exposure, self._clock())
                self._show(self._done, self._total)
            elif event == "job_finished":
                self._end(record.job_id)  # type: ignore[attr-defined]
            elif event == "job_error":
                self._running.pop(record.jobid, None)  # type: ignore[attr-defined]
            elif event == "progress":
                self._show(record.done, record.total)  # type: ignore[attr-defined]
        except Exception:  # what cannot be told is no reason to end a run
            self.handleError(record)

    # --- what is told -------------------------------------------------------------------------------------

    def _end(self, job: Any) -> None:
        rule, exposure = self._running.pop(job, ("", None))
        if exposure is None:
            return
        self._jobs[exposure] += 1
        if rule == self._last(exposure):
            self._finished += 1
            took = duration(self._clock() - self._begun[exposure])
            of = max(self._exposures, self._finished)
            jobs = self._jobs[exposure]
            self._line(f"{told(exposure)}: done in {took}, {jobs} jobs ({self._finished} of {of} {self._noun})")

    def _show(self, done: int, total: int) -> None:
        """Say how far the run is; `total` grows when it is known what CRDS has answered."""
        now = self._clock()
        if total != self._total:
            self._total, self._exposures = total, self._count()
        self._done = done
        if not done:
            return
        if self._pace is None:
            self._pace = now, done
        began, first = self._pace
        text = f"{done} of {total} jobs, {self._finished} of {self._exposures} {self._noun}"
        if done - first >= 3 and done < total:
            text += f", about {duration((now - began) / (done - first) * (total - done))} left"
        working = [f"{told(exposure)} {rule}" for rule, exposure in self._running.values() if exposure is not None]
        if working:
            more = f" and {len(working) - _NAMED} more" if len(working) > _NAMED else ""
            text += f"; {', '.join(working[:_NAMED])}{more}"
        if self._overwrites:
            text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
            # The cursor waits at the beginning: what others write goes over this.
            self._write(f"{_CLEAR}{text}\r")
            self._shown = True
        elif now - self._told >= _BETWEEN:
            self._line(text)

    def _line(self, text: str) -> None:
        self._clear()
        tell([text], self._stream)
        self._told = self._clock()

    def _clear(self) -> None:
        if self._shown:
            self._write(_CLEAR)
            self._shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # the terminal is gone
            self._overwrites = False
