"""Effects one at a time: with one of them on, the ramp differs from a straight line in the way it says."""

import numpy as np
import pytest

from rampflow.mock import Effects, MockExposure, Rectangle, Scene, integrations
from rampflow.mock import detector as det
from rampflow.mock.configurations import properties
from rampflow.mock.ramps import FIRST_FRAME, LAST_FRAME

INNER = Rectangle(201, 301, 32, 24)
PEDESTAL = properties("NIS").pedestal


# Frames of so small a window take 6 ms, so rates are high here.
def expose(effects=None, detector="NIS", readpatt="NISRAPID", ngroups=4, nints=1, window=INNER, **more):
    more.setdefault("scene", Scene(sky=2000.0))
    return MockExposure(detector, readpatt, ngroups, nints, window=window, effects=effects or Effects(), **more)


def ramp(exposure):
    """Counts of the first integration as float, (ngroups, ny, nx)."""
    return next(integrations(exposure)).groups.astype(float)


def level(detector):
    return properties(detector).pedestal


def test_without_effects_a_ramp_is_a_straight_line():
    exposure = expose()
    expected = PEDESTAL + 2000.0 * exposure.tframe * np.arange(1, 5)
    assert np.array_equal(ramp(exposure), np.broadcast_to(np.rint(expected)[:, None, None], (4, 24, 32)))


def test_a_group_is_the_mean_of_its_frames_and_gaps_are_dropped():
    exposure = expose(detector="NRCB1", readpatt="SHALLOW4", ngroups=2, scene=Scene(sky=1000.0))
    frames = level("NRCB1") + np.rint(1000.0 * exposure.tframe * np.array([[1, 2, 3, 4], [6, 7, 8, 9]]))
    assert np.array_equal(ramp(exposure)[:, 0, 0], np.floor(frames.mean(axis=1)))


def test_another_divisor_scales_the_sum_of_the_frames():
    usual = expose(detector="NRCB1", readpatt="RAPID", nframes=3)
    scaled = usual.but(frame_divisor=4)
    assert ramp(scaled)[0, 0, 0] == pytest.approx(0.75 * ramp(usual)[0, 0, 0], abs=1)


def test_the_zero_frame_is_the_first_frame():
    exposure = expose(detector="NRCB1", readpatt="SHALLOW4", zero_frame=True, effects=Effects(read_noise=1.0))
    alone = exposure.but(readpatt="RAPID", ngroups=1)
    assert np.array_equal(next(integrations(exposure)).zero_frame, next(integrations(alone)).groups[0])


def test_counts_end_at_the_top_of_the_converter():
    assert ramp(expose(scene=Scene(sky=1e8))).max() == 65535


def test_counts_end_at_zero_where_the_pedestal_is_missing():
    counts = ramp(expose(Effects(sunken=1, bias=1), scene=Scene(sky=0.0)))
    assert 0.3 < np.mean(counts == 0) < 0.7


def test_reference_pixels_frame_a_full_detector_and_see_no_light():
    corner = ramp(expose(window=Rectangle(1, 1, 10, 10)))
    assert np.all(corner[:, :4] == PEDESTAL)
    assert np.all(corner[:, :, :4] == PEDESTAL)
    assert np.all(corner[:, 4:, 4:] > PEDESTAL)
    far = ramp(expose(window=Rectangle(2039, 2039, 10, 10)))
    assert np.all(far[:, -4:] == PEDESTAL)
    assert np.all(far[:, :-4, :-4] > PEDESTAL)


def test_miri_has_reference_columns_only():
    left = ramp(expose(detector="MIRIMAGE", readpatt="FASTR1", window=Rectangle(1, 1, 12, 6)))
    assert np.all(left[:, :, :4] == level("MIRIMAGE"))
    assert np.all(left[:, :, 4:] > level("MIRIMAGE"))
    right = ramp(expose(detector="MIRIMAGE", readpatt="FASTR1", window=Rectangle(1025, 1, 8, 6)))
    assert np.all(right[:, :, 4:] == level("MIRIMAGE"))


