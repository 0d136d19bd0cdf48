import numpy as np
import pytest

from rampflow.steps.clean_flicker_noise import sections

SHAPE = (40, 64)
CLOCK = np.arange(SHAPE[0])[:, np.newaxis] * (SHAPE[1] + 12) + np.arange(SHAPE[1])
LIMITS = sections.passed_below("SUBS200A1")


def test_gains_by_hand():
    frequency = np.array([0, 1061, 1136, 1211, 3e4, 49943, 49950, 49957, 5e4])
    np.testing.assert_allclose(sections.gains(frequency, LIMITS), [1, 1, 0.5, 0, 0, 0, 0.5, 1, 1], atol=1e-12)
    np.testing.assert_allclose(
        sections.gains(np.array([150, 175, 200]), sections.passed_below("ALLSLITS")), [1, 0.5, 0]
    )


def test_outliers_and_their_neighbours_do_not_count():
    values = np.tile([1.0, -1.0], (6, 3))
    values[0, 0], values[3, 3], values[5, 1] = 50, -50, 5.9
    mask = np.ones((6, 6), bool)
    mask[3, 4] = False
    found = sections.keep_inliers(values, mask)
    assert np.argwhere(mask & ~found).tolist() == [[0, 0], [0, 1], [1, 0], [2, 3], [3, 2], [3, 3], [4, 3]]
    mask[3, 3] = False  # what does not count anyway has no neighbours
    assert np.argwhere(mask & ~sections.keep_inliers(values, mask)).tolist() == [[0, 0], [0, 1], [1, 0]]


def spans(good):
    return [(section.start, section.stop) for section in sections.find_sections(np.asarray(good))]


def test_sections_overlap_by_half_and_hold_more_than_512():
    # 17 lines of 32 are the first with more than 512; from line 80 less than 768 are left.
    assert spans([32] * 100) == [(8 * n, 8 * n + 17) for n in range(10)] + [(80, 100)]
    assert spans([100] * 32) == [(3 * n, 3 * n + 6) for n in range(9)] + [(27, 32)]
    assert spans([20, 30]) == [(0, 2)]
    # A line that is a section of its own.
    assert spans([600] * 3) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("frequency", [0, 500, 1000])
def test_slow_waves_come_back(frequency):
    size = SHAPE[0] * (SHAPE[1] + 12)
    cycles = round(frequency * size * 1e-5)
    pattern = (3 * np.cos(2 * np.pi * cycles * CLOCK / size + 0.7)).astype(np.float32)
    found = sections.fit_section(pattern, np.ones(SHAPE, bool), LIMITS)
    # As with full frames, waves of positive frequencies are near the pattern, not exact: a new line takes time.
    assert (found - pattern).std() < 0.25
    assert np.abs(found - pattern).max() < 1.5


def test_fast_waves_stay():
    pattern = np.cos(2 * np.pi * 9000e-5 * CLOCK).astype(np.float32)
    assert np.abs(sections.fit_section(pattern, np.ones(SHAPE, bool), LIMITS)).max() < 0.2


def test_pixels_that_alternate_come_back():
    pattern = np.where(CLOCK % 2, 1, -1).astype(np.float32)
    np.testing.assert_allclose(sections.fit_section(pattern, np.ones(SHAPE, bool), LIMITS), pattern, atol=0.05)


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_drift_of_a_subarray_is_found_and_masked_values_do_not_matter(detector):
    rng = np.random.default_rng(3)
    lines, width = 300, 64
    time = np.arange(lines)[:, np.newaxis] * (width + 12) + np.arange(width)
    drift = 20 + 3 * np.cos(2 * np.pi * 200e-5 * time)
    read = (drift + rng.normal(0, 0.5, drift.shape)).astype(np.float32)
    mask = rng.random(drift.shape) < 0.8
    read[~mask] = 1e5
    image = (read if detector == "NRS1" else read[::-1]).T
    order = mask if detector == "NRS1" else mask[::-1]
    noise = sections.fit_subarray(image, order.T, detector, LIMITS).T
    away = (noise if detector == "NRS1" else noise[::-1]) - drift
    assert away.std() < 0.25
    assert abs(away.mean()) < 0.05


def test_sections_with_little_background_have_no_noise():
    mask = np.ones((64, 900), bool)
    mask[:, 40:860] = False
    mask[::2, 40:860:16] = True  # 3 %
    image = np.random.default_rng(4).normal(7, 1, mask.shape).astype(np.float32)
    noise = sections.fit_subarray(image, mask, "NRS1", LIMITS)
    assert not noise[:, 400:450].any()
    assert noise[:, :30].mean() == pytest.approx(7, abs=0.2)
