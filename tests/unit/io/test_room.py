import errno
import os
import resource
from types import SimpleNamespace

import pytest

from rampflow.io import room


def disk(monkeypatch, **numbers):
    found = {"f_bavail": 5, "f_files": 100, "f_favail": 5} | numbers
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**found))


def test_a_disk_is_full_when_it_has_no_room_or_no_inodes(monkeypatch):
    disk(monkeypatch)
    assert room.is_full(".") is None
    disk(monkeypatch, f_bavail=0)
    assert room.is_full(".") == "the disk is full"
    disk(monkeypatch, f_favail=0)
    assert "inodes" in room.is_full(".")
    disk(monkeypatch, f_files=0, f_favail=0)
    assert room.is_full(".") is None


def test_what_to_do_follows_from_what_there_is_too_little_of(monkeypatch, tmp_path):
    said = {}
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES):
        said[number] = room.advice(OSError(number, os.strerror(number)), tmp_path)
    assert "MB free); make room" in said[errno.ENOSPC]
    assert "your share of it is used up" in said[errno.EDQUOT]
    assert "choose another file system" in said[errno.EFBIG] and "make room" not in said[errno.EFBIG]
    assert said[errno.EACCES] == ""
    disk(monkeypatch, f_favail=0)
    text = room.advice(OSError(errno.ENOSPC, ""), tmp_path)
    assert "inodes" in text and "remove files" in text and "MB free" not in text


def test_a_limit_of_the_process_on_files_is_named(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        text = room.advice(OSError(errno.EFBIG, ""), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert text == "; files of more than 2.0 MB are not allowed; raise the limit (ulimit -f), run again"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small file system")
def test_a_real_file_system_without_inodes(tmp_path):
    if os.system(f"mount -t tmpfs -o nr_inodes=3 none {tmp_path} 2>/dev/null"):
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError) as caught:
            for number in range(5):
                (tmp_path / f"{number}").touch()
        assert caught.value.errno == errno.ENOSPC
        assert "inodes" in room.advice(caught.value, tmp_path)
    finally:
        os.system(f"umount {tmp_path}")
