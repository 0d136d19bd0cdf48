import numpy as np
import pytest
from astropy.stats import sigma_clip
from jump_parameters import PARAMETERS

from rampflow.detector import dq
from rampflow.steps import NotApplicable, jump

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE


def ramps(differences, ny=1, nx=1):
    """Ramps (nints, ngroups, ny, nx) that start at 0 and grow by the differences, in every pixel."""
    differences = np.atleast_2d(np.asarray(differences, np.float32))
    start = np.zeros((differences.shape[0], 1), np.float32)
    values = np.concatenate((start, np.cumsum(differences, axis=1)), axis=1)
    return np.tile(values[:, :, None, None], (1, 1, ny, nx)).astype(np.float32)


def search(sci, groupdq=None, *, mode="iterative", gain=1.0, readnoise=10.0, **changes):
    groupdq = np.zeros(sci.shape, np.uint8) if groupdq is None else groupdq.copy()
    gain, readnoise = (np.full(sci.shape[2:], image, np.float32) for image in (gain, readnoise))
    return jump.detect_jumps(sci, groupdq, gain, readnoise, mode=mode, **PARAMETERS | changes)


def flags(differences, groupdq=None, **changes):
    """Flags of a single pixel, (nints, ngroups)."""
    sci = ramps(differences)
    if groupdq is not None:
        groupdq = np.atleast_2d(np.asarray(groupdq, np.uint8))[:, :, None, None]
    return search(sci, groupdq, **changes).groupdq[:, :, 0, 0].tolist()


def noisy_exposure(nints, ngroups, ny, nx, seed=1):
    """Ramps with read noise 10, jumps of all sizes and bad groups."""
    rng = np.random.default_rng(seed)  # fixed seed: the same exposure in every run
    differences = rng.normal(20.0, 11.0, (nints, ngroups, ny, nx))
    hit = rng.random(differences.shape) < 0.05
    differences[hit] += rng.exponential(500.0, hit.sum())
    groupdq = np.where(rng.random(differences.shape) < 0.03, D, 0).astype(np.uint8)
    saturated_from = rng.integers(1, 4 * ngroups, (nints, ny, nx))
    groupdq[np.arange(ngroups)[:, None, None] >= saturated_from[:, None]] |= S
    return np.cumsum(differences, axis=1).astype(np.float32), groupdq


def differences_of_pixel(sci, groupdq, y, x):
    """Usable differences, NaN elsewhere: (nints, ngroups - 1)."""
    values = np.where(groupdq[:, :, y, x] & (S | D), np.float32(np.nan), sci[:, :, y, x])
    return np.diff(values, axis=1)


# --- properties of the exposure


@pytest.mark.parametrize("ngroups", [1, 2])
def test_ramps_of_two_groups_are_not_searched(ngroups):
    with pytest.raises(NotApplicable, match=f"at least 3 groups per integration, found {ngroups}"):
        jump.check_groups(ngroups)


def test_ramps_of_three_groups_are_searched():
    jump.check_groups(3)
    # Of two differences that are far apart the larger one is the jump.
    assert flags([0, 500]) == [[0, 0, J]]


def test_a_plane_is_unusable_when_all_its_pixels_are():
    groupdq = np.zeros((2, 3, 4, 5), np.uint8)
    groupdq[0, 0] = D | S
    groupdq[1, 2] = D
    groupdq[1, 2, 3, 4] = S
    assert jump.all_dnu_planes(groupdq).tolist() == [[True, False, False], [False, False, False]]


def test_unusable_planes_of_blocks_combine_to_those_of_the_exposure():
    groupdq = np.zeros((1, 3, 4, 5), np.uint8)
    groupdq[0, 0] = D
    groupdq[0, 1, :2] = D
    blocks = jump.all_dnu_planes(groupdq[:, :, :2]) & jump.all_dnu_planes(groupdq[:, :, 2:])
    assert blocks.tolist() == jump.all_dnu_planes(groupdq).tolist() == [[True, False, False]]


def test_median_gain_ignores_nan_and_counts_negative_gain():
    gain = np.array([[np.nan, -1.0], [2.0, 3.0]], np.float32)
    assert jump.median_gain(gain) == np.float32(2.0)


def test_median_gain_without_any_gain_is_nan():
    assert np.isnan(jump.median_gain(np.full((2, 2), np.nan, np.float32)))


