"""Multistripe exposures in the workflow: what the detector does in its own coordinates comes back to the truth.

The mock counts the detector's lines on its own, so this does not lean on how the references are rebuilt.
"""

import json
import os

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, Run
from stdatamodels.jwst import datamodels

from rampflow.detector import dq
from rampflow.mock import (
    Effects,
    MockExposure,
    Rectangle,
    Scene,
    StripeReadout,
    build_cache,
    read_truth,
    write_exposure,
)
from rampflow.mock import detector as det

EFFECTS = Effects(
    read_noise=0.02, bias=1, nonlinearity=1, gain_structure=1, bad_pixels=20, amplifier_offsets=1, odd_even_columns=1
)
SCENE = Scene(sky=1.6e4, stars=40, brightest=8e3, slope=0.3)


def exposures():
    """Two stripes read downwards; one again and again; four superstripes of columns; four read thrice in a frame."""
    # Frames are short; with fifty left out between two that are kept the errors stay small.
    common = {"scene": SCENE, "effects": EFFECTS, "groupgap": 50}
    dhs = {"exp_type": "NRC_TSGRISM", "tso": True, **common}
    return [
        MockExposure(
            "NRCA2", "RAPID", 5, 2, subarray="SUB82STRIPE2_DHS", window=Rectangle(1009, 2031, 40, 18),
            stripes=StripeReadout(1, 30, 8, 5, 1, 1), zero_frame=True, seed=1, **dhs,
        ),
        MockExposure(
            "NRCALONG", "RAPID", 5, subarray="SUB164STRIPE4_DHS", window=Rectangle(201, 1, 40, 27),
            stripes=StripeReadout(1, 50, 8, 0, 1, 0), seed=2, **dhs,
        ),
        MockExposure(
            "NIS", "NISRAPID", 5, 8, subarray="SUB17STRIPE_SOSS", window=Rectangle(1, 1793, 16, 24), zero_frame=True,
            stripes=StripeReadout(4, 0, 12, 0, 1, 1, 12, 4), exp_type="NIS_SOSS", tso=True, seed=3, **common,
        ),
        MockExposure(
            "NRCB1", "RAPID", 5, 8, subarray="SUB64P_SUPSTP002", window=Rectangle(201, 2046, 40, 9), zero_frame=True,
            stripes=StripeReadout(1, 50, 2, 0, 1, 0, 2, 4, start=2), exp_type="NRC_IMAGE", seed=4, **common,
        ),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stripes")
    for name in ("data", "truth"):
        (folder / name).mkdir()
    made = exposures()
    context = build_cache(folder / "crds", made)
    for exposure in made:
        write_exposure(exposure, folder / "data", folder / "truth")
    crds = {"path": str(folder / "crds"), "context": context, "offline": True}
    return folder, made, {"exposures": str(folder / "data/*_uncal.fits"), "crds": crds, "release": "3.0"}


@pytest.fixture(scope="module")
def finished(field, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("multistripe"), HOME, dict(field[2]))
    run()
    return run


def product(run, exposure, kind):
    return run.folder / "results" / exposure.root / f"{exposure.root}_{kind}.fits"


def true_counts(field, exposure):
    """Counts of every group of the pictures (DN), and where they can be told."""
    truth = read_truth(field[0] / "truth" / f"{exposure.root}_truth.fits")
    return truth.rate(0) * sample_times(exposure)[:, np.newaxis, np.newaxis], truth.bad == 0


def sample_times(exposure):
    """When the groups of the pictures were read, as the mock counts it."""
    frames = np.array([exposure.frame_numbers(group)[-1] for group in range(exposure.ngroups)])
    return np.add.outer(frames - 1, exposure.samples.phases).ravel() * exposure.tframe


def lines_read(exposure):
    """Pixels of the picture that any superstripe has read."""
    read = np.zeros(exposure.picture.shape, bool)
    columns = exposure.line_axis == 1
    for position in range(exposure.positions):
        lines = exposure.picture_part(position) - (exposure.picture.xstart if columns else exposure.picture.ystart) + 1
        read[(slice(None), lines) if columns else lines] = True
    return read if exposure.positions else ~read


@pytest.mark.parametrize("number", range(4))
def test_bias_drifts_and_nonlinearity_are_undone(field, finished, number):
    exposure = field[1][number]
    expected, good = true_counts(field, exposure)
    maps, read = det.picture_maps(exposure), lines_read(exposure)
    lit = good & read & ~maps.reference
    assert expected[-1][lit].min() > 10000 and maps.bias[lit].std() > 150 and maps.curve[lit].std() > 0.03
    with fits.open(product(finished, exposure, "linearity")) as ramp:
        assert np.array_equal(np.isnan(ramp["SCI"].data).any(axis=(0, 1)), ~read)
        for integration in ramp["SCI"].data:
            # Counts are whole numbers, the drift is known from some twenty pixels; a row or column that is not
            # the right one is off by hundreds of DN in bias, or by 5 % of a correction of 200 DN.
            assert np.abs(integration - expected)[:, lit].max() < 2.5


@pytest.mark.parametrize("number", range(3))
def test_gain_and_read_noise_are_those_of_the_pixels(field, finished, number):
    exposure = field[1][number]
    counts, good = true_counts(field, exposure)
    maps = det.picture_maps(exposure)
    lit = good & lines_read(exposure) & ~maps.reference
    with fits.open(product(finished, exposure, "rateints")) as rateints:
        rate, poisson, noise = (rateints[name].data[0][lit] for name in ("SCI", "VAR_POISSON", "VAR_RNOISE"))
    gain, read_noise = maps.gain[lit], maps.read_noise[lit]
    assert gain.std() / gain.mean() > 0.008 and read_noise.std() / read_noise.mean() > 1e-3
    np.testing.assert_allclose(
        rate, (counts[-1] - counts[0])[lit] / exposure.tgroup / (exposure.ngroups - 1), rtol=1e-3
    )
    np.testing.assert_allclose(poisson * gain / rate * exposure.tgroup * (exposure.ngroups - 1), 1, atol=2e-3)
    np.testing.assert_allclose(noise / read_noise**2, np.mean(noise / read_noise**2), rtol=1e-4)


@pytest.mark.parametrize("number", range(4))
def test_flags_are_those_of_the_pixels(field, finished, number):
    exposure = field[1][number]
    maps, read = det.picture_maps(exposure), lines_read(exposure)
    flags = fits.getdata(product(finished, exposure, "refpix"), "PIXELDQ")
    dead = maps.is_bad("dead") & ~maps.reference & read
    assert dead.any()
    assert np.array_equal(flags & dq.DEAD != 0, dead)
    assert np.array_equal(flags & dq.REFERENCE_PIXEL != 0, maps.reference | ~read)
    assert set(flags[~read]) <= {dq.REFERENCE_PIXEL}


def test_samples_of_a_frame_are_groups_at_their_own_times(field, finished):
    exposure = field[1][3]
    times = sample_times(exposure)
    assert times.size == 15 and np.ptp(np.diff(times)) > 100 * np.diff(times).min()
    for kind in ("refpix", "jump"):
        with datamodels.open(product(finished, exposure, kind)) as model:
            assert model.data.shape == (2, 15, 8, 40) and model.pixeldq.shape == (8, 40)
            assert model.zeroframe.shape == (2, 8, 40)
            assert (model.meta.exposure.nints, model.meta.exposure.ngroups) == (2, 15)
            np.testing.assert_allclose(model.meta.exposure.read_times, times[:, np.newaxis], rtol=1e-12)
            assert len(model.int_times) == 2 and len(model.int_times_stripe) == 8
            # From one frame to the next a pixel collects 190 times what it does within a frame: that is no jump.
            assert not (model.groupdq & dq.JUMP_DET).any()
            if kind == "refpix":
                # The zero frame is the earliest sample.
                np.testing.assert_allclose(model.zeroframe, model.data[:, 0], atol=1e-3)
    with datamodels.open(product(finished, exposure, "rateints")) as model:
        assert model.meta.exposure.read_times in (None, [])


def test_the_slopes_of_samples_within_frames_are_true(field, finished):
    exposure = field[1][3]
    counts, good = true_counts(field, exposure)
    maps, times = det.picture_maps(exposure), sample_times(exposure)
    with fits.open(product(finished, exposure, "rateints")) as rateints:
        rate, poisson, flags = (rateints[name].data[:, good] for name in ("SCI", "VAR_POISSON", "DQ"))
    assert not (flags & dq.JUMP_DET).any()
    true = counts[-1][good] / times[-1]
    np.testing.assert_allclose(rate, [true, true], rtol=1e-3)
    # All that has arrived from the first to the last sample counts, once.
    np.testing.assert_allclose(poisson * maps.gain[good] / rate * (times[-1] - times[0]), 1, atol=2e-3)


def test_products_are_what_they_say(field, finished):
    plain, _, pictures, _ = field[1]
    with datamodels.open(product(finished, pictures, "superbias")) as model:
        assert isinstance(model, datamodels.SuperstripeRampModel)
        assert model.data.shape == (8, 5, 24, 16) and model.pixeldq.shape == (4, 24, 16)
        assert model.meta.subarray.num_superstripe == 4
    with datamodels.open(product(finished, pictures, "refpix")) as model:
        assert type(model) is datamodels.RampModel
        assert model.data.shape == (2, 5, 24, 2048) and model.pixeldq.shape == (24, 2048)
        assert model.zeroframe.shape == (2, 24, 2048)
        assert (model.meta.subarray.xsize, model.meta.subarray.xstart) == (2048, 1)
        # The tree beside the keywords says nothing of stripes, either.
        assert model.meta.subarray.num_superstripe is None and model.meta.subarray.multistripe_reads2 is None
        assert (model.meta.exposure.nints, model.meta.exposure.integration_end) == (2, 2)
        assert len(model.int_times) == 2 and len(model.int_times_stripe) == 8
    with datamodels.open(product(finished, pictures, "rateints")) as model:
        assert model.data.shape == (2, 24, 2048) and len(model.int_times_stripe) == 8
    with datamodels.open(product(finished, plain, "rateints")) as model:
        assert model.data.shape == (2, 18, 40) and model.meta.subarray.multistripe_reads2 == 8


def test_release_1_19_takes_stripes_and_says_that_it_takes_no_superstripes(field, tmp_path):
    run = Run(tmp_path, HOME, {**field[2], "release": "1.19"})
    said = run("-n")
    line = "superstripes are not put together in release 1.19 (refpix: collate_superstripes: false)"
    for number in (2, 3):
        assert f"rampflow: {field[1][number].root}: {line}; take the exposure out, or set it to true" in said
    said = run(skip_bad=True)
    for number in (2, 3):
        assert f"rampflow: left out: {field[1][number].root}: {line}" in said
    exposure = field[1][0]
    expected, good = true_counts(field, exposure)
    with fits.open(product(run, exposure, "linearity")) as ramp:
        lit = good & ~det.picture_maps(exposure).reference
        assert np.abs(ramp["SCI"].data - expected)[:, :, lit].max() < 2.5


def test_averages_of_frames_that_sample_a_ramp_are_refused_and_others_survive(field, write_field):
    plain, _, _, sampled = field[1]
    averaged = sampled.but(nframes=2, groupgap=1, number=2, zero_frame=False)
    run = write_field(plain, averaged, release="3.0")
    said = run("-n")
    line = f"{averaged.root}_uncal.fits: multistripe exposure (MSTR_RD1 1, MSTR_RD2 2, SSTR_NST 4): 2 frames (NFRAMES)"
    assert line in said and "gives NaN); leave the exposure out" in said
    assert f"rampflow: left out: {run.config['exposures'].removesuffix('*_uncal.fits')}{line}" in run(skip_bad=True)
    assert product(run, plain, "rate").exists() and not product(run, averaged, "rate").exists()


def test_superstripes_must_not_go_without_refpix(field, tmp_path):
    run = Run(tmp_path, HOME, {**field[2], "steps": {"refpix": {"skip": True}}})
    assert "its superstripes are put together by refpix, which must not be skipped" in run("-n")


# --- persistence --------------------------------------------------------------------------------------

LINES = StripeReadout(1, 30, 8, 5, 1, 1)  # lines 0, 31-38, 0, 44-51
PLACE = {"window": Rectangle(1009, 2031, 40, 18), "stripes": LINES, "subarray": "SUB82STRIPE2_DHS", "noutputs": 1}


@pytest.fixture
def write_field(tmp_path):
    """Write exposures with their references; return a run on them."""

    def write(*made, **config):
        for name in ("data", "truth"):
            (tmp_path / name).mkdir()
        context = build_cache(tmp_path / "crds", made, traps={"NRCA2"} if config["release"] == "1.19" else ())
        for exposure in made:
            write_exposure(exposure, tmp_path / "data", tmp_path / "truth")
        crds = {"path": str(tmp_path / "crds"), "context": context, "offline": True}
        (tmp_path / "run").mkdir()
        return Run(tmp_path / "run", HOME, {"exposures": str(tmp_path / "data/*_uncal.fits"), "crds": crds, **config})

    return write


def test_traps_belong_to_the_lines_of_the_detector(write_field, tmp_path):
    exposure = MockExposure("NRCA2", "RAPID", 3, exp_type="NRC_IMAGE", **PLACE)
    # Every pixel has as many filled traps as its row has a number, and no time to lose any.
    filled = np.broadcast_to(np.arange(2048, dtype=np.float32)[:, np.newaxis], (3, 2048, 2048))
    header = fits.Header([("DETECTOR", "NRCA2"), ("EXPEND", dict((r[0], r[2]) for r in exposure.header())["EXPSTART"])])
    image = fits.ImageHDU(np.ascontiguousarray(filled), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), image]).writeto(tmp_path / "traps.fits")
    steps = {"persistence": {"input_trapsfilled": str(tmp_path / "traps.fits"), "save_persistence": True}}
    run = write_field(exposure, release="1.19", steps=steps)
    run()
    released = fits.getdata(product(run, exposure, "output_pers"), "SCI")[0, 0]
    lines = exposure.frame_lines()
    assert list(2047 - lines[::-1]) == [0, *range(31, 39), 0, *range(44, 52)]
    np.testing.assert_allclose(
        released / released[-1], np.broadcast_to(lines[:, np.newaxis] / 2047, (18, 40)), rtol=1e-5
    )
    left = fits.getdata(product(run, exposure, "trapsfilled"), "SCI")[0, 1:, 1008:1048]
    # Whether they were read or not, traps have stayed where they were, and lost the same part of their charge.
    np.testing.assert_allclose(left / np.arange(1, 2048)[:, np.newaxis], left[-1, 0] / 2047, rtol=2e-3)


