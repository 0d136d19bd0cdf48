import numpy as np
import pytest

from rampflow.steps import NotApplicable, dark_current
from rampflow.steps.dark_current import (
    ReadPattern,
    average_dark_current,
    averaged_dark,
    combine_dark_dq,
    dark_plane,
    plan_dark,
    subtract_dark,
)


def reader(frames):
    """Return a function that reads a dark of one plane, given its groups."""
    return lambda plane, group: frames[group] if plane == 0 else pytest.fail(f"no plane {plane}")


def averages(science, dark, *values):
    """Average a dark of uniform groups for every group of the exposure; one value per group."""
    plan = plan_dark(ReadPattern(*science), ReadPattern(*dark))
    read_dark = reader([np.full((2, 3), value, np.float32) for value in values])
    return [float(averaged_dark(read_dark, plan, plane=0, group=g)[1, 1]) for g in range(science[0])]


def test_frames_of_a_pattern_include_the_gaps_between_groups_only():
    assert ReadPattern(ngroups=3, nframes=4, groupgap=1).frames == 14


def test_same_pattern_takes_the_darks_groups_one_by_one():
    assert averages((3, 4, 1), (5, 4, 1), 1, 2, 3, 4, 5) == [1, 2, 3]


def test_frames_of_a_group_are_averaged_and_those_in_the_gap_left_out():
    # Frames 0-1, (2), 3-4, (5), 6-7 of the dark.
    assert averages((3, 2, 1), (8, 1, 0), 0, 1, 100, 3, 5, 100, 6, 9) == [0.5, 4, 7.5]


def test_single_frames_with_a_gap_are_picked():
    assert averages((3, 1, 2), (8, 1, 0), 0, 9, 9, 3, 9, 9, 6, 9) == [0, 3, 6]


def test_short_dark_continues_on_the_line_of_its_last_two_groups():
    assert averages((5, 1, 0), (3, 1, 0), 0, 10, 12) == [0, 10, 12, 14, 16]


def test_extrapolated_frames_are_averaged_too():
    # Frames 0 10 12 14 | 16 18 20 22
    assert averages((2, 4, 0), (3, 1, 0), 0, 10, 12) == [9, 19]


def test_one_group_needs_no_extrapolation():
    assert averages((1, 1, 0), (1, 1, 0), 7) == [7]


def test_each_nan_of_the_dark_counts_as_zero_and_the_reference_stays_as_it_is():
    frames = np.array([[[4, np.nan]], [[8, 6]]], dtype=np.float32)
    plan = plan_dark(ReadPattern(1, 2, 0), ReadPattern(2, 1, 0))
    dark = averaged_dark(reader(frames), plan, plane=0, group=0)
    np.testing.assert_array_equal(dark, [[6, 3]])
    same = plan_dark(ReadPattern(2, 1, 0), ReadPattern(2, 1, 0))
    first = averaged_dark(reader(frames), same, plane=0, group=0)
    np.testing.assert_array_equal(first, [[4, 0]])
    assert np.isnan(frames[0, 0, 1])


def test_pixel_that_cannot_be_extrapolated_gets_no_dark_beyond_the_reference():
    frames = np.array([[[1, np.nan]], [[2, 5]]], dtype=np.float32)
    plan = plan_dark(ReadPattern(3, 1, 0), ReadPattern(2, 1, 0))
    darks = [averaged_dark(reader(frames), plan, plane=0, group=g)[0] for g in range(3)]
    np.testing.assert_array_equal(darks, [[1, 0], [2, 5], [3, 0]])


def test_average_is_summed_in_order_in_single_precision():
    frames = np.random.default_rng(6).normal(5, 3, (8, 4, 5)).astype(np.float32)
    expected = frames[0].copy()
    for frame in frames[1:]:
        expected += frame
    plan = plan_dark(ReadPattern(1, 8, 0), ReadPattern(8, 1, 0))
    dark = averaged_dark(reader(frames), plan, plane=0, group=0)
    assert dark.dtype == np.float32
    np.testing.assert_array_equal(dark, expected / np.float32(8))


