"""Pointer files: what `rampflow.crds.resolve` found for an exposure, one small file per type, read by the steps.

A pointer holds what a step's result depends on: the file and its checksums, or for ``pars-*`` types the parameters.
It does not hold the context: a new context that selects the same file leaves the pointer as it is, byte for byte,
and the file is not written again, so nothing reruns. What was asked, the context, the mappings and the version of
crds are in ``asked.json`` beside the pointers. A product made before the context changed keeps the older name in its
CRDS_CTX keyword: that is the context under which it was made, and the newer one would make the same.

How a type is answered, in ``status``:

================== ================================================================================
found              a file of the cache
override           a file that the user named instead
not applicable     CRDS, or the user, says "N/A": the step does without
unknown type       this context is older than the type; as not applicable, and said once in the log
================== ================================================================================

Failures are not written here: what was answered before stays, and belongs to the products that are there.
"""

import importlib.metadata
import json
from functools import lru_cache
from pathlib import Path

from rampflow.crds import parameter_files
from rampflow.crds.settings import ReferenceProblem
from rampflow.crds.verify import digest_of
from rampflow.errors import FileProblem
from rampflow.io import trees
from rampflow.io.shared_files import read_json, replace

_ASK_AGAIN = "run the rule `references` again (snakemake --forcerun references)"


def load_pointer(path):
    """Read a pointer file.

    Returns
    -------
    dict
        ``type``; ``status`` (above); ``file``: absolute path or None; ``name``: its base name or ``"N/A"``;
        ``size``, ``sha1``, ``sha256`` (None without a file); ``crds_uri``: the value of the product's R_* keyword,
        ``crds://<name>``, the path of an override, or ``"N/A"``; for ``pars-*`` types ``parameters`` and ``steps``,
        the latter {step: parameters} in a pipeline's file; for ``gain`` also
        ``gain_factor``, its GAINFACT or None, and for ``emicorr`` ``cases``, its ``subarray_cases`` with nothing but
        their ``freqs``, where it has such: by these some steps are known to have nothing to do. ``mtime_ns``, kept
        outside the pointer, is what `check` compares first.

    Raises
    ------
    ReferenceProblem
        The file is missing or not a pointer.
    """
    path = Path(path)
    try:
        pointer = json.loads(path.read_text())
        pointer["type"], pointer["status"], pointer["file"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReferenceProblem(f"{path}: not a reference pointer ({error}); {_ASK_AGAIN}") from None
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
    if kind == "gain" and "gain_factor" in facts:
        pointer["gain_factor"] = facts["gain_factor"]
    if kind == "emicorr" and (cases := _frequencies(str(path), facts["sha256"])):
        pointer["cases"] = cases
    return pointer | (parameter_files.read(path) if kind.startswith("pars-") else {})


@lru_cache(maxsize=8)
def _frequencies(path, _checksum):
    """Return which frequencies an emicorr reference has for which exposures; None where it is not laid out like one."""
    try:
        cases = trees.read_tree(path)["subarray_cases"]
        return json.loads(json.dumps({name: {"freqs": case["freqs"]} for name, case in cases.items()}))
    # Whatever a tree may hold in place of what it should; the job that reads it says so.
    except (FileProblem, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


def write(folder, pointers, answer):
    """Write pointers, times and the summary; files whose content stays the same are left alone.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Where to.
    pointers : dict
        Type to pointer.
    answer : dict
        What else `summary` shall hold: ``asked`` (of `asked_for`), ``context``, ``server``, ``mappings``.

    Returns
    -------
    dict
        The pointers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for kind, pointer in pointers.items():
        kept = {key: value for key, value in pointer.items() if key != "mtime_ns"}
        replace(folder / f"{kind}.json", json.dumps(kept, indent=1, sort_keys=True) + "\n")
    seen = {kind: pointer["mtime_ns"] for kind, pointer in pointers.items() if pointer["file"]}
    replace(folder / ".seen.json", json.dumps(seen, sort_keys=True))
    # Last: until it is there, the older one says that all this was asked otherwise.
    replace(folder / "asked.json", json.dumps(summary(pointers, answer), indent=1, sort_keys=True) + "\n")
    return pointers


def summary(pointers, answer):
    """Sum up what was asked and answered: the content of ``asked.json``.

    Returns
    -------
    dict
        ``asked``: what `asked_for` made of the request; ``context``: its name, or "N/A" where CRDS was not asked;
        ``server``; ``crds_version``; ``references``: type to name or "N/A"; ``files``: type to ``name``, ``uri``,
        ``size`` and ``sha256`` of those with a file; ``mappings``: name to ``sha1`` and ``file`` of those that chose.
    """
    kept = {"name": "name", "uri": "crds_uri", "size": "size", "sha256": "sha256"}
    return (
        {"asked": None, "mappings": {}}
        | answer
        | {
            "crds_version": importlib.metadata.version("crds"),
            "references": {kind: pointer["name"] for kind, pointer in pointers.items()},
            "files": {
                kind: {ours: pointer[theirs] for ours, theirs in kept.items()}
                for kind, pointer in pointers.items()
                if pointer["file"]
            },
        }
    )
