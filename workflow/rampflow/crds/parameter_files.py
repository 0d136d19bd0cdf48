"""Parameter files of CRDS, types ``pars-*``: what they say, checked as far as it does not depend on a step."""

import math

from rampflow.crds.verify import asdf_tree
from rampflow.io import asdf_bounds
from rampflow.io.files import FileProblem

#: What the steps of jwst are called is in the files, too.
_NAMES = ("class", "name", "steps")
_COLLECTIONS = (dict, list, tuple, set)


def read(path):
    """Read a parameter file, values as the file has them.

    There are two layouts: steps as a list of trees, and, in files of before 2021, everything inside
    ``parameters``, steps by their names.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.

    Returns
    -------
    dict
        ``parameters``: {name: value}; ``steps``: {step: {name: value}}, empty but for a pipeline. Values are those of
        JSON; numbers that are none, dates and bytes are text.

    Raises
    ------
    FileProblem
        The file is too large or too deep, or laid out otherwise; the message names it and the place.
    """
    tree = asdf_tree(path, asdf_bounds.PARAMETERS)
    found = _block(path, "parameters", tree.get("parameters", "nothing"))
    steps = tree.get("steps", [])
    if not isinstance(steps, list | tuple):
        raise _unexpected(path, "steps", steps, "a list of steps")
    named = {}
    for number, step in enumerate(steps, start=1):
        place = f"steps: step {number}"
        step = _block(path, place, step)
        name = step.get("name")
        if not isinstance(name, str):
            raise _unexpected(path, f"{place}: name", name, "the name of a step")
        named[name] = _block(path, f"steps: {name}: parameters", step.get("parameters", "nothing"))
    for name, parameters in _block(path, "parameters: steps", found.get("steps") or {}).items():
        named[name] = _block(path, f"parameters: steps: {name}", parameters)
    return {"parameters": _values(found), "steps": {name: _values(parameters) for name, parameters in named.items()}}


def _block(path, place, node):
    if not isinstance(node, dict):
        raise _unexpected(path, place, node, "a block of names and values")
    for key in node:
        if not isinstance(key, str):
            raise _unexpected(path, f"{place}: a name", key, "text")
    return node


def _unexpected(path, place, found, expected):
    found = "nothing" if found is None else repr(found) if not isinstance(found, _COLLECTIONS) else "a collection"
    return FileProblem(f"{path} is not a parameter file: {place}: found {found[:60]}, expected {expected}")


def _values(block):
    return {name: _plain(value) for name, value in block.items() if name not in _NAMES}


def _plain(node):
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    if isinstance(node, set):
        return sorted(map(str, node))
    if isinstance(node, float) and not math.isfinite(node):
        # JSON has no such numbers; as text they are read as what they are.
        return str(node)
    return node if node is None or isinstance(node, str | int | float | bool) else str(node)
