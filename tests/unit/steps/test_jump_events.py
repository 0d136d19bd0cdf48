import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.stats import sigma_clip
from jump_parameters import PARAMETERS
from numpy.testing import assert_allclose, assert_array_equal

from rampflow.detector import dq
from rampflow.steps import jump
from rampflow.steps.jump import showers as jump_showers
from rampflow.steps.jump.shapes import ellipse_of, pixels_of, regions
from rampflow.steps.jump.time_domain import running_medians

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE
REFERENCE = np.uint32(dq.REFERENCE_PIXEL)

SNOWBALLS = {
    "tgroup": 10.0,
    "min_sat_area": 1.0,
    "min_jump_area": 5.0,
    "expand_factor": 2.0,
    "sat_required_snowball": True,
    "min_sat_radius_extend": 2.5,
    "sat_expand": 2,
    "edge_size": 0,
    "mask_snowball_core_next_int": True,
    "snowball_time_masked_next_int": 4000,
    "max_extended_radius": 200,
}
FIND = {
    "extend_snr_threshold": 1.2,
    "extend_min_area": 90,
    "extend_inner_radius": 1.0,
    "extend_outer_radius": 2.6,
}
FLAG = {
    "tgroup": 10.0,
    "extend_ellipse_expand_ratio": 1.1,
    "time_masked_after_shower": 15.0,
    "max_extended_radius": 200,
}


def expand(groupdq, **changes):
    """New flags, and the number of snowballs."""
    frames = (frame for integration in groupdq.copy() for frame in integration)
    steps, new = jump.expand_snowballs(frames, ngroups=groupdq.shape[1], **SNOWBALLS | changes), []
    while True:
        try:
            new.append(next(steps))
        except StopIteration as end:
            return np.reshape(new, groupdq.shape), end.value


def snowball(nints=1, core=True):
    """Jumps in 7 x 7 pixels around (20, 20) in group 2, of which 3 x 3 saturate."""
    groupdq = np.zeros((nints, 5, 40, 40), np.uint8)
    groupdq[0, 2, 17:24, 17:24] = J
    if core:
        groupdq[0, 2:, 19:22, 19:22] = S
    return groupdq


def disc(radius, shape=(40, 40), centre=(20, 20)):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


# --- shapes


def test_the_ellipse_of_a_square_has_its_moments():
    mask = np.zeros((20, 20), bool)
    mask[5:12, 6:13] = True
    (region,) = regions(mask, 49)
    # Second moment of 7 pixels in a row: (49 - 1) / 12 = 4; the axis is 4 times its root, less 1.
    assert ellipse_of(region).centre == (8.0, 9.0)
    assert ellipse_of(region).axes == pytest.approx((7.0, 7.0))
    assert regions(mask, 50) == []


def test_holes_count_and_corners_touch():
    mask = np.zeros((20, 20), bool)
    mask[5:10, 5:10] = True
    mask[6:9, 6:9] = False
    assert len(regions(mask, 25)) == 1
    diagonal = np.eye(6, dtype=bool)
    assert len(regions(diagonal, 6)) == 1


def test_an_ellipse_is_drawn_along_its_angle_and_cut_at_the_edge():
    mask = np.zeros((21, 21), bool)
    mask[4:17, 9:12] = True
    (region,) = regions(mask, 5)
    drawn = np.zeros((21, 21), int)
    drawn[pixels_of(ellipse_of(region), (9.0, 5.0), (21, 21))] = 1  # radii 4 (of 4.5, to even) and 2
    assert drawn.sum(axis=1)[6:15].tolist() == [0, 3, 3, 3, 3, 3, 3, 3, 0]
    drawn = np.zeros((9, 21), int)
    drawn[pixels_of(ellipse_of(region), (9.0, 5.0), (9, 21))] = 1
    assert drawn.sum() == 6


# --- snowballs


def test_a_snowball_is_grown_in_its_group():
    new, count = expand(snowball())
    # 40 pixels around the core: the moment is (49 * 4 - 9 * 2 / 3) / 40 = 4.75, the radius 8.72 - 1 = 7.72 -> 8.
    expected = snowball()
    expected[0, 2] |= np.where(disc(8) & (expected[0, 2] != S), J, 0).astype(np.uint8)
    assert count == 1
    assert_array_equal(new, expected)


