import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable, scene_mask


def test_sources_and_void_pixels_are_no_background():
    rate = np.random.default_rng(1).normal(5, 1, (40, 40)).astype(np.float32)
    rate[3, 4], rate[5, 6], rate[7, 8], rate[9, 10] = 100, np.nan, 0, -50
    mask = scene_mask.scene_mask(rate, n_sigma=2.0, fit_histogram=False)
    assert not mask[[3, 5, 7, 9], [4, 6, 8, 10]].any()
    # 2.3 % of a normal distribution is above two standard deviations.
    assert 0.95 < mask.mean() < 0.985
    open_mask = scene_mask.scene_mask(rate, n_sigma=0.0, fit_histogram=False)
    assert open_mask[3, 4]
    assert not open_mask[5, 6]
    assert np.count_nonzero(~open_mask) == 2


def test_a_histogram_gives_the_scatter_of_a_normal_distribution():
    rate = np.random.default_rng(2).normal(5, 1, (200, 200)).astype(np.float32)
    mask = scene_mask.scene_mask(rate, n_sigma=2.0, fit_histogram=True)
    assert rate[mask].max() == pytest.approx(7, abs=0.1)
    assert rate[mask].min() == pytest.approx(2, abs=0.1)


def test_science_regions_are_left_out():
    rate = np.ones((4, 4), np.float32)
    regions = scene_mask.science_regions(np.array([[dq.DO_NOT_USE, dq.NON_SCIENCE, dq.HOT, 0]] * 4, np.uint32))
    mask = scene_mask.scene_mask(rate, n_sigma=0.0, fit_histogram=False, science=regions)
    np.testing.assert_array_equal(mask, [[False, False, True, True]] * 4)


def test_what_to_do_about_regions_that_cannot_be_told():
    with pytest.raises(ValueError, match=r"^mask_science_regions: no traces; give a mask of your own as user_mask"):
        scene_mask.refuse_regions("no traces")


def test_the_users_mask_is_background_where_it_is_not_zero():
    image = np.array([[0, 2], [1, 0]], np.float32)
    np.testing.assert_array_equal(scene_mask.user_mask(image, (3, 5, 2, 2)), [[False, True], [True, False]])
    assert scene_mask.user_mask(np.zeros((3, 2, 2)), (3, 5, 2, 2)).shape == (3, 2, 2)
    with pytest.raises(NotApplicable, match=r"user_mask has shape \(2, 2\)"):
        scene_mask.user_mask(image, (3, 5, 4, 4))
