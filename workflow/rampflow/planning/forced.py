"""Jobs that Snakemake is made to do: by the user, by itself after a killed run, or because their products are stale."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from rampflow.settings.branches import exposure_of, of_path


class Forced:
    """The jobs that are forced, as files in Snakemake's graph.

    Parameters
    ----------
    results : str
        Folder of the results.
    """

    def __init__(self, results: str) -> None:
        self._results = results
        self._own: dict[str, set[str]] = defaultdict(set)
        self._paths: set[str] = set()
        self._seen, self._others = 0, dict[str, set[str]]()

    def add(self, dag: Any, exposure: str, jobs: Iterable[str]) -> None:
        """Have jobs of an exposure, or of a variant of it, done anew."""
        if exposure in self._own:
            return
        self._own[exposure] = set(jobs)
        paths = {f"{self._results}/{exposure}/record/{job}.json" for job in self._own[exposure]}
        paths = {path for path in paths if path not in dag.forcefiles}
        self._paths |= paths
        dag.forcefiles.update(paths)

    def have_changed(self, dag: Any) -> bool:
        """Whether others than those of `add` are forced than when this was asked last."""
        seen, self._seen = self._seen, len(dag.forcefiles) - len(self._paths)
        if changed := seen != self._seen:
            self._others = self._by_exposure(set(map(str, dag.forcefiles)) - self._paths)
        return changed

    def jobs(self, dag: Any, exposure: str) -> set[str]:
        """Return the jobs of an exposure that are done anew."""
        # With thousands of exposures their files cannot be looked through for every job.
        self.have_changed(dag)
        rules = {rule.name for rule in dag.forcerules}
        return self._own.get(exposure, set()) | self._others.get(exposure, set()) | rules

    def _by_exposure(self, paths: set[str]) -> dict[str, set[str]]:
        found = defaultdict(set)
        for path in map(PurePath, paths):
            if path.is_relative_to(self._results) and len((inside := path.relative_to(self._results)).parts) > 1:
                branch = of_path(inside)
                found[branch].add(path.stem.removeprefix(f"{exposure_of(branch)}_").removesuffix("ints"))
        return found
