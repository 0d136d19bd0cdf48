import numpy as np
import pytest

from rampflow.detector import dq, irs2
from rampflow.steps import NotApplicable
from rampflow.steps.refpix.irs2 import (
    SAMPLES,
    correct_groups,
    flag_reads,
    plan_correction,
    prepare_groups,
    read_statistics,
    reference_blocks,
)
from rampflow.steps.refpix.time_order import fit_line, subtract_line

OPTIONS = {
    "preserve_irs2_refpix": False,
    "irs2_mean_subtraction": False,
    "odd_even_columns": True,
    "siglimit": 3.0,
}
COLUMNS = [(f"{name}_{output}", "f4") for name in ("alpha", "beta") for output in range(4)]
FRAME = (irs2.ROWS, 2048)


def coefficients(**columns):
    """A table of coefficients; what is not given is zero at all frequencies."""
    table = np.zeros(2 * SAMPLES, COLUMNS)
    for name, values in columns.items():
        table[name][::2] = np.real(values)
        table[name][1::2] = np.imag(values)
    return table


def plan(table=None, pixeldq=None, dq_table=None, detector="NRS1", **options):
    pixeldq = np.zeros(FRAME, np.uint32) if pixeldq is None else pixeldq
    table = coefficients() if table is None else table
    return plan_correction(pixeldq, table, dq_table, detector=detector, **{**OPTIONS, **options})


def in_time(series):
    """Frame of NRS1 that shows one series, shape (lines, slots), in all sections."""
    return np.ascontiguousarray(series[:, irs2.slots().ravel()].T)


def read_rows(section, block, reads):
    return [irs2.SECTION_ROWS * section + 8 + 20 * block + read for read in reads]


def test_a_line_in_time_goes_and_the_mean_of_the_groups_stays():
    time = np.arange(SAMPLES, dtype=np.float64).reshape(2048, 712)
    drift = in_time(5.0 + 1e-5 * time)
    mean = np.random.default_rng(1).normal(1000, 50, FRAME)
    sci = (mean + drift).astype(np.float32)[np.newaxis]
    corrected = correct_groups(sci, mean=mean, plan=plan())
    assert corrected.shape == (1, 2048, 2048)
    np.testing.assert_allclose(corrected[0], mean[irs2.normal_rows("NRS1")], atol=2e-3)


def test_the_line_in_time_is_of_single_precision():
    times = (np.arange(712 * 2048) - (712 * 2048 - 1) / 2).astype(np.float32).reshape(2048, 712)
    level, slope = np.float32(3.1), np.float32(1.7e-6)
    series = level + slope * times
    found = fit_line(series)
    np.testing.assert_allclose(found, (level, slope), rtol=1e-5)
    # What lies on the line to the last bit is 0, and then counts as absent; in double precision little would be.
    subtract_line(series, level, slope)
    assert not series.any()
    series = np.zeros((2048, 712), np.float32)
    assert fit_line(series) == (0, 0)


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_what_the_reference_output_measures_in_the_same_slot_is_subtracted(detector):
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 10, (2048, 712))
    frame = in_time(noise).astype(np.float32)
    if detector == "NRS2":
        frame = np.ascontiguousarray(frame[::-1, ::-1])
    table = coefficients(alpha_0=np.ones(SAMPLES), alpha_2=np.full(SAMPLES, 0.25))
    corrected = correct_groups(frame[np.newaxis].copy(), mean=np.zeros(FRAME), plan=plan(table, detector=detector))[0]
    uncorrected = correct_groups(frame[np.newaxis].copy(), mean=np.zeros(FRAME), plan=plan(detector=detector))[0]
    remains = [1, 1, 0.75, 1] if detector == "NRS1" else [1, 0.75, 1, 1]
    remains[0 if detector == "NRS1" else 3] = 0
    for k, factor in enumerate(remains):
        rows = slice(512 * k, 512 * (k + 1))
        np.testing.assert_allclose(corrected[rows], factor * uncorrected[rows], atol=2e-4)


