"""The warm start, as a job sees it: it runs in a child of a process that has imported everything already.

A script's first statement is `handoff`. Where the workflow runs a server on this host (`rampflow.warmstart.server`),
the server forks a child that runs the same script file from its first line, with this process's environment, folder
and standard streams; this process passes signals on, waits, and ends as the child ended. Where there is no server (a
cluster node, a debugger, a script run by hand), `handoff` returns and the script goes on.

Every job pays for what this module imports: it makes do with what the interpreter has built in, of which ``socket``
and ``signal`` are the faces that cost 20 ms.
"""

import _signal
import _socket
import marshal
import os
import sys

#: Names the socket of the server, relative to the run's folder; absent: no server.
VARIABLE = "RAMPFLOW_SERVER"

_FORWARDED = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2)


def handoff(script=None):
    """Run the calling script in a child of the server, if there is one, and end as it ended.

    Returns only when the script must go on in this process.

    Parameters
    ----------
    script : str, optional
        The script file; by default that of the main program.
    """
    address = os.environ.pop(VARIABLE, None)
    if not address:
        return
    if script is None:
        main = sys.modules["__main__"]
        # Snakemake runs a temporary copy, and tells the script the name of the original.
        script = getattr(main, "__real_file__", None) or getattr(main, "__file__", None)
    if script is None:
        return
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    request = marshal.dumps((os.path.abspath(script), os.getcwd(), dict(os.environ)))
    try:
        connection.connect(address)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)]
        connection.sendmsg([len(request).to_bytes(4, "big")], rights)
        connection.sendall(request)
        child = _receive(connection)
    except OSError:
        # No server any more: nothing has run yet, so the job simply runs here.
        connection.close()
        return
    if child is None:
        connection.close()
        return
    for number in _FORWARDED:
        _signal.signal(number, lambda received, _: _pass_on(child, received))
    status = _receive(connection)
    if status is None:
        # The server died, and its children with it.
        os._exit(1)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        _signal.signal(number, _signal.SIG_DFL) if number != _signal.SIGKILL else None
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _pass_on(process, number):
    try:  # noqa: SIM105  contextlib would have to be imported
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _receive(connection):
    data = b""
    while len(data) < 4:
        piece = connection.recv(4 - len(data))
        if not piece:
            return None
        data += piece
    return int.from_bytes(data, "big", signed=True)
