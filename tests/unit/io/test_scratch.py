"""Where products that do not stay are made: the folder of a run, its links, what is left by runs that were killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rampflow.io import scratch


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "node"
    folder.mkdir()
    # What `begin` sets is taken away again.
    monkeypatch.setenv(scratch.VARIABLE, "")
    return folder


def make(product):
    """Make a product as a step does."""
    where = scratch.place(product)
    where.write_text(product.name)
    scratch.link(where, product)
    return where


def test_a_product_is_found_under_its_path_and_goes_when_its_link_does(place, tmp_path):
    exposure = tmp_path / "results" / "one"
    exposure.mkdir(parents=True)
    own, *_ = begun = scratch.begin(str(place), tmp_path / "results")
    assert os.stat(own).st_mode & 0o777 == 0o700
    first, second = make(exposure / "one_dq_init.fits"), make(exposure / "one_saturation.fits")
    assert (exposure / "one_dq_init.fits").read_text() == "one_dq_init.fits" and first.is_relative_to(own)
    # Snakemake removes what nobody needs; the next job of the exposure sees it.
    (exposure / "one_dq_init.fits").unlink()
    assert first.exists()
    scratch.clear(exposure)
    assert not first.exists() and second.exists()
    scratch.end(begun)
    assert not os.listdir(place) and not os.listdir(exposure)
    assert scratch.place(exposure / "one_jump.fits") is None


def test_folders_of_one_name_are_told_apart(place, tmp_path):
    folders = [tmp_path / "results" / exposure / "variants/strict" for exposure in ("one", "two")]
    begun = scratch.begin(str(place), tmp_path / "results")
    for folder in folders:
        folder.mkdir(parents=True)
        make(folder / f"{folder.parents[1].name}_jump.fits")
    for folder in folders:
        scratch.clear(folder)
    read = [(folder / f"{folder.parents[1].name}_jump.fits").read_text() for folder in folders]
    assert read == ["one_jump.fits", "two_jump.fits"]
    scratch.end(begun)
    assert not any(os.listdir(folder) for folder in folders)


def test_what_a_run_has_left_of_variants_is_found_by_the_next_on_its_results(place, tmp_path):
    folder = tmp_path / "results/one/variants/strict"
    folder.mkdir(parents=True)
    own, *_ = scratch.begin(str(place), tmp_path / "results")
    make(folder / "one_jump.fits")
    assert scratch._is_of(own, tmp_path / "results") and not scratch._is_of(own, tmp_path / "other")


def test_a_product_that_was_made_elsewhere_meanwhile_stays(place, tmp_path):
    exposure = tmp_path / "results" / "one"
    exposure.mkdir(parents=True)
    begun = scratch.begin(str(place), tmp_path / "results")
    make(exposure / "one_jump.fits")
    (exposure / "one_jump.fits").unlink()
    (exposure / "one_jump.fits").write_text("on the disk")
    scratch.end(begun)
    assert (exposure / "one_jump.fits").read_text() == "on the disk"


def test_what_a_dead_run_has_left_goes_and_what_a_living_one_has_stays(place):
    program = "import sys; sys.path.insert(0, sys.argv[1]); from rampflow.io import scratch; "
    program += "scratch.begin(sys.argv[2], 'results')"
    home = os.path.dirname(os.path.dirname(os.path.dirname(scratch.__file__)))
    living = subprocess.Popen([sys.executable, "-c", f"{program}; print(flush=True); input()", home, str(place)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    living.stdout.readline()
    subprocess.run([sys.executable, "-c", program, home, str(place)], check=True)
    other = place / "rampflow-elsewhere-1-1-abc"
    other.mkdir()
    (place / "rampflow-notes").mkdir()
    assert len(os.listdir(place)) == 4
    (own,) = scratch.begin(str(place), place)
    left = {name for name in os.listdir(place)} - {os.path.basename(own)}
    assert len(left) == 3 and {other.name, "rampflow-notes"} < left
    # Nobody can say whether a process of another host lives; after a day it counts as ended.
    os.utime(other, (0, 0))
    (again,) = scratch.begin(str(place), place)
    assert not other.exists() and os.path.isdir(again)
    living.communicate(b"\n")


def test_what_a_dead_run_on_the_same_results_has_left_is_kept_and_goes_with_this_one(place, tmp_path):
    exposure = tmp_path / "results" / "one"
    exposure.mkdir(parents=True)
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from rampflow.io import scratch\n"
        "product = Path(sys.argv[3], 'one_jump.fits'); scratch.begin(sys.argv[2], product.parents[1])\n"
        "where = scratch.place(product); where.write_text('made'); scratch.link(where, product)"
    )
    home = os.path.dirname(os.path.dirname(os.path.dirname(scratch.__file__)))
    subprocess.run([sys.executable, "-c", program, home, str(place), str(exposure)], check=True)
    begun = scratch.begin(str(place), tmp_path / "results")
    assert len(begun) == 2 and (exposure / "one_jump.fits").read_text() == "made"
    scratch.end(begun)
    assert not os.listdir(place) and not os.listdir(exposure)


def test_variables_are_those_of_the_node(place, monkeypatch):
    monkeypatch.setenv("NODE_DISK", str(place))
    assert scratch.expanded("$NODE_DISK/x") == f"{place}/x"
    monkeypatch.delenv("NODE_DISK")
    with pytest.raises(ValueError, match=r"scratch: \$NODE_DISK/x: a variable of it is not set on "):
        scratch.expanded("$NODE_DISK/x")


def test_a_folder_that_is_not_there_is_a_line(place):
    with pytest.raises(ValueError, match="nowhere: No such file or directory on .*; name a folder"):
        scratch.begin(str(place / "nowhere"), place)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no /dev/shm here")
def test_memory_is_told_from_a_disk():
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    kinds = [kind for _, point, kind, *_ in mounts if point == "/dev/shm"]
    assert scratch.in_memory("/dev/shm/not/yet/there") is (kinds[-1:] == ["tmpfs"])
    assert not scratch.in_memory("/proc")
