"""Files on a web server: looked at, read in parts, read from some place on."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from rampflow.stores.objects import (
    ConnectionBroken,
    NoRanges,
    ObjectChanged,
    Stored,
    StoreProblem,
    Unreachable,
    complete,
)

#: The variable with the token for data that are not public yet; MAST gives it (https://auth.mast.stsci.edu/token).
TOKEN = "MAST_API_TOKEN"
_TOKEN_FOR = "stsci.edu"
#: Seconds to connect, and how often a server is asked again that does not answer, or has no time.
_CONNECT, _AGAIN = 10, 2
_BUSY = (429, 500, 502, 503, 504)
_PIECE = 1 << 20


def new_session(connections: int = 1) -> requests.Session:
    """Return a session that keeps its connections, and asks a server again that has no time."""
    session = requests.Session()
    again = Retry(
        _AGAIN,
        status_forcelist=_BUSY,
        backoff_factor=0.5,
        allowed_methods=None,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=again))
    # What is packed on its way has other bytes, and none of the sizes that are asked for.
    session.headers["Accept-Encoding"] = "identity"
    return session


def credentials(url: str) -> dict[str, str]:
    """Return the header with the token, for servers of the archive alone."""
    parts, token = urlsplit(url), os.environ.get(TOKEN)
    own = parts.scheme == "https" and f".{parts.hostname}".endswith(f".{_TOKEN_FOR}")
    return {"Authorization": f"token {token}"} if token and own else {}


def why_refused(status: int) -> str:
    """Say in words what a server's status means."""
    if status in (404, 410):
        return f"there is no such file on the server (HTTP {status})"
    if status in (401, 403):
        advice = "the token may be of another account" if os.environ.get(TOKEN) else f"set {TOKEN} to a token of MAST"
        return f"access denied (HTTP {status}); data that are not public yet need a token: {advice}"
    if status in _BUSY:
        return f"the server has no answer (HTTP {status}, {_AGAIN + 1} times); try again later"
    return f"the server answers HTTP {status}, where a file is expected; correct the address"


def why_unreachable(url: str, error: Exception, patience: float) -> str:
    """Say in words why a server gave no answer."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(error, requests.exceptions.SSLError):
        return f"{host} cannot be trusted ({_root(error)})"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        seconds = (
            _CONNECT if "connect" in str(error).lower() and "read timed out" not in str(error).lower() else patience
        )
        return f"{host} has not answered within {seconds:g} s, {_AGAIN + 1} times; try again later"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.TooManyRedirects):
        return f"{error}; correct the address"
    return f"{host} cannot be reached ({_root(error)}); is there a network, and is the address right?"


def _root(error: BaseException) -> str:
    """Return the last reason that an error of nested ones has."""
    while (inner := getattr(error, "reason", None) or next(iter(error.args), None)) and isinstance(
        inner, BaseException
    ):
        error = inner
    text = " ".join(str(error).split())
    return text.rpartition(">: ")[2].rpartition("] ")[2] or type(error).__name__


class WebStore:
    """Files on web servers.

    Parameters
    ----------
    settings : dict
        The block ``storage`` of the configuration.
    connections : int, optional
        How many are asked for at once.
    """

    def __init__(self, settings: dict[str, Any], connections: int = 1) -> None:
        self._patience = settings["timeout"]
        self._session = new_session(connections)

    def look(self, url: str) -> Stored:
        """Return what the server says of a file.

        Raises
        ------
        StoreProblem
            It cannot be had.
        """
        # There are servers, and signed addresses, that know GET alone, and others that say no size without it.
        for method, part in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):
            with self._ask(method, url, part) as response:
                if method == "HEAD" and response.status_code in (403, 405, 501):
                    continue
                self._check(response, (200, 206))
                said = response.headers
                size = said.get("Content-Range", "").rpartition("/")[2] or said.get("Content-Length", "")
                if size.isdigit():
                    return Stored(url, int(size), said.get("ETag"), said.get("Last-Modified"))
        raise StoreProblem("the server does not say how large the file is; download it")

    def read(self, stored: Stored, start: int, count: int) -> bytes:
        """Read bytes of a file, fewer at its end.

        Raises
        ------
        NoRanges
            The server gives whole files only, and these bytes are not at the beginning.
        StoreProblem
            They cannot be had.
        """
        last = min(start + count, stored.size) - 1
        with self._ask("GET", stored.url, {"Range": f"bytes={start}-{last}"} | _only(stored)) as response:
            self._check(response, (200, 206))
            if response.status_code == 200 and start:
                raise NoRanges("the server does not give parts of a file")
            try:
                content = response.raw.read(last + 1 - start)
            except (HTTPError, OSError) as error:
                raise ConnectionBroken(why_unreachable(stored.url, error, self._patience)) from None
        return complete(content, last + 1 - start)

    def stream(self, stored: Stored, start: int = 0) -> Iterator[bytes]:
        """Read a file from some byte on to its end.

        Raises
        ------
        NoRanges, ConnectionBroken, ObjectChanged, StoreProblem
            It cannot be had, or only a part of it.
        """
        wanted = ({"Range": f"bytes={start}-"} if start else {}) | _only(stored)
        with self._ask("GET", stored.url, wanted) as response:
            self._check(response, (206,) if start else (200,))
            if response.headers.get("ETag") not in (None, stored.etag):
                raise ObjectChanged
            try:
                while piece := response.raw.read(_PIECE):
                    yield piece
            except (HTTPError, OSError) as error:
                raise ConnectionBroken(why_unreachable(stored.url, error, self._patience)) from None

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None) -> requests.Response:
        told = credentials(url) | (headers or {})
        try:
            return self._session.request(
                method, url, headers=told, timeout=(_CONNECT, self._patience), stream=True, allow_redirects=True
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            at_all = isinstance(error, requests.ConnectionError) and "timed out" not in str(error)
            at_all = at_all or isinstance(error, requests.ConnectTimeout)
            raise Unreachable(why_unreachable(url, error, self._patience), at_all) from None

    @staticmethod
    def _check(response: requests.Response, due: tuple[int, ...]) -> None:
        if response.status_code in (412, 416):
            raise ObjectChanged
        if response.status_code == 200 and 200 not in due:
            raise NoRanges("the server does not give parts of a file")
        if response.status_code not in due:
            raise StoreProblem(why_refused(response.status_code))


def _only(stored: Stored) -> dict[str, str]:
    """Return the header by which a server gives nothing if the file is another one by now."""
    strong = stored.etag and not stored.etag.startswith("W/")
    return {"If-Match": stored.etag} if strong and stored.etag else {}
