"""CRDS's parameter files turn steps on and off: a mock AMI exposure of NIRISS with its own context."""

import json
import re

import pytest
from astropy.io import fits
from conftest import _new_run

from rampflow.inspection import check, report
from rampflow.mock.added_parameters import add_parameters

ON = {"skip": "False", "signal_threshold": "40.0", "minimum_groups": 3}
CONTEXT = "jwst_9003.pmap"


@pytest.fixture(scope="module")
def operations(programme):
    """A context in which NIRISS has charge_migration on, and persistence off against the step's own file."""
    cache = programme.folder / "crds"
    add_parameters(cache, "NIRISS", "pars-chargemigrationstep", ON, context=CONTEXT)
    add_parameters(cache, "NIRISS", "pars-persistencestep", {"skip": False}, base=CONTEXT, context=CONTEXT)
    steps = {"persistence": {"skip": "True"}, "ipc": {"skip": True}, "jump": {"rejection_threshold": 5.5}}
    steps["undersampling_correction"] = {"skip": False}
    add_parameters(cache, "NIRISS", "pars-detector1pipeline", {}, steps, base=CONTEXT, context=CONTEXT)
    return CONTEXT


@pytest.fixture(scope="module")
def followed(programme, operations, tmp_path_factory):
    """The exposures of NIRISS and MIRI with that context and nothing else; tests may only read it."""
    run = _new_run(programme, tmp_path_factory.mktemp("followed"), "nis", "mirimage")
    run.config["crds"]["context"] = operations
    run.config["save_calibrated_ramp"] = True
    run.said = run()
    return run


def of(run, kind, detector="nis"):
    (path,) = (run.folder / "results").glob(f"*_{detector}/*_{kind}.fits")
    return path


def arrays(run, kind):
    with fits.open(of(run, kind)) as product:
        return {hdu.name: hdu.data.tobytes() for hdu in product if hdu.is_image and hdu.data is not None}


def test_steps_run_as_crds_has_them_and_say_so(followed):
    assert fits.getheader(of(followed, "rate", "mirimage"))["S_CHGMIG"] == "SKIPPED"
    header = fits.getheader(of(followed, "rate"))
    assert header["S_CHGMIG"] == "COMPLETE" and header["S_PERSIS"] == header["S_IPC"] == "SKIPPED"
    assert fits.getdata(of(followed, "charge_migration"), "GROUPDQ").astype(int).sum() > (
        fits.getdata(of(followed, "dark_current"), "GROUPDQ").astype(int).sum()
    )
    assert not list((followed.folder / "results").glob("*_nis/*_persistence.fits"))
    assert "charge_migration" in str(of(followed, "charge_migration"))
    folder = of(followed, "rate").parent
    # The step after those that are skipped says by whom.
    skipped = {}
    for record in folder.glob("record/*.json"):
        skipped |= json.loads(record.read_text()).get("skipped", {})
    assert skipped["persistence"] == skipped["ipc"] and skipped["ipc"].startswith("pars-detector1pipeline (jwst_niriss")
    after = (folder / "logs/dark_current.log").read_text()
    assert f"persistence is skipped before this step, by {skipped['persistence']}" in after
    assert json.loads((folder / "parameters/charge_migration.json").read_text()) == {
        "signal_threshold": {
            "value": 40.0,
            "source": "pars-chargemigrationstep (jwst_niriss_pars-chargemigrationstep_9003.asdf)",
        }
    }
    # The pipeline's file wins over the step's, which says 5.0.
    threshold = json.loads((folder / "parameters/jump.json").read_text())["rejection_threshold"]
    assert threshold["value"] == 5.5 and threshold["source"].startswith("pars-detector1pipeline")
    assert "without meaning here: minimum_groups" in (folder / "logs/charge_migration.log").read_text()


def test_disagreements_with_the_tables_are_said_once(followed):
    lines = [line for line in followed.said.splitlines() if "by CRDS" in line]
    assert lines == [
        "rampflow: persistence: off by CRDS (pars-detector1pipeline), on in its table (release 1.19): "
        "1 exposure (NIRISS plain)",
        "rampflow: charge_migration: on by CRDS (pars-chargemigrationstep), off in its table (release 1.19): "
        "1 exposure (NIRISS plain)",
    ]


