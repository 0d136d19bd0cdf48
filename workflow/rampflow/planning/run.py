"""One run of the workflow: its configuration, its exposures, its plan, and what its jobs may use."""

import atexit
import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rampflow.io import owners, room
from rampflow.io.shared_files import private_folder
from rampflow.jobs import memory
from rampflow.planning import cluster, kernels_place, portions
from rampflow.planning.answers import Answers
from rampflow.planning.beginning import prepare
from rampflow.planning.demand import Demand
from rampflow.planning.folders import without_place
from rampflow.planning.forced import Forced
from rampflow.planning.interruption import Interruption
from rampflow.planning.links import plain
from rampflow.planning.results_lock import ResultsInUse, ResultsLock
from rampflow.planning.run_file import RunFile
from rampflow.planning.standing import Standing
from rampflow.planning.terminal import tell
from rampflow.settings.branches import exposure_of, product
from rampflow.settings.configuration import ConfigError

#: Bytes of an exposure (as float32) that keep one more thread of a job busy.
BYTES_PER_THREAD = 100 << 20
MAX_THREADS = 8
#: Where a run keeps what is neither product nor record, in its own folder; only its owner may look there.
STATE = ".rampflow"
#: Files that are never made, among the results; the jobs that should make them say who stops, and why.
USABLE, ANSWERED = "logs/all_usable", "logs/all_answered"


