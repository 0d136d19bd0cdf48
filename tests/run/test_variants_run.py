"""Variants: branches of one graph that share what is upstream, with the products of ordinary runs."""

import csv
import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, SCENE, Run, _new_run

from rampflow.errors import RampflowError
from rampflow.inspection import check, comparison, inspector_planes, pixel, report, whatif
from rampflow.mock import Effects, MockExposure, Rectangle, build_cache, write_exposure

VARIANTS = {
    "strict": {"jump": {"rejection_threshold": 3.0}},
    "likely": {"NIRCAM": {"ramp_fit": {"algorithm": "LIKELY"}}},
    "even": {"refpix": {"odd_even_columns": False, "odd_even_rows": False}},
    "straight": {"linearity": {"skip": True}, "jump": {"rejection_threshold": 5.0}},
}
DETECTORS = ("nrcb1", "nrcalong", "mirimage")
#: Where a variant changes nothing; refpix has nothing to do in the small frame of MIRI.
SAME = {("mirimage", "likely"), ("mirimage", "even")}


@pytest.fixture(scope="module")
def varied(programme, tmp_path_factory):
    """Three exposures, one a time series, with variants; tests may only read it."""
    run = _new_run(programme, tmp_path_factory.mktemp("varied"), *DETECTORS)
    run.ran = run.jobs(variants=VARIANTS)
    return run


