"""Which jobs a run would do: what does not stand, what is missing where it is needed, and what follows either.

Whether a job stands is for `rampflow.planning.standing` to say, here as in a run; what is then missing, and where the
way leads from there, is what Snakemake makes of it with its own triggers turned off.
"""

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rampflow.planning.demand import Demand
from rampflow.planning.holding import FINAL, MADE_FROM, source_of
from rampflow.planning.standing import Standing
from rampflow.settings.branches import exposure_of, product

#: What an exposure leaves for the next one in its detector, beside its products.
CARRIED = "carried/persistence.json"
#: The job that has jwst say where science regions are.
MASK = "science_mask"

_Node = tuple[str, str]  # branch, job


class _Edge(NamedTuple):
    job: _Node
    complete: bool  # whether all files that lead from the one to the other are there


class Foresight:
    """The jobs of a run that has not begun.

    Parameters
    ----------
    demand : `~rampflow.planning.demand.Demand`
        What is asked for.
    standing : `~rampflow.planning.standing.Standing`
        What of it stands.
    """

    def __init__(self, demand: Demand, standing: Standing) -> None:
        self._demand, self._standing, self._results = demand, standing, Path(demand.results)
        self._jobs = {branch: self._jobs_of(branch) for branch in demand.branches}
        failed = demand.answers.failed()
        self._blocked = {
            (exposure, job)
            for exposure in self._jobs
            if exposure_of(exposure) in failed
            for job in self._jobs[exposure]
            if demand.reference_types(job, exposure)
        }
        self._after: dict[_Node, list[_Edge]] = {}
        self._before: dict[_Node, list[_Edge]] = {}
        for exposure, jobs in self._jobs.items():
            for job in jobs:
                self._connect(exposure, job)
        if demand.plan.variants:
            self._leave_out()

    def jobs(self) -> dict[str, dict[str, str]]:
        """Return the jobs that would run: branch to {job: why}, in the order of its chain.

        Of an exposure for which CRDS has no answer none that needs one is among them.
        """
        why: dict[_Node, str] = {}
        for exposure, jobs in self._jobs.items():
            stale = self._standing.stale(exposure)
            for job in jobs:
                if job in stale:
                    why[exposure, job] = stale[job]
                elif job in FINAL and not all(self._there(exposure, kind) for kind in FINAL[job]):
                    why[exposure, job] = self._missing(exposure, job)
                elif (exposure, job) in self._blocked:
                    why[exposure, job] = "no answer of CRDS"
        queue = deque(why)
        while queue:
            node = queue.popleft()
            for before, complete in self._before[node]:
                if not complete and before not in why:
                    why[before] = self._missing(*before)
                    queue.append(before)
            for after, complete in self._after[node]:
                if after not in why and not (complete and self._stands(*after)):
                    why[after] = MADE_FROM
                    queue.append(after)
        stopped = self._stopped(why)
        return self._ordered({node: text for node, text in why.items() if node not in stopped})

    def _stopped(self, why: Mapping[_Node, str]) -> set[_Node]:
        """Return the jobs that wait in vain for one that needs an answer of CRDS."""
        stopped, todo = set(self._blocked), list(self._blocked)
        while todo:
            for after, _ in self._after[todo.pop()]:
                if after in why and after not in stopped:
                    stopped.add(after)
                    todo.append(after)
        return stopped

    def _ordered(self, why: Mapping[_Node, str]) -> dict[str, dict[str, str]]:
        found = {}
        for exposure, jobs in self._jobs.items():
            found[exposure] = {job: why[exposure, job] for job in jobs if (exposure, job) in why}
        return {exposure: jobs for exposure, jobs in found.items() if jobs}

    def _jobs_of(self, exposure: str) -> list[str]:
        """Return the jobs that a branch's final products need, in the order of its chain."""
        wanted = self._demand.products_of(exposure)
        jobs = [job for job in self._standing.jobs(exposure) if job not in FINAL or FINAL[job][0] in wanted]
        if exposure_of(exposure) != exposure:
            return jobs
        # It is one for all of them, and for those of the variants.
        branches = self._demand.branches_of(exposure)
        masking = [job for branch in branches for job in self._demand.chain(branch).steps if self._mask(branch, job)]
        at = jobs.index(masking[0]) if masking and masking[0] in jobs else len(jobs)
        return [*jobs[:at], *([MASK] if masking else []), *jobs[at:]]

    def _mask(self, exposure: str, job: str) -> str | None:
        """Return the mask that a job has made for it; None where it needs none, or has one of the user's."""
        mask = self._demand.science_mask(job, exposure)
        return mask if mask and Path(mask).is_relative_to(self._results / exposure_of(exposure)) else None

    def _does_without(self, exposure: str, job: str) -> bool:
        """Whether a job is left as it is though what it was made from is not there (`Run.can_do_without`)."""
        made = bool(self._demand.plan.variants) and self._standing.is_whole(job, exposure)
        return made and self._stands(exposure, job)

    def _leave_out(self) -> None:
        """Leave out the jobs that nothing leads from to a final product."""
        wanted = {(branch, job) for branch, jobs in self._jobs.items() for job in jobs if job in FINAL}
        todo = list(wanted)
        while todo:
            for before, _ in self._before[todo.pop()]:
                if before not in wanted:
                    wanted.add(before)
                    todo.append(before)
        self._jobs = {one: [job for job in jobs if (one, job) in wanted] for one, jobs in self._jobs.items()}
        self._after = {node: [edge for edge in edges if edge.job in wanted] for node, edges in self._after.items()}

    def _stands(self, exposure: str, job: str) -> bool:
        return self._standing.stands(job, exposure, self._standing.stale)

    # --- the graph ------------------------------------------------------------------------------------

    def _connect(self, exposure: str, job: str) -> None:
        """Find out which jobs a job follows, and whether the files between them are there."""
        node = exposure, job
        self._after.setdefault(node, [])
        self._before.setdefault(node, [])
        if job == MASK:
            return
        if mask := self._mask(exposure, job):
            self._join((exposure_of(exposure), MASK), node, Path(mask).exists())
        before, words = source_of(job, self._demand.chain(exposure))
        if before is not None:
            # Rates are two files, of the exposure and of its integrations.
            kinds = [before, f"{before}ints"][: len(words)]
            owner = self._demand.answers.owner(before, exposure)
            self._join((owner, before), node, all(self._there(owner, kind) for kind in kinds))
        if job == "persistence" and (other := self._demand.answers.chained_after(exposure)):
            self._join((other, job), node, (self._results / other / CARRIED).exists())

    def _join(self, before: _Node, after: _Node, complete: bool) -> None:
        if not complete and self._does_without(*after):
            return
        self._after.setdefault(before, []).append(_Edge(after, complete))
        self._before.setdefault(after, []).append(_Edge(before, complete))

    def _there(self, exposure: str, kind: str) -> bool:
        return (self._results / product(exposure, kind)).exists()

    def _missing(self, exposure: str, job: str) -> str:
        return "has not run" if self._standing.record(job, exposure) is None else "its product is not there"
