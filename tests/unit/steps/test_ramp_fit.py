import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import ramp_fit
from rampflow.steps.ramp_fit import Groups, NoSlopes, Planes
from rampflow.steps.ramp_fit.optional import count_segments, fit_optional

DNU, SAT, JUMP = dq.DO_NOT_USE, dq.SATURATED, dq.JUMP_DET
RELEASE_1_19 = {"slope_weights": "total", "flag_saturated": "all", "ignore_persistence": False}
RELEASE_3_0 = {"slope_weights": "read_noise", "flag_saturated": "any", "ignore_persistence": True}


def fit(data, flags=0, *, pixeldq=0, gain=2.0, readnoise=10.0, dark=None, zeroframe=None, time=10.0, **options):
    """Fit ramps of shape (ngroups,) or (nints, ngroups) as one pixel, or (nints, ngroups, rows, nx)."""
    sci = np.array(data, np.float32)
    sci = sci if sci.ndim == 4 else np.atleast_2d(sci)[..., np.newaxis, np.newaxis]
    groupdq = np.zeros(sci.shape, np.uint8)
    flags = np.array(flags, np.uint8)
    groupdq[:] = flags if flags.ndim in (0, 4) else np.atleast_2d(flags)[..., np.newaxis, np.newaxis]
    shape = sci.shape[-2:]
    image = lambda value, kind=np.float32: np.full(shape, value, kind)  # noqa: E731
    if zeroframe is not None:
        zeroframe = np.array(zeroframe, np.float32).reshape(len(sci), *shape)
    given = {"tgroup": time, "tframe": time, "nframes": 1, "suppress_one_group": True} | RELEASE_1_19
    given |= {"groups": Groups(0, sci.shape[1] - 1, 0, sci.shape[1] - 1)} | options
    dark = None if dark is None else image(dark)
    rate, ints = ramp_fit.fit_ramps(
        sci.copy(),
        groupdq,
        image(pixeldq, np.uint32),
        image(gain),
        image(readnoise),
        dark,
        zeroframe,
        **given,
    )
    return rate, ints


def one(slopes):
    """The numbers of the only pixel (of the first integration)."""
    return {name: array.ravel()[0] for name, array in slopes._asdict().items()}


def test_two_segments_are_joined_by_the_inverse_of_their_variances():
    rate, ints = fit([10, 20, 130, 140, 150], [0, 0, JUMP, 0, 0])
    found = one(rate)
    # Both segments rise by 1 DN/s: 2 groups, var_r = 12 (R/10)²/(6·4), and 3 groups, 12 (R/10)²/(24·4), R² = 200.
    assert found["slope"] == pytest.approx(1.0, rel=1e-6)
    assert found["var_poisson"] == pytest.approx(1 / 60, rel=1e-5)
    assert found["var_rnoise"] == pytest.approx(0.2, rel=1e-6)
    assert found["err"] == pytest.approx(0.4654747, rel=1e-6)
    assert one(ints)["err"] == pytest.approx(0.4668239, rel=1e-6)
    assert found["dq"] == JUMP


def test_a_lone_group_is_fitted_from_the_reset_unless_suppressed():
    flags = [0, SAT, SAT]
    found = one(fit([10, 20, 30], flags, suppress_one_group=False)[0])
    assert (found["slope"], found["var_poisson"], found["var_rnoise"]) == pytest.approx((1.0, 0.05, 1.0), rel=1e-6)
    assert found["err"] == pytest.approx(1.024695, rel=1e-6)
    found = one(fit([10, 20, 30], flags)[0])
    assert np.isnan(found["slope"]) and found["dq"] & DNU
    assert (found["err"], found["var_poisson"], found["var_rnoise"]) == (0, 0, 0)


@pytest.mark.parametrize(("release", "slope"), [(RELEASE_1_19, 0.9380590), (RELEASE_3_0, 0.94)])
def test_the_zero_frame_stands_in_for_a_saturated_integration(release, slope):
    data, flags = [[9, 9, 9], [10, 20, 30]], [[SAT] * 3, [0] * 3]
    # The first group of an exposure is not saturated everywhere: there is a second pixel.
    rate, _ = fit(data, flags, zeroframe=[7, 0], suppress_one_group=False, **release)
    found = one(rate)
    assert found["slope"] == pytest.approx(slope, rel=1e-6)
    assert found["var_poisson"] == pytest.approx(0.0141667, rel=1e-5)
    assert found["var_rnoise"] == pytest.approx(0.2, rel=1e-6)


