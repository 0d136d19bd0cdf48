"""Portions of a programme: each is an ordinary local run of some exposures, in one job of a cluster.

A local run of thousands is divided, too: Snakemake holds all that it knows of every job, from the beginning to the end.
Its portions are done one after the other.

The run on the head asks CRDS, has the lock of the results and their run file, and says at the end what is not finished.
A portion works on its exposures alone. It locks them one by one: a portion that an earlier run has left on the cluster
may be at one of them still, and where it has come to is not done again.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rampflow import places
from rampflow.planning import cluster
from rampflow.planning.demand import Demand
from rampflow.planning.results_lock import NAME, ResultsInUse, ResultsLock
from rampflow.planning.terminal import tell

#: A file with the exposures of a portion, for the run on the node.
EXPOSURES = "RAMPFLOW_PORTION"
#: The run on the head, by the name that its lock has; jobs of a cluster inherit it.
HEAD = "RAMPFLOW_HEAD"
#: Seconds between two looks at an exposure that another portion works on.
_PATIENCE = 5


def asked_for() -> list[str] | None:
    """Return the exposures of the portion that this process is to work on; None in every other run."""
    found = os.environ.pop(EXPOSURES, None)
    return None if found is None else json.loads(Path(found).read_text())


def names_jobs(workflow: Any) -> bool:
    """Whether a run is told which jobs to do, or to do anew: what is asked for by name is found in one graph."""
    asked = workflow.dag_settings
    named = (asked.forcerun, asked.until, asked.omit_from, asked.batch, asked.forceall, asked.forcetargets)
    return any(named) or not set(asked.targets) <= {"all"}


def inherited(workflow: Any, on_cluster: bool) -> list[str]:
    """Return what Snakemake is told of a portion because the run that it is of was told it.

    Parameters
    ----------
    workflow : object
        Snakemake's.
    on_cluster : bool
        Whether the portion is a job of a cluster: what all jobs of the run may use together is then not its limit.
    """
    deployment = workflow.deployment_settings
    arguments = []
    if deployment.deployment_method:
        arguments += ["--software-deployment-method", *sorted(str(method) for method in deployment.deployment_method)]
    for option in ("conda_prefix", "conda_base_path", "apptainer_prefix", "apptainer_args"):
        if value := getattr(deployment, option, None):
            arguments.append(f"--{option.replace('_', '-')}={value}")
    if workflow.storage_settings.notemp:
        arguments.append("--notemp")
    given = workflow.global_resources.items()
    # Snakemake keeps its cores among them.
    limits = [f"{name}={resource.value}" for name, resource in given if not name.startswith("_")]
    if limits and not on_cluster:
        arguments += ["--resources", *limits]
    return arguments


def run(
    exposures: Collection[str], cores: int, arguments: Sequence[str], config: Mapping[str, Any], log: str | Path
) -> int:
    """Run the workflow on a portion, and return its exit status.

    A signal that ends this process is handed on, and the end of the run waited for: it ends in order.

    Parameters
    ----------
    exposures : collection of str
        Names of its exposures.
    cores : int
        Cores of the job.
    arguments : sequence of str
        What Snakemake is told besides (`inherited`).
    config : mapping
        The configuration of the whole run.
    log : path-like
        File for what the run says.
    """
    with tempfile.TemporaryDirectory(prefix="rampflow-") as folder, open(log, "ab") as said:
        configuration, names = Path(folder, "config.json"), Path(folder, "exposures.json")
        configuration.write_text(json.dumps(config))
        names.write_text(json.dumps([*exposures]))
        environment = os.environ | {EXPOSURES: str(names)}
        # A profile of the user's is for the head.
        environment.pop("SNAKEMAKE_PROFILE", None)
        command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(places.SNAKEFILE)]
        command += ["--configfile", str(configuration), "--executor", "local", "--cores", str(cores)]
        command += ["--scheduler", "greedy", "--nocolor"]
        # The head has locked the folder.
        command += ["--nolock", "--keep-going", "--rerun-incomplete", *arguments]
        # What is typed at the terminal reaches it once, from here.
        process = subprocess.Popen(
            command, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        _watch(os.getpid(), process.pid)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _: process.send_signal(number))
        return process.wait()


def _watch(this: int, run: int) -> None:
    """Have a run end in order when this process, which waits for it, is killed."""
    program = (
        "import os, select, signal, sys; this, run = map(os.pidfd_open, map(int, sys.argv[1:]))\n"
        "ended = select.poll(); ended.register(this); ended.register(run)\n"
        "if run not in [one for one, _ in ended.poll()]: signal.pidfd_send_signal(run, signal.SIGTERM)"
    )
    if hasattr(os, "pidfd_open"):
        subprocess.Popen([sys.executable, "-S", "-c", program, str(this), str(run)], start_new_session=True)


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


class Division:
    """How a run is divided into portions.

    Parameters
    ----------
    demand : `~rampflow.planning.demand.Demand`
        What is asked for, of which exposures.
    size : int
        How many exposures a portion has at most, but for those that hand on persistence; 0: it is not divided.
    """

    def __init__(self, demand: Demand, size: int) -> None:
        self._demand, self.size = demand, size
        self._seen: object = None
        self._portions: dict[str, list[str]] = {}
        #: Exposures, and branches of variants, in which there was something to do when that was asked last.
        self.left: set[str] = set()

    def __getitem__(self, name: str) -> list[str]:
        """Return the exposures of a portion."""
        return self._all()[name]

    def unfinished(self, stands: Callable[[str], bool]) -> list[str]:
        """Return the names of portions in which anything is left to do.

        Parameters
        ----------
        stands : callable
            Whether what is there of a branch is what is asked for.
        """
        everything = {
            name: [branch for exposure in exposures for branch in self._demand.branches_of(exposure)]
            for name, exposures in self._all().items()
        }
        self.left = {
            branch
            for branches in everything.values()
            for branch in branches
            if not (self._is_made(branch) and stands(branch))
        }
        return [name for name, branches in everything.items() if not self.left.isdisjoint(branches)]

    def _is_made(self, branch: str) -> bool:
        return all(map(os.path.exists, self._demand.final_products(branch)))

    def _all(self) -> dict[str, list[str]]:
        # It is asked for once for every resource of every portion.
        answers = self._demand.answers
        if not self._portions or answers.version != self._seen:
            self._seen, failed = answers.version, answers.failed()
            roots = [root for root in self._demand.plan.exposures if root not in failed]
            self._portions = divided(roots, answers.all_links(), self.size)
        return self._portions


def divided(exposures: Collection[str], links: Mapping[str, str], count: int) -> dict[str, list[str]]:
    """Return the portions of a run by their names."""
    return {f"{number:04}": one for number, one in enumerate(cluster.divide(exposures, links, count), start=1)}
