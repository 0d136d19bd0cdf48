"""The maximum-likelihood fit against the same mathematics with dense matrices, and against the truth."""

import numpy as np
import pytest
from scipy import stats

from rampflow.detector import dq
from rampflow.steps import ramp_fit
from rampflow.steps.ramp_fit.likely import fit_likely

DNU, SAT, JUMP = dq.DO_NOT_USE, dq.SATURATED, dq.JUMP_DET


def fit(sci, groupdq=0, *, pixeldq=0, gain=2.0, readnoise=10.0, dark=None, zeroframe=None, **options):
    """Fit ramps of shape (ngroups,), or (nints, ngroups, rows, nx)."""
    sci = np.array(sci, np.float32)
    sci = sci if sci.ndim == 4 else sci[np.newaxis, :, np.newaxis, np.newaxis]
    flags = np.array(groupdq, np.uint8)
    flags = flags if flags.ndim in (0, 4) else flags[np.newaxis, :, np.newaxis, np.newaxis]
    shape = sci.shape[-2:]
    image = lambda value, kind=np.float32: np.array(np.broadcast_to(value, shape), kind)  # noqa: E731
    if zeroframe is not None:
        zeroframe = np.array(np.broadcast_to(zeroframe, (len(sci), *shape)), np.float32)
    given = {"firstgroup": None, "lastgroup": None, "tframe": 10.0, "nframes": 1, "groupgap": 0}
    given |= {"flag_saturated": "all", "flag_chisq_pvalue": None}
    return fit_likely(
        np.ascontiguousarray(sci),
        np.array(np.broadcast_to(flags, sci.shape)),
        image(pixeldq, np.uint32),
        image(gain),
        image(readnoise),
        None if dark is None else image(dark),
        zeroframe,
        **given | options,
    )


def ramps(rng, rate, *, ngroups=8, shape=(1, 40, 50), gain=2.0, readnoise=10.0, nframes=1, groupgap=0, tframe=10.0):
    """Ramps (DN) of a rate (DN/s): every frame is read, groups are the means of theirs; also the first frames."""
    nints, *image = shape
    each = nframes + groupgap
    frames = rng.poisson(rate * gain * tframe, (nints, ngroups * each, *image)).cumsum(axis=1) / gain
    frames = frames + rng.normal(0, readnoise / np.sqrt(2), frames.shape)
    groups = frames.reshape(nints, ngroups, each, *image)[:, :, :nframes].mean(axis=2)
    return groups.astype(np.float32), frames[:, 0].astype(np.float32)


# ---- the same with dense matrices: straight from the covariance of the reads


def dense(values, times, use, photon, read_variance):
    """Rate, variances and chi-squared by generalised least squares on differences, with numpy's matrices."""
    reads = np.concatenate(times)
    mean = np.zeros((len(times), reads.size))
    at = np.cumsum([0, *(len(each) for each in times)])
    for k, each in enumerate(times):
        mean[k, at[k] : at[k + 1]] = 1 / len(each)
    delta = np.diff([np.mean(each) for each in times])
    differences = np.diff(np.eye(len(times)), axis=0) / delta[:, np.newaxis] @ mean
    rows = np.flatnonzero(use)
    differences = differences[rows]
    # Photons: the covariance of two reads is what has arrived at the earlier one.
    poisson = differences @ (photon * np.minimum.outer(reads, reads)) @ differences.T
    noise = differences @ (read_variance * np.eye(reads.size)) @ differences.T
    inverse = np.linalg.inv(poisson + noise)
    # The samples are in single precision, and so is what is subtracted of them.
    d = (np.diff(values.astype(np.float32)) / delta)[rows]
    weights = inverse.sum(axis=0) / inverse.sum()
    rate = weights @ d
    residual = d - rate
    return rate, weights @ poisson @ weights, weights @ noise @ weights, residual @ inverse @ residual


def frame_times(ngroups, nframes, groupgap, tframe=10.0):
    return [(np.arange(nframes) + 1 + g * (nframes + groupgap)) * tframe for g in range(ngroups)]


