"""The report of runs that went well, failed, were killed, or kept little."""

import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas
import pytest
from astropy.io import fits
from conftest import HOME, Run

from rampflow.detector import dq
from rampflow.inspection import check, report, summary
from rampflow.inspection.look import look


class Page(HTMLParser):
    """What a page links to, its texts, and whether it needs anything from elsewhere."""

    def __init__(self, path):
        super().__init__()
        self.folder, self.content = path.parent, path.read_text()
        self.links, self.images, self.identities, self.scripts, self.tags, self.text = [], [], [], [], set(), ""
        self.feed(self.content)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.links += [attributes["href"]] if "href" in attributes else []
        self.images += [(attributes["alt"], attributes["src"])] if tag == "img" else []
        self.scripts += [attributes] if tag == "script" else []
        self.identities += [attributes["id"]] if "id" in attributes else []

    def handle_data(self, data):
        self.text += data + " "

    def count(self, title):
        """How many pictures have that title."""
        return sum(alt == title for alt, _ in self.images)

    def check(self):
        """Hold the page against what holds for every one."""
        assert not {"link", "iframe", "object", "embed"} & self.tags and self.scripts == [{}]
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", self.content)
        assert all(source.startswith("data:image/png;base64,") for _, source in self.images)
        assert len(self.identities) == len(set(self.identities))
        assert not [link for link in self.links if ":" in link.split("/")[0]]
        for link in self.links:
            found = link[1:] in self.identities if link.startswith("#") else (self.folder / link).exists()
            assert found, link
        return self


@pytest.fixture
def reported(monkeypatch, capsys):
    """Write the report of a run; return the page and what the command says."""

    def call(run, status=0):
        monkeypatch.chdir(run.folder)
        assert report.main(["results"]) == status
        return Page(run.folder / "results/report.html").check(), capsys.readouterr().out

    return call


def exposures_of(run):
    return {exposure.root: exposure for exposure in report.gather(check.Results(run.folder / "results"))}


def test_every_exposure_is_there_with_its_steps_and_pictures(again, programme, reported):
    page, said = reported(again)
    assert said == "Report: results/report.html (6 complete)\n"
    roots = [exposure.root for exposure in programme.exposures]
    assert sorted(page.identities) == sorted(roots)
    for title in ("count rate", "flags of the rate"):
        assert page.count(title) == len(roots)
    assert page.count("jumps") + page.count("no jumps") == len(roots)
    assert page.count("as it is") == len(roots) and page.count("after it") > 3 * len(roots)
    assert len(re.findall("The ramp of a pixel before the fit", page.content)) >= 2 * 2 * len(roots)
    assert {f"{root}/{root}_rate.fits" for root in roots} <= set(page.links)
    for text in (programme.context, "NRC_TSGRISM", "time series", "CRDS has no trapdensity", "complete", "numpy 2"):
        assert text in page.text
    assert "Failed" not in page.text and "Not finished" not in page.text and "Warnings" not in page.text
    assert len(page.content) < 600_000


def test_parameters_that_do_not_come_from_the_release_are_named_with_their_source(again, reported):
    page, _ = reported(again)
    assert "rejection_threshold = 5.0 (pars-jumpstep (jwst_niriss_pars-jumpstep_9001.asdf))" in page.text


def test_fractions_of_flags_are_those_of_the_products(again):
    results = check.Results(again.folder / "results")
    for exposure in report.gather(results):
        counts = look(exposure, results, 64).counts
        folder = again.folder / "results" / exposure.root
        with fits.open(folder / f"{exposure.root}_rate.fits") as rate:
            used = rate["DQ"].data & np.uint32(dq.REFERENCE_PIXEL) == 0
            assert counts.pixels["DO_NOT_USE"] == np.mean(rate["DQ"].data[used] & 1 > 0)
            assert counts.pixels["no rate"] == np.mean(np.isnan(rate["SCI"].data[used]))
        before = exposure.chain[exposure.chain.index("ramp_fit") - 1]
        with fits.open(folder / f"{exposure.root}_{before}.fits") as ramp:
            used = ramp["PIXELDQ"].data & np.uint32(dq.REFERENCE_PIXEL) == 0
            groups = ramp["GROUPDQ"].data[..., used]
            for name, fraction in counts.groups.items():
                assert fraction == pytest.approx(np.mean(groups & dq.MNEMONICS[name] > 0), abs=1e-12)
                assert fraction > 0
            others = 0xFF & ~sum(dq.MNEMONICS[name] for name in counts.groups)
            assert not (groups & others).any()