def test_slow_drifts_are_known_from_the_reads_of_each_amplifier():
    frequency = np.abs(np.fft.fftfreq(SAMPLES)) * SAMPLES
    # A block of 4 reads stands for 8 of the 712 / 32 slots.
    slow = np.where(frequency < 1000, 712 / 256, 0)
    time = np.arange(SAMPLES).reshape(2048, 712) / SAMPLES
    frame = in_time(20 * np.sin(2 * np.pi * 7 * time) + 10 * np.cos(2 * np.pi * 300 * time)).astype(np.float32)
    beta = {f"beta_{output}": slow for output in range(4)}
    corrected = correct_groups(frame[np.newaxis].copy(), mean=np.zeros(FRAME), plan=plan(coefficients(**beta)))[0]
    assert frame.std() > 15
    assert corrected.std() < 0.05 * frame.std()


def test_samples_of_exactly_zero_count_as_absent():
    frame = np.full(FRAME, 7, np.float32)
    frame[700:704] = 0
    corrected = correct_groups(frame[np.newaxis].copy(), mean=np.zeros(FRAME), plan=plan())[0]
    assert np.abs(corrected).max() < 1e-5


def test_groups_may_come_one_by_one_or_together():
    rng = np.random.default_rng(3)
    sci = rng.normal(100, 10, (2, *FRAME)).astype(np.float32)
    table = coefficients(alpha_1=np.full(SAMPLES, 0.5), beta_3=np.full(SAMPLES, 0.2 + 0.1j))
    settled, mean = plan(table, irs2_mean_subtraction=True), sci.mean(axis=0, dtype=np.float64)
    together = correct_groups(sci.copy(), mean=mean, plan=settled)
    alone = [correct_groups(sci[g : g + 1].copy(), mean=mean, plan=settled)[0] for g in range(2)]
    assert together.tobytes() == np.array(alone).tobytes()


def test_kept_reads_are_those_that_were_used():
    sci = np.random.default_rng(4).normal(100, 10, (1, *FRAME)).astype(np.float32)
    pixeldq = np.zeros(FRAME, np.uint32)
    bad = read_rows(2, 5, [0])
    pixeldq[bad] = dq.BAD_REF_PIXEL
    rows, mean = irs2.normal_rows("NRS1"), np.full(FRAME, 90.0)
    stripped = correct_groups(sci.copy(), mean=mean, plan=plan(pixeldq=pixeldq))
    kept = correct_groups(sci.copy(), mean=mean, plan=plan(pixeldq=pixeldq, preserve_irs2_refpix=True))
    assert kept[:, rows].tobytes() == stripped.tobytes()
    others = ~rows
    others[bad] = False
    np.testing.assert_array_equal(kept[:, others], sci[:, others])
    np.testing.assert_allclose(kept[0, bad[0]], 0.5 * (sci[0, bad[0] - 20] + sci[0, bad[0] + 20]), rtol=1e-6)


def test_bad_reads_are_replaced_by_the_same_read_nearby_or_the_other_pair():
    pixeldq = np.zeros(FRAME, np.uint32)
    rows = {
        "alone": read_rows(1, 5, [0, 1]),
        "end": read_rows(1, 31, [2, 3]),
        "row": read_rows(2, 9, [0, 1]) + read_rows(2, 10, [0, 1]) + read_rows(2, 11, [0, 1]),
        "upper": read_rows(3, 9, [2]) + read_rows(3, 10, [2]) + read_rows(3, 11, [2]),
        "all": read_rows(4, 9, range(4)) + read_rows(4, 10, range(4)) + read_rows(4, 11, range(4)),
    }
    for bad in rows.values():
        pixeldq[bad, 77] = dq.BAD_REF_PIXEL
    frame = np.tile(np.arange(irs2.ROWS, dtype=np.float32)[:, np.newaxis] ** 2 / 1000, (1, 2048))
    before = frame.copy()
    prepare_groups(frame[np.newaxis], plan(pixeldq=pixeldq))
    for row in rows["alone"]:
        np.testing.assert_allclose(frame[row], 0.5 * (before[row - 20] + before[row + 20]), rtol=1e-6)
    for row in rows["end"]:
        np.testing.assert_array_equal(frame[row], before[row - 20])
    np.testing.assert_array_equal(frame[rows["row"][2]], before[rows["row"][2] + 2])
    np.testing.assert_array_equal(frame[rows["upper"][1]], before[rows["upper"][1] - 2])
    assert not frame[rows["all"][4:8]].any()
    touched = np.concatenate(list(rows.values()))
    np.testing.assert_array_equal(np.delete(frame, touched, axis=0), np.delete(before, touched, axis=0))


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_the_reference_file_names_bad_reads_too(detector):
    layout = [("OUTPUT", "u2"), ("ODD_EVEN", "u2"), ("MASK", "u4")]
    table = np.array([(1, 1, 1 << 3), (2, 1, 1 << 31 | 1)], layout)
    found = plan(dq_table=table, detector=detector)
    expected = read_rows(1, 3, [0, 1]) + read_rows(2, 0, [2, 3]) + read_rows(2, 31, [2, 3])
    if detector == "NRS2":
        expected = [irs2.ROWS - 1 - row for row in expected]
    assert sorted(found.replaced) == sorted(expected)


