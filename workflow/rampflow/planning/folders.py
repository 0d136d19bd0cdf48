"""The folders of the exposures among the results: whether their jobs can write there."""

import os
from collections.abc import Iterable
from pathlib import Path

#: What the jobs of an exposure keep beside its products.
_INSIDE = ("", "references", "parameters", "record", "logs", "carried")


def without_place(results: str | Path, exposures: Iterable[str]) -> dict[str, str]:
    """Find exposures whose products would have no place.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    exposures : iterable of str
        Their names.

    Returns
    -------
    dict
        Exposure to what is in the way and what to do.
    """
    found = {root: _in_the_way(Path(results, root)) for root in exposures}
    return {root: why for root, why in found.items() if why}


def _in_the_way(folder: Path) -> str | None:
    for name in _INSIDE:
        place = folder / name
        # A dead link is in the way, too.
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is in the place of a folder; remove it, and run again"
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            return f"{place} cannot be written; change its permissions, and run again"
    return None