def test_the_record_of_the_run_and_the_report_say_who_decided(followed):
    (note,) = (followed.folder / "results/runs").glob("*.json")
    facts = json.loads(note.read_text())
    (ours,) = [one for root, one in facts["exposures"].items() if root.endswith("_nis")]
    assert ours["chain"][5:9] == ["dark_current", "charge_migration", "jump", "ramp_fit"]
    assert ours["decided"]["charge_migration"].startswith("pars-chargemigrationstep")
    assert ours["off"]["persistence"].startswith("pars-detector1pipeline")
    assert ours["off"]["clean_flicker_noise"] == "release 1.19"
    assert len([line for line in facts["notices"] if "by CRDS" in line]) == 2
    assert report.main([str(followed.folder / "results")]) == 0
    page = (followed.folder / "results/report.html").read_text()
    assert "on by pars-chargemigrationstep (jwst_niriss_pars-chargemigrationstep_9003.asdf)" in page
    assert re.search(r"Off: [^<]*persistence \(pars-detector1pipeline \(jwst_niriss", page)


def test_results_are_made_again_as_crds_has_them(followed, monkeypatch, capsys):
    monkeypatch.chdir(followed.folder)
    root = of(followed, "rate").parent.name
    assert check.main(["results", "--again", root]) == 0
    assert f"{root}: made again, bit for bit the same" in capsys.readouterr().out


def test_a_finished_run_has_nothing_to_do(followed):
    assert followed.planned() == set()


def test_the_same_by_configuration_is_the_same_bit_for_bit(followed, programme, tmp_path):
    run = _new_run(programme, tmp_path, "nis")
    steps = {
        "charge_migration": {"skip": False, "signal_threshold": 40},
        "persistence": {"skip": True},
        "jump": {"rejection_threshold": 5.5},
    }
    run(steps=steps, save_calibrated_ramp=True)
    for kind in ("ramp", "rate", "rateints"):
        assert arrays(run, kind) == arrays(followed, kind)


def persistence_is_on(run):
    """Whether it is left out for want of references alone, which the product names."""
    log, header = (of(run, "rate").parent / "logs/dark_current.log").read_text(), fits.getheader(of(run, "rate"))
    assert [header[key] for key in ("S_PERSIS", "R_TRPDEN", "R_PERSAT", "R_TRPPAR")] == ["SKIPPED", "N/A", "N/A", "N/A"]
    return "persistence is skipped before this step, by CRDS has no trapdensity, persat, trappars reference" in log


def test_without_parameter_files_the_tables_alone_decide(programme, operations, tmp_path):
    run = _new_run(programme, tmp_path, "nis")
    said = run(crds={**run.config["crds"], "context": operations, "pars": False})
    header = fits.getheader(of(run, "rate"))
    assert header["S_CHGMIG"] == "SKIPPED" and persistence_is_on(run)
    assert "by CRDS" not in said
    threshold = json.loads((of(run, "rate").parent / "parameters/jump.json").read_text())["rejection_threshold"]
    assert threshold == {"value": 4.0, "source": "release 1.19"}


def test_a_context_that_turns_a_step_on_or_off_runs_what_follows_and_no_more(programme, tmp_path):
    after = {("jump", "nis"), ("ramp_fit", "nis"), ("rate", "nis")}
    run = _new_run(programme, tmp_path, "nis")
    base = run.config["crds"]
    run()
    new = add_parameters(programme.folder / "crds", "NIRISS", "pars-chargemigrationstep", ON, context="jwst_9004.pmap")
    assert run.jobs(crds={**base, "context": new}) == {("charge_migration", "nis"), *after}
    assert fits.getval(of(run, "rate"), "S_CHGMIG") == "COMPLETE"
    assert run.planned() == set()
    assert run.jobs(crds=base) == after
    assert fits.getval(of(run, "rate"), "S_CHGMIG") == "SKIPPED"


def test_the_user_wins_over_crds(programme, operations, tmp_path):
    run = _new_run(programme, tmp_path, "nis")
    run.config["crds"]["context"] = operations
    said = run(steps={"charge_migration": {"skip": True}, "persistence": {"skip": False}})
    header = fits.getheader(of(run, "rate"))
    assert header["S_CHGMIG"] == "SKIPPED" and persistence_is_on(run)
    assert not re.search("by CRDS", said)
