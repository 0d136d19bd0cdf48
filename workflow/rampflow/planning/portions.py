"""Portions of a programme: each is an ordinary local run of some exposures, in one job of a cluster.

The run on the head asks CRDS, has the lock of the results and their run file, and says at the end what is not finished.
A portion works on its exposures alone. It locks them one by one: a portion that an earlier run has left on the cluster
may be at one of them still, and where it has come to is not done again.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rampflow import places
from rampflow.planning import cluster
from rampflow.planning.results_lock import NAME, ResultsInUse, ResultsLock
from rampflow.planning.terminal import tell

#: The exposures of a portion, for the run on the node.
EXPOSURES = "RAMPFLOW_PORTION"
#: The run on the head, by the name that its lock has; jobs of a cluster inherit it.
HEAD = "RAMPFLOW_HEAD"
#: Seconds between two looks at an exposure that another portion works on.
_PATIENCE = 5


def asked_for() -> list[str] | None:
    """Return the exposures of the portion that this process is to work on; None in every other run."""
    found = os.environ.pop(EXPOSURES, None)
    return None if found is None else found.split()


def run(exposures: Collection[str], cores: int, memory: int, config: Mapping[str, Any], log: str) -> int:
    """Run the workflow on a portion, and return its exit status.

    Parameters
    ----------
    exposures : collection of str
        Names of its exposures.
    cores : int
        Cores of the job.
    memory : int
        Memory of the job (MB).
    config : mapping
        The configuration of the whole run.
    log : str
        File for what the run says.
    """
    environment = os.environ | {EXPOSURES: " ".join(exposures)}
    # A profile of the user's is for the head.
    environment.pop("SNAKEMAKE_PROFILE", None)
    with tempfile.TemporaryDirectory(prefix="rampflow-") as folder, open(log, "ab") as said:
        configuration = Path(folder, "config.json")
        configuration.write_text(json.dumps(config))
        command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(places.SNAKEFILE)]
        command += ["--configfile", str(configuration), "--executor", "local", "--cores", str(cores)]
        command += ["--resources", f"mem_mb={memory}", "--scheduler", "greedy", "--nocolor"]
        # The head has locked the folder.
        command += ["--nolock", "--keep-going", "--rerun-incomplete"]
        return subprocess.run(command, env=environment, stdout=said, stderr=subprocess.STDOUT, check=False).returncode


def lock_of(results: str | Path, exposure: str, since: str) -> ResultsLock:
    """Return the lock of an exposure."""
    lock = ResultsLock(results, since)
    lock.path = Path(results, exposure, NAME)
    return lock


def in_use(results: str | Path, exposures: Collection[str]) -> str | None:
    """Say which exposure a portion of an earlier run works on still; None where there is none."""
    for exposure in exposures:
        lock = lock_of(results, exposure, "")
        with contextlib.suppress(OSError):
            if (holder := lock.holder()) is not None:
                job = holder.get("batch") or "?"
                return (
                    f"{exposure}: job {job} of the cluster works on it, which an earlier run has left; "
                    f"wait for its end, or end it (scancel {job})"
                )
    return None


class Portion:
    """A portion, as the run that works on it sees it.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    exposures : collection of str
        Names of its exposures.
    since : str
        When this run was started.
    """

    def __init__(self, results: str | Path, exposures: Collection[str], since: str) -> None:
        self._results, self.exposures = Path(results), exposures
        self._locks = [lock_of(results, exposure, since) for exposure in exposures]

    def begin(self) -> None:
        """Lock the exposures; wait for portions that are at one of them.

        Raises
        ------
        ResultsInUse
            The run on the head has ended, or it is another one by now.
        """
        head = os.environ.get(HEAD)
        for lock in self._locks:
            waiting = False
            while True:
                if head is not None and ResultsLock(self._results, "").name() != head:
                    raise ResultsInUse(
                        f"{self._results}: the run that has asked for this job has ended; nothing is done for it"
                    )
                try:
                    lock.take()
                    break
                except ResultsInUse as problem:
                    if not waiting:
                        tell([f"{problem}; this job waits"])
                    waiting = True
                    time.sleep(_PATIENCE)

    def end(self) -> None:
        """Give the exposures back."""
        for lock in self._locks:
            lock.release()


def divided(exposures: Collection[str], links: Mapping[str, str], count: int) -> dict[str, list[str]]:
    """Return the portions of a run by their names."""
    return {f"{number:04}": one for number, one in enumerate(cluster.divide(exposures, links, count), start=1)}