def test_without_a_core_it_is_none_but_at_the_edge_or_when_no_core_is_asked_for():
    assert expand(snowball(core=False))[1] == 0
    assert expand(snowball(core=False), edge_size=21)[1] == 1
    assert expand(snowball(core=False), sat_required_snowball=False)[1] == 1


def test_a_core_on_the_border_of_the_ellipse_is_inside():
    # Two pixels make an ellipse without width, in which only its mirror image at the diagonal has the pixels' centres.
    groupdq = np.zeros((1, 5, 40, 40), np.uint8)
    groupdq[0, 2, 20, 20:22] = J
    groupdq[0, 3:, 20, 20] = S
    assert expand(groupdq, min_jump_area=1)[1] == 1
    groupdq[0, 3:, 20, 19:21] = 0, S
    assert expand(groupdq, min_jump_area=1)[1] == 1
    groupdq[0, 3:, 20, 20:22] = 0
    groupdq[0, 3:, 20, 22] = S
    assert expand(groupdq, min_jump_area=1)[1] == 0


def test_a_core_of_the_next_group_will_do_and_one_of_the_group_before_will_not():
    for first, count in ((1, 0), (2, 1), (3, 1), (4, 0)):
        groupdq = snowball(core=False)
        groupdq[0, first:, 20, 20] |= S
        groupdq[0, 2, 20, 20] &= S
        assert expand(groupdq)[1] == count


def test_a_large_core_grows_to_the_end_of_the_integration_and_forgets_other_flags():
    groupdq = np.zeros((1, 5, 40, 40), np.uint8)
    groupdq[0, 2:, 17:24, 17:24] = S
    groupdq[0, :, 14, 20] = D
    new, _ = expand(groupdq)
    grown = disc(6)  # (7 + 4) / 2 = 5.5, rounded to even
    grown |= groupdq[0, 2] == S
    assert_array_equal(new[0, 2:] == S, np.broadcast_to(grown, (3, 40, 40)))
    assert_array_equal(new[0, :2], groupdq[0, :2])
    assert new[0, 2, 14, 20] == D  # (20 - 14) is not less than 6
    new, _ = expand(groupdq, sat_expand=3)
    assert new[0, 1:3, 14, 20].tolist() == [D, D]
    new, _ = expand(groupdq, sat_expand=4)
    assert new[0, 1:3, 14, 20].tolist() == [D, S]


def test_a_small_core_does_not_grow():
    assert_array_equal(expand(snowball(), min_jump_area=100)[0], snowball())


@pytest.mark.parametrize(("time", "last"), [(4000, 4), (39, 2), (20, 1), (10, 0), (5, 0)])
def test_cores_are_remembered_in_the_first_groups_of_the_next_integration(time, last):
    groupdq = np.zeros((3, 5, 40, 40), np.uint8)
    groupdq[0, 2:, 17:24, 17:24] = S
    groupdq[1, 1:, 20, 20] = S
    new, _ = expand(groupdq, snowball_time_masked_next_int=time)
    core = np.zeros((40, 40), bool)
    core[disc(4)] = True  # 7 / 2 = 3.5, rounded to even
    for group in range(5):
        assert_array_equal(new[1, group] & J != 0, core if 0 < group <= last else np.zeros_like(core))
    assert not new[2].any()
    assert not expand(groupdq, snowball_time_masked_next_int=time, mask_snowball_core_next_int=False)[0][1, :, 18].any()


def test_the_largest_radius_holds_for_jumps_and_cores():
    new, _ = expand(snowball(), max_extended_radius=5, expand_factor=9.0)
    assert_array_equal(new[0, 2] != 0, disc(5) | (snowball()[0, 2] != 0))


def test_ten_thousand_small_events_leave_the_flags_as_they_are():
    groupdq = np.zeros((1, 3, 512, 512), np.uint8)
    groupdq[0, 1, 2::5, 2::5] = J
    groupdq[0, 2, 3::5, 3::5] = J
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        groupdq[0, 1, 2 + dy : 510 : 5, 2 + dx : 510 : 5] = J
    groupdq[0, 2, 300, 300] = S
    assert_array_equal(expand(groupdq)[0], groupdq)


# --- showers


def shower_exposure(size=30.0, nints=1):
    """12 groups of 40 x 50 pixels without noise, read noise 10; a disc of radius 9 grows in group 5."""
    sci = np.zeros((nints, 12, 40, 50), np.float32)
    sci[0, 5:, disc(9, (40, 50))] = size
    return sci


