import numpy as np
import pytest

from rampflow.steps.reset import reader, reset_plane, subtract_reset, usable_reset, used_part


@pytest.mark.parametrize(
    ("integration", "intstart", "expected"),
    [(0, None, 0), (0, 1, 0), (1, 1, 1), (2, 1, 2), (3, 1, 2), (0, 2, 1), (5, 4, 2)],
)
def test_integrations_are_counted_over_the_whole_exposure_and_the_last_plane_is_reused(integration, intstart, expected):
    assert reset_plane(integration, intstart=intstart, n_reference=3) == expected


@pytest.mark.parametrize(
    ("nints", "ngroups", "expected"), [(None, None, (3, 8)), (3, 8, (3, 8)), (2, 5, (2, 5)), (50, 100, (3, 8))]
)
def test_keywords_of_the_reference_say_how_much_of_it_is_used(nints, ngroups, expected):
    assert used_part((3, 8, 64, 72), nints=nints, ngroups=ngroups) == expected


def test_unknown_reset_counts_as_zero():
    np.testing.assert_array_equal(usable_reset(np.array([[[np.nan, 2]]], dtype=np.float32)), [[[0, 2]]])


def test_groups_beyond_the_reference_are_left_alone():
    sci = np.full((3, 1, 2), 10, dtype=np.float32)
    assert subtract_reset(sci, np.array([[[1, 2]], [[3, 4]]], dtype=np.float32)) is sci
    np.testing.assert_array_equal(sci, [[[9, 8]], [[7, 6]], [[10, 10]]])


def test_no_groups_in_the_reference_change_nothing():
    sci = np.full((2, 1, 2), 10, dtype=np.float32)
    subtract_reset(sci, np.empty((0, 1, 2), np.float32))
    np.testing.assert_array_equal(sci, 10)


@pytest.mark.parametrize("shape", [(4, 1, 2), (2, 2, 2), (2, 1, 3)])
def test_reference_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match="give the groups of the reference that belong to these, for"):
        subtract_reset(np.zeros((3, 1, 2), np.float32), np.zeros(shape, np.float32))


def test_result_does_not_depend_on_the_chunks():
    rng = np.random.default_rng(1)
    sci = rng.normal(1e4, 100, (7, 4, 5)).astype(np.float32)
    signal = rng.normal(0, 10, (4, 4, 5)).astype(np.float32)
    whole = subtract_reset(sci.copy(), signal)
    chunks = [subtract_reset(sci[g : g + 3].copy(), signal[g : g + 3]) for g in (0, 3, 6)]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


def test_the_reader_gives_a_group_of_a_plane_and_nothing_beyond_the_reference():
    stored = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    stored[1, 2, 0, 0] = np.nan
    read = reader(lambda _, plane, groups: stored[plane, groups], n_groups=3)
    assert read(1, 2).tolist() == [[[0.0, 21.0], [22.0, 23.0]]]
    assert read(0, 3).shape == (0, 2, 2)