def test_weights_follow_the_signal():
    assert one(fit([0, 1000, 2010, 3000, 3990, 5000])[0])["slope"] == pytest.approx(99.9944916, rel=1e-7)


def test_one_group_is_timed_to_the_middle_of_its_frames():
    found = one(fit([100], nframes=4)[0])
    assert found["slope"] == pytest.approx(100 / 25, rel=1e-6)


def test_two_groups_give_their_difference():
    found = one(fit([100, 300])[0])
    assert found["slope"] == pytest.approx(20.0, rel=1e-6)
    # var_p = M/(t g), var_r = 12 (R/t)²/(6 g²) with R² = 200.
    assert (found["var_poisson"], found["var_rnoise"]) == pytest.approx((20 / 20, 1.0), rel=1e-6)


def test_an_exposure_is_the_mean_of_its_integrations_where_they_are_alike():
    rate, ints = fit([[0, 10, 20, 30], [0, 30, 60, 90]], gain=1e6)
    np.testing.assert_allclose(ints.slope.ravel(), [1.0, 3.0], rtol=1e-6)
    assert one(rate)["slope"] == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize(("rule", "rate_dq", "ints_dq"), [("all", 0, [0, DNU | SAT]), ("any", SAT, [SAT, DNU | SAT])])
def test_saturation_is_flagged_by_the_release_s_rule(rule, rate_dq, ints_dq):
    flags = [[0, 0, 0, SAT], [SAT] * 4]
    rate, ints = fit([[0, 10, 20, 30]] * 2, flags, flag_saturated=rule)
    assert one(rate)["dq"] == rate_dq and one(rate)["slope"] == pytest.approx(1.0, rel=1e-6)
    assert list(ints.dq.ravel()) == ints_dq
    assert np.isnan(ints.slope.ravel()[1])


def test_an_integration_saturated_from_its_first_group_gives_no_slope():
    _, ints = fit([[0, 10, 20]] * 2, [[SAT, 0, 0], [0, 0, 0]])
    assert np.isnan(ints.slope.ravel()[0]) and ints.dq.ravel()[0] == DNU | SAT
    assert ints.slope.ravel()[1] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("gain", [0.0, -1.0, np.nan])
def test_a_pixel_without_a_gain_is_not_used(gain):
    found = one(fit([0, 10, 20], gain=gain)[0])
    assert found["dq"] == dq.NO_GAIN_VALUE | DNU and np.isnan(found["slope"])


def test_pixel_flags_go_into_every_product():
    rate, ints = fit([[0, 10, 20]] * 2, pixeldq=dq.HOT)
    assert one(rate)["dq"] == dq.HOT and set(ints.dq.ravel()) == {dq.HOT}


def test_the_dark_current_adds_to_the_photon_noise_only():
    plain, dark = one(fit([0, 100, 200])[0]), one(fit([0, 100, 200], dark=5.0)[0])
    assert dark["slope"] == plain["slope"] and dark["var_rnoise"] == plain["var_rnoise"]
    assert dark["var_poisson"] / plain["var_poisson"] == pytest.approx(1.5, rel=1e-6)


def test_a_jump_into_the_first_kept_group_is_no_jump():
    flags = [DNU, JUMP, 0, 0, DNU]
    found = one(fit([9, 110, 120, 130, 9], flags, groups=Groups(1, 3, 0, 4))[0])
    # Three groups: var_r = 12 (R/10)²/(24·4), R² = 200.
    assert found["dq"] == 0 and found["slope"] == pytest.approx(1.0, rel=1e-6)
    assert found["var_rnoise"] == pytest.approx(0.25, rel=1e-6)


def test_lone_groups_are_suppressed_before_groups_are_dropped():
    data, flags, kept = [9, 110, 120, 9], [DNU, JUMP, 0, DNU], Groups(1, 2, 0, 3)
    assert one(fit(data, flags, groups=kept)[0])["dq"] == DNU
    found = one(fit(data, flags, groups=kept, suppress_one_group=False)[0])
    assert found["dq"] == 0 and found["slope"] == pytest.approx(1.0, rel=1e-6)


