"""The command ``rampflow``: what it says, and what it hands to whom."""

import importlib
import importlib.metadata
import os
import signal
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
    held = []
    monkeypatch.setattr(os, "execv", lambda program, line: called.append((program, line)))
    monkeypatch.setattr(signal, "pthread_sigmask", lambda _, signals: held.extend(signals))
    command.main(["run", "--cores", "2", "--configfile", "my.yaml"])
    ((program, line),) = called
    assert program == line[0] == sys.executable
    assert line[-6:] == ["--snakefile", str(places.SNAKEFILE), "--cores", "2", "--configfile", "my.yaml"]
    assert set(held) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def test_run_is_the_snakemake_that_is_installed(tmp_path):
    (tmp_path / "snakemake.py").write_text("raise SystemExit('not this one')")
    run = [sys.executable, "-m", "rampflow", "run", "--version"]
    environment = os.environ | {"PYTHONPATH": str(places.WORKFLOW)}
    answer = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == f"{importlib.metadata.version('snakemake')}\n"


SLOW = """
import time
print("importing", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_snakemake_is_imported_is_one_line(tmp_path, number):
    (tmp_path / "snakemake").mkdir()
    (tmp_path / "snakemake/__init__.py").touch()
    (tmp_path / "snakemake/__main__.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "rampflow", "run"],
        env=os.environ | {"PYTHONPATH": f"{places.WORKFLOW}:{tmp_path}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [
            signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        ],
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=20)[1] == f"rampflow: interrupted ({number.name}) before anything has run\n"
    assert process.returncode == 1


def test_a_hang_up_under_nohup_ends_nothing(tmp_path):
    (tmp_path / "snakemake").mkdir()
    (tmp_path / "snakemake/__init__.py").touch()
    (tmp_path / "snakemake/__main__.py").write_text("import os\nos.kill(os.getpid(), 1)\nprint('here')\n")
    answer = subprocess.run(
        [sys.executable, "-m", "rampflow", "run"],
        env=os.environ | {"PYTHONPATH": f"{places.WORKFLOW}:{tmp_path}"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "here\n", "")


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
