"""What the benchmarks have measured, commit by commit: a table, and a page that draws it (``make bench-plot``)."""

import csv
import html
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HISTORY = Path(__file__).with_name("history.tsv")
COLUMNS = ("commit", "date", "machine", "case", "runs", "wall_s", "cpu_s", "peak_mb", "times_jwst")
#: What is measured of a run.
KEYS = ("wall_s", "cpu_s", "peak_tree_mb")
#: What is drawn of a case, and how it is called.
DRAWN = {
    "wall_s": "wall time (s)",
    "cpu_s": "processor time (s)",
    "peak_mb": "peak memory (MB)",
    "times_jwst": "times as fast as jwst",
}
_WIDTH, _HEIGHT, _EDGE = 300, 120, 30


def commit(home):
    """Name the commit of a tree; with a + where files differ from it."""
    command = ["git", "-C", str(home), "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine():
    """Describe the machine: its processors and its memory."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = lines[0].partition(":")[2].strip() if lines else platform.processor()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} CPUs ({model}), {memory:.1f} GB"


def median(runs, key):
    """Median of a measurement over the runs of a side."""
    return statistics.median(run[key] for run in runs)


def note(path, report):
    """Add a line for each case of a report.

    Parameters
    ----------
    path : path-like
        The table; made if it is not there.
    report : dict
        ``commit``, ``started``, ``machine`` and ``cases``, as ``bench.py`` writes it.
    """
    new = not Path(path).exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        for name, case in report["cases"].items():
            wall, cpu, peak = (median(case["ours"], key) for key in KEYS)
            theirs = case.get("theirs")
            times = f"{median(theirs, 'wall_s') / wall:.2f}" if theirs else ""
            row = (report["commit"], report["started"], report["machine"], name, len(case["ours"]))
            values = (*row, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}", times)
            writer.writerow(dict(zip(COLUMNS, values, strict=True)))


def read(path):
    """Return the lines of the table, in the order in which they were added."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def page(rows):
    """Return a page with a drawing of each quantity for each case and machine."""
    parts = [
        "<!doctype html><meta charset=utf-8><title>rampflow: benchmarks</title>",
        "<style>body{font:14px sans-serif;margin:2em}svg{margin:0 1em 1em 0}text{font:11px sans-serif;fill:#444}"
        "path{fill:none;stroke:#27a}circle{fill:#27a}h2{font-size:1.1em}</style>",
        "<h1>rampflow: benchmarks</h1><p>From left to right: one commit after the other; medians of the runs.</p>",
    ]
    by_place = {}
    for row in rows:
        by_place.setdefault((row["case"], row["machine"]), []).append(row)
    for (case, where), found in sorted(by_place.items()):
        parts.append(f"<h2>{html.escape(case)}</h2><p>{html.escape(where)}</p>")
        parts += [
            _drawing(title, [(row, float(row[key])) for row in found if row[key]]) for key, title in DRAWN.items()
        ]
    return "\n".join(parts) + "\n"


def _drawing(title, points):
    if not points:
        return ""
    highest = max(value for _, value in points) or 1.0
    step = (_WIDTH - 2 * _EDGE) / max(1, len(points) - 1)
    places = [
        (_EDGE + number * step, _HEIGHT - 15 - (_HEIGHT - 45) * value / highest)
        for number, (_, value) in enumerate(points)
    ]
    marks = "".join(
        f"<circle cx={x:.1f} cy={y:.1f} r=3><title>{html.escape(row['commit'])}, {html.escape(row['date'])}: {value:g}"
        "</title></circle>"
        for (row, value), (x, y) in zip(points, places, strict=True)
    )
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    last = f"{points[-1][1]:g} at {html.escape(points[-1][0]['commit'])}"
    return (
        f'<svg width={_WIDTH} height={_HEIGHT}><text x=4 y=14>{title}: {last}</text><path d="{line}"/>'
        f'<path d="M{_EDGE} {_HEIGHT - 15}H{_WIDTH - _EDGE}" style="stroke:#ccc"/>{marks}</svg>'
    )


def main():
    """Draw the table: ``history.py [TABLE [PAGE]]``."""
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else HISTORY
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else table.with_suffix(".html")
    if not table.exists():
        raise SystemExit(f"{table}: nothing was measured yet; make bench writes it")
    target.write_text(page(read(table)))
    print(target)


if __name__ == "__main__":
    main()
