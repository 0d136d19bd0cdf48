"""A web server that gives files and parts of them, and counts what it is asked for; every fault is a word."""

import hashlib
import re
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, unquote, urlsplit

from servers.loopback import Loopback


@dataclass
class WebServer(Loopback):
    """Files by name, given under ``/data/<name>`` and, as MAST does it, under a query that names them.

    Attributes
    ----------
    files : dict
        Name to content.
    faults : dict
        Name to what goes wrong: an HTTP status; "no ranges", "no head", "no size" (of a HEAD), "no etag"; ("ends", n),
        after n bytes of every answer; ("once", n), of the next one; ("late", n), of those that go to the end of the
        file; "silent".
    asked : list
        (method, name, what Range said, bytes of the answer) of every request.
    """

    files: dict = field(default_factory=dict)
    faults: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def address(self, name):
        return f"{self.url}/data/{name}"

    def download(self, name):
        """The address that MAST has for a product."""
        return f"{self.url}/api/v0.1/Download/file?uri=mast:JWST/product/{name}"

    def whole(self, name):
        """How often all of a file was given, or begun to be given."""
        return sum(1 for method, asked, part, _ in self.asked if (method, asked, part) == ("GET", name, None))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: WebServer

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        parts = urlsplit(self.path)
        name = unquote(parts.path).rpartition("/")[2]
        query = dict(parse_qsl(parts.query))
        name = query["uri"].rpartition("/")[2] if "uri" in query else name
        content, fault = self.owner.files.get(name), self.owner.faults.get(name)
        wanted = self.headers.get("Range")
        if fault == "silent":
            time.sleep(3)
            self.close_connection = True
            return
        if isinstance(fault, int) or content is None or (fault == "no head" and not with_body):
            status = fault if isinstance(fault, int) else 404 if content is None else 405
            self._send(status, b"<html>an error page</html>", {}, with_body, name, wanted)
            return
        etag = '"' + hashlib.md5(content).hexdigest() + '"'
        headers = {"Last-Modified": formatdate(1.7e9, usegmt=True)} | ({"ETag": etag} if fault != "no etag" else {})
        if self.headers.get("If-Match") not in (None, etag):
            self._send(412, b"", {}, with_body, name, wanted)
            return
        status = 200
        if wanted and fault != "no ranges":
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()
            first, last = int(first), int(last or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"
            status, content = 206, content[first : last + 1]
        self._send(status, content, headers, with_body, name, wanted)

    def _send(self, status, content, headers, with_body, name, wanted):
        fault, sent = self.owner.faults.get(name), content if with_body else b""
        spared = isinstance(fault, tuple) and fault[0] == "late" and wanted and not wanted.endswith("-")
        if isinstance(fault, tuple) and not spared and len(sent) > fault[1]:
            sent = sent[: fault[1]]
            self.close_connection = True
            if fault[0] == "once":
                del self.owner.faults[name]
        # Before anything is sent: who has an answer may look at once.
        self.owner.asked.append((self.command, name, wanted, len(sent)))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if fault == "no size" and not with_body:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(sent)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        """Say nothing on the terminal."""


WebServer.handler = _Handler