@pytest.mark.parametrize(
    ("ngroups", "nframes", "groupgap", "flags"),
    [
        (4, 1, 0, {}),
        (8, 1, 0, {}),
        (8, 1, 3, {3: SAT}),
        (7, 4, 1, {}),
        (9, 8, 2, {0: DNU, 5: JUMP}),
        (10, 4, 0, {4: DNU, 8: SAT, 9: SAT}),
        (50, 1, 0, {}),
        (50, 2, 1, {20: JUMP, 21: DNU}),
    ],
)
def test_the_fit_is_that_of_dense_matrices(ngroups, nframes, groupgap, flags):
    rng = np.random.default_rng(ngroups)
    layout = {"nframes": nframes, "groupgap": groupgap}
    sci, _ = ramps(rng, 20.0, ngroups=ngroups, shape=(1, 3, 4), **layout)
    q = np.zeros(sci.shape, np.uint8)
    for group, flag in flags.items():
        q[:, group] = flag
    rate, ints, chisq = fit(sci, q, dark=1.5, **layout)
    times = frame_times(ngroups, **layout)
    delta = np.diff([each.mean() for each in times])
    for y, x in np.ndindex(3, 4):
        values = sci[0, :, y, x].astype(float)
        use = (q[0, 1:, y, x] == 0) & (q[0, :-1, y, x] == 0)
        # The noise is that of the median first, then of the rate found with that, and of the dark.
        guess = np.median(np.diff(values) / delta)
        assert not ints.dq[0, y, x] & JUMP or JUMP in flags.values()
        guess = dense(values, times, use, guess / 2, 50.0)[0]
        expected = dense(values, times, use, (guess + 1.5) / 2, 50.0)
        found = [getattr(ints, name)[0, y, x] for name in ("slope", "var_poisson", "var_rnoise")]
        np.testing.assert_allclose([*found, chisq[y, x]], expected, rtol=2e-6)
        assert ints.err[0, y, x] == pytest.approx(np.sqrt(found[1] + found[2]), rel=1e-6)
        assert rate.slope[y, x] == pytest.approx(found[0], rel=1e-6)


#: Four samples of each of three frames, in s: between frames it takes longer.
UNEVEN = [[2.0 * frame + 0.8 + 0.4 * sample] for frame in range(3) for sample in range(4)]


def test_groups_may_be_read_at_any_times():
    # Exactly a straight line at these times: the rate, whatever the noise.
    rate, _, chisq = fit([70.0 * time for (time,) in UNEVEN], read_times=UNEVEN)
    assert rate.slope[0, 0] == pytest.approx(70.0, rel=1e-6) and chisq[0, 0] < 1e-6
    # The wrong times of the header give another.
    assert abs(fit([70.0 * time for (time,) in UNEVEN], tframe=2.0)[0].slope[0, 0] - 70.0) > 10
    rng = np.random.default_rng(2)  # fixed seed: the same ramps in every run
    arrived = rng.poisson(2 * 300.0 * np.diff([0.0, *np.ravel(UNEVEN)])[:, np.newaxis, np.newaxis], (12, 3, 4))
    sci = (arrived.cumsum(axis=0) / 2 + rng.normal(0, 7, arrived.shape)).astype(np.float32)
    _, ints, chisq = fit(sci[np.newaxis], read_times=UNEVEN)
    times = [np.array(each) for each in UNEVEN]
    for y, x in np.ndindex(3, 4):
        values = sci[:, y, x].astype(float)
        use, delta = np.ones(11, bool), np.diff(np.ravel(UNEVEN))
        assert not ints.dq[0, y, x]
        guess = dense(values, times, use, np.median(np.diff(values) / delta) / 2, 50.0)[0]
        found = [getattr(ints, name)[0, y, x] for name in ("slope", "var_poisson", "var_rnoise")]
        np.testing.assert_allclose([*found, chisq[y, x]], dense(values, times, use, guess / 2, 50.0), rtol=2e-6)


def test_two_groups_at_any_times_are_enough():
    rate, _, _ = fit([10.0, 30.0], read_times=[[1.0], [1.5]])
    assert rate.slope[0, 0] == pytest.approx(40.0)


