"""The truth comes back: one effect of the mock at a time is switched on, and its step takes it out again.

References are those that the mock writes for the detector. What is left is the rounding to whole counts, unless the
test says otherwise.
"""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import irs2, subarray
from rampflow.io.references import Reference
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, drifts, integrations, references
from rampflow.mock import detector as det
from rampflow.mock.configurations import full_frame, orientation, properties
from rampflow.mock.ramps import true_rates
from rampflow.steps import (
    clean_flicker_noise,
    dark_current,
    ipc,
    linearity,
    persistence,
    picture_frame,
    ramp_fit,
    refpix,
    saturation,
    scene_mask,
    superbias,
)
from rampflow.steps.refpix import irs2 as interleaved

INNER = Rectangle(201, 301, 32, 24)
#: What all steps of a parameterless comparison are run with, unless they say otherwise.
FIT = {"ignore_persistence": False, "slope_weights": "total", "flag_saturated": "all"}


def expose(detector="NIS", readpatt="NISRAPID", ngroups=5, nints=1, window=INNER, **more):
    return MockExposure(detector, readpatt, ngroups, nints, window=window, **{"scene": Scene(sky=2000.0), **more})


def ramp(exposure, number=0):
    """Counts of an integration, float32 (ngroups, ny, nx)."""
    return list(integrations(exposure))[number].groups.astype(np.float32)


def with_and_without(exposure, **effects):
    """The ramp with some effects, and the one that it would be without."""
    return ramp(exposure.but(effects=Effects(**effects))), ramp(exposure)


def reference(kind, exposure, folder, **effects):
    """The reference of a type for an exposure with these effects, cut to the exposure."""
    path = folder / f"{kind}.fits"
    references.WRITERS[kind](path, exposure.but(effects=Effects(**effects)), exposure.window)
    ny, nx = exposure.window.shape
    return Reference(path, subarray.Window(exposure.window.ystart - 1, exposure.window.xstart - 1, ny, nx))


@pytest.mark.parametrize("detector", ["NRCB1", "NIS", "NRS1", "GUIDER1"])
def test_superbias(detector, tmp_path):
    readpatt = {"NRCB1": "RAPID", "NIS": "NISRAPID", "NRS1": "NRSRAPID", "GUIDER1": "FGSRAPID"}[detector]
    exposure = expose(detector, readpatt)
    seen, straight = with_and_without(exposure, bias=1)
    bias = reference("superbias", exposure, tmp_path, bias=1).read()
    left = superbias.subtract_superbias(seen, superbias.usable_bias(bias)) - (straight - properties(detector).pedestal)
    assert np.abs(left).max() <= 1.0
    assert np.std(bias) > 100


@pytest.mark.parametrize(
    ("detector", "readpatt", "ngroups"), [("NRCB1", "SHALLOW4", 4), ("NIS", "NIS", 4), ("NRS1", "NRS", 7)]
)
def test_dark_current(detector, readpatt, ngroups, tmp_path):
    """The dark is taken frame by frame (NRCB1), as the exposure (NIS), and a group too short (NRS1)."""
    exposure = expose(detector, readpatt, ngroups)
    seen, straight = with_and_without(exposure, dark_current=200)
    dark = reference("dark", exposure, tmp_path, dark_current=200)
    pattern = dark_current.ReadPattern(ngroups, exposure.nframes, exposure.groupgap)
    plan = dark_current.plan_dark(pattern, dark_current.ReadPattern.of(dark.header, dark.shape()[0]))
    made = dark_current.Dark(dark.read, dark.header, dark.shape(), pattern)
    assert plan.averaged == (detector == "NRCB1")
    assert plan.extrapolated == (detector == "NRS1")
    before = np.abs(seen - straight).max()
    for group in range(ngroups):
        dark_current.subtract_dark(seen[group : group + 1], dark=made.group(0, group))
    assert before > 800
    # What the reference does not hold is a line, but the level still settles: 1 % of it is left.
    assert np.abs(seen - straight).max() <= (1.5 if detector != "NRS1" else 10.0)


def test_linearity(tmp_path):
    exposure = expose(ngroups=8, scene=Scene(sky=1e6))
    seen, straight = with_and_without(exposure, nonlinearity=1)
    pedestal = np.float32(properties("NIS").pedestal)
    found = reference("linearity", exposure, tmp_path, nonlinearity=1)
    coefficients, _ = linearity.usable_coefficients(found.read("COEFFS"), found.read_dq())
    before = np.abs(seen - straight).max()
    left = linearity.linearize(seen - pedestal, np.zeros(seen.shape, np.uint8), coefficients) - (straight - pedestal)
    assert straight.max() - pedestal > 45000 and before > 1000
    assert np.abs(left).max() <= 1.3


