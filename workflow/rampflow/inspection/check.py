"""Whether results are still what their records say, and whether the same can be made again: ``make check``.

``python -m rampflow.inspection.check results`` reads the record of every job and compares what is there now with it:
products, raw files, reference files, parameters, the code of the steps, versions. Checksums decide where a record has
them; products on the way, which have none unless ``checksums: all`` is configured, are compared by size and by the
time that the step after them has seen. With ``--again GLOB`` it also makes these exposures again, in a temporary
folder and from the raw file, and compares every file with what is there, bit for bit.

One line for each finding; status 0: none, 1: some, 2: nothing there to check.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import yaml

from rampflow.io import files
from rampflow.io.shared_files import read_json
from rampflow.jobs import provenance
from rampflow.settings.paths import READ, WRITTEN, expanded


class Results:
    """The results of runs: records of jobs and of the runs themselves.

    Parameters
    ----------
    folder : path-like
        The key ``results`` of the configuration.

    Attributes
    ----------
    records : dict
        Exposure to {job: record}.
    runs : list of dict
        What each run kept of itself, the latest last.
    unreadable : list of str
        Records that are damaged.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.records, self.unreadable = defaultdict(dict), []
        for path in sorted(self.folder.glob("*/record/*.json")):
            record = read_json(path)
            if record and "recipe" in record:
                self.records[path.parts[-3]][path.stem] = record
            else:
                self.unreadable.append(f"{path}: not a record of a job; snakemake --forcerun {path.stem} makes it anew")
        self.runs = [run for path in sorted(self.folder.glob("runs/*.json")) if (run := read_json(path))]

    def keeps(self, step):
        """Whether the latest run keeps the products of a step."""
        keep = self.runs[-1]["config"]["keep"] if self.runs else "all"
        return step in ("rate", "ramp") or keep == "all" or (keep != "none" and step in keep)

    def run_of(self, exposure):
        """Return the latest run that had an exposure; None where no run is known."""
        return next((run for run in reversed(self.runs) if exposure in run["exposures"]), None)

    def path(self, exposure, name):
        """Return the path of a file that a record names from the exposure's folder."""
        return Path(os.path.normpath(self.folder / exposure / name))


# --- what the records say --------------------------------------------------------------------------------


class Comparison:
    """Files and code as they are, against the records.

    Parameters
    ----------
    results : Results
        What to check.

    Attributes
    ----------
    findings : list of str
        One line each.
    hashed, timed : int
        Files that are as recorded, by checksum and by size and time.
    """

    def __init__(self, results):
        self.results = results
        self.hashed = self.timed = 0
        self._lines = dict.fromkeys(results.unreadable)
        self._expected, self._missing = {}, set()
        self._touched = defaultdict(list)
        for exposure, records in results.records.items():
            for step, record in records.items():
                self._outputs(exposure, step, record)
                self._inputs(exposure, step, record)
                self._references(exposure, step, record)
            self._strangers(exposure, records)
        for exposure, steps in self._touched.items():
            self._say(
                f"{results.folder / exposure}: written or touched after the next step has read it: the product of "
                f"{', '.join(steps)}; it has no checksum (checksums: all), but --again {exposure} can tell"
            )
        self._compare()
        self._code()
        self._versions()
        self.findings = list(self._lines)

    def _say(self, line):
        self._lines[line] = None

    def _expect(self, path, size, sha256, what):
        """Note that a file must be there, of a size, and with a checksum if that is known; say so if it is not."""
        try:
            found = path.stat().st_size
        except OSError as error:
            if path not in self._missing:
                self._say(f"{path}, {what}: {error.strerror}")
            self._missing.add(path)
            return
        if size is not None and found != size:
            self._say(f"{path}, {what}, has changed: {found} bytes, expected {size}")
        elif sha256 is not None:
            self._expected.setdefault((path, sha256), what)

    def _outputs(self, exposure, step, record):
        for name, output in record["outputs"].items():
            path = self.results.path(exposure, name)
            if self.results.keeps(step) or path.exists() or path.suffix == ".json":
                self._expect(path, output["size"], output["sha256"], f"written by {step}")

    def _inputs(self, exposure, step, record):
        for entry in record["inputs"].values():
            path = self.results.path(exposure, entry["file"])
            if entry["recipe"] is None:
                self._expect(path, entry["size"], entry["sha256"], f"read by {step} of {exposure}")
                continue
            made = provenance.made_by(path)
            if made is None or made["recipe"] != entry["recipe"]:
                who = "no record says by what" if made is None else f"by {made['step']}"
                self._say(f"{path} was made anew ({who}) after {step} has read it; run the workflow again")
            elif made["outputs"][path.name]["sha256"] is None and path.exists():
                same = path.stat().st_mtime_ns == entry["mtime_ns"]
                self.timed += same
                if not same and made["step"] not in self._touched[exposure]:
                    self._touched[exposure].append(made["step"])

    def _references(self, exposure, step, record):
        for kind, used in record.get("references", {}).items():
            path = self.results.path(exposure, f"references/{kind}.json")
            pointer = read_json(path) or {}
            if (pointer.get("name"), pointer.get("sha256")) != (used["name"], used["sha256"]):
                now = pointer.get("name", "nothing")
                self._say(
                    f"{path} names {now}{' of other content' if now == used['name'] else ''}, where {step} has used "
                    f"{used['name']}; run the workflow again"
                )
            if used["file"] is not None:
                self._expect(Path(used["file"]), None, used["sha256"], f"the {kind} reference of {exposure}")

    def _strangers(self, exposure, records):
        known = {name for record in records.values() for name in record["outputs"]}
        for path in sorted((self.results.folder / exposure).glob("*.*")):
            if path.suffix in (".fits", ".asdf") and path.name not in known:
                self._say(f"{path}: no record says what made it")

    def _compare(self):
        """Compare checksums, several files at a time."""
        paths = list({path for path, _ in self._expected})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = dict(zip(paths, pool.map(_sha256, paths), strict=True))
        for (path, sha256), what in self._expected.items():
            if found[path] == sha256:
                self.hashed += 1
            else:
                self._say(f"{path}, {what}, has changed: sha256 {found[path][:16]}…, expected {sha256[:16]}…")

    def _code(self):
        made_with = defaultdict(set)
        for exposure, records in self.results.records.items():
            for step, record in records.items():
                made_with[step, record["code"]].add(exposure)
        for (step, code), exposures in made_with.items():
            script = provenance.script_of(step)
            now = provenance.code_files(script) if script.is_file() else {}
            if provenance.digest(now)[:16] != code:
                self._say(
                    f"the code of {step} has changed ({self._changed(code, now)}) since it made {_some(exposures)}"
                )

    def _changed(self, code, now):
        """Name the files by which code differs from what a run has kept of it."""
        for run in self.results.runs:
            if code in run["code"]:
                then = {path: run["files"][path] for path in run["code"][code]}
                names = [path for path in {**then, **now} if then.get(path) != now.get(path)]
                return ", ".join(sorted(names))
        return "which files is not known"

    def _versions(self):
        other = defaultdict(set)
        for exposure, records in self.results.records.items():
            for record in records.values():
                for package, version in record["versions"].items():
                    if version != provenance.versions().get(package):
                        other[package, version].add(exposure)
        for (package, version), exposures in other.items():
            now = provenance.versions().get(package)
            self._say(f"{package} {now} is installed, where {version} made {_some(exposures)}")


