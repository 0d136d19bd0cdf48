"""The rule graph of every mode, against golden edge lists; the house's layout; snakemake --lint.

``pytest tests/graph --regenerate`` writes the edge lists anew: read the difference before you commit it.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rampflow.settings.configuration import releases, steps
from rampflow.settings.release import is_missing, load_release

HOME = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
INSTRUMENTS = ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC")


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--snakefile", HOME / "Snakefile", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def edges(folder, release, instrument, tso):
    text = snakemake(
        folder, "--rulegraph", "--config", f"release={release}", f"instrument={instrument}", f"tso={tso}"
    ).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', text))
    pairs = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", text)}
    order = ["references", *steps(), "rate", "all"]
    return [f"{a} -> {b}" for a, b in sorted(pairs, key=lambda p: (order.index(p[0]), order.index(p[1])))]


@pytest.mark.parametrize("tso", [False, True], ids=["plain", "tso"])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
@pytest.mark.parametrize("release", releases())
def test_rule_graph(release, instrument, tso, tmp_path, request):
    golden = GOLDEN / release / f"{instrument}{'_tso' if tso else ''}.txt"
    found = "\n".join(edges(tmp_path, release, instrument, tso)) + "\n"
    if request.config.getoption("--regenerate"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("release", releases())
def test_every_step_of_a_table_has_its_rule_script_and_module_under_one_name(release):
    for step in {step for cells in load_release(release).cells.values() for step in cells}:
        if is_missing(step):
            continue
        assert f"rule {step}:" in (HOME / "rules" / f"{step}.smk").read_text()
        assert (HOME / "scripts" / f"{step}.py").is_file()
        assert any((HOME / "workflow/rampflow/steps").glob(f"{step}*"))


@pytest.mark.parametrize("script", sorted((HOME / "scripts").glob("*.py")), ids=lambda p: p.stem)
def test_scripts_are_thin(script):
    tree = ast.parse(script.read_text())
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.BinOp)
        and not isinstance(getattr(node, "op", None), ast.BitOr)
    ]
    assert len(script.read_text().splitlines()) <= 45
    first = tree.body[1:3]
    assert ast.unparse(first[0]) == "from rampflow.warmstart.client import handoff"
    assert ast.unparse(first[1]) == "handoff()"
    assert (HOME / "rules" / f"{script.stem}.smk").is_file() or script.stem in ("rate", "ramp")


def test_only_one_module_imports_crds_and_none_the_oracle():
    for path in (HOME / "workflow").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"^\s*(import|from) (jwst|stcal)\b", text, re.M), path
        if path.name != "resolve.py" and "mock" not in path.parts:
            assert not re.search(r"^\s*(import|from) crds\b", text, re.M), path


#: What steps may import beside the standard library: what works on arrays.
ARRAYS = (
    *("numpy", "numba", "scipy", "skimage", "photutils", "astropy.stats", "astropy.convolution"),
    *("rampflow.errors", "rampflow.kernels", "rampflow.detector", "rampflow.steps"),
)


def imports(path):
    """Dotted names of the modules that a file imports, read off its syntax tree."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(name):
    """Tell whether a module, or the room that it lies in, is one that steps may import."""
    return name.split(".")[0] in sys.stdlib_module_names - {"logging"} or any(
        f"{name}.".startswith(f"{each}.") for each in ARRAYS
    )


def test_steps_know_arrays_only():
    for path in (HOME / "workflow/rampflow/steps").rglob("*.py"):
        assert not [name for name in imports(path) if not allowed(name)], path


def test_the_fence_of_the_steps_sees_every_form_of_import(tmp_path):
    path = tmp_path / "step.py"
    path.write_text(
        "from rampflow import io\nimport rampflow.jobs.step as step\nfrom astropy.io import fits\n"
        "import logging\nfrom rampflow.kernels import kernel\nfrom scipy import fft\nfrom functools import partial\n"
    )
    refused = [name for name in imports(path) if not allowed(name)]
    assert refused == ["rampflow.io", "rampflow.jobs.step", "astropy.io.fits", "logging"]


def test_kernels_import_numba_only():
    names = {name.split(".")[0] for name in imports(HOME / "workflow/rampflow/kernels.py")}
    assert names - sys.stdlib_module_names == {"numba"}


def test_lint_is_clean(tmp_path):
    completed = snakemake(tmp_path, "--lint", "--config", "instrument=MIRI", "tso=False")
    assert completed.returncode == 0, completed.stdout + completed.stderr
