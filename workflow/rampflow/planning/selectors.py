"""Selectors: what the configuration says for some exposures only, the more special over the more general."""

import fnmatch
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rampflow.settings.configuration import INSTRUMENTS, suggestion

if TYPE_CHECKING:
    from rampflow.planning.exposures import Exposure

_MODE = re.compile(rf"({'|'.join(INSTRUMENTS)})(?: (plain|tso))?")


@dataclass(frozen=True)
class Layer:
    """What ``steps``, ``references`` or a variant of the configuration say for some exposures."""

    level: int  #: 0 all, 1 instrument, 2 instrument and mode, 3 glob, 4 exposure
    selector: str
    content: dict[str, Any]
    block: str = "config: steps"  #: where it is written, for messages
    variant: str | None = None  #: whose it is; None of what holds for all branches

    @property
    def source(self) -> str:
        """The source of what the layer sets."""
        words = [f"variant {self.variant}"] * bool(self.variant) + [self.selector] * bool(self.selector)
        return f"config ({', '.join(words)})" if words else "config"

    @property
    def place(self) -> str:
        """Where it is written, with its selector, for messages."""
        return f"{self.block}: {self.selector}" if self.selector else self.block

    def holds_for(self, exposure: "Exposure") -> bool:
        """Return whether the layer is about an exposure."""
        if selected := _MODE.fullmatch(self.selector):
            instrument, mode = selected.groups()
            return exposure.instrument == instrument and mode in (None, mode_of(exposure).split()[1])
        return not self.level or fnmatch.fnmatchcase(exposure.root, self.selector)


def mode_of(exposure: "Exposure") -> str:
    """Return instrument and mode of an exposure: "MIRI tso"."""
    return f"{exposure.instrument} {'tso' if exposure.tso else 'plain'}"


def counted(exposures: "Collection[Exposure]") -> str:
    """Return how many exposures there are, and of which modes: "2 exposures (MIRI tso)"."""
    modes = ", ".join(sorted({mode_of(exposure) for exposure in exposures}))
    return f"{len(exposures)} exposure{'s' * (len(exposures) != 1)} ({modes})"


def layers_of(
    block: Mapping[str, Any], names: Collection[str], roots: Collection[str], where: str, variant: str | None = None
) -> tuple[list[Layer], list[str]]:
    """Split a block of the configuration by selector.

    Parameters
    ----------
    block : mapping
        ``steps``, ``references`` or a variant of the configuration.
    names : collection of str
        What stands in the block without a selector: steps, or CRDS types.
    roots : collection of str
        The run's exposures.
    where : str
        The block, for messages.
    variant : str, optional
        The variant whose it is.

    Returns
    -------
    layers : list of Layer
        That of all exposures first, the more special the later.
    problems : list of str
        One line for each key that is neither a name nor a selector.
    """
    layers, problems = [Layer(0, "", {}, where, variant)], []
    for key, content in ((str(key), content) for key, content in block.items()):
        mode = _MODE.fullmatch(key)
        if key in names or isinstance(content, str):
            layers[0].content[key] = content
        elif mode:
            layers.append(Layer(2 if mode[2] else 1, key, content, where, variant))
        elif key in roots or re.match(r"jw\d{5}", key) or re.search(r"[*?[]", key):
            layers.append(Layer(3 if re.search(r"[*?[]", key) else 4, key, content, where, variant))
        else:
            advice = suggestion(key, [*names, *INSTRUMENTS, *roots])
            advice = advice or "; write a name, an instrument (and plain or tso), an exposure, or a glob"
            problems.append(f"{where}: {key!r} is not known{advice}")
    return sorted(layers, key=lambda layer: layer.level), problems
