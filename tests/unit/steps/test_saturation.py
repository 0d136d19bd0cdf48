import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from rampflow.detector import dq
from rampflow.steps.saturation import UNREACHABLE, flag_saturation, flag_zeroframe, halo, prepare_threshold

FLOOR = dq.AD_FLOOR | dq.DO_NOT_USE


def flag(sci, *, threshold=1000.0, bias=None, groupdq=None, unchecked=None, n=0, readpatt=True, nframes=1):
    """Flags of one integration, with the same threshold and bias in all pixels unless given as arrays."""
    sci = np.asarray(sci, np.float32)
    plane = sci.shape[1:]
    if bias is not None:
        bias = np.full(plane, bias, np.float32)
    return flag_saturation(
        sci,
        np.zeros(sci.shape, np.uint8) if groupdq is None else groupdq,
        np.full(plane, threshold, np.float32),
        bias,
        np.zeros(plane, bool) if unchecked is None else unchecked,
        n_pix_grow_sat=n,
        use_readpatt=readpatt,
        nframes=nframes,
    )


def ramp(*counts):
    """One pixel with these counts in its groups."""
    return np.array(counts, np.float32).reshape(-1, 1, 1)


def point(ngroups, size, first_group, counts=2000):
    """A frame of 10 DN whose central pixel jumps to ``counts`` in one group and stays there."""
    sci = np.full((ngroups, size, size), 10, np.float32)
    sci[first_group:, size // 2, size // 2] = counts
    return sci


def box(size, n):
    """The pixels within n of the centre."""
    away = np.abs(np.arange(size) - size // 2)
    return np.maximum(*np.meshgrid(away, away)) <= n


def test_reaching_the_threshold_flags_this_group_and_all_later_ones():
    flags = flag(ramp(999, 1000, 500, 1200))
    assert flags.ravel().tolist() == [0, dq.SATURATED, dq.SATURATED, dq.SATURATED]


def test_counts_of_zero_or_less_are_flagged_in_their_own_group_only():
    assert flag(ramp(1, 0, -3, 5)).ravel().tolist() == [0, FLOOR, FLOOR, 0]


def test_a_pixel_can_be_at_the_floor_after_saturation():
    assert flag(ramp(1000, 0)).ravel().tolist() == [dq.SATURATED, dq.SATURATED | FLOOR]


def test_nan_counts_are_not_flagged():
    assert flag(ramp(10, np.nan, 20)).ravel().tolist() == [0, 0, 0]


def test_flags_present_before_are_kept():
    groupdq = np.array([dq.JUMP_DET, dq.DO_NOT_USE], np.uint8).reshape(2, 1, 1)
    flags = flag(ramp(10, 1000), groupdq=groupdq)
    assert flags is groupdq
    assert flags.ravel().tolist() == [dq.JUMP_DET, dq.DO_NOT_USE | dq.SATURATED]


@pytest.mark.parametrize("ngroups", [1, 2])
def test_short_ramps(ngroups):
    flags = flag(np.full((ngroups, 2, 2), 1000.0), n=1, nframes=4)
    assert np.all(flags == dq.SATURATED)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_saturation_grows_by_a_box(n):
    flags = flag(point(3, 9, first_group=1), n=n)
    assert np.all(flags[0] == 0)
    assert np.array_equal(flags[1] == dq.SATURATED, box(9, n))


def test_grown_pixels_do_not_grow_on_from_group_to_group():
    flags = flag(point(5, 9, first_group=0), n=1)
    assert np.array_equal(flags[4] == dq.SATURATED, box(9, 1))


def test_growth_does_not_wrap_around_the_edges():
    sci = np.full((1, 5, 5), 10.0)
    sci[0, 0, 0] = 2000
    flags = flag(sci, n=2)[0]
    assert np.all(flags[:3, :3] == dq.SATURATED)
    assert np.count_nonzero(flags) == 9


def test_growth_wider_than_the_frame_fills_it():
    assert np.all(flag(point(1, 3, first_group=0), n=7) == dq.SATURATED)


def test_growth_is_a_dilation():
    rng = np.random.default_rng(1)
    sci = np.where(rng.random((2, 32, 32)) < 0.02, 2000.0, 10.0)
    flags = flag(sci, n=3)
    sources = np.logical_or.accumulate(sci >= 1000, axis=0)
    for g in range(2):
        expected = maximum_filter(sources[g], size=7, mode="constant")
        assert np.array_equal(flags[g] == dq.SATURATED, expected)


def test_saturated_flags_present_before_grow_in_their_own_group():
    groupdq = np.zeros((2, 5, 5), np.uint8)
    groupdq[0, 2, 2] = dq.SATURATED
    flags = flag(np.full((2, 5, 5), 10.0), groupdq=groupdq, n=1)
    assert np.array_equal(flags[0] == dq.SATURATED, box(5, 1))
    assert np.all(flags[1] == 0)


@pytest.mark.parametrize(("first", "expected"), [(625, dq.DO_NOT_USE), (624, 0)])
def test_average_that_may_hold_saturated_frames_is_not_used(first, expected):
    """Four frames 1 2 3 4 of a steady source: 2.5 on average when the last is at 4, hence 625 of 1000."""
    assert flag(ramp(first, 1000), nframes=4).ravel().tolist() == [expected, dq.SATURATED]


def test_share_of_the_threshold_rises_with_the_group():
    """Frames 5 6 7 8: 6.5 of 8 on average, hence 812.5 of 1000."""
    assert flag(ramp(600, 812, 1000), nframes=4)[1, 0, 0] == 0
    assert flag(ramp(600, 813, 1000), nframes=4)[1, 0, 0] == dq.DO_NOT_USE


@pytest.mark.parametrize("options", [{"readpatt": False, "nframes": 4}, {"nframes": 1}])
def test_no_partly_saturated_average_without_averaging(options):
    assert flag(ramp(900, 1000), **options)[0, 0, 0] == 0


def test_read_pattern_is_not_needed_if_it_is_not_used():
    assert flag(ramp(900, 1000), readpatt=False, nframes=None)[0, 0, 0] == 0


def test_partly_saturated_average_grows():
    sci = point(2, 9, first_group=1)
    sci[0, 4, 4] = 700
    flags = flag(sci, n=1, nframes=4)
    assert np.array_equal(flags[0] == dq.DO_NOT_USE, box(9, 1))


def test_pixel_reached_by_growth_counts_as_saturated_in_the_next_group():
    sci = point(2, 9, first_group=1)
    sci[0, 4, 5] = 700
    flags = flag(sci, n=1, nframes=4)
    assert flags[0, 4, 5] == dq.DO_NOT_USE
    assert flags[0, 4, 6] == dq.DO_NOT_USE
    assert flags[0, 4, 7] == 0


def test_groups_not_in_use_do_not_count_as_partly_saturated():
    groupdq = np.zeros((2, 5, 5), np.uint8)
    groupdq[0, 2, 2] = dq.DO_NOT_USE
    sci = point(2, 5, first_group=0, counts=700)
    sci[1, 2, 2] = 2000
    flags = flag(sci, groupdq=groupdq, n=1, nframes=4)
    assert flags[0, 2, 2] == dq.DO_NOT_USE
    assert np.count_nonzero(flags[0]) == 1


def test_unchecked_pixel_needs_its_whole_threshold():
    """The pixel at the centre is full and reaches, by growth, an unchecked one of 50000 DN."""
    threshold = np.full((3, 3), 1000.0)
    unchecked = np.zeros((3, 3), bool)
    threshold[1, 2], unchecked[1, 2] = UNREACHABLE, True
    sci = point(2, 3, first_group=1)
    sci[:, 1, 2] = 50000
    assert np.all(flag(sci, threshold=threshold, unchecked=unchecked, n=1, nframes=4)[0] == 0)
    assert np.any(flag(sci, threshold=threshold, n=1, nframes=4)[0] != 0)


@pytest.mark.parametrize(("second", "expected"), [(326, dq.DO_NOT_USE), (325, 0)])
def test_second_group_is_not_used_if_the_first_does_not_explain_the_third(second, expected):
    """Steady, 100 DN in frames 1-4 give 480 at frame 12; but (1000 - 100) / 4 = 225 DN are one full frame."""
    assert flag(ramp(100, second, 1000), nframes=4)[1, 0, 0] == expected


def test_second_group_stays_if_a_steady_source_would_saturate():
    """250 DN in frames 1-4 give 1200 at frame 12."""
    assert flag(ramp(250, 600, 1000), nframes=4)[1, 0, 0] == 0


def test_second_group_test_subtracts_the_bias():
    """50 DN above the bias in frames 1-4 give 240 above it at frame 12; without bias, 550 give 2640."""
    counts = ramp(550, 663, 1000)
    assert flag(counts, bias=500, nframes=4)[1, 0, 0] == dq.DO_NOT_USE
    assert flag(counts, bias=None, nframes=4)[1, 0, 0] == 0


def test_second_group_flag_does_not_grow():
    sci = np.full((3, 5, 5), 100.0)
    sci[1, 2, 2], sci[2, 2, 2] = 400, 1000
    flags = flag(sci, n=1, nframes=4)
    assert np.count_nonzero(flags[1]) == 1


def test_second_group_test_needs_saturation_in_the_third():
    assert np.all(flag(ramp(100, 326, 999), nframes=4) == 0)


def test_nan_bias_flags_nothing():
    assert flag(ramp(100, 326, 1000), bias=np.nan, nframes=4)[1, 0, 0] == 0


def random_exposure(seed, shape=(6, 32, 20)):
    rng = np.random.default_rng(seed)
    slope = rng.lognormal(4, 1.5, shape[1:])
    sci = np.cumsum(rng.poisson(slope, shape), axis=0)
    sci[rng.random(shape) < 0.01] = 0
    threshold = rng.uniform(500, 1500, shape[1:])
    threshold[rng.random(shape[1:]) < 0.05] = np.nan
    groupdq = np.where(rng.random(shape) < 0.05, dq.DO_NOT_USE, 0).astype(np.uint8)
    groupdq[rng.random(shape) < 0.01] |= dq.SATURATED
    threshold, _, unchecked = prepare_threshold(threshold, np.zeros(shape[1:], np.uint32))
    return np.minimum(sci, 65535).astype(np.float32), groupdq, threshold, unchecked


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("rows", [1, 5, 13])
def test_blocks_of_rows_give_the_bits_of_the_whole_frame(n, rows):
    sci, groupdq, threshold, unchecked = random_exposure(n)
    whole = flag(sci, groupdq=groupdq.copy(), threshold=threshold, unchecked=unchecked, n=n, nframes=4)
    assert len({*np.unique(whole)} & {dq.DO_NOT_USE, dq.SATURATED, FLOOR}) == 3
    ny = sci.shape[1]
    for start in range(0, ny, rows):
        stop = min(start + rows, ny)
        low, high = max(start - halo(n), 0), min(stop + halo(n), ny)
        block = flag(
            sci[:, low:high].copy(),
            groupdq=groupdq[:, low:high].copy(),
            threshold=threshold[low:high],
            unchecked=unchecked[low:high].copy(),
            n=n,
            nframes=4,
        )
        assert np.array_equal(block[:, start - low : stop - low], whole[:, start:stop])


def test_raw_integer_counts_give_the_same_flags():
    sci, groupdq, threshold, unchecked = random_exposure(7)
    options = {"n_pix_grow_sat": 1, "use_readpatt": True, "nframes": 5}
    bias = np.full(threshold.shape, 20, np.float32)
    as_float = flag_saturation(sci, groupdq.copy(), threshold, bias, unchecked, **options)
    as_counts = flag_saturation(sci.astype(np.uint16), groupdq.copy(), threshold, bias, unchecked, **options)
    assert np.array_equal(as_float, as_counts)


def test_prepared_threshold_cannot_be_reached_where_unchecked():
    reference = np.array([[100.0, np.nan, 300.0]], np.float32)
    flags = np.array([[dq.HOT, 0, dq.NO_SAT_CHECK]], np.uint32)
    threshold, out_flags, unchecked = prepare_threshold(reference, flags)
    assert threshold.tolist() == [[100, UNREACHABLE, UNREACHABLE]]
    assert threshold.dtype == np.float32
    assert out_flags.tolist() == [[dq.HOT, dq.NO_SAT_CHECK, dq.NO_SAT_CHECK]]
    assert out_flags.dtype == np.uint32
    assert unchecked.tolist() == [[False, True, True]]


def test_preparing_leaves_the_reference_as_it_is():
    reference, flags = np.array([[np.nan]], np.float32), np.zeros((1, 1), np.uint32)
    prepare_threshold(reference, flags)
    assert np.isnan(reference[0, 0])
    assert flags[0, 0] == 0


def test_zero_frames_of_several_integrations_are_apart():
    zeroframes = np.full((2, 3, 3), 50, np.float32)
    zeroframes[0, 1, 1] = 1000
    out = flag_zeroframe(zeroframes, np.full((3, 3), 1000, np.float32), n_pix_grow_sat=0)
    assert np.argwhere(out == 0).tolist() == [[0, 1, 1]]


def test_zero_frame_is_zero_where_it_cannot_be_used():
    zeroframe = np.full((5, 5), 50, np.float32)
    zeroframe[0, 0] = 1000
    zeroframe[4, 4] = -2
    out = flag_zeroframe(zeroframe, np.full((5, 5), 1000, np.float32), n_pix_grow_sat=1)
    expected = np.full((5, 5), 50)
    expected[:2, :2] = 0
    expected[4, 4] = 0
    assert out is zeroframe
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("nframes", [0, None])
def test_impossible_number_of_frames_is_refused(nframes):
    with pytest.raises(ValueError, match=f"NFRAMES is {nframes}, expected 1 or more"):
        flag(ramp(1, 2), nframes=nframes)


def test_negative_growth_is_refused():
    with pytest.raises(ValueError, match="n_pix_grow_sat is -1"):
        flag(ramp(1, 2), n=-1)
    with pytest.raises(ValueError, match="n_pix_grow_sat is -1"):
        flag_zeroframe(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), n_pix_grow_sat=-1)


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"GROUPDQ has shape \(2, 3, 4\), SCI \(2, 3, 3\)"):
        flag(np.ones((2, 3, 3)), groupdq=np.zeros((2, 3, 4), np.uint8))
    plane = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match=r"superbias has shape \(2, 2\), the groups \(3, 3\)"):
        flag_saturation(
            np.ones((2, 3, 3), np.float32),
            np.zeros((2, 3, 3), np.uint8),
            plane,
            np.ones((2, 2), np.float32),
            plane.astype(bool),
            n_pix_grow_sat=1,
            use_readpatt=True,
            nframes=1,
        )
    with pytest.raises(ValueError, match=r"threshold has shape \(3, 3\), the zero frame \(2, 2\)"):
        flag_zeroframe(np.ones((2, 2), np.float32), plane, n_pix_grow_sat=1)
    with pytest.raises(ValueError, match=r"threshold has shape \(3, 3\), DQ of the reference \(2, 2\)"):
        prepare_threshold(plane, np.zeros((2, 2), np.uint32))


