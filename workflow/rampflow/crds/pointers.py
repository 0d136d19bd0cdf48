"""Pointer files: what `rampflow.crds.resolve` found for an exposure, one small file per type, read by the steps."""

import importlib.metadata
import json
from pathlib import Path

from rampflow.crds.verify import asdf_tree, digest_of
from rampflow.errors import RampflowError
from rampflow.io import files
from rampflow.io.shared_files import read_json, replace

_ASK_AGAIN = "run the rule `references` again (snakemake --forcerun references)"


class ReferenceProblem(RampflowError):
    """A reference file cannot be had or trusted; the message says which, what was found, and the cure."""


def load_pointer(path):
    """Read a pointer file.

    Returns
    -------
    dict
        ``type``; ``status`` (see the module's text); ``file``: absolute path or None; ``name``: its base
        name or ``"N/A"``; ``size``, ``sha1``, ``sha256`` (None without a file); ``crds_uri``: the value of
        the product's R_* keyword, ``crds://<name>``, the path of an override, or ``"N/A"``; for ``pars-*``
        types ``parameters`` and ``steps``, the latter {step: parameters} in a pipeline's file. ``mtime_ns``,
        kept outside the pointer, is what `check` compares first.

    Raises
    ------
    ReferenceProblem
        The file is missing or not a pointer, or CRDS had no answer: the message is that of `resolve`.
    """
    path = Path(path)
    try:
        pointer = json.loads(path.read_text())
        pointer["type"], pointer["status"], pointer["file"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReferenceProblem(f"{path}: not a reference pointer ({error}); {_ASK_AGAIN}") from None
    if pointer["status"] == "failed":
        raise ReferenceProblem(f"references: {pointer['problem']}")
    seen = read_json(path.parent / ".seen.json") or {}
    return pointer | {"mtime_ns": seen.get(pointer["type"])}


def check(pointer):
    """Make sure that the file of a pointer is still the one that was verified.

    Size and modification time decide; where the time differs the whole file is read.

    Parameters
    ----------
    pointer : dict
        As `load_pointer` returns it.

    Returns
    -------
    `~pathlib.Path` or None
        The file; None where there is none to use.

    Raises
    ------
    ReferenceProblem
        The file is gone or has other content.
    """
    if pointer["file"] is None:
        return None
    path, kind = Path(pointer["file"]), pointer["type"]
    cure = f"restore it, or take what is there now: {_ASK_AGAIN}"
    try:
        now = path.stat()
    except OSError as error:
        raise ReferenceProblem(f"{kind}: {path}: {error.strerror}; it was there before; {cure}") from None
    if now.st_size != pointer["size"]:
        raise ReferenceProblem(f"{kind}: {path} has changed: {now.st_size} bytes, expected {pointer['size']}; {cure}")
    if now.st_mtime_ns != pointer.get("mtime_ns"):
        found = digest_of(path)["sha256"]
        if found != pointer["sha256"]:
            raise ReferenceProblem(f"{kind}: {path} has changed: sha256 {found}, expected {pointer['sha256']}; {cure}")
    return path


def without(kind, status):
    """Make the pointer of a type for which there is no file."""
    pointer = {"type": kind, "status": status, "file": None, "name": "N/A", "crds_uri": "N/A"}
    pointer |= {"size": None, "sha1": None, "sha256": None, "mtime_ns": None}
    return pointer | ({"parameters": {}, "steps": {}} if kind.startswith("pars-") else {})


def pointer_to(kind, status, path, uri, facts):
    """Make the pointer to a file, with the facts that `rampflow.crds.verify.verified` found."""
    pointer = {"type": kind, "status": status, "file": str(path), "name": path.name, "crds_uri": uri}
    pointer |= {key: facts[key] for key in ("size", "sha1", "sha256", "mtime_ns")}
    return pointer | (_parameters(path) if kind.startswith("pars-") else {})


def _parameters(path):
    """Read a parameter file: {"parameters": {…}, "steps": {step: {…}}}, values as the file has them.

    There are two layouts: steps as a list of trees, and, in files of before 2021, everything inside
    ``parameters``, steps by their names.
    """
    tree = _plain(asdf_tree(path))
    found = tree.get("parameters")
    if not isinstance(found, dict):
        raise files.FileProblem(f"{path} is not a parameter file: it has no `parameters`")
    steps = {step["name"]: step["parameters"] for step in tree.get("steps", ())}
    steps |= found.get("steps") or {}
    return {
        "parameters": __without_names(found),
        "steps": {name: __without_names(parameters) for name, parameters in steps.items()},
    }


def __without_names(parameters):
    return {key: value for key, value in parameters.items() if key not in ("class", "name", "steps")}


def write(folder, pointers, answer):
    """Write pointers, times and the summary; files whose content stays the same are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, pointer in pointers.items():
        kept = {key: value for key, value in pointer.items() if key != "mtime_ns"}
        replace(folder / f"{kind}.json", json.dumps(kept, indent=1, sort_keys=True) + "\n")
    seen = {kind: pointer["mtime_ns"] for kind, pointer in pointers.items() if pointer["file"]}
    replace(folder / ".seen.json", json.dumps(seen, sort_keys=True))
    summary = answer | {
        "crds_version": importlib.metadata.version("crds"),
        "references": {kind: pointer["name"] for kind, pointer in pointers.items()},
    }
    replace(folder / "asked.json", json.dumps(summary, indent=1, sort_keys=True) + "\n")
    return pointers


def _plain(node):
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    if node is None or isinstance(node, str | int | float | bool):
        return node
    return str(node)