@pytest.mark.parametrize(
    ("nints", "ngroups", "unusable", "only_use_ints", "mode"),
    [
        (1, 3, [], True, "iterative"),
        (1, 10, [], True, "iterative"),
        (1, 11, [], True, "single_pass"),
        (1, 11, [(0, 0)], True, "iterative"),
        (2, 3, [(1, 0)], True, "none"),
        (2, 5, [(0, 0), (1, 4)], True, "iterative"),
        (20, 3, [], True, "sigma_clip"),
        (19, 11, [], True, "single_pass"),
        (20, 3, [(0, 0), (0, 1), (0, 2)], True, "sigma_clip"),
        (4, 5, [], False, "sigma_clip"),
        (4, 5, [(0, 0)], False, "iterative"),
        (2, 10, [(0, g) for g in range(10)], False, "none"),
    ],
)
def test_choice_of_mode(nints, ngroups, unusable, only_use_ints, mode):
    planes = np.zeros((nints, ngroups), bool)
    for plane in unusable:
        planes[plane] = True
    options = {"min_diffs_single_pass": 10, "minimum_sigclip_groups": 20, "only_use_ints": only_use_ints}
    assert jump.choose_mode(planes, **options) == mode


# --- jumps


@pytest.mark.parametrize("mode", ["iterative", "single_pass"])
def test_a_jump_is_flagged_in_the_group_after_it(mode):
    assert flags([0, 0, 100, 0, 0], mode=mode) == [[0, 0, 0, J, 0, 0]]


@pytest.mark.parametrize(
    ("differences", "limit"),
    [([0, 0, 0, 0], 40.0), ([0, 0, 0], 50.0), ([0, 0], 60.0), ([[0, 0], [0, 0]], 40.0)],
    ids=["4 differences", "3 differences", "2 differences", "2 differences of 2 integrations"],
)
def test_limit_depends_on_the_number_of_differences_and_is_excluded(differences, limit):
    at = np.atleast_2d(np.array(differences, np.float32))
    above = at.copy()
    at[0, 1], above[0, 1] = limit, limit + 0.01
    assert np.count_nonzero(flags(at)) == 0
    assert flags(above)[0][2] == J
    assert np.count_nonzero(flags(above)) == 1


def test_unusable_groups_lower_the_number_of_differences():
    # Group 5 is bad: 3 of 5 differences remain and the limit is 50.
    assert flags([0, 45, 0, 0, 0], [0, 0, 0, 0, D, 0]) == [[0, 0, 0, 0, D, 0]]
    assert flags([0, 55, 0, 0, 0], [0, 0, 0, 0, D, 0]) == [[0, 0, J, 0, D, 0]]


def test_limit_of_a_single_pass_is_excluded_too():
    assert flags([0, 0, 40.0, 0, 0], mode="single_pass") == [[0] * 6]
    assert flags([0, 0, 40.01, 0, 0], mode="single_pass") == [[0, 0, 0, J, 0, 0]]
    assert flags([0, 0, 40.0, 500, 0], mode="single_pass") == [[0, 0, 0, 0, J, 0]]


def test_iteration_finds_a_jump_that_a_larger_one_hides():
    # First 1000 is found; without it, and without the then largest, the typical size is 100 and sigma 14.1.
    assert flags([100, 100, 100, 1000, 170]) == [[0, 0, 0, 0, J, J]]


def test_equal_largest_jumps_are_flagged_together():
    assert flags([0, 500, 0, 500, 0, 0, 0]) == [[0, 0, J, 0, J, 0, 0, 0]]


def test_a_drop_is_a_jump():
    assert flags([0, -100, 0, 0, 0]) == [[0, 0, J, 0, 0, 0]]


def test_averaged_frames_lower_the_read_noise():
    # Four frames: sigma 5, limit 20.
    assert flags([0, 21, 0, 0, 0], nframes=4) == [[0, 0, J, 0, 0, 0]]
    assert flags([0, 21, 0, 0, 0], nframes=1) == [[0] * 6]


