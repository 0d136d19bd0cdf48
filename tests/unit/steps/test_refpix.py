import numpy as np
import pytest
from scipy.stats import sigmaclip

from rampflow.detector import dq
from rampflow.detector.orientation import Orientation
from rampflow.detector.subarray import MIRI_FRAME
from rampflow.steps import NotApplicable
from rampflow.steps.refpix import correct_groups, correct_zeroframes, plan_correction, wants_kernels
from rampflow.steps.refpix.geometry import NIR_SIZE
from rampflow.steps.refpix.sirs import coefficients, make_kernels, side_templates

PARAMETERS = {
    "odd_even_columns": True,
    "use_side_ref_pixels": False,
    "side_smoothing_length": 3,
    "side_gain": 1.0,
    "odd_even_rows": True,
}
NIRCAM = {"instrument": "NIRCAM", "detector": "NRCA1", "subarray": "SUB", "noutputs": 4}
#: One detector of each orientation.
DETECTORS = ["NRCA1", "NRCA2", "NRS1", "NRS2", "GUIDER1"]


def at_detector_corner(detector, shape):
    """Header values of a subarray that holds the first row and column of the detector frame."""
    orientation = Orientation.from_detector(detector)
    rows, columns = orientation.to_science(np.empty(shape)).shape
    return {
        "ystart": NIR_SIZE + 1 - rows if orientation.flip_rows else 1,
        "xstart": NIR_SIZE + 1 - columns if orientation.flip_columns else 1,
    }


def correct(frame, pixeldq=None, *, detector="NRCA1", zero=False, place=None, **options):
    """Correct one frame, given and returned in the detector frame; by default it is at the first corner."""
    orientation = Orientation.from_detector(detector)
    if pixeldq is None:
        pixeldq = np.zeros(frame.shape, np.uint32)
    header = {**NIRCAM, "detector": detector, **at_detector_corner(detector, frame.shape)}
    plan = plan_correction(np.ascontiguousarray(orientation.to_science(pixeldq)), **{**header, **PARAMETERS, **options})
    sci = np.array(orientation.to_science(frame)[np.newaxis], np.float32, order="C")
    out = correct_zeroframes(sci, plan) if zero else correct_groups(sci, plan, place=place)
    assert out is sci
    return orientation.to_detector(out[0])


def levels(rows, columns, even=100.0, odd=107.0):
    """A dark frame with one level in the even and one in the odd columns."""
    return np.tile(np.where(np.arange(columns) % 2, odd, even), (rows, 1))


def reference_rows(rows, columns):
    """PIXELDQ with reference pixels in the first four rows."""
    pixeldq = np.zeros((rows, columns), np.uint32)
    pixeldq[:4] = dq.REFERENCE_PIXEL
    return pixeldq


@pytest.mark.parametrize("detector", DETECTORS)
def test_four_amplifiers_lose_the_levels_of_odd_and_even_columns(detector):
    frame = levels(12, 10)
    frame[6, 5] += 1000
    expected = np.zeros((12, 10))
    expected[6, 5] = 1000
    assert np.array_equal(correct(frame, detector=detector), expected)


def test_one_level_for_all_columns():
    assert np.array_equal(correct(levels(12, 10), odd_even_columns=False), levels(12, 10, -3.5, 3.5))


def test_each_amplifier_has_its_own_level():
    frame = np.repeat(np.arange(4.0), 512) * np.ones((8, 1))
    assert np.all(correct(frame) == 0)


def test_levels_at_both_ends_are_averaged():
    frame = np.zeros((NIR_SIZE, 4))
    frame[:4], frame[-4:] = 10, 20
    assert np.all(correct(frame)[4:-4] == -15)


def test_level_of_one_end_serves_if_the_other_is_bad():
    frame = np.zeros((NIR_SIZE, 4))
    frame[:4], frame[-4:] = 10, 20
    pixeldq = np.zeros(frame.shape, np.uint32)
    pixeldq[-4:, ::2] = dq.DO_NOT_USE
    assert correct(frame, pixeldq)[1000].tolist() == [-10, -15, -10, -15]


