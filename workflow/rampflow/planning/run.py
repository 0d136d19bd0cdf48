"""One run of the workflow: its configuration, its exposures, its plan, and what its jobs may use."""

import atexit
import contextlib
import functools
import gc
import json
import os
import platform
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rampflow.crds.asked import answers_hold
from rampflow.io import owners, room
from rampflow.io.shared_files import private_folder, read_json, replace
from rampflow.jobs import memory
from rampflow.jobs.provenance import code_digest, code_files, digest, script_of, version_of, versions
from rampflow.planning import kernels_place
from rampflow.planning.answers import Answers
from rampflow.planning.beginning import prepare
from rampflow.planning.exposures import Exposure
from rampflow.planning.folders import without_place
from rampflow.planning.forced import Forced
from rampflow.planning.interruption import Interruption
from rampflow.planning.links import plain
from rampflow.planning.results_lock import ResultsInUse, ResultsLock
from rampflow.planning.standing import Standing
from rampflow.planning.terminal import tell
from rampflow.settings.chain import Chain, Terms, reference_types
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import PIPELINE, Settings, is_crds, merge_parameters, parameter_type

#: Bytes of an exposure (as float32) that keep one more thread of a job busy.
BYTES_PER_THREAD = 100 << 20
MAX_THREADS = 8
#: Where a run keeps what is neither product nor record, in its own folder; only its owner may look there.
STATE = ".rampflow"
#: Files that are never made, among the results; the jobs that should make them say who stops, and why.
USABLE, ANSWERED = "logs/all_usable", "logs/all_answered"
#: Parameters that name a file of the user's, which is an input of the step's rule.
USER_FILES = {"dq_init": "user_supplied_dq", "clean_flicker_noise": "user_mask", "picture_frame": "user_mask"}
#: Keywords that say what the light of an exposure has passed through.
_OPTICS = ("FILTER", "PUPIL", "GRATING", "CHANNEL", "BAND", "CORONMSK")


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
        self._facts: dict[str, Any] = {}
        self._told: tuple[int, int] | None = None
        self._disagreements: list[str] = []
        self._started = _now()
        self._lock = ResultsLock(self.results, self._started)
        self._standing: Any = None
        self._forced = Forced(self.results)
        self._check_place()
        if interruption is not None:
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
        lines = self.plan.give_up(without_place(self.results, self.plan.exposures))
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
        dead = self._lock.take()
        atexit.register(self._lock.release)
        if dead is not None:
            since = dead.get("since", "?")
            self.notices.append(f"the run of {since} was killed; this one goes on where it ended")
            path = self._run_file(since)
            if isinstance(facts := read_json(path), dict) and facts.get("outcome") is None:
                replace(path, json.dumps(facts | {"outcome": "killed"}, indent=1) + "\n")

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
            self._note(started=self._started, **self._description())
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
        if outcome != "complete" and self.interruption.by:
            outcome = "interrupted"
        # On a full disk the run was killed, as far as its record can tell.
        with contextlib.suppress(OSError):
            self._note(ended=_now(), outcome=outcome, signal=self.interruption.by, without_references=failed)
        if outcome != "complete":
            self._sweep()
            tell(unfinished(self.results, [*self.plan.exposures, *self.plan.unusable], self.interruption.by))
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

    def _note(self, **facts: Any) -> None:
        """Keep what is to be known of this run, in a file of its own among the results."""
        self._facts |= facts
        replace(self._run_file(self._started), json.dumps(self._facts, indent=1) + "\n")

    def _run_file(self, started: str) -> Path:
        return Path(self.results) / "runs" / f"{started.replace('-', '').replace(':', '')}.json"

    def _description(self) -> dict[str, Any]:
        """Describe the run before anything has run: an outcome of None is that of a run that was killed."""
        code = {step: code_files(script_of(step)) for step in [*self.plan.possible_steps, "rate", "ramp"]}
        return {
            "outcome": None,
            "folder": os.getcwd(),
            "command": shlex.join(sys.argv),
            "config": self.config,
            "versions": versions() | {name: version_of(name) for name in ("crds", "snakemake")},
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "code": {digest(files)[:16]: list(files) for files in code.values()},
            "files": {path: checksum for files in code.values() for path, checksum in files.items()},
            **self._decided(),
        }

    def _facts_of(self, exposure: Exposure) -> dict[str, Any]:
        kept = ("path", "instrument", "detector", "exp_type", "subarray", "readpatt", "tso", "nints", "ngroups")
        chain = self.answers.chain(exposure.root)
        eligible, skips = self.plan.eligible(exposure), chain.skips
        return {key: getattr(exposure, key) for key in kept} | {
            "optics": [str(value) for key in _OPTICS if (value := exposure.header.get(key)) not in (None, "N/A")],
            "shape": list(exposure.shape),
            "chain": chain.steps,
            "decided": {step: skips[step]["source"] for step in chain.steps if is_crds(skips[step])},
            "off": {
                step: entry["source"]
                for step, entry in skips.items()
                if step not in chain.steps and (step in eligible or is_crds(entry))
            },
        }

    def answered(self) -> None:
        """Say, once for each answer of CRDS, where it decides otherwise than the step tables; note the chains."""
        if self._told == self.answers.version:
            return
        self._told, self._disagreements = self.answers.version, self.answers.disagreements()
        for line in self._disagreements:
            print(f"rampflow: {line}", file=sys.stderr)
        if self._facts:
            self._note(**self._decided())

    def _decided(self) -> dict[str, Any]:
        """Describe what CRDS may decide about, as far as it has."""
        return {
            "notices": [*self.notices, *self._disagreements],
            "exposures": {root: self._facts_of(exposure) for root, exposure in self.plan.exposures.items()},
            "unusable": self.plan.unusable,
        }

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

    @property
    def unusable(self) -> list[str]:
        """What the run asks for where exposures cannot be used: a file that is never made, so that it fails."""
        return [f"{self.results}/{USABLE}"] if self.plan.unusable else []

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
        """CRDS types that a step of an exposure reads: reference files and parameter files."""
        chain = self.chain(exposure)
        if step not in chain.steps:
            return []
        own = (parameter_type(step), PIPELINE)
        parameters = [kind for kind in self.plan.parameter_types(exposure) if kind in own]
        return self.plan.reference_types(step, exposure, chain) + parameters

    def reference_request(self, exposure: str) -> dict[str, Any]:
        """Return what CRDS is asked for an exposure.

        Its file and header, the types of parameter files, the user's files, and which of `reference_terms` say what
        else is needed once the parameter files are known, with their digest, and all that this might be.
        """
        number = self._numbers[id(self.plan.terms(exposure))]
        overrides = {
            kind: path if path == "N/A" else os.path.abspath(path)
            for kind, path in self.plan.overrides(exposure).items()
        }
        return {
            "uncal": str(self.plan.exposures[exposure].path),
            "header": self.plan.exposures[exposure].digest,
            "types": self.plan.parameter_types(exposure),
            "overrides": overrides,
            "terms": number,
            "decides": self._digests[number],
            "further": self._possible_types[number],
        }

    @functools.cached_property
    def reference_terms(self) -> list[Terms]:
        """The different terms by which the chains of the run's exposures are settled, as a list."""
        return list({id(terms): terms for terms in map(self.plan.terms, self.plan.exposures)}.values())

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(terms): number for number, terms in enumerate(self.reference_terms)}

    @functools.cached_property
    def _digests(self) -> list[str]:
        return [digest(terms) for terms in self.reference_terms]

    @functools.cached_property
    def _possible_types(self) -> list[list[str]]:
        types = [{kind for kinds in terms["types"].values() for kind, _ in kinds} for terms in self.reference_terms]
        return [sorted(each) for each in types]

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
        request, lock = self.reference_request(exposure), self.config["lock"]
        # Parameter files that cannot be used are a case for the job that asks.
        with contextlib.suppress(ConfigError):
            return answers_hold(folder, request, self.config["crds"], lock, self._needed_of(exposure))[0]
        return False

    def _needed_of(self, exposure: str) -> Callable[[Mapping[str, Any]], list[str]]:
        """Return what tells, by the parameter files of an exposure, which references it needs (`answers_hold`)."""

        def needed(pars: Mapping[str, Any]) -> list[str]:
            return [kind for kinds in reference_types(self.plan.terms(exposure), pars).values() for kind in kinds]

        return needed

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


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
