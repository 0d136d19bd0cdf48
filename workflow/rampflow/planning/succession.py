"""Links between exposures: what one leaves in its detector, the next one takes from it, in order of time."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure


class Linked(NamedTuple):
    """An exposure that hands on its persistence, and how persistence is worked out there."""

    exposure: "Exposure"
    algorithm: str


def link(exposures: "Iterable[Exposure]") -> dict[str, str]:
    """Link exposures of each detector in the order in which they started, segments one after the other.

    Returns
    -------
    dict
        root to the root before it.
    """
    detectors: dict[str, list[Exposure]] = defaultdict(list)
    for exposure in exposures:
        detectors[exposure.detector].append(exposure)
    links: dict[str, str] = {}
    for members in detectors.values():
        members.sort(key=_place_in_time)
        links |= {after.root: before.root for before, after in zip(members, members[1:], strict=False)}
    return links


def _place_in_time(exposure: "Exposure") -> tuple[float, str, int, str]:
    """Key by which exposures are in the order of time; all segments of one have the start of the whole."""
    whole = re.sub(r"-seg\d+", "", exposure.root)
    return exposure.header.get("EXPSTART") or 0.0, whole, exposure.header.get("INTSTART") or 1, exposure.root


def link_problems(linked: Iterable[Linked]) -> list[str]:
    """Return a line for each exposure, and detector, that cannot be linked."""
    problems, algorithms = [], defaultdict(set)
    for exposure, algorithm in linked:
        algorithms[exposure.detector].add(algorithm)
        if exposure.header.get("EXPSTART") is None and not exposure.placeholder:
            problems.append(f"{exposure.root}: no EXPSTART, by which persistence is chained; set it, or chain: false")
    return problems + [
        f"config: steps: persistence: chain: exposures of {detector} have different algorithms "
        f"({', '.join(sorted(found))}); give them one, or chain: false to some"
        for detector, found in algorithms.items()
        if len(found) > 1
    ]
