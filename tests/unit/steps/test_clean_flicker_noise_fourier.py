import numpy as np
import pytest

from rampflow.steps.clean_flicker_noise import fourier

SIZE = 2048
PLACE = np.arange(SIZE)


def wave(cycles, phase):
    return np.cos(2 * np.pi * cycles * PLACE / SIZE + phase)


def gapped(first, last):
    mask = np.ones((3, SIZE), bool)
    mask[:, first:last] = False
    return mask


def model(coefficients):
    factors = np.r_[1, np.full(8, 2)] * coefficients
    return sum((factors[:, k, None] * np.exp(2j * np.pi * k * PLACE / SIZE)).real for k in range(9))


def test_background_is_weighed_by_its_density_in_the_line_before():
    mask = np.ones((3, SIZE), bool)
    mask[0, 1000:] = False
    weights = fourier.line_weights(mask)
    np.testing.assert_allclose(weights[2], 1)
    np.testing.assert_allclose(weights[0, :1000], 1)  # the line before the first is the last
    # The density where background ends, and begins again, is a half; it is displaced by a pixel.
    assert weights[1, 1000] == pytest.approx(2, rel=0.02)
    assert weights[1, 1000 - 64] == pytest.approx(1 / 0.977, rel=0.003)
    # 4.5 standard deviations beyond the end there is none.
    assert not weights[1, 1000 + 144 : -144].any()
    assert not weights[0, 1000:].any()


def test_outliers_of_five_values_by_hand():
    image = np.array([[1, 2, 3, 4, 9], [1, 2, 3, 4, 7], [1, 2, 3, 4, 99]], np.float32)
    mask = np.ones(image.shape, bool)
    mask[2, 4] = False
    # Medians are 3, and 2.5; values are up to 1 from them at the median: 4.4 is the limit.
    found = fourier.without_outliers(image, mask)
    np.testing.assert_array_equal(found[:, 4], [3, 7, 2.5])
    np.testing.assert_array_equal(found[:, :4], image[:, :4])


def test_waves_of_a_line_of_32_by_hand():
    # A weighted mean, where the waves are none of those that are fitted: they are orthogonal to them.
    values = np.array([[2.0, 4.0] * 16, [1.0, 1.0, -1.0, -1.0] * 8], np.float32)
    found = fourier.fit_waves(values, np.ones((2, 32)))
    # Two values that alternate are a mean of 3. Four that repeat have 8 cycles, of (1 - 1j) / 2.
    expected = np.zeros((2, 9), complex)
    expected[0, 0], expected[1, 8] = 3, (1 - 1j) / 2
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("gap", "error"), [((0, 0), 1e-7), ((700, 760), 0.08), ((900, 1100), 0.2)])
def test_slow_waves_come_back_across_gaps(gap, error):
    pattern = 3 + wave(1, 0.3) - 2 * wave(5, 1.1)  # a scatter of 1.6
    weights = fourier.line_weights(gapped(*gap))
    values = np.where(weights > 0, pattern, 1e3).astype(np.float32)
    away = model(fourier.fit_waves(values, weights)) - pattern
    # Waves of positive frequencies alone make no real pattern where there are gaps: the fit is near, not exact.
    assert away[:, weights[0] > 0].std() < error


def test_lines_without_background_have_no_noise():
    rng = np.random.default_rng(1)
    image = rng.normal(7, 1, (2048, 2048)).astype(np.float32)
    mask = np.ones(image.shape, bool)
    mask[:, 1000:1101] = False
    image[:, 1000:1101] = 1e4
    noise = fourier.fit_full_frame(image, mask, "NRS1")
    assert np.abs(noise[:, 1025:1075]).max() < 1e-9
    assert noise[:, 900] == pytest.approx(7, abs=0.5)


def test_a_wide_gap_does_not_run_wild():
    values = np.random.default_rng(2).normal(0, 5, (3, SIZE)).astype(np.float32)
    fitted = model(fourier.fit_waves(values, fourier.line_weights(gapped(300, 1700))))
    assert np.abs(fitted).max() < 200


def test_noise_is_smoothed_across_lines_and_displaced_by_one():
    image = np.zeros((2048, 2048), np.float32)
    image[:, 700] = 1
    noise = fourier.fit_full_frame(image, np.ones(image.shape, bool), "NRS1")
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 1.5) ** 2)
    np.testing.assert_allclose(noise[500, 701 - 6 : 701 + 7], kernel / kernel.sum(), atol=2e-5)
