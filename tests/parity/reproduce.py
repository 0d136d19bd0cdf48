"""Make products of the oracle again from what they say of themselves: ``python tests/parity/reproduce.py``.

On a programme that is drawn at random, 18 exposures with steps, parameters and reference files of their own, the
oracle's whole pipeline makes products. ``rampflow reproduce`` reads their headers and logs, and nothing else; with the
configuration that it writes the workflow makes them anew, and both are held to the standard of ``compare.py``.

Prints the table and writes it as ``parity.json`` and ``parity.tsv``, beside ``reproduced.yaml``; the exit status is 1
when anything is beyond the standard that ``accepted.tsv`` does not explain.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import compare
import environment
import numpy as np
import yaml
from astropy.io import fits
from ours import ROOT, Workflow, project_environment
from table import report

from rampflow.crds import resolve
from rampflow.crds.settings import Settings
from rampflow.io.raw_headers import read_header

#: Reference files that are replaced, by the step that alone uses them, and how their arrays are changed.
REPLACED = {
    "dq_init": ("mask", "DQ"),
    "linearity": ("linearity", "COEFFS"),
    "dark_current": ("dark", "SCI"),
}


def main(arguments=None):
    """Run the trials; return the exit status."""
    options = parse(arguments)
    start = time.monotonic()
    folder = options.folder / options.release
    for name in ("drawn", "run") if options.keep else ("",):
        shutil.rmtree(folder / name, ignore_errors=True)
    python = environment.oracle_python(options.release)
    compare.say(start, f"the mock programme {options.programme}, seed {options.seed}")
    programme = compare.make_programme(options)
    exposures = compare.choose(programme, options)

    drawn = Workflow(folder / "drawn", programme, exposures, options)
    every = compare.oracle_tasks(drawn, folder / "oracle")
    tasks = [task for task in every if task["kind"] == "pipeline"]
    # LIKELY's search for jumps is judged by the ramp that it was given.
    ramps = [task for task in every if task["kind"] == "chain" and is_likely(task)]
    crds, mine = programme["crds"], folder / "mine"
    replaced = sum(replace(task, number, crds, mine, options) for number, task in enumerate(tasks))
    compare.say(start, f"the oracle: {len(tasks)} exposures, {replaced} of them with a reference file of their own")
    results = compare.oracle_results(python, tasks + ramps, crds, folder / "oracle", options)

    made = [(task, path) for task in tasks if (path := product(task)).exists()]
    compare.say(start, f"rampflow reproduce: {len(made)} products")
    config = reproduced([path for _, path in made], exposures, crds, folder)
    compare.say(start, "the workflow")
    options.configfile = folder / "references.yaml"
    options.configfile.write_text(yaml.safe_dump({"references": config.get("references", {})}))
    again = {"steps": config.get("steps", {}), "crds": config["crds"]}
    ours = Workflow(folder / "run", again, [task["input"] for task, _ in made], options)
    failure = ours.run()
    if failure:
        compare.say(start, failure)

    comparison = compare.Comparison(ours, folder, options)
    for task, result in zip(tasks, results, strict=False):
        if product(task).exists():
            comparison.end_to_end(task, result)
        else:
            print(f"{compare.root_of(task['input'])}: the oracle has no product: {compare.last_line(result['error'])}")
    rows = sorted(comparison.rows, key=comparison.order)
    report(rows, folder, options, failure)
    return 1 if failure or any(row.verdict == "BEYOND" for row in rows) or not rows else 0


def parse(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="reproduce.py", description=__doc__.splitlines()[0])
    parser.add_argument("--release", default="1.19", choices=environment.releases())
    parser.add_argument("--programme", help="one of tests/programmes (default: drawn, or drawn-recent for 3.0)")
    parser.add_argument("--exposures", default="*", metavar="PATTERN", help="root names, a glob")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", action="store_true", help="use what was made before: the programme, and products of the oracle"
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, default=ROOT / ".parity" / "reproduce", help="where everything goes")
    options = parser.parse_args(arguments)
    options.folder = options.folder.resolve()
    options.programme = options.programme or ("drawn" if options.release == "1.19" else "drawn-recent")
    options.small, options.configfile = False, None
    return options


def is_likely(task):
    """Tell whether an exposure's ramps are fitted by LIKELY."""
    return task["parameters"].get("ramp_fit", {}).get("algorithm") == "LIKELY"


def product(task):
    """Path of the oracle's rate image."""
    return Path(task["folder"]) / f"{compare.root_of(task['input'])}_rate.fits"


def reproduced(products, exposures, crds, folder):
    """Let the command write the configuration; return it."""
    written = folder / "reproduced.yaml"
    command = [sys.executable, "-m", "rampflow", "reproduce", *products, "--raw", Path(exposures[0]).parent]
    command += ["--crds", crds["path"], "--files", Path(crds["path"]).parent, "--output", written]
    done = subprocess.run(command, env=project_environment(), capture_output=True, text=True)
    print(done.stderr, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"rampflow reproduce ended with status {done.returncode}")
    return yaml.safe_load(written.read_text())


def replace(task, number, crds, folder, options):
    """Give most exposures a reference file of their own, drawn; return whether this one has one."""
    rng = np.random.default_rng((options.seed, number, 7))
    steps = [step for step in REPLACED if step in task["steps"]]
    if not steps or rng.random() < 0.3:
        return False
    step = steps[rng.integers(len(steps))]
    kind, extension = REPLACED[step]
    source = chosen(task["input"], kind, crds)
    if source is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}_{kind}.fits"
    shutil.copyfile(source, path)
    with fits.open(path, mode="update") as content:
        values = content[extension].data
        if kind == "mask":
            values[rng.random(values.shape) < 0.02] |= 1
        else:
            # Higher coefficients of a polynomial, or all of a dark.
            values[2 if kind == "linearity" else 0 :] *= 1.5
    task["parameters"].setdefault(step, {})[f"override_{kind}"] = str(path)
    return True


def chosen(path, kind, crds):
    """Path of the file that CRDS chooses for an exposure, or None."""
    settings = Settings.of(path, crds | {"offline": True})
    with resolve.session(settings):
        choice = resolve.choose(path, read_header(path), [kind], settings, None)
        found = resolve.bring(path, choice, settings)
    return found.get(kind)


if __name__ == "__main__":
    sys.exit(main())