def test_ipc(tmp_path):
    """The kernel of the reference is right to first order: 4 x 0.6 % of a star goes astray, and 0.1 % is left."""
    exposure = expose(scene=Scene(sky=100.0, stars=3, brightest=1e6, fwhm=1.5))
    seen, straight = with_and_without(exposure, ipc=1)
    pedestal = np.float32(properties("NIS").pedestal)
    kernel = reference("ipc", exposure, tmp_path, ipc=1).read_kernel()
    window = exposure.window
    place = {"xstart": window.xstart, "ystart": window.ystart, "xsize": window.xsize, "ysize": window.ysize}
    margins = ipc.reference_pixel_margins("NIRISS", **place)
    corrected = ipc.convolve_ipc(seen - pedestal, kernel, margins=margins)
    peak = (straight - pedestal).max()
    inner = np.s_[:, 2:-2, 2:-2]
    assert peak > 5000
    assert np.abs(seen - straight)[inner].max() > 0.01 * peak
    assert np.abs(corrected - (straight - pedestal))[inner].max() < 1e-3 * peak + 1


def plan_refpix(exposure, **parameters):
    window = exposure.window
    shape = {"xstart": window.xstart, "ystart": window.ystart}
    pixeldq = np.where(det.reference_pixels(exposure.detector, window), np.uint32(1 << 31), np.uint32(0))
    usual = {"odd_even_columns": True, "use_side_ref_pixels": True, "side_smoothing_length": 11, "side_gain": 1.0}
    fast, slow = orientation(exposure.detector)
    return refpix.plan_correction(
        pixeldq,
        instrument=exposure.instrument,
        detector=exposure.detector,
        subarray=exposure.subarray,
        noutputs=exposure.noutputs,
        fastaxis=fast,
        slowaxis=slow,
        odd_even_rows=True,
        **shape,
        **(usual | parameters),
    )


def strip(detector, **more):
    """Along one side of the detector, with reference pixels at both ends and on that side; four outputs."""
    transposed = abs(orientation(detector)[0]) == 2
    window = Rectangle(1, 1, 2048, 40) if transposed else Rectangle(1, 1, 40, 2048)
    readpatt = {"NRS": "NRSRAPID", "NIS": "NISRAPID", "NRC": "RAPID", "GUI": "FGSRAPID"}[detector[:3]]
    return expose(detector, readpatt, ngroups=2, subarray="FULL", window=window, **more)


DRIFTS = {"amplifier_offsets": 1, "odd_even_columns": 1, "row_noise": 1}


@pytest.mark.parametrize("detector", ["NRCA1", "NRCB1", "NIS", "NRS1", "NRS2", "GUIDER1"])
def test_drifts_without_noise_go_altogether(detector):
    exposure = strip(detector)
    seen, straight = with_and_without(exposure, **DRIFTS)
    before = np.std(seen - straight)
    level = np.float32(properties(detector).pedestal)
    corrected = refpix.correct_groups(seen, plan_refpix(exposure, side_smoothing_length=1))
    assert before > 4
    # The mean of the reference pixels is known to a fraction of a count, that of four pixels of a row to half a one.
    assert np.abs(corrected - (straight - level)).max() <= 1.6


@pytest.mark.parametrize("detector", ["NRCA1", "NIS"])
def test_one_over_f_noise_goes_where_reads_are_noisy(detector):
    """The running median of 44 pixels adds a fifth of the read noise; without it, 1/f noise is half of that."""
    exposure = strip(detector)
    clean = exposure.but(effects=Effects(read_noise=1))
    seen, noisy = ramp(exposure.but(effects=Effects(read_noise=1, row_noise=2))), ramp(clean)
    side = refpix.correct_groups(seen.copy(), plan_refpix(exposure)) - noisy
    ends = refpix.correct_groups(seen.copy(), plan_refpix(exposure, use_side_ref_pixels=False)) - noisy
    assert np.std(ends) == pytest.approx(6, rel=0.4)
    assert np.std(side) < 0.4 * np.std(ends)


