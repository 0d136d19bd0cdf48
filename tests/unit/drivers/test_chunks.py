"""Steps that look at an exposure more than once: the same bits whatever its chunks and the number of threads."""

import json
import os
from hashlib import sha256

import asdf
import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.jobs import memory
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver
from rampflow.settings.release import load_release
from rampflow.steps import picture_frame
from rampflow.steps.clean_flicker_noise import sky
from rampflow.steps.scene_mask import soss

IMAGES = ("gain", "readnoise", "pictureframe", "flat", "bkg")
TREES = ("pastasoss", "wavelengthrange")
ROWS, COLUMNS = 40, 48
WINDOW = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": COLUMNS, "SUBSIZE2": ROWS}
#: Rows at once, and threads; 0 is a budget that leaves no room for any.
CHUNKS = [(ROWS, 1), (ROWS, 3), (0, 1), (0, 2), (1, 3), (3, 1), (3, 2), (7, 2), (16, 3)]

FEW, MANY, LONG = (3, 6), (2, 14), (24, 4)
JUMP = {
    "none": ((1, 3), {}, 0),
    "iterative": (FEW, {}, 1),
    "single pass": (MANY, {}, 1),
    "sigma clipping": (LONG, {"minimum_sigclip_groups": 10}, 1),
    "sigma clipping of all groups": (LONG, {"minimum_sigclip_groups": 10, "only_use_ints": False}, 1),
    "groups after jumps": (FEW, {"after_jump_flag_dn1": 300.0, "after_jump_flag_time1": 25.0}, 1),
    "snowballs": (FEW, {"expand_large_events": True, "edge_size": 2}, 2),
    "snowballs in a time series": (
        LONG,
        {"expand_large_events": True, "edge_size": 2, "minimum_sigclip_groups": 10},
        2,
    ),
    "showers": (MANY, {"find_showers": True}, 2),
    "showers in a time series": (LONG, {"find_showers": True, "minimum_sigclip_groups": 10}, 2),
    "time domain": (LONG, {"algorithm": "time_domain", "time_window": 5}, 1),
    "time domain and two-point difference": (LONG, {"algorithm": "both", "time_window": 5}, 1),
}
OLD = {"slope_weights": "total", "flag_saturated": "all", "ignore_persistence": False}
FIT = {
    "OLS": (FEW, {}),
    "OLS, total weights": (FEW, OLD),
    "OLS, all that there is to say": (FEW, {"save_opt": True}),
    "OLS, lone groups, limits": (MANY, {"suppress_one_group": False, "firstgroup": 1, "lastgroup": 11}),
    "OLS of a time series": (LONG, {}),
    "LIKELY": (FEW, {"algorithm": "LIKELY", "save_opt": True}),
    "LIKELY, bad ramps": (MANY, {"algorithm": "LIKELY", "flag_chisq_pvalue": 1e-3}),
    "LIKELY of a time series": (LONG, {"algorithm": "LIKELY"}),
}


CLEAN = {
    "one mask": (FEW, {}),
    "masks of a time series": (LONG, {"single_mask": False}),
    "all that there is to say": (FEW, {f"save_{word}": True for word in ("mask", "background", "noise")}),
    "model": (FEW, {"background_method": "model", "fit_histogram": True}),
    "median of a time series": (
        LONG,
        {"background_method": "median_image", "save_background": True, "save_mask": True},
    ),
    "median and sky of SOSS": (LONG, {"background_method": "median_image", "mask_science_regions": True}),
    "automatic": (FEW, {"autoparam": True}),
}
TRACE = np.column_stack([np.arange(48.0), np.full(48, 18.2)])
#: A straight trace, and a header that it is for.
SOSS = {"INSTRUME": "NIRISS", "EXP_TYPE": "NIS_SOSS", "SUBARRAY": "SUBSTRIP256", "PWCPOS": 245.8, "FILTER": "CLEAR"}
PASTASOSS = {
    "meta": {
        "pwcpos_cmd": 245.76,
        "pwcpos_bounds": [245.5, 246.0],
        "wavemap_wlmin": 0.5,
        "wavemap_wlmax": 3.0,
        "wavemap_nwl": 100,
    },
    "traces": [{"spectral_order": 1, "pivot_x": 20.0, "pivot_y": 18.2, "trace": TRACE}],
    "wavecal_models": [{"scale_extents": [[0.0, -1.0], [48.0, 1.0]], "coefficients": [2.8, -2.0, 0.0]}],
}


FRAME = {
    "one mask": (FEW, {}),
    "a time series": (LONG, {}),
    "all that there is to say": (FEW, {f"save_{word}": True for word in ("mask", "correction")}),
    "masks of one's own": (FEW, {"user_mask": "own.fits"}),
}


