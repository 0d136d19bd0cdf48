"""One run of the workflow: its configuration, its exposures, its plan, and what its jobs may use."""

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

from rampflow import memory
from rampflow.config import ConfigError, check_config
from rampflow.exposures import find_exposures
from rampflow.plan import Plan
from rampflow.provenance import code_digest

__all__ = ["Run", "code_digest"]

#: Bytes of an exposure (as float32) that keep one more thread of a job busy.
BYTES_PER_THREAD = 100 << 20
MAX_THREADS = 8


class Run:
    """What the Snakefile asks.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake has read it.
    home : path-like
        Folder of the Snakefile.

    Raises
    ------
    SystemExit
        With one line for each problem of the configuration and the exposures: nothing has run yet.
    """

    def __init__(self, config, home):
        # Jobs find the package as this process does.
        path = [str(Path(home) / "workflow"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, path)))
        try:
            self.config = check_config(config)
            found, notices = find_exposures(self.config, Path.cwd())
            self.plan = Plan(self.config, found)
        except ConfigError as error:
            raise SystemExit("\n".join(f"rampflow: {line}" for line in error.problems)) from None
        self.results = self.config["results"].rstrip("/")
        self.notices = [*notices, *self.plan.notices]

    def begin(self):
        """Say once what the user should know before anything runs.

        Raises
        ------
        SystemExit
            There is no exposure, only the mode whose graph can be drawn.
        """
        for line in self.notices:
            print(f"rampflow: {line}", file=sys.stderr)
        if any(exposure.placeholder for exposure in self.plan.exposures.values()):
            raise SystemExit("rampflow: there is no exposure to run; the graph can be drawn with --rulegraph")
        # Snakemake's handler takes a lock that the interrupted thread may hold, and would then wait for ever.
        handler = signal.getsignal(signal.SIGTERM)
        if callable(handler):
            signal.signal(signal.SIGTERM, lambda *received: threading.Thread(target=handler, args=received).start())

    @staticmethod
    def end(answers):
        """Forget answers of CRDS that were failures, so that the next run asks again; let the process end at once.

        Timers of Snakemake's scheduler would hold it for another second.
        """
        with contextlib.suppress(OSError, ValueError):
            if json.loads(Path(answers).read_text())["failed"]:
                Path(answers).unlink()
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()

    @property
    def products(self):
        """Final products of the run: count rates; the ramp where it is asked for, or where nothing is fitted."""
        paths = []
        for root in self.plan.exposures:
            fitted = "ramp_fit" in self.plan.chain(root)
            kinds = ["rate", "rateints"] if fitted else []
            if self.config["save_calibrated_ramp"] or not fitted:
                kinds.append("ramp")
            paths += [f"{self.results}/{root}/{root}_{kind}.fits" for kind in kinds]
        return paths

    def keeps(self, step):
        """Whether the products of a step stay after the run."""
        keep = self.config["keep"]
        return keep == "all" or (keep != "none" and step in keep)

    def before_fit(self, exposure):
        """Name the step whose product is the calibrated ramp."""
        chain = self.plan.chain(exposure)
        return self.plan.previous("ramp_fit", exposure) if "ramp_fit" in chain else chain[-1]

    def reference_types(self, step, exposure):
        """CRDS types that a step of an exposure reads: reference files and parameter files."""
        if step not in self.plan.chain(exposure):
            return []
        own = f"pars-{step.replace('_', '')}step"
        parameters = [t for t in self.plan.parameter_types(exposure) if t in (own, "pars-detector1pipeline")]
        return self.plan.reference_types(step, exposure) + parameters

    def reference_request(self, exposure):
        """Return what CRDS is asked for an exposure: its file, the types, and the files that the user names instead."""
        overrides = {
            kind: path if path == "N/A" else os.path.abspath(path)
            for kind, path in self.plan.overrides(exposure).items()
        }
        return {
            "uncal": str(self.plan.exposures[exposure].path),
            "types": self.plan.all_reference_types(exposure),
            "overrides": overrides,
        }

    def carried_file(self, exposure):
        """Return the file with what the exposure before has left, where the configuration names one; or None."""
        settings = self.plan.settings("persistence", exposure)
        traps = settings["algorithm"]["value"] == "traps"
        return settings["input_trapsfilled" if traps else "persistence_array_file"]["value"] or None

    def _bytes(self, exposure):
        exposure = self.plan.exposures[exposure]
        size = 4
        for length in exposure.shape:
            size *= length
        return size

    def threads(self, exposure):
        """Threads that a job of an exposure can keep busy; Snakemake lowers it to the cores there are."""
        return max(1, min(MAX_THREADS, self._bytes(exposure) // BYTES_PER_THREAD + 1))

    def memory(self, exposure, threads):
        """Memory for a job (MB): the interpreter, images and coefficients of one frame, pieces in work."""
        *_, ny, nx = self.plan.exposures[exposure].shape
        pictures = max(1, self.plan.exposures[exposure].superstripes)
        return memory.needed(self._bytes(exposure), (ny * pictures, nx), threads)
