"""Chains as CRDS's parameter files settle them: what runs, where, who decided, and which references it takes."""

import json
from dataclasses import dataclass, field

import pytest

from rampflow.planning.answers import Answers
from rampflow.planning.plan import Plan
from rampflow.settings.chain import reference_types, settle
from rampflow.settings.configuration import ConfigError


@dataclass
class Exposure:
    root: str
    instrument: str
    tso: bool = False
    kinds: frozenset[str] = frozenset()
    superstripes: int = 0
    shape: tuple = (1, 5, 64, 64)
    detector: str = "X"
    header: dict = field(default_factory=lambda: {"EXPSTART": 1.0})
    placeholder: bool = True


AMI = Exposure("jw00001001001_02101_00001_nis", "NIRISS")
MIRI_TSO = Exposure("jw00002001001_02101_00001_mirimage", "MIRI", tso=True)
NRC_TSO = Exposure("jw00003001001_02101_00001_nrca1", "NIRCAM", tso=True)
NRS = Exposure("jw00004001001_02101_00001_nrs1", "NIRSPEC")


def pipeline(**steps):
    return {"pars-detector1pipeline": {"file": "/c/p.asdf", "parameters": {}, "steps": steps}}


def own(step, **parameters):
    kind = f"pars-{step.replace('_', '')}step"
    return {kind: {"file": f"/c/{step}.asdf", "parameters": parameters, "steps": {}}}


def test_a_step_that_is_off_in_the_table_runs_where_crds_turns_it_on():
    plan = Plan({}, [AMI])
    chain = plan.settle(AMI, own("charge_migration", skip="False"))
    expected = plan.chain(AMI)
    at = expected.index("jump")
    assert chain.steps == [*expected[:at], "charge_migration", *expected[at:]]
    assert chain.skips["charge_migration"]["source"] == "pars-chargemigrationstep (charge_migration.asdf)"
    assert chain.previous("jump") == "charge_migration" and chain.previous("charge_migration") == "dark_current"
    assert plan.chain(AMI) == expected  # what was expected stays as it was


def test_a_step_that_is_on_in_the_table_is_left_out_where_crds_turns_it_off():
    plan = Plan({}, [AMI])
    chain = plan.settle(AMI, pipeline(persistence={"skip": True}))
    assert "persistence" not in chain.steps and chain.previous("dark_current") == "linearity"
    assert chain.skipped_before("dark_current") == {"persistence": "pars-detector1pipeline (p.asdf)"}
    # Snakemake asks once more for jobs that it had planned.
    assert chain.previous("persistence") == "linearity"


def test_the_files_of_step_and_pipeline_disagree():
    files = own("persistence", skip=False) | pipeline(persistence={"skip": "True"}, charge_migration={"skip": False})
    files |= own("charge_migration", skip=True)
    chain = Plan({}, [AMI]).settle(AMI, files)
    assert "persistence" not in chain.steps and "charge_migration" in chain.steps


@pytest.mark.parametrize(
    ("exposure", "step", "before"),
    [
        (MIRI_TSO, "firstframe", "saturation"),
        (MIRI_TSO, "rscd", "linearity"),
        (MIRI_TSO, "charge_migration", "refpix"),
        (NRC_TSO, "persistence", "linearity"),
        (NRC_TSO, "charge_migration", "dark_current"),
    ],
)
def test_a_blank_that_crds_turns_on_runs_where_jwst_calls_it(exposure, step, before):
    plan = Plan({}, [exposure])
    assert step not in plan.eligible(exposure)
    chain = plan.settle(exposure, own(step, skip=False))
    assert step in chain.steps and chain.previous(step) == before
    assert step in plan.possible_steps and step not in plan.steps


def test_what_jwst_never_calls_does_not_run_whatever_crds_says():
    plan = Plan({}, [NRS])
    files = pipeline(persistence={"skip": False}, rscd={"skip": False}, picture_frame={"skip": False}, foo={"x": 1})
    assert plan.settle(NRS, files).steps == plan.chain(NRS)
    assert not {"persistence", "rscd", "picture_frame"} & set(plan.possible_steps)