def disc(radius, y, x):
    rows, columns = np.ogrid[:ROWS, :COLUMNS]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def ramps(nints, ngroups, flags=(0, dq.DO_NOT_USE, dq.SATURATED)):
    """Ramps with noise, hits of single pixels, a snowball with a saturated core, a shower, and bad groups."""
    rng = np.random.default_rng(20)
    shape = (nints, ngroups, ROWS, COLUMNS)
    sci = rng.poisson(rng.uniform(5, 80, shape[-2:]), shape) + rng.normal(0, 3, shape)
    sci += (rng.random(shape) < 0.02) * rng.uniform(50, 2000, shape)
    sci[-1, 1] += 9000 * disc(5, 17, 14)
    sci[0, -2] += 25 * disc(9, 21, 31)
    sci = np.cumsum(sci, axis=1).astype(np.float32)
    sci[rng.random(shape) < 0.002] = np.nan
    groupdq = rng.choice(np.array(flags, np.uint8), shape, p=[0.97] + [0.03 / (len(flags) - 1)] * (len(flags) - 1))
    groupdq[-1, 1:, disc(2, 17, 14)] |= dq.SATURATED
    return sci, groupdq


@pytest.fixture
def run_step(tmp_path, monkeypatch):
    """Run a step on a ramp, in blocks of so many rows and threads: its products' extensions, hashed."""
    rng = np.random.default_rng(21)
    gain, readnoise = rng.uniform(0.8, 1.2, (ROWS, COLUMNS)), rng.uniform(3, 6, (ROWS, COLUMNS))
    gain[3, 5], gain[9, 9], readnoise[20, 3] = np.nan, -1, np.nan
    frame = np.abs(np.arange(COLUMNS) - COLUMNS / 2) + np.zeros((ROWS, 1))
    flat = rng.uniform(0.9, 1.1, (ROWS, COLUMNS))
    bkg = np.where(np.arange(COLUMNS) < 22, 1.0, 1.5) + 0.01 * rng.random((2, ROWS, COLUMNS))
    for kind, content in zip(IMAGES + TREES, (gain, readnoise, frame, flat, bkg, PASTASOSS, {}), strict=True):
        path = tmp_path / f"{kind}.{'asdf' if kind in TREES else 'fits'}"
        if kind in TREES:
            asdf.AsdfFile(content).write_to(path)
        else:
            primary = fits.PrimaryHDU(header=fits.Header(WINDOW))
            fits.HDUList([primary, fits.ImageHDU(content.astype(np.float32), name="SCI")]).writeto(path)
        pointer = {
            "type": kind,
            "status": "found",
            "file": str(path),
            "name": path.name,
            "size": path.stat().st_size,
            "sha256": sha256(path.read_bytes()).hexdigest(),
            "crds_uri": f"crds://{path.name}",
        }
        (tmp_path / f"{kind}.json").write_text(json.dumps(pointer))

    def run(step, sci, groupdq, changes, rows, threads, **header):
        primary = fits.PrimaryHDU()
        keys = {"INSTRUME": "NIRCAM", "TGROUP": 10.0, "TFRAME": 10.0, "NFRAMES": 1, "GROUPGAP": 0, "DRPFRMS1": 0}
        keys |= {"SLOWAXIS": -2, "EXP_TYPE": "NRC_IMAGE", "SUBARRAY": "SUB64P"}
        primary.header.update(keys | WINDOW | header)
        pixeldq = np.zeros((ROWS, COLUMNS), np.uint32)
        arrays = {"SCI": sci, "PIXELDQ": pixeldq, "GROUPDQ": groupdq}
        before = tmp_path / "x_before.fits"
        images = [fits.ImageHDU(array, name=name) for name, array in arrays.items()]
        fits.HDUList([primary, *images]).writeto(before, overwrite=True)
        folder = tmp_path / f"{rows}_{threads}"
        made = ("rate", "rateints") if step == "ramp_fit" else ("ramp",)
        settings = load_release("3.0").defaults[step] | changes
        spec = JobSpec(
            name=step,
            exposure="x",
            inputs={"ramp": str(before)},
            outputs={name: str(folder / f"x_{name}.fits") for name in made},
            references={kind: str(tmp_path / f"{kind}.json") for kind in IMAGES + TREES},
            settings={name: {"value": value, "source": "test"} for name, value in settings.items()},
            threads=threads,
            memory_mb=2000 if rows else 1,
        )
        with monkeypatch.context() as patch:
            patch.setattr(memory, "CHUNK", rows * sci[:, :, 0].nbytes)
            Step(spec).work(driver(step).run)
        found = {}
        for name in sorted(os.listdir(folder)):
            with fits.open(folder / name) as product:
                found |= {(name, hdu.name): sha256(hdu.data.tobytes()).digest() for hdu in product[1:] if hdu.is_image}
                found |= {(name, key): product[0].header.get(key) for key in ("PRIMECRS", "EXTNCRS")}
        return found

    return run