def _sha256(path):
    try:
        return provenance.sha256_of(path)
    except OSError as error:
        return f"({error.strerror})"


def _some(exposures):
    """Name some of the exposures."""
    names = sorted(exposures)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- made again ------------------------------------------------------------------------------------------


def again(results, exposure, cores):
    """Make an exposure again, from its raw file and in a temporary folder, and compare with what is there.

    Parameters
    ----------
    results : Results
        What is there.
    exposure : str
        Name of the exposure.
    cores : int
        Cores for the workflow.

    Returns
    -------
    list of str
        One line for each file that differs.
    """
    run = results.run_of(exposure)
    if run is None:
        return [f"{exposure}: cannot be made again: no run in {results.folder / 'runs'} had it"]
    with tempfile.TemporaryDirectory(prefix="rampflow-check-") as folder:
        folder = Path(folder)
        try:
            _prepare(results, exposure, run, folder)
        except files.FileProblem as problem:
            return [f"{exposure}: cannot be made again: {problem}"]
        command = [sys.executable, "-m", "snakemake", "--snakefile", provenance.HOME / "Snakefile"]
        command += ["--directory", folder, "--configfile", folder / "config.yaml", "--cores", str(cores)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if line.startswith("rampflow: ")]
            return [f"{exposure}: cannot be made again: {line}" for line in said or done.stdout.splitlines()[-1:]]
        return _compared(results, Results(folder / "results"), exposure)


def _prepare(results, exposure, run, folder):
    """Write the configuration of a run on one exposure, and those before it in its chain, in another folder."""
    home = Path(run["folder"])
    exposures = [exposure]
    while before := _before(results, exposures[-1]):
        exposures.append(before)
    rows = [f"{root}\t{home / run['exposures'][root]['path']}" for root in exposures]
    (folder / "exposures.tsv").write_text("exposure\tuncal\n" + "\n".join(rows) + "\n")
    config = run["config"] | {"exposures": "exposures.tsv", "results": "results", "keep": "all"}
    config["save_calibrated_ramp"] |= "ramp" in results.records[exposure]
    asked = read_json(results.folder / exposure / "references" / "asked.json") or {}
    path, context = config["crds"]["path"], asked.get("context", "N/A")
    config["crds"] = {
        "path": path and str(home / expanded(path)),
        "context": context if context != "N/A" else config["crds"]["context"],
        "offline": True,
    }
    config["references"] = _anchored(config["references"], home)
    for name, value in _leaves(config["steps"]):
        if name in READ and value and not os.path.isabs(expanded(value)):
            if ".." in Path(value).parts:
                raise files.FileProblem(f"{name}: {value} leads out of the folder of the run; give an absolute path")
            (folder / value).parent.mkdir(parents=True, exist_ok=True)
            (folder / value).symlink_to(home / value)
        elif name in WRITTEN and isinstance(value, str) and os.path.dirname(value):
            raise files.FileProblem(f"{name}: {value} would be written over")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _before(results, exposure):
    """Return the exposure that has handed its persistence on to this one; None without one."""
    carried = results.records[exposure].get("persistence", {"inputs": {}})["inputs"].get("carried")
    return Path(carried["file"]).parts[-3] if carried and carried["file"].endswith("carried/persistence.json") else None


