"""One run at a time on a folder of results, wherever the runs were started.

Snakemake locks the folder in which it runs; two runs in two folders may still write the same products. So a run keeps a
file among its results, ``.lock``, which says who it is. A lock whose run has ended is taken over; on another host that
cannot be seen, and the user is told what to do.
"""

import contextlib
import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rampflow.io import owners
from rampflow.io.shared_files import replace
from rampflow.planning import cluster

NAME = ".lock"
#: Seconds for which a lock may be empty: its run writes it just now.
_WRITING = 10


class ResultsInUse(Exception):
    """Another run works on the results; the message is one line for the user."""


class ResultsLock:
    """The right to write results.

    Parameters
    ----------
    results : path-like
        Folder of the results; made when the lock is taken.
    since : str
        When the run was started; its record has this name.
    """

    def __init__(self, results: str | Path, since: str) -> None:
        self.results, self.since = results, since
        self.path = Path(results, NAME)
        self._own: str | None = None

    def take(self) -> Mapping[str, Any] | None:
        """Take the lock; nothing happens where this process has it already.

        Returns
        -------
        dict or None
            What the lock of a run that has ended said of it, where there was one.

        Raises
        ------
        ResultsInUse
            Another run has it, or may have it.
        OSError
            It cannot be written.
        """
        if self._own is not None:
            return None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + _WRITING
        while not self._create():
            holder, content = self._read()
            if holder is None or content is None:
                continue
            if not is_dead(holder):
                raise ResultsInUse(f"{self.results}: {_who(holder, self.path)}")
            try:
                if self._succeed(content):
                    return holder
            except ResultsInUse:
                # Another run is at it, and will have the lock in a moment.
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        return None

    def release(self) -> None:
        """Give the lock back, if this process has it; a lock that is another's by now stays."""
        own, self._own = self._own, None
        with contextlib.suppress(OSError):
            if own is not None and self.path.read_text() == own:
                self.path.unlink()

    def dead_holder(self) -> Mapping[str, Any] | None:
        """Return what the lock says, if the run that took it has ended on this host; else None."""
        try:
            holder, _ = self._read()
        except OSError:
            return None
        return holder if holder and is_dead(holder) else None

    def holder(self) -> Mapping[str, Any] | None:
        """Return what the lock says, if the run that took it may be at work; None where nobody has it."""
        holder, _ = self._read()
        return None if holder is None or is_dead(holder) else holder

    def name(self) -> str | None:
        """Return what the run that has the lock is called, like no other; None where nobody has it."""
        holder, _ = self._read()
        return (holder or {}).get("name")

    def _create(self) -> bool:
        """Write the lock unless there is one: it appears complete, for two hosts that try at once likewise."""
        content = _content(self.since)
        temporary = owners.temporary(self.path)
        try:
            with open(temporary, "x") as file:
                file.write(content)
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                pass
            except OSError:
                # A file system without links: others may see the file before it is complete.
                with contextlib.suppress(FileExistsError), open(self.path, "x") as file:
                    file.write(content)
                    self._own = content
                return self._own is not None
            # Over a network the answer to a link that was made can be lost; the number of links is not.
            if os.stat(temporary).st_nlink == 2:
                self._own = content
            return self._own is not None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _read(self) -> tuple[Mapping[str, Any] | None, str | None]:
        """Read the lock: what it says, and all of its text; None where it is gone."""
        try:
            age = time.time() - self.path.stat().st_mtime
            content = self.path.read_text(errors="replace")
        except FileNotFoundError:
            return None, None
        with contextlib.suppress(ValueError):
            holder = json.loads(content)
            if isinstance(holder, dict) and isinstance(holder.get("process"), int):
                return holder, content
        if age < _WRITING:
            time.sleep(0.1)
            return None, None
        return {}, content

    def _succeed(self, content: str) -> bool:
        """Put this run's lock in the place of the dead one that was read; whether that was there still.

        Removing the dead lock first would leave a moment in which the next run's new one is taken for it. So each dead
        lock has a lock of its own, named by what it says, and only who holds that may replace it.
        """
        digest = hashlib.sha256(content.encode(errors="replace")).hexdigest()[:16]
        right = ResultsLock(self.results, self.since)
        right.path = self.path.with_name(f"{NAME}-{digest}")
        right.take()
        try:
            if self._read()[1] != content:
                return False
            own = _content(self.since)
            replace(self.path, own)
            self._own = own
            return True
        finally:
            right.release()


def _content(since: str) -> str:
    return json.dumps(_description(since), indent=1) + "\n"


def _description(since: str) -> dict[str, Any]:
    process = os.getpid()
    return {
        "host": os.uname().nodename,
        "process": process,
        "name": owners.mark(),
        "place": owners.place(),
        "machine": _machine(),
        "batch": cluster.batch_job(),
        "boot": owners.boot(),
        "start": owners.start_of(process),
        "since": since,
        "folder": os.getcwd(),
        "command": shlex.join(sys.argv),
    }


def _machine() -> str | None:
    """Return what this machine is called since it was installed; None where it has no such name."""
    with contextlib.suppress(OSError):
        return hashlib.sha256(Path("/etc/machine-id").read_bytes()).hexdigest()[:16]
    return None


def is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether the run that a lock names has ended; False, too, where that cannot be seen from here."""
    if holder.get("place") != owners.place():
        if holder.get("batch") and cluster.has_ended(holder["batch"]):
            return True
        # What ran before this machine was started has ended; names alone are given to many machines.
        own = (os.uname().nodename, _machine())
        same = None not in own and (holder.get("host"), holder.get("machine")) == own
        return same and bool(holder.get("boot")) and holder["boot"] != owners.boot()
    start = owners.start_of(holder["process"])
    return start is None or start != holder.get("start")


def _who(holder: Mapping[str, Any], path: Path) -> str:
    """Say in a line who has a lock, and what to do."""
    if not holder:
        return f"{path} is not a lock that a run has written; see that nothing works on these results, and remove it"
    here = holder.get("place") == owners.place()
    host, process, since, folder = (holder.get(key, "?") for key in ("host", "process", "since", "folder"))
    text = f"another run works on these results (host {host}, process {process}, since {since}, in {folder}); "
    if here:
        return text + f"wait for its end or end it (kill {process}), or give this run a results folder of its own"
    return text + f"wait for its end, or see on {host} that it has ended and remove {path}"
