"""Runs of files: with the kernel where there are many, without it where there are few, the same."""

import errno
import os

import numpy as np
import pytest

from rampflow.io import byte_runs

FEW_AND_MANY = (3, 500)


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers"
    np.arange(10_000, dtype=np.int32).tofile(path)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_runs_are_read_one_after_the_other(numbers, count):
    values = np.empty((count, 5), np.int32)
    byte_runs.read(numbers, values, np.arange(count, dtype=np.int64) * 20 * 4 + 8)
    assert np.array_equal(values, 2 + 20 * np.arange(count)[:, None] + np.arange(5))


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_runs_are_written_where_they_belong_and_nowhere_else(numbers, count):
    expected = np.arange(10_000, dtype=np.int32)
    expected.reshape(-1, 20)[:count, 7:9] = -1
    byte_runs.write(numbers, np.full((count, 2), -1, np.int32), np.arange(count, dtype=np.int64) * 20 * 4 + 28)
    found = np.empty(10_000, np.int32)
    byte_runs.read(numbers, found, np.zeros(1, np.int64))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_a_file_that_ends_too_early_is_an_error(numbers, count):
    offsets = np.arange(count, dtype=np.int64) * 20
    offsets[-1] = 40_000 - 4
    with pytest.raises(EOFError):
        byte_runs.read(numbers, np.empty((count, 2), np.int32), offsets)


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_what_cannot_be_written_is_an_error_with_its_reason(tmp_path, count):
    (tmp_path / "empty").touch()
    descriptor = os.open(tmp_path / "empty", os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        byte_runs.write(descriptor, np.zeros((count, 2), np.int32), np.arange(count, dtype=np.int64) * 8)
    assert caught.value.errno == errno.EBADF
    os.close(descriptor)


def test_no_runs_are_nothing_to_do(numbers):
    none, nowhere = np.empty((0, 5), np.int32), np.empty(0, np.int64)
    byte_runs.read(numbers, none, nowhere)
    byte_runs.write(numbers, none, nowhere)
    found = np.empty(10_000, np.int32)
    byte_runs.read(numbers, found, np.zeros(1, np.int64))
    assert np.array_equal(found, np.arange(10_000)) and os.fstat(numbers).st_size == found.nbytes


@pytest.mark.parametrize("length", [6, 3 << 20])
@pytest.mark.parametrize(("kind", "flip"), [("f4", 0), ("u4", 1 << 31), ("u2", 1 << 15), ("i4", 0x80), ("f8", 0)])
def test_bytes_are_swapped_and_bits_flipped_afterwards(length, kind, flip):
    values = np.frombuffer(np.random.default_rng(3).bytes(length * int(kind[1])), kind).copy()
    bits = values.view(f"u{kind[1]}")
    expected = bits.byteswap() ^ bits.dtype.type(flip)
    byte_runs.swap(values.reshape(2, -1), flip)
    assert np.array_equal(bits, expected)