def test_extrapolated_group_is_rounded_after_subtraction_alone():
    frames = np.array([[[0.1]], [[0.3]]], dtype=np.float32)
    plan = plan_dark(ReadPattern(4, 1, 0), ReadPattern(2, 1, 0))
    dark = averaged_dark(reader(frames), plan, plane=0, group=3)
    assert dark.dtype == np.float64
    assert dark[0, 0] == float(frames[1, 0, 0]) + 2 * float(frames[1, 0, 0] - frames[0, 0, 0])


def test_every_frame_is_read_once_per_plane():
    reads = []

    def read_dark(plane, group):
        reads.append((plane, group))
        return np.zeros((1, 1), np.float32)

    plan = plan_dark(ReadPattern(2, 3, 1), ReadPattern(9, 1, 0))
    for group in range(2):
        averaged_dark(read_dark, plan, plane=1, group=group)
    assert reads == [(1, g) for g in (0, 1, 2, 4, 5, 6)]


@pytest.mark.parametrize(
    ("science", "dark", "reason"),
    [
        ((3, 1, 0), (9, 2, 0), "NFRAMES=2, the exposure only 1"),
        ((3, 4, 0), (9, 4, 1), "GROUPGAP=1, the exposure only 0"),
    ],
)
def test_dark_with_coarser_groups_is_not_applicable(science, dark, reason):
    with pytest.raises(NotApplicable, match=reason):
        plan_dark(ReadPattern(*science), ReadPattern(*dark))


def test_one_group_cannot_be_extrapolated():
    with pytest.raises(ValueError, match="two groups or more"):
        plan_dark(ReadPattern(2, 1, 0), ReadPattern(1, 1, 0))


def test_short_dark_of_the_same_grouped_pattern_continues():
    assert averages((4, 4, 1), (2, 4, 1), 1, 3) == [1, 3, 5, 7]


# The dark covers the exposure's frames in the first case, not in the second.
@pytest.mark.parametrize("ngroups", [13, 3])
def test_grouped_dark_that_runs_out_of_groups_is_refused(ngroups):
    with pytest.raises(ValueError, match=f"needs 20 groups of the dark.*which has {ngroups}"):
        plan_dark(ReadPattern(5, 4, 0), ReadPattern(ngroups, 2, 0))


@pytest.mark.parametrize(
    ("integration", "intstart", "expected"),
    [(0, None, 0), (1, 1, 1), (2, 1, 2), (7, 1, 2), (0, 2, 2), (1, 9, 2)],
)
def test_later_integrations_and_later_segments_use_the_last_plane(integration, intstart, expected):
    assert dark_plane(integration, intstart=intstart, n_reference=3) == expected


def test_dark_is_subtracted_in_place_from_one_group_of_several_integrations():
    sci = np.array([[[10, np.nan]], [[30, 40]]], dtype=np.float32)
    assert subtract_dark(sci, np.array([[1, 2]], dtype=np.float64)) is sci
    np.testing.assert_array_equal(sci, np.float32([[[9, np.nan]], [[29, 38]]]))


def test_each_group_can_have_its_own_dark():
    sci = np.full((2, 1, 2), 10, np.float32)
    subtract_dark(sci, np.float32([[[1, 2]], [[3, 4]]]))
    np.testing.assert_array_equal(sci, [[[9, 8]], [[7, 6]]])


def test_dark_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"dark has shape \(1, 3\), the groups \(2, 3\)"):
        subtract_dark(np.zeros((4, 2, 3), np.float32), np.zeros((1, 3), np.float32))