def test_poisson_noise_follows_the_electrons():
    # 25 DN a group at a gain of 4: 100 electrons, sigma 10, limit 40 electrons = 10 DN more than 25.
    ramp = [25, 25, 34.9, 25, 25, 25]
    assert flags(ramp, gain=4.0, readnoise=0.0) == [[0] * 7]
    ramp[2] = 35.1
    assert flags(ramp, gain=4.0, readnoise=0.0) == [[0, 0, 0, J, 0, 0, 0]]


def test_read_noise_is_turned_to_electrons():
    # A gain of 2 scales jump and noise alike.
    assert flags([0, 40.01, 0, 0, 0], gain=2.0) == [[0, 0, J, 0, 0, 0]]
    assert flags([0, 40.0, 0, 0, 0], gain=2.0) == [[0] * 6]


@pytest.mark.parametrize("mode", ["iterative", "single_pass"])
@pytest.mark.parametrize("missing", [{"gain": np.nan}, {"readnoise": np.nan}])
def test_pixels_without_reference_have_no_jumps(mode, missing):
    assert flags([0, 500, 0, 0, 0], mode=mode, **missing) == [[0] * 6]


@pytest.mark.parametrize("mode", ["iterative", "single_pass"])
def test_without_noise_nothing_is_significant(mode):
    assert flags([0, 500, 0, 0, 0], mode=mode, readnoise=0.0) == [[0] * 6]


@pytest.mark.parametrize("mode", ["iterative", "single_pass", "sigma_clip"])
def test_saturated_ramps_keep_their_flags(mode):
    result = search(ramps([[0, 500, 0, 0]] * 6), np.full((6, 5, 1, 1), S, np.uint8), mode=mode)
    assert (result.groupdq == S).all()
    assert result.n_primary == 0


@pytest.mark.parametrize("bad", [S, D])
def test_differences_with_a_bad_group_are_not_used(bad):
    # The step is between groups 2 and 3, and 2 is bad.
    assert flags([0, 0, 500, 0, 0, 0], [0, 0, bad, 0, 0, 0, 0]) == [[0, 0, bad, 0, 0, 0, 0]]


def test_nan_is_no_measurement():
    sci = ramps([0, 0, 500, 0, 0, 0, 500, 0])
    sci[0, 2] = np.nan
    assert search(sci).groupdq.ravel().tolist() == [0, 0, 0, 0, 0, 0, 0, J, 0]


def test_typical_difference_is_that_of_all_integrations():
    # The second integration has too few groups of its own to tell which of its two differences is the jump.
    differences = [[10, 10, 10, 10], [10, 300, 10, 10]]
    groupdq = [[0, 0, 0, 0, 0], [0, 0, 0, S, S]]
    assert flags(differences, groupdq) == [[0] * 5, [0, 0, J, S, S]]


def test_jumps_are_counted_before_their_neighbours():
    sci = ramps([0, 0, 0, 0, 0], 3, 3)
    sci[0, 2:, 1, 1] += 500
    result = search(sci, flag_4_neighbors=True)
    assert result.n_primary == 1
    assert np.count_nonzero(result.groupdq) == 5


def test_single_pass_is_the_formula():
    sci, groupdq = noisy_exposure(2, 16, 4, 5)
    expected = groupdq.copy()
    for y, x in np.ndindex(4, 5):
        differences = differences_of_pixel(sci, groupdq, y, x)
        median = np.nanmedian(differences)
        ratio = np.abs(differences - median) / np.sqrt(np.float64(abs(median)) + 100 / 3)
        expected[:, 1:, y, x] |= np.where(ratio > 4.0, J, 0).astype(np.uint8)
    result = search(sci, groupdq, mode="single_pass", nframes=3).groupdq
    assert np.count_nonzero(result & J) > 20
    np.testing.assert_array_equal(result, expected)


def search_by_definition(differences, thresholds=(6.0, 5.0, 4.0)):
    """Flag the jumps of a pixel (gain 1, read noise 10) by the definition of the mode, one by one."""
    sizes, found = np.abs(differences), np.zeros(differences.shape, bool)
    while True:
        usable = np.sort(sizes[np.isfinite(sizes)])
        n = usable.size
        if n < 2:
            return found
        kept = usable[:1] if n == 2 else usable if n == 3 else usable[usable < usable[-1]]
        if kept.size == 0:
            return found
        typical = np.median(kept)
        ratio = np.abs(sizes - typical) / np.sqrt(np.float64(typical) + 100)
        if not np.nanmax(ratio) > thresholds[min(n, 4) - 2]:
            return found
        hit = ratio == np.nanmax(ratio)
        found |= hit
        sizes = np.where(hit, np.float32(np.nan), sizes)