def test_of_single_groups_the_first_is_fitted():
    found = one(fit([10, 25, 30], [0, DNU, 0])[0])
    assert found["slope"] == pytest.approx(1.0, rel=1e-6)
    assert found["var_rnoise"] == pytest.approx(1.0, rel=1e-6)


def test_single_groups_give_way_to_longer_segments():
    rate, _ = fit([10, 99, 20, 30], [0, DNU, 0, 0])
    assert one(rate)["slope"] == pytest.approx(1.0, rel=1e-6)
    assert one(rate)["var_rnoise"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(("release", "slope"), [(RELEASE_1_19, np.nan), (RELEASE_3_0, 0.0)])
def test_a_pixel_without_segments_is_not_flagged_unused(release, slope):
    rate, ints = fit([50, 40, 30], [DNU, JUMP, DNU], **release)
    assert one(rate)["dq"] == one(ints)["dq"] == JUMP
    np.testing.assert_equal(one(rate)["slope"], np.float32(slope))
    assert one(ints)["slope"] == 0


def test_an_integration_without_segments_adds_nothing():
    rate, _ = fit([[50, 40, 30], [10, 20, 30]], [[JUMP] * 3, [0] * 3])
    assert one(rate)["slope"] == pytest.approx(1.0, rel=1e-6)
    assert one(rate)["var_rnoise"] == pytest.approx(0.25, rel=1e-6)


def test_no_measurement_counts_as_zero_in_a_line_and_spoils_a_difference():
    # (50 - 0)/4 groups with the weights of the brightest ramps, which all but leave out the groups between.
    assert one(fit([np.nan, 20, 30, 40, 50])[0])["slope"] == pytest.approx(1.249939, rel=1e-6)
    found = one(fit([10, np.nan])[0])
    assert np.isnan(found["slope"]) and found["dq"] == 0


@pytest.mark.parametrize("place", range(5))
def test_an_infinite_sample_spoils_a_line(place):
    for groups in (4, 5):
        data = [10.0, 20, 30, 40, 50][:groups]
        data[min(place, groups - 1)] = np.inf
        found = one(fit(data)[0])
        assert np.isnan(found["slope"]) and found["dq"] == 0
        # In another segment the same, beside one that is good.
        found = one(fit([*data, 2000, 2010], [0] * groups + [JUMP, 0])[0])
        assert np.isnan(found["slope"]) and found["dq"] == JUMP


def test_an_unknown_read_noise_gives_no_slope_and_no_flag():
    found = one(fit([10, 20, 30], readnoise=np.nan)[0])
    assert np.isnan([found["slope"], found["err"], found["var_rnoise"]]).all() and found["dq"] == 0


def test_a_variance_beyond_all_use_is_zero():
    found = one(fit([10, 20, 30, 40, 50], readnoise=1e6)[0])
    assert found["var_rnoise"] == 0 and found["var_poisson"] == pytest.approx(1 / 80, rel=1e-6)


def test_the_median_rate_ignores_jumps_and_averages_integrations():
    # Differences 10 and (without the jump of 500) 10; then 30 and 30: M = 2 DN/s, photon noise M/(t g (n - 1)).
    _, ints = fit([[0, 10, 510, 520], [0, 30, 60, 90]], [[0, 0, JUMP, 0], [0] * 4])
    assert ints.var_poisson.ravel()[1] == pytest.approx(2 / (10 * 2 * 3), rel=1e-6)


def test_charge_loss_changes_the_read_noise_but_not_the_error():
    flags = [0, 0, 0, dq.CHARGELOSS | DNU, dq.CHARGELOSS | DNU]
    with_loss, without = (
        one(fit([0, 10, 20, 30, 40], flags)[0]),
        one(fit([0, 10, 20, 30, 40], [0, 0, 0, DNU, DNU])[0]),
    )
    # Five groups instead of three: (n³ - n) is 120 instead of 24.
    assert with_loss["var_rnoise"] / without["var_rnoise"] == pytest.approx(24 / 120, rel=1e-6)
    assert with_loss["err"] == without["err"] and with_loss["slope"] == without["slope"]


def test_charge_loss_gives_back_only_the_groups_that_it_took():
    loss = dq.CHARGELOSS | DNU
    found = one(fit([0, 10, 20, 30, 40, 50], [0, 0, DNU, loss, loss, loss])[0])
    # Two groups and three: 1/var_r = 1/1 + 1/0.25.
    assert found["var_rnoise"] == pytest.approx(0.2, rel=1e-6)


def test_a_flag_of_charge_loss_on_groups_that_are_in_use_gives_nothing_back():
    for flags in ([0, 0, 0, dq.CHARGELOSS, 0], [0, 0, DNU, 0, dq.CHARGELOSS]):
        used = [DNU if flag else 0 for flag in flags]
        found, same = one(fit([0, 10, 20, 30, 40], flags)[0]), one(fit([0, 10, 20, 30, 40], used)[0])
        assert found["var_rnoise"] == same["var_rnoise"] > 0


def test_persistence_is_ignored_when_asked_for():
    flags = [0, dq.PERSISTENCE, 0, 0]
    assert np.isfinite(one(fit([0, 10, 20, 30], flags, ignore_persistence=True)[0])["slope"])
    full = one(fit([0, 10, 20, 30], flags, ignore_persistence=True)[0])["var_rnoise"]
    part = one(fit([0, 10, 20, 30], flags)[0])["var_rnoise"]
    assert full < part


def planes(unused, saturated=None):
    return Planes(np.array(unused, np.uint8), np.array(saturated or [0] * len(unused), np.uint8))


def choose(found, trim=True, firstgroup=None, lastgroup=None):
    return ramp_fit.choose_groups(found, trim=trim, firstgroup=firstgroup, lastgroup=lastgroup)


def test_miri_drops_the_groups_that_no_pixel_can_use():
    assert choose(planes([1, 0, 0, 0, 1]))[:2] == (1, 3)
    assert choose(planes([1, 0, 0, 0, 1]), trim=False)[:2] == (0, 4)
    assert choose(planes([0, 0, 1, 1, 1]))[:2] == (0, 3)  # only the last one


def test_limits_that_contradict_each_other_are_ignored():
    none = planes([0] * 5)
    assert choose(none, firstgroup=1, lastgroup=3)[2:] == (1, 3)
    assert choose(none, firstgroup=3, lastgroup=2)[2:] == (0, 4)
    assert choose(none, firstgroup=-2, lastgroup=99)[2:] == (0, 4)


def test_limits_beyond_the_ramp_leave_what_there_is():
    assert choose(planes([0] * 5), firstgroup=4, lastgroup=9)[2:] == (4, 4)
    nothing = choose(planes([0] * 5), firstgroup=6, lastgroup=9)
    found = one(fit([10, 20, 30, 40, 50], groups=nothing)[0])
    assert np.isnan(found["slope"]) and found["dq"] == DNU


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (planes([1, 1, 1]), "all 3 groups are DO_NOT_USE"),
        (planes([1, 0, 1]), "only 1 of 3 groups"),
        (planes([0, 0, 0], [1, 0, 0]), "saturated in its first group"),
    ],
)
def test_an_exposure_without_slopes_is_refused(found, message):
    with pytest.raises(NoSlopes, match=message):
        choose(found)