@pytest.mark.parametrize(("detector", "readpatt"), [("NIS", "NISRAPID"), ("NRCB1", "RAPID")])
def test_flicker_noise_goes_but_for_the_scatter_of_medians(detector, readpatt):
    """A line of 240 pixels of noise 1 has a median of noise sqrt(pi / 2 / 240) = 0.08.

    Some pixels are stars, counts are whole, and clipping about the level of all lines cuts into those far from it.
    """
    scene = Scene(sky=20.0, stars=8, brightest=3e4)
    window = Rectangle(201, 301, 240, 200)
    exposure = expose(detector, readpatt, 6, scene=scene, window=window, effects=Effects(read_noise=1))
    noisy = ramp(exposure.but(effects=Effects(read_noise=1, row_noise=1)))
    quiet = ramp(exposure)
    along = 2 - abs(orientation(detector)[1])  # axis on which lines follow each other
    fit = clean_flicker_noise.Fit(1 - along, False, "median", None, 2.0)
    mask = scene_mask.scene_mask((noisy[-1] - noisy[0]) / 5, n_sigma=2.0, fit_histogram=False)
    assert 0.5 < mask.mean() < 0.99
    flags = np.zeros(mask.shape, np.uint8)
    pixel = np.std(np.diff(quiet, axis=0), axis=0)[mask].mean()
    for before, after, without in zip(noisy, noisy[1:], np.diff(quiet, axis=0), strict=False):
        seen = np.median(after - before - without, axis=1 - along)
        cleaned = clean_flicker_noise.clean_difference(before, after, flags, mask, fit).difference
        left = np.median(cleaned - without, axis=1 - along)
        assert np.std(seen) > 0.3 * pixel
        assert np.std(left) < 0.16 * pixel


@pytest.mark.parametrize(("detector", "readpatt"), [("NRS1", "NRSRAPID"), ("NRS2", "NRS")])
def test_picture_frame(detector, readpatt, tmp_path):
    """Where no light comes from the sky, which is subtracted with it; the reference has another level and scale."""
    whole = full_frame(detector)
    scene = Scene(sky=0.0, stars=20, brightest=100.0, fwhm=4.0)
    exposure = expose(detector, readpatt, 3, 2, window=whole, subarray="FULL", scene=scene)
    frame = reference("pictureframe", exposure, tmp_path).read()
    background, drifts_seen = np.ones(whole.shape, bool), []
    for number, straight in enumerate(integrations(exposure)):
        straight = straight.groups.astype(np.float32)
        background &= straight[-1] - straight[0] < 1
        seen = ramp(exposure.but(effects=Effects(picture_frame=50)), number)
        level = picture_frame.measure_reference(frame, background)
        assert 0.5 < background.mean() < 1 - 1e-4
        for group in (1, 2):
            left = picture_frame.subtract_frame(seen[group], seen[0], frame, level, background)
            left -= seen[0] + straight[group] - straight[0]
            drift = seen[group] - seen[0] - (straight[group] - straight[0])
            drifts_seen.append(np.abs(drift).max())
            # Counts are whole in each of four groups, and so are the medians that the frame is scaled by.
            assert np.abs(left).max() <= 3
            assert np.std(left) < 0.5
    assert max(drifts_seen) > 100


def test_levels_of_a_single_output_go_altogether():
    exposure = expose("NRCB4", "RAPID", subarray="SUB160", window=Rectangle(1889, 1889, 160, 160), noutputs=1)
    seen, straight = with_and_without(exposure, amplifier_offsets=1, odd_even_columns=1)
    level = np.float32(properties("NRCB4").pedestal)
    corrected = refpix.correct_groups(seen, plan_refpix(exposure))
    assert np.abs(corrected - (straight - level)).max() <= 1.1


@pytest.mark.parametrize("ngroups", [2, 5])
def test_frame_0_gives_slopes_to_pixels_that_saturate_in_their_first_group(ngroups, tmp_path):
    """Rates that fill the well within the 8 frames of a group, but not in the first one."""
    exposure = expose(
        "NRCB1",
        "MEDIUM8",
        ngroups,
        2,
        scene=Scene(sky=100.0, stars=6, brightest=4e6, slope=0.3, fwhm=4.0),
        zero_frame=True,
    ).but(effects=Effects(saturation=1, bias=1))
    made = list(integrations(exposure))
    sci = np.array([each.groups for each in made], np.float32)
    zero = np.array([each.zero_frame for each in made], np.float32)
    limits = reference("saturation", exposure, tmp_path, saturation=1, bias=1)
    threshold, _, unchecked = saturation.prepare_threshold(limits.read(), limits.read_dq())
    bias = reference("superbias", exposure, tmp_path, bias=1).read()
    groupdq = np.zeros(sci.shape, np.uint8)
    for frames, flags in zip(sci, groupdq, strict=True):
        options = {"n_pix_grow_sat": 0, "use_readpatt": True, "nframes": exposure.nframes}
        saturation.flag_saturation(frames, flags, threshold, bias, unchecked, **options)
        superbias.subtract_superbias(frames, bias)
    saturation.flag_zeroframe(zero, threshold, n_pix_grow_sat=0)
    superbias.subtract_from_zeroframe(zero, bias)
    rescued = (groupdq[0] != 0).all(axis=0) & (zero[0] != 0)
    assert rescued.sum() > 20
    _, rates = ramp_fit.fit_ramps(
        sci,
        groupdq,
        np.zeros(sci.shape[2:], np.uint32),
        np.full(sci.shape[2:], 2, np.float32),
        np.full(sci.shape[2:], 5, np.float32),
        zeroframe=zero,
        groups=ramp_fit.Groups(0, ngroups - 1, 0, ngroups - 1),
        tgroup=exposure.tgroup,
        tframe=exposure.tframe,
        nframes=exposure.nframes,
        suppress_one_group=False,
        **FIT,
    )
    steady, sources, curve = true_rates(exposure, det.maps(exposure.detector, exposure.window, exposure.effects))
    for slopes, brightness in zip(rates.slope, curve, strict=True):
        left = slopes - (steady + brightness * sources)
        assert np.abs(left[rescued]).max() <= 1 / exposure.tframe
        assert np.median((steady + brightness * sources)[rescued]) > 1e5