@pytest.mark.parametrize(("nints", "ngroups", "ny", "nx"), [(1, 4, 1, 600), (2, 3, 7, 9), (3, 9, 5, 5)])
def test_iteration_follows_its_definition(nints, ngroups, ny, nx):
    sci, groupdq = noisy_exposure(nints, ngroups, ny, nx)
    expected = groupdq.copy()
    for y, x in np.ndindex(ny, nx):
        found = search_by_definition(differences_of_pixel(sci, groupdq, y, x))
        expected[:, 1:, y, x] |= np.where(found, J, 0).astype(np.uint8)
    result = search(sci, groupdq).groupdq
    assert np.count_nonzero(result & J) > 5
    np.testing.assert_array_equal(result, expected)


# --- sigma clipping


def test_sigma_clipping_flags_the_odd_integration():
    differences = np.tile([5.0, 50.0], (40, 1)) + np.tile([[-1.0], [1.0]], (20, 2))
    differences[7, 1] += 100
    expected = np.zeros((40, 3), int)
    expected[7, 2] = J
    assert flags(differences, mode="sigma_clip") == expected.tolist()


def test_sigma_clipping_of_all_groups_flags_what_every_integration_has():
    # The last difference is the same in all integrations, but odd among the others of the ramp.
    differences = np.tile([5.0] * 11 + [200.0], (10, 1)) + np.tile([[-1.0], [1.0]], (5, 12))
    assert not np.any(flags(differences, mode="sigma_clip"))
    pooled = np.array(flags(differences, mode="sigma_clip", rejection_threshold=3.0, only_use_ints=False))
    assert (pooled[:, -1] == J).all()
    assert not pooled[:, :-1].any()


@pytest.mark.parametrize(("usual", "odd"), [(0.0, 10.0), (10.0, 0.0)])
def test_sigma_clipping_is_about_the_median(usual, odd):
    # Mean 4 or 6, standard deviation 4.9: all are within 1.6 sigma of the mean, four are not of the median.
    differences = np.array([usual] * 6 + [odd] * 4)[:, None]
    result = np.array(flags(differences, mode="sigma_clip", rejection_threshold=1.6))
    assert result[:, 1].tolist() == [0] * 6 + [J] * 4


@pytest.mark.parametrize("only_use_ints", [True, False])
@pytest.mark.parametrize(("nints", "nsigma"), [(5, 1.0), (24, 2.0), (25, 2.5), (60, 3.0)])
def test_sigma_clipping_is_that_of_astropy(nints, nsigma, only_use_ints):
    sci, groupdq = noisy_exposure(nints, 4, 5, 40)
    usable = np.where(groupdq & (S | D), np.float32(np.nan), sci)
    differences = np.ma.masked_invalid(np.diff(usable, axis=1))
    axis = 0 if only_use_ints else (0, 1)
    # astropy warns of NaN that it leaves out, so they are handed over as masked zeros.
    values = np.ma.array(differences.filled(0.0), mask=differences.mask)
    clipped = sigma_clip(values, sigma=nsigma, maxiters=5, axis=axis).mask
    expected = groupdq.copy()
    expected[:, 1:] |= np.where(clipped & ~differences.mask, J, 0).astype(np.uint8)
    changes = {"rejection_threshold": nsigma, "only_use_ints": only_use_ints}
    result = search(sci, groupdq, mode="sigma_clip", **changes).groupdq
    assert np.count_nonzero(result & J) > 10
    np.testing.assert_array_equal(result, expected)


def odd_integration():
    """Twenty integrations of a 1 x 2 image; both pixels jump in integration 3, group 1."""
    sci = ramps(np.tile([[-1.0], [1.0]], (10, 3)), 1, 2)
    sci[3, 1:] += 100
    return sci


def test_planes_full_of_jumps_are_reported():
    groupdq = np.zeros((20, 4, 1, 2), np.uint8)
    groupdq[5, 2] = D
    result = search(odd_integration(), groupdq, mode="sigma_clip")
    assert np.argwhere(result.full_planes).tolist() == [[3, 1], [5, 2]]
    assert result.n_primary == 2


