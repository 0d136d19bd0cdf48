"""What CRDS was asked, and whether its answers are those to what is asked now; told without crds and without a network.

Imports the standard library alone: the workflow's own process asks at every start.
"""

import hashlib
import os
from pathlib import Path

from rampflow.crds.settings import wanted
from rampflow.io.shared_files import read_json


def asked_for(request, config, lock=None):
    """Bring what is asked of CRDS for an exposure into a form that can be kept and compared.

    Parameters
    ----------
    request : mapping
        ``types``, ``overrides`` ({type: path or "N/A"}) and ``header``: a digest of the exposure's header, or None;
        where the answers decide what else is asked, ``decides``: a digest of how, and ``further``: what it might be.
    config : mapping
        The block ``crds`` of the configuration; the environment counts where it says nothing.
    lock : path-like, optional
        The lock that is obeyed; its content counts.

    Returns
    -------
    dict
        Of what JSON can hold.
    """
    overrides = {
        kind.lower(): path if str(path).strip().upper() == "N/A" else os.path.abspath(os.path.expanduser(path))
        for kind, path in (request.get("overrides") or {}).items()
    }
    types = sorted({kind.lower() for kind in request["types"]})
    possible = {*types, *request.get("further", ())}
    asked = {
        "types": types,
        "overrides": {kind: path for kind, path in overrides.items() if kind in possible},
        "header": request.get("header"),
        "decides": request.get("decides"),
        "lock": _digest(lock),
    }
    # Where CRDS is not asked it does not matter how.
    return asked | {"crds": wanted(config) if possible - set(overrides) else None}


def _digest(path):
    if not path:
        return None
    try:
        return hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror


def answers_hold(folder, request, config, lock=None, needed=None):
    """Tell whether the pointers of an exposure are answers to what is asked now.

    Neither crds nor a network is needed. References and mappings that are not there any more are not held against the
    answers, those that have changed are.

    Parameters
    ----------
    folder : path-like
        Folder of the pointers.
    request, config, lock
        As `asked_for` takes them.
    needed : callable, optional
        Takes the pointers to parameter files, by type, and returns the types of reference files that are needed now.
        What was answered holds if it has these, though another configuration decided then what was asked for.

    Returns
    -------
    holds : bool
        Whether they are.
    why : str
        Why not; empty if they are.
    """
    why = _why_not(Path(folder), asked_for(request, config, lock), needed)
    return not why, why


def _why_not(folder, asked, needed):
    known = read_json(folder / "asked.json")
    if not isinstance(known, dict) or not isinstance(known.get("asked"), dict):
        return "CRDS was not asked, or it is not known for what"
    if known["asked"] != asked:
        parts = [part for part in asked if asked[part] != known["asked"].get(part)]
        if parts != ["decides"] or not _covers(folder, known, needed):
            return f"CRDS was asked with other {', '.join(parts)}"
    seen = read_json(folder / ".seen.json") or {}
    for kind, name in known["references"].items():
        pointer = read_json(folder / f"{kind}.json") or {}
        sha256 = known["files"].get(kind, {}).get("sha256")
        if (pointer.get("name"), pointer.get("sha256")) != (name, sha256):
            return f"{kind}: the pointer is not that of {name}"
        if pointer["file"] and _changed(pointer, seen.get(kind)):
            return f"{kind}: {pointer['file']} has changed"
    for name, mapping in known["mappings"].items():
        if (now := sha1_of(mapping["file"])) not in (None, mapping["sha1"]):
            return f"the mapping {name} has changed under its name: sha1 {now}, was {mapping['sha1']}"
    return ""


def _covers(folder, known, needed):
    """Whether what is known has all types that are needed now."""
    kinds = [kind for kind, name in known["references"].items() if kind.startswith("pars-") and name != "N/A"]
    pointers = {kind: read_json(folder / f"{kind}.json") for kind in kinds}
    if needed is None or not all(isinstance(pointer, dict) for pointer in pointers.values()):
        return False
    return set(needed(pointers)) <= known["references"].keys()


def _changed(pointer, mtime_ns):
    """Whether a file is not what it was; where its time alone is another one, its content tells."""
    try:
        now = os.stat(pointer["file"])
        if now.st_size != pointer["size"]:
            return True
        if now.st_mtime_ns == mtime_ns:
            return False
        with open(pointer["file"], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != pointer["sha256"]
    except OSError:
        return False


#: Path, time and size of mappings to their sha1: exposures share most of them.
_known_sums = {}


def sha1_of(path):
    """Return the sha1 of a small file that many ask for; None if it cannot be read."""
    try:
        now = os.stat(path)
        key = str(path), now.st_mtime_ns, now.st_size
        if key not in _known_sums:
            _known_sums[key] = hashlib.sha1(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None
    return _known_sums[key]


def failures(answers):
    """Return what the references job could not answer: exposure to message.

    Parameters
    ----------
    answers : path-like
        ``references.json`` of the results.
    """
    found = read_json(Path(answers)) or {}
    return found.get("failed") or {}
