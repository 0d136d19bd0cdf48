import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps.linearity import has_reads, linearize, linearize_reads, linearize_zeroframe, usable_coefficients


def coefficients(*values, shape=(1, 3)):
    """Return the same polynomial for every pixel."""
    return np.broadcast_to(np.float32(values)[:, None, None], (len(values), *shape)).copy()


def test_polynomial_is_applied_to_unsaturated_groups_alone():
    sci = np.array([[[10, 10, 10]], [[20, 20, np.nan]]], dtype=np.float32)
    groupdq = np.array([[[0, dq.DO_NOT_USE, dq.JUMP_DET]], [[0, dq.SATURATED | dq.DO_NOT_USE, 0]]], dtype=np.uint8)
    assert linearize(sci, groupdq, coefficients(5, 2, 0.5)) is sci
    # 5 + 2 x + 0.5 x²
    np.testing.assert_array_equal(sci, np.float32([[[75, 75, 75]], [[245, 20, np.nan]]]))


def test_each_pixel_has_its_own_polynomial():
    sci = np.full((1, 1, 3), 10, dtype=np.float32)
    linearize(sci, np.zeros((1, 1, 3), np.uint8), np.float32([[[0, 1, 2]], [[1, 2, 3]]]))
    np.testing.assert_array_equal(sci, [[[10, 21, 32]]])


def test_evaluation_is_single_precision_horner():
    rng = np.random.default_rng(1)
    # Wider than one block of columns of the kernel.
    sci = rng.uniform(0, 6e4, (2, 3, 700)).astype(np.float32)
    poly = (rng.normal(1, 0.3, (5, 3, 700)) * 1e-5 ** np.arange(-1, 4)[:, None, None]).astype(np.float32)
    expected = poly[4]
    for k in (3, 2, 1, 0):
        expected = expected * sci + poly[k]
    np.testing.assert_array_equal(linearize(sci, np.zeros(sci.shape, np.uint8), poly), expected)


def test_flagged_pixel_gets_a_polynomial_without_effect():
    usable, flags = usable_coefficients(coefficients(5, 2, 3), np.uint32([[0, dq.NO_LIN_CORR, dq.HOT]]))
    np.testing.assert_array_equal(usable[:, 0], [[5, 0, 5], [2, 1, 2], [3, 0, 3]])
    np.testing.assert_array_equal(flags, [[0, dq.NO_LIN_CORR, dq.HOT]])


@pytest.mark.parametrize(("k", "value"), [(0, np.nan), (1, np.nan), (2, np.nan), (1, 0)])
def test_unusable_polynomial_is_replaced_and_flagged(k, value):
    poly = coefficients(5, 2, 3)
    poly[k, 0, 1] = value
    usable, flags = usable_coefficients(poly, np.uint32([[0, dq.HOT, 0]]))
    np.testing.assert_array_equal(usable[:, 0], [[5, 0, 5], [2, 1, 2], [3, 0, 3]])
    np.testing.assert_array_equal(flags, [[0, dq.HOT | dq.NO_LIN_CORR, 0]])


def test_clean_up_works_in_place():
    poly, flags = np.full((3, 1, 3), 5, np.float32), np.full((1, 3), dq.NO_LIN_CORR, np.uint32)
    usable, used = usable_coefficients(poly, flags)
    assert usable is poly
    assert used is flags
    np.testing.assert_array_equal(poly[:, 0, 0], [0, 1, 0])


def test_zero_frame_keeps_its_zeros():
    zeroframe = np.float32([[[0, 10, -10]]])
    assert linearize_zeroframe(zeroframe, coefficients(5, 2, 0.5)) is zeroframe
    np.testing.assert_array_equal(zeroframe, [[[0, 75, 35]]])


def test_read_only_flags_and_coefficients_are_accepted():
    groupdq, poly = np.zeros((1, 1, 3), np.uint8), coefficients(0, 2)
    groupdq.flags.writeable = poly.flags.writeable = False
    np.testing.assert_array_equal(linearize(np.float32([[[1, 2, 3]]]), groupdq, poly), [[[2, 4, 6]]])


def test_shapes_that_disagree_are_refused():
    sci = np.zeros((2, 1, 3), np.float32)
    with pytest.raises(ValueError, match=r"GROUPDQ has shape \(1, 1, 3\), SCI \(2, 1, 3\)"):
        linearize(sci, np.zeros((1, 1, 3), np.uint8), coefficients(0, 1))
    with pytest.raises(ValueError, match=r"coefficients has shape \(1, 4\), the groups \(1, 3\)"):
        linearize(sci, np.zeros(sci.shape, np.uint8), coefficients(0, 1, shape=(1, 4)))
    with pytest.raises(ValueError, match="1 coefficients, expected 2 or more"):
        usable_coefficients(coefficients(1), np.zeros((1, 3), np.uint32))


