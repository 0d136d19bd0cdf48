"""Where the workflow's files are, and what an installed package must have."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rampflow import places

ROOT = Path(__file__).parents[2]
#: What the rules and the package read besides the package: it must be there in a clone and in a wheel.
NEEDED = ("Snakefile", "rules", "scripts", "profiles", "config", "envs")
NEEDED += ("workflow/releases", "workflow/report", "workflow/schemas", "workflow/sitecustomize.py")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_in_a_clone_they_are_where_the_clone_has_them():
    assert places.HOME == ROOT and places.WORKFLOW == ROOT / "workflow"
    assert places.SNAKEFILE.is_file()


def test_an_installed_package_has_its_own(tmp_path):
    package = tmp_path / "site-packages" / "rampflow"
    (package / "_workflow").mkdir(parents=True)
    shutil.copy(places.__file__, package / "places.py")
    (package / "__init__.py").touch()
    program = "import sys; from rampflow import places; print(places.HOME, places.WORKFLOW, *sys.modules, sep='\\n')"
    run = [sys.executable, "-S", "-c", program]
    answer = subprocess.run(run, cwd=package.parent, env={}, capture_output=True, text=True, check=True)
    home, workflow, *modules = answer.stdout.splitlines()
    assert (home, workflow) == (f"{package}/_workflow", f"{package}/_workflow/workflow")
    # Cheap: the standard library alone.
    own = {"rampflow", "rampflow.places"}
    assert {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names} - {"__main__"} == own


def test_a_wheel_gets_what_the_workflow_reads(project):
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {name: f"rampflow/_workflow/{name}" for name in NEEDED}
    assert all((ROOT / name).exists() for name in included)


def names_of(requirements):
    return {canonicalize_name(each.name): each for each in map(Requirement, requirements)}


def test_dependencies_and_pins_name_the_same_packages_and_pins_are_within_bounds(project):
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = names_of(line for line in lines if line and not line.startswith("#"))
    # That of clusters is pinned where it is named: tests have no cluster.
    extras = project["project"]["optional-dependencies"]
    extra = [*extras["inspect"], *extras["storage"]]
    bounds = names_of([*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *extra])
    assert bounds.keys() == pins.keys()
    for name, pin in pins.items():
        (exact,) = pin.specifier
        assert exact.operator == "==", f"{name} is not pinned"
        assert bounds[name].specifier, f"{name} has no lower bound"
        assert exact.version in bounds[name].specifier, f"{name}=={exact.version} is not {bounds[name].specifier}"


def test_what_pre_commit_runs_has_the_versions_that_lint_runs():
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    installed = {each for hook in hooks for each in hook.get("additional_dependencies", ())}
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    assert {each.partition("==")[0] for each in installed} == {"mypy", "numpy", "ruff", "snakefmt"}
    assert installed <= set(pins)