def test_the_survey_finds_planes_of_flags_whatever_the_blocks():
    rng = np.random.default_rng(3)
    flags = rng.choice(np.array([0, DNU, SAT], np.uint8), (2, 4, 9, 6), p=[0.1, 0.6, 0.3])
    flags[:, 0] = DNU
    flags[:, 1] |= SAT
    options = {
        "suppress_one_group": False,
        "ignore_persistence": False,
        "firstgroup": None,
        "lastgroup": None,
    }
    parts = [ramp_fit.survey(np.ascontiguousarray(flags[:, :, a:b]), **options) for a, b in ((0, 2), (2, 9))]
    joined = ramp_fit.join(*parts)
    assert list(joined.unused) == [1, 0, 0, 0] and list(joined.saturated) == [0, 1, 0, 0]


def random_ramps(seed, shape=(2, 6, 11, 37)):
    rng = np.random.default_rng(seed)
    steps = rng.poisson(rng.uniform(1, 200, shape[-2:]), shape)
    sci = (np.cumsum(steps, axis=1) + rng.normal(0, 5, shape)).astype(np.float32)
    flags = rng.choice(np.array([0, DNU, SAT, JUMP, JUMP | DNU], np.uint8), shape, p=[0.8, 0.05, 0.05, 0.08, 0.02])
    return sci, flags