def statistics(data):
    return sum((read_statistics(data[np.newaxis, :, block]) for block in reference_blocks()), [])


@pytest.mark.parametrize("odd", ["offset", "noise", "difference"])
def test_reads_unlike_the_others_are_flagged(odd):
    rng = np.random.default_rng(5)
    data = rng.normal(0, 5, (2, irs2.ROWS, 64)).astype(np.float32)
    pair = read_rows(3, 12, [2, 3])
    if odd == "offset":
        data[:, pair] += 30
    elif odd == "noise":
        data[:, pair] *= 4
    else:
        data[:, pair[0]] += 30
    pixeldq = np.zeros((irs2.ROWS, 64), np.uint32)
    assert flag_reads(pixeldq, statistics(data), detector="NRS1", ovr_corr_mitigation_ftr=5.0) is pixeldq
    assert np.flatnonzero(pixeldq.any(axis=1)).tolist() == pair
    assert (pixeldq[pair] == dq.BAD_REF_PIXEL | dq.DO_NOT_USE).all()


def test_one_bad_integration_is_enough_and_known_reads_do_not_count():
    rng = np.random.default_rng(6)
    good = rng.normal(0, 5, (2, irs2.ROWS, 64)).astype(np.float32)
    bad = good.copy()
    found, known = read_rows(0, 3, [0, 1]), read_rows(0, 8, [2])
    bad[:, found] += 6
    bad[:, read_rows(0, 8, [2, 3])] += 1e4
    pixeldq = np.zeros((irs2.ROWS, 64), np.uint32)
    pixeldq[known, 5] = dq.BAD_REF_PIXEL
    normal = 640 + 20 + 3
    pixeldq[normal, 2] = dq.BAD_REF_PIXEL
    flag_reads(pixeldq, statistics(good) + statistics(bad), detector="NRS1", ovr_corr_mitigation_ftr=5.0)
    assert np.flatnonzero(pixeldq.all(axis=1)).tolist() == sorted(found + known)
    assert np.count_nonzero(pixeldq[normal]) == 1, "a bad reference pixel in the border costs no science row"


def test_mean_levels_of_odd_and_even_columns_go_first_if_wanted():
    parity = np.arange(irs2.ROWS) % 2
    reads = ~irs2.normal_rows("NRS1")
    reads[:640] = irs2.section_references()
    parity[reads] = np.tile([0, 0, 1, 1], 160)
    level = np.where(parity, 7.0, -3.0) + 10 * (np.arange(irs2.ROWS) // 640)
    frame = np.tile(level.astype(np.float32)[:, np.newaxis], (1, 2048))
    pixeldq = np.zeros(FRAME, np.uint32)
    pixeldq[:, 1] = dq.DO_NOT_USE
    frame[:, 1] += 500
    prepare_groups(frame[np.newaxis], plan(pixeldq=pixeldq, irs2_mean_subtraction=True))
    np.testing.assert_array_equal(frame[:, [0, 2, 2047]], 0)
    np.testing.assert_array_equal(frame[:, 1], 500)


def test_a_table_of_another_length_is_not_applicable():
    with pytest.raises(NotApplicable, match="has 10 rows, expected 2916352"):
        plan(np.zeros(10, COLUMNS))
