"""What CRDS has answered for the exposures of a run, as far as it decides about their chains.

The job `references` leaves a pointer for each type in ``<results>/<exposure>/references`` and, when all are there, one
file for the run. Before that, chains are those of the step tables.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rampflow.crds.asked import failures
from rampflow.io.shared_files import read_json
from rampflow.planning.inapplicable import inapplicable, without_references
from rampflow.planning.plan import Plan
from rampflow.planning.selectors import counted
from rampflow.settings.chain import Chain
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import is_crds
from rampflow.steps import no_reference

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure


#: The file among the results that is there when CRDS has answered for all exposures.
ANSWERED = "references.json"


class Kept:
    """Answers that are kept among the results.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    """

    def __init__(self, results: Path) -> None:
        self._results = results

    def version(self) -> object:
        """Return something by which an answer can be told from a later one; None while there is no answer."""
        try:
            found = os.stat(self._results / ANSWERED)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def failed(self) -> Collection[str]:
        """Return the exposures for which CRDS has no answer."""
        return failures(self._results / ANSWERED)

    def names(self, root: str) -> dict[str, str]:
        """Return the file, or "N/A", of every type that was asked for an exposure."""
        return self.summary(root).get("references", {})

    def summary(self, root: str) -> dict[str, Any]:
        """Return what is kept of all that was asked for an exposure; empty where nothing is."""
        return read_json(self._results / root / "references" / "asked.json") or {}

    def pointer(self, root: str, kind: str) -> Any:
        """Read what was answered for a type; None where there is nothing to read."""
        return read_json(self._results / root / "references" / f"{kind}.json")


class Answers:
    """The chains of a run, settled once per exposure and answer.

    Parameters
    ----------
    plan : Plan
        The run's plan.
    results : path-like
        Folder of the results.
    source : Kept, optional
        Where the answers are; by default among the results.
    """

    def __init__(self, plan: Plan, results: str | Path, source: "Kept | None" = None) -> None:
        self._plan, self._results = plan, Path(results)
        self._source = source or Kept(self._results)
        self._seen: object = None
        self._chains: dict[str, Chain] = {}
        self._links: dict[str, str] | None = None
        self._failed: Collection[str] | None = None

    @property
    def version(self) -> object:
        """Something by which an answer can be told from a later one; None while there is no answer."""
        self._look()
        return self._seen

    @property
    def file(self) -> str:
        """The file that is there when CRDS has answered for all exposures."""
        return str(self._results / ANSWERED)

    def chain(self, root: str) -> Chain:
        """Return the chain of an exposure: settled, or without an answer that of the step tables."""
        self._look()
        if root not in self._chains:
            self._chains[root] = self._plan.expected(root)
            # What cannot be read fails in the job that asks, or asked, CRDS; here it must not stop the others.
            with contextlib.suppress(ConfigError):
                if self._seen is not None:
                    self._chains[root] = self._plan.settle(root, self.parameter_files(root))
            self._chains[root] = self._without_idle(root, self._chains[root])
        return self._chains[root]

    def _without_idle(self, root: str, chain: Chain) -> Chain:
        """Return a chain without steps that have nothing to do, but for those that the user keeps by name."""
        gain = self._source.pointer(root, "gain") if self._seen is not None else None
        keep = self._plan.config["keep"]
        kept = () if isinstance(keep, str) else keep
        found = inapplicable(self._plan.exposures[root], gain)
        lacking = {} if self._seen is None else self._lacking(root, chain)
        found = {step: no_reference(*kinds) for step, kinds in lacking.items()} | found
        return chain.without({step: why for step, why in found.items() if step not in kept}, lacking)

    def _lacking(self, root: str, chain: Chain) -> dict[str, tuple[str, ...]]:
        """Return the steps for which CRDS has no reference: step to the types."""
        values = {}
        # What cannot be read fails in the step's own job.
        with contextlib.suppress(ConfigError):
            for step in {"emicorr", "persistence"} & set(chain.steps):
                settings = self._plan.settings(step, root, chain)
                values[step] = {name: entry["value"] for name, entry in settings.items()}
        return without_references(self._source.names(root), values)

    def disagreements(self) -> list[str]:
        """Say where CRDS turns steps on or off against the step tables: a line for each kind, with its exposures.

        And where it says nothing of a step that jwst then leaves out, and the tables do not.
        """
        kinds: dict[str, list[Exposure]] = defaultdict(list)
        for root, exposure in self._plan.exposures.items():
            chain, cells = self.chain(root), self._plan.cells(exposure)
            for step, entry in chain.skips.items():
                if is_crds(entry) and entry["value"] != (cells.get(step) != "on"):
                    who = f"{'off' if entry['value'] else 'on'} by CRDS ({entry['source'].split()[0]})"
                    table = f"{cells[step]} in its table" if step in cells else "not in its table"
                    kinds[f"{step}: {who}, {table} (release {self._plan.release.name})"].append(exposure)
                if self._unlike_jwst(step, chain):
                    table = f"on by its table (release {self._plan.release.name})"
                    why = "where CRDS has no parameter file that says so; jwst has it off then"
                    kinds[f"{step}: {table}, {why} (steps: {{{step}: {{skip: true}}}})"].append(exposure)
            for step, why in chain.kept.items():
                kinds[f"{step}: {why}"].append(exposure)
        return [f"{kind}: {counted(exposures)}" for kind, exposures in kinds.items()]

    def _unlike_jwst(self, step: str, chain: Chain) -> bool:
        """Whether a step runs that jwst would leave out, since nobody but the step table says anything of it."""
        release = self._plan.release
        asked = self._seen is not None and self._plan.config["crds"]["pars"]
        alone = chain.skips[step]["source"] == f"release {release.name}"
        return asked and alone and step in chain.steps and step in release.off_in_jwst

    def chained_after(self, root: str) -> str | None:
        """Return the root of the exposure whose persistence is handed on to this one; None without one."""
        return self.links().get(root)

    def links(self) -> dict[str, str]:
        """Return the links between exposures: root to the root of the one whose persistence is handed on to it."""
        self._look()
        if self._links is None:
            self._links = self._plan.links(self.chain)
        return self._links

    def failed(self) -> Collection[str]:
        """Return the exposures for which CRDS has no answer."""
        self._look()
        if self._failed is None:
            self._failed = self._source.failed()
        return self._failed

    def pointer(self, root: str, kind: str) -> Any:
        """Return what CRDS has answered for a type; None where there is no answer."""
        return self._source.pointer(root, kind)

    def summary(self, root: str) -> dict[str, Any]:
        """Return all that CRDS was asked and has answered for an exposure; empty where there is no answer."""
        return self._source.summary(root)

    def parameter_files(self, root: str) -> dict[str, Any]:
        """Read CRDS's parameter files for an exposure: type to what its file holds, of the types that have one."""
        kinds = [kind for kind, name in self._source.names(root).items() if kind.startswith("pars-") and name != "N/A"]
        pointers = {kind: self.pointer(root, kind) for kind in kinds}
        return {kind: pointer for kind, pointer in pointers.items() if pointer and pointer.get("file")}

    def _look(self) -> None:
        """Forget what was settled when there is another answer, or none any more."""
        seen = self._source.version()
        if seen != self._seen:
            self._seen, self._chains, self._links, self._failed = seen, {}, None, None
