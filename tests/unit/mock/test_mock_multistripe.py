"""Exposures that are read in stripes: lines, windows, maps and light, on small frames."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.mock import (
    Effects,
    MockExposure,
    Rectangle,
    Scene,
    StripeReadout,
    build_cache,
    configurations,
    integrations,
    read_truth,
    write_exposure,
)
from rampflow.mock import detector as det
from rampflow.mock.ramps import true_rates

BIAS = Effects(bias=1)


def dhs(detector="NRCA1", **more):
    """Lines 0, 21-23, 0, 29-31."""
    window = Rectangle(101, 1, 24, 8) if detector == "NRCA1" else Rectangle(101, 2041, 24, 8)
    stripes = StripeReadout(1, 20, 3, 5, 1, 1)
    common = {"subarray": "SUB164STRIPE4_DHS", "window": window, "stripes": stripes, "effects": BIAS}
    return MockExposure(detector, "RAPID", 2, exp_type="NRC_TSGRISM", **common | more)


def soss(**more):
    """Lines 0-3 and 4-8, 9-13 or 14-18, which are columns from the last one downwards."""
    window, stripes = Rectangle(1, 1793, 9, 16), StripeReadout(4, 0, 5, 0, 1, 1, 5, 3)
    common = {"subarray": "SUB17STRIPE_SOSS", "window": window, "stripes": stripes, "effects": BIAS}
    return MockExposure("NIS", "NISRAPID", 2, 6, exp_type="NIS_SOSS", **common | more)


@pytest.mark.parametrize(
    ("stripes", "expected"),
    [
        (StripeReadout(1, 20, 3, 5, 1, 1), [0, 21, 22, 23, 0, 29, 30, 31]),
        (StripeReadout(1, 20, 3, 5, 1, 0), [0, 21, 22, 23, 0, 21, 22, 23]),
        (StripeReadout(2, 20, 3, 5, 0, 1), [0, 1, 22, 23, 24, 30, 31, 32]),
        (StripeReadout(0, 0, 0, 0, 0, 0, 8, 4, start=100), [100, 101, 102, 103, 104, 105, 106, 107]),
    ],
)
def test_lines_are_counted_as_they_are_read(stripes, expected):
    assert stripes.lines(8).tolist() == expected


def test_frames_lie_in_the_science_frame():
    assert dhs().frame_lines().tolist() == [0, 21, 22, 23, 0, 29, 30, 31]
    assert dhs("NRCA2").frame_lines().tolist() == [2016, 2017, 2018, 2047, 2024, 2025, 2026, 2047]
    assert soss().frame_lines(4).tolist() == [*range(2034, 2039), *range(2044, 2048)]
    assert soss().picture_part(4).tolist() == [*range(2034, 2039)]


def test_windows_hold_what_is_read_and_what_is_made_of_it():
    assert dhs().cover == Rectangle(101, 1, 24, 32) and dhs().picture == dhs().window
    assert dhs("NRCA2").cover == Rectangle(101, 2017, 24, 32)
    assert soss().picture == soss().cover == Rectangle(1, 1793, 2048, 16)
    pure = MockExposure("NRCA3", "RAPID", 2, 8, subarray="SUB64P_SUPSTP008")
    assert pure.picture == pure.cover == Rectangle(1, 101, 64, 64)


def test_frames_show_the_pixels_of_their_lines():
    whole = det.maps("NRCA1", Rectangle(101, 1, 24, 32), BIAS)
    (frame,) = det.frame_maps(dhs())
    assert np.array_equal(frame.bias, whole.bias[[0, 21, 22, 23, 0, 29, 30, 31]])
    assert np.array_equal(frame.reference.all(axis=1), [1, 0, 0, 0, 1, 0, 0, 0])
    positions = det.frame_maps(soss())
    picture = det.picture_maps(soss())
    assert len(positions) == 3 and picture.bias.shape == (16, 2048)
    for number in range(3):
        assert np.array_equal(positions[number].bias, picture.bias[:, soss().frame_lines(number)])


def test_superstripes_see_a_part_of_one_scene():
    exposure = soss(scene=Scene(sky=1000.0, stars=3, brightest=1e6, fwhm=40.0), effects=Effects())
    steady, sources, _ = true_rates(exposure, det.picture_maps(exposure))
    rate = steady + sources
    for number, integration in enumerate(integrations(exposure)):
        seen = np.diff(integration.groups.astype(float), axis=0)[0] / exposure.tgroup
        part = exposure.picture_part(number)
        assert np.abs(seen[:, :5] - rate[:, part]).max() < 1 / exposure.tgroup
        assert not seen[:, 5:].any()


def sampled(detector="NRCA3", **more):
    """Line 2 and two of lines 53 to 60, three times in a frame; two rows of no pixels are read before."""
    window = Rectangle(101, 3, 24, 9) if detector == "NRCA3" else Rectangle(101, 2046, 24, 9)
    common = {"window": window, "stripes": StripeReadout(1, 50, 2, 0, 1, 0, 2, 4, start=2), "groupgap": 1}
    return MockExposure(detector, "RAPID", nints=4, subarray="SUB64P_SUPSTP002", **{"ngroups": 2} | common | more)


@pytest.mark.parametrize("detector", ["NRCA3", "NRCB1"])
def test_a_ramp_may_be_sampled_several_times_in_a_frame(detector):
    exposure = sampled(detector, scene=Scene(sky=1e5, stars=3, brightest=1e6))
    steady, sources, _ = true_rates(exposure, det.picture_maps(exposure))
    start = exposure.picture.ystart - 1
    # (24 + 12) clocks of 10 us for each of 11 rows; samples end with row 5, 8 and 11.
    row = 36e-5
    assert exposure.tframe == pytest.approx(11 * row) and exposure.tgroup == pytest.approx(22 * row)
    for number, integration in enumerate(integrations(exposure)):
        rate = (steady + sources)[exposure.picture_part(number) - start]
        for group in range(2):
            for sample in range(3):
                # Read downwards the first sample is the last of the frame, and each ends with the border.
                first = 3 * sample + 1 if detector == "NRCA3" else 3 * (2 - sample)
                seen = integration.groups[group, first : first + 2].astype(float) - det.properties(detector).pedestal
                time = (22 * group + 5 + 3 * sample) * row
                assert np.abs(seen - rate * time).max() <= 1
        assert np.ptp(integration.groups[:, 0 if detector == "NRCA3" else 8]) == 0


def test_samples_of_a_frame_are_of_the_same_pixels():
    noise = Effects(photon_noise=1, reset_noise=5, cosmic_rays=1e6, gain_structure=0)
    exposure = sampled(ngroups=4, groupgap=0, scene=Scene(sky=2e4), effects=noise)
    integration = next(iter(integrations(exposure)))
    samples = integration.groups.reshape(4, 3, 3, 24)[:, :, 1:].reshape(12, 2, 24).astype(float)
    # Photons and hits that were there stay there: no sample has less than the one before.
    steps = np.diff(samples, axis=0)
    assert steps.min() >= 0
    hits = integration.hits
    assert hits.frame.size and hits.frame.max() <= 4
    for frame, y, x, charge in zip(hits.frame, hits.y, hits.x, hits.charge / det.properties("NRCA3").gain, strict=True):
        sample = 3 * (frame - 1) + y // 3
        # Seen in this sample of the frame, and not in the one that long before.
        before = samples[sample - 3, y % 3 - 1, x] if sample > 2 else det.properties("NRCA3").pedestal - 100
        assert samples[sample, y % 3 - 1, x] - before > charge - 1


def test_the_drift_goes_on_in_the_order_of_reading():
    effects = Effects(row_noise=30.0)
    frames = [
        next(iter(integrations(dhs(detector, effects=effects)))).groups[0].astype(float)
        for detector in ("NRCA1", "NRCA2")
    ]
    for frame in frames:
        assert np.ptp(frame, axis=1).max() == 0 and np.ptp(frame[:, 0]) > 0


def test_files_say_how_they_were_read(tmp_path):
    for name in ("data", "truth"):
        (tmp_path / name).mkdir()
    made = [dhs(), soss()]
    build_cache(tmp_path / "crds", made)
    for exposure in made:
        path = write_exposure(exposure, tmp_path / "data", tmp_path / "truth")
        header = fits.getheader(path)
        assert [header[key] for key, _, _ in exposure.stripes.header()] == [row[2] for row in exposure.stripes.header()]
        truth = read_truth(tmp_path / "truth" / f"{exposure.root}_truth.fits")
        assert truth.steady.shape == truth.bad.shape == exposure.picture.shape
        assert truth.saturated.shape == (exposure.nints, *exposure.window.shape)
        folder = tmp_path / "crds/references/jwst" / exposure.instrument.lower()
        (dark,) = folder.glob("*_dark_*.fits")
        assert fits.getdata(dark, "SCI").shape[1:] == exposure.picture.shape
        (mask,) = folder.glob("*_mask_*.fits")
        assert fits.getdata(mask, "DQ").shape == exposure.cover.shape


def test_every_striped_subarray_can_be_exposed():
    for row in configurations.striped():
        pattern = "NISRAPID" if row.instrument == "NIRISS" else "RAPID"
        exposure = MockExposure(row.detector, pattern, 2, max(1, row.stripes.positions), subarray=row.name)
        for position in range(max(1, row.stripes.positions)):
            lines = exposure.frame_lines(position)
            assert lines.min() >= 0 and lines.max() < 2048 and lines.size == exposure.shape[-exposure.line_axis]


def test_persistence_is_not_simulated():
    with pytest.raises(ValueError, match="persistence is not simulated for multistripe"):
        next(iter(integrations(dhs(effects=Effects(persistence=1.0)))))
