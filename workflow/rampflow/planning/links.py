"""Names for files that Snakemake takes as they are: braces in a path are wildcards to it, and cannot be escaped."""

import contextlib
import hashlib
import os
from pathlib import Path

#: Where links to such files lie, in the run's folder.
LINKS = Path(".rampflow") / "links"


def plain(path: str) -> str:
    """Return a path without braces by which a file can be had: its own, or that of a link to it.

    Parameters
    ----------
    path : str
        Path from the run's folder, which is the folder of the process.

    Raises
    ------
    OSError
        The link cannot be made.
    """
    if "{" not in path and "}" not in path:
        return path
    target = os.path.abspath(path)
    name = os.path.basename(path).replace("{", "").replace("}", "")
    link = LINKS / hashlib.sha256(os.fsencode(target)).hexdigest()[:12] / name
    with contextlib.suppress(OSError):
        if os.readlink(link) == target:
            return str(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    # Two processes of Snakemake may make it at once.
    with contextlib.suppress(FileExistsError):
        link.symlink_to(target)
    return str(link)
