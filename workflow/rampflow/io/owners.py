"""Who makes a file: a process, named so that any other can tell whether it still lives.

Temporary files carry such a name. Nothing is imported but ``os``: every job pays for what this module imports.
"""

import os

#: How a temporary file ends; it begins with a dot.
SUFFIX = ".part"
#: Seconds after which a temporary file whose maker cannot be asked, on another host, is nobody's any more.
FORGOTTEN = 86400


def boot():
    """Return what tells this host, since it was last started, from every other; "" where there is no such thing."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def place():
    """Return the host, its start and the set of processes that can be seen from here, in 16 or so characters."""
    try:
        seen = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        seen = 0
    return f"{boot()[:8] or os.uname().nodename.replace('-', '_')}{seen:x}"


def start_of(process):
    """Return when a process of this host was started, in the system's own count; None for one that has ended.

    A process id is given again to another process some time after the first one's end; the two together are not.
    """
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name of the program, in parentheses, may hold anything.
            state, *rest = file.read().rpartition(b")")[2].split()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return None
        return _without_proc(process)
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else rest[18].decode()


def _without_proc(process):
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "0"


def mark():
    """Name this process, and one file of its own: no two are the same, on whatever hosts."""
    process = os.getpid()
    return f"{place()}-{process}-{start_of(process)}-{os.urandom(3).hex()}"


def temporary(path):
    """Return a name beside a file, under which this process alone makes it."""
    path = os.fspath(path)
    folder, name = os.path.split(path)
    # A name has 255 bytes at most, of which the last say whose it is.
    name = os.fsencode(name)[:160].decode(errors="ignore")
    return os.path.join(folder, f".{name}.{mark()}{SUFFIX}")


def is_leftover(path, now):
    """Whether a temporary file is left from a process that has ended, and nobody will complete it.

    Parameters
    ----------
    path : str
        The file; whatever is not named as a temporary file is none.
    now : float
        The time (s since 1970), by which files from other hosts are judged.
    """
    name = os.path.basename(path)
    if not (name.startswith(".") and name.endswith(SUFFIX)):
        return False
    found = name.removesuffix(SUFFIX).rpartition(".")[2].split("-")
    if len(found) != 4:
        # Made before temporary files had names of this form.
        return True
    where, process, start, _ = found
    if where == place():
        return start_of(process) != start
    try:
        return now - os.stat(path).st_mtime > FORGOTTEN
    except OSError:
        return False


def sweep(folder, now):
    """Remove what processes that have ended have left half-written in a folder; a missing folder has none."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(SUFFIX) and is_leftover(path, now):
            try:
                os.unlink(path)
            except OSError:
                # Gone, or not ours to remove; nobody reads it.
                continue
