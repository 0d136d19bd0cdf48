"""Small files that jobs share, on one host or several: read, changed in one step, worked on by one at a time.

Imports the standard library alone: the workflow's own process reads its cache of headers with it.
"""

import contextlib
import fcntl
import json
import os
import stat
from pathlib import Path

from rampflow.io import owners


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
    temporary = Path(owners.temporary(path))
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


def private_folder(path):
    """Make a folder that only its owner can use, or see to it that one that is there is such.

    Parameters
    ----------
    path : path-like
        The folder; missing parents are made, too.

    Raises
    ------
    OSError
        It cannot be made, it belongs to somebody else, or it is a link, which somebody else may lead elsewhere.
    """
    with contextlib.suppress(FileExistsError):
        os.makedirs(path, mode=0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path}: not a folder")
    if found.st_uid != os.getuid():
        raise PermissionError(f"{path}: belongs to another user")
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)