@pytest.mark.parametrize("release", [RELEASE_1_19, RELEASE_3_0])
def test_blocks_of_rows_give_the_same_bits_as_the_whole(release):
    sci, flags = random_ramps(5)
    whole = fit(sci, flags, **release)
    for a, b in ((0, 1), (1, 7), (7, 11)):
        part = fit(sci[:, :, a:b], flags[:, :, a:b], **release)
        for name in ramp_fit.Slopes._fields:
            for ours, all_rows in zip(part, whole, strict=True):
                np.testing.assert_array_equal(getattr(ours, name), getattr(all_rows, name)[..., a:b, :])


@pytest.mark.parametrize("ngroups", [2, 3, 5, 10])
def test_errors_are_those_of_the_scatter(ngroups):
    # 4,000 pixels at 20 DN/s, gain 2, read noise of 8 DN per frame: pulls of mean 0 and width 1 within 4 sigma.
    rng = np.random.default_rng(ngroups)
    shape, rate, gain, noise, time = (1, ngroups, 40, 100), 20.0, 2.0, 8.0, 10.0
    charge = np.cumsum(rng.poisson(rate * time * gain, shape), axis=1) / gain
    sci = charge + rng.normal(0, noise, shape)
    slopes, _ = fit(sci, gain=gain, readnoise=noise * np.sqrt(2), time=time)
    pulls = (slopes.slope - rate) / slopes.err
    n = pulls.size
    assert abs(pulls.mean()) < 4 / np.sqrt(n)
    # The error comes from the pixel's own median rate: its scatter widens the distribution a little.
    assert abs(pulls.std() - 1) < 4 / np.sqrt(2 * n) + 0.02


def describe(data, flags, zeroframe=None, *, suppress_one_group=True):
    """Segments and jumps of a pixel, and the optional product."""
    sci = np.array(data, np.float32)[np.newaxis, :, np.newaxis, np.newaxis]
    groupdq = np.array(flags, np.uint8)[np.newaxis, :, np.newaxis, np.newaxis]
    last, image = len(data) - 1, np.ones((1, 1), np.float32)
    if zeroframe is not None:
        zeroframe = np.full((1, 1, 1), zeroframe, np.float32)
    rules = {"groups": Groups(0, last, 0, last), "suppress_one_group": suppress_one_group, "ignore_persistence": False}
    counts = count_segments(groupdq, zeroframe, **rules)
    slope = np.ones((1, 1, 1), np.float32)
    found = fit_optional(
        sci, groupdq, 2 * image, 10 * image, slope, None, zeroframe, counts=counts, tgroup=10.0, tframe=10.0,
        nframes=1, groupgap=0, dropped=0, slope_weights="total", **rules,
    )  # fmt: skip
    return counts, found


def test_the_optional_product_has_room_for_what_there_is():
    counts, found = describe([10, 20, 30], [0, 0, 0])
    assert counts == (1, 0) and found.crmag.shape == (1, 0, 1, 1) and found.slope.shape == (1, 1, 1, 1)
    counts, found = describe([10, 20, 30], [DNU, DNU, SAT])
    assert counts == (0, 0) and found.slope.shape == found.weights.shape == (1, 0, 1, 1)


@pytest.mark.parametrize(("first", "size"), [(DNU, 110), (SAT, np.nan)])
def test_the_size_of_a_jump_is_counted_from_a_group_that_was_measured(first, size):
    # The zero frame is fitted, but a jump is a difference of groups, and a saturated group has no value.
    _, found = describe([10, 120, 130], [first, JUMP | DNU, DNU], zeroframe=7.0, suppress_one_group=False)
    np.testing.assert_array_equal(found.crmag.ravel(), [size])


def test_the_optional_product_describes_the_segments():
    counts, found = describe([10, 20, 130, 140, 150], [0, 0, JUMP, 0, 0])
    assert counts == (2, 1)
    np.testing.assert_allclose(found.slope[0, :, 0, 0], [1, 1], rtol=1e-6)
    assert found.crmag.ravel() == [110.0]
    # Counts at the reset: the first group less one frame's worth of slope, as the spec has it.
    assert found.pedestal.ravel() == [9.0]