def test_jumps_of_reset_planes_are_void_where_there_is_no_other_flag():
    planes = np.zeros((20, 4), bool)
    planes[3, 1] = True
    groupdq = np.zeros((20, 4, 1, 2), np.uint8)
    groupdq[3, 1, 0, 1] = dq.CHARGELOSS
    result = search(odd_integration(), groupdq, mode="sigma_clip", reset_planes=planes)
    assert result.groupdq[3, 1, 0].tolist() == [0, dq.CHARGELOSS | J]
    assert result.n_primary == 1


def test_halo_rows_do_not_count_for_full_planes():
    sci = np.repeat(odd_integration(), 3, axis=2)
    sci[3, 1:, [0, 2]] -= 100
    result = search(sci, mode="sigma_clip", halo=(1, 1))
    assert np.argwhere(result.full_planes).tolist() == [[3, 1]]
    assert result.n_primary == 2
    assert not search(sci, mode="sigma_clip").full_planes.any()


# --- neighbours


def cross(y, x, ny=5, nx=5):
    plane = np.zeros((ny, nx), int)
    for dy, dx in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        if 0 <= y + dy < ny and 0 <= x + dx < nx:
            plane[y + dy, x + dx] = J
    return plane.tolist()


@pytest.mark.parametrize(("y", "x"), [(2, 2), (0, 0), (4, 3)])
def test_four_neighbours_are_flagged_in_the_same_group(y, x):
    sci = ramps([0, 0, 0, 0, 0], 5, 5)
    sci[0, 3:, y, x] += 500
    result = search(sci, flag_4_neighbors=True).groupdq[0]
    assert result[3].tolist() == cross(y, x)
    assert not result[[0, 1, 2, 4, 5]].any()


@pytest.mark.parametrize(("size", "flagged"), [(100, 1), (100.1, 5), (9999, 5), (10000, 1)])
def test_limits_for_neighbours_are_excluded(size, flagged):
    sci = ramps([0, 0, 0, 0, 0], 3, 3)
    sci[0, 3:, 1, 1] += size
    assert np.count_nonzero(search(sci, flag_4_neighbors=True).groupdq) == flagged


def test_limits_for_neighbours_in_long_series_are_about_the_median_of_all_differences():
    rng = np.random.default_rng(7)  # fixed seed: sizes on both sides of the limits, and very near to them
    differences = rng.normal(20.0, 3.0, (120, 4)).astype(np.float32)
    limits = 10 * np.sqrt(20 + 100), 1000 * np.sqrt(20 + 100)
    hit = np.arange(0, 120, 4), np.arange(30) % 4
    differences[hit] += rng.choice(limits, 30) * rng.uniform(0.98, 1.02, 30)
    sci = np.zeros((120, 5, 3, 3), np.float32)
    sci[:, :, 1, 1] = np.pad(differences, ((0, 0), (1, 0))).cumsum(axis=1)
    found = search(sci, mode="sigma_clip", flag_4_neighbors=True).groupdq
    differences = np.diff(sci[:, :, 1, 1], axis=1)
    median = np.median(differences)
    significance = np.abs(differences - median) / np.sqrt(float(median) + 100.0)
    expected = (found[:, 1:, 1, 1] == J) & (significance > 10) & (significance < 1000)
    assert 5 < expected.sum() < (found[:, 1:, 1, 1] == J).sum() - 5
    assert np.array_equal(found[:, 1:, 0, 1] == J, expected)


@pytest.mark.parametrize("bad", [S, D])
def test_bad_neighbours_are_not_flagged(bad):
    sci, groupdq = ramps([0, 0, 0, 0, 0], 3, 3), np.zeros((1, 6, 3, 3), np.uint8)
    sci[0, 3:, 1, 1] += 500
    groupdq[0, 3, 0, 1] = bad
    result = search(sci, groupdq, flag_4_neighbors=True).groupdq
    assert result[0, 3, :, 1].tolist() == [bad, J, J]


# --- groups after a jump


def test_groups_after_a_large_jump_are_flagged_for_the_given_time():
    # 29 s are 2 groups of 10 s.
    changes = {"after_jump_flag_dn1": 500.0, "after_jump_flag_time1": 29.0}
    assert flags([0, 500, 0, 0, 0, 0], **changes) == [[0, 0, J, J, J, 0, 0]]
    assert flags([0, 499, 0, 0, 0, 0], **changes) == [[0, 0, J, 0, 0, 0, 0]]


