"""What CRDS has answered for the exposures of a run, as far as it decides about their chains, and where these branch.

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
from rampflow.planning.inapplicable import inapplicable, named_by_emicorr, without_references
from rampflow.planning.plan import Plan
from rampflow.planning.selectors import counted
from rampflow.settings.branches import branch_of, exposure_of, variant_of
from rampflow.settings.chain import Chain
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import Settings, is_crds
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
        self._links: dict[str | None, dict[str, str]] = {}
        self._own: dict[str, list[str]] = {}
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

    def chain(self, branch: str) -> Chain:
        """Return the chain of a branch: settled, or without an answer that of the step tables."""
        self._look()
        if branch not in self._chains:
            chain, root = self._plan.expected(branch), exposure_of(branch)
            # What cannot be read fails in the job that asks, or asked, CRDS; here it must not stop the others.
            with contextlib.suppress(ConfigError):
                if self._seen is not None:
                    chain = self._plan.settle(branch, self.parameter_files(root))
            self._chains[branch] = self._without_idle(branch, chain)
        return self._chains[branch]

    def settings(self, step: str, branch: str) -> Settings:
        """Return the parameters of a step of a branch, CRDS's among them once it has answered."""
        try:
            return self._plan.settings(step, branch, self.chain(branch))
        except ConfigError:
            # The job comes upon it, too, and fails with its message: that is one exposure and not the run.
            return self._plan.settings(step, branch)

    def own(self, branch: str) -> list[str]:
        """Return the steps that a branch goes by itself, a variant's from the first that differs: none, if none does.

        What comes before them is the exposure's.
        """
        self._look()
        variant = variant_of(branch)
        if variant is None:
            return self.chain(branch).steps
        # What the exposure before hands on may be what differs: such exposures are gone through in the order of time.
        way = [branch]
        while (before := self.links(variant).get(exposure_of(way[-1]))) and branch_of(before, variant) not in self._own:
            way.append(branch_of(before, variant))
        for each in reversed(way):
            if each not in self._own:
                self._own[each] = self._first_that_differs(each)
        return self._own[branch]

    def _first_that_differs(self, branch: str) -> list[str]:
        """Return the chain of a variant from the first step that the exposure does not go in the same way."""
        steps, others = self.chain(branch).steps, self.chain(exposure_of(branch)).steps
        for number, step in enumerate(steps):
            if others[number : number + 1] != [step] or self._differs(step, branch):
                return steps[number:]
        return []

    def _differs(self, step: str, branch: str) -> bool:
        """Whether a step of a variant is not that of the exposure, as far as it is not of what comes before it."""

        def facts(branch: str) -> list[Any]:
            values = {name: entry["value"] for name, entry in self.settings(step, branch).items()}
            chained = self.chained_after(branch) if step == "persistence" else None
            return [values, list(self.chain(branch).skipped_before(step)), chained]

        return facts(branch) != facts(exposure_of(branch))

    def owner(self, step: str, branch: str) -> str:
        """Return the branch that a step of a branch is done in: its own, or that of the exposure."""
        return branch if step in self.own(branch) else exposure_of(branch)

    def _without_idle(self, branch: str, chain: Chain) -> Chain:
        """Return a chain without steps that have nothing to do, but for those that the user keeps by name."""
        exposure, source = self._plan.exposures[exposure_of(branch)], self._source
        keep = self._plan.config["keep"]
        kept = () if isinstance(keep, str) else keep
        pointers: dict[str, Any] = {}
        values: dict[str, Any] = {}
        lacking: dict[str, tuple[str, ...]] = {}
        if self._seen is not None:
            kinds = ("gain", "emicorr") if "emicorr" in chain.steps else ("gain",)
            pointers = {kind: found for kind in kinds if (found := source.pointer(exposure.root, kind)) is not None}
            values = self._deciding(branch, chain)
            lacking = without_references(source.names(exposure.root), values)
        reasons = {step: no_reference(*kinds) for step, kinds in lacking.items()}
        reasons |= inapplicable(exposure, pointers, values)
        named = {step: dict.fromkeys(kinds, "N/A") for step, kinds in lacking.items()}
        named["emicorr"] = named_by_emicorr(exposure, pointers.get("emicorr"), values.get("emicorr", {}))
        return chain.without({step: why for step, why in reasons.items() if step not in kept}, named)

    def _deciding(self, branch: str, chain: Chain) -> dict[str, dict[str, Any]]:
        """Return the parameters of steps by which these have something to do or not: step to name to value."""
        # In longer ramps jumps are looked for in any case, and there may be thousands.
        short = self._plan.exposures[exposure_of(branch)].shape[1] < 3
        steps = {"emicorr", "persistence"} | ({"jump"} if short else set())
        values = {}
        # What cannot be read fails in the step's own job.
        with contextlib.suppress(ConfigError):
            for step in steps & set(chain.steps):
                settings = self._plan.settings(step, branch, chain)
                values[step] = {name: entry["value"] for name, entry in settings.items()}
        return values

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
        for variant in self._plan.variants:
            same = [e for root, e in self._plan.exposures.items() if not self.own(branch_of(root, variant))]
            if same:
                kinds[f"variant {variant}: it changes nothing, and nothing is made of it"] = same
        return [f"{kind}: {counted(exposures)}" for kind, exposures in kinds.items()]

    def _unlike_jwst(self, step: str, chain: Chain) -> bool:
        """Whether a step runs that jwst would leave out, since nobody but the step table says anything of it."""
        release = self._plan.release
        asked = self._seen is not None and self._plan.config["crds"]["pars"]
        alone = chain.skips[step]["source"] == f"release {release.name}"
        return asked and alone and step in chain.steps and step in release.off_in_jwst

    def chained_after(self, branch: str) -> str | None:
        """Return the branch of the exposure whose persistence is handed on to this one; None without one."""
        variant = variant_of(branch)
        before = self.links(variant).get(exposure_of(branch))
        if before is None or variant is None:
            return before
        return self.owner("persistence", branch_of(before, variant))

    def links(self, variant: str | None = None) -> dict[str, str]:
        """Return the links between exposures: root to the root of the one whose persistence is handed on to it."""
        self._look()
        if variant not in self._links:
            self._links[variant] = self._plan.links(self.chain, variant)
        return self._links[variant]

    def all_links(self) -> dict[str, str]:
        """Return links that have together what is linked without a variant, or in any."""
        every = [self.links(variant) for variant in (None, *self._plan.variants)]
        return {after: before for links in reversed(every) for after, before in links.items()}

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
            self._seen, self._chains, self._links, self._own, self._failed = seen, {}, {}, {}, None
