"""Headers of raw exposures, kept in the run's folder, so that files that have not changed are not opened again."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rampflow.errors import BadExposure
from rampflow.io.raw_headers import Raw, Unreadable, examine, why_unreadable
from rampflow.io.shared_files import replace

#: The cache, in the run's folder.
CACHE = Path(".rampflow") / "headers.json"
_CACHE_FORMAT = 4


def read_all(
    entries: Iterable[Mapping[str, Any]], directory: Path, remember: bool = True
) -> tuple[list[tuple[Mapping[str, Any], dict[str, Any]]], list[tuple[Mapping[str, Any], str]]]:
    """Read the headers of raw files, or take them from the cache.

    Parameters
    ----------
    entries : list of dict
        With the path of each file from the run's folder, ``uncal``.
    directory : `~pathlib.Path`
        The run's folder.
    remember : bool, optional
        Whether the cache may be written.

    Returns
    -------
    found : list of tuple
        (entry, facts) of the files that can be read; facts are ``size`` and ``mtime_ns`` of the file, ``raw``
        (`~rampflow.io.raw_headers.Raw`) and ``digest``, of its primary header.
    problems : list of tuple
        (entry, what is wrong) of the others.
    """
    cached, fresh = _load_cache(directory / CACHE), {}
    found: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
    problems: list[tuple[Mapping[str, Any], str]] = []
    for entry in entries:
        path = entry["uncal"]
        try:
            status = os.stat(directory / path)
        except (OSError, ValueError) as error:
            where = f" in {os.path.abspath(directory)}" if not os.path.isabs(path) else ""
            why = why_unreadable(directory / path, error)
            problems.append((entry, f"{why}{where if why == 'there is no such file' else ''}"))
            continue
        facts = cached.get(path)
        if facts is None or [facts["size"], facts["mtime_ns"]] != [status.st_size, status.st_mtime_ns]:
            facts = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
            try:
                facts["raw"] = examine(directory / path)
                facts["digest"] = hashlib.sha256(json.dumps(facts["raw"].header).encode()).hexdigest()[:16]
            except Unreadable as problem:
                # What does not lie in the file itself may be mended without a trace in its size and time.
                problems.append((entry, str(problem)))
                continue
            except BadExposure as problem:
                facts["problem"] = str(problem)
        fresh[path] = facts
        if "problem" in facts:
            problems.append((entry, facts["problem"]))
        else:
            found.append((entry, facts | {"raw": Raw(*facts["raw"])}))
    if remember and fresh != cached:
        _save_cache(directory / CACHE, fresh)
    return found, problems


def _load_cache(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        files = content["files"] if content["format"] == _CACHE_FORMAT else {}
        return {name: facts for name, facts in files.items() if _is_sound(facts)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _is_sound(facts: Any) -> bool:
    """Whether the cache holds what was put there."""
    known = isinstance(facts, dict) and {"size", "mtime_ns"} < facts.keys()
    raw = facts.get("raw") if known else None
    return known and ("problem" in facts or (isinstance(raw, list) and len(raw) == len(Raw._fields)))


def _save_cache(path: Path, files: Mapping[str, Any]) -> None:
    # A cache that cannot be written (a read-only folder) costs time and nothing else.
    with contextlib.suppress(OSError):
        replace(path, json.dumps({"format": _CACHE_FORMAT, "files": files}))