def test_the_user_wins_over_crds():
    config = {"steps": {"persistence": {"skip": False}, "NIRISS": {"charge_migration": {"skip": True}}}}
    plan = Plan(config, [AMI])
    chain = plan.settle(AMI, pipeline(persistence={"skip": True}, charge_migration={"skip": False}))
    assert chain.steps == plan.chain(AMI)
    assert chain.skips["charge_migration"] == {"value": True, "source": "config (NIRISS)"}
    assert "charge_migration" not in plan.possible_steps


def test_without_parameter_files_the_tables_alone_decide():
    plan = Plan({"crds": {"pars": False}}, [AMI])
    files = pipeline(persistence={"skip": True}, jump={"rejection_threshold": 9.0})
    chain = plan.settle(AMI, files)
    assert chain.steps == plan.chain(AMI) and plan.possible_steps == plan.steps
    assert plan.settings("jump", AMI, chain)["rejection_threshold"]["value"] == 4.0


def test_settings_have_the_source_of_every_value():
    plan = Plan({"steps": {"jump": {"edge_size": 7}}}, [AMI])
    files = own("jump", rejection_threshold="5.0", sat_expand=3) | pipeline(
        jump={"rejection_threshold": "8.0", "edge_size": 1, "skip": "False"}
    )
    settings = plan.settings("jump", AMI, plan.settle(AMI, files))
    assert settings["rejection_threshold"] == {"value": 8.0, "source": "pars-detector1pipeline (p.asdf)"}
    assert settings["sat_expand"] == {"value": 3, "source": "pars-jumpstep (jump.asdf)"}
    assert settings["edge_size"] == {"value": 7, "source": "config"}
    assert settings["min_sat_area"] == {"value": 1.0, "source": "release 1.19"}
    assert settings["skip"] == {"value": False, "source": "pars-detector1pipeline (p.asdf)"}


def test_ramp_fit_stays_where_crds_turns_it_off_since_rates_are_asked_for():
    plan = Plan({}, [AMI])
    chain = plan.settle(AMI, pipeline(ramp_fit={"skip": True}))
    assert chain.steps == plan.chain(AMI)
    assert chain.kept["ramp_fit"].startswith("pars-detector1pipeline (p.asdf): skip: true is not followed: ")


def test_superstripes_keep_refpix():
    stripes = Exposure("s", "NIRISS", tso=True, superstripes=10)
    plan = Plan({"release": "3.0"}, [stripes])
    chain = plan.settle(stripes, own("refpix", skip=True))
    assert "refpix" in chain.steps and "put together" in chain.kept["refpix"]


def test_without_a_ramp_fit_there_is_nothing_to_scale_even_where_crds_turns_it_on():
    plan = Plan({"steps": {"ramp_fit": {"skip": True}}}, [AMI])
    chain = plan.settle(AMI, own("gain_scale", skip=False))
    assert chain.final == chain.before_fit == "jump"
    assert chain.skips["gain_scale"] == {"value": True, "source": "ramp_fit is skipped"}


def test_a_step_says_skipped_where_jwst_calls_it():
    chain = Plan({}, [NRC_TSO]).expected(NRC_TSO)
    assert chain.skipped_before("superbias") == {"ipc": "release 1.19"}
    assert list(chain.skipped_before("jump")) == ["charge_migration"]
    assert chain.skipped_before("dark_current") == {"persistence": "release 1.19 has no persistence for NIRCAM tso"}
    chain = Plan({}, [MIRI_TSO]).expected(MIRI_TSO)
    assert list(chain.skipped_before("reset")) == ["ipc", "firstframe", "lastframe"]
    # In its table MIRI does not have it at all; jwst calls it, and it says SKIPPED.
    assert list(chain.skipped_before("jump")) == ["charge_migration"]


