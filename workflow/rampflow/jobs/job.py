"""A job of the workflow: its log, its one clear line when it fails, its record."""

from __future__ import annotations

import json
import logging
import platform
import resource
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.errors import RampflowError, Stopped
from rampflow.io import room, scratch
from rampflow.io.shared_files import replace
from rampflow.jobs import provenance
from rampflow.steps import NotApplicable

if TYPE_CHECKING:
    from rampflow.jobs.spec import JobSpec

log = logging.getLogger("rampflow")


class Job:
    """A job: `run` ends the process with a line where it fails, as a script does; `work` raises.

    Parameters
    ----------
    spec : `~rampflow.jobs.spec.JobSpec`
        What it is.

    Attributes
    ----------
    counts : dict
        What the job has counted, for its record.
    """

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.counts: dict[str, Any] = {}
        self._inputs: Any = None
        self._started = time.time(), time.monotonic()

    def run(self, function: Callable[[Any], object]) -> None:
        """Do the work, or end with status 1 and one line; the traceback is in the log.

        Parameters
        ----------
        function : callable
            Called with the job.
        """
        try:
            if self.spec.log:
                _write_log_to(self.spec.log)
            for step, source in self.spec.skipped.items():
                log.info("%s is skipped before this step, by %s", step, source)
            self.work(function)
        except Exception as error:
            text = self.told(error)
            log.error("%s\n%s", text, "".join(traceback.format_exception(error)))
            place = f"{self.spec.exposure}: {self.spec.name}" if self.spec.exposure else self.spec.name
            said = [f"{place}: {text} (traceback: {self.spec.log or 'no log'})"]
            for line in error.lines if isinstance(error, Stopped) else said:
                print(f"rampflow: {line}", file=sys.stderr)
            raise SystemExit(1) from None

    def work(self, function: Callable[[Any], object]) -> None:
        """Open what the job works on, call the function with the job, complete the outputs, keep the record.

        Nothing half-written is left if that fails.
        """
        try:
            skipped, status = None, "COMPLETE"
            self.open()
            if self._folder is not None:
                scratch.clear(self._folder)
                self._inputs = provenance.Inputs(self.spec.inputs.items(), self._folder)
            try:
                function(self)
            except NotApplicable as reason:
                skipped, status = str(reason), reason.status
                log.info("skipped: %s", skipped)
            self.finish(status, skipped)
            self._record(status, skipped)
        except BaseException:
            self.discard()
            if self._inputs is not None:
                self._inputs.close()
            raise

    def open(self) -> None:
        """Open what the job works on."""

    def finish(self, status: str, reason: str | None) -> None:
        """Complete the outputs.

        Parameters
        ----------
        status : str
            ``"COMPLETE"``; another one is that of a step which leaves the exposure as it is.
        reason : str or None
            Why it does.
        """

    def discard(self) -> None:
        """Remove what was written so far."""

    @property
    def also_written(self) -> list[Path]:
        """Files that were written beside the outputs that the rule names."""
        return []

    def told(self, error: BaseException) -> str:
        """Say in one line what went wrong, and what to do where the disk is full."""
        if isinstance(error, OSError) and error.strerror:
            folder = next(Path(path).parent for path in self.spec.outputs.values())
            if not self.spec.stays:
                folder = scratch.fuller(folder)
            return f"{error.filename or folder}: {error.strerror}{room.advice(error, folder)}"
        if isinstance(error, MemoryError):
            return (
                f"too little memory ({error or 'none left'}); give the job more (resources: mem_mb), or fewer threads"
            )
        return str(error) if isinstance(error, RampflowError) else f"{type(error).__name__}: {error}"

    @property
    def _folder(self) -> Any:
        """Folder of the exposure, to which the record belongs; None for a job without a record."""
        path = self.spec.outputs.get("record")
        return None if path is None else Path(path).parents[1]

    def made_of(self) -> dict[str, Any]:
        """Return what the products follow from, beside code and files: parameters, references, the steps left out."""
        named = {"named": dict(self.spec.named)} if self.spec.named else {}
        return {"skipped": dict(self.spec.skipped)} | named

    def _is_hashed(self, path: Path) -> bool:
        """Whether a file's checksum is taken: products on the way are not worth the time unless it is asked for."""
        final = "parameters" not in self.spec.outputs or path in self.also_written
        return final or path.suffix == ".json" or self.spec.checksums_of_all

    def _record(self, status: str, skipped: str | None) -> None:
        """Keep what the job took, measured where it ran, and what it was made of."""
        path = self.spec.outputs.get("record")
        if path is None:
            return
        written = [Path(name) for kind, name in self.spec.outputs.items() if kind != "record"] + self.also_written
        outputs = provenance.outputs(written, self._folder, self._is_hashed)
        inputs = self._inputs.entries()
        made_of = {"step": self.spec.name, "exposure": self.spec.exposure, "code": self.spec.code}
        made_of |= {"variant": self.spec.variant, "versions": provenance.versions()} | self.made_of()
        sources = {name: entry["recipe"] or entry["sha256"] for name, entry in inputs.items()}
        usage = resource.getrusage(resource.RUSAGE_SELF)
        started, clock = self._started
        write_json(
            path,
            made_of
            | {
                "recipe": provenance.recipe(made_of, sources),
                "inputs": inputs,
                "outputs": outputs,
                "status": status,
                "reason": skipped,
                "counts": self.counts,
                "host": socket.gethostname(),
                "processor": _processor(),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
                "wall_s": round(time.monotonic() - clock, 3),
                "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
                "peak_memory_mb": round(usage.ru_maxrss / 1024, 1),
                "threads": self.spec.threads,
            },
        )


def _write_log_to(path: str | Path) -> None:
    """Let the log of this process, and its warnings, go to a file."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    # What cannot be written on a full disk is lost; the line for the user is not.
    logging.raiseExceptions = False
    warnings.showwarning = lambda message, category, *_, **__: log.warning("%s: %s", category.__name__, message)


def _processor() -> str:
    """Name what numpy finds in the processor: the one thing outside the recipe that its sums might depend on."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return " ".join([platform.machine(), *found.get("found", [])[-1:]])


def write_json(path: str | Path, content: object) -> None:
    """Write JSON under its final name only when complete."""
    replace(Path(path), json.dumps(content, indent=1) + "\n")