def test_size_for_groups_after_a_jump_is_in_dn_of_the_median_gain():
    changes = {"after_jump_flag_dn1": 500.0, "after_jump_flag_time1": 10.0, "gain": 2.0}
    assert flags([0, 500, 0, 0, 0], median_gain=2.0, **changes) == [[0, 0, J, J, 0, 0]]
    assert flags([0, 500, 0, 0, 0], median_gain=2.1, **changes) == [[0, 0, J, 0, 0, 0]]


def test_larger_jumps_may_have_a_longer_time():
    changes = {
        "after_jump_flag_dn1": 100.0,
        "after_jump_flag_time1": 10.0,
        "after_jump_flag_dn2": 1000.0,
        "after_jump_flag_time2": 30.0,
    }
    assert flags([0, 200, 0, 0, 0, 0], **changes) == [[0, 0, J, J, 0, 0, 0]]
    assert flags([0, 2000, 0, 0, 0, 0], **changes) == [[0, 0, J, J, J, J, 0]]


def test_groups_after_a_jump_end_with_the_integration_and_leave_bad_groups_out():
    changes = {"after_jump_flag_dn1": 100.0, "after_jump_flag_time1": 1000.0}
    differences = [[0, 500, 0, 0, 0], [0, 0, 0, 0, 0]]
    groupdq = [[0, 0, 0, 0, D, 0], [0] * 6]
    assert flags(differences, groupdq, **changes) == [[0, 0, J, J, D, J], [0] * 6]


def test_a_drop_has_no_groups_after_it():
    changes = {"after_jump_flag_dn1": 0.0, "after_jump_flag_time1": 20.0}
    assert flags([0, -500, 0, 0, 0, 0], **changes) == [[0, 0, J, 0, 0, 0, 0]]


def test_a_neighbour_that_grows_enough_has_groups_after_it_too():
    sci = ramps([0, 0, 0, 0, 0], 1, 2)
    sci[0, 2:, 0, 0] += 500
    sci[0, 2:, 0, 1] += 30  # below 4 sigma: no jump of its own
    changes = {"after_jump_flag_dn1": 30.0, "after_jump_flag_time1": 10.0, "flag_4_neighbors": True}
    assert search(sci, **changes).groupdq[0, :, 0, 1].tolist() == [0, 0, J, J, 0, 0]


# --- clean-up, cuts and errors


@pytest.mark.parametrize("mode", ["none", "iterative", "single_pass", "sigma_clip"])
def test_bad_groups_lose_jump_flags_that_came_with_the_data(mode):
    groupdq = np.zeros((3, 4, 1, 1), np.uint8)
    groupdq[0, :, 0, 0] = [J, J | S, J | D, dq.CHARGELOSS]
    result = search(ramps([[0, 0, 0]] * 3), groupdq, mode=mode).groupdq
    assert result[0, :, 0, 0].tolist() == [J, S, D, dq.CHARGELOSS]
    assert not result[1:].any()


def test_without_enough_groups_nothing_is_searched():
    result = search(ramps([0, 500, 0]), mode="none")
    assert not result.groupdq.any()
    assert result.n_primary == jump.NOT_SEARCHED


@pytest.mark.parametrize("cuts", [[3, 8], [1, 2, 3], [11]])
@pytest.mark.parametrize(
    ("mode", "nints", "ngroups"), [("iterative", 2, 6), ("single_pass", 1, 14), ("sigma_clip", 12, 4)]
)
def test_result_does_not_depend_on_the_cut(mode, nints, ngroups, cuts):
    sci, groupdq = noisy_exposure(nints, ngroups, 12, 9)
    changes = {
        "mode": mode,
        "rejection_threshold": 2.5,
        "flag_4_neighbors": True,
        "min_jump_to_flag_neighbors": 3.0,
        "after_jump_flag_dn1": 100.0,
        "after_jump_flag_time1": 10.0,
    }
    whole = search(sci, groupdq, **changes)
    count = 0
    for start, end in zip([0, *cuts], [*cuts, 12], strict=True):
        first, last = max(start - 1, 0), min(end + 1, 12)
        halo = (start - first, last - end)
        rows = (np.ascontiguousarray(array[:, :, first:last]) for array in (sci, groupdq))
        block = search(*rows, halo=halo, **changes)
        inner = slice(start - first, end - first)
        np.testing.assert_array_equal(block.groupdq[:, :, inner], whole.groupdq[:, :, start:end])
        count += block.n_primary
    assert count == whole.n_primary > 20


