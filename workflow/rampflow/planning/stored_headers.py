"""Headers of raw exposures in stores: read in a few parts of each, many exposures at once, those that are new alone."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rampflow.errors import BadExposure
from rampflow.io.raw_headers import digest_of, examine_bytes
from rampflow.stores.objects import Stored, StoreProblem
from rampflow.stores.stores import CONNECTIONS, FarBytes, Stores


def stored_of(url: str, facts: Mapping[str, Any]) -> Stored:
    """Return the object that is known by what the cache holds of it."""
    return Stored(url, facts["size"], facts["etag"], facts["modified"])


def read(
    entries: Collection[Mapping[str, Any]], cached: Mapping[str, Any], stores: Stores, ask: bool
) -> dict[str, dict[str, Any] | str]:
    """Read the headers of objects, or take what is known of them.

    Parameters
    ----------
    entries : list of dict
        With the address of each, ``uncal``; where it was listed, what the list says of it, ``stored``.
    cached : mapping
        Address to what is known.
    stores : Stores
        Where they are.
    ask : bool
        Whether a store is asked if an object is still what is known.

    Returns
    -------
    dict
        Address to what is known now, as the cache keeps it; or to why it cannot be had.
    """

    def known(entry: Mapping[str, Any]) -> dict[str, Any] | str:
        url = entry["uncal"]
        facts = cached.get(url)
        facts = facts if facts and {"etag", "modified"} < facts.keys() else None
        if facts and not ask:
            return facts
        try:
            stored = entry.get("stored") or stores.look(url)
            if facts and stored_of(url, facts).version == stored.version:
                return facts
            return _looked_at(stores, stored)
        except StoreProblem as problem:
            return str(problem)

    with ThreadPoolExecutor(min(CONNECTIONS, len(entries))) as pool:
        return dict(zip([entry["uncal"] for entry in entries], pool.map(known, entries), strict=True))


def _looked_at(stores: Stores, stored: Stored) -> dict[str, Any]:
    facts = {"size": stored.size, "mtime_ns": None, "etag": stored.etag, "modified": stored.modified}
    try:
        raw = examine_bytes(FarBytes(stores.of(stored.url), stored))
    except BadExposure as problem:
        return facts | {"problem": str(problem)}
    return facts | {"raw": raw, "digest": digest_of(raw)}
