"""Signals that end a run: Ctrl-C, a closed terminal, a request of the system.

Before anything runs they end the process with one line. Once jobs run, no more are started, those that run come to
their end (an interrupt from a terminal reaches them, too, and ends them), and the run ends in order: its locks are
given back and what it leaves is said. The second signal ends the jobs.
"""

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

_DEFAULT = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


def hold() -> None:
    """Keep signals back until `watch_imports`, in the program that this one becomes, too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _DEFAULT)


def watch_imports() -> None:
    """While Snakemake is imported, which takes a second or more, end the process with one line when a signal comes.

    A signal that is ignored, as the hang-up is under nohup, stays so.
    """
    for number, default in _DEFAULT.items():
        if signal.getsignal(number) == default:
            signal.signal(number, _end_at_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEFAULT)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    # Nothing is to be put in order yet, and whoever imports may catch what is raised.
    _say(_too_early(number))
    os._exit(1)


def _too_early(number: int) -> str:
    return f"interrupted ({signal.Signals(number).name}) before anything has run"


class Interruption:
    """What has been asked of the run by signals.

    Attributes
    ----------
    by : str or None
        Name of the first signal, such as "SIGINT"; None for a run that nobody interrupts.
    """

    def __init__(self) -> None:
        self.by: str | None = None
        self._scheduler: Any = None
        self._local = True
        self._spared: set[int] = set()

    def watch(self) -> None:
        """End the process in order when a signal comes before jobs run; only in the main thread.

        A signal that is ignored, as the hang-up is under nohup, stays so.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number, default in _DEFAULT.items():
            if signal.getsignal(number) in (default, _end_at_once):
                signal.signal(number, self._received)

    def let_end(self, scheduler: Any, local: bool) -> None:
        """From now on let Snakemake come to its end when a signal comes; jobs run.

        Parameters
        ----------
        scheduler : object
            Snakemake's.
        local : bool
            Whether jobs run on this host; those on a cluster are cancelled by Snakemake when it is interrupted.
        """
        self._local = local
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) not in (
            signal.SIG_DFL,
            signal.SIG_IGN,
            None,
        ):
            # Snakemake has put its own handler there, which takes a lock that the interrupted thread may hold.
            signal.signal(signal.SIGTERM, self._received)
        self._scheduler = scheduler

    def spare(self, process: "subprocess.Popen | None") -> None:
        """Leave a process (`~subprocess.Popen` or None) alone when jobs are ended: the server of the warm start."""
        if process is not None:
            self._spared.add(process.pid)

    def end(self) -> None:
        """Take no more signals of the terminal, once all is said of a run that they have ended.

        While the interpreter ends one more would change the exit status.
        """
        if self.by is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _received(self, number: int, _frame: FrameType | None) -> None:
        first, self.by = self.by is None, self.by or signal.Signals(number).name
        if self._scheduler is None:
            raise SystemExit(f"rampflow: {_too_early(number)}")
        if first and number == signal.SIGINT and not self._local:
            raise KeyboardInterrupt
        if first:
            _say(f"interrupted ({self.by}): jobs that run come to their end; once more to end them")
            # Not in this thread, for the sake of the lock.
            threading.Thread(target=self._scheduler.exit_gracefully, daemon=True).start()
        elif self._local:
            threading.Thread(target=self._end_jobs, daemon=True).start()

    def _end_jobs(self) -> None:
        import psutil

        for process in psutil.Process().children(recursive=True):
            if process.pid not in self._spared:
                with contextlib.suppress(psutil.Error):
                    process.terminate()


def _say(text: str) -> None:
    """Write a line from within a signal's handler; the terminal may be gone."""
    with contextlib.suppress(OSError):
        os.write(2, f"rampflow: {text}\n".encode())
