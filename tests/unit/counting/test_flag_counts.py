import numpy as np
import pytest

from rampflow.counting import flags
from rampflow.detector import dq


def groups_by_hand(before, after, used):
    """Count flags of groups bit by bit, without reference pixels."""
    found = np.zeros((len(after), 3, 8), int)
    for i in range(len(after)):
        here = used[i % len(used)] != 0
        for bit in range(8):
            old, new = ((each[i][:, here] >> bit) & 1 == 1 for each in (before, after))
            found[i, :, bit] = new.sum(), (new & ~old).sum(), (old & ~new).sum()
    return found


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (4, 2, 16, 8), (3, 1, 3, 8)])
@pytest.mark.parametrize("positions", [1, 2])
def test_flags_of_groups_are_counted_as_bit_by_bit(shape, positions):
    chance = np.random.default_rng(7)
    before, after = (chance.integers(0, 256, shape).astype(np.uint8) for _ in range(2))
    # Most groups have no flag, or keep theirs.
    before[chance.random(shape) < 0.5] = 0
    after = np.where(chance.random(shape) < 0.6, before, after)
    pixeldq = np.where(chance.random((positions, *shape[2:])) < 0.3, dq.REFERENCE_PIXEL | 1, 4).astype(np.uint32)
    used = flags.used_pixels(pixeldq if positions > 1 else pixeldq[0])
    assert used.shape == pixeldq.shape and set(np.unique(used)) <= {0, 255}
    np.testing.assert_array_equal(flags.compare_groups(before, after, used), groups_by_hand(before, after, used))
    none = flags.compare_groups(None, after, used)
    np.testing.assert_array_equal(none, groups_by_hand(np.zeros_like(after), after, used))
    # A part of the integrations has the positions that it has among all.
    part = flags.compare_groups(before[1:], after[1:], used, 1)
    np.testing.assert_array_equal(part, groups_by_hand(before, after, used)[1:])


def test_flags_of_pixels_are_counted_as_bit_by_bit():
    chance = np.random.default_rng(8)
    before, after = (chance.integers(0, 1 << 32, (9, 11), dtype=np.uint32) for _ in range(2))
    after = np.where(chance.random(after.shape) < 0.5, before, after & 0x7FFFFFFF).astype(np.uint32)
    numbers, of, changed = flags.compare_pixels(before, after)
    used = (after & dq.REFERENCE_PIXEL) == 0
    assert of == used.sum() and changed == np.bitwise_or.reduce(before ^ after, axis=None)
    for bit in range(32):
        old, new = ((each[used] >> np.uint32(bit)) & 1 == 1 for each in (before, after))
        assert numbers[:, bit].tolist() == [new.sum(), (new & ~old).sum(), (old & ~new).sum()]


def test_pixels_without_a_slope_are_counted_without_reference_pixels():
    slopes = np.array([[np.nan, 1, np.nan, np.inf]], np.float32)
    assert flags.count_missing(slopes, np.array([[1, 1, dq.REFERENCE_PIXEL, 0]], np.uint32)) == 1


def test_numbers_have_the_names_of_flags_and_none_that_is_zero():
    numbers = np.zeros(32, int)
    numbers[[0, 2, 31]] = 5, 1, 3
    assert flags.named(numbers) == {"DO_NOT_USE": 5, "JUMP_DET": 1, "REFERENCE_PIXEL": 3}
    assert flags.named(np.zeros(8, int)) == {}
