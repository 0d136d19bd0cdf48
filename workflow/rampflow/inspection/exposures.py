"""What there is of every exposure, and how far it has come: products count only if they are what was asked for."""

import os
import re
from dataclasses import dataclass, field, fields

from rampflow.planning.exposures import Exposure
from rampflow.planning.holding import Asked, difference, source_of
from rampflow.planning.plan import Plan
from rampflow.settings.branches import branch_of, exposure_of, of_folder, variant_of
from rampflow.settings.chain import Chain
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import merge_parameters

#: How far exposures can be, the best first.
STATES = ("complete", "outdated", "interrupted", "failed", "not begun")
#: What can be said of a job that has left a log, but neither a record nor an error.
ENDED = (
    "its job left neither a record nor an error: it did not begin, or was killed (for want of memory? try --cores 1; "
    "on a cluster the head has said why)"
)
STOPPED = "the run was interrupted, or runs still"
NOT_BEGUN = "has not run"
#: In place of the step where an exposure cannot be used, which is known before anything runs.
START = "start"
#: The job that fetches a raw file from its store.
FETCH = "retrieve"
#: Line of a log: when, how grave, what.
_LOG = re.compile(r"^(\d{4}-\d\d-\d\d [\d:,]+) (INFO|WARNING|ERROR) (.*)$")
#: Bytes of a log that are looked at.
_LOG_SIZE = 1 << 22
_SEGMENT = re.compile(r"-seg(\d+)")
_CONTEXT = re.compile(r"jwst_\d+\.pmap")


@dataclass
class ExposureResults:
    """What there is of one exposure, or of a variant of one."""

    root: str  #: name of the exposure; of a variant that of its branch
    facts: dict  #: what the run that had it last says of it; empty where no run is known
    records: dict  #: step to record
    chain: list  #: its steps
    state: str = "complete"  #: one of `STATES`
    why: str = ""  #: of another state: the step, a colon, the reason
    warnings: list = field(default_factory=list)  #: (step, text)
    products: dict = field(default_factory=dict)  #: step to the names of its products that are there
    shared: dict = field(default_factory=dict)  #: of a variant, the steps that its exposure does for it: their records
    variants: list = field(default_factory=list)  #: of an exposure, what there is of its variants

    @property
    def variant(self):
        """Name of the variant; None of an exposure itself."""
        return variant_of(self.root)

    @property
    def branches(self):
        """What there is of an exposure itself, and of each of its variants."""
        return [self, *self.variants]

    @property
    def own(self):
        """The steps of the chain that are done in its own folder."""
        return self.chain[len(self.shared) :]

    @property
    def steps(self):
        """All that it passes through by itself: steps of the chain, and what makes the final products."""
        return [*self.own, *(step for step in ("ramp", "rate") if step in self.records)]

    @property
    def skipped(self):
        """The steps that are on and left it as it was, those that had nothing to do before they began first."""
        idle = list(self.facts.get("idle", {}))
        return idle + [step for step in self.own if step in self.records and self.records[step]["status"] != "COMPLETE"]

    @property
    def final(self):
        """The job of its last product: of rates, or of the ramp where nothing is fitted."""
        return "rate" if "ramp_fit" in self.chain else "ramp"

    @property
    def observation(self):
        """The name without the number of the segment: segments of one exposure have it in common."""
        return _SEGMENT.sub("", exposure_of(self.root))

    @property
    def segment(self):
        """Number of the segment; None of an exposure that is one file."""
        found = _SEGMENT.search(self.root)
        return int(found[1]) if found else None

    @property
    def wall(self):
        """Time of all jobs (s)."""
        return sum(record["wall_s"] for record in self.records.values())

    @property
    def cpu(self):
        """Processor time of all jobs (s)."""
        return sum(record["cpu_s"] for record in self.records.values())

    @property
    def memory(self):
        """Memory of the largest job (MB)."""
        return max((record["peak_memory_mb"] for record in self.records.values()), default=0)