def test_photon_noise_has_the_variance_of_the_electrons():
    exposure = expose(Effects(photon_noise=1.0), scene=Scene(sky=40000.0), ngroups=20)
    steps = np.diff(ramp(exposure), axis=0)
    expected = 40000.0 * exposure.tframe / properties("NIS").gain
    # 15000 differences: their variance is known to 1.2 %; rounding adds 1/6.
    assert steps.var() == pytest.approx(expected + 1 / 6, rel=0.05)
    assert steps.mean() == pytest.approx(40000.0 * exposure.tframe, rel=0.01)


def test_read_noise_has_its_nominal_width():
    noise = np.diff(ramp(expose(Effects(read_noise=1.0), ngroups=20)), axis=0) - np.diff(
        ramp(expose(ngroups=20)), axis=0
    )
    assert noise.std() == pytest.approx(np.sqrt(2) * properties("NIS").read_noise, rel=0.05)


def test_reset_noise_is_constant_within_an_integration_and_new_in_the_next():
    first, second = (
        found.groups.astype(float) - ramp(expose()) for found in integrations(expose(Effects(reset_noise=1.0), nints=2))
    )
    assert np.ptp(first, axis=0).max() <= 1
    assert first[0].std() == pytest.approx(properties("NIS").reset_noise, rel=0.1)
    assert abs(np.corrcoef(first[0].ravel(), second[0].ravel())[0, 1]) < 0.15


def test_bias_is_that_of_the_superbias():
    effects = Effects(bias=1.0)
    bias = det.maps("NIS", INNER, effects).bias
    assert bias.std() > 100
    assert np.abs(ramp(expose(effects)) - ramp(expose()) - (bias - PEDESTAL)).max() <= 1


def test_patterns_belong_to_the_pixel_whatever_the_window():
    effects = Effects(bias=1.0)
    large = det.maps("NIS", Rectangle(190, 250, 100, 100), effects).bias
    assert np.array_equal(large[INNER.within(Rectangle(190, 250, 100, 100))], det.maps("NIS", INNER, effects).bias)


def test_dark_current_adds_rate_and_settling():
    effects = Effects(dark_current=1.0)
    exposure = expose(effects, scene=Scene(sky=0.0))
    maps = det.maps("NIS", INNER, effects)
    for group, counts in enumerate(ramp(exposure)):
        expected = maps.dark * (group + 1) * exposure.tframe + det.settled(maps, "NIRISS", 0, group + 1)
        assert np.abs(counts - PEDESTAL - expected).max() <= 0.51


def test_the_linearity_polynomial_undoes_the_nonlinearity():
    effects = Effects(nonlinearity=1.0)
    exposure = expose(effects, scene=Scene(sky=2e6))
    counts, straight = ramp(exposure) - PEDESTAL, ramp(expose(scene=Scene(sky=2e6))) - PEDESTAL
    assert np.all(counts[-1] < 0.99 * straight[-1])
    back = det.linearised(counts.astype(np.float32), det.maps("NIS", INNER, effects), "NIS")
    assert np.abs(back - straight).max() < 1.5


def test_a_full_well_stops_the_ramp_and_the_truth_says_when():
    effects = Effects(saturation=1.0)
    exposure = expose(effects, scene=Scene(sky=0.0, saturated_patch=3e6))
    found = next(integrations(exposure))
    well = det.maps("NIS", INNER, effects).well
    y, x = 12, 16
    first = int(np.ceil(well[y, x] / (3e6 * exposure.tframe))) - 1
    assert found.saturated[y, x] == first
    assert found.saturated[0, 0] == -1
    assert np.all(np.abs(found.groups[first:, y, x] - (PEDESTAL + well[y, x])) <= 1)


