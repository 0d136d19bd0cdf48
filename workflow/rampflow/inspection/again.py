"""Exposures made again, from the raw file and in a temporary folder, and compared with what is there, bit for bit."""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import yaml

from rampflow.inspection.results import Results
from rampflow.io import files
from rampflow.jobs import provenance
from rampflow.settings.branches import branch_of
from rampflow.settings.paths import READ, WRITTEN, expanded
from rampflow.stores.addresses import is_address


def again(results, exposure, cores):
    """Make an exposure and its variants again, from the raw file and in a temporary folder, and compare.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
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
        except (OSError, TypeError, ValueError, KeyError, AttributeError) as error:
            return [f"{exposure}: cannot be made again: what its run has kept of its configuration is odd ({error})"]
        command = [sys.executable, "-m", "snakemake", "--snakefile", provenance.HOME / "Snakefile"]
        command += ["--directory", folder, "--configfile", folder / "config.yaml", "--cores", str(cores)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if line.startswith("rampflow: ")]
            return [f"{exposure}: cannot be made again: {line}" for line in said or done.stdout.splitlines()[-1:]]
        made = Results(folder / "results")
        return [line for branch in _branches(results, exposure) for line in _compared(results, made, branch)]


def _branches(results, exposure):
    """Return the branches of an exposure that there are records of and that its last run has asked for."""
    asked = results.run_of(exposure)["exposures"][exposure].get("variants", {})
    variants = [branch_of(exposure, variant) for variant in asked]
    return [exposure, *(branch for branch in variants if branch in results.records)]


def _prepare(results, exposure, run, folder):
    """Write the configuration of a run on one exposure, and those before it in its chain, in another folder."""
    home = Path(run["folder"])
    exposures = [exposure]
    while (before := _before(results, exposures[-1])) and before not in exposures:
        exposures.append(before)
    paths = {root: run["exposures"][root]["path"] for root in exposures}
    rows = [f"{root}\t{path if is_address(path) else home / path}" for root, path in paths.items()]
    (folder / "exposures.tsv").write_text("exposure\tuncal\n" + "\n".join(rows) + "\n")
    config = run["config"] | {"exposures": "exposures.tsv", "results": "results", "keep": "all"}
    config["save_calibrated_ramp"] |= "ramp" in results.records[exposure]
    asked = results.asked(exposure) or {}
    path, context = config["crds"]["path"], asked.get("context", "N/A")
    config["crds"] = config["crds"] | {
        "path": path and str(home / expanded(path)),
        "context": context if context != "N/A" else config["crds"]["context"],
        "offline": True,
    }
    config["references"] = _anchored(config["references"], home)
    variants = config.get("variants") or {}
    for name, value in [*_leaves(config["steps"]), *_leaves(variants)]:
        if name in READ and value and not os.path.isabs(expanded(value)):
            if ".." in Path(value).parts:
                raise files.FileProblem(f"{name}: {value} leads out of the folder of the run; give an absolute path")
            (folder / value).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / value).is_symlink():
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
    parts = ("code", "versions", "skipped", "named", "parameters", "references", "crds")
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
