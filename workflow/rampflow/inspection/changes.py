"""What another configuration changes: reference files, parameters, steps and code, exposure by exposure.

What results were made with is in their records; what they would be made with is in an
`~rampflow.planning.outlook.Outlook`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from rampflow.inspection.results import PARAMETERS, RUN, read
from rampflow.jobs.provenance import FACTS
from rampflow.planning.answers import Kept
from rampflow.planning.holding import FINAL
from rampflow.planning.standing import code
from rampflow.settings.branches import branch_of, exposure_of
from rampflow.settings.configuration import word

#: Bytes of what a run keeps of itself, at most.
_LARGEST_RUN = 1 << 28
_NONE = "–"
#: A mapping of CRDS: what it is of, and its number.
_MAPPING = re.compile(r"(.+)_\d+\.(pmap|imap|rmap)")


@dataclass(frozen=True)
class Change:
    """One thing that is not what it was.

    Attributes
    ----------
    exposure : str
        Its name.
    kind : str
        "reference", "parameter file", "parameter", "step", "code", or "mapping": rules of CRDS that are others while
        the file that they choose for this exposure is not.
    step : str
        The step that it is about; "" where there is none.
    name : str
        CRDS type, parameter, or step.
    before, after : str
        What it was, and what it would be.
    source, source_before : str
        Who says so, and who said what it was: "config", the release, a parameter file of CRDS; "" where nobody does.
    """

    exposure: str
    kind: str
    step: str
    name: str
    before: str
    after: str
    source: str = ""
    source_before: str = ""


def changes(outlook, mappings=False):
    """Say what changes for exposures of which there are results.

    Parameters
    ----------
    outlook : `~rampflow.planning.outlook.Outlook`
        What would be.
    mappings : bool, optional
        Also say which rules of CRDS differ while the files that they choose do not.

    Returns
    -------
    list of Change
        By exposures, in the order of their chains.
    """
    results = Path(outlook.demand.results)
    chains = _chains(results, outlook.demand.plan.exposures)
    found = []
    for branch in outlook.demand.branches:
        if exposure_of(branch) not in outlook.failed:
            found += _Exposure(outlook, results, branch, chains.get(branch)).changes(mappings)
    return found


def _chains(results, exposures):
    """Return the chain of each exposure in the last run that had it, as far as that is known."""
    chains, also = {}, {}
    for path in sorted(results.glob("runs/*.json"), reverse=True):
        if len(chains) == len(exposures):
            break
        run, _ = read(path, RUN, _LARGEST_RUN)
        facts = run["exposures"] if run else {}
        new = [root for root in exposures if root in facts and root not in chains]
        for root in new:
            chains[root] = facts[root]["chain"]
            of_variants = facts[root].get("variants", {}).items()
            also |= {branch_of(root, variant): kept["chain"] for variant, kept in of_variants}
    return chains | also


class _Exposure:
    """One exposure, before and after.

    Parameters
    ----------
    outlook : `~rampflow.planning.outlook.Outlook`
        What would be.
    results : `~pathlib.Path`
        Folder of the results.
    exposure : str
        Its name.
    chain : list of str or None
        Its steps in the last run; None where that is not known.
    """

    def __init__(self, outlook, results, exposure, chain):
        self.outlook, self.demand, self.results, self.exposure = outlook, outlook.demand, results, exposure
        known = [*chain] if chain else self.demand.answers.own(exposure)
        self.records = {step: record for step in known if (record := outlook.standing.record(step, exposure))}
        self.then = known if chain else [*self.records]
        # Of a chain that no run has come to the end of it is not known what was on.
        self.ended = any(outlook.standing.record(job, exposure) for job in FINAL)

    def changes(self, mappings):
        """Return all that changes, as a list of Change; nothing where there are no records."""
        if not self.records:
            return []
        chain = self.demand.chain(self.exposure)
        found = []
        steps, is_variant = [*chain.skips], self.exposure != exposure_of(self.exposure)
        if is_variant:
            # What comes before is told of the exposure.
            steps = steps[steps.index(self.demand.answers.own(self.exposure)[0]) :]
        for step in steps:
            if step in self.records and step in chain.steps:
                own = self.demand.pointers(step, self.exposure)
                if own is not None:
                    found += [*self._references(step, own), *self._parameters(step, own), *self._code(step)]
            elif (step in self.then) != (step in chain.steps) and self.ended:
                before, after = ("on", "off") if step in self.then else ("off", "on")
                source = chain.idle.get(step) or chain.skips[step]["source"]
                found.append(self._change("step", step, step, before, after, source))
        # One type may be read by several steps.
        found = list({(change.kind, change.name, change.step): change for change in found}.values())
        return [*found, *self._mappings(found)] if mappings and not is_variant else found

    def _change(self, *what):
        return Change(self.exposure, *what)

    def _references(self, step, pointers):
        used = self.records[step].get("references") or {}
        for kind in sorted({*used, *pointers}):
            before, after = used.get(kind), pointers.get(kind)
            if kind.startswith("pars-") and {one and one["name"] for one in (before, after)} <= {None, "N/A"}:
                continue
            facts = [one and tuple(one.get(key) for key in FACTS) for one in (before, after)]
            if facts[0] == facts[1]:
                continue
            names = [_NONE if one is None else one["name"] for one in (before, after)]
            if names[0] == names[1]:
                same = before["crds_uri"] == after["crds_uri"]
                names[1] += " (other content)" if same else f" ({after['crds_uri']})"
            file = "parameter file" if kind.startswith("pars-") else "reference"
            source = "" if after is None or after["status"] != "override" else "config"
            # The pipeline's parameter file is every step's.
            yield self._change(file, "" if file != "reference" else step, kind, *names, source)

    def _parameters(self, step, pointers):
        before = self.records[step].get("parameters") or {}
        after = self.demand.resolved(step, self.exposure, pointers)
        if after is None:
            return
        told = None
        for name in dict.fromkeys([*before, *after]):
            values = [before.get(name, _NONE), after[name]["value"] if name in after else _NONE]
            if values[0] == values[1] and (name in before) == (name in after):
                continue
            source = after[name]["source"] if name in after else ""
            if told is None:
                told = read(self.results / self.exposure / "parameters" / f"{step}.json", PARAMETERS)[0] or {}
            was = told.get(name, {"value": None, "source": ""})
            was = was["source"] if was["value"] == values[0] else ""
            yield self._change("parameter", step, name, *(word(value) for value in values), source, was)

    def _code(self, step):
        before, now = self.records[step].get("code"), code(step)
        if before != now:
            yield self._change("code", step, step, str(before), now)

    def _mappings(self, found):
        """Yield rules that are others while the file that they choose is not."""
        names = [
            {_of(name): (name, entry.get("sha1")) for name, entry in (summary.get("mappings") or {}).items()}
            for summary in (Kept(self.results).summary(self.exposure), self.outlook.source.summary(self.exposure))
        ]
        changed = {change.name for change in found if change.kind in ("reference", "parameter file")}
        for what in sorted(names[0].keys() & names[1].keys()):
            (before, old), (after, new) = names[0][what], names[1][what]
            kind = what.partition(" ")[2]
            if old == new and before == after or kind in changed or not kind:
                continue
            yield self._change("mapping", "", kind, before, after if before != after else f"{after} (other content)")


def _of(name):
    """Say what the rules of a mapping are about: "nircam dark"; only the instrument, or nothing, of other mappings."""
    found = _MAPPING.fullmatch(name)
    parts = found[1].split("_")[1:] if found else [name]
    return " ".join(parts)
