"""Which room of the package imports which: read off the syntax tree, and drawn. ``make house`` writes docs/house.md."""

import ast
import functools
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
PACKAGE = HOME / "workflow/rampflow"
PAGE = Path(__file__).with_name("house.md")

#: The rooms from the lowest to the highest: what stands on a line may import what stands on lines before it, and the
#: rooms of one line do not import each other.
FLOORS = (
    ("errors", "places"),
    ("kernels",),
    ("detector",),
    ("io", "settings"),
    ("steps", "counting"),
    ("crds",),
    ("jobs",),
    ("drivers", "stores"),
    ("planning",),
    ("inspection",),
    ("warmstart",),
    ("api",),
    ("__main__",),
)
#: Rooms that stand beside the others: nothing imports them, they import what they need of the detector.
BESIDE = ("mock",)


def room_of(path):
    """Room of a file of the package: the folder, or the module itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms():
    """Names of all rooms, sorted."""
    entries = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))]
    return sorted({room_of(path) for path in entries} - {"__init__"})


@functools.cache
def imported(path):
    """Full names of what a file imports, wherever in it: modules, and names in modules.

    Parameters
    ----------
    path : `~pathlib.Path`
        A Python file.

    Returns
    -------
    set of str
        Such as "rampflow.io.files", "astropy.io.fits"; for ``from a import b`` that is "a.b".
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = path.relative_to(PACKAGE.parent).parts[: -node.level]
                base = ".".join([*folder, *([base] if base else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def is_within(name, *modules):
    """Whether a full name is one of some modules or lies in them."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def rooms_used(path):
    """Other rooms that a file imports from."""
    known = rooms()
    used = {name.split(".")[1] for name in imported(path) if is_within(name, "rampflow") and "." in name}
    return {room for room in used if room in known} - {room_of(path)}


def arrows():
    """Find the imports from room to room: {(room, room it imports): files that do, sorted}."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for room in rooms_used(path):
            found.setdefault((room_of(path), room), []).append(path.relative_to(PACKAGE).as_posix())
    return found


def floor(room):
    """Find the number of a room's floor, from 0; ValueError: it has none."""
    for number, names in enumerate(FLOORS):
        if room in names:
            return number
    raise ValueError(f"{room}: the room is on no floor; add it to FLOORS of docs/house.py")


def is_upward(room, other):
    """Whether a room may not import another one."""
    if other in BESIDE:
        return True
    return room not in BESIDE and floor(other) >= floor(room)


def page():
    """Text of the page: a drawing in Mermaid, which GitHub shows as one; what is high imports what is low."""
    known = rooms()
    lines = ["# The house: which room imports which", ""]
    lines += [
        "Made by `make house` from the import statements; do not edit. An arrow says: imports. Dotted: upward.",
        "",
    ]
    lines += ["```mermaid", "flowchart TD"]
    lines += [f"    {name}" for name in known]
    for (room, other), files in sorted(arrows().items()):
        number = f"|{len(files)}|" if len(files) > 1 else ""
        lines.append(f"    {room} {'-.->' if is_upward(room, other) else '-->'}{number} {other}")
    return "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
