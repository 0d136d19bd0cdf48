"""Runs whose products that do not stay are made on scratch."""

import os
import signal
import time

import pytest


def made(run, results):
    folder = run.folder / results
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*.fits")}


@pytest.fixture
def node(tmp_path):
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


def in_work(run, node, **config):
    """Start a run, and return when products are on scratch."""
    process = run.start(scratch="$NODE_DISK", environment={"NODE_DISK": str(node)}, **config)
    end = time.monotonic() + 120
    while not list(node.glob("*/*/*_superbias.fits")):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("portion", [0, 1])
def test_products_are_the_same_and_nothing_is_left(new_run, node, portion):
    run = new_run("nis", "nrcb1")
    run(keep=["jump"], save_calibrated_ramp=True, results="plain")
    expected = made(run, "plain")
    process = in_work(run, node, results="scratched", portion=portion)
    text = process.communicate(timeout=300)[0]
    assert process.returncode == 0, text
    assert made(run, "scratched") == expected and any("_jump.fits" in name for name in expected)
    assert not any(path.is_symlink() for path in run.folder.glob("scratched/*/*"))
    assert not os.listdir(node)
    assert "Nothing to be done" in run("--dry-run", environment={"NODE_DISK": str(node)})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_in_the_middle_completes_and_leaves_nothing(new_run, node, number):
    run = new_run("nis", "nrcb1")
    run(keep="none", results="plain")
    process = in_work(run, node, results="scratched")
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert not os.listdir(node) and not any(path.is_symlink() for path in run.folder.glob("scratched/*/*"))
    run(environment={"NODE_DISK": str(node)})
    assert made(run, "scratched") == made(run, "plain")
    assert not os.listdir(node)


def test_full_scratch_is_one_line_that_names_it(new_run, node):
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=64k tmpfs {node}"):
        pytest.skip("a small file system can be mounted by root alone")
    try:
        run = new_run("nis")
        text = run(keep="none", scratch=str(node), status=1)
        # When it happens, and at the end.
        line, *_ = [line for line in text.splitlines() if line.startswith("rampflow:") and "traceback" in line]
        assert f"{node}/rampflow-" in line and "No space left on device" in line and "make room" in line
    finally:
        os.system(f"umount {node}")


def test_scratch_that_cannot_be_is_a_line_before_anything_runs(new_run, node):
    run = new_run("nis")
    text = run(keep="none", scratch=str(node / "nowhere"), status=1)
    assert f"rampflow: scratch: {node}/nowhere: No such file or directory" in text
    assert not list(run.folder.glob("results/*/record/*.json"))
