"""What a run would do, in lines for the terminal."""

from collections import defaultdict

from rampflow.inspection.tables import aligned
from rampflow.planning.foresight import MASK
from rampflow.planning.holding import FINAL, MADE_FROM
from rampflow.planning.selectors import counted
from rampflow.settings.branches import exposure_of, told, variant_of

#: Why a job is done anew that takes what the exposure before leaves in its detector.
_HANDED_ON = (MADE_FROM, f"{MADE_FROM}: carried")
#: Numbers of cores for which the time of a run is told.
CORES = (1, 2, 4, 8, 16)
_KINDS = {
    "reference": "reference files",
    "parameter file": "parameter files of CRDS",
    "step": "steps",
    "parameter": "parameters",
    "code": "code of steps",
    "mapping": "rules of CRDS that differ, and choose the same files",
}


def text(found, each=False):
    """Write what would be for the terminal.

    Parameters
    ----------
    found : `~rampflow.inspection.whatif.WhatIf`
        What would be.
    each : bool, optional
        Name the exposures instead of counting them.

    Returns
    -------
    list of str
        Lines.
    """
    lines = []
    for kind, title in _KINDS.items():
        grouped = defaultdict(list)
        for change in found.changes:
            if change.kind == kind:
                was, now = _by(change.before, change.source_before), _by(change.after, change.source)
                grouped[_what(change), was, "→", now].append(change.exposure)
        lines += _table(found, title, grouped, each)
    grouped = defaultdict(list)
    for exposure, jobs in found.outlook.jobs.items():
        previous = None
        for job, why in jobs.items():
            shown = f"follows {previous}" if why == MADE_FROM and previous else why
            if why in _HANDED_ON and not previous and found.outlook.demand.answers.chained_after(exposure):
                shown = "what the exposure before it leaves"
            previous = previous if why == MADE_FROM and previous else job
            grouped[job, shown].append(exposure)
    order = [MASK, *found.outlook.demand.plan.possible_steps, *FINAL]
    lines += _table(found, "jobs", dict(sorted(grouped.items(), key=lambda item: order.index(item[0][0]))), each, True)
    stopped = defaultdict(list)
    for exposure, why in found.outlook.failed.items():
        stopped[(why,)].append(exposure)
    return lines + _table(found, "exposures that would stop, since CRDS has no answer", stopped, each)


def _what(change):
    return f"{change.step}: {change.name}" if change.kind == "parameter" else change.name


def _by(value, source):
    return f"{value} by {source}" if source else value


def _table(found, title, grouped, each, timed=False):
    """Return lines: a title and a row for each group, with its exposures, and for jobs the time that they take."""
    if not grouped:
        return []
    rows = []
    for cells, exposures in grouped.items():
        exposures = list(dict.fromkeys(exposures))
        for names in [[exposure] for exposure in exposures] if each else [exposures]:
            row = [*cells, told(names[0]) if each else _counted(found, names)]
            if timed:
                took = [found.durations[name][cells[0]] for name in names]
                row.append(_time(sum(one.wall for one in took if one)) if any(took) else "time not known")
            rows.append(row)
    return [f"{title}:", *(f"  {line}" for line in aligned(rows)), ""]


def _counted(found, names):
    """Return how many exposures there are, and of which modes."""
    of = found.outlook.demand.plan.exposures
    variants = sum(variant_of(name) is not None for name in names)
    exposures = {exposure_of(name): None for name in names}
    if variants == len(names):
        return f"{variants} variants of {counted([of[name] for name in exposures])}"
    if variants:
        return f"{counted([of[name] for name in exposures])} and {variants} variants"
    if len(exposures) == len(of) > 1:
        return f"all {len(of)} exposures"
    return counted([of[name] for name in exposures])


def _time(seconds):
    """Return a time as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def summary(found):
    """Return the last lines: how much would run, and how long it would take."""
    total, jobs = len(found.outlook.demand.plan.exposures), found.outlook.jobs
    number = sum(map(len, jobs.values()))
    if not jobs:
        again = "CRDS would be asked again, and " if found.outlook.asks else ""
        return [f"{again}nothing would run: all {total} exposures stand as they are"]
    first = "CRDS would be asked again; " if found.outlook.asks else ""
    variants = sum(variant_of(branch) is not None for branch in jobs)
    also = f", and of {variants} variants of exposures," if variants else ""
    exposures = f"{len(jobs) - variants} of {total} exposures{also}"
    if variants == len(jobs):
        exposures = f"{variants} variants of exposures"
    lines = [f"{first}{number} jobs of {exposures} would run"]
    known = [took for each in found.durations.values() for took in each.values() if took]
    if known:
        by_cores = ", ".join(f"{_time(found.seconds(cores))} with {cores}" for cores in CORES)
        wall, cpu = (_time(sum(getattr(took, name) for took in known)) for name in ("wall", "cpu"))
        lines.append(f"by the times of the records {wall} of jobs ({cpu} of processors); by cores: {by_cores}")
        lines.append("Snakemake's own time, and that of CRDS, is not in it")
    if unknown := number - len(known):
        lines.append(f"{unknown} of the jobs are not in these times: no record says how long such a job takes")
    return lines