def test_charge_beyond_a_full_well_spills_to_the_neighbours():
    exposure = expose(Effects(saturation=1.0), scene=Scene(sky=0.0, saturated_patch=4e6))
    spilling = exposure.but(effects=Effects(saturation=1.0, charge_spill=1.0))
    # The patch covers columns 14-18; the next column gets light only by spilling.
    assert ramp(exposure)[-1, 12, 19] == PEDESTAL
    assert ramp(spilling)[-1, 12, 19] > PEDESTAL + 1000


def test_cosmic_rays_step_where_and_when_the_truth_says():
    exposure = expose(Effects(cosmic_rays=3e4), ngroups=5, readpatt="NIS")
    found = next(integrations(exposure))
    assert found.hits.frame.size > 10
    expected = np.zeros((5, 24, 32))
    for frame, y, x, charge in zip(found.hits.frame, found.hits.y, found.hits.x, found.hits.charge, strict=True):
        for group in range(5):
            seen = sum(number >= frame for number in exposure.frame_numbers(group)) / exposure.nframes
            expected[group, y, x] += seen * charge / properties("NIS").gain
    clipped = np.minimum(expected + ramp(expose(ngroups=5, readpatt="NIS")), 65535)
    assert np.abs(found.groups - clipped).max() <= 2


def test_a_snowball_has_a_core_of_several_full_pixels():
    found = next(integrations(expose(Effects(snowballs=3e8, saturation=1.0), scene=Scene(), ngroups=3)))
    assert np.count_nonzero(found.saturated >= 0) > 12


def test_a_shower_is_wide_and_faint():
    faint = ramp(expose(Effects(showers=1e8), detector="MIRIMAGE", readpatt="FASTR1", scene=Scene()))
    rise = faint[-1] - level("MIRIMAGE")
    assert np.mean(rise > 5) > 0.1


def test_ipc_moves_signal_to_neighbours_and_keeps_the_sum():
    scene = Scene(saturated_patch=10000.0)
    plain, coupled = ramp(expose(scene=scene)), ramp(expose(Effects(ipc=1.0), scene=scene))
    signal = plain[-1, 12, 16] - PEDESTAL
    # Column 19 touches the patch with one edge and two corners.
    share = det.IPC_COUPLING * (1 + 2 / 12)
    assert coupled[-1, 12, 19] - PEDESTAL == pytest.approx(share * signal, abs=1)
    assert (coupled[-1] - PEDESTAL).sum() == pytest.approx((plain[-1] - PEDESTAL).sum(), rel=1e-3)


@pytest.mark.parametrize(
    ("detector", "axis"),
    [("NRCB1", 0), ("NRCA1", 0), ("GUIDER1", 0), ("NRS1", 1), ("NRS2", 1), ("NIS", 1)],
)
def test_amplifiers_are_stripes_along_the_slow_axis_and_reference_pixels_see_them(detector, axis):
    patterns = {"NRC": "RAPID", "NIS": "NISRAPID", "NRS": "NRSRAPID", "GUI": "FGSRAPID"}
    strip = Rectangle(1, 1, 2048, 8) if axis == 0 else Rectangle(1, 1, 8, 2048)
    effects = Effects(amplifier_offsets=10.0)
    counts = ramp(expose(effects, detector, patterns[detector[:3]], 2, window=strip, scene=Scene()))[0]
    profile = counts[0] if axis == 0 else counts[:, 0]
    assert np.all(counts == (profile if axis == 0 else profile[:, None]))
    offsets = profile.reshape(4, 512)
    assert np.all(np.ptp(offsets, axis=1) == 0)
    assert len(set(offsets[:, 0])) == 4


def test_a_single_output_has_one_offset_that_changes_with_the_frame():
    counts = ramp(expose(Effects(amplifier_offsets=10.0), subarray="SUB64", scene=Scene()))
    assert np.ptp(counts, axis=(1, 2)).max() == 0
    assert len(set(counts[:, 0, 0])) > 1


