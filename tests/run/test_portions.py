"""A local run that is done in portions."""

import signal
import time

import pytest


def made(run, results="results"):
    folder = run.folder / results
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*.fits")}


def portions_of(text):
    return text.count("\nrule portion:") + text.count("\nlocalrule portion:")


def test_portions_make_the_bits_of_one_graph_and_then_there_is_nothing_to_do(new_run):
    run = new_run("nis", "guider1", "nrcb1")
    run(results="whole")
    expected = made(run, "whole")
    assert portions_of(run(results="results", portion=2)) == 2
    assert made(run) == expected and len(expected) > 20
    assert not (run.folder / "results/.lock").exists() and not list(run.folder.glob("results/*/.lock"))
    assert portions_of(run("--dry-run")) == 0
    # One product is missing: its portion alone is run.
    (rate,) = run.folder.glob("results/*_nis/*_rate.fits")
    rate.unlink()
    assert portions_of(run()) == 1
    assert made(run) == expected
    # What is asked for by name is in one graph.
    assert ("jump", "nis") in run.jobs("--dry-run", "--forcerun", "jump")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_portion_in_order_and_the_same_command_goes_on(new_run, number):
    run = new_run("nis", "guider1", "nrcb1")
    process = run.start(portion=2)
    end = time.monotonic() + 120
    while len(list(run.folder.glob("results/*/record/*.json"))) < 3:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and f"interrupted ({number.name})" in text
    assert not (run.folder / "results/.lock").exists() and not list(run.folder.glob("results/*/.lock"))
    kept = {path: path.stat().st_mtime_ns for path in run.folder.glob("results/*/record/*.json")}
    run(portion=2)
    assert len(list(run.folder.glob("results/*/*_rate.fits"))) == 3
    assert sum(path.stat().st_mtime_ns != time for path, time in kept.items()) <= 2


def test_a_head_that_is_killed_takes_its_portion_with_it(new_run):
    run = new_run("nis", "guider1", "nrcb1")
    process = run.start(portion=2)
    while not list(run.folder.glob("results/*/record/*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)
    # New portions wait for what the old one still has.
    run(portion=2)
    assert len(list(run.folder.glob("results/*/*_rate.fits"))) == 3
    assert not list(run.folder.glob("results/*/.lock"))
