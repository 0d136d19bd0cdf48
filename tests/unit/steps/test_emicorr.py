import numpy as np
import pytest
from scipy.interpolate import CubicSpline, interp1d

from rampflow.mock import Effects, MockExposure, Scene, drifts, integrations
from rampflow.mock import detector as det
from rampflow.steps import NotApplicable, beforehand, emicorr
from rampflow.steps.emicorr import chi_square, joint, sequential, steady
from rampflow.steps.emicorr.clock import Clock, period_of

WAVES = {
    name: {"frequency": frequency, "phase_amplitudes": amplitude * drifts.waveform(np.arange(500) / 500)}
    for name, (frequency, amplitude) in det.EMI.items()
}
REFERENCE = {
    "frequencies": WAVES,
    "subarray_cases": {
        "SUB64": {"rowclocks": 28, "frameclocks": 8512, "freqs": {"FAST": ["Hz390"], "SLOW": {"MIRIMAGE": ["Hz10"]}}},
        "SUB256": {"rowclocks": 96, "frameclocks": 29952, "freqs": {"FAST": []}},
        "FULL_FAST": {"rowclocks": 271, "frameclocks": 277504, "freqs": {"FAST": ["Hz390", "Hz10"]}},
    },
}
DEFAULTS = {
    "algorithm": "joint",
    "nints_to_phase": None,
    "nbins": None,
    "scale_reference": True,
    "use_n_cycles": 3,
    "fit_ints_separately": False,
}


def ramp_of(data, rows_at_once=None, room=1 << 24):
    step = rows_at_once or data.shape[2]

    def rows(integration):
        for start in range(0, data.shape[2], step):
            block = slice(start, min(start + step, data.shape[2]))
            yield block, data[integration, :, block].copy()

    return emicorr.Ramp(data.shape, rows, lambda i, g: data[i, g].copy(), map, room)


def interference(exposure, **effects):
    """Counts of an exposure with and without interference, float32, apart from that the same."""
    pair = []
    for emi in (1.0, 0.0):
        seen = exposure.but(effects=exposure.effects.but(emi=emi, **effects))
        pair.append(np.array([each.groups for each in integrations(seen)], np.float32))
    return pair


def exposure(ngroups=8, nints=2, readpatt="FASTR1", subarray="SUB64", seed=3, **effects):
    strengths = Effects(**{"read_noise": 1.0, "photon_noise": 1.0, "bias": 1.0, **effects})
    scene = Scene(sky=5.0, stars=3)
    return MockExposure(
        "MIRIMAGE", readpatt, ngroups, nints, subarray=subarray, effects=strengths, scene=scene, seed=seed
    )


def corrected(data, of, case=None, pixeldq=None, ramp=None, **options):
    place = {"subarray": of.subarray, "readpatt": of.readpatt}
    both = {"SUB64": {"rowclocks": 28, "frameclocks": 8512, "freqs": {"FAST": ["Hz390", "Hz10"]}}}
    case = case or emicorr.known_waves(REFERENCE | {"subarray_cases": both}, detector="MIRIMAGE", **place)
    found = emicorr.fit_waves(
        ramp or ramp_of(data),
        case,
        pixeldq=np.zeros(data.shape[2:], np.uint32) if pixeldq is None else pixeldq,
        readpatt=of.readpatt,
        nsamples=of.pattern.nsamples,
        xstart=of.window.xstart,
        **(DEFAULTS | options),
    )
    result = data.copy()
    for integration, groups in enumerate(result):
        emicorr.subtract_waves(groups, place=(integration, slice(0, len(groups))), correction=found)
    return result, found


