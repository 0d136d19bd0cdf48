"""What can go wrong and is said to the user as it stands: one line with what was found, where, and what to do."""

import re
from collections.abc import Iterable, Sequence

#: Names in a line that holds for more of them.
_NAMED = 3


class RampflowError(Exception):
    """Base of all errors whose message was written for the user."""


class FileProblem(RampflowError):
    """A file is not what the step needs."""


class BadExposure(RampflowError):
    """A raw file cannot be an exposure of this pipeline."""


class StepError(RampflowError, ValueError):
    """What a step's function is given does not fit together, or is not what the step can work on."""


class Stopped(RampflowError):
    """Exposures that the run goes on without; whose they are is said in its lines, one for each kind of failure."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("; ".join(self.lines))


class OutOfOrder(RampflowError):
    """A part of a step was asked for something that has to come before, or after, what was done already."""


def said_together(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Say once what holds for several exposures.

    Parameters
    ----------
    lines : iterable of tuple
        (name of the exposure or of its file, what is to be said of it). Where several names have the same to be said
        but for the name in it, that reads ``<exposure>``.

    Returns
    -------
    list of str
        "name: text", or "name, name, name and 7 more: text".
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, text in lines:
        alike = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "<exposure>", text)
        kinds.setdefault(alike, []).append((name, text))
    return [
        f"{some_of([name for name, _ in alike])}: {alike[0][1] if len(alike) == 1 else kind}"
        for kind, alike in kinds.items()
    ]


def some_of(names: Sequence[str]) -> str:
    """Name the first of several exposures, and say how many more there are."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