def test_uneven_groups_are_fitted_by_likely():
    assert ramp_fit.takes_likely("LIKELY", 4, None) and not ramp_fit.takes_likely("LIKELY", 3, None)
    assert not ramp_fit.takes_likely("OLS_C", 9, None) and ramp_fit.takes_likely("LIKELY", 2, UNEVEN)
    with pytest.warns(UserWarning, match="fitted by LIKELY instead of OLS_C"):
        assert ramp_fit.takes_likely("OLS_C", 12, UNEVEN)


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1)])
def test_jumps_are_found_as_by_trying_each_in_turn(nframes, groupgap):
    rng = np.random.default_rng(5)
    layout = {"nframes": nframes, "groupgap": groupgap}
    sci, _ = ramps(rng, 20.0, ngroups=10, shape=(1, 12, 12), **layout)
    hit = rng.integers(1, 10, (2, 12, 12))
    for group, size in zip(hit, (60.0, 400.0), strict=True):
        sci += (np.arange(10)[:, np.newaxis, np.newaxis] >= group) * rng.exponential(size, (12, 12)).astype(np.float32)
    _, ints, chisq = fit(sci, **layout)
    times = frame_times(10, **layout)
    delta = np.diff([each.mean() for each in times])
    flagged = 0
    for y, x in np.ndindex(12, 12):
        values = sci[0, :, y, x].astype(float)
        use = np.ones(9, bool)
        guess = np.median(np.diff(values) / delta)
        while use.sum() > 3:
            before = dense(values, times, use, guess / 2, 50.0)[3]
            trials = []
            for spoilt in [(j,) for j in range(9)] + [(j, j + 1) for j in range(8) if nframes > 1]:
                if use[list(spoilt)].all():
                    less = use.copy()
                    less[list(spoilt)] = False
                    saved = before - dense(values, times, less, guess / 2, 50.0)[3]
                    trials.append((saved - (20.25 if len(spoilt) == 1 else 23.8), spoilt))
            worst, spoilt = max(trials)
            if worst <= 0:
                break
            use[list(spoilt)] = False
        flagged += not use.all()
        assert bool(ints.dq[0, y, x] & JUMP) == (not use.all())
        guess = dense(values, times, use, guess / 2, 50.0)[0]
        expected = dense(values, times, use, max(guess, 0) / 2, 50.0)
        assert ints.slope[0, y, x] == pytest.approx(expected[0], rel=1e-5)
        assert chisq[y, x] == pytest.approx(expected[3], rel=1e-4, abs=1e-4)
    assert 50 < flagged < 144


# ---- the truth


@pytest.mark.parametrize("nframes", [1, 4])
@pytest.mark.parametrize("ngroups", [4, 10, 50])
@pytest.mark.parametrize("rate", [0.1, 20.0, 500.0])
def test_errors_are_those_of_the_scatter(rate, ngroups, nframes):
    rng = np.random.default_rng(ngroups)
    shape = (1, 60, 100) if ngroups < 50 else (1, 30, 40)
    sci, _ = ramps(rng, rate, ngroups=ngroups, shape=shape, nframes=nframes)
    found, _, chisq = fit(sci, nframes=nframes)
    number = found.slope.size
    pulls = (found.slope - rate) / found.err
    # Where read noise rules, rates below zero have no photon noise, and the mean of pulls is not quite 0.
    assert abs(pulls.mean()) < 4 / np.sqrt(number) + 0.02
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * number) + 0.02)
    clean = (found.dq & JUMP) == 0
    assert chisq[clean].mean() == pytest.approx(ngroups - 2, abs=4 * np.sqrt(2 * ngroups / number) + 0.02 * ngroups)


@pytest.mark.parametrize(("nframes", "ngroups"), [(1, 10), (4, 10), (1, 40)])
def test_false_jumps_are_as_rare_as_the_thresholds_say(nframes, ngroups):
    rng = np.random.default_rng(3)
    sci, _ = ramps(
        rng, 50.0, ngroups=ngroups, shape=(1, 300, 1000) if ngroups < 40 else (1, 100, 1000), nframes=nframes
    )
    found, _, _ = fit(sci, nframes=nframes)
    false = np.count_nonzero(found.dq & JUMP)
    expected = found.dq.size * (ngroups - 1) * stats.chi2.sf(20.25, 1)
    if nframes > 1:
        expected += found.dq.size * (ngroups - 2) * stats.chi2.sf(23.8, 2)
    # An upper bound, as trials are correlated; near it, as extremes hardly coincide. Photon noise has some skew.
    assert 0.3 * expected - 3 * np.sqrt(expected) < false < 1.6 * expected + 4 * np.sqrt(expected)


