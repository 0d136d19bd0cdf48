"""The rule graph of every mode, against golden edge lists; snakemake --lint.

``pytest tests/graph --regenerate`` writes the edge lists anew: read the difference before you commit it.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rampflow.settings.configuration import releases, steps
from rampflow.settings.release import load_release

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
        assert f"rule {step}:" in (HOME / "rules" / f"{step}.smk").read_text()
        assert (HOME / "scripts" / f"{step}.py").is_file()
        assert any((HOME / "workflow/rampflow/steps").glob(f"{step}*"))


def test_the_snakefile_asks_for_the_version_that_is_tested():
    (asked,) = re.findall(r'^min_version\("(.+)"\)$', (HOME / "Snakefile").read_text(), re.M)
    assert f"snakemake=={asked}" in (HOME / "requirements.txt").read_text().splitlines()


def test_lint_is_clean(tmp_path):
    completed = snakemake(tmp_path, "--lint", "--config", "instrument=MIRI", "tso=False")
    assert completed.returncode == 0, completed.stdout + completed.stderr
