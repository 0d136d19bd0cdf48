"""The command ``rampflow``: what it says, and what it hands to whom."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rampflow import __main__ as command
from rampflow import __version__, places

ROOT = Path(__file__).parents[2]


def test_it_says_its_version(capsys):
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"rampflow {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(arguments, capsys):
    assert command.main(arguments) == 0
    said = capsys.readouterr().out
    for name in ("run", *command.COMMANDS):
        assert f"\n  {name} " in said


def test_help_is_short(capsys):
    command.main([])
    assert all(len(line) <= 100 for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


def test_a_command_gets_the_rest_of_the_line_and_says_the_status(monkeypatch):
    module = importlib.import_module(command.COMMANDS["check"][0])
    got = []
    monkeypatch.setattr(module, "main", lambda arguments: got.append(arguments) or 3)
    assert command.main(["check", "my results", "--again", "*"]) == 3
    assert got == [["my results", "--again", "*"]]


def test_an_unknown_command_is_one_line_with_the_nearest(capsys):
    assert command.main(["chekc"]) == 2
    assert capsys.readouterr().err == "rampflow: no command 'chekc'; did you mean check?\n"
    assert command.main(["frobnicate"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "there are run, " in said


def test_run_is_snakemake_on_the_workflow(monkeypatch):
    called = []
    monkeypatch.setattr(os, "execv", lambda program, line: called.append((program, line)))
    command.main(["run", "--cores", "2", "--configfile", "my.yaml"])
    ((program, line),) = called
    assert program == line[0] == sys.executable
    at = line.index("snakemake")
    assert line[at + 1 :] == ["--snakefile", str(places.SNAKEFILE), "--cores", "2", "--configfile", "my.yaml"]


def test_the_module_is_the_command_and_imports_nothing_it_does_not_need():
    program = "import sys; from rampflow.__main__ import main; main(['--version']); print(*sys.modules)"
    run = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(places.WORKFLOW)}
    answer = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    version, modules = answer.stdout.splitlines()
    assert version == f"rampflow {__version__}"
    assert not {"numpy", "numba", "yaml", "snakemake"} & set(modules.split())
    run = [sys.executable, "-m", "rampflow", "--version"]
    assert subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout == f"{version}\n"


def test_the_installed_program_is_this_one():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"rampflow": "rampflow.__main__:main"}