def test_what_failed_or_was_left_out_is_said_first(new_run, programme, tmp_path, reported):
    run = new_run("nrs1", "guider1")
    wrong = tmp_path / "gain <3>.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3), np.float32), name="SCI")]).writeto(wrong)
    (raw,) = programme.folder.glob("data/*_nis_uncal.fits")
    broken = tmp_path / raw.name
    broken.write_bytes(raw.read_bytes()[:-3000])
    paths = [*run.config["exposures"], str(broken)]
    run(status=1, exposures=paths, skip_bad=True, references={"NIRSPEC": {"gain": str(wrong)}})
    page, said = reported(run)
    assert "(1 complete, 1 failed)" in said
    failed, left_out = page.text.index("Failed"), page.text.index("Left out")
    assert failed < left_out < page.text.index("Exposure by exposure")
    assert "_nrs1 : jump: " in page.text and "gain <3>.fits: SUBSTRT1" in page.text
    assert f"left out: {broken}: truncated" in page.text
    assert page.count("count rate") == 1


def test_an_exposure_without_references_says_why(new_run, programme, reported):
    run = new_run("nrs1", "guider1")
    (dark,) = programme.folder.glob("crds/references/jwst/nirspec/*dark*")
    aside = dark.rename(dark.with_suffix(".aside"))
    try:
        run(status=1)
    finally:
        aside.rename(dark)
    page, said = reported(run)
    assert "(1 complete, 1 failed)" in said
    assert re.search(r"_nrs1 : references: CRDS context \S+ selects files that are not in the cache", page.text)


def test_without_intermediate_products_there_are_pictures_and_fractions_that_jobs_have_counted(new_run, reported):
    run = new_run("guider1")
    run(keep="none")
    page, _ = reported(run)
    assert page.count("count rate") == page.count("flags of the rate") == 1
    assert "not kept" in page.text and "–" in page.text
    assert not [link for link in page.links if link.endswith("_jump.fits")]
    assert "DO_NOT_USE (groups)" in page.text and "Flags of groups: " in page.text
    run = Run(run.folder, HOME, run.config)
    run(save_calibrated_ramp=True)
    page, _ = reported(run)
    assert [link for link in page.links if link.endswith("_ramp.fits")]
    (exposure,) = exposures_of(run).values()
    assert look(exposure, check.Results(run.folder / "results"), 64).counts.groups is not None


