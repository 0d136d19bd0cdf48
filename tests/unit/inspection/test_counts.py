import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.inspection import counts
from rampflow.inspection.exposures import ExposureResults
from rampflow.inspection.look import look
from rampflow.inspection.results import Results
from rampflow.io.files import Product


def write_ramp(path, groupdq, pixeldq, sci=None, **header):
    sci = np.zeros(groupdq.shape, np.float32) if sci is None else sci
    images = {"SCI": sci, "PIXELDQ": pixeldq, "GROUPDQ": groupdq}
    primary = fits.PrimaryHDU()
    primary.header.update(header)
    fits.HDUList([primary, *(fits.ImageHDU(array, name=name) for name, array in images.items())]).writeto(path)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (3, 4, 16, 8)])
def test_flags_of_groups_are_counted_bit_by_bit_without_reference_pixels(tmp_path, shape):
    chance = np.random.default_rng(4)
    groupdq = chance.integers(0, 256, shape).astype(np.uint8)
    pixeldq = np.where(chance.random(shape[-2:]) < 0.3, dq.REFERENCE_PIXEL, 0).astype(np.uint32)
    write_ramp(tmp_path / "ramp.fits", groupdq, pixeldq)
    with Product(tmp_path / "ramp.fits") as product:
        found, jumps = counts.of_ramp(product, jumps=True)
    used = groupdq[..., pixeldq == 0]
    for name, bit in dq.MNEMONICS.items():
        if bit < 256 and used.size:
            assert found.get(name, 0) == pytest.approx(np.mean((used & bit) != 0))
    expected = np.where(pixeldq == 0, np.mean((groupdq & dq.JUMP_DET) != 0, axis=(0, 1)), 0)
    assert jumps == pytest.approx(expected)


def test_the_ramp_of_the_flagged_pixel_is_that_of_the_largest_jump(tmp_path):
    root, ngroups = "jw1_nis", 6
    chance = np.random.default_rng(5)
    slopes = chance.uniform(1, 2, (12, 10)).astype(np.float32)
    slopes[3, 4] = 50
    times = np.arange(ngroups, dtype=np.float32)[:, None, None] * 2
    sci = np.stack([slopes * times + 100] * 2)
    groupdq, flags = np.zeros(sci.shape, np.uint8), np.zeros(slopes.shape, np.uint32)
    for (y, x), size in {(1, 2): 30, (7, 8): 500, (9, 9): 60}.items():
        sci[1, 4:, y, x] += size
        groupdq[1, 4, y, x] = dq.JUMP_DET
        flags[y, x] = dq.JUMP_DET
    flags[0, 0] = dq.DO_NOT_USE
    folder = tmp_path / root
    folder.mkdir()
    write_ramp(folder / f"{root}_jump.fits", groupdq, np.zeros(slopes.shape, np.uint32), sci, TGROUP=2.0)
    images = [fits.ImageHDU(slopes, name="SCI"), fits.ImageHDU(flags, name="DQ")]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(folder / f"{root}_rate.fits")
    exposure = ExposureResults(root, {}, {}, ["jump", "ramp_fit"])
    exposure.products = {"jump": [f"{root}_jump.fits"], "rate": [f"{root}_rate.fits"]}
    seen = look(exposure, Results(tmp_path), 64)
    assert seen.trouble == [] and not seen.left_out
    brightest, typical, jump = seen.ramps
    assert (brightest.what, brightest.x, brightest.y, brightest.rate) == ("brightest", 5, 4, 50)
    assert brightest.times == [0, 2, 4, 6, 8, 10] and brightest.line == pytest.approx((100, 600))
    assert typical.rate == pytest.approx(np.median(slopes), rel=0.05)
    assert (jump.what, jump.x, jump.y, jump.integration) == ("jump", 9, 8, 2)
    assert jump.marks == ["", "", "", "", "jump", ""] and jump.values == sci[1, :, 7, 8].tolist()
    assert seen.counts.groups == pytest.approx({"JUMP_DET": 3 / groupdq.size})
    short = look(exposure, Results(tmp_path), 64, share=2000)
    assert short.left_out and short.rate is not None and short.jumps is None
