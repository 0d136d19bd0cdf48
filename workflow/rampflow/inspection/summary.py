"""The summary of results, a row for each exposure and variant: a pandas frame, ``summary.tsv`` and ``summary.json``."""

import json

from rampflow.inspection import counts as counting
from rampflow.inspection.exposures import START, gather
from rampflow.inspection.results import Results
from rampflow.io.shared_files import replace
from rampflow.settings.branches import exposure_of

#: What each column is; the manual has the same, and the page says it on hover.
COLUMNS = {
    "exposure": "name of the exposure, as its products have it",
    "uncal": "path of the raw file, from the folder of the run",
    "state": "complete: its products are what the last run with it asks for; outdated: they are not; interrupted: the "
    "run ended, or runs still, before it was through; failed: a job of it failed; not begun: no job of it has run",
    "variant": "name of the variant that the row is of; empty of what is made without one",
    "observation": "the same without the number of the segment: what segments of one exposure have in common",
    "segment": "number of the segment; empty of an exposure that is one file",
    "instrument": "INSTRUME of the raw file",
    "detector": "DETECTOR of the raw file",
    "exp_type": "EXP_TYPE of the raw file",
    "mode": "plain or tso (a time series), which decides the chain",
    "optics": "filter, pupil, grating, channel and band, as far as there are any",
    "subarray": "SUBARRAY of the raw file",
    "readpatt": "READPATT, the read pattern, of the raw file",
    "integrations": "integrations in this file",
    "groups": "groups of an integration",
    "rows": "rows of a frame (pixels)",
    "columns": "columns of a frame (pixels)",
    "chain": "the steps in order, with blanks between them",
    "skipped": "steps that are on and left the exposure as it was, with blanks between them",
    "failing_step": "of any other state than complete: the step at which it is; start, where the raw file, or its "
    "place among the results, cannot be used",
    "reason": "of any other state than complete: why",
    "warnings": "lines of its logs that warn of something",
    "groups_saturated": "fraction of the groups of the fitted ramp that are SATURATED, without reference pixels",
    "groups_jump": "fraction of these groups that are JUMP_DET",
    "pixels_do_not_use": "fraction of the pixels of the rate that are DO_NOT_USE, without reference pixels",
    "pixels_no_rate": "fraction of these pixels without a rate (NaN)",
    "wall_s": "time of all its jobs together (s)",
    "cpu_s": "processor time of all its jobs together (s)",
    "memory_mb": "peak memory of its largest job (MB)",
    "products_mb": "size of its products that are there (MB)",
    "release": "calibration release of the last run with it",
    "crds_context": "CRDS context by which its references were chosen",
    "rampflow": "version of this workflow that made its last product",
    "run": "start of the last run with it (UTC)",
}


def row(exposure, results, counts):
    """Summarise an exposure.

    Parameters
    ----------
    exposure : `~rampflow.inspection.exposures.ExposureResults`
        The exposure.
    results : `~rampflow.inspection.results.Results`
        The results.
    counts : `~rampflow.inspection.counts.Counts`
        Its flags.

    Returns
    -------
    dict
        By `COLUMNS`; None where something is not known.
    """
    facts, run = exposure.facts, results.run_of(exposure.root)
    shape = facts.get("shape") or []
    shape = shape if len(shape) == 4 else [None] * 4
    step, _, reason = exposure.why.partition(": ")
    last = exposure.records.get(exposure.final) or next(reversed(exposure.records.values()), None)
    contexts = [record["crds"]["context"] for record in exposure.records.values() if record.get("crds")]
    groups, pixels = counts.groups, counts.pixels
    values = {
        "exposure": exposure_of(exposure.root),
        "uncal": facts.get("path") or _path_in(step, reason),
        "variant": exposure.variant,
        "observation": exposure.observation,
        "segment": exposure.segment,
        "mode": ("tso" if facts["tso"] else "plain") if facts else None,
        "optics": " ".join(facts.get("optics", [])) or None,
        "integrations": shape[0],
        "groups": facts.get("ngroups"),
        "rows": shape[2],
        "columns": shape[3],
        "chain": " ".join(exposure.chain) or None,
        "skipped": " ".join(exposure.skipped) or None,
        "state": exposure.state,
        "failing_step": step or None,
        "reason": reason or None,
        "warnings": len(exposure.warnings),
        "groups_saturated": None if groups is None else groups.get("SATURATED", 0.0),
        "groups_jump": None if groups is None else groups.get("JUMP_DET", 0.0),
        "pixels_do_not_use": None if pixels is None else pixels.get("DO_NOT_USE", 0.0),
        "pixels_no_rate": None if pixels is None else pixels.get(counting.NO_RATE, 0.0),
        "wall_s": round(exposure.wall, 3),
        "cpu_s": round(exposure.cpu, 3),
        "memory_mb": exposure.memory or None,
        "products_mb": round(counting.size_of(exposure, results) / 1e6, 3),
        "release": run and run["config"]["release"],
        "crds_context": contexts[-1] if contexts else None,
        "rampflow": last and last["versions"].get("rampflow"),
        "run": run and run["started"],
    }
    return {name: values[name] if name in values else facts.get(name) for name in COLUMNS}


def _path_in(step, reason):
    """Return the raw file that a reason names, of an exposure that cannot be used; None where it names none."""
    path = reason.partition(": ")[0]
    return path if step == START and path.endswith(".fits") else None


def frame(rows):
    """Make a frame of rows, with types that have a place for what is not known."""
    import pandas

    whole = ("segment", "integrations", "groups", "rows", "columns", "warnings")
    real = ("groups_saturated", "groups_jump", "pixels_do_not_use", "pixels_no_rate")
    real += ("wall_s", "cpu_s", "memory_mb", "products_mb")
    made = pandas.DataFrame(rows, columns=list(COLUMNS))
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64")
    return made.astype(dict.fromkeys(made.columns.difference([*types]), "string") | types)


def table(results):
    """Summarise results, one row for each exposure, and for each variant of it.

    Parameters
    ----------
    results : path-like or `~rampflow.inspection.results.Results`
        Folder of the results, the key ``results`` of the configuration.

    Returns
    -------
    `~pandas.DataFrame`
        Columns as `COLUMNS` has them, sorted by exposure. Fractions of flags that can be found neither in the records
        nor in products are NaN, other values that are not known NA.
    """
    results = results if isinstance(results, Results) else Results(results)
    every = [each for one in gather(results) for each in one.branches]
    return frame([row(each, results, counting.counted(each, results)[0]) for each in every])


def write(folder, rows):
    """Write ``summary.tsv`` and ``summary.json``; what is not known is empty in the one and null in the other.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the results.
    rows : list of dict
        As `row` makes them.
    """
    # What ends a line or a cell cannot be in one.
    plain = [{key: " ".join(v.split()) if isinstance(v, str) else v for key, v in one.items()} for one in rows]
    replace(folder / "summary.tsv", frame(plain).to_csv(sep="\t", index=False, lineterminator="\n"))
    replace(folder / "summary.json", json.dumps(plain, indent=1) + "\n")