@pytest.mark.parametrize("case", JUMP)
def test_jump_gives_the_same_bits_whatever_the_chunks_and_threads(run_step, case):
    (nints, ngroups), changes, level = JUMP[case]
    sci, groupdq = ramps(nints, ngroups)
    if case == "none":
        groupdq[:, 0] = dq.DO_NOT_USE
    whole, *others = (run_step("jump", sci, groupdq, changes, *chunks) for chunks in CHUNKS)
    # What the case is about did happen.
    assert (whole["x_ramp.fits", "PRIMECRS"] > 0) == (level > 0)
    assert (whole["x_ramp.fits", "EXTNCRS"] > 0) == (level > 1)
    assert {name for _, name in whole} >= {"SCI", "GROUPDQ", "PIXELDQ"}
    for chunks, other in zip(CHUNKS[1:], others, strict=True):
        assert other == whole, chunks


@pytest.mark.parametrize("case", FIT)
def test_ramp_fit_gives_the_same_bits_whatever_the_chunks_and_threads(run_step, case):
    shape, changes = FIT[case]
    kinds = (0, dq.DO_NOT_USE, dq.SATURATED, dq.JUMP_DET, dq.PERSISTENCE, dq.CHARGELOSS | dq.DO_NOT_USE)
    sci, groupdq = ramps(*shape, flags=kinds)
    whole, *others = (run_step("ramp_fit", sci, groupdq, changes, *chunks) for chunks in CHUNKS)
    products = {name for name, _ in whole}
    assert len(products) == 2 + changes.get("save_opt", False)
    assert {name for _, name in whole} >= {"SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"}
    for chunks, other in zip(CHUNKS[1:], others, strict=True):
        assert other == whole, chunks


@pytest.mark.parametrize("case", CLEAN)
def test_clean_flicker_noise_gives_the_same_bits_whatever_the_chunks_and_threads(run_step, case, monkeypatch):
    shape, changes = CLEAN[case]
    sci, groupdq = ramps(*shape)
    header = {}
    if case == "median of a time series":
        header["EXP_TYPE"] = "NRC_TSGRISM"
        sci[..., 18:20, :] *= 6  # a spectrum
    if "SOSS" in case:
        header = SOSS
        monkeypatch.setattr(sky, "_JUMP", (10, 35))
        monkeypatch.setattr(soss, "_HALF_WIDTH", 8)
    whole, *others = (run_step("clean_flicker_noise", sci, groupdq, changes, *chunks, **header) for chunks in CHUNKS)
    words = {"save_mask": "mask", "save_background": "flicker_bkg", "save_noise": "flicker_noise"}
    beside = {f"x_{word}.fits" for parameter, word in words.items() if parameter in changes}
    assert {name for name, _ in whole} == {"x_ramp.fits"} | beside
    assert whole["x_ramp.fits", "SCI"] != sha256(sci.astype(">f4").tobytes()).digest()
    for chunks, other in zip(CHUNKS[1:], others, strict=True):
        assert other == whole, chunks


@pytest.mark.parametrize("case", FRAME)
def test_picture_frame_gives_the_same_bits_whatever_the_chunks_and_threads(run_step, case, monkeypatch, tmp_path):
    monkeypatch.setattr(picture_frame, "FULL", (ROWS, COLUMNS))
    monkeypatch.setattr(picture_frame, "_CENTRE", np.s_[10:30, 10:38])
    monkeypatch.setattr(picture_frame, "_EDGE", (np.s_[:8], np.s_[32:]))
    shape, changes = FRAME[case]
    changes = changes | {"mask_science_regions": "user_mask" in changes}
    sci, groupdq = ramps(*shape)
    if "user_mask" in changes:
        own = np.random.default_rng(22).integers(0, 2, (shape[0], ROWS, COLUMNS), np.int16)
        changes["user_mask"] = str(tmp_path / "own.fits")
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(own)]).writeto(changes["user_mask"])
    header = {"INSTRUME": "NIRSPEC", "SUBARRAY": "FULL", "EXP_TYPE": "NRS_MSASPEC"}
    whole, *others = (run_step("picture_frame", sci, groupdq, changes, *chunks, **header) for chunks in CHUNKS)
    beside = {"x_pctfrm_mask.fits", "x_pctfrm_correction.fits"} if "save_mask" in changes else set()
    assert {name for name, _ in whole} == {"x_ramp.fits"} | beside
    assert whole["x_ramp.fits", "SCI"] != sha256(sci.astype(">f4").tobytes()).digest()
    for chunks, other in zip(CHUNKS[1:], others, strict=True):
        assert other == whole, chunks
