"""The server of the warm start: a process that has imported everything, and forks a child for each job.

The workflow starts it (`start`) and ends it (`stop`); it ends by itself when it is idle or the workflow is gone. What
a job does is in `rampflow.warmstart.client`, which imports next to nothing because every job pays for it.
"""

import contextlib
import gc
import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from rampflow.warmstart.client import VARIABLE

#: Seconds without a job after which a server ends.
IDLE = 900


def _signal(process, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


class Server:
    """Forks a child per request; knows the workflow that started it and ends with it.

    Parameters
    ----------
    address : str
        Path of the socket; owner-only.
    parent : int
        Process id of the workflow.
    """

    def __init__(self, address, parent):
        self.address, self.parent = address, parent
        self.children = {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            self.listener.bind(address)
        finally:
            os.umask(umask)
        self.listener.listen(128)

    def serve(self, imports=()):
        """Answer requests until the workflow ends, asks for the end, or leaves the server idle.

        Parameters
        ----------
        imports : iterable
            Imports one thing more each time it is advanced, while there is no request: children that come early have
            the rest to import themselves.
        """
        imports = iter(imports)
        # A signal only has to wake select; the loop looks at what happened.
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.ending = self.importing = False

        def end(*_):
            self.ending = True
            # An import, which may compile a kernel, is not worth waiting for.
            if self.importing and not self.children:
                os.unlink(self.address)
                os._exit(0)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # A child that ends during an import, which can take half a second, must not wait for its end.
        signal.signal(signal.SIGCHLD, lambda *_: self._reap() if self.importing else None)
        busy = time.monotonic()
        while not self.ending:
            patience = 2.0 if imports is None else 0.0
            ready, _, _ = select.select([reader, self.listener, *self.children], [], [], patience)
            if not ready and imports is not None:
                self.importing = True
                ended = next(imports, self) is self
                self.importing = False
                if ended:
                    imports = None
                    # A child that only reads what it inherits must not copy its pages for the garbage collector.
                    gc.collect()
                    gc.freeze()
            if reader in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(reader, 4096)
            if self.listener in ready:
                self._accept()
            for connection in [c for c in self.children if c in ready]:
                # The only thing a waiting job can say is that it is gone.
                self._kill(connection)
            self._reap()
            if self.children:
                busy = time.monotonic()
            if os.getppid() != self.parent or time.monotonic() - busy > IDLE:
                break
        for connection in list(self.children):
            self._kill(connection)
        with contextlib.suppress(OSError):
            os.unlink(self.address)

    def _accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        try:
            _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            head, streams, _, _ = socket.recv_fds(connection, 4, 3)
            if user != os.getuid() or len(head) < 4 or len(streams) != 3:
                connection.close()
                return
            (size,) = struct.unpack("!I", head)
            request = b""
            while len(request) < size:
                piece = connection.recv(size - len(request))
                if not piece:
                    raise OSError("the request is incomplete")
                request += piece
            child = os.fork()
        except OSError:
            connection.close()
            return
        if child == 0:
            self._run(marshal.loads(request), streams)
        for stream in streams:
            os.close(stream)
        connection.settimeout(None)
        self.children[connection] = child
        with contextlib.suppress(OSError):
            connection.sendall(struct.pack("!i", child))

    def _run(self, request, streams):
        """Become the job; never returns."""
        status = 1
        try:
            script, folder, environment = request
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            self.listener.close()
            for connection in self.children:
                connection.close()
            for target, stream in enumerate(streams):
                os.dup2(stream, target)
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(folder)
            status = _execute(script)
        finally:
            # Not the interpreter's own end: the server's exit handlers are not the child's.
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(status)

    def _reap(self):
        """Tell jobs how their children ended; may be interrupted by itself, when one more ends."""
        for connection, child in list(self.children.items()):
            try:
                done, status = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                continue  # the interruption has seen to it
            if done:
                with contextlib.suppress(OSError):
                    connection.sendall(struct.pack("!i", status))
                connection.close()
                self.children.pop(connection, None)

    def _kill(self, connection):
        child = self.children.pop(connection)
        connection.close()
        _signal(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _execute(script):
    """Run a script file as the main program and return its exit status."""
    import types

    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    sys.argv = [script]
    sys.path[0] = os.path.dirname(script)
    try:
        exec(compile(Path(script).read_bytes(), script, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # As the interpreter does: whoever waits must see that it was the signal.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def start(folder, steps=()):
    """Start a server for a workflow run in a folder, and name it to the jobs that the workflow starts.

    Parameters
    ----------
    folder : path-like
        The run's own folder for such things; made with owner-only permissions.
    steps : iterable of str
        What to import, in the order in which it will be needed; all steps by default.

    Returns
    -------
    `~subprocess.Popen` or None
        The server; hand it to `stop`. None where `VARIABLE` is set and empty: the user wants none.
    """
    if os.environ.get(VARIABLE) == "":
        return None
    folder = Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = os.path.relpath(folder / f"{os.getpid()}.socket")
    Path(address).unlink(missing_ok=True)
    command = [sys.executable, "-m", "rampflow.warmstart.server", address, str(os.getpid()), *steps]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not os.path.exists(address) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    if os.path.exists(address):
        os.environ[VARIABLE] = address
    return process


def stop(process):
    """End a server that `start` returned."""
    if process is None:
        return
    os.environ.pop(VARIABLE, None)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)


def main():
    """Serve: ``python -m rampflow.warmstart.server SOCKET WORKFLOW_PROCESS_ID [STEP ...]``."""
    os.environ.pop(VARIABLE, None)
    server = Server(sys.argv[1], int(sys.argv[2]))
    from rampflow.warmstart.preload import preload

    server.serve(preload(sys.argv[3:] or None))
    # Nothing is left to do, and taking apart all that was imported takes a second.
    os._exit(0)


if __name__ == "__main__":
    main()
