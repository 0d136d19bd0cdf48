"""The page of a report as HTML, without scripts and without anything from elsewhere.

What is shown is gathered in `rampflow.inspection.report`; here it only becomes text. End tags that HTML lets authors
leave out are left out, for the size of the page.
"""

import html
import os
import time
from collections import Counter, defaultdict
from statistics import median

import yaml

from rampflow.inspection import pictures
from rampflow.io.shared_files import read_json
from rampflow.settings.configuration import steps

#: What pixels without a rate are counted as, beside the flags.
NO_RATE = "no rate (NaN)"
#: How far exposures can be.
STATES = ("complete", "failed", "unfinished")
#: Pixels of all pictures of rates together, and the smallest and the largest side of one.
_PIXELS, _SMALLEST, _LARGEST = 400_000, 64, 320
#: With more exposures than this their chains are in one line each, and with more than the other they are folded.
_MANY, _FOLDED = 40, 8

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;color:#222;max-width:1280px;margin:0 auto;padding:1.2em 1.5em 4em}
h1{font-size:1.5em;margin:0}h2{font-size:1.15em;margin:2em 0 .5em;border-bottom:1px solid #ddd;padding-bottom:.2em}
a{color:#0a58a8;text-decoration:none}a:hover{text-decoration:underline}
table{border-collapse:collapse;margin:.3em 0}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}
th{font-weight:600;color:#555;border-bottom:1px solid #ccc;vertical-align:bottom}
.o{font-size:13px;width:100%}.o td{border-bottom:1px solid #eee}.o td:first-child{white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.q{color:#777}
.s{border-radius:3px;padding:0 .45em;font-size:.86em;white-space:nowrap}
.complete{background:#dff2e1;color:#1c6b2a}.failed{background:#fbdedb;color:#a3180b}
.unfinished{background:#fdf0cf;color:#7a5600}.skipped{background:#eee;color:#555}
.box{border-left:4px solid #d33;background:#fdf3f2;padding:.5em .9em;margin:.6em 0}
.box.y{border-color:#e0a800;background:#fdf9ec}
.bar{display:inline-block;height:.7em;background:#7aa7d6;min-width:1px}
summary{cursor:pointer;padding:.25em 0}details.x{border-bottom:1px solid #eee}
figure{display:inline-block;margin:.4em 1.2em .6em 0;vertical-align:top}figcaption{font-size:.86em;color:#666}
img{image-rendering:pixelated;display:block}
pre{background:#f6f6f6;padding:.7em;overflow:auto;font-size:.9em}
.k i{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .9em;border:1px solid #bbb;vertical-align:-.1em}
ul{margin:.3em 0;padding-left:1.3em}.w{overflow-wrap:anywhere}
"""


def write(results, exposures):
    """Write the page.

    Parameters
    ----------
    results : `~rampflow.inspection.check.Results`
        The results.
    exposures : list of `~rampflow.inspection.report.Exposure`
        What was gathered of them.

    Returns
    -------
    str
        HTML.
    """
    run = results.runs[-1] if results.runs else {}
    parts = [
        _head(results, run, exposures),
        _problems(run, exposures),
        _overview(exposures),
        _steps(exposures),
        _warnings(exposures),
        _sections(results, exposures),
        _what_ran(results, run),
        f"<p class=q>Written {_time(time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()))} UTC.",
    ]
    head = "<!DOCTYPE html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    head += f"<title>rampflow: {_e(results.folder)}</title><style>{_STYLE}</style>"
    return "\n".join([head, *filter(None, parts)]) + "\n"


def picture_size(number):
    """Return the largest side of the pictures of so many exposures: the page is to stay small."""
    return int(min(max((_PIXELS / max(number, 1)) ** 0.5, _SMALLEST), _LARGEST))


def states(exposures):
    """Say how many exposures are how far."""
    count = Counter(exposure.state for exposure in exposures)
    return ", ".join(f"{count[state]} {state}" for state in STATES if count[state])


# --- pieces ----------------------------------------------------------------------------------------------


def _e(text):
    return html.escape(str(text))


def _link(path, text, results):
    """Link to a file among the results, from the page."""
    return f"<a href='{_e(os.path.relpath(path, results.folder))}'>{_e(text)}</a>"


def _to(exposure):
    return f"<a href='#{_e(exposure.root)}'>{_e(exposure.root)}</a>"


def _state(state, text=None):
    return f"<span class='s {state}'>{_e(text or state)}</span>"


def _list(lines, title, kind):
    items = "".join(f"<li class=w>{line}" for line in lines)
    return f"<div class='{kind}'><b>{title}</b><ul>{items}</ul></div>" if items else ""


def _table(heads, rows, kind=""):
    """Make a table; # before the name of a column, or a cell, puts it to the right, as numbers are."""

    def cells(tag, content):
        texts = (str(text) for text in content)
        return "".join(f"<{tag} class=n>{text[1:]}" if text.startswith("#") else f"<{tag}>{text}" for text in texts)

    lines = [f"<tr>{cells('th', heads)}", *(f"<tr>{cells('td', row)}" for row in rows)]
    return f"<table class='{kind}'>{''.join(lines)}</table>"


def _seconds(value):
    if value >= 5400:
        return f"#{value / 3600:.1f} h"
    return f"#{value / 60:.1f} min" if value >= 90 else f"#{value:.2f} s" if value < 10 else f"#{value:.1f} s"


def _megabytes(value):
    return f"#{value:.0f} MB"


def _percent(fractions, name):
    """Say how many have a flag; – where they could not be counted."""
    if fractions is None:
        return "#–"
    value = 100 * fractions.get(name, 0)
    text = "0" if value == 0 else f"{value:.2g} %" if value < 9.95 else f"{value:.1f} %"
    return "#" + text.replace(" ", "\N{NO-BREAK SPACE}")


def _time(text):
    return _e(str(text).replace("T", " ").removesuffix("Z")) if text else "?"


def _image(content, size, text):
    """Show a picture, enlarged by whole pixels as far as there is room; nothing where there is none."""
    if content is None:
        return ""
    columns, rows = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    scale = max(1, size // max(columns, rows))
    place = f"width={columns * scale} height={rows * scale} alt='{_e(text)}'"
    return f"<img src='{pictures.as_link(content)}' {place}>"


# --- parts of the page -----------------------------------------------------------------------------------


def _head(results, run, exposures):
    count = Counter(exposure.state for exposure in exposures)
    chips = " ".join(_state(state, f"{count[state]} {state}") for state in STATES if count[state])
    paths = (results.path(e.root, name) for e in exposures for names in e.products.values() for name in names)
    size = sum(path.stat().st_size for path in paths)
    contexts = {r["crds"]["context"] for e in exposures for r in e.records.values() if r.get("crds")}
    took, memory = sum(e.wall for e in exposures), max((e.memory for e in exposures), default=0)
    outcome = run.get("outcome") or "it did not come to its end, or runs still"
    facts = {
        "exposures": f"{len(exposures)}: {chips}" if exposures else "none",
        "release": f"{_e(run['config']['release'])}, with rampflow {_e(run['versions']['rampflow'])}" if run else "?",
        "CRDS context": _e(", ".join(sorted(contexts)) or "–"),
        "last run": f"{_time(run['started'])} to {_time(run.get('ended'))} UTC: {_e(outcome)}" if run else "?",
        "jobs": f"{_seconds(took)[1:]} in all, up to {memory:.0f} MB",
        "products": f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB",
    }
    rows = "".join(f"<tr><td class=q>{name}<td>{text}" for name, text in facts.items())
    return f"<h1>rampflow: {_e(results.folder)}</h1><table>{rows}</table>"


def _problems(run, exposures):
    """List what failed, is not finished, or was left out; nothing where all is well."""

    def reasons(state):
        return [f"{_to(exposure)}: {_e(exposure.why)}" for exposure in exposures if exposure.state == state]

    return (
        _list(reasons("failed"), "Failed", "box")
        + _list(reasons("unfinished"), "Not finished", "box y")
        + _list(map(_e, run.get("notices", [])), "Left out, and other notices of the last run", "box y")
    )


def _overview(exposures):
    if not exposures:
        return ""
    size, rows = picture_size(len(exposures)), []
    for e in exposures:
        facts, shape = e.facts, e.facts.get("shape", [])
        mode = [facts.get("exp_type"), *facts.get("optics", []), facts.get("subarray"), facts.get("readpatt")]
        mode += ["time series"] * bool(facts.get("tso"))
        picture = _image(e.rate, size, e.root) if len(exposures) > _MANY else ""
        rows.append(
            [
                picture + _to(e),
                _e(" ".join(filter(None, (facts.get("instrument"), facts.get("detector"))))),
                _e(" ".join(filter(None, mode))),
                f"#{shape[0] if shape else ''}",
                f"#{facts.get('ngroups', '')}",
                f"#{' × '.join(map(str, shape[2:]))}",
                _state(e.state),
                _seconds(e.wall),
                _megabytes(e.memory),
                *(_percent(e.groups, name) for name in ("SATURATED", "JUMP_DET")),
                *(_percent(e.pixels, name) for name in ("DO_NOT_USE", NO_RATE)),
                f"#{len(e.warnings) or ''}",
            ]
        )
    heads = ["exposure", "detector", "mode", "#ints", "#groups", "#pixels", "", "#time", "#memory"]
    heads += ["#groups<br>saturated", "#groups<br>jump", "#pixels<br>bad", "#no<br>rate", "#warn-<br>ings"]
    note = "Reference pixels are left out of fractions. Those of groups are of the ramp that was fitted (–: not kept)."
    return f"<h2>Exposures</h2>{_table(heads, rows, 'o')}<p class=q>{note}</p>"


def _steps(exposures):
    """Tabulate time and memory by step, over all exposures."""
    by_step = defaultdict(list)
    for exposure in exposures:
        for step, record in exposure.records.items():
            by_step[step].append(record)
    order = [step for step in (*steps(), "ramp", "rate") if step in by_step]
    if not order:
        return ""
    total = {step: sum(record["wall_s"] for record in by_step[step]) for step in order}
    longest, rows = max(total.values()) or 1, []
    for step in order:
        records = by_step[step]
        walls = [record["wall_s"] for record in records]
        skipped = sum(record["status"] != "COMPLETE" for record in records)
        rows.append(
            [
                step,
                f"#{len(records)}",
                f"#{skipped or ''}",
                _seconds(total[step]),
                f"<span class=bar style='width:{160 * total[step] / longest:.0f}px'></span>",
                _seconds(median(walls)),
                _seconds(max(walls)),
                _seconds(sum(record["cpu_s"] for record in records)),
                _megabytes(max(record["peak_memory_mb"] for record in records)),
            ]
        )
    heads = ("step", "#jobs", "#skipped", "#time", "", "#median", "#longest", "#CPU", "#memory")
    return f"<h2>Steps</h2>{_table(heads, rows)}"


def _warnings(exposures):
    """List what the logs warn of, each text once."""
    found = defaultdict(list)
    for exposure in exposures:
        for step, text in exposure.warnings:
            found[step, text.replace(exposure.root, "…")].append(exposure)
    lines = []
    for (step, text), concerned in sorted(found.items(), key=lambda pair: -len(pair[1])):
        some = ", ".join(map(_to, concerned[:3]))
        more = f" and {len(concerned) - 3} more" if len(concerned) > 3 else ""
        lines.append(f"{step}: {_e(text)} <span class=q>({some}{more})</span>")
    return _list(lines, "", "").replace("<b></b>", "<h2>Warnings</h2>")


def _sections(results, exposures):
    if not exposures:
        return ""
    legend = "".join(f"<i style='background:rgb{colour}'></i>{name}" for name, colour, _ in pictures.FLAGS)
    parts = [f"<h2>Exposure by exposure</h2><p class='k q'>Flags:{legend}</p>"]
    many = len(exposures) > _MANY
    for e in exposures:
        opened = " open" if len(exposures) <= _FOLDED else ""
        parts.append(
            f"<details class=x id='{_e(e.root)}'{opened}><summary><b>{_e(e.root)}</b> {_state(e.state)}</summary>"
            + "".join(f"<p class=w>{_e(text)}" for text in (e.why, e.trouble) if text)
            + _figures(e, picture_size(len(exposures)), many)
            + _fractions(e)
            + (_chain_line(e) if many else _chain_table(results, e))
            + _files(results, e)
            + ("" if many else _references(e))
            + "</details>"
        )
    return "\n".join(parts)


def _figures(exposure, size, many):
    shown = {"flags": exposure.flags}
    if not many:
        shown = {"count rate (blue: none)": exposure.rate} | shown
    return "".join(
        f"<figure>{_image(content, size, text)}<figcaption>{text}</figcaption></figure>"
        for text, content in shown.items()
        if content is not None
    )


def _fractions(exposure):
    parts = []
    for what, fractions in (("groups", exposure.groups), ("pixels", exposure.pixels)):
        if fractions:
            order = sorted(fractions, key=fractions.get, reverse=True)
            parts.append(f"{what}: " + ", ".join(f"{name} {_percent(fractions, name)[1:]}" for name in order))
    return f"<p class=q>Flags of {_e('; of '.join(parts))}." if parts else ""


def _chain_table(results, exposure):
    """Tabulate the steps of an exposure, and name those that are off."""
    folder, rows = results.folder / exposure.root, []
    decided = exposure.facts.get("decided", {})
    for step in [*exposure.chain, *(step for step in ("ramp", "rate") if step in exposure.records)]:
        log = folder / "logs" / f"{step}.log"
        log = _link(log, "log", results) if log.exists() else ""
        record = exposure.records.get(step)
        if record is None:
            failed = exposure.state == "failed" and exposure.why.startswith(f"{step}: ")
            rows.append([step, _state("failed") if failed else _state("unfinished", "not there"), *[""] * 5, log])
            continue
        state = "complete" if record["status"] == "COMPLETE" else "skipped"
        on = f"on by {decided[step]}" if step in decided else None
        remarks = [record["reason"], on, *_set_parameters(folder / "parameters" / f"{step}.json")]
        names = exposure.products[step]
        links = ", ".join(_link(folder / name, name.removeprefix(f"{exposure.root}_"), results) for name in names)
        rows.append(
            [
                step,
                _state(state, record["status"].lower()),
                _seconds(record["wall_s"]),
                _seconds(record["cpu_s"]),
                _megabytes(record["peak_memory_mb"]),
                f"<span class=q>{_e('; '.join(filter(None, remarks)))}</span>",
                links or "<span class=q>not kept</span>",
                f"#{log} {_link(folder / 'record' / f'{step}.json', 'record', results)}",
            ]
        )
    off = ", ".join(f"{step} ({source})" for step, source in exposure.facts.get("off", {}).items())
    table = _table(("step", "", "#time", "#CPU", "#memory", "", "product", ""), rows)
    return table + (f"<p class=q>Off: {_e(off)}." if off else "")


def _chain_line(exposure):
    parts = []
    for step in exposure.chain:
        record = exposure.records.get(step)
        took = "not there" if record is None else _seconds(record["wall_s"])[1:]
        took += "" if record is None or record["status"] == "COMPLETE" else f", {record['status'].lower()}"
        parts.append(f"{step} <span class=q>{_e(took)}</span>")
    return f"<p>{' · '.join(parts)}"


def _set_parameters(path):
    """Name the parameters of a step that do not come from the release."""
    for name, entry in (read_json(path) or {}).items():
        if not entry["source"].startswith("release"):
            yield f"{name} = {entry['value']} ({entry['source']})"


def _files(results, exposure):
    folder = results.folder / exposure.root
    names = [name for step in ("rate", "ramp") for name in exposure.products[step]]
    names += [name for name in ("references", "parameters", "record", "logs") if (folder / name).is_dir()]
    links = (_link(folder / name, name.removeprefix(f"{exposure.root}_"), results) for name in names)
    return f"<p>{' · '.join(links)}"


def _references(exposure):
    records = exposure.records.values()
    used = {kind: of["name"] for record in records for kind, of in record.get("references", {}).items()}
    used = ", ".join(f"{kind} {name}" for kind, name in sorted(used.items()) if name != "N/A")
    return f"<p class='q w'>References: {_e(used)}." if used else ""


def _what_ran(results, run):
    if not run:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    rows = [
        [
            _time(one["started"]),
            _time(one.get("ended")),
            _e(one.get("outcome") or "–"),
            f"#{len(one['exposures'])}",
            f"<span class='q w'>{_e(one['command'])}</span>",
        ]
        for one in results.runs[-10:]
    ]
    return (
        f"<h2>What ran</h2><p class=w>{_e(versions)}; {_e(run['platform'])} on {_e(run['host'])}, "
        f"in {_e(run['folder'])}.</p>"
        + _table(("started", "ended", "outcome", "#exposures", "command"), rows)
        + "<details><summary>Configuration of the last run</summary>"
        + f"<pre>{_e(yaml.safe_dump(run['config'], sort_keys=False))}</pre></details>"
    )