@pytest.fixture
def changed(varied, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(varied.folder, tmp_path / "changed")
    return Run(tmp_path / "changed", varied.home, dict(varied.config))


def of_variant(run, detector, variant):
    """The products of a variant, by name."""
    (folder,) = run.folder.glob(f"results/*_{detector}/variants/{variant}")
    return {path.name: path.read_bytes() for path in folder.glob("*.fits")}


def of_exposure(run, detector):
    (folder,) = run.folder.glob(f"results/*_{detector}")
    return {path.name: path.read_bytes() for path in folder.glob("*.fits")}


def steps_of(ran, branch):
    return {rule for rule, of in ran if of == branch}


def test_what_is_made_without_a_variant_is_what_it_would_be_without_variants(varied, finished):
    for detector in DETECTORS:
        assert of_exposure(varied, detector) == of_exposure(finished, detector)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_an_ordinary_run_with_its_parameters_bit_for_bit(varied, again, variant):
    again(steps=VARIANTS[variant], exposures=varied.config["exposures"])
    for detector in DETECTORS:
        if (detector, variant) in SAME:
            assert not list(varied.folder.glob(f"results/*_{detector}/variants/{variant}"))
            continue
        made, ordinary = of_variant(varied, detector, variant), of_exposure(again, detector)
        assert {"rate", "rateints"} <= {name.removesuffix(".fits").rpartition("_")[2] for name in made}
        assert made == {name: ordinary[name] for name in made}


def test_each_begins_with_the_first_step_that_differs_and_what_is_before_it_is_done_once(varied):
    assert steps_of(varied.ran, "nrcb1/strict") == {"jump", "ramp_fit", "rate"}
    assert steps_of(varied.ran, "nrcalong/likely") == {"ramp_fit", "rate"}
    assert steps_of(varied.ran, "nrcalong/even") == {
        "refpix", "linearity", "dark_current", "jump", "ramp_fit", "rate",
    }  # fmt: skip
    assert steps_of(varied.ran, "mirimage/straight") == {"rscd", "dark_current", "jump", "ramp_fit", "rate"}
    for folder in varied.folder.glob("results/*/variants/*"):
        assert not (folder / "references").exists()


def test_a_variant_that_changes_nothing_is_said_and_not_made(varied):
    told = varied("--dry-run")
    assert "variant likely: it changes nothing, and nothing is made of it: 1 exposure (MIRI plain)" in told
    assert "Nothing to be done" in told


def test_a_record_says_its_variant_and_its_recipe_does_not(varied, again):
    again(steps=VARIANTS["strict"], exposures=varied.config["exposures"][:1])
    (path,) = varied.folder.glob("results/*_nrcb1/variants/strict/record/rate.json")
    record = json.loads(path.read_text())
    assert record["variant"] == "strict" and varied.record("nrcb1", "rate")["variant"] is None
    assert record["recipe"] == again.record("nrcb1", "rate")["recipe"]


def test_what_is_checked_and_summed_up_has_the_variants(varied, capsys):
    assert check.main([str(varied.folder / "results"), "--schemas", "final", "--cores", "2"]) == 0
    assert "3 exposures and 10 variants" in capsys.readouterr().out


def test_another_value_of_one_variant_makes_that_variant_again_and_nothing_else(changed):
    expected = {(step, f"{of}/strict") for of in DETECTORS for step in ("jump", "ramp_fit", "rate")}
    changed.config["variants"] = VARIANTS | {"strict": {"jump": {"rejection_threshold": 3.5}}}
    assert changed.planned() == expected
    assert changed.jobs() == expected
    assert changed.planned() == set()


def test_a_change_before_the_branch_makes_variants_again_and_one_behind_it_does_not(changed):
    changed.config["steps"] = {"NIRCAM": {"dark_current": {"average_dark_current": 1.0}}}
    planned = changed.planned()
    for branch in ("nrcb1", "nrcb1/strict", "nrcb1/even"):
        assert steps_of(planned, branch) == {"dark_current", "jump", "ramp_fit", "rate"} - (
            {"dark_current"} if branch == "nrcb1/strict" else set()
        )
    assert not steps_of(planned, "mirimage") | steps_of(planned, "mirimage/strict")
    changed.config["steps"] = {"jump": {"rejection_threshold": 4.5}}
    planned = changed.planned()
    # What a variant says holds, whatever steps say.
    assert steps_of(planned, "nrcb1") == {"jump", "ramp_fit", "rate"}
    assert steps_of(planned, "nrcb1/strict") == set()


def test_without_variants_what_was_made_of_them_is_left_alone(changed):
    before = changed.products()
    changed.config["variants"] = {}
    assert changed.planned() == set()
    assert changed.products() == before
    changed.config["variants"] = VARIANTS
    assert changed.planned() == set()


def test_a_variant_is_taken_up_by_results_that_are_there(again):
    again.config["variants"] = {"strict": VARIANTS["strict"]}
    ran = again.jobs()
    assert {rule for rule, _ in ran} == {"jump", "ramp_fit", "rate"}
    assert {branch for _, branch in ran} == {
        f"{of}/strict" for of in ("nrcb1", "nrcalong", "nis", "nrs1", "mirimage", "guider1")
    }


def test_five_thresholds_cost_one_upstream_and_five_times_jump_to_rate(new_run):
    run = new_run("nrcb1")
    thresholds = {f"t{value}": {"jump": {"rejection_threshold": float(value)}} for value in (2, 3, 5, 6, 7)}
    ran = run.jobs(variants=thresholds, keep="none")
    numbers = {rule: sum(1 for of, _ in ran if of == rule) for rule, _ in ran}
    upstream = ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current")
    assert numbers == dict.fromkeys(upstream, 1) | dict.fromkeys(("jump", "ramp_fit", "rate"), 6)
    (folder,) = run.folder.glob("results/*_nrcb1")
    assert {path.name.rpartition("_")[2] for path in folder.rglob("*.fits")} == {"rate.fits", "rateints.fits"}
    assert len(list(folder.rglob("*.fits"))) == 12
    assert report.main([str(run.folder / "results")]) == 0
    with open(run.folder / "results/summary.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["variant"] for row in rows] == ["", *thresholds]
    jumps = [float(row["groups_jump"]) for row in rows[1:]]
    assert jumps == sorted(jumps, reverse=True) and jumps[0] > jumps[-1]


def test_a_variant_that_fails_stops_nothing_else_and_is_made_once_it_can_be(new_run):
    run = new_run("nrcb1")
    (run.folder / "mask.fits").write_text("no FITS")
    bad = {"clean_flicker_noise": {"skip": False, "user_mask": "mask.fits"}}
    text = run(status=1, variants={"bad": bad, "strict": VARIANTS["strict"]})
    (folder,) = run.folder.glob("results/*_nrcb1")
    assert "1 of 3 exposures and variants are not finished" in text
    assert f"{folder.name} (bad): clean_flicker_noise: " in text
    assert len(list(folder.glob("*_rate.fits"))) == 1 and len(list(folder.glob("variants/strict/*_rate.fits"))) == 1
    assert not list(folder.glob("variants/bad/*.fits*"))
    del bad["clean_flicker_noise"]["user_mask"]
    ran = run.jobs(variants={"bad": bad, "strict": VARIANTS["strict"]})
    assert ran == {(step, "nrcb1/bad") for step in ("clean_flicker_noise", "ramp_fit", "rate")}


# --- looked at -----------------------------------------------------------------------------------------------


def rows_of(varied, tmp_path, detector):
    """What ``rampflow compare --variants`` writes of an exposure, by variant."""
    assert comparison.main([str(varied.folder / "results"), "--variants", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    return {row["variant"]: row for row in rows if row["exposure"].endswith(f"_{detector}")}


def test_variants_are_put_side_by_side_by_numbers_that_are_in_the_products(varied, tmp_path, capsys):
    rows = rows_of(varied, tmp_path, "nrcalong")
    assert list(rows) == [None, "even", "likely", "straight", "strict"]
    assert "nrcalong:" in capsys.readouterr().out
    (folder,) = varied.folder.glob("results/*_nrcalong")
    rate, error, flags = (fits.getdata(folder / f"{folder.name}_rate.fits", name) for name in ("SCI", "ERR", "DQ"))
    other, more = (fits.getdata(folder / "variants/even" / f"{folder.name}_rate.fits", name) for name in ("SCI", "DQ"))
    used = np.isfinite(rate) & np.isfinite(other) & (((flags | more) & (1 | 1 << 31)) == 0)
    found = rows["even"]
    assert found["rate"] == pytest.approx(np.median(other[used]))
    assert found["differing"] == pytest.approx(np.mean(rate[used] != other[used])) and found["differing"] > 0.9
    far = used & (rate != other) & (error > 0)
    assert found["difference"] == pytest.approx(np.median(np.abs(rate - other)[far] / error[far]), rel=1e-5)
    assert (rows[None]["differing"], rows[None]["difference"]) == (0, None)
    groups = fits.getdata(folder / "variants/strict" / f"{folder.name}_jump.fits", "GROUPDQ")
    pixels = fits.getdata(folder / f"{folder.name}_jump.fits", "PIXELDQ")
    assert rows["strict"]["groups_jump"] == pytest.approx(np.mean((groups[..., (pixels & 1 << 31) == 0] & 4) != 0))
    assert rows["strict"]["groups_jump"] > rows[None]["groups_jump"]


def test_what_a_variant_changes_is_told(varied, tmp_path):
    rows = rows_of(varied, tmp_path, "nrcb1")
    assert rows["strict"]["changes"] == "jump.rejection_threshold = 3.0 (4.0)"
    assert rows["straight"]["changes"] == "jump.rejection_threshold = 5.0 (4.0), linearity off"
    assert [rows[name]["first"] for name in ("strict", "likely", "even")] == ["jump", "ramp_fit", "refpix"]


def test_a_time_series_has_the_light_of_each_integration(varied, tmp_path):
    rows = rows_of(varied, tmp_path, "nrcalong")
    (folder,) = varied.folder.glob("results/*_nrcalong")
    cube, flags = (fits.getdata(folder / f"{folder.name}_rateints.fits", name) for name in ("SCI", "DQ"))
    good = (np.isfinite(cube) & ((flags & (1 | 1 << 31)) == 0)).all(axis=0)
    assert rows[None]["light"] == pytest.approx([frame[good].mean(dtype=float) for frame in cube])
    assert all(len(row["light"]) == 3 and row["light_scatter"] > 0 for row in rows.values())


def test_results_without_variants_have_none_to_compare(finished, capsys):
    assert comparison.main([str(finished.folder / "results"), "--variants"]) == 2
    assert "no run has made variants there" in capsys.readouterr().err


def test_a_variant_is_compared_with_its_exposure_array_by_array(varied):
    (folder,) = varied.folder.glob("results/*_nrcb1")
    found = comparison.compare(folder, folder / "variants/likely", ["rate", "dark_current"])
    assert set(found["product"]) == {"rate"} and (found["problem"] == "").all() and found["differs"].any()
    # Variants below a folder are no second products of its names.
    same = comparison.compare(folder, folder, ["rate"])
    assert (same["problem"] == "").all() and not same["differs"].any()


def test_a_pixel_of_a_variant_has_the_ramp_that_it_shares(varied):
    (folder,) = varied.folder.glob("results/*_nrcb1")
    ours, plain = (pixel.pixel(folder.parent, folder.name, 20, 12, variant=name) for name in ("likely", None))
    assert ours.text().startswith(f"{folder.name} (likely)")
    assert ours.frame().equals(plain.frame())
    assert ours.sources.value("ramp_fit", "algorithm") == "LIKELY" != plain.sources.value("ramp_fit", "algorithm")
    value = fits.getdata(folder / "variants/likely" / f"{folder.name}_rate.fits", "SCI")[11, 19]
    assert ours.rates["rate"][0]["SCI"] == pytest.approx(value)
    with pytest.raises(RampflowError, match="no variant 'likly' of it; did you mean likely"):
        pixel.pixel(folder.parent, folder.name, 20, 12, variant="likly")


def test_the_report_has_a_section_for_variants_and_what_is_wrong_with_one(changed):
    (broken,) = changed.folder.glob("results/*_nrcb1/variants/strict/record/jump.json")
    broken.unlink()
    assert report.main([str(changed.folder / "results")]) == 0
    page = (changed.folder / "results/report.html").read_text()
    assert page.count("<h4>Variants</h4>") == 3 and page.count('aria-label="light curves') == 1
    assert "variant strict: jump: " in page
    with open(changed.folder / "results/summary.tsv", newline="") as file:
        rows = {(row["detector"], row["variant"]): row for row in csv.DictReader(file, delimiter="\t")}
    assert rows["NRCB1", "strict"]["state"] != "complete" and rows["NRCB1", ""]["state"] == "complete"
    assert len(rows) == 13


def test_what_another_value_of_a_variant_would_do_is_told_beforehand(varied, capsys):
    setting = "variants.strict.jump.rejection_threshold=3.5"
    assert whatif.main([str(varied.folder / "results"), setting]) == 1
    said = capsys.readouterr().out
    assert "9 jobs of 3 variants of exposures would run" in said
    assert "jump: rejection_threshold" in said


def test_the_inspector_has_the_products_of_a_variant_beside_those_of_the_exposure(varied):
    results = varied.folder / "results"
    names = inspector_planes.exposures(results, "likely")
    assert [name.rpartition("_")[2] for name in names] == ["nrcalong", "nrcb1"]
    name = names[1]
    found = inspector_planes.products(inspector_planes.sources_of(results, name, "strict"))
    assert found["rate"] == results / name / "variants/strict" / f"{name}_rate.fits"
    assert found["dark_current"] == results / name / f"{name}_dark_current.fits"


def test_what_a_variant_of_the_exposure_before_hands_on_is_taken(tmp_path):
    made = [
        MockExposure(
            "NRCB1", "RAPID", 5, window=Rectangle(1, 1, 40, 32), scene=SCENE, effects=Effects.nominal("NIRCAM"),
            seed=number, number=number, start=f"2024-06-01T1{number}:00:00.000",
        )
        for number in (1, 2)
    ]  # fmt: skip
    for name in ("data", "truth"):
        (tmp_path / name).mkdir()
    context = build_cache(tmp_path / "crds", made, traps=frozenset({"NRCB1"}))
    for exposure in made:
        write_exposure(exposure, tmp_path / "data", tmp_path / "truth")
    first, second = (exposure.root for exposure in made)
    crds = {"path": "crds", "context": context, "offline": True}
    run = Run(tmp_path, HOME, {"exposures": "data/*_uncal.fits", "crds": crds})
    chained = {"persistence": {"chain": True, "skip": False}}
    own = {first: {"saturation": {"n_pix_grow_sat": 3}}}
    run(steps=chained, variants={"grown": own, "strict": VARIANTS["strict"]})
    folder = run.folder / "results" / second
    record = json.loads((folder / "variants/grown/record/persistence.json").read_text())
    assert record["inputs"]["carried"]["file"] == f"../../../{first}/variants/grown/carried/persistence.json"
    assert not (folder / "variants/strict/record/persistence.json").exists()
    assert run.planned() == set()
    assert check.main([str(run.folder / "results"), "--schemas", "none", "--again", second, "--cores", "2"]) == 0


def test_where_nothing_stays_another_value_goes_from_the_start_to_one_variant_and_leaves_the_others(new_run):
    run = new_run("nrcb1")
    run(variants={name: VARIANTS[name] for name in ("strict", "even")}, keep="none")
    before = run.products()
    run.config["variants"] = {"strict": {"jump": {"rejection_threshold": 2.0}}, "even": VARIANTS["even"]}
    planned, ran = run.planned(), run.jobs()
    assert ran == planned
    assert steps_of(ran, "nrcb1/strict") == {"jump", "ramp_fit", "rate"} and not steps_of(ran, "nrcb1/even")
    assert "dark_current" in steps_of(ran, "nrcb1") and not steps_of(ran, "nrcb1") & {"jump", "ramp_fit", "rate"}
    after = run.products()
    assert after.keys() == before.keys()
    assert {path.parts[-2] for path in after if after[path] != before[path]} == {"strict"}
    assert run.planned() == set()
