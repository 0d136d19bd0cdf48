"""persistence: what earlier light has left in the detector is subtracted, or flagged.

What an exposure leaves for the next one goes into an auxiliary product, and a small file names that, with its checksum:
it is the edge between two exposures in the graph. Where the step does not run, what came from the exposure before is
passed on.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rampflow.drivers import _traps, _windows
from rampflow.errors import FileProblem
from rampflow.jobs.job import write_json
from rampflow.jobs.provenance import sha256_of
from rampflow.steps import NotApplicable

if TYPE_CHECKING:
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


def run(step: Step) -> None:
    """Correct an exposure, and keep what it leaves."""
    before = _left_before(step)
    if before is not None:
        log.info("from the exposure before: %s", before)
    correct = _traps.subtract if step.parameters["algorithm"] == "traps" else _windows.flag
    try:
        left = correct(step, before)
    except NotApplicable:
        _hand_on(step, before)
        raise
    _hand_on(step, left)


def _left_before(step: Step) -> Path | None:
    """Return the file that the exposure before has left, or the configuration names; None without either."""
    left = _handed_on(step) if step.parameters["chain"] else None
    if left is None:
        name = "input_trapsfilled" if step.parameters["algorithm"] == "traps" else "persistence_array_file"
        left = Path(step.parameters[name]) if step.parameters[name] else None
    return left


def _handed_on(step: Step) -> Path | None:
    """Return the file that the exposure before names, once it is sure to be the one that it wrote."""
    given = step.spec.inputs.get("carried")
    if given is None or not given.endswith(".json"):
        return None  # the first of its chain, perhaps with a file that the configuration names
    source = Path(given)
    pointer = json.loads(source.read_text())
    if pointer["file"] is None:
        return None
    path = source.parent / pointer["file"]
    cure = f"make it anew: snakemake --forcerun persistence, or delete {source}"
    if not path.is_file():
        raise FileProblem(f"{path}: it was left by the exposure before and is gone; {cure}")
    if sha256_of(path) != pointer["sha256"]:
        raise FileProblem(f"{path}: it has changed since the exposure before left it; {cure}")
    return path


def _hand_on(step: Step, left: Path | None) -> None:
    """Say what the exposure leaves behind, once the auxiliary products have their names: a file, or None."""
    path = step.spec.outputs.get("carried")
    if path is None:
        return

    def write() -> None:
        content: dict[str, str | None] = {"file": None, "sha256": None}
        if step.parameters["chain"] and left is not None:
            content = {"file": os.path.relpath(left, Path(path).parent), "sha256": sha256_of(left)}
        write_json(path, content)

    step.at_end(write)
