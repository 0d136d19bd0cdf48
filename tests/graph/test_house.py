"""The house: what a room of the package may import, read off the syntax tree of every file.

What is not mended yet is in `EXCEPTIONS`, with the room that mends it; a line there that is not needed any more fails.
"""

import ast
import os
import subprocess
import sys
from collections import Counter

import pytest

import house
from house import HOME, PACKAGE, imported, is_within, room_of, rooms, rooms_used

#: Modules that know arrays, or nothing of the world at all.
ARRAYS = ("numpy", "numba", "scipy", "skimage", "photutils", "astropy.stats", "astropy.convolution", "astropy.modeling")
PURE = (
    "__future__", "collections", "contextlib", "dataclasses", "enum", "functools", "itertools", "math", "typing",
    "warnings",
)  # fmt: skip
#: What is not mended yet: {rule: {what breaks it: the room that mends it}}.
EXCEPTIONS = {}


def files(*names):
    """Files of some rooms, or of all."""
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if not names or room_of(path) in names]
    assert found
    return found


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def hold(rule, broken):
    """Hold what breaks a rule against what is known: {file: what it does}."""
    known = EXCEPTIONS.get(rule, {})
    assert {name: what for name, what in broken.items() if name not in known} == {}
    assert known.keys() - broken.keys() == set(), f"mended: delete these lines of EXCEPTIONS[{rule!r}]"


def importing(modules, *, outside, rule):
    """Hold that only files of some rooms, or some files, import some modules."""
    broken = {}
    for path in files():
        found = {name for name in imported(path) if is_within(name, *modules)}
        if found and room_of(path) not in outside and name_of(path) not in outside:
            broken[name_of(path)] = sorted(found)
    hold(rule, broken)


def test_steps_know_arrays_only():
    allowed = (*ARRAYS, *PURE, *(f"rampflow.{room}" for room in ("kernels", "detector", "steps", "errors")))
    broken = {}
    for path in files("steps"):
        found = {name for name in imported(path) if not is_within(name, *allowed)}
        if found:
            broken[name_of(path)] = sorted(found)
    hold("steps", broken)


def test_only_one_module_imports_crds():
    importing(("crds",), outside=("crds/resolve.py",), rule="crds")


def test_only_io_touches_fits():
    importing(("astropy.io", "astropy.io.fits"), outside=("io", "mock"), rule="fits")


def test_only_who_hands_models_out_or_checks_products_imports_them():
    importing(("stdatamodels",), outside=("api", "inspection", "mock"), rule="stdatamodels")


def test_nothing_imports_jwst_or_what_it_stands_on():
    importing(("jwst", "stcal", "romancal"), outside=(), rule="jwst")


def test_only_the_job_s_specification_knows_the_object_that_snakemake_gives_to_scripts():
    broken = {}
    for path in files():
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        if ("snakemake" in names or any(is_within(n, "snakemake") for n in imported(path))) and (
            name_of(path) != "jobs/spec.py"
        ):
            broken[name_of(path)] = "snakemake"
    hold("snakemake", broken)


def test_nothing_imports_upward():
    broken = {}
    for (room, other), sources in house.arrows().items():
        if house.is_upward(room, other):
            broken |= {f"{source} -> {other}": "upward" for source in sources}
    hold("upward", broken)


def test_every_room_has_a_floor_and_there_are_not_many():
    for room in rooms():
        assert room in house.BESIDE or house.floor(room) >= 0
    assert len(rooms()) <= 20


def test_the_mock_shares_with_the_workflow_what_a_detector_is_and_nothing_else():
    assert set().union(*(rooms_used(path) for path in files("mock"))) <= {"detector", "errors"}


def test_modules_import_each_other_in_no_circle():
    modules = {_module(path): path for path in files()}
    graph = {}
    for module, path in modules.items():
        used = {name for name in imported(path) if is_within(name, "rampflow")}
        # A name is a module or lies in one; what lies in a package may be a module of its own.
        graph[module] = {name if name in modules else name.rpartition(".")[0] for name in used} & modules.keys()
        graph[module] -= {module}
    done, circles = set(), {}

    def visit(module, way):
        if module in way:
            circle = way[way.index(module) :]
            circles[" -> ".join(sorted(circle))] = circle
        elif module not in done:
            for other in sorted(graph[module]):
                visit(other, [*way, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    hold("circles", circles)


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_name_of_a_class_is_given_once():
    counted, where = Counter(), {}
    for path in files():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                counted[node.name] += 1
                where.setdefault(node.name, []).append(name_of(path))
    hold("classes", {name: where[name] for name, number in counted.items() if number > 1})


@pytest.mark.parametrize("script", sorted((HOME / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_hand_over_import_and_call(script):
    text = script.read_text()
    body = ast.parse(text).body
    assert [ast.unparse(node) for node in body[1:3]] == [
        "from rampflow.warmstart.client import handoff",
        "handoff()",
    ]
    assert (HOME / "rules" / f"{script.stem}.smk").is_file() or script.stem in ("rate", "ramp")
    defined = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert not defined


def test_scripts_are_of_fifteen_lines_at_most():
    lengths = {path.stem: len(path.read_text().splitlines()) for path in (HOME / "scripts").glob("*.py")}
    hold("scripts", {name: number for name, number in lengths.items() if number > 15})


def test_the_drawing_of_imports_is_current():
    assert house.PAGE.read_text() == house.page(), "make house"


def test_nothing_is_compiled_when_tests_are_collected(tmp_path):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/unit/steps"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.nb*"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from rampflow import files", "rampflow.files"),
        ("import rampflow.io.files as f", "rampflow.io.files"),
        ("def f():\n    from rampflow.io import files", "rampflow.io.files"),
        ("from ..io import files", "rampflow.io.files"),
        ("if True:\n    import crds.core", "crds.core"),
    ],
)
def test_imports_are_seen_in_every_form(line, name, tmp_path, monkeypatch):
    path = tmp_path / "rampflow/steps/x.py"
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    monkeypatch.setattr(house, "PACKAGE", tmp_path / "rampflow")
    assert imported(path) == {name}
