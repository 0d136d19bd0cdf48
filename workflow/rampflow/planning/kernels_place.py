"""Where compiled kernels are kept when the installation cannot be written."""

import os
import tempfile
from pathlib import Path

from rampflow.jobs.provenance import PACKAGE

VARIABLE = "NUMBA_CACHE_DIR"


def choose(state: str | Path) -> None:
    """Have kernels kept in the run's own folder where numba would find no place for them; else leave it to numba.

    Numba keeps what it has compiled beside the code or, where that cannot be written, in the user's own cache; where
    neither can, it refuses to work.

    Parameters
    ----------
    state : path-like
        The run's own folder for such things.
    """
    if os.environ.get(VARIABLE):
        return
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "numba")
    if not _can_write(PACKAGE / "io") and not _can_write(user):
        os.environ[VARIABLE] = os.path.abspath(Path(state, "kernels"))


def _can_write(folder: Path) -> bool:
    try:
        # As numba does; beside the code there may be a folder for what is compiled, or none yet.
        folder = folder / "__pycache__" if (folder / "__pycache__").exists() else folder
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
