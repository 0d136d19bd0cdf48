"""Machine code of kernels on disk: a file for each signature, kind of processor and state of the source.

Numba keeps an index for each function, which two processes that write at once can spoil: the entry of one is lost, or
leads to the code of the other, of another type or for another processor. Here the name of a file says all that it
depends on, and it gets its name when it is complete, so that any number of processes, of one computer or of many, can
compile at once. What lies in a folder that cannot be written, as in the image of a container, is read all the same.
"""

import contextlib
import hashlib
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import numba
from numba.core.serialize import dumps

#: Names a folder with kernels that is only read, beside those that numba knows.
VARIABLE = "RAMPFLOW_KERNELS"


class CodeFiles:
    """Files of one function, in the place of numba's index.

    Parameters
    ----------
    cache : object
        Numba's, of the function.
    source : path-like
        File of the function.
    stamp : str
        Digest of all source files that the machine code depends on.
    """

    def __init__(self, cache: Any, source: str | Path, stamp: str) -> None:
        self._base = cache._impl.filename_base
        self._stamp = hashlib.sha256(f"{numba.__version__} {stamp}".encode()).hexdigest()[:12]
        self.folder = Path(cache.cache_path)
        below = cache._impl.locator.get_suitable_cache_subpath(source)
        named = [Path(folder, below) for folder in (numba.config.CACHE_DIR, os.environ.get(VARIABLE)) if folder]
        self._folders = list(dict.fromkeys([self.folder, *named, Path(source).parent / "__pycache__"]))

    def _name(self, key: Any) -> str:
        """Name of the file for a signature, a kind of processor and the function's own code."""
        signature, *rest = key
        return f"{self._base}.{self._stamp}.{hashlib.sha256(f'{signature} {rest}'.encode()).hexdigest()[:12]}.nbc"

    def has(self, key: Any) -> bool:
        """Whether there is machine code for that key."""
        name = self._name(key)
        return any((folder / name).exists() for folder in self._folders)

    def load(self, key: Any) -> Any:
        """Return what was saved for that key; None where nothing was."""
        name = self._name(key)
        for folder in self._folders:
            with contextlib.suppress(OSError):
                return pickle.loads((folder / name).read_bytes())
        return None

    def save(self, key: Any, data: Any) -> None:
        """Save what was compiled; what was compiled of other states of the source goes."""
        # What is there, under a name of any kind, and is not of this state of the source.
        for path in self.folder.glob(f"{self._base}.*"):
            if f".{self._stamp}." not in path.name:
                path.unlink(missing_ok=True)
        target = self.folder / self._name(key)
        part = target.with_suffix(f".{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(dumps(data))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def flush(self) -> None:
        """Forget everything that is kept of the function where it can be written."""
        for path in self.folder.glob(f"{self._base}.*"):
            path.unlink(missing_ok=True)