def test_the_buffer_of_flags_is_changed_in_place():
    sci, groupdq = ramps([0, 500, 0, 0, 0]), np.zeros((1, 6, 1, 1), np.uint8)
    image = np.ones((1, 1), np.float32)
    result = jump.detect_jumps(sci, groupdq, image, image, mode="iterative", **PARAMETERS)
    assert result.groupdq is groupdq
    assert groupdq[0, 2, 0, 0] == J


def test_flags_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"GROUPDQ has shape \(1, 5, 1, 1\), SCI \(1, 4, 1, 1\)"):
        search(ramps([0, 0, 0]), np.zeros((1, 5, 1, 1), np.uint8))


@pytest.mark.parametrize("name", ["gain", "readnoise"])
def test_references_of_another_shape_are_refused(name):
    images = {"gain": np.ones((2, 2), np.float32), "readnoise": np.ones((2, 2), np.float32)}
    images[name] = np.ones((3, 2), np.float32)
    sci = ramps([0, 0, 0], 2, 2)
    with pytest.raises(ValueError, match=rf"{name} has shape \(3, 2\), ramps \(2, 2\)"):
        jump.detect_jumps(sci, np.zeros(sci.shape, np.uint8), mode="iterative", **images, **PARAMETERS)


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="mode is 'twopoint'"):
        search(ramps([0, 0, 0]), mode="twopoint")


def test_a_block_of_halo_rows_only_is_refused():
    with pytest.raises(ValueError, match=r"halo \(1, 1\) leaves none of the 2 rows"):
        search(ramps([0, 0, 0], 2, 2), halo=(1, 1))


def test_blocks_join_to_the_exposure():
    first, second = np.array([[True, True, False]]), np.array([[True, False, True]])
    none, all_dnu = np.zeros((1, 3), bool), np.array([[True, False, False]])
    count, void = jump.join_blocks([(3, first), (4, second)], none)
    assert count == 7
    assert void.tolist() == [[True, False, False]]
    assert not jump.join_blocks([(3, first), (4, second)], all_dnu)[1].any()


def test_blocks_that_were_not_searched_stay_so():
    planes = np.zeros((1, 3), bool)
    count, _ = jump.join_blocks([(jump.NOT_SEARCHED, planes), (jump.NOT_SEARCHED, planes)], planes)
    assert count == jump.NOT_SEARCHED


# --- what else the product records


def test_pixels_without_gain_are_flagged_and_keep_their_flags():
    gain = np.array([[1.0, 0.0], [-1.0, np.nan]], np.float32)
    pixeldq = np.full((2, 2), dq.HOT, np.uint32)
    bad = dq.HOT | dq.NO_GAIN_VALUE | D
    assert jump.flag_bad_gain(pixeldq, gain).tolist() == [[dq.HOT, bad], [bad, bad]]


def test_event_rates_are_per_pixel_and_time_of_usable_differences():
    planes = np.zeros((2, 6), bool)
    planes[:, 0] = True  # 10 planes, 8 differences
    rates = jump.event_rates(80, 4, dnu_planes=planes, npixels=100, tgroup=10.0)
    assert rates == pytest.approx((1000 * 80 / 8000, 1e6 * 4 / 8000))


def test_event_rates_of_a_refused_search_are_negative():
    planes = np.zeros((1, 3), bool)
    rates = jump.event_rates(jump.NOT_SEARCHED, 0, dnu_planes=planes, npixels=99, tgroup=0.5)
    assert rates == pytest.approx((-1000.0, 0.0))


def test_event_rates_need_a_usable_difference():
    planes = np.array([[True, True, False]])
    assert jump.event_rates(0, 0, dnu_planes=planes, npixels=4, tgroup=10.0) is None


# --- samples of a ramp within a frame

