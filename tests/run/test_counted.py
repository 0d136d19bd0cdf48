"""What jobs have counted, held against their products by plain numpy, and against jobs of other chunks and threads."""

import json
import os

import numpy as np
import pytest
from astropy.io import fits
from conftest import Run

from rampflow.detector import dq
from rampflow.inspection import report, summary
from rampflow.inspection.results import COUNTS, Results, unlike
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver

#: Steps that are off in release 3.0 unless they are asked for, and for whom.
ON = {"skip": False}
MORE = {"ipc": ON, "clean_flicker_noise": ON, "MIRI plain": {"firstframe": ON, "refpix": ON}}
MORE |= {name: {"charge_migration": ON} for name in ("NIRCAM plain", "NIRISS", "NIRSPEC", "FGS")}


@pytest.fixture(scope="module")
def with_more_steps(programme, tmp_path_factory):
    """The whole programme in the other release, with every step that may run."""
    run = Run(tmp_path_factory.mktemp("more"), config=programme.config("*"))
    run(release="3.0", steps=MORE, save_calibrated_ramp=True)
    return run


@pytest.fixture(params=["finished", "with_more_steps"])
def counted(request):
    """Records of a run that count: (folder of the exposure, step, record)."""
    run = request.getfixturevalue(request.param)
    found = []
    for path in sorted(run.folder.glob("results/*/record/*.json")):
        record = json.loads(path.read_text())
        if record["status"] == "COMPLETE" and path.stem not in ("rate", "ramp"):
            found.append((path.parents[1], path.stem, record))
    assert len({folder for folder, _, _ in found}) == 6 and len(found) > 50
    return found


def arrays(path):
    with fits.open(path) as product:
        return {hdu.name: hdu.data for hdu in product if hdu.data is not None} | {"header": product[0].header}


def before_and_after(folder, step, record):
    (given,) = [entry["file"] for kind, entry in record["inputs"].items() if kind in ("ramp", "rate")]
    return arrays(os.path.join(folder, given)), arrays(folder / f"{folder.name}_{step}.fits")


def by_name(mask_of, bits):
    numbers = {name: int(np.count_nonzero(mask_of(bit))) for name, bit in dq.MNEMONICS.items() if bit < 1 << bits}
    return {name: number for name, number in numbers.items() if number}


def compared(old, new, used, bits):
    """Count flags of two arrays."""
    old, new = (each[..., used] if used.ndim == 2 else each[used] for each in (old, new))
    old, new = old.astype(np.int64), new.astype(np.int64)
    return {
        "of": new.size,
        "total": by_name(lambda bit: new & bit, bits),
        "set": by_name(lambda bit: new & ~old & bit, bits),
        "cleared": by_name(lambda bit: old & ~new & bit, bits),
    }


def in_order(found):
    return {key: dict(sorted(each.items())) if isinstance(each, dict) else each for key, each in found.items()}


def test_every_record_of_counts_has_its_form(counted):
    for folder, step, record in counted:
        assert unlike(record["counts"], COUNTS) is None, (folder, step)
        known = {name for name in COUNTS}
        assert record["counts"].keys() <= known, (folder, step)


def test_flags_are_those_of_the_products_before_and_after(counted):
    ramps = 0
    for folder, step, record in counted:
        counts = record["counts"]
        old, new = before_and_after(folder, step, record)
        if "GROUPDQ" not in new:
            continue
        ramps += 1
        used = (new["PIXELDQ"] & dq.REFERENCE_PIXEL) == 0
        flags = old.get("GROUPDQ", np.zeros_like(new["GROUPDQ"]))
        expected = compared(flags, new["GROUPDQ"], used, 8)
        if "groups" in counts:
            found = dict(counts["groups"])
            each = found.pop("set_by_integration", {})
            if "total" not in found:
                assert step in ("firstframe", "lastframe", "rscd") or "SCI" in new, step
                expected.pop("total")
            assert in_order(found) == in_order(expected), (folder, step)
            for name in ("SATURATED", "JUMP_DET"):
                came = (new["GROUPDQ"] & ~flags & dq.MNEMONICS[name])[..., used] != 0
                assert each.get(name, [0] * len(came)) == came.sum(axis=(1, 2)).tolist(), (folder, step)
        else:
            np.testing.assert_array_equal(flags, new["GROUPDQ"], err_msg=f"{folder} {step}")
        pixels = old.get("PIXELDQ", np.zeros_like(new["PIXELDQ"]))
        if "pixels" in counts:
            assert in_order(counts["pixels"]) == in_order(compared(pixels, new["PIXELDQ"], used, 32)), (folder, step)
        else:
            np.testing.assert_array_equal(pixels, new["PIXELDQ"], err_msg=f"{folder} {step}")
    assert ramps > 40


