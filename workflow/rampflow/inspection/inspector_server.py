"""The server of the inspector's page: on loopback only, and for nobody who does not have its address.

The address begins with a token, new for each server, and all that the page asks for lies below it: page, scripts and
websocket. Whoever asks without it, or by another host name than that of this machine (a page of the web that had its
name point here), is refused before Bokeh sees the request.
"""

import hmac
import secrets
import socket

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.routing import AnyMatches, Matcher, Rule, RuleRouter
from tornado.web import Application as Refusing
from tornado.web import RequestHandler

LOOPBACK = "127.0.0.1"
_HOSTS = (LOOPBACK, "localhost")


class HasToken(Matcher):
    """Let requests pass that have the token at the beginning of their path, and a host name of this machine."""

    def __init__(self, token):
        self.token = token

    def match(self, request):
        """Return an empty dict where the request may pass, None where it may not."""
        said = request.path.lstrip("/").partition("/")[0]
        holds = hmac.compare_digest(said.encode("utf-8", "replace"), self.token.encode())
        return {} if holds and request.host_name in _HOSTS else None


class _Refuse(RequestHandler):
    """Say that there is nothing without the token."""

    def prepare(self):
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("rampflow inspect: the address that the command has printed is needed, with all that is in it\n")

    def data_received(self, chunk):
        pass


class PageServer:
    """The server, not yet running.

    Parameters
    ----------
    make : callable
        Fills a document: ``make(document)``, called for each page that is opened.
    port : int
        Port; 0 for any that is free.

    Attributes
    ----------
    address : str
        What to open in a browser.
    port : int
        Port that it listens to.

    Raises
    ------
    OSError
        The port is in use.
    """

    def __init__(self, make, port=0):
        token = secrets.token_urlsafe(24)
        sockets = bind_sockets(port, LOOPBACK, family=socket.AF_INET)
        self.port = sockets[0].getsockname()[1]
        self.address = f"http://{LOOPBACK}:{self.port}/{token}"
        bokeh = BokehTornado(
            {"/": Application(FunctionHandler(make))},
            prefix=token,
            # The port is another one for a browser that comes through a tunnel.
            extra_websocket_origins=[f"{host}:*" for host in _HOSTS],
            use_index=False,
            include_headers=[],
            include_cookies=[],
        )
        refusing = Refusing([(".*", _Refuse)], log_function=lambda _: None)
        http = HTTPServer(RuleRouter([Rule(HasToken(token), bokeh), Rule(AnyMatches(), refusing)]))
        http.add_sockets(sockets)
        self._server = BaseServer(IOLoop.current(), bokeh, http)

    def run(self):
        """Serve until it is interrupted."""
        self._server.run_until_shutdown()
