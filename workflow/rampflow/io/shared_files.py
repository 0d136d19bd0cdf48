"""Small files that jobs share, on one host or several: read, changed in one step, worked on by one at a time.

Imports the standard library alone: the workflow's own process reads its cache of headers with it.
"""

import contextlib
import fcntl
import json
import os
import socket


def read_json(path):
    """Read JSON; None where there is none to read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def replace(path, text):
    """Give a file this content in one step, unless it has it already."""
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        temporary.write_text(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(path):
    """Let one process at a time, on any host that sees the folder, work on ``path``.

    The lock belongs to the process and ends with it; the file that carries it is removed by the one who
    holds it, so a process that was waiting looks whether it has got the file of that name or its ghost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                    break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
