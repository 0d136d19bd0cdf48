import numpy as np
import pytest

from rampflow.steps.superbias import subtract_from_zeroframe, subtract_superbias, usable_bias


def test_unknown_bias_counts_as_zero():
    bias = np.array([[1, np.nan]], dtype=np.float32)
    usable = usable_bias(bias)
    np.testing.assert_array_equal(usable, [[1, 0]])
    assert usable.dtype == np.float32
    assert np.isnan(bias[0, 1])


def test_bias_is_subtracted_from_every_group_in_place():
    sci = np.array([[[10, 20]], [[30, np.nan]]], dtype=np.float32)
    assert subtract_superbias(sci, np.array([[1, 2]], dtype=np.float32)) is sci
    np.testing.assert_array_equal(sci, np.array([[[9, 18]], [[29, np.nan]]], dtype=np.float32))


def test_zero_frame_keeps_its_zeros():
    zeroframe = np.array([[[0, 20, np.nan]]], dtype=np.float32)
    assert subtract_from_zeroframe(zeroframe, np.array([[5, 5, 5]], dtype=np.float32)) is zeroframe
    np.testing.assert_array_equal(zeroframe, np.array([[[0, 15, np.nan]]], dtype=np.float32))


@pytest.mark.parametrize("subtract", [subtract_superbias, subtract_from_zeroframe])
def test_bias_of_another_shape_is_refused(subtract):
    # A single row would be stretched over the frame by broadcasting.
    with pytest.raises(ValueError, match=r"superbias has shape \(1, 4\), the frames \(3, 4\)"):
        subtract(np.ones((2, 3, 4), np.float32), np.ones((1, 4), np.float32))


def test_result_does_not_depend_on_the_chunks():
    rng = np.random.default_rng(1)
    sci = rng.normal(1e4, 100, (5, 8, 6)).astype(np.float32)
    bias = rng.normal(9e3, 100, (8, 6)).astype(np.float32)
    whole = subtract_superbias(sci.copy(), bias)
    by_rows = np.concatenate(
        [subtract_superbias(np.ascontiguousarray(sci[:, y : y + 3]), bias[y : y + 3]) for y in (0, 3, 6)],
        axis=1,
    )
    np.testing.assert_array_equal(by_rows, whole)
