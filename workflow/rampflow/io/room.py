"""Whether there is room to write, and what to do where there is none.

Imports the standard library alone: the workflow's own process asks before it does anything.
"""

import errno
import os
import resource
import shutil


def is_full(folder):
    """Say what a file system has run out of: "the disk is full", or of files; None where there is room."""
    found = os.statvfs(folder)
    if not found.f_bavail:
        return "the disk is full"
    # File systems that make room for files as they come count none.
    if found.f_files and not found.f_favail:
        return "the file system can hold no more files (inodes)"
    return None


def advice(error, folder):
    """Say what to do where a file could not be written for want of room.

    Parameters
    ----------
    error : OSError
        What the system has said.
    folder : path-like
        Where the file was to be.

    Returns
    -------
    str
        Goes behind what the system has said; "" for errors that are of another kind.
    """
    if error.errno == errno.EFBIG:
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY:
            return f"; files of more than {limit / 1e6:.1f} MB are not allowed; raise the limit (ulimit -f), run again"
        return "; files of this size are not allowed there: choose another file system (key results)"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    if error.errno == errno.ENOSPC and "inodes" in (full := is_full(folder) or ""):
        return f": {full}, though it has room; remove files, or keep fewer products (keep: none), and run again"
    whose = "your share of it is used up, " if error.errno == errno.EDQUOT else ""
    free = shutil.disk_usage(folder).free / 1e6
    return f" ({whose}{free:.0f} MB free); make room, or keep fewer products (keep: none), and run again"