@pytest.mark.parametrize(
    ("detector", "readpatt", "first_is_even"), [("NRCB1", "RAPID", True), ("NRCA1", "RAPID", False)]
)
def test_odd_and_even_columns_are_those_of_the_detector(detector, readpatt, first_is_even):
    counts = ramp(
        expose(Effects(odd_even_columns=1.0), detector, readpatt, window=Rectangle(1, 1, 8, 8), scene=Scene())
    )
    columns = counts[0, 0]
    assert len(set(columns[::2])) == len(set(columns[1::2])) == 1
    # Reading NRCA1 starts at the last science column, so its even columns are odd ones here.
    assert (columns[0] > columns[1]) == first_is_even


@pytest.mark.parametrize(("detector", "readpatt", "axis"), [("NRCB1", "RAPID", 1), ("NRS1", "NRSRAPID", 0)])
def test_row_noise_is_constant_along_the_fast_axis_and_smooth_along_the_slow_one(detector, readpatt, axis):
    counts = ramp(expose(Effects(row_noise=5.0), detector, readpatt, window=Rectangle(1, 1, 64, 64), scene=Scene()))[0]
    assert np.ptp(counts, axis=axis).max() == 0
    profile = counts.mean(axis=axis)
    assert 0 < np.diff(profile).std() < 0.7 * profile.std()


def test_miri_outputs_interleave_columns_and_differ_in_odd_and_even_rows():
    effects = Effects(odd_even_rows=10.0)
    counts = ramp(expose(effects, "MIRIMAGE", "FASTR1", window=Rectangle(5, 3, 16, 8), scene=Scene()))
    assert np.array_equal(counts[:, :, :4], counts[:, :, 4:8])
    assert np.array_equal(counts[:, 0], counts[:, 2])
    assert not np.array_equal(counts[:, 0], counts[:, 1])
    assert not np.array_equal(counts[0], counts[1])


def test_the_reset_anomaly_decays_and_is_weaker_in_later_integrations():
    effects = Effects(reset_anomaly=1.0)
    exposure = expose(effects, "MIRIMAGE", "FASTR1", nints=2, scene=Scene())
    maps = det.maps("MIRIMAGE", INNER, effects)
    for number, found in enumerate(integrations(exposure)):
        for group in range(4):
            expected = level("MIRIMAGE") + det.reset_level(maps, number, group)
            assert np.abs(found.groups[group] - expected).max() <= 0.51
    assert np.all(det.reset_level(maps, 1, 0) == 0.5 * det.reset_level(maps, 0, 0))


def test_rscd_shows_after_the_first_integration_only():
    first, second = integrations(expose(Effects(rscd=1.0), "MIRIMAGE", "FASTR1", nints=2, scene=Scene()))
    assert np.all(first.groups == level("MIRIMAGE"))
    assert np.all(np.diff(second.groups.astype(int), axis=0) < 0)


def test_first_and_last_frame_are_offset():
    counts = ramp(expose(Effects(first_frame=1.0, last_frame=1.0), "MIRIMAGE", "FASTR1", scene=Scene()))
    expected = level("MIRIMAGE") + np.array([FIRST_FRAME, 0, 0, LAST_FRAME])
    assert np.array_equal(counts[:, 5, 5], expected)


def test_emi_is_the_same_for_four_neighbours_and_repeats_with_its_period(monkeypatch):
    monkeypatch.setattr(det, "EMI", {"Hz390": (390.625, 100.0)})
    monkeypatch.setattr("rampflow.mock.drifts.EMI", det.EMI)
    # SUB256: a frame takes 117 periods of 256 clocks, so all frames look alike.
    exposure = MockExposure("MIRIMAGE", "FASTR1", 2, subarray="SUB256", effects=Effects(emi=1.0))
    counts = ramp(exposure)
    assert np.ptp(counts[0]) > 150
    assert np.array_equal(counts[0], counts[1])
    assert np.array_equal(counts[:, :, ::4], counts[:, :, 3::4])
    # 8 rows of 96 clocks are 3 periods.
    assert np.abs(counts[0, 8:] - counts[0, :-8]).max() <= 1


