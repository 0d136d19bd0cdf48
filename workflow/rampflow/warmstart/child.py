"""What a process that is forked from another one does first, and how it becomes a job."""

import contextlib
import ctypes
import marshal
import os
import signal
import sys
from pathlib import Path

#: Signals that mean something else to the server than to a job.
HANDLED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_PROCESS = ctypes.CDLL(None)


def end_with(parent):
    """Have the system kill this process when its parent ends, where it can (Linux).

    Raises
    ------
    SystemExit
        The parent has ended already.
    """
    with contextlib.suppress(AttributeError):
        _PROCESS.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def begin(parent):
    """Be ended by signals, and by the end of the process that has made this one, whose number is given."""
    end_with(parent)
    signal.set_wakeup_fd(-1)
    # SIGINT, too: an exception of its own could come up where Python can only print it.
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)


def become(caller):
    """Become the job of a caller whose request is complete: its environment, its folder, its streams; never returns.

    Parameters
    ----------
    caller : `~rampflow.warmstart.caller.Caller`
        Only its request and its streams count.
    """
    status = 1
    try:
        os.setsid()
        try:
            script, folder, environment = marshal.loads(caller.request[4:])
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(folder)
        except Exception:
            # Nothing that a job has sent; whoever it was has this status for an answer.
            os._exit(2)
        for target, stream in enumerate(caller.streams):
            os.dup2(stream, target)
        caller.close_streams()
        status = execute(script)
    finally:
        # Not the interpreter's own end: the exit handlers of the process before are not the child's.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)


def execute(script):
    """Run a script file as the main program and return its exit status."""
    import types

    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    sys.argv = [script]
    sys.path[0] = os.path.dirname(script)
    try:
        text = Path(script).read_bytes()
    except FileNotFoundError:
        # The job has ended meanwhile, and Snakemake has removed its script.
        return 1
    try:
        exec(compile(text, script, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