def showers(sci, groupdq=None, pixeldq=None, cut=40, minimum_sigclip_groups=100, **changes):
    """New flags, and the showers found; blocks of `cut` rows."""
    groupdq = np.zeros(sci.shape, np.uint8) if groupdq is None else groupdq.copy()
    pixeldq = np.zeros((40, 50), np.uint32) if pixeldq is None else pixeldq
    gain, readnoise = np.ones((40, 50), np.float32), np.full((40, 50), 10, np.float32)
    blocks = [slice(row, min(row + cut, 40)) for row in range(0, 40, cut)]
    noise = {"nframes": 1, "minimum_sigclip_groups": minimum_sigclip_groups}
    parts = [
        jump_showers.typical_differences(sci[:, :, b].copy(), groupdq[:, :, b], gain[b], readnoise[b], **noise)
        for b in blocks
    ]
    median, noise = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    frames = ((sci[i, g], groupdq[i, g]) for i, g in np.ndindex(sci.shape[:2]))
    images = {"median": median, "noise": noise, "gain": gain, "pixeldq": pixeldq}
    options = {name: value for name, value in (FIND | changes).items() if name in FIND}
    steps = jump_showers.find_showers(frames, ngroups=sci.shape[1], **images, **options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    options = {name: value for name, value in (FLAG | changes).items() if name in FLAG}
    for i in range(sci.shape[0]):
        for b in blocks:
            place = {"place": (i, b), "showers": found, "ny": 40}
            flags = groupdq[i][:, b].copy()
            groupdq[i][:, b] = jump_showers.flag_showers(sci[i][:, b], flags, gain[b], pixeldq[b], **place, **options)
    return groupdq, found


def test_a_shower_is_found_and_flagged_for_a_while():
    flags, found = showers(shower_exposure())
    assert [(shower.integration, shower.group) for shower in found] == [(0, 5)]
    assert found[0].ellipse.centre == (20.0, 20.0)
    covered = flags[0, 5] == J
    # 3 sigma inside: the mean over the ring falls to 1.2 about a pixel and a half outside.
    assert covered[disc(9, (40, 50))].all()
    assert not covered[~disc(13, (40, 50))].any()
    assert_array_equal(flags[0, 6], flags[0, 5])
    assert not flags[0, :5].any()
    assert not flags[0, 7:].any()


@pytest.mark.parametrize("changes", [{"extend_snr_threshold": 3.1}, {"extend_min_area": 600}])
def test_faint_and_small_ones_are_none(changes):
    assert showers(shower_exposure(), **changes)[1] == []


def test_saturated_and_reference_pixels_keep_their_flags():
    groupdq, pixeldq = np.zeros((1, 12, 40, 50), np.uint8), np.zeros((40, 50), np.uint32)
    groupdq[0, 6:, 20, 20] = S
    groupdq[0, 5:, 21, 21] = S
    pixeldq[22, 22] = REFERENCE
    flags, _ = showers(shower_exposure(), groupdq, pixeldq)
    assert flags[0, 4:8, 20, 20].tolist() == [0, J, S, S]
    assert flags[0, 4:8, 21, 21].tolist() == [0, S, S, S]
    assert not flags[0, :, 22, 22].any()


def test_pixels_that_change_too_much_or_have_nothing_left_keep_their_flags():
    sci = shower_exposure()
    sci[0, 5:, 20, 20] = 700.0  # 11 differences: the mean changes by 700 / 11 = 63.6, the limit is 60
    sci[0, 5:, 20, 21] = 600.0
    groupdq = np.zeros(sci.shape, np.uint8)
    groupdq[0, :5, 20, 22] = groupdq[0, 7:, 20, 22] = D
    flags, _ = showers(sci, groupdq)
    assert not flags[0, :, 20, 20].any()
    assert flags[0, 5, 20, 21] == J
    assert_array_equal(flags[0, :, 20, 22], groupdq[0, :, 20, 22])


def test_showers_do_not_depend_on_the_cut():
    rng = np.random.default_rng(3)  # fixed seed: the same noise in every run
    sci = np.cumsum(rng.normal(20, 9, (2, 12, 40, 50)), axis=1).astype(np.float32) + shower_exposure(40.0, 2)
    groupdq = np.where(rng.random(sci.shape) < 0.02, J, 0).astype(np.uint8)
    whole, found = showers(sci, groupdq, cut=40)
    assert len(found) == 1
    assert_array_equal(showers(sci, groupdq, cut=7)[0], whole)


def test_long_series_are_compared_along_time():
    rng = np.random.default_rng(4)  # fixed seed: the same noise in every run
    differences = rng.normal(20, 9, (20, 4, 40, 50)) + 50.0 * np.arange(4)[:, None, None]  # the ramps are curved
    differences[7, 2, disc(9, (40, 50))] += 30.0
    sci = np.cumsum(differences, axis=1).astype(np.float32)
    found = showers(sci, minimum_sigclip_groups=20)[1]
    assert [(shower.integration, shower.group) for shower in found] == [(7, 2)]
    groupdq = np.where(rng.random(sci.shape) < 0.02, D, 0).astype(np.uint8)
    values = np.ma.masked_array(np.diff(sci, axis=1), (groupdq[:, 1:] | groupdq[:, :-1]) != 0)
    clipped = sigma_clip(values, sigma=5, axis=0)
    images = np.ones((2, 40, 50), np.float32)
    median, noise = jump_showers.typical_differences(sci, groupdq, *images, nframes=1, minimum_sigclip_groups=20)
    assert_allclose(median, np.ma.median(clipped, axis=0), rtol=1e-6)
    assert_allclose(noise, clipped.std(axis=0), rtol=1e-5)


def test_few_integrations_are_not_compared_along_time():
    sci = np.zeros((19, 4, 2, 3), np.float32)
    images = np.ones((2, 2, 3), np.float32)
    for nints, expected in ((18, (1, 2, 3)), (19, (3, 2, 3))):
        found = jump_showers.typical_differences(
            sci[:nints], np.zeros((nints, 4, 2, 3), np.uint8), *images, nframes=1, minimum_sigclip_groups=19
        )
        assert found[0].shape == found[1].shape == expected


def test_showers_need_ten_differences():
    planes = np.zeros((2, 6), bool)
    assert jump_showers.enough_for_showers(planes)
    planes[0, 0] = True
    assert not jump_showers.enough_for_showers(planes)


# --- along time

TIME = PARAMETERS | {
    "algorithm": "time_domain",
    "mode": "none",
    "time_rejection_threshold": 5.0,
    "time_window": 5,
}


def in_time(sci, groupdq=None, **changes):
    groupdq = np.zeros(sci.shape, np.uint8) if groupdq is None else groupdq.copy()
    gain, readnoise = np.ones(sci.shape[2:], np.float32), np.full(sci.shape[2:], 10, np.float32)
    return jump.detect_jumps(sci, groupdq, gain, readnoise, **TIME | changes)


def series(nints=12, ngroups=3, ny=5, nx=5):
    """The ramp grows by 0 at first and by 100 later in the integration, and a little more every integration."""
    steps = np.zeros((nints, ngroups, ny, nx), np.float32)
    steps[:, 2:] = 100.0
    steps[:, 1:] += np.arange(nints, dtype=np.float32)[:, None, None, None]
    return np.cumsum(steps, axis=1)


def test_a_jump_along_time_is_flagged_in_its_group_only():
    sci = series()
    assert not in_time(sci).groupdq.any()
    sci[7, 1:, 2, 2] += 90.0
    expected = np.zeros(sci.shape, np.uint8)
    expected[7, 1, 2, 2] = J
    found = in_time(sci)
    assert_array_equal(found.groupdq, expected)
    assert found.n_primary == 1


@pytest.mark.parametrize(("size", "flagged"), [(49.0, False), (51.5, True), (-51.5, True)])
def test_sigma_is_the_expected_noise_at_least(size, flagged):
    sci = np.zeros((9, 2, 1, 1), np.float32)
    sci[4, 1] = size  # read noise 10, threshold 5
    assert in_time(sci).groupdq[4, 1, 0, 0] == (J if flagged else 0)


def test_sigma_is_the_scatter_along_time_where_that_is_larger():
    sci = np.zeros((41, 2, 1, 1), np.float32)
    sci[::2, 1], sci[1::2, 1] = 100.0, -100.0
    sci[20, 1] = 400.0
    # All 41 are in the window: the median is 100 (21 of 41 are at least that), residuals are 0, 200 and 300.
    assert not in_time(sci, time_window=41).groupdq.any()


def test_the_window_follows_the_target():
    sci = np.zeros((40, 2, 1, 1), np.float32)
    sci[:, 1, 0, 0] = 20.0 * np.arange(40)
    assert not in_time(sci, time_window=5).groupdq.any()


def test_bad_groups_and_short_series_are_left_out():
    sci = series()
    sci[7, 1:] += 500.0
    groupdq = np.zeros(sci.shape, np.uint8)
    groupdq[7, 1, 0, 0] = S
    groupdq[:8, 0, 1, 1] = D  # four integrations are left
    flags = in_time(sci, groupdq).groupdq
    assert flags[7, :, 0, 0].tolist() == [0, S, 0]
    assert flags[7, :, 1, 1].tolist() == [D, 0, 0]
    assert flags[7, :, 2, 2].tolist() == [0, J, 0]


def test_neighbours_of_jumps_along_time_are_flagged_too():
    sci = series()
    sci[7, 1:, 2, 2] += 900.0
    flags = in_time(sci, flag_4_neighbors=True).groupdq
    assert np.argwhere(flags).tolist() == [[7, 1, y, x] for y, x in ((1, 2), (2, 1), (2, 2), (2, 3), (3, 2))]


def test_running_medians_are_numpys():
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 30)
    medians = np.empty(30)
    running_medians(values, 30, 7, np.empty(30), medians)
    starts = np.clip(np.arange(30) - 3, 0, 23)
    assert_array_equal(medians, [np.median(values[start : start + 7]) for start in starts])
    running_medians(values, 6, 8, np.empty(30), medians)
    assert_array_equal(medians[:6], np.full(6, np.median(values[:6])))


