"""What a product is made of: checksums of code and files, versions, and the recipe that sums them up.

Snakemake reruns a rule when its script file changes, but not when a module that the script imports does. The
digest of those modules is a parameter of every rule, so an edited step reruns itself and what follows it. It
depends on content only: touching a file changes nothing.

A recipe is the sha256 of all that a product's bits may depend on: code, parameters, reference files, and what the job
has read. Where that is the product of another job, its recipe stands for it, so that every recipe reaches back to the
checksum of the raw file without a checksum of anything in between: equal recipes with equal versions of the packages,
equal bits. The versions are in the record and not in the recipe: a new one of numpy is no reason to do everything anew,
and the same context of CRDS by another name is none either.

Imports the standard library alone, as the workflow's own process reads it at every start.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from rampflow import __version__
from rampflow.io.shared_files import read_json
from rampflow.places import HOME, PACKAGE
from rampflow.settings.branches import exposure_of, of_folder

#: The rooms that what is in a product depends on. How jobs are planned, started, told about references and looked at
#: afterwards is in others.
PRODUCT_ROOMS = {"errors", "kernels", "detector", "io", "steps", "drivers", "jobs"}
#: Packages that numbers and files pass through.
PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "scikit-image", "astropy", "asdf", "stdatamodels")
#: What of a pointer to a reference file decides whether a product stands.
FACTS = ("name", "crds_uri", "sha256")

#: Folder, in that of an exposure, of copies of what lies in a store.
COPIES = "raw"

#: A line that may be an import, with all of its parentheses.
_IMPORT = re.compile(
    rb"^[ \t]*((?:from[ \t]+[\w.]+[ \t]+import[ \t]+(?:\([^)]*\)|[^\n(]+))|(?:import[ \t]+[^\n]+))", re.M
)


@cache
def _imports(path: Path) -> set[Path]:
    """Files of the package that a file imports, directly."""
    found = set()
    # The syntax tree of whole files would take a fifth of a second at every start of a run.
    for statement in _IMPORT.findall(path.read_bytes()):
        try:
            (node,) = ast.parse(statement).body
        except SyntaxError:
            # A sentence that begins with the word.
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "rampflow" and len(parts) > 1 and parts[1] in PRODUCT_ROOMS:
                module = PACKAGE.joinpath(*parts[1:])
                for file in (module.with_suffix(".py"), module / "__init__.py"):
                    if file.is_file():
                        found.add(file)
    return found


def script_of(step: str) -> Path:
    """Return the script of a rule."""
    return HOME / "scripts" / f"{step}.py"


def _name_of(file: Path) -> str:
    """Path of a file in a clone, whether it is there or in an installed package: the same code has one digest."""
    if file.is_relative_to(PACKAGE) and not file.is_relative_to(HOME):
        return f"workflow/rampflow/{os.path.relpath(file, PACKAGE)}"
    return os.path.relpath(file, HOME)


def code_files(script: Path) -> dict[str, str]:
    """Return the checksums of a script and of the package's modules that it runs: path from the clone to sha256."""
    files, todo = set(), [Path(script)]
    while todo:
        file = todo.pop()
        if file not in files:
            files.add(file)
            todo.extend(_imports(file))
    return dict(_named(file, os.stat(file).st_mtime_ns) for file in sorted(files))


@cache
def _named(file: Path, _: int) -> tuple[str, str]:
    """Return the name and the sha256 of a file of code, taken once for all steps that run it."""
    return _name_of(file), sha256_of(file)


def code_digest(script: Path) -> str:
    """Digest of a script and of the package's modules that it runs.

    Parameters
    ----------
    script : path-like
        The script of a rule.

    Returns
    -------
    str
        Hexadecimal, 16 digits.
    """
    return digest(code_files(script))[:16]


def digest(content: object) -> str:
    """Return the sha256 of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256_of(path: str | Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(pointer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recipe knows of a reference file: its name, as headers have it, and its content."""
    return {key: pointer[key] for key in FACTS}


def deciding(made_of: Mapping[str, Any]) -> dict[str, Any]:
    """Return that part of what a product is made of by which it stands or has to be made anew.

    Parameters
    ----------
    made_of : mapping
        ``step``, ``exposure``, ``code``, ``skipped``, ``named`` where there is anything in it, and of a step
        ``parameters`` and ``references``: a record, or what one would hold. What CRDS's parameter files say is in the
        parameters. Of the steps that are skipped the names decide, and not who has said so.
    """
    keys = ("step", "exposure", "code", "skipped", "named", "parameters")
    kept = {key: made_of[key] for key in keys if key in made_of}
    if "skipped" in made_of:
        kept["skipped"] = list(made_of["skipped"])
    if "references" in made_of:
        references = made_of["references"].items()
        kept["references"] = {kind: facts(pointer) for kind, pointer in references if not kind.startswith("pars-")}
    return kept