def test_hot_and_dead_pixels_are_in_the_map():
    effects = Effects(bad_pixels=20.0)
    maps = det.maps("NIS", INNER, effects)
    rise = np.diff(ramp(expose(effects, ngroups=2, groupgap=99, scene=Scene(sky=10.0))), axis=0)[0]
    assert maps.is_bad("dead").any()
    assert np.all(rise[maps.is_bad("dead")] == 0)
    assert np.all(rise[maps.is_bad("hot")] > rise[maps.bad == 0].max())


def test_sources_follow_the_light_curve_and_the_sky_does_not():
    scene = Scene(sky=10.0, trace=5000.0, transit=0.5)
    found = list(integrations(expose(nints=5, scene=scene, readpatt="NIS")))
    rise = np.array([integration.groups[-1].astype(float) - PEDESTAL for integration in found])
    assert rise[2].max() == pytest.approx(0.5 * rise[0].max(), rel=0.01)
    assert rise[2, 0, 0] == pytest.approx(rise[0, 0, 0], abs=1)


def test_segments_hold_what_the_whole_exposure_does():
    exposure = expose(Effects.nominal("NIRISS"), nints=3, ngroups=2)
    whole = [integration.groups for integration in integrations(exposure)]
    parts = [found.groups for segment in exposure.segments(2, 1) for found in integrations(segment)]
    assert np.array_equal(whole, parts)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    exposure = expose(Effects.nominal("NIRISS"))
    assert np.array_equal(ramp(exposure), ramp(exposure))
    assert not np.array_equal(ramp(exposure), ramp(exposure.but(seed=2)))


def test_an_effect_does_not_change_the_noise_of_another():
    noise = ramp(expose(Effects(read_noise=1.0))) - ramp(expose())
    both = ramp(expose(Effects(read_noise=1.0, bias=1.0))) - ramp(expose(Effects(bias=1.0)))
    assert np.abs(noise - both).max() <= 1


def test_real_levels_can_take_the_place_of_the_synthetic_ones():
    maps = det.maps("NIS", INNER, Effects(dark_current=1.0))
    bias = np.full(INNER.shape, 5000.0)
    bias[0, 0] = np.nan
    dark = np.arange(3.0)[:, None, None] * np.ones((3, *INNER.shape))
    found = next(integrations(expose(scene=Scene()), det.with_references(maps, bias, dark)))
    assert list(found.groups[:, 5, 5]) == [5000, 5001, 5002, 5002]
    assert found.groups[0, 0, 0] == 0


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match=r"negative: \['ipc'\]"):
        Effects(ipc=-1.0)


@pytest.mark.parametrize(("detector", "warmer"), [("NRS1", -1), ("NRS2", 0)])
def test_the_picture_frame_drifts_with_time_and_is_higher_towards_the_border(detector, warmer):
    window = Rectangle(1, 1, 24, 2048)
    exposure = expose(Effects(picture_frame=100), detector, "NRSRAPID", window=window, scene=Scene(sky=0.0))
    seen = ramp(exposure) - ramp(exposure.but(effects=Effects()))
    frame = det.picture_frame(detector, window)
    assert not frame[:4].any() and not frame[:, :4].any()
    assert frame[1000, 4] / frame[1000, 23] == pytest.approx(np.exp(19 / det.FRAME_WIDTH))
    assert frame[warmer - 5 if warmer else 4, 20] > 1.3 * frame[4 if warmer else -5, 20]
    levels = seen[:, 1000, 4] / frame[1000, 4]
    assert np.abs(np.diff(levels)).min() > 10
    # Counts are whole.
    assert np.abs(seen - levels[:, np.newaxis, np.newaxis] * frame).max() < 2


def test_no_other_detector_has_a_picture_frame():
    with pytest.raises(ValueError, match="NIS shows no picture frame; that is NIRSpec's"):
        ramp(expose(Effects(picture_frame=1)))
