import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotUsable
from rampflow.steps import persistence as step

TABLE = np.array([(100.0, -0.1, 50.0, -0.01)], [(f"capture{k}", "f4") for k in range(3)] + [("decay_param", "f4")])
ONE = step.Families.of(TABLE)
TIMING = step.Timing(group=10.0, frame=2.0, resets_at_start=1, resets=1)


def subtract(
    sci, groupdq=None, *, filled=0.0, density=1.0, level=1e4, blind=False, families=ONE, timing=TIMING, **options
):
    sci = np.array(sci, np.float32)
    groupdq = np.zeros(sci.shape, np.uint8) if groupdq is None else np.array(groupdq, np.uint8)
    ny, nx = sci.shape[-2:]
    images = [
        np.full((ny, nx), value, kind) for value, kind in ((density, np.float32), (level, np.float32), (blind, bool))
    ]
    filled = np.full((len(families), ny, nx), filled, np.float32)
    options = {"flag_pers_cutoff": 40.0, **options}
    return step.subtract_traps(sci, groupdq, filled, *images, families=families, timing=timing, **options)


def ramp(slope, ngroups=4, nints=1):
    groups = slope * 10.0 * np.arange(1, ngroups + 1)
    return np.broadcast_to(groups[:, None, None], (nints, ngroups, 1, 1))


