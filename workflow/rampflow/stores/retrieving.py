"""A raw exposure fetched from its store: whole, as it was when the run began, with its checksum."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rampflow.errors import BadExposure, RampflowError
from rampflow.io import owners
from rampflow.io.raw_headers import examine
from rampflow.jobs.job import write_json
from rampflow.stores.objects import ConnectionBroken, NoRanges, Stored, StoreProblem
from rampflow.stores.stores import Store, Stores

if TYPE_CHECKING:
    from rampflow.jobs.job import Job

log = logging.getLogger("rampflow")

#: How often a connection may break, and seconds until the next attempt, each time twice as many.
_ATTEMPTS, _PAUSE = 4, 1.0


def run(job: Job) -> None:
    """Fetch the object that the job's rule names.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        Its rule gives ``stored``, the object as it was when the run began, and ``storage``, that block of the
        configuration; its outputs are ``raw``, the copy, and ``note``, what it is a copy of.
    """
    stored = Stored(*job.spec.more["stored"])
    raw = Path(job.spec.outputs["raw"])
    raw.parent.mkdir(parents=True, exist_ok=True)
    temporary = owners.temporary(raw)
    try:
        sha256 = fetch(Stores(job.spec.more["storage"]).of(stored.url), stored, temporary)
        examine(temporary)
        write_json(job.spec.outputs["note"], stored._asdict() | {"sha256": sha256})
        os.replace(temporary, raw)
    except (StoreProblem, BadExposure) as problem:
        raise RampflowError(f"{stored.url}: {problem}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def fetch(store: Store, stored: Stored, path: str | Path) -> str:
    """Fetch an object, going on where a connection has broken; return the sha256 of what came.

    Raises
    ------
    StoreProblem
        It cannot be had, is another one by now, or is not as long as its store says.
    OSError
        It cannot be written.
    """
    pause = _PAUSE
    with open(path, "wb") as file:
        digest = hashlib.sha256()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _go_on(store, stored, file, digest)
            except NoRanges:
                file.seek(0)
                file.truncate()
                digest = hashlib.sha256()
            except ConnectionBroken as problem:
                log.warning("%s: %s; %s of %s bytes are there", stored.url, problem, file.tell(), stored.size)
                if attempt == _ATTEMPTS:
                    raise StoreProblem(
                        f"truncated: {file.tell()} of {stored.size} bytes came, in {attempt} attempts: {problem}"
                    ) from None
                time.sleep(pause)
                pause *= 2
            if file.tell() == stored.size:
                return digest.hexdigest()
        raise StoreProblem(f"truncated: {file.tell()} of {stored.size} bytes came, in {_ATTEMPTS} attempts")


def _go_on(store: Store, stored: Stored, file: BinaryIO, digest: Any) -> None:
    """Read on from what is there."""
    for piece in store.stream(stored, file.tell()):
        file.write(piece)
        digest.update(piece)
        if file.tell() > stored.size:
            raise StoreProblem(f"more than the {stored.size} bytes came that its store says it has; try again later")
