"""The page of a report: what was gathered, in the order and the words in which the templates show it.

The templates are beside this module, in ``templates``. Everything is in the page: style, pictures, and the script by
which its tables are sorted and filtered; it asks for nothing from elsewhere.
"""

import os
import time
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from statistics import median

import jinja2
import yaml

from rampflow.inspection import beside as besides
from rampflow.inspection import drawings, pictures, summary
from rampflow.inspection import look as looking
from rampflow.inspection.exposures import STATES
from rampflow.inspection.words import megabytes, percent, seconds, short, told
from rampflow.settings.configuration import steps

#: Pixels of all pictures of rates together, and the smallest and the largest side of one.
_PIXELS, _SMALLEST, _LARGEST = 400_000, 64, 320
#: With more exposures than this they are folded.
_FOLDED = 8
#: Columns of the table of exposures: title, key of the summary, filter, whether it is a number.
_COLUMNS = (
    ("exposure", "exposure", None, False),
    ("state", "state", None, False),
    ("at step", "failing_step", None, False),
    ("detector", "detector", None, False),
    ("mode", "exp_type", None, False),
    ("subarray", "subarray", None, False),
    ("ints", "integrations", "whole", True),
    ("groups", "groups", "whole", True),
    ("pixels", "columns", None, True),
    ("time", "wall_s", "seconds", True),
    ("memory", "memory_mb", "megabytes", True),
    ("saturated", "groups_saturated", "percent", True),
    ("jump", "groups_jump", "percent", True),
    ("bad pixels", "pixels_do_not_use", "percent", True),
    ("no rate", "pixels_no_rate", "percent", True),
    ("warnings", "warnings", "whole", True),
)


def when(text):
    """Say a time of the day; ? where none is known."""
    return str(text).replace("T", " ").removesuffix("Z") if text else "?"


def whole(value):
    """Say a number; nothing where there is none."""
    return "" if value is None else str(value)


