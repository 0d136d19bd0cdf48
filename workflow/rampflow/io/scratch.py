"""Scratch: products that do not stay lie on a node's own disk, or in its memory, while a run on that node needs them.

Each run has a folder there, which names its process as temporary files do; what a run that was killed has left is
used by the next one on its results, or removed by any other. Among the results a link stands for each product, so that
whoever asks for it by its path finds it, where it is there, and Snakemake removes it when nobody needs it. What no link
leads to any more is removed by the exposure's next job.

Imports the standard library alone: every job imports it.
"""

import contextlib
import os
import shutil
import time
import zlib
from pathlib import Path

from rampflow.io import owners

#: The run's folder on this node; jobs inherit it.
VARIABLE = "RAMPFLOW_SCRATCH"
_PREFIX = "rampflow-"
#: File systems that are memory.
_MEMORY = ("tmpfs", "ramfs")


def expanded(where):
    """Return a folder with the variables of the environment, and the home folder, that it names written out.

    Raises
    ------
    ValueError
        A variable is not set here.
    """
    path = os.path.expandvars(os.path.expanduser(where))
    if "$" in path:
        raise ValueError(f"scratch: {where}: a variable of it is not set on {os.uname().nodename}; set it there")
    return path


def begin(where, results):
    """Make the folder of this run, and name it to its jobs; what runs of this user's have left that were killed goes.

    Parameters
    ----------
    where : str
        The key ``scratch`` of the configuration.
    results : path-like
        Folder of the results. What a run has left that worked on them has been found already, and goes with this one.

    Returns
    -------
    list of str
        The folder, and those that have been left; hand them to `end`.

    Raises
    ------
    ValueError
        It cannot be made; the message is a line for the user.
    """
    place = expanded(where)
    try:
        with os.scandir(place) as entries:
            left = [entry.path for entry in entries if _is_left(entry)]
        kept = [path for path in left if _is_of(path, results)]
        for path in {*left} - {*kept}:
            shutil.rmtree(path, ignore_errors=True)
        folder = os.path.join(place, _PREFIX + owners.mark())
        os.mkdir(folder, 0o700)
    except OSError as error:
        host = os.uname().nodename
        raise ValueError(f"scratch: {place}: {error.strerror} on {host}; name a folder that can be written") from None
    os.environ[VARIABLE] = folder
    return [folder, *kept]


def _is_of(folder, results):
    homes = [Path(os.path.realpath(path)) for path in Path(folder).glob("*/.folder")]
    return any(home.is_relative_to(os.path.realpath(results)) for home in homes)


def _is_left(entry):
    found = entry.name.removeprefix(_PREFIX).split("-")
    if not entry.name.startswith(_PREFIX) or len(found) != 4 or not entry.is_dir(follow_symlinks=False):
        return False
    where, process, start, _ = found
    status = entry.stat(follow_symlinks=False)
    if status.st_uid != os.getuid():
        return False
    if where == owners.place():
        return owners.start_of(process) != start
    # Of a node that shares the disk, or of this one before it was started anew.
    return time.time() - status.st_mtime > owners.FORGOTTEN


def end(folders):
    """Remove the folders of a run, and the links to what is in them."""
    if os.environ.get(VARIABLE) in folders:
        del os.environ[VARIABLE]
    for folder in folders:
        for path in Path(folder).glob("*/*"):
            with contextlib.suppress(OSError):
                link = path.parent.joinpath(".folder").resolve() / path.name
                if _leads_to(link, path):
                    link.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def place(product):
    """Return where a product is made that does not stay; what nobody needs any more of its exposure goes.

    Parameters
    ----------
    product : `~pathlib.Path`
        Its path among the results.

    Returns
    -------
    `~pathlib.Path` or None
        The path in the run's folder; None where the run has none here.
    """
    folder = clear(product.parent)
    return None if folder is None else folder / product.name


def clear(results):
    """Remove what is kept of an exposure and nobody needs any more; return where it is kept, or None.

    Parameters
    ----------
    results : `~pathlib.Path`
        Folder of the exposure, or of a variant of it, among the results.
    """
    own = os.environ.get(VARIABLE)
    if not own or not os.path.isdir(own):
        return None
    # A variant's folder has the same name in all exposures.
    folder = Path(own, f"{results.name}-{zlib.crc32(os.fsencode(os.path.abspath(results))):08x}")
    folder.mkdir(mode=0o700, exist_ok=True)
    home = folder / ".folder"
    if not home.is_symlink():
        home.symlink_to(os.path.abspath(results))
    for path in folder.iterdir():
        # Temporary files are those of jobs that run.
        if not path.name.startswith(".") and not _leads_to(results / path.name, path):
            path.unlink(missing_ok=True)
    owners.sweep(folder, time.time())
    return folder


def link(path, product):
    """Let a product be found under its path among the results."""
    temporary = owners.temporary(product)
    os.symlink(os.path.abspath(path), temporary)
    os.replace(temporary, product)


def fuller(folder):
    """Return that of two folders, this one and that of the run on scratch, whose file system has less room."""
    own = os.environ.get(VARIABLE)
    if own and os.path.isdir(own) and shutil.disk_usage(own).free < shutil.disk_usage(folder).free:
        return Path(own)
    return folder


def _leads_to(link, path):
    try:
        return os.readlink(link) == os.path.abspath(path)
    except OSError:
        return False


def in_memory(where):
    """Whether a folder is in memory, as far as that can be seen on this host."""
    path = os.path.realpath(os.path.expandvars(os.path.expanduser(where)))
    kinds = {}
    with contextlib.suppress(OSError), open("/proc/mounts") as mounts:
        for line in mounts:
            _, point, kind, *_ = line.split()
            kinds[point] = kind
    while path not in kinds and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return kinds.get(path) in _MEMORY
