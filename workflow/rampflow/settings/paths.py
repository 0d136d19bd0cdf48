"""Paths that people write in a configuration: one rule for all of them.

``~`` and ``~name`` at the beginning are home folders, as in a shell; relative paths start from the run's folder.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Parameters of steps that name a file to read.
READ = ("user_supplied_dq", "input_trapsfilled", "persistence_array_file", "user_mask")
#: Parameters of steps that name a file to write, where they are text.
WRITTEN = ("dark_output", "save_persistence")


def expanded(path: Any) -> Any:
    """Return a path with the home folder that it begins with written out; what is no text stays as it is."""
    return os.path.expanduser(path) if isinstance(path, str) else path


def with_homes(config: dict[str, Any]) -> dict[str, Any]:
    """Write out the home folders in every path of a configuration.

    Parameters
    ----------
    config : dict
        The configuration with every key (`rampflow.settings.configuration.check_config`).

    Returns
    -------
    dict
        The same with other paths.
    """
    exposures, files = config["exposures"], config["masks"]["files"]
    return config | {
        "exposures": expanded(exposures) if isinstance(exposures, str) else [expanded(path) for path in exposures],
        "results": expanded(config["results"]),
        "scratch": expanded(config["scratch"]),
        "crds": config["crds"] | {"path": expanded(config["crds"]["path"])},
        "masks": {
            "files": [expanded(path) for path in files] if isinstance(files, list) else expanded(files),
            "python": expanded(config["masks"]["python"]),
        },
        "references": _each(config["references"], lambda _, path: expanded(path)),
        "steps": _each(config["steps"], _in_step),
        "variants": _each(config["variants"], _in_step),
    }


def named_files(steps: Mapping[str, Any], where: str = "config: steps") -> Iterator[tuple[str, str]]:
    """Go through the files to read that a block of parameters names: place for messages and path."""
    for name, value in steps.items():
        if isinstance(value, dict):
            yield from named_files(value, f"{where}: {name}")
        elif name in READ and isinstance(value, str) and value:
            yield f"{where}: {name}", value


def _in_step(name: str, value: Any) -> Any:
    return expanded(value) if name in READ + WRITTEN else value


def _each(block: Mapping[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    return {
        name: _each(value, change) if isinstance(value, dict) else change(name, value) for name, value in block.items()
    }