def test_the_calibrated_ramp_says_skipped_of_what_is_left_out_before_the_fit():
    plan = Plan({"release": "3.0"}, [NRC_TSO])
    chain = plan.expected(NRC_TSO)
    left_out = ["picture_frame", "clean_flicker_noise", "persistence"]
    assert chain.before_fit == "jump" and list(chain.skipped_before("ramp")) == left_out
    chain = plan.settle(NRC_TSO, own("clean_flicker_noise", skip=False))
    assert chain.before_fit == "clean_flicker_noise" and list(chain.skipped_before("ramp")) == ["persistence"]
    # Where nothing is fitted the last step says it.
    chain = Plan({"steps": {"ramp_fit": {"skip": True}}}, [NRC_TSO]).expected(NRC_TSO)
    assert chain.skipped_before("ramp") == {} and "clean_flicker_noise" in chain.skipped_before("jump")


def test_terms_are_plain_data_and_shared_by_exposures_of_a_kind():
    other = Exposure("other", "NIRISS")
    plan = Plan({"steps": {"special": {"ipc": {"skip": False}}}}, [AMI, other, Exposure("special", "NIRISS")])
    assert plan.terms(AMI) is plan.terms(other)
    assert plan.terms("special") is not plan.terms(AMI)
    terms = json.loads(json.dumps(plan.terms(AMI)))
    assert settle(terms, own("ipc", skip=False)).steps == plan.settle(AMI, own("ipc", skip=False)).steps


def test_references_are_those_of_the_steps_that_run_with_crds_parameters():
    terms = Plan({}, [AMI]).terms(AMI)
    before = reference_types(terms, {})
    assert before["persistence"] == ["trapdensity", "trappars", "persat"] and "ipc" not in before
    files = pipeline(persistence={"skip": True}, ipc={"skip": False}, refpix={"refpix_algorithm": "sirs"})
    after = reference_types(terms, files)
    assert after["ipc"] == ["ipc"] and "persistence" not in after
    assert before["refpix"] == [] and after["refpix"] == ["sirskernel"]


def test_persistence_is_handed_on_past_exposures_that_crds_leaves_out():
    exposures = [
        Exposure(root, "NIRCAM", detector="NRCA1", header={"EXPSTART": start})
        for root, start in (("a", 1.0), ("b", 2.0), ("c", 3.0))
    ]
    plan = Plan({"steps": {"persistence": {"chain": True}}}, exposures)
    chains = {root: plan.expected(root) for root in "abc"}
    assert plan.links(chains.get) == {"b": "a", "c": "b"}
    chains["b"] = plan.settle("b", pipeline(persistence={"skip": True}))
    assert plan.links(chains.get) == {"c": "a"}


# --- answers among the results --------------------------------------------------------------------------


def answer(results, root, files):
    folder = results / root / "references"
    folder.mkdir(parents=True, exist_ok=True)
    names = {"mask": "m.fits", "pars-ipcstep": "N/A"}
    for kind, tree in files.items():
        names[kind] = "x.asdf"
        (folder / f"{kind}.json").write_text(json.dumps({"type": kind, "status": "found", **tree}))
    (folder / "asked.json").write_text(json.dumps({"references": names}))


def complete(results, text="{}"):
    (results / "references.json").unlink(missing_ok=True)
    (results / "references.json").write_text(text)


def test_chains_are_those_of_the_tables_until_crds_has_answered(tmp_path):
    plan = Plan({}, [AMI, MIRI_TSO])
    answers = Answers(plan, tmp_path)
    answer(tmp_path, AMI.root, pipeline(persistence={"skip": True}))
    assert answers.version is None and answers.chain(AMI.root) is plan.expected(AMI)
    complete(tmp_path)
    assert "persistence" not in answers.chain(AMI.root).steps
    assert answers.chain(AMI.root) is answers.chain(AMI.root)  # settled once
    assert answers.chain(MIRI_TSO.root).steps == plan.chain(MIRI_TSO)  # no answer of its own: it has failed
    answer(tmp_path, AMI.root, pipeline(persistence={"skip": False}))
    complete(tmp_path, "{ }")
    assert "persistence" in answers.chain(AMI.root).steps
    (tmp_path / "references.json").unlink()
    assert answers.chain(AMI.root) is plan.expected(AMI)


