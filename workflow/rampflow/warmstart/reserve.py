"""A child of the server that is there before its job: what asks CRDS imports for a second what no other job needs."""

import contextlib
import importlib
import os
import select
import socket
import struct

from rampflow.warmstart.caller import Caller
from rampflow.warmstart.child import become, begin

#: The script whose job it becomes.
SCRIPT = "references"


class Reserve:
    """A process that imports what the job `SCRIPT` needs, and becomes that job when it comes.

    Made before the server has anything that such a process must not inherit. It ends with the server.

    Raises
    ------
    OSError
        No process can be made.
    """

    def __init__(self):
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        server, self._process = os.getpid(), os.fork()
        if self._process:
            other.close()
            return
        try:
            begin(server)
            self._connection.close()
            _import()
            become(_request(other))
        finally:
            os._exit(1)

    def take(self, caller):
        """Hand a caller over, if its job is the one that is waited for.

        Returns
        -------
        int or None
            Process id of what becomes the job; None where that is nobody's concern here, or cannot be.
        """
        if self._connection is None or caller.step() != SCRIPT:
            return None
        connection, self._connection = self._connection, None
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("3i", *caller.streams))]
        with connection:
            try:
                sent = connection.sendmsg([caller.request], rights)
                connection.sendall(caller.request[sent:])
            except OSError:
                # It is gone, and nothing has run yet.
                return None
        return self._process


def _import():
    """Import what the job needs; what cannot be imported fails in the job, where there is a log."""
    with contextlib.suppress(Exception):
        from rampflow.crds import answers, resolve
        from rampflow.jobs import job, spec

        resolve.load()
        importlib.import_module("snakemake.io")
        del answers, job, spec


def _request(connection):
    """Wait for what the server sends; return it as a `~rampflow.warmstart.caller.Caller`."""
    caller = Caller(connection)
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    while True:
        waiting.poll()
        if caller.complete():
            connection.close()
            return caller