def recipe(made_of: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return the recipe of a product.

    Parameters
    ----------
    made_of : mapping
        As for `deciding`.
    inputs : mapping of str to str
        What the job reads, by the rule's words: the recipe of the job that made it, or its checksum.
    """
    return digest(deciding(made_of) | {"inputs": inputs})


@cache
def versions() -> dict[str, Any]:
    """Return the versions of this workflow, of Python, and of the packages that results pass through."""
    found = {"rampflow": __version__, "python": platform.python_version()}
    return found | {name: version_of(name) for name in PACKAGES}


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None without it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class Inputs:
    """What a job reads, as its record says it.

    Files that no other job's record vouches for, such as the raw exposure, are hashed in a thread of their own
    while the job works.

    Parameters
    ----------
    named : iterable of (str, path-like)
        The files by the names that the rule has for them.
    folder : `~pathlib.Path`
        Folder of the exposure, from which the record's paths start.
    """

    def __init__(self, named: Iterable[tuple[str, str]], folder: str | Path) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._entries = {name: self._entry(Path(path), folder) for name, path in named}

    def _entry(self, path: Path, folder: str | Path) -> dict[str, Any]:
        status = path.stat()
        entry = {"file": place(path, folder), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
        made = made_by(path)
        if made is not None:
            own = made["outputs"][os.path.relpath(path, folder_of(path))]
            return entry | {"sha256": own["sha256"], "recipe": made["recipe"]}
        entry |= fetched_from(path)
        return entry | {"sha256": self._pool.submit(sha256_of, path), "recipe": None}

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return {name: {"file", "size", "mtime_ns", "sha256", "recipe"}}, once all of it is known.

        Of a copy of what lies in a store it has ``url``, ``etag`` and ``modified``, too.
        """
        for entry in self._entries.values():
            if not isinstance(entry["sha256"], str | None):
                entry["sha256"] = entry["sha256"].result()
        self.close()
        return self._entries

    def close(self) -> None:
        """End the thread; what is not yet hashed never will be."""
        self._pool.shutdown(cancel_futures=True)


def note_of(copy: Path) -> Path:
    """Return the file that says what a copy of an object in a store is a copy of; it stays when the copy goes."""
    return copy.parent.with_suffix(".json")


def fetched_from(path: Path) -> dict[str, Any]:
    """Return where a copy of an object in a store is from, as records say it; nothing of a file that is no copy."""
    if path.parent.parent.name != COPIES:
        return {}
    note = read_json(note_of(path)) or {}
    return {key: note.get(key) for key in ("url", "etag", "modified")}


def place(path: str | Path, folder: str | Path) -> str:
    """Return where a file is: from the exposure's folder if the path was relative, so that results can be moved."""
    return str(path) if os.path.isabs(path) else os.path.relpath(path, folder)


def made_by(product: Path) -> dict[str, Any] | None:
    """Return the record of the job that made a product; None where there is none."""
    folder = folder_of(product)
    step = step_of(product)
    record = read_json(folder / "record" / f"{step}.json")
    made = isinstance(record, dict) and os.path.relpath(product, folder) in (record.get("outputs") or {})
    return record if made else None


def step_of(product: Path) -> str:
    """Return the job that a product has its name from."""
    return product.stem.removeprefix(f"{exposure_of(of_folder(folder_of(product)))}_").removesuffix("ints")


def folder_of(product: Path) -> Path:
    """Return the folder of the exposure, or variant, of a product: what it leaves for the next one lies deeper."""
    return product.parent.parent if product.parent.name == "carried" else product.parent


def outputs(paths: Iterable[Path], folder: str | Path, hashed: Callable[[Path], bool]) -> dict[str, dict[str, Any]]:
    """Describe what a job has written.

    Parameters
    ----------
    paths : iterable of path-like
        The files.
    folder : `~pathlib.Path`
        Folder of the exposure.
    hashed : callable
        Takes a path, returns whether its checksum is to be taken.

    Returns
    -------
    dict
        Path from the exposure's folder to ``size`` and ``sha256``; None where it was not taken. Times are not kept:
        Snakemake sets them anew when the job has ended, and the job that reads the file notes them.
    """
    paths = [Path(path) for path in paths]
    with ThreadPoolExecutor(len(paths) or 1) as pool:
        sums = pool.map(lambda path: sha256_of(path) if hashed(path) else None, paths)
        return {
            os.path.relpath(path, folder): {"size": path.stat().st_size, "sha256": found}
            for path, found in zip(paths, sums, strict=True)
        }
