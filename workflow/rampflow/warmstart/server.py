"""The server of the warm start: a process that has imported everything, and forks a child for each job.

The workflow starts it (`start`) and ends it (`stop`); it ends by itself when it is idle or the workflow is gone. What
a job does is in `rampflow.warmstart.client`, which imports next to nothing because every job pays for it.
"""

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rampflow.io import owners
from rampflow.io.shared_files import private_folder
from rampflow.warmstart.caller import Caller
from rampflow.warmstart.child import HANDLED, become, begin, end_with
from rampflow.warmstart.client import VARIABLE, ticket
from rampflow.warmstart.imports import Imports
from rampflow.warmstart.reserve import Reserve

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
    ready : callable, optional
        Takes the name of a script; returns whether there is everything that its job needs. One that comes before waits.
    reserve : Reserve, optional
        A child that waits for one of the jobs already.
    """

    def __init__(self, address, parent, ready=lambda _: True, reserve=None):
        self.address, self.parent, self.ready, self.reserve = address, parent, ready, reserve
        self.children, self.callers, self.held = {}, [], []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            self.listener.bind(address)
        finally:
            os.umask(umask)
        self.listener.listen(128)
        self.listener.setblocking(False)

    def serve(self, imports=()):
        """Answer requests until the workflow ends, asks for the end, or leaves the server idle.

        Parameters
        ----------
        imports : iterable
            Imports one thing more each time it is advanced, while there is no request: children that come early have
            the rest to import themselves. Where it yields a number, it is next advanced when there is something to
            read from the file of that number.
        """
        imports, awaited = iter(imports), None
        # A signal only has to wake the loop, which looks at what happened.
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.ending = self.importing = False

        def end(*_):
            self.ending = True
            # An import, which may compile a kernel, is not worth waiting for.
            if self.importing and not self.children:
                self._forget_address()
                os._exit(0)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # A child that ends during an import, which can take half a second, must not wait for its end.
        signal.signal(signal.SIGCHLD, lambda *_: self._reap() if self.importing else None)
        busy = time.monotonic()
        while not self.ending:
            ready = self._wait(2.0 if imports is None or awaited is not None else 0.0, reader, awaited)
            if imports is not None and (awaited in ready or (not ready and awaited is None)):
                self.importing = True
                got = next(imports, self)
                self.importing = False
                awaited = got if isinstance(got, int) else None
                if got is self:
                    imports = None
                    # A child that only reads what it inherits must not copy its pages for the garbage collector.
                    gc.collect()
                    gc.freeze()
            if reader in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(reader, 4096)
            self._forget_gone(ready)
            for connection in [c for c in self.children if c.fileno() in ready]:
                # The only thing a waiting job can say is that it is gone.
                self._kill(connection)
            self._hear(ready)
            if self.listener.fileno() in ready:
                self._accept()
            self._release()
            self._reap()
            if self.children or self.held:
                busy = time.monotonic()
            if os.getppid() != self.parent or time.monotonic() - busy > IDLE:
                break
        for caller in self.held:
            caller.close()
        for connection in list(self.children):
            self._kill(connection)
        self._forget_address()

    def _wait(self, patience, *readers):
        """Wait until something has come; return the descriptors where."""
        waiting = select.poll()
        sources = (reader for reader in readers if reader is not None)
        callers = (caller.connection for caller in (*self.callers, *self.held))
        for source in (*sources, self.listener, *self.children, *callers):
            waiting.register(source, select.POLLIN)
        return {descriptor for descriptor, _ in waiting.poll(patience * 1000)}

    def _forget_address(self):
        with contextlib.suppress(OSError):
            os.unlink(self.address)

    def _accept(self):
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No more files may be open: some will be closed soon.
            time.sleep(0.05)
            return
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("3i", credentials)[1] != os.getuid():
            connection.close()
            return
        caller = Caller(connection)
        self.callers.append(caller)
        # What it has to say is there already, nearly always.
        self._hear({connection.fileno()})

    def _hear(self, ready):
        """Take what callers have sent, give a child to those whose request is complete, and forget the silent ones."""
        now = time.monotonic()
        for caller in list(self.callers):
            try:
                if caller.connection.fileno() in ready and caller.complete():
                    self.callers.remove(caller)
                    self.held.append(caller)
                elif caller.deadline < now:
                    raise TimeoutError
            except OSError:
                if caller in self.callers:
                    self.callers.remove(caller)
                caller.close()

    def _forget_gone(self, ready):
        """Forget callers that were held and are gone: the only thing that they can say."""
        for caller in [held for held in self.held if held.connection.fileno() in ready]:
            self.held.remove(caller)
            caller.close()

    def _release(self):
        """Give a child to those whose kernels are there."""
        known = {}
        for caller in list(self.held):
            step = caller.step()
            if step not in known:
                known[step] = self.ready(step)
            if known[step]:
                self.held.remove(caller)
                self._give_child(caller)

    def _give_child(self, caller):
        child = self.reserve.take(caller) if self.reserve else None
        if child is None:
            child = self._fork(caller)
        caller.close_streams()
        caller.connection.setblocking(True)
        self.children[caller.connection] = child
        with contextlib.suppress(OSError):
            caller.connection.sendall(struct.pack("!i", child))

    def _fork(self, caller):
        """Make a child that becomes the job of a caller; return its process id."""
        server = os.getpid()
        # A signal that the child is sent before it has handlers of its own must not be lost to the server's.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            child = os.fork()
            if child == 0:
                self._run(caller, server, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child

    def _run(self, caller, server, mask):
        """Become the job; never returns."""
        try:
            begin(server)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self.listener.close()
            for connection in self.children:
                connection.close()
            for other in (*self.callers, *self.held):
                if other is not caller:
                    other.close()
            caller.connection.close()
            become(caller)
        finally:
            os._exit(1)

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


def start(folder, steps=(), cores=1, asks=False):
    """Start a server for a workflow run in a folder; jobs know nothing of it before `announce`.

    Parameters
    ----------
    folder : path-like
        The run's own folder for such things; made with owner-only permissions. Where it is not its owner's alone, or
        its file system has no sockets, a folder for temporary files is used.
    steps : iterable of str
        What to import, in the order in which it will be needed; all steps by default.
    cores : int, optional
        Processes that compile kernels at once, where any are missing.
    asks : bool, optional
        Whether the run will ask CRDS.

    Returns
    -------
    `~subprocess.Popen` or None
        The server; hand it to `announce`, and to `stop`. None where `VARIABLE` names none: the user wants none.
    """
    named = os.environ.get(VARIABLE)
    # Jobs that run without a server have to know their run, too.
    os.environ[VARIABLE] = f"{ticket(os.getpid())} "
    if (named is not None and not named.partition(" ")[2]) or not hasattr(socket, "SO_PEERCRED"):
        return None
    address = _address(Path(folder))
    command = [sys.executable, "-m", "rampflow.warmstart.server", address, str(os.getpid()), str(cores)]
    # In a session of its own, so that what is typed at the terminal reaches jobs and not the server.
    process = subprocess.Popen([*command, str(int(asks)), *steps], stdin=subprocess.DEVNULL, start_new_session=True)
    process.address = address
    return process


def announce(process):
    """Name a server that `start` returned to the jobs that the workflow starts, once it listens."""
    if process is None:
        return
    deadline = time.monotonic() + 10
    while not os.path.exists(process.address) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    if os.path.exists(process.address):
        os.environ[VARIABLE] = f"{ticket(os.getpid())} {process.address}"


def _address(folder):
    """Choose where the socket is to be: a path that is short enough, in a folder that is its owner's alone."""
    try:
        if os.environ.get("SLURM_JOB_ID"):
            # The run's folder is that of other nodes, too, whose processes cannot be seen from here.
            raise OSError("a folder of this node is wanted")
        private_folder(folder)
        for old in folder.glob("*.socket"):
            if owners.start_of(old.stem) is None:
                old.unlink()
        address = os.path.relpath(folder / f"{os.getpid()}.socket")
        Path(address).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(address)
        os.unlink(address)
        return address
    except OSError:
        return os.path.join(tempfile.mkdtemp(prefix="rampflow-"), "socket")


def stop(process):
    """End a server that `start` returned."""
    os.environ.pop(VARIABLE, None)
    if process is None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(OSError):
        os.unlink(process.address)
    if os.path.isabs(process.address):
        shutil.rmtree(os.path.dirname(process.address), ignore_errors=True)


def main():
    """Serve: ``python -m rampflow.warmstart.server SOCKET WORKFLOW_PROCESS_ID CORES ASKS [STEP ...]``."""
    os.environ.pop(VARIABLE, None)
    address, workflow, cores, asks, *steps = sys.argv[1:]
    end_with(int(workflow))
    reserve = Reserve() if int(asks) else None
    try:
        imports = Imports(steps, int(cores))
        server = Server(address, int(workflow), imports.ready, reserve)
    except OSError as error:
        print(f"rampflow: the warm start cannot listen at {address} ({error}); jobs run without it", file=sys.stderr)
        os._exit(1)
    server.serve(imports)
    # Nothing is left to do, and taking apart all that was imported takes a second.
    os._exit(0)


if __name__ == "__main__":
    main()
