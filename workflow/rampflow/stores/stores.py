"""Where the objects of a run are: the one place that knows which kind of store an address belongs to."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from rampflow.io.headers import OutOfReach
from rampflow.stores.addresses import is_s3
from rampflow.stores.objects import ConnectionBroken, NoRanges, Stored, StoreProblem, Unreachable

#: Objects that are asked for at once.
CONNECTIONS = 16
#: Objects for which a server gives no answer, one after the other, before it counts as dead.
_SILENT = CONNECTIONS
#: Bytes that are read of a raw file's beginning, which has two headers, and of every other place that is looked at.
_BEGINNING, _WINDOW = 64 << 10, 32 << 10


class Store(Protocol):
    """What a store can do."""

    def look(self, url: str) -> Stored:
        """Return what the store says of an object."""

    def read(self, stored: Stored, start: int, count: int) -> bytes:
        """Read bytes of an object."""

    def stream(self, stored: Stored, start: int = 0) -> Iterator[bytes]:
        """Read an object from some byte on."""


class Stores:
    """The stores of a run, made when they are first asked.

    Parameters
    ----------
    settings : dict
        The block ``storage`` of the configuration.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._made: dict[str, Any] = {}
        self._dead: dict[str, StoreProblem] = {}
        self._silent: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def of(self, url: str) -> Store:
        """Return the store of an address."""
        kind = "s3" if is_s3(url) else "web"
        with self._lock:
            if kind not in self._made:
                # Neither is imported by a run that does not need it.
                if kind == "s3":
                    from rampflow.stores.s3 import ObjectStore as Made
                else:
                    from rampflow.stores.web import WebStore as Made  # type: ignore[assignment]
                self._made[kind] = Made(self._settings, CONNECTIONS)
            found: Store = self._made[kind]
            return found

    def matching(self, pattern: str) -> list[Stored]:
        """List the objects of an object store that match a pattern."""
        found: list[Stored] = self.of(pattern).matching(pattern)  # type: ignore[attr-defined]
        return found

    def look(self, url: str) -> Stored:
        """Return what a store says of an object; a server that gives no answers is not asked again.

        Raises
        ------
        StoreProblem
            It cannot be had.
        """
        host = "s3" if is_s3(url) else urlsplit(url).netloc
        if host in self._dead:
            raise self._dead[host]
        try:
            found = self.of(url).look(url)
        except Unreachable as problem:
            with self._lock:
                self._silent[host] += 1
                if problem.at_all or self._silent[host] >= _SILENT:
                    self._dead[host] = problem
            raise
        self._silent[host] = 0
        return found


class FarBytes:
    """The bytes of an object by place, as `rampflow.io.headers.parts` reads them; few requests, no whole object.

    Parameters
    ----------
    store : Store
        The store.
    stored : Stored
        The object.

    Attributes
    ----------
    size : int
        Of the object, in bytes.
    requests, received : int
        What was asked for so far, and the bytes of it.
    """

    def __init__(self, store: Store, stored: Stored) -> None:
        self._store, self._stored = store, stored
        self.size = stored.size
        self.requests = self.received = 0
        self._held: list[tuple[int, bytes]] = []

    def read(self, count: int, at: int) -> bytes:
        """Return bytes from a place on, fewer at the end of the object.

        Raises
        ------
        OutOfReach
            The server gives whole files only, and they are not near the beginning.
        StoreProblem
            They cannot be had.
        """
        count = max(0, min(count, self.size - at))
        if not count:
            return b""
        for start, content in self._held:
            if start <= at and at + count <= start + len(content):
                return content[at - start : at - start + count]
        window = max(count, _WINDOW if at else _BEGINNING)
        for attempt in (1, 2):
            try:
                self.requests += 1
                content = self._store.read(self._stored, at, window)
                break
            except NoRanges:
                raise OutOfReach from None
            except ConnectionBroken:
                if attempt == 2:
                    raise
        self.received += len(content)
        self._held.append((at, content))
        return content[:count]
