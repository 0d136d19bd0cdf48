"""A web server on loopback, in a thread of its own."""

import threading
from http.server import ThreadingHTTPServer


class Loopback:
    """Serves while it is entered: ``handler``, whose ``owner`` is this; ``url`` is where."""

    handler: type
    #: What follows the host in the address.
    path = ""

    def __enter__(self):
        handler = type("Handler", (self.handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.path}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