def interleaved_ramp():
    """Five normal rows, a block of four reference reads, five normal rows; nothing is saturated."""
    normal = np.ones((14, 1), bool)
    normal[5:9] = False
    sci = np.full((4, 14, 9), 100, np.float32)
    sci[:, ~normal[:, 0]] = 60000
    return sci, normal


def flag_interleaved(sci, normal, n=1, nframes=1, use_readpatt=True):
    threshold = np.where(normal, 1000, UNREACHABLE).astype(np.float32) * np.ones(sci.shape[1:], np.float32)
    return flag_saturation(
        sci,
        np.zeros(sci.shape, np.uint8),
        threshold,
        np.zeros(sci.shape[1:], np.float32),
        np.zeros(sci.shape[1:], bool),
        normal,
        n_pix_grow_sat=n,
        use_readpatt=use_readpatt,
        nframes=nframes,
    )


def test_interleaved_reads_are_no_neighbours_and_never_flagged():
    sci, normal = interleaved_ramp()
    sci[1, 4, 4] = 2000
    sci[2, 9, 8] = 0
    flags = flag_interleaved(sci, normal)
    expected = np.zeros(sci.shape, np.uint8)
    for row in (3, 4, 9):  # 9 is next to 4 on the detector
        expected[1:, row, 3:6] = dq.SATURATED
    expected[2, 9, 8] = dq.AD_FLOOR | dq.DO_NOT_USE
    np.testing.assert_array_equal(flags, expected)