def test_amplifier_without_references_for_one_parity_is_left_alone():
    frame = np.tile(levels(6, 2), 1024)
    pixeldq = np.zeros(frame.shape, np.uint32)
    pixeldq[:4, 512:1024:2] = dq.DO_NOT_USE
    out = correct(frame, pixeldq)
    assert np.array_equal(out[:, 512:1024], frame[:, 512:1024])
    assert np.all(out[:, :512] == 0)
    assert np.all(out[:, 1024:] == 0)


def test_bad_reference_pixels_are_left_out():
    frame = levels(12, 10)
    frame[2, 4] = 5000
    pixeldq = np.zeros(frame.shape, np.uint32)
    pixeldq[2, 4] = dq.DO_NOT_USE
    assert correct(frame, pixeldq)[8, 4] == 0


def test_reference_pixels_that_are_nan_are_left_out():
    frame = drift(12)
    frame[2, 3] = np.nan
    pixeldq = np.zeros(frame.shape, np.uint32)
    pixeldq[:, :3] = dq.DO_NOT_USE
    out = correct(frame, pixeldq, use_side_ref_pixels=True, side_smoothing_length=1)
    assert np.isnan(out[2, 3])
    assert np.count_nonzero(out) == 1


@pytest.mark.parametrize("siglimit", [2.0, 3.0])
def test_level_is_the_mean_after_iterated_clipping(siglimit):
    rng = np.random.default_rng(3)
    frame = rng.normal(0, 5, (5, 400)).astype(np.float32)
    frame[:4][rng.random((4, 400)) < 0.1] += 80
    frame[4] = 0
    kept = sigmaclip(frame[:4].astype(float), siglimit, siglimit)[0]
    assert kept.size < 1600
    out = correct(frame, odd_even_columns=False, siglimit=siglimit)
    assert out[4] == pytest.approx(-kept.mean(), rel=1e-6)


def drift(rows):
    """Levels as above, and 50 DN more from row 6 on."""
    frame = levels(rows, 10)
    frame[6:] += 50
    return frame


@pytest.mark.parametrize("detector", DETECTORS)
def test_running_median_of_the_side_pixels_follows_the_rows(detector):
    frame = drift(12)
    frame[9, 2] += 900
    frame[9, 7] += 1000
    expected = np.zeros((12, 10))
    expected[9, 2], expected[9, 7] = 900, 1000
    assert np.array_equal(correct(frame, detector=detector, use_side_ref_pixels=True), expected)


def test_side_gain_scales_the_running_median():
    out = correct(drift(12), use_side_ref_pixels=True, side_gain=0.5)
    assert np.all(out[:6] == 0)
    assert np.all(out[6:] == 25)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(
    ("length", "expected"), [(1, [0, 0, 0]), (2, [-0.5, 0.5, 1.5]), (3, [-1, 0, 0]), (4, [-1, 0, 1.5])]
)
def test_window_mirrors_the_rows_at_the_end_of_the_detector(detector, length, expected):
    """Rows of 0 1 4 9 …; seen by the first row with a window of four: 4 1 (mirrored), 0 1."""
    frame = np.arange(8.0)[:, np.newaxis] ** 2 * np.ones(10)
    pixeldq = np.zeros(frame.shape, np.uint32)
    # Without references in the even columns of the first rows, the amplifier keeps its level.
    pixeldq[:4, ::2] = dq.DO_NOT_USE
    out = correct(frame, pixeldq, detector=detector, use_side_ref_pixels=True, side_smoothing_length=length)
    assert out[:3].tolist() == np.repeat(np.array(expected, float)[:, np.newaxis], 10, axis=1).tolist()


def test_window_mirrors_the_rows_at_the_other_end():
    frame = np.arange(7.0, -1, -1)[:, np.newaxis] ** 2 * np.ones(10)
    pixeldq = np.zeros(frame.shape, np.uint32)
    pixeldq[-4:, ::2] = dq.DO_NOT_USE
    out = correct(frame, pixeldq, ystart=NIR_SIZE - 7, use_side_ref_pixels=True)
    assert np.all(out[-1] == -1)
    assert np.all(out[-2:-4:-1] == 0)


@pytest.mark.parametrize("bad", ["left", "right", "none", "both"])
def test_sides_are_averaged_or_stand_in_for_each_other(bad):
    frame = np.zeros((8, NIR_SIZE))
    frame[4:, :4], frame[4:, -4:] = 10, 20
    pixeldq = np.zeros(frame.shape, np.uint32)
    if bad in ("left", "both"):
        pixeldq[4:, :4] = dq.DO_NOT_USE
    if bad in ("right", "both"):
        pixeldq[4:, -4:] = dq.DO_NOT_USE
    expected = {"left": -20, "right": -10, "none": -15, "both": 0}[bad]
    assert correct(frame, pixeldq, use_side_ref_pixels=True)[6, 1000] == expected