# Three samples 1 s apart in each frame, 2 s from the last to the first of the next frame, at 1000 e/s.
WITHIN, BETWEEN = 1000.0, 2000.0
#: Three frames.
SAMPLED = [WITHIN, WITHIN, BETWEEN] * 2 + [WITHIN, WITHIN]
TIMES = [[0.0], [1.0], [2.0], [4.0], [5.0], [6.0], [8.0], [9.0], [10.0]]


def test_samples_are_counted_by_their_times():
    assert jump.sampling(None, 10.0) == (1, 10.0)
    assert jump.sampling(TIMES, 4.0) == (3, 1.25)
    assert jump.sampling([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 9.0) == (1, 2.0)
    assert jump.sampling([[0.5], [1.0], [2.0], [2.5]], 1.5) == (2, pytest.approx(2 / 3))


def test_times_that_are_not_of_frames_are_refused():
    with pytest.raises(ValueError, match="not the samples of frames that are read alike; make the ramp anew"):
        jump.sampling([[0.0], [1.0], [3.0], [4.0], [5.0], [6.0]], 3.0)
    with pytest.raises(ValueError, match="not the samples of frames"):
        jump.sampling(TIMES[:-1], 4.0)


@pytest.mark.parametrize("mode", ["single_pass", "iterative", "sigma_clip"])
def test_a_longer_time_from_frame_to_frame_is_no_jump(mode):
    differences = [SAMPLED, SAMPLED]
    options = {"mode": mode, "only_use_ints": False, "three_group_rejection_threshold": 4.0}
    assert flags(differences, samples=3, **options) == [[0] * 9, [0] * 9]
    if mode != "sigma_clip":
        # Taken for even it is.
        assert flags(differences, **options) == [[0, 0, 0, J, 0, 0, J, 0, 0]] * 2


@pytest.mark.parametrize("mode", ["single_pass", "iterative"])
@pytest.mark.parametrize(("step", "size"), [(0, 400.0), (4, 400.0), (7, 400.0), (2, 500.0), (5, 500.0)])
def test_jumps_are_found_among_differences_that_took_the_same_time(mode, step, size):
    # The noise is 33.2 e within frames and 45.8 e between them, four frames in two integrations for the latter.
    jumped = np.array([SAMPLED, SAMPLED])
    jumped[1, step] += size
    expected = [[0] * 9, [0] * 9]
    expected[1][step + 1] = J
    found = search(ramps(jumped), mode=mode, samples=3)
    assert found.groupdq[:, :, 0, 0].tolist() == expected and found.n_primary == 1
    # One that the noise of its kind explains is none.
    jumped[1, step] += (150.0 if step in (2, 5) else 100.0) - size
    assert not search(ramps(jumped), mode=mode, samples=3).groupdq.any()


def test_each_kind_is_searched_as_a_ramp_of_its_own():
    sci, groupdq = noisy_exposure(2, 12, 4, 5, seed=3)
    sci += 60.0 * (np.arange(12) // 4)[:, np.newaxis, np.newaxis]  # fixed steps between frames of four samples
    options = {"flag_4_neighbors": True, "min_jump_to_flag_neighbors": 6.0, "mode": "single_pass"}
    found = search(sci, groupdq, samples=4, **options).groupdq
    expected = search(sci.reshape(6, 4, 4, 5), groupdq.reshape(6, 4, 4, 5), **options).groupdq.reshape(sci.shape)
    between = np.stack((sci[:, 3:11:4], sci[:, 4::4]), axis=2).reshape(4, 2, 4, 5)
    flagged = np.stack((groupdq[:, 3:11:4], groupdq[:, 4::4]), axis=2).reshape(4, 2, 4, 5)
    flagged = search(between, flagged, **options).groupdq
    expected[:, 4::4] |= flagged[:, 1].reshape(2, 2, 4, 5)
    assert np.array_equal(found, expected)
    assert (found[:, 4::4] & J).any() and (found[:, 1] & J).any()
    plain = search(sci, groupdq, samples=4, **options | {"flag_4_neighbors": False}).groupdq
    assert np.count_nonzero(plain & J) < np.count_nonzero(found & J)


def test_along_integrations_samples_need_no_care():
    sci, groupdq = noisy_exposure(30, 8, 3, 4)
    options = {"mode": "sigma_clip", "only_use_ints": True}
    whole, sampled = (search(sci, groupdq, samples=samples, **options).groupdq for samples in (1, 4))
    assert np.array_equal(whole, sampled) and (whole & J).any()
