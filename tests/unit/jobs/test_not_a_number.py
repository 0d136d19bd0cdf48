"""Samples and slopes that are not a number have DO_NOT_USE, whatever made them so."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.jobs.not_a_number import has_nan
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver

SHAPE = (2, 5, 8, 6)
PLACES = [(0, 1, 2, 3), (1, 0, 7, 5), (1, 4, 0, 0)]


@pytest.fixture
def ramp():
    """A clean ramp of 10 DN a group."""
    keys = {"INSTRUME": "NIRCAM", "TGROUP": 10.0, "TFRAME": 10.0, "NFRAMES": 1, "GROUPGAP": 0}
    keys |= {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": SHAPE[3], "SUBSIZE2": SHAPE[2]}
    sci = np.broadcast_to(np.arange(10, 60, 10, dtype=np.float32)[:, None, None], SHAPE).copy()
    return keys, {"SCI": sci, "PIXELDQ": np.zeros(SHAPE[2:], np.uint32), "GROUPDQ": np.zeros(SHAPE, np.uint8)}


def write(path, keys, arrays):
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(array, name=name) for name, array in arrays.items())]
    hdus[0].header.update(keys)
    fits.HDUList(hdus).writeto(path)
    return path


def reference(folder, kind, values):
    keys = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": SHAPE[3], "SUBSIZE2": SHAPE[2]}
    path = write(folder / f"{kind}.fits", keys, {"SCI": values.astype(np.float32)})
    pointer = {"type": kind, "status": "override", "file": str(path), "name": path.name, "crds_uri": path.name}
    return pointer | {"size": path.stat().st_size, "sha256": None, "mtime_ns": path.stat().st_mtime_ns}


def run(step, path, references=None, **parameters):
    words = ("rate", "rateints") if step == "ramp_fit" else ("ramp",)
    outputs = {word: str(path.with_name(f"out_{word}.fits")) for word in words}
    settings = {name: {"value": value, "source": "test"} for name, value in parameters.items()}
    spec = JobSpec(step, "x", {"ramp": str(path)}, outputs, references or {}, settings=settings)
    Step(spec).work(driver(step).run)
    found = []
    for made in outputs.values():
        with fits.open(made) as product:
            found.append({hdu.name: np.array(hdu.data) for hdu in product[1:] if hdu.is_image})
    return found


def test_has_nan_finds_one_and_is_not_deceived_by_infinities():
    values = np.zeros((3, 5, 7), np.float32)
    assert not has_nan(values)
    values[0, 0, 0], values[1, 1, 1] = np.inf, -np.inf
    assert not has_nan(values)
    values[2, 4, 6] = np.nan
    assert has_nan(values)
    assert not has_nan(np.full(10, np.finfo(np.float32).max))


def test_what_is_no_number_in_the_raw_file_is_flagged_from_dq_init_on(ramp, tmp_path):
    keys, arrays = ramp
    for place in PLACES:
        arrays["SCI"][place] = np.nan
    path = write(tmp_path / "x_uncal.fits", keys, arrays)
    mask = write(tmp_path / "mask.fits", keys, {"DQ": np.zeros(SHAPE[2:], np.uint32)})
    pointer = reference(tmp_path, "other", np.zeros(SHAPE[2:])) | {"type": "mask", "file": str(mask)}
    pointer |= {"size": mask.stat().st_size, "mtime_ns": mask.stat().st_mtime_ns}
    (product,) = run("dq_init", path, {"mask": pointer}, user_supplied_dq=None)
    assert {tuple(place) for place in np.argwhere(product["GROUPDQ"])} == set(PLACES)
    assert set(product["GROUPDQ"][tuple(np.transpose(PLACES))]) == {dq.DO_NOT_USE}


def test_what_a_step_makes_no_number_of_is_flagged(ramp, tmp_path):
    keys, arrays = ramp
    arrays["GROUPDQ"][0, 0, 2, 3] = dq.JUMP_DET
    path = write(tmp_path / "x_ramp.fits", keys, arrays)

    def spoil(step):
        def function(sci):
            sci[..., 2, 3] = np.nan
            return sci

        step.chunks.groups(function, reads=("SCI",), writes=("SCI",))

    spec = JobSpec("superbias", "x", {"ramp": str(path)}, {"ramp": str(tmp_path / "out.fits")})
    Step(spec).work(spoil)
    groupdq = fits.getdata(tmp_path / "out.fits", "GROUPDQ")
    assert (groupdq[..., 2, 3] & dq.DO_NOT_USE != 0).all() and groupdq[0, 0, 2, 3] & dq.JUMP_DET
    groupdq[..., 2, 3] = 0
    assert not groupdq.any()


@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
def test_an_unflagged_sample_that_is_no_number_does_not_count_in_a_fit(ramp, tmp_path, algorithm):
    from rampflow.settings.release import load_release

    keys, arrays = ramp
    clean, marked = (dict(arrays) for _ in range(2))
    clean["SCI"], marked["SCI"], marked["GROUPDQ"] = (arrays[key].copy() for key in ("SCI", "SCI", "GROUPDQ"))
    clean["SCI"][0, 2, 4, 4] = np.nan
    marked["GROUPDQ"][0, 2, 4, 4] = dq.DO_NOT_USE
    images = {"gain": np.full(SHAPE[2:], 2.0), "readnoise": np.full(SHAPE[2:], 10.0)}
    references = {kind: reference(tmp_path, kind, values) for kind, values in images.items()}
    parameters = load_release("3.0").defaults["ramp_fit"] | {"algorithm": algorithm}
    found = []
    for name, content in (("nan", clean), ("flag", marked)):
        (tmp_path / name).mkdir()
        found.append(run("ramp_fit", write(tmp_path / name / "x_jump.fits", keys, content), references, **parameters))
    for one, other in zip(*found, strict=True):
        for name in ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"):
            # LIKELY's numbers are in the last place what the samples that do not count make of its medians.
            np.testing.assert_allclose(one[name], other[name], rtol=3e-7 if algorithm == "LIKELY" else 0)
    np.testing.assert_allclose(found[0][0]["SCI"], 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", ["gain", "readnoise"])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.0])
def test_a_slope_that_is_no_number_is_not_to_be_used(ramp, tmp_path, kind, value):
    from rampflow.settings.release import load_release

    keys, arrays = ramp
    images = {"gain": np.full(SHAPE[2:], 2.0), "readnoise": np.full(SHAPE[2:], 10.0)}
    images[kind][3, 3] = value
    references = {each: reference(tmp_path, each, values) for each, values in images.items()}
    path = write(tmp_path / "x_jump.fits", keys, arrays)
    for release in ("1.19", "3.0"):
        (tmp_path / release).mkdir()
        copy = tmp_path / release / path.name
        copy.write_bytes(path.read_bytes())
        for product in run("ramp_fit", copy, references, **load_release(release).defaults["ramp_fit"]):
            bad = np.isnan(product["SCI"])
            assert (product["DQ"][bad] & dq.DO_NOT_USE != 0).all()
            assert not bad[..., 4, 4].any() and not (product["DQ"][..., 4, 4] & dq.DO_NOT_USE).any()