def test_full_frame_is_read_through_four_amplifiers_whatever_the_header_says():
    pixeldq = np.zeros((NIR_SIZE, NIR_SIZE), np.uint32)
    plan = plan_correction(pixeldq, **{**NIRCAM, "noutputs": None, **PARAMETERS}, xstart=1, ystart=1)
    assert plan.set_level.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]


def striped_frame(border=(0, 5)):
    """A frame of 10 rows across the detector; rows of reference pixels, and the four columns at either side."""
    pixeldq = np.zeros((10, NIR_SIZE), np.uint32)
    pixeldq[list(border)] = dq.REFERENCE_PIXEL
    pixeldq[:, :4] = pixeldq[:, -4:] = dq.REFERENCE_PIXEL
    frame = levels(10, NIR_SIZE) + 10 * (np.arange(NIR_SIZE) // 512)
    return frame, pixeldq


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("noutputs", [1, 4])
def test_stripes_lose_the_level_of_all_reference_pixels_of_an_amplifier(detector, noutputs):
    frame, pixeldq = striped_frame()
    light = np.where(pixeldq == 0, 50, 0)
    corrected = correct(frame + light, pixeldq, detector=detector, noutputs=noutputs, striped=True)
    np.testing.assert_allclose(corrected, light, atol=1e-4)


def test_stripes_have_levels_from_reference_pixels_in_any_row():
    frame, pixeldq = striped_frame()
    frame[5, 600:1000] += 3  # half of what there is but for the rest of row 5
    even, odd = (np.r_[frame[0, 512 + k : 1024 : 2], frame[5, 512 + k : 1024 : 2]].mean() for k in (0, 1))
    corrected = correct(frame, pixeldq, striped=True)
    np.testing.assert_allclose(corrected[1, 512:516], frame[1, 512:516] - [even, odd, even, odd], atol=1e-3)


def test_the_side_columns_of_stripes_may_be_left_out():
    frame, pixeldq = striped_frame()
    frame[:, :4] += 5000
    with_sides = correct(frame, pixeldq, striped=True, odd_even_columns=False, siglimit=100.0)
    without = correct(frame, pixeldq, striped=True, odd_even_columns=False, siglimit=100.0, stripe_side_columns=False)
    np.testing.assert_array_equal(without[:, :4], frame[:, :4])
    np.testing.assert_array_equal(without[:, -4:], frame[:, -4:])
    np.testing.assert_allclose(without[:, 4:512], levels(10, 508, -3.5, 3.5), atol=1e-3)
    shift = 5000 * 40 / (2 * 512 + 8 * 4)  # 4 columns of 10 rows among those of two rows and the rest of the sides
    np.testing.assert_allclose(with_sides[:, 4:512], levels(10, 508, -3.5, 3.5) - shift, atol=1e-2)
    np.testing.assert_array_equal(without[:, 512:1536], with_sides[:, 512:1536])


def test_an_amplifier_of_stripes_without_references_for_one_parity_is_left_alone():
    frame, pixeldq = striped_frame()
    pixeldq[:, 1024:1536:2] |= dq.DO_NOT_USE
    corrected = correct(frame, pixeldq, striped=True)
    np.testing.assert_array_equal(corrected[:, 1024:1536], frame[:, 1024:1536])
    np.testing.assert_allclose(corrected[:, :1024], 0, atol=1e-4)


def test_stripes_may_be_narrow_and_say_that_they_begin_anywhere():
    # Columns 500-523 of the detector; its first line is the highest row of the science frame.
    frame = np.where(np.arange(24) < 12, 100.0, 200.0) * np.ones((6, 1))
    plan = plan_correction(
        reference_rows(6, 24)[::-1],
        **{**NIRCAM, **PARAMETERS, "detector": "NRCA2"},
        xstart=501,
        ystart=2048,
        striped=True,
    )
    corrected = correct_groups(np.array([frame], np.float32), plan)
    np.testing.assert_allclose(corrected, 0, atol=1e-4)


def test_single_amplifier_uses_flagged_reference_pixels_only():
    frame = levels(12, 10)
    frame[4:] += 300
    out = correct(frame, reference_rows(12, 10), noutputs=1, use_side_ref_pixels=True)
    assert np.all(out[:4] == 0)
    assert np.all(out[4:] == 300)


@pytest.mark.parametrize("parity", [0, 1])
def test_single_amplifier_with_references_in_every_other_column_is_skipped(parity):
    pixeldq = reference_rows(12, 10)
    pixeldq[:4, parity::2] |= dq.DO_NOT_USE
    with pytest.raises(NotApplicable, match="20 good reference pixels .* odd_even_columns=False"):
        correct(levels(12, 10), pixeldq, noutputs=1)


def test_single_amplifier_with_one_level():
    frame = levels(12, 10)
    pixeldq = reference_rows(12, 10)
    pixeldq[:4, 1::2] |= dq.DO_NOT_USE
    assert np.array_equal(correct(frame, pixeldq, noutputs=1, odd_even_columns=False), frame - 100)


@pytest.mark.parametrize("noutputs", [1, 4])
def test_subarray_without_reference_pixels_is_not_changed(noutputs):
    frame = levels(12, 10)
    out = correct(frame, noutputs=noutputs, xstart=900, ystart=900, use_side_ref_pixels=True)
    assert np.array_equal(out, frame)


@pytest.mark.parametrize(("subarray", "expected"), [("SUB512", 0), ("SUB32", 0), ("SUB2048", 100)])
def test_some_nirspec_subarrays_use_their_edges_as_reference(subarray, expected):
    """The outer columns of the science frame are the outer rows of the detector frame."""
    frame = np.full((20, 6), 100.0)
    frame[4:-4] = 130
    pixeldq = np.zeros(frame.shape, np.uint32)
    frame[0, 0], pixeldq[0, 0] = 9000, dq.DO_NOT_USE
    out = correct(
        frame,
        pixeldq,
        detector="NRS1",
        instrument="NIRSPEC",
        subarray=subarray,
        noutputs=1,
        xstart=1009,
        ystart=1009,
    )
    assert out[1, 1] == expected
    assert out[10, 3] == expected + 30


@pytest.mark.parametrize(("orientation", "level"), [("header", 0), ("detector", 3.5)])
def test_header_axes_prevail_over_the_detector_if_wanted(orientation, level):
    """NRS1 by name, but read along x: rows of the file are rows of the detector."""
    frame = levels(12, 10)
    plan = plan_correction(
        reference_rows(12, 10),
        **{**NIRCAM, "detector": "NRS1", "noutputs": 1, **PARAMETERS},
        xstart=1,
        ystart=1,
        fastaxis=1,
        slowaxis=2,
        orientation=orientation,
    )
    assert np.all(np.abs(correct_groups(frame[np.newaxis].astype(np.float32), plan)) == level)


FIRST = (0, slice(0, 1))


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(
    ("place", "expected"),
    [(FIRST, 2**24), (None, 2**24 + 2), ((0, slice(1, 2)), 2**24 + 2), ((1, *FIRST[1:]), 2**24 + 2)],
)
def test_first_frame_of_an_exposure_is_rounded_after_the_levels(detector, place, expected):
    """Single precision knows 2**24 and 2**24 + 2: adding 1 twice gets there only without rounding in between."""
    frame = np.full((12, 10), -1.0)
    frame[4:, :4] = -2
    frame[8, 6] = 2**24
    out = correct(frame, detector=detector, use_side_ref_pixels=True, place=place)
    assert out[8, 6] == expected
    assert out[8, 7] == 1


@pytest.mark.parametrize(("place", "total"), [(FIRST, 2**24 + 2), (None, 2**24 + 4)])
def test_first_frame_of_an_exposure_has_levels_in_single_precision(place, total):
    """A sum of 2**24, 1, 1 and 2 loses the ones."""
    frame = np.zeros((8, 10))
    frame[:4, 0] = 2**24, 1, 1, 2
    bad = np.full(frame.shape, dq.DO_NOT_USE, np.uint32)
    bad[:4, :2] = 0
    out = correct(frame, bad, place=place, use_side_ref_pixels=True, side_smoothing_length=1)
    assert out[6, 0] == -total / 4


@pytest.mark.parametrize(("place", "expected"), [(FIRST, 0), (None, -0.5)])
def test_first_frame_of_an_exposure_has_medians_in_single_precision(place, expected):
    """The median of 1 and 2**24 + 4 is 2**23 + 2.5, which single precision does not know."""
    frame = np.zeros((8, 10))
    frame[6, :2] = 1, 2**24 + 4
    frame[6, 6] = 2**23 + 2
    bad = np.full(frame.shape, dq.DO_NOT_USE, np.uint32)
    bad[:4] = bad[6, :2] = 0
    assert correct(frame, bad, place=place, use_side_ref_pixels=True, side_smoothing_length=1)[6, 6] == expected


def test_frames_without_side_correction_are_all_in_single_precision():
    frame = np.zeros((8, 10))
    frame[:4, 0] = 2**24, 1, 1, 2
    bad = np.zeros(frame.shape, np.uint32)
    bad[:4, 2:] = dq.DO_NOT_USE
    expected = -(2**24 + 2) / 4
    assert correct(frame, bad)[6, 0] == expected
    assert correct(frame, bad | reference_rows(8, 10), noutputs=1)[6, 0] == expected
    frame[6, 0] = 8
    assert correct(frame, bad, zero=True)[6, 0] == np.float32(8 + expected)


def test_unusable_pixels_of_a_zero_frame_stay_zero():
    frame = levels(12, 10)
    frame[8, 3] = 0
    out = correct(frame, zero=True)
    assert np.all(out == 0)
    frame[8, 4] += 60
    assert correct(frame, zero=True)[8, 4] == 60


@pytest.mark.parametrize("detector", DETECTORS)
def test_frames_one_by_one_give_the_bits_of_all_together(detector):
    rng = np.random.default_rng(5)
    pixeldq = np.where(rng.random((24, 32)) < 0.1, dq.DO_NOT_USE, 0).astype(np.uint32)
    header = {**NIRCAM, "detector": detector, **at_detector_corner(detector, (24, 32))}
    plan = plan_correction(pixeldq, **{**header, **PARAMETERS, "use_side_ref_pixels": True, "xstart": 1, "ystart": 1})
    sci = rng.normal(100, 10, (5, 24, 32)).astype(np.float32)
    together = correct_groups(sci.copy(), plan)
    one_by_one = [correct_groups(frame[np.newaxis].copy(), plan)[0] for frame in sci]
    assert np.array_equal(together, one_by_one)
    assert not np.array_equal(together, sci)


def miri_drift(odd_even_rows=True):
    """Two groups of MIRI: a pattern, and the same plus a level per output and row parity."""
    rng = np.random.default_rng(6)
    first = rng.integers(1000, 2000, MIRI_FRAME).astype(np.float32)
    level = 10.0 * (np.arange(MIRI_FRAME[1]) % 4) + np.zeros((MIRI_FRAME[0], 1))
    if odd_even_rows:
        level[1::2] += 5
    return first, (first + level).astype(np.float32)


def plan_miri(pixeldq=None, **options):
    if pixeldq is None:
        pixeldq = np.zeros(MIRI_FRAME, np.uint32)
    header = {"instrument": "MIRI", "detector": "MIRIMAGE", "subarray": "FULL", "noutputs": 4}
    return plan_correction(pixeldq, **{**header, "xstart": 1, "ystart": 1, **PARAMETERS, **options})


def test_miri_returns_to_the_levels_of_the_first_group():
    first, second = miri_drift()
    second[500, 600] += 77
    sci = np.stack([first, second])
    out = correct_groups(sci, plan_miri(), first_group=sci[0])
    assert np.array_equal(out[0], first)
    first[500, 600] += 77
    assert np.array_equal(out[1], first)


def test_miri_with_one_level_for_all_rows():
    first, second = miri_drift()
    out = correct_groups(second[np.newaxis], plan_miri(odd_even_rows=False), first_group=first)[0]
    assert np.all(out[::2] - first[::2] == -2.5)
    assert np.all(out[1::2] - first[1::2] == 2.5)


def test_miri_averages_both_ends_of_the_rows():
    first = np.zeros(MIRI_FRAME, np.float32)
    second = first.copy()
    second[:, :4], second[:, -4:] = 10, 30
    out = correct_groups(second[np.newaxis], plan_miri(), first_group=first)[0]
    assert np.all(out[:, 4:-4] == -20)


def test_miri_is_worked_on_in_single_precision():
    rng = np.random.default_rng(9)
    change = rng.normal(30, 3, MIRI_FRAME).astype(np.float32)
    out = correct_groups(change[np.newaxis].copy(), plan_miri(siglimit=1e9), first_group=np.zeros_like(change))[0]
    in_double = np.empty_like(change)
    for parity in range(2):
        for output in range(4):
            rows, pixels = slice(parity, None, 2), change[parity::2, output::4]
            level = np.float32(0.5) * (pixels[:, 0].mean() + pixels[:, -1].mean())
            assert np.array_equal(out[rows, output::4], pixels - level)
            level = 0.5 * (pixels[:, 0].mean(dtype=np.float64) + pixels[:, -1].mean(dtype=np.float64))
            in_double[rows, output::4] = pixels - level
    assert np.any(out != in_double)


def test_miri_frames_do_not_depend_on_each_other():
    first, second = miri_drift()
    rng = np.random.default_rng(8)
    sci = np.stack([first, second, second + rng.normal(0, 5, MIRI_FRAME).astype(np.float32)])
    together = correct_groups(sci.copy(), plan_miri(), first_group=first)
    one_by_one = [correct_groups(frame[np.newaxis].copy(), plan_miri(), first_group=first)[0] for frame in sci]
    assert np.array_equal(together, one_by_one)


def test_miri_is_not_changed_if_one_end_of_one_output_is_bad():
    pixeldq = np.zeros(MIRI_FRAME, np.uint32)
    pixeldq[1::2, 1030] = dq.DO_NOT_USE
    first, second = miri_drift()
    plan = plan_miri(pixeldq)
    assert not plan.acts
    assert np.array_equal(correct_groups(second[np.newaxis].copy(), plan, first_group=first)[0], second)
    assert plan_miri(pixeldq, odd_even_rows=False).acts


def test_miri_needs_the_first_group():
    with pytest.raises(ValueError, match="need the first group"):
        correct_groups(np.zeros((1, *MIRI_FRAME), np.float32), plan_miri())


def test_miri_subarrays_are_skipped():
    with pytest.raises(NotApplicable, match="64 x 72 pixels are a subarray"):
        plan_miri(np.zeros((64, 72), np.uint32))


@pytest.mark.parametrize(
    "start", [{"xstart": 0, "ystart": 1}, {"xstart": 2040, "ystart": 1}, {"xstart": 1, "ystart": 2038}]
)
def test_subarrays_beyond_the_detector_are_skipped(start):
    with pytest.raises(NotApplicable, match="does not fit on the detector of 2048 x 2048"):
        correct(levels(12, 10), **start)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"siglimit": 0}, "siglimit is 0"),
        (
            {"use_side_ref_pixels": True, "side_smoothing_length": 0},
            "side_smoothing_length is 0, expected 1 to 4095",
        ),
        ({"use_side_ref_pixels": True, "side_smoothing_length": 4096}, "side_smoothing_length is 4096"),
        ({"refpix_algorithm": "mean"}, 'refpix_algorithm is "mean"'),
    ],
)
def test_impossible_parameters_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        correct(levels(12, 10), **options)


