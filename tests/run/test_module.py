"""The workflow as a module of another one, and as `snakedeploy deploy-workflow` sets it up."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import HOME

MODULE = """
configfile: "config/config.yaml"


module rampflow:
    snakefile:
        {snakefile}
    config:
        config


use rule * from rampflow{names}
"""
#: What another workflow writes for the warm start and the record of the run.
HOOKS = """

onstart:
    rampflow.start_server()


onsuccess:
    rampflow.stop_server("complete")


onerror:
    rampflow.stop_server("failed")
"""


@pytest.fixture
def outer(programme, tmp_path):
    """Make another workflow in a folder of its own, which has this one as a module; and run it."""
    crds = {"path": str(programme.folder / "crds"), "context": programme.context, "offline": True}
    config = {"exposures": [str(programme.folder / "data/*_guider1_uncal.fits")], "crds": crds}

    def run(text, *arguments, status=0, **more):
        (tmp_path / "workflow").mkdir(exist_ok=True)
        (tmp_path / "workflow/Snakefile").write_text(text)
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | more
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def text(snakefile=HOME / "Snakefile", names=""):
    return MODULE.format(snakefile=f'"{snakefile}"', names=names)


def product(programme, step):
    (root,) = (exposure.root for exposure in programme.exposures if exposure.detector == "GUIDER1")
    return f"results/{root}/{root}_{step}.fits"


def test_a_module_makes_the_products_that_the_workflow_makes(outer, finished, tmp_path):
    outer(text() + HOOKS)
    (made,) = (tmp_path / "results").glob("*_guider1")
    names = {path.name for path in made.glob("*.fits")}
    (expected,) = (finished.folder / "results").glob("*_guider1")
    assert names == {path.name for path in expected.glob("*.fits")}
    different = [name for name in names if (made / name).read_bytes() != (expected / name).read_bytes()]
    assert different == []
    assert list((tmp_path / "results/runs").glob("*.json"))
    assert outer(text() + HOOKS, "-n").count("Nothing to be done") == 1


def test_without_hooks_a_module_runs_without_the_server_under_names_of_its_own(outer, programme, tmp_path):
    ran = outer(text(names=" as stage1_*"), product(programme, "saturation"))
    assert "rule stage1_saturation:" in ran and "rule saturation:" not in ran
    (record,) = (tmp_path / "results").glob("*_guider1/record/saturation.json")
    assert json.loads(record.read_text())["step"] == "saturation"


def test_a_module_without_a_configuration_of_its_own_takes_what_it_is_given_and_nothing_of_the_demo(outer):
    planned = outer(text().replace("config:\n        config", 'config: config | {"results": "elsewhere"}'), "-n")
    assert "elsewhere/" in planned and "demo" not in planned


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_what_snakedeploy_writes_for_a_git_host_finds_the_package(outer, programme, workflow_copy, tmp_path):
    def git(*arguments):
        options = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *options, *arguments], cwd=workflow_copy, check=True, capture_output=True)

    (workflow_copy / ".gitignore").write_text("__pycache__/\n")
    git("init")
    git("add", "-A")
    git("commit", "-m", "all")
    git("tag", "v1")
    # What Snakemake fetches from the host it keeps here; with the tag in it, it asks for nothing.
    cache = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache"
    hosted = cache / "github.com/somebody/rampflow"
    git("clone", "--bare", str(workflow_copy), str(hosted))
    text = MODULE.format(snakefile='github("somebody/rampflow", path="Snakefile", tag="v1")', names="")
    # No further: the kernels of the copy are not compiled yet.
    outer(text, product(programme, "dq_init"), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (tmp_path / product(programme, "dq_init")).is_file()
    (copy,) = (tmp_path / ".snakemake/rampflow").iterdir()
    assert (copy / "workflow/rampflow/steps/jump").is_dir()
