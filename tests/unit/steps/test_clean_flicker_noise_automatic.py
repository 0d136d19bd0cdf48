import numpy as np
import pytest

from rampflow.steps.clean_flicker_noise import automatic

NIRCAM, NIRISS = automatic.LIMITS["NRC_IMAGE"], automatic.LIMITS["NIS_IMAGE"]
#: A field without anything special.
PLAIN = automatic.Seen(masked=0.03, offset=0.0, slope=1e-6, ratio=2.0, scatter=0.01)


@pytest.mark.parametrize(
    ("limits", "changes", "method", "by_channel"),
    [
        (NIRISS, {}, "median", False),
        (NIRISS, {"scatter": 0.02}, "median", True),
        (NIRISS, {"slope": 1e-5}, "model", False),
        (NIRISS, {"slope": 1e-5, "ratio": 5.0}, "median", False),
        (NIRCAM, {"slope": 1e-5, "ratio": 5.0}, "model", False),
        (NIRISS, {"slope": 1e-4, "ratio": 5.0}, "model", False),
        (NIRISS, {"offset": 0.07, "slope": 1e-3}, "median", True),
        (NIRISS, {"masked": 0.07, "scatter": 1.0}, "median", False),
        (NIRCAM, {"masked": 0.07, "scatter": 1.0}, "median", True),
        (NIRISS, {"masked": 0.07, "slope": 1e-5}, "model", False),
        (NIRISS, {"masked": 0.07, "slope": 1e-5, "offset": 0.07}, "median", False),
        (NIRISS, {"masked": 0.07, "slope": 1e-4, "offset": 0.07}, "model", False),
    ],
)
def test_what_is_seen_decides(limits, changes, method, by_channel):
    chosen = automatic.choose_parameters(PLAIN._replace(**changes), limits)
    assert chosen == {"background_method": method, "fit_by_channel": by_channel}


def test_a_slope_is_seen_through_sources_and_noise_of_lines():
    rng = np.random.default_rng(8)
    rate = rng.normal(1, 0.01, (160, 192)) + 1e-3 * np.arange(192) + rng.normal(0, 0.1, (160, 1))
    rate[70:80, 90:100] = 50
    rate[3, 3] = np.nan
    seen = automatic.look(rate.astype(np.float32), 1, "NRC_IMAGE")
    assert seen.slope == pytest.approx(1e-3, rel=0.05)
    assert seen.offset == 0 and seen.masked > 101 / rate.size
    assert automatic.choose_parameters(seen, NIRCAM)["background_method"] == "model"


@pytest.mark.parametrize(("exp_type", "axis"), [("NRC_IMAGE", 1), ("NIS_IMAGE", 0)])
def test_steps_between_outputs_are_seen_where_they_are_side_by_side(exp_type, axis):
    steps = np.repeat([0, 0.1, 0.3, 0.2], 512)
    rate = (1 + np.random.default_rng(9).normal(0, 0.05, (2048, 64)) + steps[:, np.newaxis]).astype(np.float32)
    seen = automatic.look(rate if axis == 0 else rate.T, axis, exp_type)
    assert seen.offset == pytest.approx(0.2, abs=0.02)
