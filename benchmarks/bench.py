"""Speed and memory of rampflow beside jwst 3.0.0, on the same machine, in the same run: ``make bench``.

Ours: ``snakemake --cores 2`` in a fresh folder, from starting Snakemake to its end, with every intermediate
product written to disk. Theirs: ``Detector1Pipeline.call`` in a process of its own, from starting python to
its end, in memory. Both run the same steps, with the same reference files, and write rate and rateints. The
two alternate, and medians are compared. Twenty exposures go through two processes of theirs with ten each,
so that the import of jwst counts twice and not twenty times.

Our kernels are compiled beforehand, as they are after the first run on a machine; what that first compilation
takes is reported by itself. The disk's write-back is awaited between the runs, outside the times.

A line for each case goes into ``history.tsv``, with the commit.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cases import CASES, PROGRAMMES, ROOT, Case, environment, our_environment, say
from history import HISTORY, KEYS, commit, machine, median, note
from measure import measure

#: Steps whose time is compared with the oracle's own, and how many times faster they should be.
GOALS = {"emicorr": 5, "jump": 10, "ramp_fit": 5, "saturation": 3, "refpix": 3, "linearity": 3}
GOALS_OF_CASES = dict.fromkeys(PROGRAMMES, {"ramp_fit": 10})


def main(arguments=None):
    """Run the benchmark; return the exit status."""
    options = parse(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    python = None if options.alone else environment.oracle_python(options.oracle)
    report = {
        "commit": commit(ROOT),
        "oracle": None if options.alone else environment.requirements(options.oracle)[0],
        "release": options.release,
        "machine": machine(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "compile": compile_times(options.folder) if options.compile else None,
        "cases": {},
    }
    if options.compile:
        first = report["compile"]
        say(f"kernels: {first['first_s']:.1f} s to compile, once on a machine; {first['again_s']:.1f} s to load")
    for name in options.cases:
        case = Case(name, options.folder, options.release, options.cores)
        say(f"{name}: {CASES[name]}: {case.description}")
        report["cases"][name] = run(case, python, options)
        (options.folder / "bench.json").write_text(json.dumps(report, indent=1))
        if not options.keep:
            shutil.rmtree(case.folder)
    print_report(report)
    note(options.history, report)
    print(f"\nWritten as {options.folder / 'bench.json'}, and into {options.history}")
    return 0


def parse(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; by default all but tiny")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each side (default: 1)")
    parser.add_argument("--alone", action="store_true", help="without jwst")
    parser.add_argument("--steps", action="store_true", help="also compare the time of every step")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="no time of compiling kernels")
    parser.add_argument("--release", default="3.0", help="release that ours runs (default: 3.0)")
    parser.add_argument("--oracle", default="3.0", choices=environment.releases())
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench", help="where everything goes")
    parser.add_argument("--history", type=Path, default=HISTORY, help="the table that gets a line for each case")
    parser.add_argument("--keep", action="store_true", help="keep the exposures, for the next time")
    options = parser.parse_args(arguments)
    options.cases = options.cases or [name for name in CASES if name != "tiny"]
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    if options.alone and options.steps:
        parser.error("--steps needs jwst: leave out --alone")
    options.folder = options.folder.resolve()
    return options


def run(case, python, options):
    """Run both sides of a case in turn, or ours where there is no jwst; return the measurements."""
    sides = {"ours": case.ours} | ({} if python is None else {"theirs": lambda: case.theirs(python)})
    result = {"description": case.description, "exposures": len(case.uncal), "steps": case.steps}
    result |= {side: [] for side in sides}
    for number in range(1, options.repeat + 1):
        for side, start in sides.items():
            took = start()
            result[side].append(took)
            say(
                f"{case.name} {number}/{options.repeat} {side:6s} {took['wall_s']:7.1f} s  {took['cpu_s']:7.1f} s CPU"
                f"  {took['peak_tree_mb']:7.0f} MB"
            )
    if options.steps:
        result["by_step"] = case.by_step(python)
    for side in sides:
        shutil.rmtree(case.folder / side, ignore_errors=True)
    return result


def compile_times(folder):
    """Time to import all kernels with an empty cache of compiled code, and with the real one."""
    cache = folder / "numba"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", "from rampflow.warmstart.preload import preload; list(preload())"]
    subprocess.run(command, check=True, env=our_environment())
    again = measure([command], env=our_environment())
    first = measure([command], env=our_environment(NUMBA_CACHE_DIR=str(cache)))
    shutil.rmtree(cache, ignore_errors=True)
    return {"first_s": first.wall_s, "again_s": again.wall_s}


def print_report(report):
    """Print the tables."""
    found = report["machine"]
    beside = f"; {report['oracle']}" if report["oracle"] else ""
    print(f"\n{found}{beside}; rampflow {report['commit']}")
    print("Medians. peak: sampled sum over all processes of a side (PSS); job: the largest of our jobs.\n")
    head = ("case", "wall ours", "theirs", "theirs/ours", "CPU ours", "theirs", "peak ours", "theirs", "ours/theirs")
    rows = [(*head, "job", "exposures/h")]
    for name, case in report["cases"].items():
        ours, theirs = case["ours"], case.get("theirs")
        took = {key: (median(ours, key), median(theirs, key) if theirs else None) for key in ours[0] if key in KEYS}
        (wall, their_wall), (cpu, their_cpu), (peak, their_peak) = (took[key] for key in KEYS)
        rates = [f"{3600 * case['exposures'] / each:.0f}" for each in (wall, their_wall) if each]
        rows.append(
            (
                name,
                f"{wall:.1f} s",
                f"{their_wall:.1f} s" if theirs else "",
                f"{their_wall / wall:.2f}" if theirs else "",
                f"{cpu:.1f} s",
                f"{their_cpu:.1f} s" if theirs else "",
                f"{peak:.0f} MB",
                f"{their_peak:.0f} MB" if theirs else "",
                f"{peak / their_peak:.2f}" if theirs else "",
                f"{median(ours, 'peak_job_mb'):.0f} MB",
                " / ".join(rates),
            )
        )
    print_table(rows)
    for name, case in report["cases"].items():
        if "by_step" not in case:
            continue
        goals = GOALS | GOALS_OF_CASES.get(name, {})
        print(f"\n{name}, step by step: theirs in memory; ours read, work and write; job: all that it costs")
        rows = [("step", "ours", "threads", "theirs", "theirs/ours", "goal", "job", "job - ours")]
        for step in case["by_step"]:
            job = step["job_s"]
            rows.append(
                (
                    step["step"],
                    f"{step['ours_s']:.2f} s",
                    str(step["threads"]),
                    f"{step['theirs_s']:.2f} s",
                    f"{step['theirs_s'] / max(step['ours_s'], 1e-3):.1f}",
                    str(goals.get(step["step"], "")),
                    "" if job is None else f"{job:.2f} s",
                    "" if job is None else f"{job - step['ours_s']:.2f} s",
                )
            )
        print_table(rows)


def print_table(rows):
    """Print rows in columns as wide as their cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
