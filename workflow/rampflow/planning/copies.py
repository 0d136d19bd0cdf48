"""Copies of raw files that lie in a store: where a job puts one, and what is known of it when it is gone."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from rampflow.io.shared_files import read_json
from rampflow.jobs.provenance import COPIES, digest, note_of
from rampflow.planning.plan import Plan


class Copies:
    """The copies of a run.

    A copy's folder is named by what its object is: of one that has changed there is no copy yet.

    Parameters
    ----------
    plan : Plan
        The run's plan.
    results : str
        Folder of the results.
    """

    def __init__(self, plan: Plan, results: str) -> None:
        self._plan, self._results = plan, results

    def any(self) -> bool:
        """Whether the raw file of any exposure lies in a store."""
        return any(exposure.stored for exposure in self._plan.exposures.values())

    def copy(self, exposure: str) -> str | None:
        """Return the copy of an exposure's raw file; None where it lies in no store."""
        identity = self._identity(exposure)
        return identity and f"{self._results}/{exposure}/{COPIES}/{identity}/{exposure}_uncal.fits"

    def request(self, exposure: str) -> list[Any]:
        """Return what the job that fetches it is told of the object."""
        return list(self._plan.exposures[exposure].stored or ())

    def checksum(self, exposure: str) -> str | None:
        """Return the sha256 of an object, from when it was fetched; of one that was not, what no file has."""
        stored, copy = self._plan.exposures[exposure].stored, self.copy(exposure)
        if stored is None or copy is None:
            return None
        note = read_json(note_of(Path(copy))) or {}
        return note.get("sha256") or f"not fetched yet: {stored.version}"

    def sweep(self) -> None:
        """Remove copies of objects that are others by now, which a run that was killed has left."""
        for exposure in self._plan.exposures:
            if (identity := self._identity(exposure)) is None:
                continue
            folder = f"{self._results}/{exposure}/{COPIES}"
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and entry.name != identity:
                        shutil.rmtree(entry.path, ignore_errors=True)

    def _identity(self, exposure: str) -> str | None:
        stored = self._plan.exposures[exposure].stored
        return None if stored is None else digest(stored.version)[:12]