def test_groups_of_another_shape_are_refused():
    plan = plan_correction(np.zeros((8, 9), np.uint32), **NIRCAM, **PARAMETERS, xstart=1, ystart=1)
    with pytest.raises(ValueError, match=r"a group has shape \(9, 8\), PIXELDQ \(8, 9\)"):
        correct_groups(np.zeros((1, 9, 8), np.float32), plan)


def test_frames_larger_than_the_detector_are_refused():
    with pytest.raises(ValueError, match="larger than the detector"):
        correct(np.zeros((3, 3200)), detector="NRS1", instrument="NIRSPEC", xstart=1, ystart=1)


SIRS = {
    **{**NIRCAM, "subarray": "FULL"},
    **{**PARAMETERS, "use_side_ref_pixels": True},
    "refpix_algorithm": "sirs",
    "xstart": 1,
    "ystart": 1,
}


def full_frame_with_bumps():
    """A frame in the detector frame whose side pixels show a bump of three rows, and an outlier."""
    frame = np.zeros((NIR_SIZE, NIR_SIZE), np.float32)
    frame[:, :4] = frame[:, -4:] = np.tile([1.0, -1.0], (NIR_SIZE, 2))
    frame[1000:1003] += 3
    frame[500, 2] = 1e4
    return frame


@pytest.mark.parametrize("detector", DETECTORS)
def test_kernels_predict_the_drift_of_each_amplifier_from_both_sides(detector):
    orientation = Orientation.from_detector(detector)
    # A flat spectrum is a kernel of one row; amplifiers take different shares of the two sides.
    gamma, zeta = np.ones((4, 65)) * [[0.5], [0.25], [1.0], [0.0]], np.ones((4, 65)) * [[0.5], [0.25], [0.0], [0.0]]
    pixeldq = np.zeros((NIR_SIZE, NIR_SIZE), np.uint32)
    plan = plan_correction(
        pixeldq, **{**SIRS, "detector": detector}, sirs_coefficients=(gamma, zeta), gaussmooth=1e-3, halfwidth=5
    )
    sci = np.array(orientation.to_science(full_frame_with_bumps())[np.newaxis], order="C")
    corrected = orientation.to_detector(correct_groups(sci, plan)[0])
    for amplifier, remains in enumerate([0.0, 1.5, 0.0, 3.0]):
        column = corrected[:, 512 * amplifier + 100]
        np.testing.assert_allclose(column[1000:1003], remains, atol=1e-5)
        np.testing.assert_allclose(column[[999, 1003]], 0, atol=1e-5)
        # The mean of the three good pixels of the row of the outlier is -1/3.
        np.testing.assert_allclose(column[500], gamma[amplifier, 0] / 3, atol=1e-5)