def test_windows_belong_to_the_lines_of_the_detector(write_field):
    bright = MockExposure(
        "NRCA2", "RAPID", 4, exp_type="NRC_IMAGE", scene=Scene(sky=10.0, saturated_patch=1e8), number=1,
        effects=Effects(saturation=1), **PLACE,
    )  # fmt: skip
    # Seen next: lines 0, 35-42.
    place = PLACE | {"window": Rectangle(1001, 2040, 40, 9), "stripes": StripeReadout(1, 34, 8, 0, 1, 1)}
    faint = MockExposure(
        "NRCA2", "RAPID", 4, exp_type="NRC_IMAGE", scene=Scene(sky=10.0), number=2, start="2024-06-01T12:01:00.000",
        effects=Effects(saturation=1), **{**place, "subarray": "SUB164STRIPE4_DHS"},
    )  # fmt: skip
    persistence = {"skip": False, "chain": True, "persistence_time": 1000}
    run = write_field(bright, faint, release="3.0", steps={"persistence": persistence})
    run()

    def pixels(exposure, flags):
        rows, columns = np.nonzero(flags)
        return set(zip(exposure.frame_lines()[rows], columns + exposure.window.xstart - 1, strict=True))

    saturated = pixels(bright, (fits.getdata(product(run, bright, "saturation"), "GROUPDQ")[0] & 2).any(axis=0))
    flagged = pixels(faint, (fits.getdata(product(run, faint, "persistence"), "GROUPDQ")[0] & 32).any(axis=0))
    seen = {(line, x) for line in faint.frame_lines() for x in range(1000, 1040)}
    assert flagged == saturated & seen
    assert flagged and saturated - seen


