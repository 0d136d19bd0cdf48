"""Headers of raw exposures, kept in the run's folder, so that files that have not changed are not opened again."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rampflow.errors import BadExposure
from rampflow.io import header_file
from rampflow.io.raw_headers import Raw, Unreadable, digest_of, examine, why_unreadable
from rampflow.planning import stored_headers
from rampflow.stores.addresses import is_address
from rampflow.stores.stores import Stores

#: The cache, in the run's folder.
CACHE = Path(".rampflow") / header_file.NAME


def read_all(
    entries: Collection[Mapping[str, Any]],
    directory: Path,
    remember: bool = True,
    stores: Stores | None = None,
    ask: bool = True,
) -> tuple[list[tuple[Mapping[str, Any], dict[str, Any]]], list[tuple[Mapping[str, Any], str]]]:
    """Read the headers of raw files, here and in stores, or take them from the cache.

    Parameters
    ----------
    entries : list of dict
        With the path of each file from the run's folder, or its address, ``uncal``; what a listing has said of the
        latter is ``stored``.
    directory : `~pathlib.Path`
        The run's folder.
    remember : bool, optional
        Whether the cache may be written.
    stores : Stores, optional
        Where addresses are looked up.
    ask : bool, optional
        Whether stores are asked if their objects have changed since they were read; those that are not in the cache
        are asked for anyway.

    Returns
    -------
    found : list of tuple
        (entry, facts) of the files that can be read; facts are ``size`` and ``mtime_ns`` of the file, ``raw``
        (`~rampflow.io.raw_headers.Raw`) and ``digest``, of its primary header; of objects of stores ``etag`` and
        ``modified``, too, and no ``mtime_ns``.
    problems : list of tuple
        (entry, what is wrong) of the others.
    """
    cached, fresh = header_file.load(directory / CACHE), dict[str, Any]()
    found: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
    problems: list[tuple[Mapping[str, Any], str]] = []
    far = [entry for entry in entries if is_address(entry["uncal"])]
    told = stored_headers.read(far, cached, stores, ask) if far and stores else {}
    for entry in entries:
        path = entry["uncal"]
        facts = told[path] if path in told else _here(directory, path, cached.get(path))
        if isinstance(facts, str):
            problems.append((entry, facts))
            continue
        fresh[path] = facts
        if "problem" in facts:
            problems.append((entry, facts["problem"]))
        else:
            found.append((entry, facts | {"raw": Raw(*facts["raw"])}))
    if remember and fresh != cached:
        header_file.save(directory / CACHE, fresh)
    return found, problems


def _here(directory: Path, path: str, known: dict[str, Any] | None) -> dict[str, Any] | str:
    """Return what is known of a file, as the cache keeps it; or why it cannot be read."""
    try:
        status = os.stat(directory / path)
    except (OSError, ValueError) as error:
        where = f" in {os.path.abspath(directory)}" if not os.path.isabs(path) else ""
        why = why_unreadable(directory / path, error)
        return f"{why}{where if why == 'there is no such file' else ''}"
    if known is not None and [known["size"], known["mtime_ns"]] == [status.st_size, status.st_mtime_ns]:
        return known
    facts: dict[str, Any] = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    try:
        facts["raw"] = examine(directory / path)
        facts["digest"] = digest_of(facts["raw"])
    except Unreadable as problem:
        # What does not lie in the file itself may be mended without a trace in its size and time.
        return str(problem)
    except BadExposure as problem:
        facts["problem"] = str(problem)
    return facts