def _anchored(block, home):
    """Make the paths of the configuration's references independent of the folder."""
    return {
        key: _anchored(value, home)
        if isinstance(value, dict)
        else value
        if value == "N/A"
        else str(home / expanded(value))
        for key, value in block.items()
    }


def _leaves(block):
    for key, value in block.items():
        yield from _leaves(value) if isinstance(value, dict) else [(key, value)]


def _compared(results, made, exposure):
    """Compare what was made again with what is there: one line for each file that differs."""
    lines = []
    for step, record in results.records[exposure].items():
        twin = made.records[exposure].get(step)
        for name in record["outputs"]:
            there, new = results.path(exposure, name), made.path(exposure, name)
            if not there.exists():
                continue
            if twin is None or not new.exists():
                lines.append(f"{there}, written by {step}: not made any more")
            elif not _equal(there, new):
                places, why = _differences(there, new), _recipes(record, twin)
                lines.append(f"{there}, written by {step}: other bits when made again: {places}; {why}")
    return lines


def _equal(one, other):
    with open(one, "rb") as left, open(other, "rb") as right:
        while True:
            piece = left.read(1 << 24)
            if piece != right.read(1 << 24):
                return False
            if not piece:
                return True


def _recipes(record, twin):
    """Say by what the recipes of a product differ."""
    if record["recipe"] == twin["recipe"]:
        return "the recipe is the same"
    parts = ("code", "versions", "skipped", "parameters", "references", "crds")
    names = [part for part in parts if record.get(part) != twin.get(part)]
    return f"the recipe differs in {', '.join(names) or 'what the step has read'}"


def _differences(one, other):
    """Say where two files differ, in words of FITS if they are such."""
    if one.suffix != ".fits":
        return "its content"
    try:
        # What is wrong with a card is seen as a difference.
        with warnings.catch_warnings(action="ignore"), files.Product(one) as left, files.Product(other) as right:
            if [hdu.name for hdu in left.hdus] != [hdu.name for hdu in right.hdus]:
                return "the extensions"
            found = [place for hdu in left.hdus for place in _places(left, right, hdu.name)]
            return ", ".join(found) or "padding"
    except files.FileProblem as problem:
        return str(problem)


def _places(left, right, name):
    """Say where an extension of two products differs."""
    one, other = left.hdu(name), right.hdu(name)
    keys = dict.fromkeys([*one.header, *other.header])
    cards = [key for key in keys if [*_values(one.header, key)] != [*_values(other.header, key)]]
    if cards:
        yield f"{name} ({', '.join(cards)})"
    if one.size != other.size or not one.header["NAXIS"]:
        return
    if one.header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        if os.pread(left.descriptor, one.size, one.offset) != os.pread(right.descriptor, other.size, other.offset):
            yield name
        return
    ours, theirs, count = left[name], right[name], 0
    for index in np.ndindex(ours.shape[:-2]):
        bits = (array.read(*index)[..., np.newaxis].view(np.uint8) for array in (ours, theirs))
        count += np.count_nonzero((next(bits) != next(bits)).any(axis=-1))
    if count:
        yield f"{name} ({count} values)"


def _values(header, key):
    return (card.value for card in header.cards if card.keyword == key)


# --- the command -----------------------------------------------------------------------------------------


def main(arguments=None):
    """Check results; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow.inspection.check", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", default="results", help="folder of the results (default: results)")
    parser.add_argument("--again", metavar="GLOB", help="make these exposures again and compare bit for bit")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores for --again (default: all)")
    options = parser.parse_args(arguments)
    results = Results(options.results)
    if not results.records and not results.unreadable:
        print(f"rampflow: {options.results}: no records of exposures there; name the folder of results of a run")
        return 2
    comparison = Comparison(results)
    lines = comparison.findings
    for line in lines:
        print(f"rampflow: {line}")
    number = len(results.records)
    print(
        f"rampflow: {number} exposure{'s' * (number != 1)}: {comparison.hashed} files are as recorded by checksum, "
        f"{comparison.timed} by size and time",
        flush=True,
    )
    if options.again:
        chosen = [exposure for exposure in results.records if fnmatchcase(exposure, options.again)]
        if not chosen:
            print(f"rampflow: --again {options.again}: no exposure of that name in {options.results}")
            return 2
        for exposure in chosen:
            found = again(results, exposure, options.cores)
            for line in found or [f"{exposure}: made again, bit for bit the same"]:
                print(f"rampflow: {line}", flush=True)
            lines = lines + found
    print(f"rampflow: {len(lines)} finding{'s' * (len(lines) != 1)}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
