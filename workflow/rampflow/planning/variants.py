"""Variants: other parameters than those of the configuration's steps, each made beside the results.

A variant says what ``steps`` could say, and is checked by the same code; it wins over all that ``steps`` says.
"""

from collections.abc import Collection, Mapping
from typing import Any

from rampflow.planning.layer_checks import LayerChecks
from rampflow.planning.selectors import Layer, layers_of
from rampflow.settings.branches import NAME
from rampflow.settings.configuration import steps

#: What is said of exposures together, and cannot be another thing in a variant of each.
_TOGETHER = ("persistence", "chain")


def variants_of(
    block: Mapping[str, Any], checks: LayerChecks, roots: Collection[str]
) -> tuple[dict[str, list[Layer]], list[str]]:
    """Read the block ``variants`` of the configuration.

    Parameters
    ----------
    block : mapping
        Name of a variant to what it says, as ``steps`` of the configuration would.
    checks : LayerChecks
        What steps and parameters there are.
    roots : collection of str
        The run's exposures.

    Returns
    -------
    variants : dict
        Name to its layers, the more special the later.
    problems : list of str
        One line for each thing that is wrong.
    """
    variants: dict[str, list[Layer]] = {}
    problems: list[str] = []
    known: dict[str, str] = {}
    for name, content in ((str(name), content) for name, content in block.items()):
        where = f"config: variants: {name}"
        if not NAME.fullmatch(name):
            problems.append(
                f"config: variants: {name!r} cannot be the name of a folder everywhere; "
                "write letters, digits, - and _, at most 64, the first a letter or a digit"
            )
            continue
        if (other := known.setdefault(name.lower(), name)) != name:
            # They would be one folder where capitals do not count.
            problems.append(f"{where}: {other!r} is there, too, and differs in capitals only; choose another name")
            continue
        layers, wrong = layers_of(content, steps(), roots, where, name)
        problems += wrong
        variants[name] = [checks.checked(layer, problems) for layer in layers]
        step, parameter = _TOGETHER
        problems += [
            f"{layer.place}: {step}: {parameter}: not of a variant, since it says which exposures follow each other; "
            "set it in steps"
            for layer in variants[name]
            if parameter in layer.content.get(step, {})
        ]
    return variants, problems
