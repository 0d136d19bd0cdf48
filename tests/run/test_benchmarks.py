"""The benchmarks run: on the smallest exposure, beside a program that stands for jwst, and against a commit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

#: Answers as tests/parity/oracle.py does, and writes what the benchmark looks for.
JWST = """#!{python}
import json, pathlib, sys, time
time.sleep(0.5)  # its memory is looked at ten times a second
tasks = json.loads(pathlib.Path(sys.argv[2]).read_text())["tasks"]
for task in tasks:
    if task["kind"] == "pipeline":
        pathlib.Path(task["folder"]).mkdir()
        (pathlib.Path(task["folder"]) / "x_rateints.fits").touch()
results = [{{"error": None, "seconds": dict.fromkeys(task["steps"], 1.0)}} for task in tasks]
pathlib.Path(sys.argv[3]).write_text(json.dumps({{"jwst": "0", "import_s": 0, "tasks": results}}))
"""


def test_the_benchmark_measures_both_sides_and_notes_it_with_the_commit(tmp_path):
    from history import COLUMNS, commit, page, read

    jwst = tmp_path / "jwst"
    jwst.write_text(JWST.format(python=sys.executable))
    jwst.chmod(0o755)
    command = [sys.executable, ROOT / "benchmarks" / "bench.py", "tiny", "--steps", "--no-compile"]
    command += ["--folder", tmp_path / "bench", "--history", tmp_path / "history.tsv"]
    environment = os.environ | {"RAMPFLOW_ORACLE_3_0": str(jwst)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = read(tmp_path / "history.tsv")
    assert tuple(row) == COLUMNS and (row["commit"], row["case"], row["runs"]) == (commit(ROOT), "tiny", "1")
    assert all(float(row[key]) > 0 for key in ("wall_s", "cpu_s", "peak_mb", "times_jwst"))
    case = json.loads((tmp_path / "bench" / "bench.json").read_text())["cases"]["tiny"]
    worked = [line["step"] for line in case["by_step"]]
    assert "jump" in worked and set(worked) <= set(case["steps"])
    assert f"rampflow {row['commit']}" in done.stdout
    drawn = page([row, row | {"commit": "abc", "times_jwst": ""}])
    assert drawn.count("<svg") == 4 and drawn.count("<circle") == 7 and "abc" in drawn


def test_a_commit_that_costs_more_is_seen():
    from commits import judged

    assert judged([10.0, 10.2, 9.8], [10.1, 10.0, 10.4])[-1] is False
    assert judged([10.0, 10.1, 9.9], [11.0, 11.1, 10.9])[-1] is True
    # As much more, but the runs of one commit differ by more than that among themselves.
    then, now, change, scatter, worse = judged([8.0, 10.0, 13.0], [11.0, 12.0, 9.0])
    assert (then, now, worse) == (10.0, 11.0, False) and 0.05 < change < 0.05 + scatter


def test_the_files_of_a_commit_are_laid_out_once_and_an_unknown_one_is_refused(tmp_path):
    from commits import checked_out

    if not (ROOT / ".git").exists():
        pytest.skip("no git repository here")
    home = checked_out("HEAD", tmp_path)
    assert yaml.safe_load((home / "config" / "config.yaml").read_text())["release"]
    (home / "mine").touch()
    assert (checked_out("HEAD", tmp_path) / "mine").exists()
    with pytest.raises(SystemExit, match="nothing: no such commit"):
        checked_out("nothing", tmp_path)