class Run:
    """A run of the workflow: it answers what the Snakefile and the rules ask.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake has read it.
    home : path-like
        Folder of the Snakefile.
    interruption : Interruption, optional
        What watches for signals in the process that the user has started; None in that of a job on a cluster.
    on_cluster : bool, optional
        Whether jobs run on a cluster; in such a job, too.

    Raises
    ------
    SystemExit
        With one line for each problem of the configuration and the exposures: nothing has run yet.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        home: str | Path,
        interruption: Interruption | None = None,
        on_cluster: bool = False,
    ) -> None:
        self.interruption = interruption or Interruption()
        self._cluster = on_cluster
        # Jobs find the package as this process does.
        path = [str(Path(home) / "workflow"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, path)))
        with contextlib.suppress(OSError):
            # What cannot be made here is missed by those who need it.
            private_folder(STATE)
        try:
            self.config, self.plan, self.notices = prepare(config, Path.cwd())
        except ConfigError as error:
            raise SystemExit("\n".join(f"rampflow: {line}" for line in error.problems)) from None
        self.results = self.config["results"].rstrip("/")
        mine = portions.asked_for() if interruption is not None else None
        if mine is not None:
            # What cannot be used is the concern of the run that this is a portion of.
            self.plan.exposures, self.plan.unusable = {root: self.plan.exposures[root] for root in mine}, {}
        self.answers = Answers(self.plan, self.results)
        self.demand = Demand(self.plan, self.answers)
        self._told: object = None
        self._disagreements: list[str] = []
        self._file = RunFile(self.results, self.config, self.demand)
        self._lock = ResultsLock(self.results, self._file.started)
        self._portion = None if mine is None else portions.Portion(self.results, mine, self._file.started)
        self._standing: Any = None
        self._forced = Forced(self.results)
        self._check_place()
        if interruption is not None and self._portion is None:
            self._say_unusable()
            self._succeed_dead_run()

    def _say_unusable(self) -> None:
        """Say which exposures fail before anything runs, in a dry run, too."""
        if lines := list(self.plan.unusable.values()):
            number, good = len(lines), len(self.plan.exposures)
            cure = "skip_bad: true leaves such files out"
            tell([*lines, f"{number} of {number + good} exposures cannot be used, {good} can; {cure}"])

    def _check_place(self) -> None:
        """Refuse a run that Snakemake itself could not do, in one line instead of many."""
        if full := room.is_full("."):
            raise SystemExit(f"rampflow: {os.getcwd()}: {full}, nothing can run there; make room")
        lines = self.plan.give_up(without_place(self.results, self.plan.exposures, self.plan.variants))
        if lines:
            raise SystemExit("\n".join(f"rampflow: {line}" for line in [*lines, *self.plan.unusable.values()]))

    def _succeed_dead_run(self) -> None:
        """Go on where a run was killed in this folder: what it has locked, for Snakemake too, is this run's."""
        holder = self._lock.dead_holder()
        if holder is None:
            return
        # Another run that goes on likewise may be faster; Snakemake then says that the folder is locked.
        with contextlib.suppress(ResultsInUse, OSError):
            locks = Path(".snakemake/locks").glob("*.lock")
            own = [path for path in locks if f"{self.results}/" in path.read_text(errors="replace")]
            if own and os.path.samefile(holder.get("folder", "/"), "."):
                self._take_lock()
                for path in own:
                    path.unlink(missing_ok=True)

    def _take_lock(self) -> None:
        """Let no other run work on the results, and say so of the one before if it was killed."""
        if self._portion is not None:
            atexit.register(self._portion.end)
            self._portion.begin()
            return
        dead = self._lock.take()
        atexit.register(self._lock.release)
        os.environ[portions.HEAD] = self._lock.name() or ""
        if dead is not None:
            since = dead.get("since", "?")
            self.notices.append(f"the run of {since} was killed; this one goes on where it ended")
            self._file.end_killed(since)

    def begin(self, workflow: Any) -> None:
        """Begin the run: take the lock of the results, say what the user should know, note it in the file of the run.

        Parameters
        ----------
        workflow : object
            Snakemake's.

        Raises
        ------
        SystemExit
            There is no exposure, only the mode whose graph can be drawn; or another run works on the results; or
            nothing can be written.
        """
        if any(exposure.placeholder for exposure in self.plan.exposures.values()):
            raise SystemExit("rampflow: there is no exposure to run; the graph can be drawn with --rulegraph")
        try:
            self._take_lock()
            if self._portion is None:
                self._begin_whole()
            self._sweep()
        except ResultsInUse as problem:
            raise SystemExit(f"rampflow: {problem}") from None
        except OSError as error:
            raise SystemExit(
                f"rampflow: {self.results}: nothing can be written there ({error.strerror}); correct the key "
                "results of the configuration, or make room"
            ) from None
        self.interruption.let_end(workflow.scheduler, workflow.local_exec)
        # To keep below its limit of jobs per second, the scheduler looks at everything again a second after it last
        # did, once more for every job that has ended: with a few hundred jobs it does nothing else. The limit is for
        # the sake of clusters.
        if workflow.local_exec:
            workflow.scheduler.job_rate_limiter = None
        kernels_place.choose(STATE)

    def _begin_whole(self) -> None:
        """Begin a run that is no portion of another one."""
        if not self.portioned and (busy := portions.in_use(self.results, self.plan.exposures)):
            raise ResultsInUse(busy)
        tell(self.notices)
        self._file.begin(self._all_notices())

    def end(self, answers: str | Path, outcome: str, unfinished: Callable[..., Iterable[str]]) -> None:
        """End the run: note its outcome, say what is not finished, give the lock back.

        Answers of CRDS that were failures are forgotten, so that the next run asks again. Timers of Snakemake's
        scheduler would hold the process for another second: it is made to end at once.

        Parameters
        ----------
        answers : path-like
            What CRDS answered.
        outcome : str
            "complete" or "failed"; a run that a signal has ended is "interrupted".
        unfinished : callable
            What to say of a run that is not complete (`rampflow.inspection.ending.unfinished`).
        """
        failed = {}
        with contextlib.suppress(OSError, ValueError):
            if (failed := json.loads(Path(answers).read_text())["failed"]) and self._portion is None:
                Path(answers).unlink()
        if outcome != "complete" and self.interruption.by:
            outcome = "interrupted"
        # On a full disk the run was killed, as far as its record can tell.
        with contextlib.suppress(OSError):
            if self._portion is None:
                self._file.end(outcome, signal=self.interruption.by, without_references=failed)
            else:
                self._portion.end()
        if outcome != "complete":
            self._sweep()
            tell(unfinished(self.results, [*self.demand.branches, *self.plan.unusable], self.interruption.by))
        self._lock.release()
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()
        # The interpreter looks once more through all objects before it ends.
        gc.freeze()

    def _sweep(self) -> None:
        """Remove what jobs that were killed had begun to write; what a living process writes stays."""
        now = time.time()
        owners.sweep(self.results, now)
        for place in ("runs", *self.plan.branches):
            folder = os.path.join(self.results, place)
            owners.sweep(folder, now)
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        owners.sweep(entry.path, now)

    def answered(self) -> None:
        """Say, once for each answer of CRDS, where it decides otherwise than the step tables; note the chains."""
        if self._told == self.answers.version:
            return
        self._told, self._disagreements = self.answers.version, self.answers.disagreements()
        for line in self._disagreements:
            print(f"rampflow: {line}", file=sys.stderr)
        self._file.update(self._all_notices())

    def _all_notices(self) -> list[str]:
        return [*self.notices, *self._disagreements]

    @property
    def unusable(self) -> list[str]:
        """What the run asks for where exposures cannot be used: a file that is never made, so that it fails."""
        return [f"{self.results}/{USABLE}"] if self.plan.unusable else []

    # --- files by names that Snakemake takes as they are ------------------------------------------------

    def raw(self, exposure: str) -> str | None:
        """Return the raw file of an exposure; None where there is no file."""
        return _plain(self.plan.exposures[exposure_of(exposure)].path)

    def user_file(self, step: str, parameter: str, exposure: str) -> str | None:
        """Return the file that a parameter of the configuration names; None where it names none."""
        return _plain(self.demand.user_file(step, parameter, exposure))

    def science_mask(self, step: str, exposure: str) -> str | None:
        """Return the file that says where NIRSpec's science regions are; None where a step needs, or has, none."""
        return _plain(self.demand.science_mask(step, exposure))

    def carried_file(self, exposure: str) -> str | None:
        """Return the file with what the exposure before has left, where the configuration names one; or None."""
        return _plain(self.demand.carried_file(exposure))

    # --- what stands ----------------------------------------------------------------------------------

    def let_records_decide(self, workflow: Any) -> None:
        """Take from Snakemake the decision what is up to date, before it makes any (`rampflow.planning.standing`).

        Snakemake goes by the times of files and by what it remembers of their paths. What is missing is made, what a
        user forces is done, what does not stand is done by `judge`, and nothing else.
        """
        if self._standing is None:
            self._standing = Standing(self.demand)
            workflow.dag_settings.rerun_triggers = frozenset()
            if os.path.exists(self.answers.file) and not self.demand.answers_hold:
                workflow.dag.forcefiles.add(self.answers.file)

    def judge(self, workflow: Any, step: str, exposure: str) -> bool:
        """Return whether the products of a job stand; jobs of its exposure whose products do not are forced.

        A job that follows one that is done anew does not stand, either: Snakemake has to find its way from there to
        the end, where it looks for what is missing of other exposures.
        """
        if self._forced.have_changed(workflow.dag):
            self._standing.forget_anew()

        def anew(branch: str) -> set[str]:
            self._forced.add(workflow.dag, branch, self._standing.stale(branch))
            return self._forced.jobs(workflow.dag, branch)

        anew(exposure)
        return self._standing.stands(step, exposure, anew)

    def _bytes(self, exposure: str) -> int:
        size = 4
        for length in self.plan.exposures[exposure].shape:
            size *= length
        return size

    def threads(self, exposure: str) -> int:
        """Threads that a job of an exposure can keep busy; Snakemake lowers it to the cores there are."""
        return max(1, min(MAX_THREADS, self._bytes(exposure) // BYTES_PER_THREAD + 1))

    def memory(self, exposure: str, threads: int) -> int:
        """Memory for a job (MB): the interpreter, images and coefficients of one frame, chunks in work."""
        *_, ny, nx = self.plan.exposures[exposure].shape
        pictures = max(1, self.plan.exposures[exposure].superstripes)
        needed = memory.needed(self._bytes(exposure), (ny * pictures, nx), threads)
        return needed + cluster.BESIDE if self._cluster else needed

    def minutes(self, exposure: str) -> int:
        """Time for a job of an exposure (min)."""
        return cluster.minutes(self._bytes(exposure))

    def disk(self, exposure: str) -> int:
        """Room on the disk for what a job of an exposure makes (MB)."""
        return cluster.disk(self._bytes(exposure))

    # --- on a cluster -----------------------------------------------------------------------------------

    @property
    def grouped(self) -> bool:
        """Whether a job of the cluster is all steps of an exposure."""
        return self._cluster and self.config["cluster_job"] == "exposure"

    @property
    def portioned(self) -> bool:
        """Whether a job of the cluster is a local run of some exposures."""
        return self._cluster and not isinstance(self.config["cluster_job"], str)

    def unfinished_portions(self) -> list[str]:
        """Return a file for each portion in which anything is left to do, and one for exposures without references."""
        failed = self.answers.failed()
        names = [name for name, exposures in self._portions().items() if not all(map(self._is_finished, exposures))]
        files = [f"{self.results}/runs/{self._file.name}/{name}.done" for name in names]
        return files + ([f"{self.results}/{ANSWERED}"] if any(root in self.plan.exposures for root in failed) else [])

    def _portions(self) -> dict[str, list[str]]:
        failed = self.answers.failed()
        roots = [root for root in self.plan.exposures if root not in failed]
        return portions.divided(roots, self.answers.all_links(), self.config["cluster_job"])

    def _is_finished(self, exposure: str) -> bool:
        for branch in (exposure, *self.demand.variants_of(exposure)):
            paths = (f"{self.results}/{product(branch, kind)}" for kind in self.demand.products_of(branch))
            if not all(map(os.path.exists, paths)) or self._standing.stale(branch):
                return False
        return True

    def portion(self, name: str) -> list[str]:
        """Return the exposures of a portion."""
        return self._portions()[name]

    def portion_threads(self, name: str) -> int:
        """Cores for a portion: two jobs at once, or those that a job of its largest exposure can keep busy."""
        return max(2, *map(self.threads, self.portion(name)))

    def portion_memory(self, name: str, threads: int) -> int:
        """Memory for a portion (MB): as many jobs at once as there are cores."""
        asked = (
            (self.memory(root, min(threads, self.threads(root))), self.threads(root)) for root in self.portion(name)
        )
        return max(memory * max(1, threads // used) for memory, used in asked)

    def portion_minutes(self, name: str) -> int:
        """Time for a portion (min)."""
        return cluster.minutes_of_run((self._bytes(root), self._steps_of(root)) for root in self.portion(name))

    def portion_disk(self, name: str) -> int:
        """Room on the disk for what a portion makes (MB)."""
        return sum(self.disk(root) * self._steps_of(root) for root in self.portion(name))

    def _steps_of(self, exposure: str) -> int:
        return sum(len(self.answers.own(branch)) for branch in (exposure, *self.demand.variants_of(exposure)))

    def group(self, exposure: str) -> str:
        """Name the job of a cluster that an exposure is worked on in: with those that it takes something from."""
        return cluster.leader(exposure, self.answers.all_links())


def _plain(path: str | None) -> str | None:
    return plain(path) if path else None