def test_kernels_are_smooth_and_cut_from_the_middle():
    coefficients = np.ones((4, 65))
    kernels = make_kernels(coefficients, 2 * coefficients, gaussmooth=1.0, halfwidth=8)
    assert kernels.shape == (2, 4, 17)
    gaussian = np.exp(-0.5 * np.arange(-8, 9) ** 2)
    np.testing.assert_allclose(kernels[1, 0], 2 * gaussian / gaussian.sum(), atol=1e-12)


def test_outliers_of_a_side_lower_the_weight_of_their_row_only():
    left = np.full((40, 4), 2.0) + np.tile([-0.1, 0.1], 2)
    left[20, 1] = 1e6
    kernels = np.zeros((2, 1, 3))
    kernels[0, 0] = 0.25, 0.5, 0.25
    template = side_templates(left, np.zeros((40, 4)), kernels, sigreject=4.0)[0]
    np.testing.assert_allclose(template[5:15], 2.0, atol=1e-6)
    # Three of four pixels are left in one row; the mean of what is there does not change much.
    np.testing.assert_allclose(template[19:22], 2.0, atol=0.03)
    # At the ends the kernel sees three quarters of its weight.
    np.testing.assert_allclose(template[[0, -1]], 1.5, atol=1e-6)


def test_without_a_kernel_the_running_median_serves():
    assert coefficients(None, "NRCA1") is None
    assert coefficients({"nrs1": {}}, "NRCA1") is None
    pixeldq = np.zeros((NIR_SIZE, NIR_SIZE), np.uint32)
    frame = full_frame_with_bumps()[np.newaxis]
    median = correct_groups(frame.copy(), plan_correction(pixeldq, **{**SIRS, "refpix_algorithm": "median"}))
    fallback = correct_groups(frame.copy(), plan_correction(pixeldq, **SIRS))
    assert fallback.tobytes() == median.tobytes()


@pytest.mark.parametrize(
    ("instrument", "subarray", "wanted"),
    [("NIRCAM", "FULL", True), ("NIRCAM", "FULLP", True), ("NIRCAM", "SUB64", False), ("MIRI", "FULL", False)],
)
def test_kernels_are_for_full_frames_of_the_near_infrared(instrument, subarray, wanted):
    assert wants_kernels(instrument, subarray, "sirs") is wanted
    assert not wants_kernels(instrument, subarray, "median")


@pytest.mark.parametrize("options", [{"gaussmooth": 0}, {"halfwidth": 64}])
def test_impossible_kernels_are_refused(options):
    with pytest.raises(ValueError, match="halfwidth"):
        make_kernels(np.ones((4, 65)), np.ones((4, 65)), **{"gaussmooth": 1.0, "halfwidth": 5, **options})