def test_a_jump_of_many_standard_deviations_is_always_found_and_does_no_harm():
    rng = np.random.default_rng(4)
    sci, _ = ramps(rng, 20.0, ngroups=12, shape=(1, 50, 60), nframes=4)
    sci[:, 5] += 200 * rng.random((50, 60), np.float32)  # within the group
    sci[:, 6:] += 400
    found, _, _ = fit(sci, nframes=4)
    assert np.all(found.dq == JUMP)
    pulls = (found.slope - 20) / found.err
    assert abs(pulls.mean()) < 0.1 and pulls.std() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("unused", [[], [0], [0, 1, 2, 3], [4, 9]])
def test_jumps_are_found_where_there_is_no_light_and_groups_are_flagged(unused):
    rng = np.random.default_rng(12)
    sci, _ = ramps(rng, 0.0, ngroups=10, shape=(1, 30, 40))
    flags = np.zeros(sci.shape, np.uint8)
    flags[:, unused] = DNU
    sci[:, 7:] += 150  # 15 standard deviations of a difference
    found, _, _ = fit(sci, flags)
    assert np.all(found.dq == JUMP)
    pulls = found.slope / found.err
    assert abs(pulls.mean()) < 0.15 and pulls.std() == pytest.approx(1, abs=0.1)


def test_integrations_are_combined_without_bias():
    rng = np.random.default_rng(6)
    sci, _ = ramps(rng, 3.0, shape=(20, 30, 40), ngroups=5)
    rate, ints, chisq = fit(sci)
    pulls = (rate.slope - 3) / rate.err
    assert abs(pulls.mean()) < 0.15 and pulls.std() == pytest.approx(1, abs=0.07)
    assert chisq.mean() == pytest.approx(20 * 3, rel=0.03)
    np.testing.assert_allclose(rate.err, ints.err.mean(axis=0) / np.sqrt(20), rtol=0.1)


# ---- rules


def test_the_zero_frame_is_a_sample_of_its_own():
    rng = np.random.default_rng(8)
    sci, first = ramps(rng, 100.0, ngroups=6, shape=(1, 4, 5), nframes=4, groupgap=1)
    found, ints, chisq = fit(sci, zeroframe=first, nframes=4, groupgap=1)
    times = frame_times(6, 4, 1)
    times = [times[0][:1], times[0][1:], *times[1:]]
    for y, x in np.ndindex(4, 5):
        values, zero = sci[0, :, y, x], first[0, y, x]
        values = np.array([zero, (4 * values[0] - zero) / 3, *values[1:]])
        guess = np.median(np.diff(values) / np.diff([each.mean() for each in times]))
        guess = dense(values, times, np.ones(6, bool), guess / 2, 50.0)[0]
        expected = dense(values, times, np.ones(6, bool), guess / 2, 50.0)
        assert (found.slope[y, x], chisq[y, x]) == pytest.approx((expected[0], expected[3]), rel=3e-6)
    # It makes two samples of a ramp that is saturated from its second group on.
    flags = np.zeros(sci.shape, np.uint8)
    flags[:, 1:] = SAT
    assert np.isnan(fit(sci, flags, nframes=4)[0].slope).all()
    lone, _, _ = fit(sci, flags, zeroframe=first, nframes=4, groupgap=1)
    np.testing.assert_allclose(lone.slope, (sci[0, 0] - first[0]) * 4 / 3 / 20, rtol=1e-5)


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_a_zero_frame_that_is_not_there_changes_nothing(nothing):
    rng = np.random.default_rng(9)
    sci, first = ramps(rng, 100.0, ngroups=6, shape=(1, 4, 5), nframes=4)
    plain = fit(sci, nframes=4)
    for given in (nothing, np.where(np.arange(5) == 0, first, np.float32(nothing))):
        found = fit(sci, zeroframe=given, nframes=4)
        for ours, same in zip((*found[0], found[2]), (*plain[0], plain[2]), strict=True):
            np.testing.assert_array_equal(ours[:, 1:], same[:, 1:])
    single = fit(sci, zeroframe=first)
    np.testing.assert_array_equal(single[0].slope, fit(sci)[0].slope)


