"""The warm start, as a job sees it: it runs in a child of a process that has imported everything already.

A script's first statement is `handoff`. Where the workflow runs a server on this host (`rampflow.warmstart.server`),
the server forks a child that runs the same script file from its first line, with this process's environment, folder
and standard streams; this process passes signals on, waits, and ends as the child ended. Where there is no server (a
cluster node, a debugger, a script run by hand), or none any more, or one that is not this run's own, `handoff` returns
and the script goes on.

Every job pays for what this module imports: it makes do with what the interpreter has built in, of which ``socket``
and ``signal`` are the faces that cost 20 ms.
"""

import _signal
import _socket
import _thread
import marshal
import os
import stat
import sys
import time

from rampflow.io import owners

#: Names the server: whose jobs it is for, a blank, and its socket; no socket: no server.
VARIABLE = "RAMPFLOW_SERVER"

_FORWARDED = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2)
_ENDING = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)


def ticket(workflow):
    """Say which jobs a server is for: those of a workflow, by its process id, where that runs.

    Returns
    -------
    str
        Without blanks. A job that has the same is on the same host, sees the same processes, and is in the same job of
        a batch system.
    """
    allocation = os.environ.get("SLURM_JOB_ID", "").replace(" ", "_") or "-"
    return f"{owners.place()}:{workflow}:{owners.start_of(workflow)}:{allocation}"


def _is_ours(server):
    """Whether the server of that ticket is one of this job's own run."""
    workflow = server.split(":")[1] if server.count(":") == 3 else ""
    if not workflow.isdigit() or ticket(workflow) != server:
        return False
    # A batch system counts what a job uses by its control group: work must not slip into another one.
    return _content(f"/proc/{workflow}/cgroup") == _content("/proc/self/cgroup")


def _content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def handoff(script=None):
    """Run the calling script in a child of the server, if there is one, and end as it ended.

    Returns only when the script must go on in this process.

    Parameters
    ----------
    script : str, optional
        The script file; by default that of the main program.
    """
    before = _signal.getsignal(_signal.SIGINT)
    if before is _signal.default_int_handler:
        # An interrupt ends a job that is not the script yet at once, and without a word.
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _hand_over(script)
    if before is not None:
        _signal.signal(_signal.SIGINT, before)
    sys.excepthook = _told


def _hand_over(script):
    server, _, address = os.environ.pop(VARIABLE, "").partition(" ")
    if not server or not _is_ours(server):
        return
    if script is None:
        main = sys.modules["__main__"]
        # Snakemake runs a temporary copy, and tells the script the name of the original.
        script = getattr(main, "__real_file__", None) or getattr(main, "__file__", None)
    if address and script is not None:
        _run_there(script, server, address)
    _watch(server)


def _run_there(script, server, address):
    """Have the script run by the server, and end as it ended; returns where that cannot be."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    request = marshal.dumps((os.path.abspath(script), os.getcwd(), dict(os.environ)))
    try:
        if not _connect(connection, address):
            connection.close()
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)]
        connection.sendmsg([len(request).to_bytes(4, "big")], rights)
        connection.sendall(request)
    except OSError:
        # No server any more: nothing has run yet, so the job simply runs here.
        connection.close()
        return
    child = _receive(connection)
    if child is None:
        connection.close()
        # A server that was killed right now may have made a child, which ends before it has begun.
        time.sleep(0.05)
        return
    asked, before = [], {}
    for number in _FORWARDED:
        # What this process ignores (a hang-up under nohup) is none of the child's business.
        if _signal.getsignal(number) != _signal.SIG_IGN:
            before[number] = _signal.signal(number, lambda received, _: _pass_on(child, received, asked))
    status = _receive(connection)
    connection.close()
    if status is None:
        _outlive(child)
        if asked:
            _end_by(asked[0])
        if not _is_ours(server):
            # The workflow is gone, too: what this job makes would be of no run.
            os._exit(1)
        for number, handler in before.items():
            _signal.signal(number, handler)
        _say("the warm start has ended while a job ran; the job is done again without it")
        return
    if os.WIFSIGNALED(status):
        _end_by(os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _told(kind, error, trace):
    """Say of an error that nobody has caught what can be done; an interrupt is no error."""
    if issubclass(kind, KeyboardInterrupt):
        return
    if not _is_memory(error):
        sys.__excepthook__(kind, error, trace)
        return
    name = sys.argv[0].removesuffix(".py").rpartition("/")[2].rpartition(".")[2]
    _say(
        f"{name}: too little memory to import what the job needs; allow it more (ulimit -v, the memory of the batch "
        "job), or run fewer jobs at once (--cores)"
    )


def _is_memory(error):
    """Whether an error, or one that has led to it, is for want of memory."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "cannot allocate memory" in text or "failed to map segment" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


def _connect(connection, address):
    """Connect to the socket, if nobody else can have put it there and the one who answers is this user, too."""
    user = os.getuid()
    folder, found = os.lstat(os.path.dirname(address) or "."), os.lstat(address)
    if not (stat.S_ISDIR(folder.st_mode) and stat.S_ISSOCK(found.st_mode)) or folder.st_mode & 0o077:
        return False
    if (folder.st_uid, found.st_uid) != (user, user):
        return False
    connection.connect(address)
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder) == user


def _watch(server):
    """End this process when the workflow ends without it: jobs of a run that was killed must not go on writing."""
    try:
        workflow = os.pidfd_open(int(server.split(":")[1]))
    except (AttributeError, OSError, ValueError):
        return
    import select

    waiting = select.poll()
    waiting.register(workflow, select.POLLIN)

    def wait():
        waiting.poll()
        os.kill(os.getpid(), _signal.SIGKILL)

    _thread.start_new_thread(wait, ())


def _outlive(child):
    """Wait for the end of a child whose server is gone; it is to end with it, and is ended where it does not."""
    start = owners.start_of(child)
    while start is not None and owners.start_of(child) == start:
        _pass_on(child, _signal.SIGKILL, [])
        time.sleep(0.01)


def _end_by(number):
    if number != _signal.SIGKILL:
        _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(1)


def _say(text):
    try:  # noqa: SIM105  contextlib would have to be imported
        os.write(2, f"rampflow: {text}\n".encode())
    except OSError:
        pass


def _pass_on(process, number, asked):
    if number in _ENDING:
        asked.append(number)
    try:  # noqa: SIM105  contextlib would have to be imported
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _receive(connection):
    """Receive a number; None where the other side is gone."""
    data = b""
    while len(data) < 4:
        try:
            piece = connection.recv(4 - len(data))
        except OSError:
            return None
        if not piece:
            return None
        data += piece
    return int.from_bytes(data, "big", signed=True)