def gather(results):
    """Collect what there is of every exposure, without pictures.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
        The results.

    Returns
    -------
    list of ExposureResults
        Sorted by name, all that the last run had or that have records; each has its variants, as its last run had them.
    """
    last = results.runs[-1] if results.runs else {"exposures": {}}
    # Those with a damaged record alone are there, too.
    damaged = {of_folder(path.parents[1]) for path in results.damaged if path.parent.name == "record"}
    known = {exposure_of(branch) for branch in results.records.keys() | damaged}
    roots = sorted(last["exposures"].keys() | last.get("unusable", {}).keys() | known)
    roots = [root for root in roots if results.only is None or root in results.only]
    runs = {root: results.run_of(root) for root in roots}
    asked = _LastRuns(results, {root: run for root, run in runs.items() if run})
    found = []
    for root in roots:
        run = runs[root] or {}
        facts = run.get("exposures", {}).get(root, {})
        records = results.records.get(root, {})
        chain = facts.get("chain") or [step for step in records if step not in ("rate", "ramp")]
        exposure = _completed(ExposureResults(root, facts, records, chain), results, run, asked)
        for variant, kept in facts.get("variants", {}).items():
            branch = branch_of(root, variant)
            made = ExposureResults(branch, facts | kept, results.records.get(branch, {}), kept["chain"])
            made.shared = {step: records.get(step, {}) for step in kept["chain"] if step not in kept["own"]}
            exposure.variants.append(_completed(made, results, run, asked))
        found.append(exposure)
    return found


def _completed(exposure, results, run, asked):
    """Find the products of an exposure, or variant, and how far it has come."""
    for step in [*exposure.own, "ramp", "rate"]:
        names = [name for name in exposure.records.get(step, {"outputs": {}})["outputs"] if not name.endswith(".json")]
        exposure.products[step] = [name for name in names if os.path.isfile(results.path(exposure.root, name))]
    exposure.state, exposure.why = _judge(exposure, results, run, asked)
    return exposure


def _judge(exposure, results, run, asked):
    """Say how far an exposure has come, and why not further; collect what its logs warn of."""
    logs, failure = results.folder / exposure.root / "logs", None
    wanted = [*exposure.own, exposure.final]
    fetched = sorted(logs.glob(f"*/{FETCH}.log"), key=lambda path: path.stat().st_mtime)[-1:]
    of_jobs = [(step, logs / f"{step}.log") for step in dict.fromkeys([*exposure.own, "ramp", "rate"])]
    # A raw file that could not be fetched is one that its first step has not read.
    began = exposure.records.keys() & set(exposure.chain[:1])
    for step, path in [*((FETCH, path) for path in fetched if not began), *of_jobs]:
        for level, text in _log_of(path):
            if level == "WARNING":
                exposure.warnings.append((step, text))
            elif level == "ERROR" and step not in exposure.records and failure is None:
                failure = f"{step}: {text}"
    root = exposure_of(exposure.root)
    if unusable := results.unusable(root):
        return "failed", f"{START}: {unusable}"
    if failure:
        return "failed", failure
    if root in run.get("without_references", {}):
        return "failed", f"references: {run['without_references'][root]}"
    damaged = [step for step in wanted if results.folder / exposure.root / "record" / f"{step}.json" in results.damaged]
    if damaged:
        return "outdated", f"{damaged[0]}: its record cannot be read; run the workflow again"
    missing = next((step for step in wanted if step not in exposure.records), None)
    if missing is not None:
        return _unfinished(exposure, missing, logs, run)
    problem = next(filter(None, (asked.differs(exposure, step) for step in wanted)), None)
    if problem is None and not exposure.products[exposure.final]:
        problem = f"{exposure.final}: its products are gone"
    return ("outdated", f"{problem}; run the workflow again") if problem else ("complete", "")


def _unfinished(exposure, missing, logs, run):
    """Tell a job that was killed from a run that was interrupted, and from a job whose turn has not come."""
    begun = (logs / f"{missing}.log").exists()
    stopped = run.get("outcome") in (None, "interrupted")
    if begun:
        return ("interrupted", f"{missing}: {STOPPED}") if stopped else ("failed", f"{missing}: {ENDED}")
    return ("interrupted" if exposure.records else "not begun"), f"{missing}: {NOT_BEGUN}"