def test_flags_of_rates_are_those_of_the_products(counted):
    for folder, step, record in counted:
        if step != "ramp_fit":
            continue
        ramp, rate = before_and_after(folder, step, record)
        used = (rate["DQ"] & dq.REFERENCE_PIXEL) == 0
        expected = compared(ramp["PIXELDQ"], rate["DQ"], used, 32)
        if missing := int(np.isnan(rate["SCI"][used]).sum()):
            expected["total"]["no rate"] = missing
        assert in_order(record["counts"]["pixels"]) == in_order(expected)
        ints = arrays(folder / f"{folder.name}_ramp_fitints.fits")
        used = (ints["DQ"] & dq.REFERENCE_PIXEL) == 0
        total = compared(ints["DQ"], ints["DQ"], used, 32)["total"]
        if missing := int(np.isnan(ints["SCI"][used]).sum()):
            total["no rate"] = missing
        assert in_order(record["counts"]["rateints"]) == in_order({"of": int(used.sum()), "total": total})


def places(length, most):
    return sorted({round(each) for each in np.linspace(0, length - 1, min(length, most))})


def test_what_was_subtracted_is_what_the_manual_says(counted):
    seen = set()
    for folder, step, record in counted:
        old, new = before_and_after(folder, step, record)
        if "GROUPDQ" not in new:
            continue
        removed = old["SCI"].astype(np.float64) - new["SCI"]
        if "change" not in record["counts"]:
            assert not np.nan_to_num(removed).any(), (folder, step)
            continue
        seen.add(step)
        removed[..., (new["PIXELDQ"] & (dq.REFERENCE_PIXEL | dq.DO_NOT_USE)) != 0] = np.nan
        lists = [places(n, most) for n, most in zip(removed.shape, (2, 3, 16, 256), strict=True)]
        values = removed[np.ix_(*lists)]
        values = values[np.isfinite(values)]
        median = np.median(values)
        scatter = 1.4826 * np.median(np.abs(values - median))
        mean = values[np.abs(values - median) <= 5 * scatter].mean()
        found = record["counts"]["change"]
        assert found["samples"] == values.size
        for name, value in (("mean", mean), ("median", median), ("scatter", scatter)):
            assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-9), (folder, step, name)
    assert {"refpix", "superbias", "linearity", "dark_current"} <= seen


def lines_by_hand(difference, usable, amplifiers):
    noise = {}
    for name in sorted(set(amplifiers.tolist())):
        levels = []
        for values, good in zip(difference[:, amplifiers == name], usable[:, amplifiers == name], strict=True):
            values = np.sort(values[good & np.isfinite(values)])
            if values.size >= 8:
                quarter = values.size // 4
                levels.append(values[quarter : values.size - quarter].mean(dtype=np.float64))
        noise[str(name)] = 1.4826 * np.median(np.abs(levels - np.median(levels))) if len(levels) >= 8 else None
    return noise