def test_of_a_run_that_was_killed_what_is_there_is_shown(again, reported):
    (path,) = again.folder.glob("results/runs/*.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"outcome": None, "ended": None}))
    (nis,) = again.folder.glob("results/*_nis")
    for name in ("jump", "ramp_fit", "rate"):
        (nis / f"record/{name}.json").unlink()
        for product in nis.glob(f"*_{name}*.fits"):
            product.unlink()
    (folder,) = again.folder.glob("results/*_nrs1")
    shutil.rmtree(folder)
    page, said = reported(again)
    assert "(4 complete, 1 interrupted, 1 not begun)" in said
    assert "Not finished" in page.text and "it did not come to its end, or runs still" in page.text
    assert "_nis : jump: the run was interrupted, or runs still" in page.text
    assert "_nrs1 : dq_init: has not run" in page.text
    assert page.count("count rate") == 4


def test_damaged_products_records_and_logs_do_not_keep_the_report_from_being_made(again, reported):
    (rate,) = again.folder.glob("results/*_nis/*_rate.fits")
    rate.write_bytes(rate.read_bytes()[:-20_000])
    (record,) = again.folder.glob("results/*_nrs1/record/jump.json")
    record.write_text('{"step": ')
    (log,) = again.folder.glob("results/*_guider1/logs/jump.log")
    log.write_bytes(
        b"\xff\xfe 2024-01-01 00:00:00,000 WARNING <b>odd</b> & \n2024-01-01 00:00:00,000 WARNING <b>odd</b> &\n"
    )
    (parameters,) = again.folder.glob("results/*_mirimage/parameters/jump.json")
    parameters.write_text("")
    page, said = reported(again)
    assert "(3 complete, 3 outdated)" in said and "_nrs1/record/jump.json: not a record of a job: not JSON" in said
    assert f"{rate.name}: truncated" in page.text and "_nrs1 : jump: its record cannot be read" in page.text
    assert "Warnings" in page.text and "jump: <b>odd</b> &" in page.text
    assert page.count("count rate") == 5


def test_warnings_are_said_once_with_the_exposures_that_they_concern(again, reported):
    for log in again.folder.glob("results/*/logs/jump.log"):
        root = log.parents[1].name
        log.write_text(f"2024-01-01 00:00:00,000 WARNING {root}: only two groups\n")
    page, _ = reported(again)
    assert page.text.count("only two groups") == 1
    assert "jump: …: only two groups" in page.text and "and 3 more" in page.text


def test_results_of_earlier_runs_stay_in_the_report(again, reported, programme):
    run = again
    nis = [path for path in programme.folder.glob("data/*_nis_uncal.fits")]
    run("--forcerun", "rate", "--cores", "2", exposures=[str(nis[0])])
    page, said = reported(run)
    assert "6 complete" in said and len(page.identities) == 6
    assert len(list(run.folder.glob("results/runs/*.json"))) == 2


def test_the_page_of_hundreds_of_exposures_stays_small(again, reported):
    results = again.folder / "results"
    (path,) = results.glob("runs/*.json")
    run = json.loads(path.read_text())
    made, run["exposures"] = run["exposures"], {}
    for number in range(300):
        root = sorted(made)[number % len(made)]
        name = f"jw{number:05d}001001_02101_00001_{root.split('_')[-1]}"
        run["exposures"][name] = made[root]
        shutil.copytree(results / root, results / name, copy_function=os.link)
        for product in (results / name).glob("*.fits"):
            product.rename(product.with_name(product.name.replace(root, name)))
        for record in (results / name / "record").glob("*.json"):
            text = record.read_text().replace(root, name)
            record.unlink()
            record.write_text(text)
    for root in made:
        shutil.rmtree(results / root)
    path.write_text(json.dumps(run))
    page, said = reported(again)
    assert "(300 complete)" in said
    assert len(page.identities) == 300 and page.count("count rate") == 300
    assert len(page.content) < 300 * 60_000


def test_a_folder_without_results_is_no_success(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 2
    assert "no run has left anything there" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


# --- how far exposures are -------------------------------------------------------------------------------


def states_of(run):
    return {root.split("_")[-1]: (e.state, e.why) for root, e in exposures_of(run).items()}


def edit(run, pattern, **changes):
    """Change what a file of JSON among the results says."""
    (path,) = (run.folder / "results").glob(pattern)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_products_of_another_configuration_are_outdated_until_they_are_made_anew(again, monkeypatch):
    monkeypatch.chdir(again.folder)
    steps = {"NIRISS": {"jump": {"rejection_threshold": 9.0}}}
    # The run ends before it comes to what has changed.
    again("--until", "dq_init", "--forcerun", "dq_init", steps=steps)
    states = states_of(again)
    assert states["nis"][0] == "outdated"
    assert "jump: made with rejection_threshold = 5.0, asked for is 9.0 (config (NIRISS))" in states["nis"][1]
    assert {state for root, (state, _) in states.items() if root != "nis"} == {"complete"}
    again(steps=steps)
    assert states_of(again)["nis"] == ("complete", "")


def test_products_whose_records_do_not_lead_to_one_another_are_outdated(again, monkeypatch):
    monkeypatch.chdir(again.folder)
    edit(again, "*_nis/record/linearity.json", recipe="0" * 64)
    edit(again, "*_nrs1/references/gain.json", name="other.fits")
    edit(again, "*_guider1/references/dark.json", status="failed", file=None, name="N/A", problem="no network")
    (rate,) = again.folder.glob("results/*_nrcb1/*_rate.fits")
    rate.write_bytes(rate.read_bytes() + bytes(2880))
    (record,) = again.folder.glob("results/*_mirimage/record/rscd.json")
    record.unlink()
    states = states_of(again)
    assert states["nis"] == (
        "outdated",
        "dark_current: made from another product of linearity than the one that is asked for; run the workflow again",
    )
    assert states["nrs1"][0] == "outdated" and "the gain reference jwst_nirspec_gain" in states["nrs1"][1]
    assert states["guider1"][0] == "outdated" and "the dark reference" in states["guider1"][1]
    assert states["nrcb1"][0] == "outdated" and "its record says" in states["nrcb1"][1]
    assert states["mirimage"][0] == "failed"  # the run ended, the job has a log, and no record
    assert states["nrcalong"] == ("complete", "")


def test_a_run_on_another_context_leaves_nothing_complete_until_it_has_asked(again, monkeypatch):
    monkeypatch.chdir(again.folder)
    (path,) = again.folder.glob("results/runs/*.json")
    config = json.loads(path.read_text())["config"]
    edit(again, "runs/*.json", config=config | {"crds": config["crds"] | {"context": "jwst_0001.pmap"}})
    for state, why in states_of(again).values():
        assert state == "outdated" and "the last run asks for jwst_0001.pmap" in why


def test_an_interrupted_run_says_interrupted(again, monkeypatch):
    monkeypatch.chdir(again.folder)
    for name in ("jump", "ramp_fit", "rate"):
        (record,) = again.folder.glob(f"results/*_nis/record/{name}.json")
        record.unlink()
    for outcome, state in ((None, "interrupted"), ("interrupted", "interrupted"), ("failed", "failed")):
        edit(again, "runs/*.json", outcome=outcome)
        assert states_of(again)["nis"][0] == state
    (log,) = again.folder.glob("results/*_nis/logs/jump.log")
    log.unlink()
    assert states_of(again)["nis"] == ("interrupted", "jump: has not run")


def test_records_that_count_need_no_products(again, monkeypatch):
    monkeypatch.chdir(again.folder)
    counts = {"groups": {"of": 1000, "total": {"JUMP_DET": 20}, "set": {"JUMP_DET": 18}, "cleared": {}}}
    edit(again, "*_nis/record/dark_current.json", counts=counts)
    edit(again, "*_nis/record/jump.json", counts=counts | {"events": {"snowballs": 2}})
    edit(again, "*_nis/record/rate.json", counts={"pixels": {"of": 100, "total": {"DO_NOT_USE": 3, "no rate": 4}}})
    for path in again.folder.glob("results/*_nis/*.fits"):
        path.unlink()
    table = summary.table("results").set_index("exposure")
    (row,) = table[table.detector == "NIS"].itertuples()
    assert (row.groups_jump, row.groups_saturated, row.pixels_do_not_use, row.pixels_no_rate) == (0.02, 0, 0.03, 0.04)
    assert report.main(["results"]) == 0
    assert "2 snowballs, +18 JUMP_DET (groups)" in (again.folder / "results/report.html").read_text()


# --- the summary -----------------------------------------------------------------------------------------


def test_the_summary_is_a_frame_and_two_files_of_the_same(again, monkeypatch, programme):
    monkeypatch.chdir(again.folder)
    assert report.main(["results"]) == 0
    table = summary.table("results")
    assert list(table.columns) == list(summary.COLUMNS)
    assert table.exposure.tolist() == sorted(exposure.root for exposure in programme.exposures)
    read = pandas.read_csv(
        "results/summary.tsv", sep="\t", dtype=dict(table.dtypes), keep_default_na=False, na_values=[""]
    )
    pandas.testing.assert_frame_equal(read, table)
    rows = json.loads((again.folder / "results/summary.json").read_text())
    assert [row["exposure"] for row in rows] == table.exposure.tolist()
    assert rows[0]["segment"] is None and rows[0]["wall_s"] == table.wall_s[0]
    series = table[table["mode"] == "tso"].iloc[0]
    assert (series.detector, series.integrations, series.groups) == ("NRCALONG", 3, 6)
    assert series.chain.split()[-1] == "ramp_fit" and "gain_scale" in series.skipped.split()


def test_the_manual_has_every_column_of_the_summary():
    manual = (HOME / "config/README.md").read_text()
    for name, meaning in summary.COLUMNS.items():
        assert f"| `{name}` | {meaning[0].upper()}{meaning[1:]}. |" in manual, name