def test_what_the_traps_release_is_subtracted_and_adds_up_over_the_groups():
    sci, _, filled, persistence = subtract(np.zeros((1, 3, 1, 1)), filled=1000.0, save_persistence=True)
    expected = 1000 * (1 - np.exp(-0.1 * np.arange(1, 4)))
    np.testing.assert_allclose(-sci.ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(persistence.ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(filled, 1000 * np.exp(-0.3), rtol=1e-6)


def test_traps_empty_during_the_resets_between_integrations():
    sci, _, filled, _ = subtract(np.zeros((2, 1, 1, 1)), filled=1000.0)
    np.testing.assert_allclose(-sci.ravel(), (1 - np.exp(-0.1)) * 1000 * np.array([1, np.exp(-0.12)]), rtol=1e-6)
    np.testing.assert_allclose(filled, 1000 * np.exp(-0.22), rtol=1e-6)


def test_pixels_are_flagged_from_the_cutoff_on():
    for amount, flag in ((419.9, 0), (420.5, dq.PERSISTENCE)):  # 10 s release 0.09516 of them, 40 DN of 420.34
        assert subtract(np.zeros((1, 1, 1, 1)), filled=amount)[1].item() == flag


@pytest.mark.parametrize("integration", [0, 1])
def test_a_ramp_fills_what_the_integral_over_its_open_traps_says(integration):
    timing = step.Timing(group=10.0, frame=2.0, resets_at_start=3, resets=1, first=integration == 0)
    filled = subtract(ramp(20.0), timing=timing, density=0.5)[2].item()
    time = np.linspace(0, 46.0 if integration == 0 else 42.0, 200001)
    open_traps = time * (100 * (1 - np.exp(-0.1 * time)) + 50)
    assert filled == pytest.approx(2 * 0.5 * (20 / 1e4) ** 2 * np.trapezoid(open_traps, time), rel=1e-6)


def test_a_pixel_that_is_saturated_throughout_has_its_prompt_traps_filled_and_then_the_others():
    flags = np.full((1, 4, 1, 1), dq.SATURATED)
    filled = subtract(np.full((1, 4, 1, 1), 2e4), flags, density=0.5)[2].item()
    assert filled == pytest.approx(0.5 * (50 + 100 * (1 - np.exp(-4.0))), rel=1e-6)


def test_part_of_a_ramp_above_the_level_fills_the_traps_that_are_left():
    filled = subtract(ramp(300.0))[2].item()  # 3000 6000 9000 12000: one group above
    caught = (0.03**2) * ONE.ramp([32.0]).item()
    assert filled == pytest.approx(caught + (150 - caught) * (1 - np.exp(-1.0)), rel=1e-6)


def test_saturated_differences_and_jumps_do_not_count_for_the_slope():
    quiet = subtract(ramp(20.0))[2].item()
    sci = ramp(20.0).copy()
    sci[0, 3] = 5000.0
    flags = np.zeros(sci.shape, np.uint8)
    flags[0, 3] = dq.SATURATED
    assert subtract(sci, flags)[2].item() == pytest.approx(quiet, rel=1e-6)
    flags[0, 3] = dq.JUMP_DET
    jump = 2 * (5000 - 600 - 200) * (100 * (1 - np.exp(-0.1 * 5.0)) + 50)
    assert subtract(sci, flags)[2].item() == pytest.approx(quiet + jump, rel=1e-6)
    # A jump in the first group takes a difference from the mean: the largest one.
    flags[0, 3], flags[0, 0] = 0, dq.JUMP_DET
    assert subtract(sci, flags)[2].item() == pytest.approx(quiet, rel=1e-6)


def test_one_group_counts_from_zero():
    filled = subtract([[[[200.0]]]])[2].item()
    assert filled == pytest.approx(0.002**2 * ONE.ramp([12.0]).item(), rel=1e-6)


def test_a_pixel_without_level_catches_nothing_and_one_without_density_neither():
    assert subtract(ramp(20.0), blind=True)[2].item() == 0
    assert subtract(ramp(20.0), density=0)[2].item() == 0


def test_nan_is_unknown_to_the_traps_of_its_pixel_alone():
    sci = np.broadcast_to(ramp(20.0, nints=2), (2, 4, 1, 2)).copy()
    sci[0, 1, 0, 0] = np.nan
    sci, flags, filled, _ = subtract(sci, filled=1000.0)
    assert np.isnan(sci[1, :, 0, 0]).all() and np.isnan(filled[0, 0, 0])
    assert np.isfinite(sci[..., 1]).all() and np.isfinite(filled[0, 0, 1])
    assert (flags == dq.PERSISTENCE).all()


def test_a_family_that_never_decays_or_never_waits_is_allowed():
    table = np.array([(100.0, 0.0, 50.0, 0.0)], TABLE.dtype)
    families = step.Families.of(table)
    sci, _, filled, _ = subtract(np.zeros((2, 2, 1, 1)), filled=1000.0, families=families)
    assert not sci.any() and filled.item() == 1000


def test_unknown_values_of_the_references():
    flags = np.uint32([[0, 0, dq.DO_NOT_USE, dq.HOT]])
    np.testing.assert_array_equal(step.usable_density(np.float32([[1, np.nan, 3, 4]]), flags), [[1, 0, 0, 4]])
    level, blind = step.usable_saturation(np.float32([[1, np.nan, 3, 4]]), flags)
    np.testing.assert_array_equal(level, [[1, 1e7, 3, 4]])
    np.testing.assert_array_equal(blind, [[False, False, True, False]])


def test_filled_traps_decay_over_a_gap_and_unknown_ones_are_empty():
    filled = np.float32([[[1000, np.nan]]])
    assert step.decayed(filled, 100.0, ONE) is filled
    np.testing.assert_allclose(filled, [[[1000 * np.exp(-1), 0]]], rtol=1e-6)
    assert TIMING.whole(3, 4) == 3 * 40 + 2 * 2


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"filled traps has shape \(2, 1, 2\), families and groups \(1, 1, 2\)"):
        step.subtract_traps(
            np.zeros((1, 1, 1, 2), np.float32), np.zeros((1, 1, 1, 2), np.uint8), np.zeros((2, 1, 2), np.float32),
            *(np.zeros((1, 2), kind) for kind in (np.float32, np.float32, bool)), families=ONE, timing=TIMING,
            flag_pers_cutoff=1.0,
        )  # fmt: skip


def test_traps_do_not_depend_on_the_rows_that_go_together():
    rng = np.random.default_rng(1)
    sci = np.cumsum(rng.uniform(0, 6000, (2, 5, 6, 7)), axis=1).astype(np.float32)
    groupdq = rng.choice([0, 0, dq.JUMP_DET, dq.SATURATED], sci.shape).astype(np.uint8)
    filled = rng.uniform(0, 500, (1, 6, 7)).astype(np.float32)
    images = [rng.uniform(0.1, 1, (6, 7)), rng.uniform(1e4, 2e4, (6, 7)), rng.uniform(size=(6, 7)) < 0.1]
    images = [images[0].astype(np.float32), images[1].astype(np.float32), images[2]]
    options = {"families": ONE, "timing": TIMING, "flag_pers_cutoff": 10.0}
    whole = step.subtract_traps(sci.copy(), groupdq, filled, *images, **options)
    parts = [
        step.subtract_traps(
            *(np.ascontiguousarray(a[..., rows, :]) for a in (sci, groupdq, filled, *images)), **options
        )
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    for k in range(3):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts], axis=-2), whole[k])