def test_an_answer_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    plan = Plan({}, [AMI, NRS])
    answer(tmp_path, AMI.root, own("ipc", skip="perhaps"))
    answer(tmp_path, NRS.root, own("ipc", skip="False"))
    complete(tmp_path)
    answers = Answers(plan, tmp_path)
    assert answers.chain(AMI.root).steps == plan.chain(AMI)
    assert "ipc" in answers.chain(NRS.root).steps
    with pytest.raises(ConfigError, match="pars-ipcstep .* skip: expected true or false"):
        plan.settle(AMI, answers.parameter_files(AMI.root))


def test_disagreements_get_a_line_for_each_kind_with_the_number_of_exposures(tmp_path):
    more = [Exposure(f"jw00009001001_02101_0000{n}_nis", "NIRISS") for n in range(3)]
    plan = Plan({}, [AMI, *more, NRC_TSO, MIRI_TSO, NRS])
    for exposure in (AMI, *more):
        answer(tmp_path, exposure.root, own("charge_migration", skip=False) | pipeline(ipc={"skip": True}))
    answer(tmp_path, NRC_TSO.root, pipeline(persistence={"skip": False}, ramp_fit={"skip": True}))
    answer(tmp_path, MIRI_TSO.root, pipeline(jump={"skip": True}))
    answer(tmp_path, NRS.root, pipeline(persistence={"skip": False}, jump={"skip": False}))
    complete(tmp_path)
    assert sorted(Answers(plan, tmp_path).disagreements()) == [
        "charge_migration: on by CRDS (pars-chargemigrationstep), off in its table (release 1.19): "
        "4 exposures (NIRISS plain)",
        "emicorr: on by its table (release 1.19), where CRDS has no parameter file that says so; jwst has it off then "
        "(steps: {emicorr: {skip: true}}): 1 exposure (MIRI tso)",
        "jump: off by CRDS (pars-detector1pipeline), on in its table (release 1.19): 1 exposure (MIRI tso)",
        "persistence: on by CRDS (pars-detector1pipeline), not in its table (release 1.19): 1 exposure (NIRCAM tso)",
        "ramp_fit: pars-detector1pipeline (p.asdf): skip: true is not followed: there would be no count rates; "
        "write steps: {ramp_fit: {skip: true}} to do without: 1 exposure (NIRCAM tso)",
    ]


@pytest.mark.parametrize(
    ("said", "config", "lines"),
    [
        ({}, {}, 1),
        (own("emicorr", rejection=1), {}, 1),
        (own("emicorr", skip="False"), {}, 0),
        (pipeline(emicorr={"skip": False}), {}, 0),
        ({}, {"steps": {"emicorr": {"skip": False}}}, 0),
        ({}, {"crds": {"pars": False}}, 0),
        ({}, {"release": "3.0"}, 1),
    ],
    ids=["no file", "one without skip", "step", "pipeline", "configuration", "no files wanted", "3.0"],
)
def test_a_step_that_jwst_leaves_out_where_crds_has_no_file_is_named(said, config, lines, tmp_path):
    plan = Plan(config, [MIRI_TSO])
    answer(tmp_path, MIRI_TSO.root, said)
    assert Answers(plan, tmp_path).disagreements() == []
    complete(tmp_path)
    answers = Answers(plan, tmp_path)
    assert "emicorr" in answers.chain(MIRI_TSO.root).steps
    found = [line for line in answers.disagreements() if line.startswith("emicorr: on by its table")]
    assert len(found) == lines
