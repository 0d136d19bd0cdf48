"""The folders of the exposures among the results: whether their jobs can write there."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from rampflow.settings.branches import VARIANTS, branch_of

#: What the jobs of an exposure keep beside its products.
_INSIDE = ("", "references", "parameters", "record", "logs", "carried")


def without_place(results: str | Path, exposures: Iterable[str], variants: Collection[str] = ()) -> dict[str, str]:
    """Find exposures whose products would have no place.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    exposures : iterable of str
        Their names.
    variants : collection of str, optional
        Names of the variants that each may have.

    Returns
    -------
    dict
        Exposure to what is in the way and what to do.
    """
    inside = [*_INSIDE, *([VARIANTS] if variants else [])]
    found = {}
    for root in exposures:
        ways = [_in_the_way(Path(results, root), inside)]
        ways += [_in_the_way(Path(results, branch_of(root, variant)), _INSIDE) for variant in variants]
        found[root] = next(filter(None, ways), None)
    return {root: why for root, why in found.items() if why}


def _in_the_way(folder: Path, inside: Iterable[str]) -> str | None:
    for name in inside:
        place = folder / name
        # A dead link is in the way, too.
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is in the place of a folder; remove it, and run again"
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            return f"{place} cannot be written; change its permissions, and run again"
    return None