def test_slow_drifts_of_irs2_frames_go(tmp_path):
    """Levels of the amplifiers and 1/f noise up to what the coefficients pass, of which 2 % are left."""
    detector = "NRS2"
    exposure = MockExposure(detector, "NRSIRS2RAPID", 2, effects=Effects(row_noise=3, amplifier_offsets=1))
    rng = np.random.default_rng(8)
    drift = np.array([drifts.interleaved(exposure, rng) for _ in range(2)])
    normal = irs2.normal_rows(detector)
    pixels = ~det.reference_pixels(detector, full_frame(detector))
    light = irs2.interleaved(pixels.astype(np.float32), normal, 0)
    sci = 10000 + drift + light * np.array([50, 150], np.float32)[:, np.newaxis, np.newaxis]
    path = tmp_path / "refpix.fits"
    references.refpix(path, exposure, full_frame(detector))
    plan = interleaved.plan_correction(
        np.zeros(sci.shape[1:], np.uint32),
        fits.getdata(path, "IRS2"),
        None,
        detector=detector,
        preserve_irs2_refpix=False,
        irs2_mean_subtraction=True,
        odd_even_columns=True,
        siglimit=3.0,
    )
    mean = np.mean(
        [interleaved.prepare_groups(frame[np.newaxis].copy(), plan)[0] for frame in sci], axis=0, dtype=float
    )
    corrected = interleaved.correct_groups(sci, mean=mean, plan=plan)
    before, left = np.diff(drift, axis=0)[0, normal][pixels], np.diff(corrected, axis=0)[0][pixels] - 100
    assert np.std(before) > 10
    assert np.std(left) < 0.02 * np.std(before)


def test_persistence(tmp_path):
    """What a bright exposure leaves in the traps is subtracted from the faint one after it."""
    effects = {"persistence": 1e6, "saturation": 1}
    bright = expose("NRCB1", "RAPID", 30, scene=Scene(sky=8e4), effects=Effects(**effects))
    faint = bright.but(scene=Scene(sky=0.5), ngroups=20, after=(bright,), start="2024-06-01T12:00:30.000")
    kinds = ("trapdensity", "persat", "trappars")
    traps, limits, table = (reference(kind, bright, tmp_path, **effects) for kind in kinds)
    families = persistence.Families.of(table.table("TRAPPARS"))
    density = persistence.usable_density(traps.read(), traps.read_dq())
    level, blind = persistence.usable_saturation(limits.read(), limits.read_dq())

    def without_persistence(exposure, filled):
        sci = ramp(exposure)[np.newaxis] - np.float32(properties("NRCB1").pedestal)
        pattern = exposure.pattern
        timing = persistence.Timing(exposure.tgroup, exposure.tframe, pattern.resets_at_start, pattern.resets_between)
        return persistence.subtract_traps(
            sci, np.zeros(sci.shape, np.uint8), filled, density, level, blind,
            families=families, timing=timing, flag_pers_cutoff=40.0,
        )  # fmt: skip

    empty = np.zeros((len(families), *density.shape), np.float32)
    filled = without_persistence(bright, empty)[2]
    persistence.decayed(filled, 30 - bright.duration, families)
    clean = ramp(faint.but(effects=Effects(saturation=1)))
    seen, corrected = ramp(faint) - clean, without_persistence(faint, filled)[0][0]
    assert seen[-1].min() > 30
    left = corrected - (clean - np.float32(properties("NRCB1").pedestal))
    assert np.abs(left).max() < 0.01 * seen.max() + 1
