"""What a job counts, where a step does it in an odd way: in parts, twice, with other frames, with NaN."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step
from rampflow.steps import NotApplicable

SHAPE = (3, 4, 6, 5)
REFERENCE = np.uint32(dq.REFERENCE_PIXEL)


@pytest.fixture(params=["flags", "no flags"])
def ramp(tmp_path, request):
    """A product of three integrations of four groups of 6 x 5 pixels, of which five are reference pixels."""
    chance = np.random.default_rng(2)
    pixeldq = chance.integers(0, 9, SHAPE[2:]).astype(np.uint32)
    pixeldq[0] |= REFERENCE
    primary = fits.PrimaryHDU()
    primary.header.update(INSTRUME="NIRCAM", FASTAXIS=1, NOUTPUTS=1, SUBSTRT1=1, SUBSTRT2=1, SUBSIZE1=5, SUBSIZE2=6)
    images = {"SCI": chance.normal(9, 2, SHAPE).astype(np.float32), "PIXELDQ": pixeldq}
    if request.param == "flags":
        images["GROUPDQ"] = chance.integers(0, 256, SHAPE).astype(np.uint8)
    path = tmp_path / "x_superbias.fits"
    fits.HDUList([primary, *(fits.ImageHDU(array, name=name) for name, array in images.items())]).writeto(path)
    return path


def made(ramp, work, threads=2, memory_mb=1):
    """Run a step; return its counts, and flags of groups and pixels before and after it."""
    path = ramp.with_name("x_refpix.fits")
    job = Step(JobSpec("refpix", "x", {"ramp": str(ramp)}, {"ramp": str(path)}, threads=threads, memory_mb=memory_mb))
    job.work(work)
    with fits.open(ramp) as before, fits.open(path) as after:
        new = after["GROUPDQ"].data, after["PIXELDQ"].data
        old = before["GROUPDQ"].data if "GROUPDQ" in before else np.zeros(SHAPE, np.uint8), before["PIXELDQ"].data
    return job.counts, old, new


def numbers(values, bits):
    found = {name: int(np.count_nonzero(values & bit)) for name, bit in dq.MNEMONICS.items() if bit < 1 << bits}
    return {name: number for name, number in found.items() if number}


def expected(old, new, pixeldq, bits, total=True):
    used = (pixeldq & REFERENCE) == 0
    old, new = old[..., used].astype(np.int64), new[..., used].astype(np.int64)
    found = {"of": new.size, "set": numbers(new & ~old, bits), "cleared": numbers(old & ~new, bits)}
    return found | ({"total": numbers(new, bits)} if total else {})


def without(counts, name="set_by_integration"):
    return {key: value for key, value in counts.items() if key != name}


def toggled(frames):
    return (frame ^ np.uint8(4) for frame in frames)


def test_groups_that_are_written_in_part_have_no_total(ramp):
    def work(step):
        for integration in range(SHAPE[0]):
            flags = step.source.read("GROUPDQ", integration, -1)
            step.product.write("GROUPDQ", flags ^ np.uint8(5), integration, -1)

    counts, (old, _), (new, pixeldq) = made(ramp, work)
    assert without(counts["groups"]) == expected(old, new, pixeldq, 8, total=False)
    assert "pixels" not in counts and "change" not in counts


def test_what_is_written_twice_is_compared_with_the_source(ramp):
    def work(step):
        for factor in (3, 7):
            step.chunks.rows(
                lambda groupdq, factor=factor: groupdq * np.uint8(factor), reads=("GROUPDQ",), writes=("GROUPDQ",)
            )
        step.chunks.sequence(toggled, reads=("GROUPDQ",), writes=("GROUPDQ",))

    counts, (old, _), (new, pixeldq) = made(ramp, work)
    assert without(counts["groups"]) == expected(old, new, pixeldq, 8)
    came = ((new & ~old & 4) != 0)[..., (pixeldq & REFERENCE) == 0]
    assert counts["groups"]["set_by_integration"]["JUMP_DET"] == came.sum(axis=(1, 2)).tolist()


def test_groups_written_in_part_after_all_of_them_are_counted_once(ramp):
    def work(step):
        step.chunks.rows(lambda groupdq: groupdq ^ np.uint8(1), reads=("GROUPDQ",), writes=("GROUPDQ",))
        step.product.write("GROUPDQ", np.full(SHAPE[2:], 8, np.uint8), 1, 2)

    counts, (old, _), (new, pixeldq) = made(ramp, work)
    assert without(counts["groups"]) == expected(old, new, pixeldq, 8)


def test_samples_that_are_not_a_number_are_counted_as_what_they_are_flagged(ramp):
    def spoil(sci):
        sci[..., 1] = np.nan
        return sci

    def work(step):
        step.chunks.groups(spoil, reads=("SCI",), writes=("SCI",))

    counts, (old, _), (new, pixeldq) = made(ramp, work)
    assert without(counts["groups"]) == expected(old, new, pixeldq, 8, total=False)
    assert counts["change"]["mean"] == 0 and counts["change"]["samples"] > 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_pixels_that_become_reference_pixels_are_left_out(ramp, when):
    def work(step):
        flags = np.zeros(SHAPE[2:], np.uint32)
        flags[:, 3] = REFERENCE | 2
        if when == "before":
            step.pixeldq |= flags
        step.chunks.rows(lambda groupdq: groupdq | np.uint8(2), reads=("GROUPDQ",), writes=("GROUPDQ",))
        if when == "after":
            step.pixeldq |= flags

    counts, (old, old_pixels), (new, pixeldq) = made(ramp, work)
    assert without(counts["groups"]) == expected(old, new, pixeldq, 8)
    assert counts["pixels"] == expected(old_pixels, pixeldq, pixeldq, 32)
    assert counts["groups"]["of"] == 3 * 4 * 5 * 4


def test_rows_that_are_left_out_do_not_count(ramp):
    rows = np.array([True, True, False, True, False, True])

    def work(step):
        step.product.keep_rows(rows)
        step.product.measure_line_noise()
        step.chunks.groups(lambda sci: (sci - np.float32(3))[:, rows], reads=("SCI",), writes=("SCI",))

    counts, (old, old_pixels), (new, pixeldq) = made(ramp, work)
    if "groups" in counts:
        assert counts["groups"] == expected(old[:, :, rows], new, pixeldq, 8)
    else:
        assert not new.any()
    assert counts["pixels"] == expected(old_pixels[rows], pixeldq, pixeldq, 32)
    assert counts["change"]["median"] == pytest.approx(3, rel=1e-5)
    assert counts["line_noise"]["spectrum"]["lines"] == 4


def test_a_step_that_does_not_apply_counts_nothing(ramp):
    def work(step):
        step.counts["events"] = {"jumps": 3}
        step.chunks.rows(lambda groupdq: groupdq | np.uint8(1), reads=("GROUPDQ",), writes=("GROUPDQ",))
        raise NotApplicable("no use")

    counts, (old, _), (new, _) = made(ramp, work)
    assert counts == {}
    np.testing.assert_array_equal(old, new)