@pytest.mark.parametrize(("planes", "first", "last"), [((), (0,), (1,)), ((2,), (0, 0), (1, 1))])
def test_the_dark_of_an_exposure_comes_group_by_group(planes, first, last):
    # Groups of two frames: of frames 0 to 3, and 4 to 7 in the second plane, the means are 0.5, 2.5, 4.5 and 6.5.
    stored = np.arange(np.prod(planes, initial=1) * 4, dtype=np.float32).reshape(*planes, 4, 1, 1)
    header = {"NFRAMES": 1, "GROUPGAP": 0}
    dark = dark_current.Dark(lambda _, *index: stored[index], header, stored.shape, ReadPattern(2, 2, 0))
    assert [dark.plane(i, intstart=1) for i in range(3)] == ([0, 1, 1] if planes else [0, 0, 0])
    images, keywords = dark.product(np.zeros((1, 1), np.uint32), "MIRI")
    shape, _, pieces = images["SCI"]
    found = dict(pieces)
    assert (list(found)[0], list(found)[-1], shape) == (first, last, (*planes, 2, 1, 1))
    assert [float(each[0, 0]) for each in found.values()] == [0.5, 2.5, 4.5, 6.5][: len(found)]
    assert keywords == {"NGROUPS": 2, "NFRAMES": 2, "GROUPGAP": 0, "DATAMODL": "DarkMIRIModel"}


def test_flags_of_all_integrations_of_the_dark_are_joined():
    np.testing.assert_array_equal(combine_dark_dq(np.uint32([[[[1, 0]]], [[[4, 2]]]])), [[5, 2]])
    np.testing.assert_array_equal(combine_dark_dq(np.uint32([[1, 2]])), [[1, 2]])


IMAGE = np.array([[1, 2]], dtype=np.float32)


@pytest.mark.parametrize(
    ("parameter", "image", "keyword", "expected"),
    [
        (None, None, None, [[0, 0]]),
        (None, None, 0.25, [[0.25, 0.25]]),
        (None, IMAGE, 0.25, [[1, 2]]),
        (None, 0 * IMAGE, 0.25, [[0.25, 0.25]]),
        (None, IMAGE.T, 0.25, [[0, 0]]),
        (0.5, IMAGE, 0.25, [[0.5, 0.5]]),
        (0.0, IMAGE, 0.25, [[0, 0]]),
    ],
)
def test_average_dark_current_is_parameter_then_image_then_keyword(parameter, image, keyword, expected):
    average = average_dark_current((1, 2), average_dark_current=parameter, image=image, keyword=keyword)
    assert average.dtype == np.float32
    np.testing.assert_array_equal(average, expected)


@pytest.mark.parametrize(
    ("parameter", "image", "expected"),
    [(None, IMAGE, None), (None, 0 * IMAGE, 0.25), (None, None, 0.25), (0.5, IMAGE, 0.5)],
)
def test_a_reference_with_an_image_can_count_as_without_dark_current(parameter, image, expected):
    options = {"average_dark_current": parameter, "use_average_image": False}
    average = average_dark_current((1, 2), image=image, keyword=0.25, **options)
    assert average is None if expected is None else (average == np.float32(expected)).all()


def test_result_does_not_depend_on_the_chunks():
    rng = np.random.default_rng(7)
    sci = rng.normal(1000, 50, (3, 6, 5)).astype(np.float32)
    frames = rng.normal(5, 3, (10, 6, 5)).astype(np.float32)
    plan = plan_dark(ReadPattern(3, 3, 1), ReadPattern(10, 1, 0))

    def subtracted(rows):
        block = sci[:, rows].copy()
        for g in range(3):
            dark = averaged_dark(reader(frames[:, rows]), plan, plane=0, group=g)
            subtract_dark(block[g : g + 1], dark)
        return block

    by_rows = [subtracted(slice(y, y + 4)) for y in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(by_rows, axis=1), subtracted(slice(None)))


def test_a_dark_of_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="header of the dark has no GROUPGAP"):
        ReadPattern.of({"NFRAMES": 1}, 4)
