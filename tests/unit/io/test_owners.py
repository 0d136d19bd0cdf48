import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from asdf.exceptions import AsdfSerializationError
from astropy.io import fits

from rampflow.io import files, layout, owners, trees
from rampflow.io.shared_files import private_folder, replace

WORKFLOW = Path(owners.__file__).parents[2]


def in_another_process(text, folder):
    """Run Python in a folder; return what it prints."""
    environment = dict(os.environ, PYTHONPATH=str(WORKFLOW))
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_no_two_temporary_names_are_the_same(tmp_path):
    text = "from rampflow.io.owners import temporary\nfor _ in range(50): print(temporary('a/x_jump.fits'))"
    names = [name for _ in range(3) for name in in_another_process(text, tmp_path).splitlines()]
    assert len(set(names)) == 150
    assert all(os.path.dirname(name) == "a" and os.path.basename(name).startswith(".x_jump.fits.") for name in names)


def test_a_long_name_still_has_a_temporary_one(tmp_path):
    path = tmp_path / ("ü" * 125 + ".fits")
    replace(path, "all of it")
    assert path.read_text() == "all of it" and len(list(tmp_path.iterdir())) == 1


def test_what_dead_processes_have_left_goes_and_what_others_write_stays(tmp_path):
    text = "from rampflow.io.owners import temporary; print(temporary('x_jump.fits'))"
    dead = tmp_path / in_another_process(text, tmp_path)
    own = Path(owners.temporary(tmp_path / "x_jump.fits"))
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mark = f"{owners.place()}-{living.pid}-{owners.start_of(living.pid)}-abcdef"
    # A process of that number, which is another one by now.
    reused = tmp_path / f".y.fits.{owners.place()}-{living.pid}-1-abcdef.part"
    elsewhere, forgotten = (tmp_path / f".{name}.fits.0123456789-17-4711-abcdef.part" for name in ("z", "old"))
    others = tmp_path / f".y.fits.{mark}.part"
    of_no_owner = tmp_path / ".x_jump.fits.part"
    product = tmp_path / "x_jump.fits"
    try:
        for path in (dead, own, reused, elsewhere, forgotten, others, of_no_owner, product):
            path.write_bytes(b"something")
        os.utime(forgotten, (time.time() - 2 * owners.FORGOTTEN,) * 2)
        owners.sweep(tmp_path, time.time())
        assert set(tmp_path.iterdir()) == {own, elsewhere, others, product}
    finally:
        living.kill()
        living.wait()
    owners.sweep(tmp_path, time.time())
    assert set(tmp_path.iterdir()) == {own, elsewhere, product}


def test_a_process_that_nobody_has_waited_for_yet_is_dead():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert owners.start_of(child) is None
    os.waitpid(child, 0)
    assert owners.start_of(child) is None and owners.start_of(os.getpid()) is not None


def product(path, value):
    return layout.NewProduct(path, fits.PrimaryHDU().header, [layout.image("SCI", (8, 8), np.float32)]), value


def test_two_jobs_that_make_one_product_do_not_meet(tmp_path):
    """A's commit gave B's file, still of zeros, the final name."""
    path = tmp_path / "x_jump.fits"
    made = [product(path, value) for value in (1, 2)]
    for new, value in made[:1]:
        new["SCI"].write(np.full((8, 8), value, np.float32))
        new.commit()
    assert (fits.getdata(path, "SCI") == 1).all()
    (_, (new, value)) = made
    new["SCI"].write(np.full((8, 8), value, np.float32))
    assert (fits.getdata(path, "SCI") == 1).all()
    new.commit()
    assert (fits.getdata(path, "SCI") == 2).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("how", ["gone", "another's"])
def test_only_the_file_that_was_written_gets_the_final_name(tmp_path, how):
    path = tmp_path / "x_jump.fits"
    new, _ = product(path, 1)
    new.partial.unlink()
    if how == "another's":
        new.partial.write_bytes(b"truncated")
    with pytest.raises(files.FileProblem, match=r"x_jump\.fits: its temporary file \.x_jump\.fits.* was taken away"):
        new.commit()
    assert not path.exists()
    new.discard()


def test_a_tree_is_made_under_a_name_of_its_own_and_leaves_nothing_when_it_fails(tmp_path):
    path = tmp_path / "x.asdf"
    trees.NewTree(path, {"a": np.arange(3)}).commit()
    np.testing.assert_array_equal(trees.read_tree(path)["a"], np.arange(3))
    with pytest.raises(AsdfSerializationError):
        trees.NewTree(path, {"a": {1, 2}.__iter__})
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_folder_is_its_owners_alone(tmp_path):
    folder = tmp_path / "a/b"
    private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o775)
    private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "file")
    if os.getuid() == 0:
        os.chown(folder, 1234, 1234)
        with pytest.raises(PermissionError, match="belongs to another user"):
            private_folder(folder)