def _log_of(path):
    """Yield (level, first line) of what a log says."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LOG_SIZE).decode(errors="replace")
    except (OSError, ValueError):
        return
    for line in text.splitlines():
        if match := _LOG.match(line):
            yield match[2], match[3]


class _LastRuns:
    """What runs have asked for, to hold records against.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
        The results.
    runs : dict
        Exposure to the latest run that had it.
    """

    def __init__(self, results, runs):
        self.results, self.runs, self._plans = results, runs, {}
        for run in {id(run): run for run in runs.values()}.values():
            of_run = [root for root in runs if runs[root] is run]
            self._plans |= dict.fromkeys(of_run, _plan(run, of_run))

    def differs(self, exposure, step):
        """Say by what the products of a step are not what the run of the exposure asked for; None if they are."""
        record = exposure.records[step]
        found = difference(record, self._asked(exposure, step, record), self.results.folder / exposure.root)
        why = found.told if found else self._other_context(exposure, record)
        return why and f"{step}: {why}"

    def _asked(self, exposure, step, record):
        root, run = exposure.root, self.runs.get(exposure_of(exposure.root))
        pointers = {kind: self.results.pointer(root, kind) for kind in record.get("references", {})}
        before, words = source_of(step, self._chain(exposure)) if exposure.chain else (None, ("ramp",))
        return Asked(
            code=(run or {}).get("code") or None,
            parameters=self._parameters(root, step, pointers) if step in exposure.chain else None,
            references=pointers,
            before=before,
            inputs=self._inputs(exposure, before, words, record),
        )

    def _chain(self, exposure):
        return Chain(exposure.chain, dict.fromkeys(exposure.chain, {"value": False, "source": "the last run"}))

    def _inputs(self, exposure, before, words, record):
        """Return what a job should have read, as far as it is there."""
        if before is not None:
            owner = exposure_of(exposure.root) if before in exposure.shared else exposure.root
            made = self.results.records.get(owner, {}).get(before)
            return dict.fromkeys(words, made["recipe"]) if made else {}
        (word,) = words
        entry = record["inputs"].get(word, {})
        path = self.results.path(exposure.root, entry["file"]) if entry else None
        # Raw files may be elsewhere now, and are too large to be read for this.
        changed = path and os.path.isfile(path) and os.stat(path).st_size != entry["size"]
        return {word: "of another size"} if changed else {}

    def _parameters(self, root, step, pointers):
        """Return the parameters that the run asked for; None where that is not known."""
        plan = self._plans.get(exposure_of(root))
        if plan is None:
            return None
        parameter_files = {kind: pointer for kind, pointer in pointers.items() if kind.startswith("pars-")}
        try:
            return merge_parameters(plan.settings(step, root), parameter_files, step)[0]
        except (ConfigError, KeyError, TypeError, AttributeError):
            return None  # what CRDS gives is no such file: the step itself will say so

    def _other_context(self, exposure, record):
        """Say where references were asked of another context than that of the run."""
        run = self.runs.get(exposure_of(exposure.root))
        context = run and run["config"]["crds"]["context"]
        asked = record.get("references") and context and _CONTEXT.fullmatch(context)
        asked = asked and self.results.asked(exposure.root)
        if asked and asked.get("context", "N/A") not in (context, "N/A"):
            return f"its references are those of {asked['context']}, the last run asks for {context}"
        return None


def _plan(run, roots):
    """Make the plan of a run anew, for the parameters that it asks for; None where its configuration is none."""
    config = run["config"] | {"references": {}}
    try:
        return Plan(config, [_planned(root, run["exposures"][root]) for root in roots])
    except (ConfigError, KeyError, TypeError, AttributeError, ValueError):
        return None


def _planned(root, facts):
    absent = {"size": 0, "irs2": False, "superstripes": 0, "header": {}, "digest": ""}
    known = {key.name for key in fields(Exposure)}
    return Exposure(root=root, **absent, **{key: value for key, value in facts.items() if key in known})