@pytest.mark.parametrize(
    ("rule", "flags", "expected"),
    [
        ("all", [0, 0, 0, 0, SAT, SAT], 0),
        ("any", [0, 0, 0, 0, SAT, SAT], SAT),
        ("all", [SAT] * 6, SAT | DNU),
        ("any", [SAT] * 6, SAT | DNU),
        ("all", [SAT, 0, 0, 0, 0, 0], SAT | DNU),
        ("any", [SAT, 0, 0, 0, 0, 0], SAT),
        ("all", [DNU, DNU, SAT, SAT, SAT, SAT], DNU),
        ("any", [DNU, DNU, SAT, SAT, SAT, SAT], DNU | SAT),
        ("all", [0, 0, JUMP, 0, 0, 0], JUMP),
        ("any", [0, dq.PERSISTENCE, dq.AD_FLOOR, 0, 0, 0], 0),
    ],
)
def test_flags_follow_the_release_s_rule(rule, flags, expected):
    data = 10.0 * np.arange(6)
    rate, ints, _ = fit(data, flags, pixeldq=dq.HOT, flag_saturated=rule)
    assert rate.dq[0, 0] == ints.dq[0, 0, 0] == expected | dq.HOT
    usable = any(flags[g] == flags[g + 1] == 0 for g in range(5))
    assert np.isfinite(rate.slope[0, 0]) == usable and (not usable or rate.slope[0, 0] == pytest.approx(1, rel=1e-6))


def test_an_integration_that_is_lost_is_left_out_of_the_rate():
    sci = np.zeros((3, 6, 1, 1), np.float32) + 10 * np.arange(6, dtype=np.float32)[:, np.newaxis, np.newaxis]
    flags = np.zeros(sci.shape, np.uint8)
    flags[1] = SAT
    rate, ints, chisq = fit(sci, flags)
    assert rate.dq[0, 0] == 0 and rate.slope[0, 0] == pytest.approx(1, rel=1e-6)
    assert list(ints.dq[:, 0, 0]) == [0, SAT | DNU, 0] and np.isnan(ints.err[1, 0, 0]) and np.isnan(chisq[0, 0])
    assert fit(sci, flags, flag_saturated="any")[0].dq[0, 0] == SAT


def test_an_integration_of_rate_0_counts_with_its_read_noise():
    # 0.2 DN/s and 0 DN/s without dark: the first has photon noise, which is brought to the common rate.
    sci = np.stack([2.0 * np.arange(6), np.zeros(6)])[:, :, np.newaxis, np.newaxis]
    rate, ints, _ = fit(sci)
    photon, read = ints.var_poisson.ravel(), ints.var_rnoise.ravel()
    assert ints.slope.ravel().tolist() == pytest.approx([0.2, 0]) and photon[1] == 0
    common = 0.1
    for _ in range(2):
        weights = 1 / (read + [photon[0] * common / 0.2, 0])
        common = 0.2 * weights[0] / weights.sum()
    assert rate.slope[0, 0] == pytest.approx(common, rel=1e-5)
    assert rate.var_rnoise[0, 0] == pytest.approx((weights**2 * read).sum() / weights.sum() ** 2, rel=1e-5)


def test_an_integration_of_rate_0_has_no_photon_noise_of_the_dark_in_the_rate():
    # One difference in 10 s each, of 0 and of 20 DN: 0 and 2 DN/s, read noise (100 / 2 + 100 / 2) / 10^2 = 1; the
    # dark of 20 DN/s gives photon noise of (0 + 20) / 2 / 10 = 1 and (2 + 20) / 2 / 10 = 1.1.
    data = np.array([[0, 100, 100, 0], [0, 100, 120, 0.0]])[:, :, np.newaxis, np.newaxis]
    flags = np.tile(np.array([DNU, 0, 0, DNU])[:, np.newaxis, np.newaxis], (2, 1, 1, 1))
    rate, ints, _ = fit(data, flags, dark=20.0)
    assert ints.slope.ravel().tolist() == [0, 2]
    assert ints.var_poisson.ravel().tolist() == pytest.approx([1, 1.1], rel=1e-6)
    # Weights 1 and 1 / (1 + 1.1 / 2) give 2 / 2.55 = 40/51 DN/s; with 1.1 (40/51) / 2 = 22/51 the second integration
    # has 1 / (2 + 22/51) = 51/124 of the weight, the first one 73/124.
    found = [each[0, 0] for each in (rate.slope, rate.var_poisson, rate.var_rnoise, rate.err)]
    expected = [2 * 51 / 124, 51 * 22 / 124**2, (51**2 + 73**2) / 124**2, np.sqrt(51 * 22 + 51**2 + 73**2) / 124]
    assert found == pytest.approx(expected, rel=1e-6)


def test_limits_leave_groups_out():
    data = np.array([0, 30, 40, 50, 60, 70, 90, 99.0])
    rate, _, _ = fit(data, firstgroup=1, lastgroup=5)
    assert rate.slope[0, 0] == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("lost", [{"gain": np.nan}, {"gain": 0.0}, {"gain": -1.0}, {"readnoise": np.nan}])