def test_both_flag_what_either_finds_and_the_cut_does_not_matter():
    rng = np.random.default_rng(6)  # fixed seed: the same exposure in every run
    sci = np.cumsum(rng.normal(50, 11, (12, 6, 14, 20)), axis=1).astype(np.float32)
    hit = rng.random(sci.shape) < 0.01
    sci += np.cumsum(hit * rng.exponential(300, sci.shape), axis=1).astype(np.float32)
    options = {"mode": "iterative", "flag_4_neighbors": True, "rejection_threshold": 7.0}
    flags = {name: in_time(sci, algorithm=name, **options).groupdq for name in ("two_point", "time_domain", "both")}
    assert_array_equal(flags["both"], flags["two_point"] | flags["time_domain"])
    assert (flags["both"] != flags["two_point"]).any()
    upper = in_time(sci[:, :, :8].copy(), algorithm="both", halo=(0, 1), **options).groupdq[:, :, :7]
    lower = in_time(sci[:, :, 6:].copy(), algorithm="both", halo=(1, 0), **options).groupdq[:, :, 1:]
    assert_array_equal(np.concatenate((upper, lower), axis=2), flags["both"])


def test_few_integrations_are_refused_or_searched_by_two_points():
    assert jump.choose_algorithm("time_domain", 5) == "time_domain"
    assert jump.choose_algorithm("two_point", 1) == "two_point"
    with pytest.raises(ValueError, match="at least 5 integrations, found 4; for such exposures set"):
        jump.choose_algorithm("time_domain", 4)
    with pytest.warns(UserWarning, match="found 2; two_point alone is used"):
        assert jump.choose_algorithm("both", 2) == "two_point"


def test_ramps_of_two_groups_can_be_searched_along_time():
    sci = np.zeros((9, 2, 1, 1), np.float32)
    sci[:, 1] = 100.0
    sci[4, 1] = 900.0
    for algorithm in ("time_domain", "both"):
        jump.check_groups(2, algorithm)
        flags = in_time(sci, algorithm=algorithm).groupdq
        assert np.argwhere(flags & J).tolist() == [[4, 1, 0, 0]]


@pytest.mark.parametrize("ngroups", [3, 6])
def test_rays_of_the_mock_are_found_and_few_others(ngroups):
    path = Path(__file__).parents[3] / "benchmarks" / "jumps.py"
    spec = importlib.util.spec_from_file_location("jumps", path)
    jumps = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(jumps)
    hits, results = jumps.compare(jumps.exposure(ngroups, 20, 1.0, seed=2, shape=(16, 32)))
    assert hits > 40
    for complete, false in results.values():
        assert complete > 0.85
        assert false < 1e-3
    assert results["both"][0] >= max(results["two_point"][0], results["time_domain"][0])
    _, faint = jumps.compare(jumps.exposure(ngroups, 20, 0.1, seed=2, shape=(16, 32)))
    assert all(faint[name][0] < results[name][0] for name in results)
