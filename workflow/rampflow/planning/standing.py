"""What of the results stands: the recipe of every product, held against what is asked for now.

Snakemake remembers by path and by time; a record knows what a product is made of. Here the record decides: results
that were copied, moved or made elsewhere stand if they are made of what the configuration, the references, the code
and the raw files ask for now, and only then. Nothing is read but records, pointers and, where a raw file's time has
changed, that file.
"""

import os
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any

from rampflow.io.shared_files import read_json
from rampflow.jobs import provenance
from rampflow.planning.demand import Demand
from rampflow.planning.holding import FINAL, Asked, difference, is_record, source_of
from rampflow.settings.branches import exposure_of


@cache
def code(rule: str) -> str:
    """Return the digest of the code of a rule, as it is now."""
    return provenance.code_digest(provenance.script_of(rule))


class Standing:
    """Which jobs of the exposures, and of their variants, have to be done anew.

    Methods take a branch (`rampflow.settings.branches`): the name of an exposure is that of its own.

    Parameters
    ----------
    demand : `~rampflow.planning.demand.Demand`
        What is asked for.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand, self._results = demand, Path(demand.results)
        self._asked: dict[tuple[str, str], Asked | None] = {}
        # Asked for once for each input of a job.
        self._records: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._stale: dict[str, dict[str, str]] = {}
        self._taken: dict[str, bool] = {}

    def stale(self, exposure: str) -> dict[str, str]:
        """Return the jobs of an exposure whose products do not stand, in the order of the chain: {rule: why}.

        Jobs that have left nothing are not among them: that their products are missing is plain.
        """
        if exposure not in self._stale:
            self._stale[exposure] = {}
            for step in self.jobs(exposure):
                if (why := self._why(step, exposure)) is not None:
                    self._stale[exposure][step] = why
        return self._stale[exposure]

    def forget(self, exposure: str) -> None:
        """Forget what was read of an exposure; what it hands on to others may be asked for again."""
        self._stale.pop(exposure, None)
        for job in self.jobs(exposure):
            self._records.pop((job, exposure), None)
            self._asked.pop((job, exposure), None)

    def is_done(self, step: str, exposure: str) -> bool:
        """Whether a job has left a record, and what it has made stands."""
        return step not in self.stale(exposure) and self.record(step, exposure) is not None

    def stands(self, step: str, exposure: str, anew: Callable[[str], Collection[str]]) -> bool:
        """Whether a job has nothing to do, where some jobs are done anew: ``anew`` gives those of an exposure.

        A job that follows one that is done anew does not stand, nor does one that takes what such an exposure hands on.
        """
        if not self.is_done(step, exposure) or exposure_of(exposure) in self._demand.answers.failed():
            return False
        for owner, jobs in self._way(step, exposure).items():
            if not jobs.isdisjoint(anew(owner)) or ("persistence" in jobs and self._takes_over(owner, anew)):
                return False
        return True

    def is_whole(self, step: str, branch: str) -> bool:
        """Whether all is there that a job has made, by its record."""
        made = (self.record(step, branch) or {}).get("outputs") or {}
        return bool(made) and all((self._results / branch / name).exists() for name in made)

    def _way(self, step: str, branch: str) -> dict[str, set[str]]:
        """Return a job and those on the way to it, by the branch that does them."""
        way = {branch: {step, *self.before(step, branch)}}
        root = exposure_of(branch)
        if root != branch and (shared := self._shared(branch)):
            way[root] = {*shared}
        return way

    def _shared(self, branch: str) -> list[str]:
        """Return the steps that the exposure does for a variant of it."""
        chain = self._demand.chain(branch).steps
        return chain[: len(chain) - len(self._demand.answers.own(branch))]

    def _takes_over(self, exposure: str, anew: Callable[[str], Collection[str]]) -> bool:
        """Whether what an exposure takes from those before it in its detector is made anew."""
        way: list[str] = []
        found = False
        while not found and exposure not in self._taken:
            way.append(exposure)
            before = self._demand.answers.chained_after(exposure)
            if before is None:
                break
            way_there = self._way("persistence", before).items()
            found = any(not jobs.isdisjoint(anew(owner)) for owner, jobs in way_there)
            exposure = before
        found = found or self._taken.get(exposure, False)
        self._taken |= dict.fromkeys(way, found)
        return found

    def forget_anew(self) -> None:
        """Forget what was concluded from what is done anew, where that has changed."""
        self._taken = {}

    def before(self, step: str, exposure: str) -> list[str]:
        """Return the jobs of a branch on the way to one of its jobs, in the order of the chain."""
        if step == "ramp":
            last = self._demand.chain(exposure).before_fit
            return [*self.before(last, exposure), last] if last else []
        jobs = [job for job in self.jobs(exposure) if job != "ramp"]
        return jobs[: jobs.index(step)] if step in jobs else []

    def jobs(self, exposure: str) -> list[str]:
        """Return the jobs that a branch can have, in the order of its chain."""
        chain, own = self._demand.chain(exposure), self._demand.answers.own(exposure)
        makes = {"rate": chain.final if "ramp_fit" in chain.steps else None, "ramp": chain.before_fit}
        return [*own, *(rule for rule in FINAL if makes[rule] in own)]

    def _why(self, step: str, exposure: str) -> str | None:
        """Say why the products of a job do not stand; None where they do, or are not there."""
        record = self.record(step, exposure)
        folder = self._results / exposure
        if record is None:
            return "no record of what it is made of" if self._products(step, exposure, folder) else None
        asked = self._asked_for(step, exposure)
        if asked is None:
            return "its references, parameters or inputs cannot be told"
        found = difference(record, asked, folder)
        return None if found is None else found.brief

    @staticmethod
    def _products(step: str, exposure: str, folder: Path) -> bool:
        """Whether anything is there under the names of a job's products."""
        kinds = FINAL.get(step, (step, f"{step}ints"))
        return any((folder / f"{exposure_of(exposure)}_{kind}.fits").exists() for kind in kinds)

    def recipe(self, step: str, exposure: str) -> str | None:
        """Return the recipe that a job would write now; None where it cannot be told."""
        asked = self._asked_for(step, exposure)
        return None if asked is None else asked.recipe

    def _asked_for(self, step: str, exposure: str) -> Asked | None:
        """Return what a job's products would be made of now; None where it cannot be told."""
        if (step, exposure) not in self._asked:
            # An exposure that is chained to itself would ask for ever.
            self._asked[step, exposure] = None
            self._asked[step, exposure] = self._ask(step, exposure)
        return self._asked[step, exposure]

    def _ask(self, step: str, exposure: str) -> Asked | None:
        # A variant's name is nothing that its products are made of.
        made_of: dict[str, Any] = {"step": step, "exposure": exposure_of(exposure), "code": code(step)}
        skipped = self._demand.skipped(step, exposure) if step != "rate" else {}
        made_of["skipped"] = list(skipped)
        if named := {kind: name for entry in skipped.values() for kind, name in entry["names"].items()}:
            made_of["named"] = named
        parameters = pointers = None
        if step not in FINAL:
            pointers = self._demand.pointers(step, exposure)
            parameters = None if pointers is None else self._demand.resolved(step, exposure, pointers)
            if parameters is None:
                return None
            made_of["parameters"] = {name: entry["value"] for name, entry in parameters.items()}
            made_of["references"] = pointers
        before, inputs = self._inputs(step, exposure)
        known = {word: made_from for word, made_from in inputs.items() if made_from is not None}
        if known.keys() != inputs.keys():
            return None
        recipe = provenance.recipe(made_of, known)
        return Asked([made_of["code"]], parameters, made_of["skipped"], pointers, before, known, recipe)

    def _inputs(self, step: str, exposure: str) -> tuple[str | None, dict[str, str | None]]:
        """Return the job that a job follows, and what it reads: recipes of jobs, checksums of other files, by words."""
        before, words = source_of(step, self._demand.chain(exposure))
        if before is not None:
            made_from = self.recipe(before, self._demand.answers.owner(before, exposure))
        elif step in FINAL:
            made_from = None
        elif (raw := self._demand.plan.exposures[exposure_of(exposure)]).stored is not None:
            made_from = self._demand.copies.checksum(exposure_of(exposure))
        else:
            made_from = self._checksum(raw.path, step, exposure, "ramp")
        inputs: dict[str, str | None] = dict.fromkeys(words, made_from)
        if step not in FINAL:
            for name, path in self._demand.other_inputs(step, exposure).items():
                inputs[name] = self._checksum(path, step, exposure, name)
        if step == "persistence" and (other := self._demand.answers.chained_after(exposure)):
            inputs["carried"] = self.recipe("persistence", other)
        return before, inputs

    def _checksum(self, path: str | Path, step: str, exposure: str, name: str) -> str | None:
        """Return the checksum of a file that no job makes, from the record if the file has its size and time."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        entry = ((self.record(step, exposure) or {}).get("inputs") or {}).get(name, {})
        same = (entry.get("size"), entry.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
        return entry["sha256"] if same and entry.get("sha256") else provenance.sha256_of(path)

    def record(self, step: str, exposure: str) -> dict[str, Any] | None:
        """Return the record of a job as it is; None where there is none."""
        if (step, exposure) not in self._records:
            record = read_json(self._results / exposure / "record" / f"{step}.json")
            self._records[step, exposure] = record if is_record(record) else None
        return self._records[step, exposure]
