"""The workflow of two commits on the same exposures, in turn: ``make bench-compare BASE=<commit>``.

Fails where a case costs more than it did: by more than 5 % and what the runs of one commit differ by among themselves.
"""

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path

from bench import print_table
from cases import CASES, ROOT, Case, say
from history import commit

#: The part by which a median may be larger, beside the scatter.
ALLOWED = 0.05
MEASURED = {"wall_s": "wall", "cpu_s": "CPU", "peak_tree_mb": "peak"}


def main(arguments=None):
    """Compare; return the exit status: 1 where a case costs more than before."""
    parser = argparse.ArgumentParser(prog="commits.py", description=__doc__.splitlines()[0])
    parser.add_argument("base", help="the commit before, by any name that git knows")
    parser.add_argument("cases", nargs="*", default=["tso", "full"], help=f"of {', '.join(CASES)}; default: tso full")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each commit (default: 3)")
    parser.add_argument("--release", default="3.0")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench", help="where everything goes")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    folder = options.folder.resolve()
    before = checked_out(options.base, folder)
    rows, dearer = [("case", "what", "before", "now", "change", "scatter", "")], False
    for name in options.cases:
        case = Case(name, folder, options.release, options.cores)
        runs = in_turn(case, {"before": before, "now": ROOT}, options.repeat)
        for key, word in MEASURED.items():
            then, now, change, scatter, worse = judged(*([run[key] for run in runs[side]] for side in runs))
            dearer |= worse
            mark = "costs more" if worse else ""
            rows.append((name, word, f"{then:.2f}", f"{now:.2f}", f"{change:+.1%}", f"{scatter:.1%}", mark))
    print(f"\nbefore: {options.base}; now: {commit(ROOT)}; medians of {options.repeat}; s, MB\n")
    print_table(rows)
    return int(dearer)


def checked_out(base, folder):
    """Write the files of a commit into a folder of their own, where its kernels stay compiled; return that."""
    git = ["git", "-C", str(ROOT)]
    done = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{base}: no such commit; name one with: make bench-compare BASE=...")
    target = folder / f"base-{done.stdout.strip()[:10]}"
    if not target.exists():
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        files = subprocess.run([*git, "archive", done.stdout.strip()], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            archive.extractall(part, filter="data")
        part.rename(target)
    return target


def in_turn(case, homes, repeat):
    """Run a case with each tree, once more than asked: the first runs compile kernels and do not count."""
    runs = {side: [] for side in homes}
    for number in range(repeat + 1):
        for side, home in homes.items():
            took = case.ours(home)
            say(f"{case.name} {number}/{repeat} {side:6s} {took['wall_s']:7.1f} s  {took['cpu_s']:7.1f} s CPU")
            if number:
                runs[side].append(took)
    return runs


def judged(before, now):
    """Compare measurements of one quantity.

    Parameters
    ----------
    before, now : list of float
        One for each run.

    Returns
    -------
    tuple of float, float, float, float, bool
        The medians; the change, as a part of the first; the scatter: half the range of each side, as a part of its
        median, both together; whether the change is more than is allowed.
    """
    medians = [statistics.median(runs) for runs in (before, now)]
    change = medians[1] / medians[0] - 1
    scatter = sum((max(runs) - min(runs)) / 2 / median for runs, median in zip((before, now), medians, strict=True))
    return *medians, change, scatter, change > ALLOWED + scatter


if __name__ == "__main__":
    sys.exit(main())
