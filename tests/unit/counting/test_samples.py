import numpy as np
import pytest

from rampflow.counting import samples


def test_indices_are_spread_from_the_first_to_the_last():
    assert samples.evenly(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert samples.evenly(2048, 16).tolist()[:2] == [0, 136] and samples.evenly(2048, 16)[-1] == 2047
    assert samples.evenly(1, 3).tolist() == [0]
    assert samples.blocks(2048) == [slice(0, 128), slice(1920, 2048)]
    assert samples.blocks(300) == [slice(0, 128), slice(172, 300)]
    assert samples.blocks(64) == [slice(0, 64)]


def test_a_few_outliers_do_not_count():
    chance = np.random.default_rng(3)
    values = chance.normal(5, 2, 40_000)
    values[:400], values[400:500] = 1e6, np.nan
    found = samples.describe(values)
    assert found["samples"] == 39_900
    assert found["mean"] == pytest.approx(5, abs=0.05) and found["median"] == pytest.approx(5, abs=0.1)
    assert found["scatter"] == pytest.approx(2, rel=0.03)
    assert samples.describe(np.full(10, 3.0)) == {"samples": 10, "mean": 3.0, "median": 3.0, "scatter": 0.0}
    assert samples.describe(np.array([np.nan]))["mean"] is None


@pytest.mark.parametrize(
    ("instrument", "fastaxis", "noutputs", "transposed", "numbers"),
    [
        ("NIRCAM", 1, 4, False, [1, 1, 2, 4]),
        ("NIRCAM", -1, 4, False, [4, 4, 3, 1]),
        ("NIRCAM", 1, 1, False, [1, 1, 1, 1]),
        ("NIRSPEC", 2, 5, True, [1, 1, 2, 4]),
        ("NIRISS", -2, 4, True, [4, 4, 3, 1]),
        ("MIRI", 1, 5, False, [1, 4, 1, 4]),
    ],
)
def test_amplifiers_are_counted_in_the_order_of_the_detector(instrument, fastaxis, noutputs, transposed, numbers):
    place = np.array([0, 511, 512, 2047])
    other = np.array([7])
    places = (place, other) if transposed else (other, place)
    readout = samples.Readout.of(instrument, fastaxis, noutputs, places)
    assert readout.transposed == transposed and readout.amplifiers.tolist() == numbers


def test_noise_of_lines_is_found_beside_stars_and_rays_and_its_spectrum_has_its_power():
    chance = np.random.default_rng(4)
    level = chance.normal(0, 3, 512)
    first = chance.normal(100, 1, (512, 400)).astype(np.float32)
    second = first + level[:, None].astype(np.float32) + chance.normal(0, 1, first.shape).astype(np.float32)
    second[:, 50:120] += 5000
    second[::7, 300:310] = np.nan
    usable = chance.random(first.shape) < 0.9
    found = samples.levels(first, second, usable)
    # What is brighter moves the middle half of every line alike.
    residual = found - level
    assert np.std(residual) < 0.2 and samples.noise_of(found) == pytest.approx(3, rel=0.12)
    power = samples.spectrum([found[:128], found[128:256], found[256:384], found[384:]])
    assert len(power) == 64
    # White: the integral from 0 to 1/2 is the variance.
    assert np.sum(power) / 128 == pytest.approx(9, rel=0.25)


def test_lines_with_too_few_pixels_have_no_level():
    first, second = np.zeros((20, 10), np.float32), np.ones((20, 10), np.float32)
    usable = np.ones(first.shape, bool)
    usable[3, :5] = False
    found = samples.levels(first, second, usable)
    assert np.isnan(found[3]) and np.count_nonzero(found == 1) == 19
    assert samples.noise_of(found) == 0
    assert samples.noise_of(found[:4]) is None and samples.spectrum([found[:4]]) == []