def test_growth_stays_in_interleaved_frames_although_the_pixel_falls_below():
    sci, normal = interleaved_ramp()
    sci[1, 2, 2] = 2000
    flags = flag_interleaved(sci, normal)
    assert (flags[1:, 1:4, 1:4] == dq.SATURATED).all() and not flags[0].any()


def test_the_second_group_of_interleaved_frames_is_saturated_with_its_neighbours():
    sci, normal = interleaved_ramp()
    sci[0, 11, 4], sci[1, 11, 4], sci[2:, 11, 4] = 10, 900, 2000
    flags = flag_interleaved(sci, normal, nframes=5)
    assert (flags[1:, 10:13, 3:6] == dq.SATURATED).all() and not flags[0].any()
    assert np.count_nonzero(flags[1]) == 9
    assert not flag_interleaved(sci, normal, nframes=5, use_readpatt=False)[1].any()


@pytest.mark.parametrize("rows", [1, 4, 7])
def test_blocks_of_interleaved_rows_give_the_bits_of_the_whole_frame(rows):
    rng = np.random.default_rng(8)
    normal = ((np.arange(60) - 8) % 20 >= 4)[:, np.newaxis]
    sci = rng.choice([0, 100, 900, 2000], (4, 60, 12), p=[0.02, 0.8, 0.1, 0.08]).astype(np.float32)
    whole = flag_interleaved(sci, normal, n=2, nframes=5)
    for start in range(0, 60, rows):
        low, high = max(start - halo(2), 0), min(start + rows + halo(2), 60)
        block = flag_interleaved(sci[:, low:high].copy(), normal[low:high], n=2, nframes=5)
        stop = min(start + rows, 60)
        assert np.array_equal(block[:, start - low : stop - low], whole[:, start:stop])
