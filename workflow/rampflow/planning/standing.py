"""What of the results stands: the recipe of every product, held against what is asked for now.

Snakemake remembers by path and by time; a record knows what a product is made of. Here the record decides: results
that were copied, moved or made elsewhere stand if they are made of what the configuration, the references, the code
and the raw files ask for now, and only then. Nothing is read but records, pointers and, where a raw file's time has
changed, that file.
"""

import os
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rampflow.io.shared_files import read_json
from rampflow.jobs import provenance
from rampflow.planning.demand import Demand

#: Jobs that give products their final names, and what these consist of.
FINAL = {"rate": ("rate", "rateints"), "ramp": ("ramp",)}


#: Why a job is done again whose own code, parameters and references are what they were.
MADE_FROM = "what it is made from"
#: What is compared of a record, in this order, and what it is called.
_WORDS = {
    "code": "the code of the step",
    "parameters": "parameters",
    "skipped": "steps that are skipped",
    "references": "references",
}


@cache
def code(rule: str) -> str:
    """Return the digest of the code of a rule, as it is now."""
    return provenance.code_digest(provenance.script_of(rule))


class Standing:
    """Which jobs of the exposures have to be done anew.

    Parameters
    ----------
    demand : `~rampflow.planning.demand.Demand`
        What is asked for.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand, self._results = demand, Path(demand.results)
        self._recipes: dict[tuple[str, str], str | None] = {}
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

    def is_done(self, step: str, exposure: str) -> bool:
        """Whether a job has left a record, and what it has made stands."""
        return step not in self.stale(exposure) and self.record(step, exposure) is not None

    def stands(self, step: str, exposure: str, anew: Callable[[str], Collection[str]]) -> bool:
        """Whether a job has nothing to do, where some jobs are done anew: ``anew`` gives those of an exposure.

        A job that follows one that is done anew does not stand, nor does one that takes what such an exposure hands on.
        """
        if not self.is_done(step, exposure) or exposure in self._demand.answers.failed():
            return False
        way = {step, *self.before(step, exposure)}
        return way.isdisjoint(anew(exposure)) and not ("persistence" in way and self._takes_over(exposure, anew))

    def _takes_over(self, exposure: str, anew: Callable[[str], Collection[str]]) -> bool:
        """Whether what an exposure takes from those before it in its detector is made anew."""
        way: list[str] = []
        found = False
        while not found and exposure not in self._taken:
            way.append(exposure)
            before = self._demand.answers.chained_after(exposure)
            if before is None:
                break
            found = not {"persistence", *self.before("persistence", before)}.isdisjoint(anew(before))
            exposure = before
        found = found or self._taken.get(exposure, False)
        self._taken |= dict.fromkeys(way, found)
        return found

    def forget_anew(self) -> None:
        """Forget what was concluded from what is done anew, where that has changed."""
        self._taken = {}

    def before(self, step: str, exposure: str) -> list[str]:
        """Return the jobs on the way to one, in the order of the chain."""
        if step == "ramp":
            last = self._demand.chain(exposure).before_fit
            return [*self.before(last, exposure), last] if last else []
        jobs = [job for job in self.jobs(exposure) if job != "ramp"]
        return jobs[: jobs.index(step)] if step in jobs else []

    def jobs(self, exposure: str) -> list[str]:
        """Return the jobs that an exposure can have, in the order of its chain."""
        chain = self._demand.chain(exposure).steps
        final = [rule for rule in FINAL if rule == "ramp" or "ramp_fit" in chain]
        return [*chain, *final]

    def _why(self, step: str, exposure: str) -> str | None:
        """Say why the products of a job do not stand; None where they do, or are not there."""
        record = self.record(step, exposure)
        folder = self._results / exposure
        if record is None:
            return "no record of what it is made of" if self._products(step, exposure, folder) else None
        if record.get("recipe") != self.recipe(step, exposure):
            return self._difference(record, step, exposure)
        for name, entry in record.get("outputs", {}).items():
            size = _size(folder / name)
            if size is not None and size != entry.get("size"):
                return f"{name} has changed since it was made"
        return None

    @staticmethod
    def _products(step: str, exposure: str, folder: Path) -> bool:
        """Whether anything is there under the names of a job's products."""
        kinds = FINAL.get(step, (step, f"{step}ints"))
        return any((folder / f"{exposure}_{kind}.fits").exists() for kind in kinds)

    def recipe(self, step: str, exposure: str) -> str | None:
        """Return the recipe that a job would write now; None where it cannot be told."""
        if (step, exposure) not in self._recipes:
            # An exposure that is chained to itself would ask for ever.
            self._recipes[step, exposure] = None
            self._recipes[step, exposure] = self._recipe(step, exposure)
        return self._recipes[step, exposure]

    def _recipe(self, step: str, exposure: str) -> str | None:
        made_of = self._made_of(step, exposure)
        inputs = None if made_of is None else self._inputs(step, exposure)
        if made_of is None or inputs is None or None in inputs.values():
            return None
        return provenance.recipe(made_of, inputs)

    def _made_of(self, step: str, exposure: str) -> dict[str, Any] | None:
        """Return what a job's products would follow from beside its inputs; None where a pointer is missing."""
        made_of = {"step": step, "exposure": exposure, "code": code(step)}
        if step in FINAL:
            chain = self._demand.chain(exposure)
            return made_of | {"skipped": list(chain.skipped_before(step)) if step == "ramp" else []}
        pointers = self._demand.pointers(step, exposure)
        if pointers is None:
            return None
        resolved = self._demand.resolved(step, exposure, pointers)
        if resolved is None:
            return None
        return made_of | {
            "skipped": list(self._demand.chain(exposure).skipped_before(step)),
            "parameters": {name: entry["value"] for name, entry in resolved.items()},
            "references": pointers,
        }

    def _inputs(self, step: str, exposure: str) -> dict[str, str | None]:
        """Return what a job reads: by its words the recipe of the job that makes it, or the checksum of the file."""
        chain = self._demand.chain(exposure)
        if step == "rate":
            return dict.fromkeys(FINAL["rate"], self.recipe(chain.final, exposure))
        if step == "ramp":
            return {"ramp": self.recipe(chain.before_fit, exposure) if chain.before_fit else None}
        before = chain.previous(step)
        if before is None:
            made_from = self._checksum(self._demand.plan.exposures[exposure].path, step, exposure, "ramp")
        else:
            made_from = self.recipe(before, exposure)
        takes_rates = before is not None and "ramp_fit" in chain.steps[: chain.steps.index(step)]
        inputs: dict[str, str | None] = dict.fromkeys(("rate", "rateints") if takes_rates else ("ramp",), made_from)
        for name, path in self._demand.other_inputs(step, exposure).items():
            inputs[name] = self._checksum(path, step, exposure, name)
        if step == "persistence" and (other := self._demand.answers.chained_after(exposure)):
            inputs["carried"] = self.recipe("persistence", other)
        return inputs

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
            self._records[step, exposure] = record if isinstance(record, dict) else None
        return self._records[step, exposure]

    def _difference(self, record: Mapping[str, Any], step: str, exposure: str) -> str:
        """Say what differs between a record and what is asked for now, the first thing that does."""
        made_of = self._made_of(step, exposure)
        if made_of is None:
            return "its references or parameters cannot be told"
        wanted = provenance.deciding(made_of)
        found = provenance.deciding(record)
        for key, words in _WORDS.items():
            if wanted.get(key) == found.get(key):
                continue
            if key == "skipped" and isinstance(found.get(key), list):
                return f"{words}: {', '.join(sorted({*wanted[key]} ^ {*map(str, found[key])}))}"
            if not isinstance(wanted.get(key), dict) or not isinstance(found.get(key), dict):
                return words
            names = {*wanted[key], *found[key]}
            return f"{words}: {', '.join(sorted(n for n in names if wanted[key].get(n) != found[key].get(n)))}"
        return MADE_FROM


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