def flag(groups, until=0.0, sci=None, starts=(0.0,), **options):
    groupdq = np.array(groups, np.uint8).reshape(len(starts), -1, 1, 1)
    sci = None if sci is None else np.array(sci, np.float32).reshape(groupdq.shape)
    options = {"persistence_time": 20, **options}
    out, until = step.flag_windows(
        groupdq, sci, until=np.full((1, 1), until), starts=np.array(starts), tgroup=10.0, **options
    )
    return out.reshape(len(starts), -1).tolist(), until.item()


def test_a_window_opens_at_saturation_and_lasts_into_the_next_integration():
    # Groups end at 10, 20, 30 s and 45, 55, 65 s; the window, opened at 30 s, ends at 50 s.
    assert flag([[0, 0, 2], [0, 0, 0]], starts=(0.0, 35.0)) == ([[0, 0, 34], [32, 0, 0]], 0.0)
    assert flag([[0, 2, 2], [0, 0, 2]], starts=(0.0, 35.0)) == ([[0, 34, 34], [0, 0, 34]], 85.0)


def test_saturation_that_lasts_does_not_keep_the_window_open():
    assert flag([[2, 2, 2, 2]], persistence_time=15) == ([[34, 34, 2, 2]], 0.0)


def test_counts_above_the_threshold_open_a_window_where_none_is_open():
    sci = [10, 500, 500, 500, 500, np.nan]
    assert flag([[0] * 6], sci=sci, dn_threshold=100.0) == ([[0, 32, 32, 32, 32, 32]], 70.0)
    assert flag([[0] * 6], sci=sci, dn_threshold=500.0) == ([[0] * 6], 0.0)


def test_groups_in_a_window_are_unusable_where_that_is_wanted():
    assert flag([[0, 2, 4]], persistence_dnu=True)[0] == [[0, 35, 37]]


def test_windows_of_the_exposure_before_go_on_and_those_of_another_time_do_not():
    assert flag([[0, 0, 0]], until=20.0) == ([[32, 32, 0]], 0.0)
    assert flag([[0, 0, 0]], until=9.0) == ([[0, 0, 0]], 0.0)
    assert flag([[0, 0, 0]], until=31.0) == ([[0, 0, 0]], 0.0)


def test_integrations_start_where_the_table_says_or_one_after_the_other():
    mjd = 60000.0
    unix = 1677283200.0
    np.testing.assert_allclose(
        step.integration_starts(expstart=mjd, effinttm=50.0, nints=2, intstart=3) - unix, [100, 150], atol=1e-6
    )
    times = [mjd + 1 / 864, mjd + 2 / 864]
    np.testing.assert_allclose(
        step.integration_starts(expstart=mjd, effinttm=50.0, nints=2, int_times=times) - unix, [100, 200], atol=1e-5
    )


@pytest.mark.parametrize("length", [None, 0, -5])
def test_a_window_without_length_cannot_be_used(length):
    with pytest.raises(NotUsable, match="persistence_time is"):
        step.check_window(length)