def power(residual, of, frequency):
    """Power of residuals at a frequency (DN2): squared amplitude of the sine that fits best, of all pixels at once."""
    clock = Clock.of(
        rowclocks=28,
        frameclocks=8512,
        nsamples=of.pattern.nsamples,
        readpatt=of.readpatt,
        ngroups=of.ngroups,
        rows=of.window.ysize,
    )
    grid = np.ogrid[tuple(slice(n) for n in (*residual.shape[:3], residual.shape[3] // 4))]
    clocks = grid[0] * clock.integration + grid[1] * clock.frame + grid[2] * clock.row + grid[3] * clock.sample
    wave = np.exp(2j * np.pi * clocks / period_of(frequency))
    wave -= wave.mean(axis=1, keepdims=True)
    quarter = residual.reshape(*residual.shape[:3], -1, 4).mean(axis=4)
    quarter = quarter - np.median(quarter, axis=1, keepdims=True)
    return 4 * abs((quarter * wave.conj()).mean()) ** 2


# --- what is corrected ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instrument": "NIRCAM"}, "the interference is MIRI's"),
        ({"readpatt": "FASTGRPAVG"}, "no timing is known for READPATT=FASTGRPAVG"),
    ],
)
def test_exposures_that_cannot_be_corrected_are_left_alone(changes, message):
    usual = {"instrument": "MIRI", "readpatt": "SLOWR1"}
    beforehand.check_interference(**usual)
    with pytest.raises(NotApplicable, match=message):
        beforehand.check_interference(**(usual | changes))


def test_short_ramps_are_left_alone():
    beforehand.GROUPS["emicorr"](3)
    with pytest.raises(NotApplicable, match="2 groups where at least 3 are needed"):
        beforehand.GROUPS["emicorr"](2)


@pytest.mark.parametrize(
    ("subarray", "readpatt", "names"),
    [("SUB64", "FASTR1", ["Hz390"]), ("SUB64", "SLOW", ["Hz10"]), ("FULL", "FAST", ["Hz390", "Hz10"])],
)
def test_the_waves_of_a_subarray_and_pattern_come_from_the_reference(subarray, readpatt, names):
    case = emicorr.known_waves(REFERENCE, subarray=subarray, readpatt=readpatt, detector="MIRIMAGE")
    assert [wave.name for wave in case.waves] == names
    assert case.waves[0].frequency == WAVES[names[0]]["frequency"]


@pytest.mark.parametrize(
    ("subarray", "readpatt", "detector"),
    [
        ("SUB128", "FAST", "MIRIMAGE"),
        ("SUB256", "FAST", "MIRIMAGE"),
        ("FULL", "SLOW", "MIRIMAGE"),
        ("SUB64", "SLOW", "MIRIFULONG"),
    ],
)
def test_what_the_reference_does_not_know_is_left_alone(subarray, readpatt, detector):
    with pytest.raises(NotApplicable, match="the emicorr reference has no"):
        emicorr.known_waves(REFERENCE, subarray=subarray, readpatt=readpatt, detector=detector)


def test_on_the_fly_the_clocking_is_built_in():
    case = emicorr.unknown_waves([218, 10.5], subarray="FULL", readpatt="SLOWR1")
    assert [wave[:3] for wave in case.waves] == [("218.0", 218.0, None), ("10.5", 10.5, None)]
    assert case[1:] == (2333, 2388992)
    with pytest.raises(NotApplicable, match="the clocking of subarray SUB32 is not known"):
        emicorr.unknown_waves([218], subarray="SUB32", readpatt="FAST")


def test_a_reset_between_integrations_takes_a_frame():
    common = {"rowclocks": 28, "frameclocks": 8512, "nsamples": 1, "ngroups": 10, "rows": 64}
    assert Clock.of(readpatt="FAST", **common) == (28, 1, 8512, 85120, 8512)
    assert Clock.of(readpatt="FASTR1", **common).integration == 11 * 8512


# --- what comes out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"fit_ints_separately": True}, {"algorithm": "sequential"}])
@pytest.mark.parametrize(("readpatt", "nints"), [("FASTR1", 3), ("FAST", 2)])
def test_the_power_at_the_frequencies_is_gone(readpatt, nints, options):
    of = exposure(20, nints, readpatt)
    data, clean = interference(of)
    result, _ = corrected(data, of, **options)
    before, after = power(data, of, 390.625), power(result, of, 390.625)
    assert before > 0.5 * 12.0**2
    assert after < 1e-3 * before
    if options.get("algorithm") != "sequential":
        # Less than a period in an integration: in a test with ramps it can be told from them by what they are.
        before, after = (power(each - clean, of, 10.039216) for each in (data, result))
        assert before > 0.2 * 2.0**2
        assert after < 0.01 * before


@pytest.mark.parametrize("options", [{}, {"fit_ints_separately": True}])
def test_without_noise_the_ramps_come_back(options):
    of = exposure(12, 3, read_noise=0.0, photon_noise=0.0)
    data, truth = interference(of)
    result, found = corrected(data, of, **options)
    # Counts are whole numbers: up to half a count is lost in each of the four that make a difference.
    differences = np.diff(result - truth, axis=1)
    assert np.abs(differences).max() < 2.1
    assert differences.std() < 0.65
    assert abs(differences.mean()) < 0.02
    np.testing.assert_allclose([wave.amplitudes for wave in found.waves], 1, atol=0.02)


def test_the_correction_lowers_the_noise_of_the_slopes_to_that_without_interference():
    of = exposure(15, 4)
    data, clean = interference(of)
    result, _ = corrected(data, of)
    noise = [np.std(np.diff(each - truth, axis=1)) for each, truth in ((data, clean), (result, clean))]
    assert noise[0] > 5
    assert noise[1] < 0.6


def test_waves_measured_on_the_fly_are_those_that_are_there():
    of = exposure(20, 2)
    data, _ = interference(of)
    place = {"subarray": "SUB64", "readpatt": "FASTR1"}
    case = emicorr.unknown_waves([390.625], **place)
    result, found = corrected(data, of, case)
    assert power(result, of, 390.625) < 2e-3 * power(data, of, 390.625)
    measured = found.waves[0].measured
    assert measured.shape == (128,)
    known = WAVES["Hz390"]["phase_amplitudes"][::4]
    likeness = max(
        np.corrcoef(np.roll(np.interp(np.arange(128) / 128, np.arange(125) / 125, known), k), measured)[0, 1]
        for k in range(128)
    )
    assert likeness > 0.99


def test_what_was_measured_on_the_fly_serves_as_a_reference():
    of = exposure(20, 2)
    data, _ = interference(of)
    place = {"subarray": "SUB64", "readpatt": "FASTR1"}
    case = emicorr.unknown_waves([390.625], **place)
    _, found = corrected(data, of, case)
    tree = emicorr.measured_reference(case, found, detector="MIRIMAGE", date="2024-06-01T00:00:00.000", **place)
    again = emicorr.known_waves(tree, detector="MIRIMAGE", **place)
    assert again[1:] == case[1:]
    result, _ = corrected(data, of, again)
    assert power(result, of, 390.625) < 2e-3 * power(data, of, 390.625)
    assert tree["subarray_cases"]["SUB64"]["freqs"]["FASTR1"] == ["390.625"]
    assert tree["meta"]["useafter"] == "2024-06-01T00:00:00"


# --- edges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"fit_ints_separately": True}, {"algorithm": "sequential"}])
def test_result_does_not_depend_on_the_chunks(options):
    of = exposure(9, 2)
    data, _ = interference(of)
    whole, found = corrected(data, of, **options)
    pieces, other = corrected(data, of, ramp=ramp_of(data, rows_at_once=7, room=20000), **options)
    np.testing.assert_array_equal(pieces, whole)
    groups = data[1, 4:7].copy()
    emicorr.subtract_waves(groups, place=(1, slice(4, 7)), correction=other)
    np.testing.assert_array_equal(groups, whole[1, 4:7])
    rows = data[1, :, 11:20].copy()
    found.subtract(rows, integration=1, row=11)
    np.testing.assert_array_equal(rows, whole[1, :, 11:20])


@pytest.mark.parametrize("options", [{}, {"fit_ints_separately": True}])
def test_where_all_pixels_are_flagged_nothing_is_subtracted(options):
    of = exposure(5, 2)
    data, _ = interference(of)
    result, found = corrected(data, of, pixeldq=np.ones(data.shape[2:], np.uint32), **options)
    np.testing.assert_array_equal(result, data)
    assert [wave.amplitudes.tolist() for wave in found.waves] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("options", [{}, {"algorithm": "sequential"}])
def test_counts_that_never_change_stay(options):
    data = np.full((1, 5, 64, 72), 1000, np.float32)
    result, _ = corrected(data, exposure(5, 1), **options)
    np.testing.assert_array_equal(result, data)


def test_flagged_pixels_and_unsteady_ones_are_not_used_but_corrected():
    of = exposure(10, 1)
    data, _ = interference(of)
    flags = np.zeros(data.shape[2:], np.uint32)
    flags[10:20] = 1
    spoilt = data.copy()
    spoilt[:, ::2, 10:20] += 5000
    spoilt[:, 5:, 30, 20:30] += 3000
    plain, _ = corrected(data, of, pixeldq=flags)
    result, _ = corrected(spoilt, of, pixeldq=flags)
    # The pixels of row 30 drop out of the fit, which does not move it by more than its noise.
    np.testing.assert_allclose(result - spoilt, plain - data, atol=0.15)


def test_three_groups_leave_the_sequential_algorithm_nothing_to_measure():
    of = exposure(3, 2)
    data, _ = interference(of)
    result, found = corrected(data, of, algorithm="sequential")
    np.testing.assert_array_equal(result, data)
    assert np.isnan(found.waves[0].measured).all()


@pytest.mark.parametrize("seed", range(6))
def test_phases_that_fit_alike_are_decided_as_in_jwst(seed):
    # 29.5 periods in a frame: even harmonics are the same in all frames, so two phases half a period apart fit alike
    # and rounding decides which. jwst 1.19.2 and 3.0.0 were run on exposures of this kind (84 of them, whose choices
    # were all met): sums over groups are made one by one, but for the products of counts and wave.
    counts = np.random.default_rng(seed).poisson(900, (1, 9, 12, 32)).astype(np.float32)
    wave = drifts.waveform((np.arange(50) + 0.5) / 50)
    clock = Clock(row=8, sample=1, frame=7552, integration=9 * 7552, frameclocks=7552)
    found = joint.fit_wave(
        ramp_of(counts), clock, np.zeros((12, 32), np.uint32), frequency=390.625, wave=wave, separately=False
    )
    scatter = counts[0].std(axis=0, dtype=np.float64)
    used = (scatter < 2 * np.median(scatter)) & (np.arange(32) // 4 != 1) & (np.arange(32) // 4 != 2)
    bins = ((np.arange(12)[:, None] * 8 + np.arange(32) // 4) / 256 * 50 % 50).astype(int)
    number = np.bincount(bins[used], minlength=50)
    sums = np.array([np.bincount(bins[used], group[used], 50) for group in counts[0]])
    spline = interp1d((np.arange(52) - 0.5) / 50, [wave[-1], *wave, wave[0]], kind="cubic")
    t = np.arange(9)[:, None]
    chi_square, amplitude = np.empty(500), np.empty(500)
    for k in range(500):
        z = spline(((((np.arange(50) + 0.5) / 50) + t * 0.5) % 1 + k / 500) % 1)
        z1, zt, y1, yt = z.sum(0), (t * z).sum(0), sums.sum(0), (t * sums).sum(0)
        zz, yz = (z**2).sum(0), (sums * z).T.copy().sum(1)
        # 36 and 204 are the sums of t and t^2, 540 = 9 * 204 - 36^2.
        a = (number / 540 * (-204 * z1**2 + 72 * z1 * zt - 9 * zt**2 + zz * 540)).sum()
        b = 2 / 540 * (204 * z1 * y1 - 36 * zt * y1 - 36 * z1 * yt + 9 * zt * yt).sum() - 2 * yz.sum()
        amplitude[k] = -b / (2 * a)
        chi_square[k] = a * amplitude[k] ** 2 + b * amplitude[k]
    best = np.argmin(chi_square)
    assert chi_square[(best + 250) % 500] == pytest.approx(chi_square[best], rel=1e-5)
    assert found.amplitudes[0] == pytest.approx(amplitude[best], rel=0.01)
    assert found.phases[0] == pytest.approx(best / 500, abs=1 / 500)


def test_a_wave_that_all_groups_show_alike_is_left_alone():
    # 34 periods in a frame: there is nothing to tell it from the pixels' levels.
    of = exposure(6, 1)
    data, _ = interference(of)
    wave = emicorr.Wave("Hz390", 390.625, WAVES["Hz390"]["phase_amplitudes"])
    result, found = corrected(data, of, emicorr.Case((wave,), 31, 8704))
    assert found.clock.frame == 34 * 256
    np.testing.assert_array_equal(result, data)


def test_the_integrations_to_phase_follow_from_the_first_wave(monkeypatch):
    asked = []
    measure = sequential.fit_wave
    monkeypatch.setattr(
        sequential, "fit_wave", lambda *a, nints, **k: asked.append(nints) or measure(*a, nints=nints, **k)
    )
    of = exposure(4, 2)
    data, _ = interference(of)
    # 3 periods of 9961 clocks in integrations of 4 x 8512 clocks: 0.88, rounded up; 30 periods of 256: 0.23.
    for frequencies, options in (
        ([10.039216, 390.625], {}),
        ([390.625], {"use_n_cycles": 300}),
        ([390.625], {"use_n_cycles": None}),
        ([390.625], {"nints_to_phase": 2}),
    ):
        corrected(data, of, emicorr.unknown_waves(frequencies, subarray="SUB64", readpatt="FAST"), **options)
    assert asked == [1, 1, 3, None, 2]


# --- pieces --------------------------------------------------------------------------------------------------


def test_the_spline_runs_through_the_samples_and_is_scipys():
    wave = np.random.default_rng(1).normal(size=20)
    coefficients = joint.spline(wave)
    places = np.linspace(0, 1, 77)[:-1]
    expected = CubicSpline((np.arange(22) - 0.5) / 20, [wave[-1], *wave, wave[0]])(places)
    sci = np.zeros((1, 76, 4), np.float32)
    fitted = joint.FittedWave(coefficients, 76.0, np.ones(1), np.zeros(1))
    fitted.subtract(sci, Clock(1, 1, 76, 76, 76), integration=0, group=0, row=0)
    np.testing.assert_allclose(-sci[0, :, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 4, 8), (3, 4, 5, 12)])
def test_the_median_scatter_is_exact(shape):
    data = np.random.default_rng(2).normal(0, 5, shape).astype(np.float32)
    expected = np.median(data.std(axis=1))
    for room in (0, 4 * data[0, 0].size, 1 << 24):
        assert steady.median_scatter(steady.Scatters(ramp_of(data, 3, room))) == expected


def test_the_parabola_and_its_degenerate_case():
    assert joint._vertex(np.array([0.0, 1, 2]), np.array([4.0, 1, 0])) == pytest.approx(2)
    assert joint._vertex(np.array([0.0, 1, 2]), np.array([1.0, 1, 1])) == 1


@pytest.mark.parametrize(
    ("phase", "expected"), [(0, 0), (0.0021, 2), (0.002, 1), (0.999, 0), (1.75, 375), (-0.25, 375)]
)
def test_the_trial_phase_that_follows(phase, expected):
    assert joint._trials_after(np.array([phase]), 0.0, 500)[0] == expected


# --- single precision, where jwst 1.19.2 and 3.0.0 were seen to have it, and what rounding decides ----------------


def test_the_scatter_is_in_single_precision():
    data = np.random.default_rng(4).normal(8000, 30, (25, 16, 32)).astype(np.float32)
    scatter = steady.scatter_of(data)
    np.testing.assert_array_equal(scatter, data.std(axis=0))
    assert (scatter != data.std(axis=0, dtype=np.float64).astype(np.float32)).any()


def test_residuals_are_in_single_precision():
    rng = np.random.default_rng(5)
    data = rng.normal(8000, 30, (1, 6, 8, 32)).astype(np.float32)
    slope, level = rng.normal(20, 5, (8, 32)), rng.normal(8000, 30, (8, 32)).astype(np.float32)
    residual = sequential._residual(ramp_of(data), 0, 2, slope=slope, level=level)
    left = ((data[0, 2] - slope * 2).astype(np.float32) - level).reshape(8, 8, 4)
    outputs = (left[..., 0] + left[..., 1] + left[..., 2] + left[..., 3]) / np.float32(4)
    outputs[:, 1] = outputs[:, 2] = (outputs[:, 0] + outputs[:, 3]) / np.float32(2)
    assert residual.dtype == np.float32
    np.testing.assert_array_equal(residual, outputs - np.median(outputs))


@pytest.mark.parametrize("ahead", [16.072000000000035, 50.69600000000003])
def test_rounding_decides_which_trial_phase_follows(ahead):
    grid = np.arange(500) / 500
    expected = [np.argmin((grid - phase - ahead) % 1) for phase in grid]
    np.testing.assert_array_equal(joint._trials_after(grid, ahead, 500), expected)
    # Not all of them are the trial phase itself.
    assert (expected != (np.arange(500) + round(ahead * 500)) % 500).any()


@pytest.mark.parametrize("nbins", [500, 300])
def test_rounding_decides_which_end_of_the_wave_is_seen_at_phase_0(nbins):
    rng = np.random.default_rng(7)
    wave, step = rng.normal(size=nbins), 0.125 if nbins == 500 else 0.59375
    sums, counts = rng.normal(8000, 30, (22, nbins + 1)), rng.integers(1, 9, nbins + 1).astype(float)
    sums *= counts
    curves = chi_square.trial_sums(sums, counts, joint.spline(wave), step, 500)
    expected = chi_square.quadratics_anew(lambda _: (sums, counts), [0], np.arange(500)[None], wave=wave, step=step)
    np.testing.assert_allclose(curves[0], expected[0, 0], rtol=1e-11)
    np.testing.assert_allclose(curves[1], expected[0, 1], atol=1e-9 * abs(expected[0, 1]).max())


def test_clipped_mean():
    values = np.sort(np.array([*[1.0, 2, 3, 4, 5] * 10, 1000.0]))
    assert sequential._clipped_mean(values) == 3
    assert np.isnan(sequential._clipped_mean(np.empty(0)))


def test_bins_are_batched_by_the_room_there_is():
    counts = np.array([3, 3, 3, 10, 1])
    assert list(sequential._batches(counts, 6)) == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert list(sequential._batches(counts, 100)) == [(0, 5)]


def test_a_period_is_stretched_to_clocks():
    values = np.array([1.0, 2, 3])
    np.testing.assert_array_equal(sequential._resampled(values, 6.0), [1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(sequential._resampled(values, 4.5), [1, 1, 2, 3, 3])