def test_what_is_not_known_gives_no_slope(lost):
    rate, _, _ = fit(10.0 * np.arange(6), **lost)
    assert np.isnan(rate.slope[0, 0]) and np.isnan(rate.err[0, 0]) and rate.dq[0, 0] == 0


def test_a_sample_that_is_no_number_gives_no_slope():
    rate, _, _ = fit([0, 10, np.nan, 30, 40, 50])
    assert np.isnan(rate.slope[0, 0])


def test_rates_below_zero_have_no_photon_noise():
    rate, _, _ = fit(-10.0 * np.arange(6))
    assert rate.slope[0, 0] == pytest.approx(-1, rel=1e-6)
    assert rate.var_poisson[0, 0] == 0 and rate.var_rnoise[0, 0] == pytest.approx(12 * 50 / (210 * 100), rel=1e-6)


def test_of_two_differences_that_contradict_the_lower_one_stays():
    for data in ([0, 10, 1010, 0, 0], [0, 1000, 1010, 0, 0]):
        rate, _, _ = fit(data, [0, 0, 0, SAT, SAT])
        assert rate.dq[0, 0] == JUMP and rate.slope[0, 0] == pytest.approx(1, rel=1e-5)
    # Of three, where two adjacent ones go together.
    for data in ([0, 500, 1510, 1520], [0, 10, 510, 1520]):
        rate, _, _ = fit(data, nframes=8)
        assert rate.dq[0, 0] == JUMP and rate.slope[0, 0] == pytest.approx(10 / 80, rel=1e-5)


@pytest.mark.parametrize("pvalue", [0.05, 1e-3])
def test_slopes_are_flagged_by_the_probability_of_chi_squared(pvalue):
    rng = np.random.default_rng(10)
    sci, _ = ramps(rng, 100.0, ngroups=10, shape=(2, 200, 200))
    plain = fit(sci)
    assert not np.any(plain[0].dq & dq.UNRELIABLE_SLOPE)
    rate, ints, _ = fit(sci, flag_chisq_pvalue=pvalue)
    flagged = (ints.dq & dq.UNRELIABLE_SLOPE) > 0
    assert flagged.mean() == pytest.approx(pvalue, rel=0.1 + 4 / np.sqrt(pvalue * flagged.size))
    np.testing.assert_array_equal((rate.dq & dq.UNRELIABLE_SLOPE) > 0, flagged.any(axis=0))
    np.testing.assert_array_equal(rate.slope, plain[0].slope)
    np.testing.assert_array_equal(rate.dq & ~np.uint32(dq.UNRELIABLE_SLOPE), plain[0].dq)
    # A ramp that bends, and a noise that is three times what the reference says, are seen.
    bent = sci - 2e-5 * sci**2
    assert np.mean(fit(bent, flag_chisq_pvalue=pvalue)[0].dq & dq.UNRELIABLE_SLOPE > 0) > 0.5
    faint, _ = ramps(rng, 0.1, ngroups=10, shape=(2, 50, 50), readnoise=30.0)
    assert np.mean(fit(faint, flag_chisq_pvalue=pvalue)[0].dq & dq.UNRELIABLE_SLOPE > 0) > 0.9


def test_blocks_of_rows_give_the_same_bits_as_the_whole():
    rng = np.random.default_rng(11)
    sci, first = ramps(rng, 30.0, ngroups=7, shape=(3, 11, 150), nframes=4)
    sci += (rng.random(sci.shape) < 0.05).cumsum(axis=1) * np.float32(300)
    flags = ((rng.random(sci.shape) < 0.1) * rng.choice([DNU, SAT, JUMP], sci.shape)).astype(np.uint8)
    first[rng.random(first.shape) < 0.2] = 0
    options = {"nframes": 4, "flag_chisq_pvalue": 1e-3}
    whole = fit(sci, flags, zeroframe=first, **options)
    for start, stop in ((0, 1), (1, 7), (7, 11)):
        part = fit(sci[:, :, start:stop], flags[:, :, start:stop], zeroframe=first[:, start:stop], **options)
        for ours, all_rows in zip((*part[0], *part[1], part[2]), (*whole[0], *whole[1], whole[2]), strict=True):
            np.testing.assert_array_equal(ours, all_rows[..., start:stop, :])
