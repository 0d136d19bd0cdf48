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
from functools import cache
from pathlib import Path
from typing import Any

from rampflow.crds.asked import answers_hold
from rampflow.io import owners, room
from rampflow.io.shared_files import private_folder, read_json
from rampflow.jobs import memory
from rampflow.jobs.provenance import code_digest, script_of
from rampflow.planning import kernels_place
from rampflow.planning.answers import Answers
from rampflow.planning.beginning import prepare
from rampflow.planning.folders import unusable
from rampflow.planning.forced import Forced
from rampflow.planning.interruption import Interruption
from rampflow.planning.links import plain
from rampflow.planning.reference_requests import ReferenceRequests
from rampflow.planning.results_lock import ResultsInUse, ResultsLock
from rampflow.planning.run_file import RunFile
from rampflow.planning.standing import Standing
from rampflow.planning.terminal import tell
from rampflow.settings.chain import Chain
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import PIPELINE, Settings, merge_parameters, parameter_type

#: Bytes of an exposure (as float32) that keep one more thread of a job busy.
BYTES_PER_THREAD = 100 << 20
MAX_THREADS = 8
#: Where a run keeps what is neither product nor record, in its own folder; only its owner may look there.
STATE = ".rampflow"
#: Parameters that name a file of the user's, which is an input of the step's rule.
USER_FILES = {"dq_init": "user_supplied_dq", "clean_flicker_noise": "user_mask", "picture_frame": "user_mask"}


