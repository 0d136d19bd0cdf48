import numpy as np
import pytest

from rampflow.steps import NotApplicable
from rampflow.steps import clean_flicker_noise as flicker
from rampflow.steps.clean_flicker_noise import light


def star(x, y, peak, level=10.0, shape=(60, 70)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (level + peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("exp_type", "tso", "kind"),
    [
        ("NRC_TSIMAGE", True, "aperture"),
        ("MIR_IMAGE", True, "aperture"),
        ("MIR_IMAGE", False, "median"),
        ("NRS_BRIGHTOBJ", True, "spectrum"),
        ("NIS_AMI", False, "median"),
    ],
)
def test_how_light_is_measured(exp_type, tso, kind):
    assert light.kind_of_light(exp_type, tso) == kind


def test_light_in_an_aperture_follows_the_star_and_not_where_it_was_planned():
    images = [star(33.3, 28.2, peak) for peak in (1000, 970, 1000)]
    x, y = light.find_source(lambda: iter(images), (36.0, 26.0))
    assert (x, y) == pytest.approx((33.3, 28.2), abs=0.05)
    found = light.aperture_light(lambda: iter(images), (36.0, 26.0))
    # A Gaussian of exp(-r²/4) has 1 - exp(-9/4) of 4π within 3 pixels; the level has 9π of area.
    # That pixels at the rim have one value throughout makes a percent.
    expected = 1000 * 4 * np.pi * (1 - np.exp(-9 / 4)) + 10 * 9 * np.pi
    assert found[0] == pytest.approx(expected, rel=0.02)
    assert found[1] - found[0] == pytest.approx(-0.03 * (found[0] - 90 * np.pi), rel=1e-5)


def test_bad_pixels_do_not_draw_the_centre():
    image = star(33.3, 28.2, 1000)
    image[20, 45] = 1e6
    bad = image > 1e5
    assert light.find_source(lambda: [image], (36.0, 26.0), bad) == pytest.approx((33.3, 28.2), abs=0.05)
    assert light.find_source(lambda: [image], (36.0, 26.0))[0] > 40


def test_a_source_that_is_nowhere_is_taken_for_where_it_was_planned():
    nothing = np.full((20, 20), np.nan, np.float32)
    assert light.find_source(lambda: [nothing], (9.0, 8.0)) == (9.0, 8.0)
    assert np.isnan(light.aperture_light(lambda: [nothing], (9.0, 8.0))).all()


def test_light_of_spectra_is_summed_where_they_stand_out():
    rng = np.random.default_rng(5)
    middle = rng.normal(1, 0.1, (32, 200)).astype(np.float32)
    middle[10:13] += 100
    images = [middle * np.float32(scale) for scale in (1, 0.99, 1.02)]
    images[1][11, 50] = np.nan
    found = light.scales(light.summed_spectra(images, middle))
    # A pixel that is missing is as bright as in the median, 1 % of 1 in 600 pixels.
    assert found == pytest.approx([1, 0.99, 1.02], abs=3e-5)


def test_scales_are_relative_to_the_median_and_one_where_there_is_no_light():
    np.testing.assert_array_equal(light.scales(np.array([2.0, np.nan, 4.0, 6.0])), [0.5, 1, 1, 1.5])


@pytest.mark.parametrize("values", [[3.0], [np.nan, np.nan]])
def test_without_two_integrations_or_any_light_there_are_no_scales(values):
    with pytest.raises(NotApplicable, match="median_image"):
        light.scales(np.array(values))


def test_median_ramps_by_hand():
    nan = np.nan
    values = np.array([[1, nan, nan, 8], [5, 2, nan, 2], [3, 4, nan, 6], [9, 9, nan, nan]], np.float32)
    np.testing.assert_array_equal(flicker.median_ramp(values), [4, 4, nan, 6])


def test_a_group_is_cleaned_beside_the_scaled_median():
    rows = flicker.Fit(axis=1, by_channel=False, background_method="median_image", background_box_size=None, n_sigma=2)
    scaled = np.array([[10, 20, 900], [10, 20, 30]], np.float32)
    noise = np.array([[2], [-1]], np.float32)
    sci = scaled + noise
    sci[0, 2] += 7  # a source that has changed, which the mask leaves out
    sci[1, 0] = np.nan
    mask = np.array([[True, True, False], [True, True, True]])
    expected = np.array([[10, 20, 907], [np.nan, 20, 30]], np.float32)
    np.testing.assert_array_equal(flicker.clean_group(sci, scaled, mask, rows), expected)
    assert flicker.clean_group(sci, scaled, np.zeros_like(mask), rows) is None
    # Divided by the flat, row 0 has noise of 2, 2/4: their median is 1.25; it is multiplied with the flat again.
    flat = np.array([[1, 4, 1], [1, 1, 1]], np.float32)
    made = flicker.clean_group(sci, scaled, mask, rows, flat)
    np.testing.assert_allclose(made[0, :2], [12 - 1.25, 22 - 5])