def test_flags_are_counted_in_superstripes_and_in_the_pictures_that_they_make(finished):
    joined = 0
    for path in sorted((finished.folder / "results").glob("*/record/*.json")):
        record, folder = json.loads(path.read_text()), path.parents[1]
        if "groups" not in record["counts"]:
            continue
        found = record["counts"]["groups"]
        with (
            fits.open(os.path.join(folder, record["inputs"]["ramp"]["file"])) as before,
            fits.open(folder / f"{folder.name}_{path.stem}.fits") as after,
        ):
            new, pixeldq = after["GROUPDQ"].data, after["PIXELDQ"].data
            old = before["GROUPDQ"].data if "GROUPDQ" in before else np.zeros_like(new)
        images = (pixeldq & dq.REFERENCE_PIXEL == 0).reshape(-1, *pixeldq.shape[-2:])
        used = np.stack([images[i % len(images)] for i in range(len(new))])[:, np.newaxis] & np.ones(new.shape, bool)
        if old.shape != new.shape:
            # Where pictures are put together no flag of a group is set or cleared.
            joined += 1
            old = new
        expected = {"of": np.count_nonzero(used)}
        for kind, flags in (("total", new), ("set", new & ~old), ("cleared", old & ~new)):
            numbers = {name: np.count_nonzero(flags[used] & bit) for name, bit in dq.MNEMONICS.items() if bit < 256}
            expected[kind] = {name: number for name, number in numbers.items() if number}
        # Of groups that are flagged for their NaN alone, there is no total.
        assert "total" in found or path.stem in ("superbias", "linearity", "dark_current"), path
        assert {name: found[name] for name in expected if name in found} == {
            name: number for name, number in expected.items() if name in found
        }, path
    assert joined == 2
