"""One run of the workflow: its configuration, its exposures, its plan, and what its jobs may use."""

import atexit
import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from rampflow.io import owners, room
from rampflow.io.shared_files import private_folder
from rampflow.planning import cluster, kernels_place, portions, scratch_place
from rampflow.planning.answers import Answers
from rampflow.planning.beginning import prepare
from rampflow.planning.demand import Demand
from rampflow.planning.folders import without_place
from rampflow.planning.forced import Forced
from rampflow.planning.interruption import Interruption
from rampflow.planning.links import plain
from rampflow.planning.needs import Needs
from rampflow.planning.programme import ProgrammeProgress
from rampflow.planning.results_lock import ResultsInUse, ResultsLock
from rampflow.planning.run_file import RunFile
from rampflow.planning.standing import Standing
from rampflow.planning.terminal import tell
from rampflow.settings.configuration import ConfigError

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

    Attributes
    ----------
    needs : Needs
        What its jobs may use.
    portions : Division
        Its portions, if it is divided.

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
        mine = portions.asked_for() if interruption is not None else None
        only = mine if interruption is not None else cluster.exposures_of_job(sys.argv, config)
        try:
            # A job of a cluster takes what the run on the head has found in stores.
            ask = interruption is not None and mine is None
            self.config, self.plan, self.notices = prepare(config, Path.cwd(), ask=ask, only=only)
        except ConfigError as error:
            raise SystemExit("\n".join(f"rampflow: {line}" for line in error.problems)) from None
        self.results = self.config["results"].rstrip("/")
        if mine is not None:
            # What cannot be used is the concern of the run that this is a portion of.
            self.plan.exposures, self.plan.unusable = {root: self.plan.exposures[root] for root in mine}, {}
        self.answers = Answers(self.plan, self.results)
        self.demand = Demand(self.plan, self.answers)
        self.needs = Needs(self.demand, on_cluster)
        size = self._portion_size(divisible=interruption is not None and mine is None)
        self.portions = portions.Division(self.demand, size)
        self._told: object = None
        self._disagreements: list[str] = []
        self._failures = cluster.GroupFailures()
        self._file = RunFile(self.results, self.config, self.demand)
        self._lock = ResultsLock(self.results, self._file.started)
        self._portion = None if mine is None else portions.Portion(self.results, mine, self._file.started)
        self.notices += scratch_place.notices(self.config, on_cluster)
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

    def begin_scratch(self) -> None:
        """Make the folder for products that do not stay, on the node where jobs run."""
        scratch_place.begin(self.config, self.results)

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
                self._begin_whole(workflow)
            if not self._cluster and not self.is_divided(workflow):
                self.begin_scratch()
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
        elif self.grouped:
            self._failures.listen()
        kernels_place.choose(STATE)

    def _begin_whole(self, workflow: Any) -> None:
        """Begin a run that is no portion of another one."""
        if not self.is_divided(workflow) and (busy := portions.in_use(self.results, self.plan.exposures)):
            raise ResultsInUse(busy)
        tell(self.notices)
        self._file.begin(self._all_notices())

    def end(
        self,
        answers: str | Path,
        outcome: str,
        unfinished: Callable[..., Iterable[str]],
        made: Collection[str] = (),
    ) -> None:
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
        made : collection of str, optional
            Exposures that are known to be complete; with thousands it takes long to look at each.
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
            everything = [*self.demand.branches, *self.plan.unusable]
            suspects = [branch for branch in everything if branch not in made]
            tell(unfinished(self.results, suspects, self.interruption.by, len(everything) - len(suspects)))
            tell(self._failures.lines())
        self._lock.release()
        self.interruption.end()
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()
        # The interpreter looks once more through all objects before it ends.
        gc.freeze()

    def _sweep(self) -> None:
        """Remove what jobs that were killed had begun to write; what a living process writes stays."""
        now = time.time()
        self.demand.copies.sweep()
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
        """Return the raw file of an exposure, the copy of one in a store; None where there is no file."""
        return self.demand.copies.copy(exposure) or _plain(self.plan.exposures[exposure].path)

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

    # --- how exposures are put together -------------------------------------------------------------------

    @property
    def grouped(self) -> bool:
        """Whether a job of the cluster is all steps of an exposure."""
        return self._cluster and self.config["cluster_job"] == "exposure"

    def group(self, exposure: str) -> str:
        """Name the job of a cluster that an exposure is worked on in: with those that it takes something from."""
        return cluster.leader(exposure, self.answers.all_links())

    def is_divided(self, workflow: Any) -> bool:
        """Whether the run's jobs are runs of some exposures; a local one is not where jobs are asked for by name."""
        return bool(self.portions.size) and (self._cluster or not portions.names_jobs(workflow))

    def _portion_size(self, divisible: bool) -> int:
        """Return how many exposures a portion has at most; 0 where the run is not divided."""
        if self._cluster:
            job = self.config["cluster_job"]
            return 0 if isinstance(job, str) else job
        size = self.config["portion"]
        return size if divisible and len(self.plan.exposures) > size else 0

    def programme_progress(
        self, workflow: Any, with_jobs: Callable[[], Collection[str]], quiet: bool
    ) -> ProgrammeProgress:
        """Return what tells of exposures where Snakemake knows portions, or jobs of a cluster.

        Parameters
        ----------
        workflow : object
            Snakemake's.
        with_jobs : callable
            Returns the exposures that have jobs in its graph.
        quiet : bool
            Whether what Snakemake says of jobs that go well is kept from the terminal.
        """
        to_do = (lambda: self.portions.left) if self.is_divided(workflow) else with_jobs
        folder = Path(self.results, "runs", self._file.name)
        return ProgrammeProgress(self.results, to_do, self.demand.last_job, lambda: sorted(folder.glob("*.log")), quiet)

    def unfinished_portions(self) -> list[str]:
        """Return a file for each portion in which anything is left to do, and one for exposures without references."""
        files = [
            f"{self.results}/runs/{self._file.name}/{name}.done" for name in self.portions.unfinished(self._stands)
        ]
        failed = self.answers.failed()
        return files + [f"{self.results}/{ANSWERED}"] * any(root in self.plan.exposures for root in failed)

    def can_do_without(self, step: str, branch: str, inputs: object) -> bool:
        """Return whether a job that stands has what it has made, and not what that was made from any more.

        What is made again for a variant is then no reason to make again what others have been made of it.
        """
        gone = bool(self.plan.variants) and isinstance(inputs, str) and not os.path.exists(inputs)
        return gone and self._standing.is_whole(step, branch)

    def _stands(self, branch: str) -> bool:
        stale = self._standing.stale(branch)
        # Each is asked for once, and there may be thousands.
        self._standing.forget(branch)
        return not stale


def _plain(path: str | None) -> str | None:
    return plain(path) if path else None