def _scaled(picture, width):
    """Enlarge a picture by whole pixels as far as there is room."""
    scale = max(1, width // max(picture.columns, picture.rows))
    return picture.columns * scale, picture.rows * scale


def environment():
    """Return what the templates are read and filled by."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    made = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    for filter_ in (seconds, megabytes, percent, short, when, whole):
        made.filters[filter_.__name__] = filter_
    made.filters["wide"] = lambda picture, width: _scaled(picture, width)[0]
    made.filters["high"] = lambda picture, width: _scaled(picture, width)[1]
    return made


def picture_size(number):
    """Return the largest side of the pictures of so many exposures: the page is to stay small."""
    return int(min(max((_PIXELS / max(number, 1)) ** 0.5, _SMALLEST), _LARGEST))


def counts_of_states(exposures):
    """Return (state, number) of the states that there are, in a list."""
    there = [exposure.state for exposure in exposures]
    return [(state, there.count(state)) for state in STATES if state in there]


def write(results, exposures, looks, rows):
    """Write the page.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
        The results.
    exposures : list of `~rampflow.inspection.exposures.ExposureResults`
        What was gathered of them.
    looks : list of `~rampflow.inspection.look.Look`
        What is shown of each.
    rows : list of dict
        The summary of each (`rampflow.inspection.summary.row`).

    Returns
    -------
    str
        HTML.
    """
    run = results.runs[-1] if results.runs else None
    size = picture_size(len(exposures))
    columns = [column for column in _COLUMNS if column[0] != "at step" or any(row["failing_step"] for row in rows)]
    views = [_view(results, *each) for each in zip(exposures, looks, rows, strict=True)]
    return (
        environment()
        .get_template("report.html")
        .render(
            folder=str(results.folder),
            facts=_facts(exposures, rows, run),
            states=counts_of_states(exposures),
            problems=_problems(results, exposures, run),
            columns=[_column(*column) for column in columns],
            rows=[(exposure, _cells(row, columns)) for exposure, row in zip(exposures, rows, strict=True)],
            steps=_steps(exposures),
            warnings=_warnings(exposures),
            observations=_observations(views),
            left_out=any(one.left_out for one in looks),
            flags=pictures.FLAGS,
            marks=looking.MARKS,
            beside=[(title, besides.COLUMNS[key]) for title, key, _ in besides.SHOWN],
            # Small pictures are shown enlarged, so that there is room for what their colour bars say.
            size=max(size, 128),
            thumb=max(size // 2, 96),
            opened=len(exposures) <= _FOLDED,
            run=run and _run(results, run),
            now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
    )


# --- the whole -------------------------------------------------------------------------------------------


def _facts(exposures, rows, run):
    size = sum(row["products_mb"] for row in rows)
    contexts = sorted({row["crds_context"] for row in rows if row["crds_context"]})
    wall, cpu = sum(e.wall for e in exposures), sum(e.cpu for e in exposures)
    memory = max((exposure.memory for exposure in exposures), default=0)
    facts = [("exposures", "those of the last run, and those of earlier ones", str(len(exposures)))]
    if run:
        outcome = run.get("outcome") or "it did not come to its end, or runs still"
        span = f"{when(run['started'])} to {when(run.get('ended'))} UTC: {outcome}"
        release = f"{run['config']['release']}, with rampflow {run['versions'].get('rampflow', '?')}"
        facts += [("release", "order of the steps and defaults", release), ("last run", "its start and end", span)]
    facts.append(("CRDS context", "by which references were chosen", ", ".join(contexts) or "–"))
    took = f"{seconds(wall)} in all ({seconds(cpu)} of processors), up to {megabytes(memory)}"
    facts.append(("jobs", "wall time, processor time, and peak memory of the largest job", took))
    facts.append(("products", "on the disk", f"{size / 1e3:.1f} GB" if size >= 1e3 else f"{size:.1f} MB"))
    return facts


def _problems(results, exposures, run):
    """List what failed, is not finished, or was left out: (title, colour, [(exposure or None, text)])."""

    def reasons(*states):
        every = [(exposure, one) for exposure in exposures for one in exposure.branches]
        return [
            (exposure, f"variant {one.variant}: {one.why}" if one.variant else one.why)
            for exposure, one in every
            if one.state in states
        ]

    return [
        ("Failed", "red", reasons("failed")),
        ("Not what the last run asks for", "violet", reasons("outdated")),
        ("Not finished", "amber", reasons("interrupted", "not begun")),
        ("Files that cannot be read", "amber", [(None, line) for line in results.damaged.values()]),
        ("Left out, and other notices of the last run", "amber", [(None, n) for n in (run or {}).get("notices", [])]),
    ]


def _column(title, key, _, numeric):
    hint = "columns × rows of a frame" if title == "pixels" else summary.COLUMNS[key]
    hint = f"{hint}; exposure type, optics, and whether it is a time series" if title == "mode" else hint
    return {"title": title, "hint": hint, "numeric": numeric}


def _cells(row, columns):
    """Cells of the table of exposures: (column, text, value to sort by)."""
    filters = {"seconds": seconds, "megabytes": megabytes, "percent": percent, "whole": whole}
    for column in columns:
        title, key, shown, numeric = column
        value = row[key]
        if title == "pixels":
            text = "" if value is None else f"{row['columns']} × {row['rows']}"
            value = None if value is None else value * row["rows"]
        elif title == "mode":
            text = " ".join(filter(None, (value, row["optics"], "time series" if row["mode"] == "tso" else None)))
            value = None
        else:
            text = filters[shown](value) if shown else value or ""
        yield {"title": title, "numeric": numeric}, text, ("" if value is None else value) if numeric else None


def _steps(exposures):
    """Sum up time and memory by step, over all exposures."""
    by_step = defaultdict(list)
    for exposure in exposures:
        for step, record in exposure.records.items():
            by_step[step].append(record)
    found = []
    for step in [step for step in (*steps(), "ramp", "rate") if step in by_step]:
        walls = [record["wall_s"] for record in by_step[step]]
        found.append(
            {
                "name": step,
                "jobs": len(walls),
                "skipped": sum(record["status"] != "COMPLETE" for record in by_step[step]),
                "time": sum(walls),
                "median": median(walls),
                "longest": max(walls),
                "cpu": sum(record["cpu_s"] for record in by_step[step]),
                "memory": max(record["peak_memory_mb"] for record in by_step[step]),
            }
        )
    longest = max((one["time"] for one in found), default=0) or 1
    return [one | {"share": round(100 * max(one["time"], 0) / longest)} for one in found]


def _warnings(exposures):
    """List what the logs warn of, each text once: (step, text, some of the exposures, how many more)."""
    found = defaultdict(list)
    for exposure in exposures:
        for step, text in exposure.warnings:
            found[step, text.replace(exposure.root, "…")].append(exposure)
    ordered = sorted(found.items(), key=lambda pair: -len(pair[1]))
    return [(step, text, of[:3], max(len(of) - 3, 0)) for (step, text), of in ordered]


def _observations(views):
    """Put segments of an exposure together."""
    found = []
    for name, group in groupby(views, key=lambda view: view["exposure"].observation):
        of = list(group)
        series = {"name": name, "exposures": of, "segments": [], "integrations": 0}
        if len(of) > 1:
            most = max((view["row"]["groups_jump"] or 0 for view in of), default=0) or 1
            series["segments"] = [_segment(view, most) for view in of]
            series["integrations"] = sum(view["row"]["integrations"] or 0 for view in of)
        found.append(series)
    return found


def _segment(view, most):
    row = view["row"]
    return {
        "exposure": view["exposure"],
        "integrations": whole(row["integrations"]),
        "saturated": row["groups_saturated"],
        "jump": row["groups_jump"],
        "bad": row["pixels_do_not_use"],
        "share": round(100 * (row["groups_jump"] or 0) / most),
    }


def _run(results, run):
    return {
        "packages": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
        "platform": run["platform"],
        "host": run["host"],
        "folder": run["folder"],
        "runs": results.runs[-10:],
        "configuration": yaml.safe_dump(run["config"], sort_keys=False),
    }


# --- an exposure -----------------------------------------------------------------------------------------


def _view(results, exposure, look, row):
    folder = results.folder / exposure.root
    names = [name for step in ("rate", "ramp") for name in exposure.products[step]]
    names += [name for name in ("references", "parameters", "record", "logs") if (folder / name).is_dir()]
    short_name = f"{exposure.root}_"
    used = {k: of["name"] for record in exposure.records.values() for k, of in record.get("references", {}).items()}
    title = " ".join(filter(None, (row["detector"], row["exp_type"], row["optics"], row["subarray"])))
    return {
        "exposure": exposure,
        "look": look,
        "row": row,
        "title": title,
        "ramps": [drawings.ramp(one) for one in look.ramps],
        "spectra": list(drawings.spectra(look.counts.by_step)),
        "fractions": _fractions(look.counts),
        "counted": bool(look.counts.by_step),
        "beside": [besides.cells(one.row) for one in look.beside],
        "light": drawings.light(look.beside),
        "chain": [_step(results, exposure, look, step) for step in exposure.steps],
        "idle": "; ".join(f"{step} ({why})" for step, why in exposure.facts.get("idle", {}).items()),
        "off": ", ".join(f"{step} ({source})" for step, source in exposure.facts.get("off", {}).items()),
        "links": [(f"{exposure.root}/{name}", name.removeprefix(short_name)) for name in names],
        "references": ", ".join(f"{kind} {name}" for kind, name in sorted(used.items()) if name != "N/A"),
    }


def _fractions(counts):
    parts = []
    for what, found in (("groups", counts.groups), ("pixels", counts.pixels)):
        if found:
            order = sorted(found, key=found.get, reverse=True)
            parts.append(f"of {what}: " + ", ".join(f"{name} {percent(found[name])}" for name in order))
    return "; ".join(parts)


def _step(results, exposure, look, step):
    """Describe a step of an exposure."""
    record, folder = exposure.records.get(step), results.folder / exposure.root
    links = [(f"{exposure.root}/logs/{step}.log", "log")] * os.path.isfile(folder / "logs" / f"{step}.log")
    if record is None:
        at = exposure.why.startswith(f"{step}: ")
        state = exposure.state if at and exposure.state in ("failed", "interrupted") else "not begun"
        return {"name": step, "record": None, "state": state, "said": state, "links": links}
    done = record["status"] == "COMPLETE"
    outdated = exposure.state == "outdated" and exposure.why.startswith(f"{step}: ")
    parameters = results.parameters(exposure.root, step) or {}
    own = [(n, entry) for n, entry in parameters.items() if not entry["source"].startswith("release")]
    decided = exposure.facts.get("decided", {})
    on = f"on by {decided[step]}" if step in decided else None
    remarks = [record["reason"], on, *(f"{name} = {entry['value']} ({entry['source']})" for name, entry in own)]
    return {
        "name": step,
        "record": record,
        "state": "outdated" if outdated else "complete" if done else "skipped",
        "said": "outdated" if outdated else record["status"].lower(),
        "counts": told(look.counts.by_step.get(step, {})),
        "remarks": "; ".join(filter(None, remarks)),
        "products": [(f"{exposure.root}/{n}", n.removeprefix(f"{exposure.root}_")) for n in exposure.products[step]],
        "links": [*links, (f"{exposure.root}/record/{step}.json", "record")],
    }