def test_noise_of_lines_is_what_the_manual_says(counted):
    seen = set()
    for folder, step, record in counted:
        found = record["counts"].get("line_noise")
        if step in ("refpix", "clean_flicker_noise") and "change" in record["counts"]:
            assert found is not None
        if found is None:
            continue
        old, new = before_and_after(folder, step, record)
        header = new["header"]
        seen.add((step, header["INSTRUME"]))
        usable = (new["PIXELDQ"] & (dq.REFERENCE_PIXEL | dq.DO_NOT_USE)) == 0
        transposed = abs(header["FASTAXIS"]) == 2
        usable = usable.T if transposed else usable
        # All windows begin at the detector's first row and column.
        place = np.arange(usable.shape[1])
        amplifiers = np.where(header["FASTAXIS"] < 0, 2047 - place, place) // 512 + 1
        amplifiers = place % 4 + 1 if header["INSTRUME"] == "MIRI" else amplifiers
        if header["NOUTPUTS"] == 1:
            amplifiers[:] = 1
        integration, group = new["SCI"].shape[0] // 2, (new["SCI"].shape[1] - 1) // 2
        for when, sci in (("before", old["SCI"]), ("after", new["SCI"])):
            difference = np.subtract(*sci[integration, [group + 1, group]].astype(np.float32))
            expected = lines_by_hand(difference.T if transposed else difference, usable, amplifiers)
            for name, value in expected.items():
                measured = found["amplifiers"][name][when]
                assert measured == (None if value is None else pytest.approx(value, rel=1e-4, abs=1e-6)), (folder, step)
            assert found["spectrum"]["lines"] == len(usable)
            assert len(found["spectrum"][when]) in (0, len(usable) // 2)
    assert {("refpix", "NIRCAM"), ("refpix", "NIRISS")} <= seen
    assert ("clean_flicker_noise", "MIRI") in seen or "clean_flicker_noise" not in {step for step, _ in seen}


@pytest.mark.parametrize(("threads", "memory_mb"), [(1, 2000), (2, 1), (3, 400)])
def test_numbers_do_not_depend_on_chunks_and_threads(counted, tmp_path, threads, memory_mb):
    for folder, step, record in counted:
        references = {path.stem: str(path) for path in (folder / "references").glob("[a-z]*.json")}
        asked = references.pop("asked", None)
        inputs = {
            kind: os.path.join(folder, entry["file"])
            for kind, entry in record["inputs"].items()
            if kind in ("ramp", "rate", "rateints")
        }
        rates = step in ("ramp_fit", "gain_scale")
        outputs = {"rate": "", "rateints": "ints"} if rates else {"ramp": ""}
        spec = JobSpec(
            name=step,
            exposure=folder.name,
            inputs=inputs,
            outputs={kind: str(tmp_path / f"{folder.name}_{step}{end}.fits") for kind, end in outputs.items()},
            references=references,
            asked=asked,
            settings=json.loads((folder / f"parameters/{step}.json").read_text()),
            threads=threads,
            memory_mb=memory_mb,
        )
        job = Step(spec)
        job.work(driver(step).run)
        assert json.loads(json.dumps(job.counts)) == record["counts"], (folder, step)
        for path in tmp_path.glob("*.fits"):
            path.unlink()


def test_events_and_waves_are_counted(counted):
    events = [record["counts"]["events"] for _, step, record in counted if step == "jump"]
    assert len(events) >= 5 and all("jumps" in each for each in events)
    assert sum(each["jumps"] for each in events) > 0
    waves = [record["counts"]["waves"] for _, step, record in counted if step == "emicorr"]
    assert waves and all(wave["amplitude"] > 0 and wave["frequency"] > 0 for each in waves for wave in each)


def test_a_report_without_products_has_the_rates_of_flags(finished, programme, tmp_path, monkeypatch):
    run = Run(tmp_path, config=programme.config("*"))
    run(keep="none")
    assert not list(tmp_path.glob("results/*/*_jump.fits"))
    columns = ["exposure", "groups_jump", "groups_saturated", "pixels_do_not_use", "pixels_no_rate"]
    kept = summary.table(finished.folder / "results")[columns]
    for final in ("_rate.fits", "_rateints.fits"):
        for path in tmp_path.glob(f"results/*/*{final}"):
            path.unlink()
    found = summary.table(tmp_path / "results")[columns]
    assert found.equals(kept) and found.notna().all(axis=None) and (found.groups_jump > 0).any()
    monkeypatch.chdir(tmp_path)
    assert report.main(["results"]) == 0
    assert "JUMP_DET (groups)" in (tmp_path / "results/report.html").read_text()
    assert not Results(tmp_path / "results").damaged