class Run:
    """What the Snakefile asks.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake has read it.
    home : path-like
        Folder of the Snakefile.
    interruption : Interruption, optional
        What watches for signals in the process that the user has started; None in that of a job on a cluster.

    Raises
    ------
    SystemExit
        With one line for each problem of the configuration and the exposures: nothing has run yet.
    """

    def __init__(self, config: Mapping[str, Any], home: str | Path, interruption: Interruption | None = None) -> None:
        self.interruption = interruption or Interruption()
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
        self.answers = Answers(self.plan, self.results)
        self._told: tuple[int, int] | None = None
        self._disagreements: list[str] = []
        self.requests = ReferenceRequests(self.plan)
        self._file = RunFile(self.results, self.config, self.plan, self.answers)
        self._lock = ResultsLock(self.results, self._file.started)
        self._standing: Any = None
        self._forced = Forced(self.results)
        self._check_place()
        if interruption is not None:
            self._succeed_dead_run()

    def _check_place(self) -> None:
        """Refuse a run that Snakemake itself could not do, in one line instead of many."""
        if full := room.is_full("."):
            raise SystemExit(f"rampflow: {os.getcwd()}: {full}, nothing can run there; make room")
        self.without_place = unusable(self.results, self.plan.exposures)
        lines = [f"{root}: {why}" for root, why in self.without_place.items()]
        if lines and len(lines) == len(self.plan.exposures):
            raise SystemExit("\n".join(f"rampflow: {line}" for line in lines))
        self.notices += [f"{line}; this exposure is left out" for line in lines]
        for root in self.without_place:
            del self.plan.exposures[root]

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
        dead = self._lock.take()
        atexit.register(self._lock.release)
        if dead is not None:
            since = dead.get("since", "?")
            self.notices.append(f"the run of {since} was killed; this one goes on where it ended")
            self._file.end_killed(since)

    def begin(self, workflow: Any) -> None:
        """Say once what the user should know before anything runs; keep Snakemake's scheduler from known harm.

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
            tell(self.notices)
            self._file.begin(self._all_notices())
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

    def end(self, answers: str | Path, outcome: str, unfinished: Callable[..., Iterable[str]]) -> None:
        """Forget answers of CRDS that were failures, so that the next run asks again; let the process end at once.

        Timers of Snakemake's scheduler would hold it for another second.

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
            if failed := json.loads(Path(answers).read_text())["failed"]:
                Path(answers).unlink()
        if self.without_place:
            outcome = "failed"
            failed |= self.without_place
        if outcome != "complete" and self.interruption.by:
            outcome = "interrupted"
        # On a full disk the run was killed, as far as its record can tell.
        with contextlib.suppress(OSError):
            self._file.end(outcome, signal=self.interruption.by, without_references=failed)
        if outcome != "complete":
            self._sweep()
            tell(unfinished(self.results, self.plan.exposures, self.interruption.by))
            tell(f"{root}: {why}" for root, why in self.without_place.items())
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
        for place in ("runs", *self.plan.exposures):
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
    def products(self) -> list[str]:
        """Final products of the run: count rates; the ramp where it is asked for, or where nothing is fitted."""
        paths = []
        for root in self.plan.exposures:
            fitted = "ramp_fit" in self.plan.chain(root)
            kinds = ["rate", "rateints"] if fitted else []
            if self.config["save_calibrated_ramp"] or not fitted:
                kinds.append("ramp")
            paths += [f"{self.results}/{root}/{root}_{kind}.fits" for kind in kinds]
        return paths

    def keeps(self, step: str) -> bool:
        """Whether the products of a step stay after the run."""
        keep = self.config["keep"]
        return keep == "all" or (keep != "none" and step in keep)

    def chain(self, exposure: str) -> Chain:
        """Return the `Chain` of an exposure: settled, once CRDS has answered."""
        return self.answers.chain(exposure)

    def settings(self, step: str, exposure: str) -> Settings:
        """Return the parameters of a step, CRDS's among them once it has answered."""
        try:
            return self.plan.settings(step, exposure, self.chain(exposure))
        except ConfigError:
            # The job comes upon it, too, and fails with its message: that is one exposure and not the run.
            return self.plan.settings(step, exposure)

    def reference_types(self, step: str, exposure: str) -> list[str]:
        """CRDS types of what a step of an exposure reads, parameter files too; none of a step that is off."""
        chain = self.chain(exposure)
        if not chain.asks_for(step):
            return []
        own = (parameter_type(step), PIPELINE)
        parameters = [kind for kind in self.plan.parameter_types(exposure) if kind in own]
        return self.plan.reference_types(step, exposure, chain) + parameters

    def raw(self, exposure: str) -> str | None:
        """Return the raw file of an exposure, by a name that Snakemake takes as it is; None where there is no file."""
        path = self.plan.exposures[exposure].path
        return plain(path) if path else None

    def user_file(self, step: str, parameter: str, exposure: str) -> str | None:
        """Return the file that a parameter of the configuration names, by such a name; None where it names none."""
        path = self.settings(step, exposure)[parameter]["value"]
        return plain(path) if path else None

    # --- what stands ----------------------------------------------------------------------------------

    def let_records_decide(self, workflow: Any) -> None:
        """Take from Snakemake the decision what is up to date, before it makes any (`rampflow.planning.standing`).

        Snakemake goes by the times of files and by what it remembers of their paths. What is missing is made, what a
        user forces is done, what does not stand is done by `judge`, and nothing else.
        """
        if self._standing is None:
            self._standing = Standing(self, cache(lambda rule: code_digest(script_of(rule))))
            workflow.dag_settings.rerun_triggers = frozenset()
            if os.path.exists(self.answers.file) and not all(map(self._answers_hold, self.plan.exposures)):
                workflow.dag.forcefiles.add(self.answers.file)

    def _answers_hold(self, exposure: str) -> bool:
        """Whether what CRDS has answered for an exposure is an answer to what would be asked now."""
        folder = Path(self.results, exposure, "references")
        return answers_hold(folder, self.requests.of(exposure), self.config["crds"], self.config["lock"])[0]

    def judge(self, workflow: Any, step: str, exposure: str) -> bool:
        """Return whether a job stands; those of its exposure that do not are done anew.

        A job that follows one that is done anew does not stand, either: Snakemake has to find its way from there to
        the end, where it looks for what is missing of other exposures.
        """
        self._forced.add(workflow.dag, exposure, self._standing.stale(exposure))
        anew = self._forced.jobs(workflow.dag, exposure)
        follows = anew & {step, *self._standing.before(step, exposure)}
        return self._standing.is_done(step, exposure) and not follows and exposure not in self.answers.failed()

    def pointers(self, step: str, exposure: str) -> dict[str, Any] | None:
        """Read what CRDS has answered for a step: type to pointer; None where an answer is missing."""
        folder = Path(self.results, exposure, "references")
        found = {kind: read_json(folder / f"{kind}.json") for kind in self.reference_types(step, exposure)}
        return found if all(isinstance(pointer, dict) for pointer in found.values()) else None

    def resolved(self, step: str, exposure: str, pointers: Mapping[str, Any]) -> Settings | None:
        """Return the parameters of a step as its job would resolve them; None where it could not."""
        try:
            return merge_parameters(self.plan.settings(step, exposure), pointers, step)[0]
        except ConfigError:
            return None

    def other_inputs(self, step: str, exposure: str) -> dict[str, str]:
        """Return the files of the user's that a step reads, by the words of its rule: those that there are."""
        settings = self.settings(step, exposure)
        named = {"user": settings.get(USER_FILES.get(step, ""), {}).get("value")}
        if step == "persistence" and not self.answers.chained_after(exposure):
            named["carried"] = self.carried_file(exposure)
        return {word: path for word, path in named.items() if path}

    def carried_file(self, exposure: str) -> str | None:
        """Return the file with what the exposure before has left, where the configuration names one; or None."""
        traps = self.settings("persistence", exposure)["algorithm"]["value"] == "traps"
        return self.user_file("persistence", "input_trapsfilled" if traps else "persistence_array_file", exposure)

    def _bytes(self, exposure: str) -> int:
        size = 4
        for length in self.plan.exposures[exposure].shape:
            size *= length
        return size

    def threads(self, exposure: str) -> int:
        """Threads that a job of an exposure can keep busy; Snakemake lowers it to the cores there are."""
        return max(1, min(MAX_THREADS, self._bytes(exposure) // BYTES_PER_THREAD + 1))

    def memory(self, exposure: str, threads: int) -> int:
        """Memory for a job (MB): the interpreter, images and coefficients of one frame, pieces in work."""
        *_, ny, nx = self.plan.exposures[exposure].shape
        pictures = max(1, self.plan.exposures[exposure].superstripes)
        return memory.needed(self._bytes(exposure), (ny * pictures, nx), threads)
