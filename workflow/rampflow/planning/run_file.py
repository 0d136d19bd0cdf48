"""The file of a run, ``<results>/runs/<time>.json``: what it was asked for, with what code, and how it ended."""

import json
import os
import platform
import shlex
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rampflow.io.shared_files import read_json, replace
from rampflow.jobs.provenance import code_files, digest, script_of, version_of, versions
from rampflow.planning.demand import Demand
from rampflow.planning.exposures import Exposure
from rampflow.settings.branches import variant_of
from rampflow.settings.parameters import is_crds

#: Keywords that say what the light of an exposure has passed through.
_OPTICS = ("FILTER", "PUPIL", "GRATING", "CHANNEL", "BAND", "CORONMSK")
#: What is kept of an exposure as it is.
_KEPT = ("path", "instrument", "detector", "exp_type", "subarray", "readpatt", "tso", "nints", "ngroups")


class RunFile:
    """The file of a run.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    config : mapping
        The configuration with every key.
    demand : Demand
        What the run works for: its plan, and what CRDS has answered.

    Attributes
    ----------
    started : str
        When the run began, which is its name.
    """

    def __init__(self, results: str | Path, config: Mapping[str, Any], demand: Demand) -> None:
        self._results, self._config, self._demand, self._plan = Path(results), config, demand, demand.plan
        self._facts: dict[str, Any] = {}
        self.started = _now()

    def begin(self, notices: Iterable[str]) -> None:
        """Describe the run before anything has run; an outcome of None is that of a run that was killed."""
        code = {step: code_files(script_of(step)) for step in [*self._plan.possible_steps, "rate", "ramp"]}
        description = {
            "started": self.started,
            "outcome": None,
            "folder": os.getcwd(),
            "command": shlex.join(sys.argv),
            "config": self._config,
            "versions": versions() | {name: version_of(name) for name in ("crds", "snakemake")},
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "code": {digest(files)[:16]: list(files) for files in code.values()},
            "files": {path: checksum for files in code.values() for path, checksum in files.items()},
        }
        self._note(description | self._decided(notices))

    def update(self, notices: Iterable[str]) -> None:
        """Note anew what CRDS may decide about, where the file is begun."""
        if self._facts:
            self._note(self._decided(notices))

    def end(self, outcome: str, **facts: Any) -> None:
        """Note how the run ended, and when."""
        self._note({"ended": _now(), "outcome": outcome} | facts)

    def end_killed(self, started: str) -> None:
        """Note of an earlier run that it was killed, where its file does not say how it ended."""
        path = self._path(started)
        if isinstance(facts := read_json(path), dict) and facts.get("outcome") is None:
            replace(path, json.dumps(facts | {"outcome": "killed"}, indent=1) + "\n")

    def _note(self, facts: Mapping[str, Any]) -> None:
        self._facts |= facts
        replace(self._path(self.started), json.dumps(self._facts, indent=1) + "\n")

    @property
    def name(self) -> str:
        """What the run's file is called, without its ending."""
        return self._path(self.started).stem

    def _path(self, started: str) -> Path:
        return self._results / "runs" / f"{started.replace('-', '').replace(':', '')}.json"

    def _decided(self, notices: Iterable[str]) -> dict[str, Any]:
        """Describe what CRDS may decide about, as far as it has."""
        exposures = self._plan.exposures
        return {
            "notices": list(notices),
            "exposures": {root: self._facts_of(exposure) for root, exposure in exposures.items()},
            "unusable": self._plan.unusable,
        }

    def _facts_of(self, exposure: Exposure) -> dict[str, Any]:
        chain = self._demand.chain(exposure.root)
        eligible, skips = self._plan.eligible(exposure), chain.skips
        return (
            {key: getattr(exposure, key) for key in _KEPT}
            | {
                "optics": [str(value) for key in _OPTICS if (value := exposure.header.get(key)) not in (None, "N/A")],
                "shape": list(exposure.shape),
                "chain": chain.steps,
                "decided": {step: skips[step]["source"] for step in chain.steps if is_crds(skips[step])},
                "idle": dict(chain.idle),
                "off": {
                    step: entry["source"]
                    for step, entry in skips.items()
                    if not chain.asks_for(step) and (step in eligible or is_crds(entry))
                },
            }
            | self._variants_of(exposure.root)
        )

    def _variants_of(self, exposure: str) -> dict[str, Any]:
        """Describe the variants that are made of an exposure: chain, and which of its steps are the variant's own."""
        branches = self._demand.variants_of(exposure)
        found = {}
        for branch in branches:
            chain = self._demand.chain(branch)
            own = self._demand.answers.own(branch)
            found[str(variant_of(branch))] = {
                "chain": chain.steps,
                "own": own,
                "idle": dict(chain.idle),
            }
        return {"variants": found} if found else {}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
