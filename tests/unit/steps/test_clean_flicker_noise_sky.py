import numpy as np
import pytest

from rampflow.steps import NotApplicable
from rampflow.steps.clean_flicker_noise import light, sky
from rampflow.steps.clean_flicker_noise.ranks import percentiles
from rampflow.steps.scene_mask.soss import Box

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("count", [1, 2, 5, 1000, 70001])
def test_percentiles_are_numpys(count):
    values = (RNG.normal(size=count) * 10 ** RNG.uniform(-20, 20, count)).astype(np.float32)
    parts = np.array_split(values, 7)
    found = percentiles(lambda: parts, 0, 25, 35, 50, 100)
    due = np.percentile(values.astype(np.float64), [0, 25, 35, 50, 100])
    assert found == pytest.approx(due, rel=1e-6)


def test_percentiles_of_equal_values_and_of_none():
    assert percentiles(lambda: [np.zeros(3, np.float32), -np.zeros(2, np.float32)], 50) == [0]
    assert percentiles(lambda: [np.zeros(0, np.float32)], 50) is None


def templates(rows=32, columns=1000):
    jump = [np.where(np.arange(columns) < 700, 1.0, height) for height in (1.5, 2.5)]
    tilt = 1 + 0.2 * np.linspace(-1, 1, rows)[:, np.newaxis]
    return np.array([each * tilt for each in jump], np.float32)


def test_the_jump_of_a_template():
    right = sky.right_of_jump(templates()[0])
    # The steepest place of the smoothed step is between columns 699 and 700.
    assert set(np.argmax(right, axis=1)) <= {699, 700}


def test_both_sides_of_the_best_template_are_scaled():
    both = templates()
    right = sky.right_of_jump(both[1])
    truth = both[1] * np.where(right, 0.3, 0.5)
    rates = []
    for _ in range(4):
        rate = (truth + RNG.normal(0, 1e-3, truth.shape)).astype(np.float32)
        rate[10:25] += 50  # a spectrum
        rate[RNG.random(rate.shape) < 0.01] = np.nan
        rates.append(rate)
    unusable = np.zeros(truth.shape, bool)
    unusable[0] = True
    rates[0][0] = -1e4
    found = sky.fit_sky(lambda: rates, unusable, both)
    assert np.array_equal(found.template, both[1])
    # Of rate over template it is the median of what is between the percentiles 25 and 50.
    assert found.scales == pytest.approx((0.5, 0.3), rel=5e-3)
    assert np.nanmedian(found.taken_off(rates[1])[2:8]) == pytest.approx(0, abs=3e-3)


def test_where_nothing_is_left_there_is_no_sky():
    nothing = np.full((32, 1000), np.nan, np.float32)
    assert sky.fit_sky(lambda: [nothing], np.zeros(nothing.shape, bool), templates()) is None
    # Nor where one side of the jump has nothing to scale to.
    half = np.where(np.arange(1000) < 650, 1.0, np.nan).astype(np.float32) * np.ones((32, 1), np.float32)
    assert sky.fit_sky(lambda: [half], np.zeros(half.shape, bool), templates()) is None


@pytest.mark.parametrize(("rows", "first"), [(256, 0), (96, 10)])
def test_templates_are_cut_to_the_subarray(rows, first):
    whole = np.broadcast_to(np.arange(256, dtype=np.float32)[:, np.newaxis], (2, 256, 8))
    assert sky.cut_templates(whole, rows)[0, 0, 0] == first
    assert sky.cut_templates(whole, rows).shape == (2, rows, 8)


def test_templates_of_another_size_do_not_serve():
    assert sky.cut_templates(np.zeros((2, 256, 8), np.float32), 2048) is None


def test_gaps_of_the_level_are_filled():
    level = np.full((64, 64), 3.0, np.float32)
    level[5, 6] = np.nan
    assert np.allclose(sky.fill_level(level), 3.0)
    with pytest.raises(NotApplicable, match="no rate in an integration"):
        sky.fill_level(np.full((4, 4), np.nan, np.float32))


def test_times_of_groups_end_with_their_last_frame():
    assert sky.group_times(3, nframes=4, groupgap=1, tframe=2.0) == [8.0, 18.0, 28.0]


def test_light_in_a_box_counts_parts_of_pixels_and_some_wavelengths():
    weights = np.array([[0.0, 0.5, 0.5, 0.5], [0.0, 1.0, 1.0, 1.0]])
    box = Box(weights, np.array([np.nan, 3.0, 2.0, 1.0]))
    rates = [np.array([[7, 2, 4, 8], [7, 1, 10, np.nan]], np.float32), np.ones((2, 4), np.float32)]
    assert light.box_light(rates, box, (0.5, 2.5)).tolist() == [12 + 4, 3]
    assert light.box_light(rates, box, (-np.inf, np.inf)).tolist() == [2 + 12 + 4, 4.5]