def test_result_does_not_depend_on_the_chunks():
    rng = np.random.default_rng(2)
    sci = rng.uniform(0, 6e4, (3, 6, 5)).astype(np.float32)
    groupdq = rng.integers(0, 4, sci.shape).astype(np.uint8)
    poly = (rng.normal(1, 0.3, (4, 6, 5)) * 1e-5 ** np.arange(-1, 3)[:, None, None]).astype(np.float32)
    whole = linearize(sci.copy(), groupdq, poly)
    by_group = [linearize(sci[g : g + 1].copy(), groupdq[g : g + 1], poly) for g in range(3)]
    np.testing.assert_array_equal(np.concatenate(by_group), whole)
    by_rows = [
        linearize(sci[:, y : y + 4].copy(), groupdq[:, y : y + 4].copy(), poly[:, y : y + 4].copy()) for y in (0, 4)
    ]
    np.testing.assert_array_equal(np.concatenate(by_rows, axis=1), whole)


# --- single reads


def test_reads_are_told_apart_where_groups_average_several_and_give_a_rate():
    assert has_reads(4, 2)
    assert not has_reads(1, 9)
    assert not has_reads(8, 1)


def reads_of_a_bright_ramp(rate, ngroups=5, nframes=8, bend=1e-6):
    """Linear and observed averages of the reads of a ramp, (ngroups, 1, n), with the polynomials there and back."""
    linear = 500.0 + rate * np.arange(ngroups * nframes).reshape(ngroups, nframes, 1, 1)
    observed = (np.sqrt(1 + 4 * bend * linear) - 1) / (2 * bend)
    # Observed to linear exactly; back as the series that undoes it.
    series = (0, 1, -bend, 2 * bend**2, -5 * bend**3, 14 * bend**4, -42 * bend**5)
    shape = linear.shape[2:]
    return (
        linear.mean(axis=1).astype(np.float32),
        observed.mean(axis=1).astype(np.float32),
        coefficients(0, 1, bend, shape=shape),
        coefficients(*series, shape=shape),
    )


def test_correcting_reads_brings_back_the_line_that_correcting_averages_misses():
    truth, observed, poly, inverse = reads_of_a_bright_ramp(np.array([1000.0, 10.0, -3.0])[None])
    flags = np.zeros(observed.shape, np.uint8)
    by_group = linearize(observed.copy(), flags, poly)
    by_read = linearize_reads(observed.copy(), flags, coefficients=poly, inverse=inverse, nframes=8)
    # The mean square of eight reads about their average, 1000 DN apart, is 5.25e6 DN².
    assert by_group[0, 0, 0] - truth[0, 0, 0] == pytest.approx(-5.25, abs=0.2)
    np.testing.assert_allclose(by_read, truth, rtol=2e-6)


def test_the_rate_is_taken_from_groups_before_saturation():
    truth, observed, poly, inverse = reads_of_a_bright_ramp(np.array([[1000.0]]))
    flags = np.zeros(observed.shape, np.uint8)
    flags[3:] = dq.SATURATED
    observed[3:] = 45000.0
    result = linearize_reads(observed.copy(), flags, coefficients=poly, inverse=inverse, nframes=8)
    np.testing.assert_allclose(result[:3], truth[:3], rtol=2e-6)
    np.testing.assert_array_equal(result[3:], 45000.0)


def test_polynomials_without_effect_leave_reads_alone():
    sci = np.float32([[[3, 7, np.nan]], [[20, 11, 5]]])
    unit = coefficients(0, 1)
    result = linearize_reads(sci.copy(), np.zeros(sci.shape, np.uint8), coefficients=unit, inverse=unit, nframes=4)
    np.testing.assert_array_equal(result[:, :, :2], sci[:, :, :2])
    assert np.isnan(result[0, 0, 2])


def test_reads_do_not_depend_on_the_rows_of_a_piece():
    rng = np.random.default_rng(4)
    sci = rng.uniform(0, 3e4, (4, 6, 300)).astype(np.float32)
    groupdq = rng.integers(0, 4, sci.shape).astype(np.uint8)
    poly = (rng.normal(1, 0.3, (4, 6, 300)) * 1e-5 ** np.arange(-1, 3)[:, None, None]).astype(np.float32)
    back = (rng.normal(1, 0.3, (5, 6, 300)) * 1e-5 ** np.arange(-1, 4)[:, None, None]).astype(np.float32)

    def corrected(rows):
        piece, flags, there, again = (np.ascontiguousarray(a[:, rows]) for a in (sci, groupdq, poly, back))
        return linearize_reads(piece.copy(), flags, coefficients=there, inverse=again, nframes=4)

    parts = [corrected(slice(y, y + 4)) for y in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), corrected(slice(None)))


def test_one_group_has_no_reads():
    sci, flags = np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="One group gives no rate"):
        linearize_reads(sci, flags, coefficients=coefficients(0, 1), inverse=coefficients(0, 1), nframes=4)
