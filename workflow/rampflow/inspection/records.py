"""Files and code as they are, held against the records of the jobs that have read and written them."""

import os
import stat
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rampflow.inspection.results import RECORD, read
from rampflow.jobs import provenance
from rampflow.settings.branches import exposure_of, of_folder

#: Nanoseconds between the times of what a job leaves, to which Snakemake gives one at its end.
_TOGETHER = 2_000_000_000


class Comparison:
    """Files and code as they are, against the records.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
        What to check.

    Attributes
    ----------
    findings : list of str
        One line each.
    hashed, timed : int
        Files that are as recorded, by checksum and by size and time.
    stored : int
        Raw files that are not here any more but in a store, and were not looked at.
    """

    def __init__(self, results):
        self.results = results
        self.hashed = self.timed = self.stored = 0
        results.look_at_all()
        self._lines = dict.fromkeys(results.damaged.values())
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
            status = path.stat()
        except OSError as error:
            if path not in self._missing:
                self._say(f"{path}, {what}: {error.strerror}")
            self._missing.add(path)
            return
        found = status.st_size
        if not stat.S_ISREG(status.st_mode):
            self._say(f"{path}, {what}: a folder, or no file at all, where a file is expected")
        elif size is not None and found != size:
            self._say(f"{path}, {what}, has changed: {found} bytes, expected {size}")
        elif sha256 is not None:
            self._expected.setdefault((path, sha256), what)

    def _outputs(self, exposure, step, record):
        for name, output in record["outputs"].items():
            path = self.results.path(exposure, name)
            if path in self.results.damaged:
                continue
            if self.results.keeps(step) or os.path.lexists(path) or path.suffix == ".json":
                self._expect(path, output["size"], output["sha256"], f"written by {step}")

    def _inputs(self, exposure, step, record):
        for entry in record["inputs"].values():
            path = self.results.path(exposure, entry["file"])
            if entry.get("url") and not os.path.lexists(path):
                self.stored += 1
                continue
            if entry["recipe"] is None:
                self._expect(path, entry["size"], entry["sha256"], f"read by {step} of {exposure}")
                continue
            made = self._made_by(path)
            if made is None or made["recipe"] != entry["recipe"]:
                who = "no record says by what" if made is None else f"by {made['step']}"
                self._say(f"{path} was made anew ({who}) after {step} has read it; run the workflow again")
            elif made["outputs"][_name_in_record(path)]["sha256"] is None and os.path.isfile(path):
                time = path.stat().st_mtime_ns
                same = time == entry["mtime_ns"] or abs(time - self._time_of_record(path)) <= _TOGETHER
                same = same or self._is_output(exposure, record, time)
                self.timed += same
                if not same and made["step"] not in self._touched[exposure]:
                    self._touched[exposure].append(made["step"])

    def _is_output(self, exposure, record, time):
        """Whether a product that a job has read got its time with one that it has made, of which it is a second name.

        In results that were copied they may be two files.
        """
        made = (self.results.path(exposure, name) for name in record["outputs"])
        return any(other.is_file() and other.stat().st_mtime_ns == time for other in made)

    def _made_by(self, path):
        """Return the record of the job that made a product, of this or of another exposure; None without one."""
        folder, step = provenance.folder_of(path), provenance.step_of(path)
        branch = of_folder(folder)
        inside = folder == self.results.folder / branch
        there = folder / "record" / f"{step}.json"
        record = self.results.records.get(branch, {}).get(step) if inside else read(there, RECORD)[0]
        return record if record and _name_in_record(path) in record["outputs"] else None

    def _time_of_record(self, path):
        """Return when the record of the job that made a product got its time, which is when the product got its own."""
        return (provenance.folder_of(path) / "record" / f"{provenance.step_of(path)}.json").stat().st_mtime_ns

    def _references(self, exposure, step, record):
        for kind, used in record.get("references", {}).items():
            path = self.results.path(exposure_of(exposure), f"references/{kind}.json")
            pointer = self.results.pointer(exposure, kind) or {}
            if path in self.results.damaged:
                continue
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
            if code in run.get("code", {}):
                then = {path: run.get("files", {}).get(path) for path in run["code"][code]}
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


def _name_in_record(path):
    """Return by which name the record of a job has a product of it."""
    return os.path.relpath(path, provenance.folder_of(path))
