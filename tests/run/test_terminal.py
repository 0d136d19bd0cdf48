"""What a run says on the terminal when nothing is asked for but the run."""

import os
import pty
import subprocess
import sys

import numpy as np
import yaml
from astropy.io import fits
from conftest import HOME


def command(run, *arguments):
    (run.folder / "config.yaml").write_text(yaml.safe_dump(run.config))
    start = [sys.executable, "-m", "snakemake", "--snakefile", HOME / "Snakefile", "--configfile", "config.yaml"]
    return [*start, "--cores", "2", "--quiet", "host", *arguments]


def test_without_a_terminal_there_is_a_line_for_each_exposure(new_run):
    run = new_run("nis", "guider1")
    done = subprocess.run(command(run), cwd=run.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("rampflow:")]
    # Kernels are compiled where nothing has done that before.
    lines = [line for line in lines if "kernels" not in line]
    assert len(lines) == 2 and all("done in" in line and "jobs (" in line for line in lines)
    assert "2 of 2 exposures" in lines[-1] and "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) < 50
    # What is not on the terminal is in Snakemake's log.
    (log,) = (run.folder / ".snakemake/log").glob("*.log")
    assert "rule jump:" in log.read_text() and "rule jump:" not in done.stderr
    again = subprocess.run(command(run), cwd=run.folder, capture_output=True, text=True)
    assert "Nothing to be done" in again.stderr


def test_errors_are_on_the_terminal(new_run, tmp_path):
    run = new_run("nis", "guider1")
    wrong = tmp_path / "gain.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3), np.float32), name="SCI")]).writeto(wrong)
    run.config["references"] = {"NIRISS": {"gain": str(wrong)}}
    done = subprocess.run(command(run), cwd=run.folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "_nis: jump: " in done.stderr and "gain.fits: SUBSTRT1" in done.stderr
    assert "Error in rule jump" in done.stderr
    assert "_guider1: done in" in done.stderr and "1 of 2 exposures" in done.stderr


def test_on_a_terminal_one_line_is_written_over(new_run):
    run = new_run("guider1")
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(run), cwd=run.folder, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
    os.close(ours)
    assert process.returncode == 0
    text = said.decode()
    assert "\r\x1b[K" in text and " jobs, 0 of 1 exposures, about " in text
    assert "_guider1: done in " in text and text.count("\n") < 60
