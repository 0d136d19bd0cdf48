"""Parameters from the release, CRDS and the user: which wins, how text is read, and what is passed over."""

import pytest

from rampflow.planning.exposures import placeholder
from rampflow.planning.plan import Plan
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import as_typed, coerced, merge_parameters, merge_skip

# --- parameters from CRDS -----------------------------------------------------------------------------


A = placeholder("NIRCAM", False)


@pytest.fixture
def settings():
    return Plan({"steps": {"jump": {"edge_size": 7}}}, [A]).settings("jump", A)


def test_crds_comes_between_the_release_and_the_config(settings):
    files = {"pars-jumpstep": {"file": "/c/j.asdf", "parameters": {"edge_size": 9, "rejection_threshold": "5"}}}
    merged, notes = merge_parameters(settings, files, "jump")
    assert merged["edge_size"] == {"value": 7, "source": "config"}
    assert merged["rejection_threshold"] == {"value": 5.0, "source": "pars-jumpstep (j.asdf)"}
    assert merged["sat_expand"] == {"value": 2, "source": "release 1.19"}
    assert notes == []


def test_the_file_of_the_pipeline_wins_over_the_file_of_the_step(settings):
    pipeline = {
        "parameters": {},
        "steps": {"jump": {"sat_expand": 5, "min_sat_area": 6}, "ipc": {"edge_size": 1}},
    }
    files = {"pars-jumpstep": {"parameters": {"sat_expand": 3}}, "pars-detector1pipeline": pipeline}
    merged, _ = merge_parameters(settings, files, "jump")
    assert merged["sat_expand"] == {"value": 5, "source": "pars-detector1pipeline"}
    assert merged["edge_size"] == {"value": 7, "source": "config"}
    assert merged["min_sat_area"] == {"value": 6.0, "source": "pars-detector1pipeline"}


def test_without_files_nothing_changes_but_skip_which_is_no_parameter(settings):
    files = {
        "pars-jumpstep": {"file": None, "parameters": {}, "steps": {}},
        "pars-ipcstep": {"parameters": {"a": 1}},
    }
    for given in ({}, files):
        merged, notes = merge_parameters(settings, given, "jump")
        assert merged == {name: entry for name, entry in settings.items() if name != "skip"}
        assert notes == []


def test_merging_does_not_change_its_input(settings):
    before = {name: dict(entry) for name, entry in settings.items()}
    merge_parameters(settings, {"pars-jumpstep": {"parameters": {"sat_expand": 3}}}, "jump")
    assert settings == before


def test_text_is_read_as_configobj_reads_it(settings):
    values = {"flag_4_neighbors": "False", "min_jump_area": "7.5", "sat_expand": "4"}
    merged, _ = merge_parameters(settings, {"pars-jumpstep": {"parameters": values}}, "jump")
    assert [merged[name]["value"] for name in values] == [False, 7.5, 4]


def test_unknown_names_of_crds_are_listed(settings):
    values = {"save_results": True, "maximum_cores": "half", "sat_expand": 4}
    _, notes = merge_parameters(settings, {"pars-jumpstep": {"parameters": values}}, "jump")
    assert notes == ["pars-jumpstep: without meaning here: maximum_cores, save_results"]


def test_wrong_values_of_crds_are_refused(settings):
    files = {"pars-jumpstep": {"file": "/c/j.asdf", "parameters": {"sat_expand": "many"}}}
    message = r"^pars-jumpstep \(j.asdf\): sat_expand: expected a whole number, found the text 'many'$"
    with pytest.raises(ConfigError, match=message):
        merge_parameters(settings, files, "jump")


RELEASE = {"value": True, "source": "release 1.19"}


@pytest.mark.parametrize("skip", ["True", "true", "on", "1", "yes", True, 1])
def test_a_skip_of_crds_is_read_as_configobj_reads_it(skip):
    entry = {"value": False, "source": "release 1.19"}
    files = {"pars-jumpstep": {"file": "/c/j.asdf", "parameters": {"skip": skip}}}
    assert merge_skip(entry, files, "jump") == {"value": True, "source": "pars-jumpstep (j.asdf)"}


@pytest.mark.parametrize("skip", ["False", "off", "0", "no", False, 0, None])
def test_a_step_that_is_off_is_turned_on_by_crds(skip):
    found = merge_skip(RELEASE, {"pars-ipcstep": {"parameters": {"skip": skip}}}, "ipc")
    assert found == {"value": False, "source": "pars-ipcstep"}


def test_of_two_skips_that_of_the_pipeline_wins_and_the_user_over_both():
    files = {
        "pars-ipcstep": {"parameters": {"skip": False}},
        "pars-detector1pipeline": {"parameters": {"skip": False}, "steps": {"ipc": {"skip": "True"}}},
    }
    assert merge_skip(RELEASE, files, "ipc") == {"value": True, "source": "pars-detector1pipeline"}
    user = {"value": False, "source": "config (NIRCAM)"}
    assert merge_skip(user, files, "ipc") == user


@pytest.mark.parametrize("pipeline", [None, {}, {"parameters": {}}, {"steps": None}, {"steps": {"jump": None}}])
def test_files_that_say_nothing_about_a_step_change_nothing(pipeline, settings):
    files = {"pars-detector1pipeline": pipeline, "pars-ipcstep": {"parameters": {"skip": False}}}
    assert merge_skip(settings["skip"], files, "jump") == settings["skip"]
    merged, notes = merge_parameters(settings, files, "jump")
    assert (merged, notes) == ({name: settings[name] for name in settings if name != "skip"}, [])


def test_a_skip_that_is_neither_true_nor_false_is_refused():
    message = r"^pars-ipcstep: skip: expected true or false, found the text 'maybe'$"
    with pytest.raises(ConfigError, match=message):
        merge_skip(RELEASE, {"pars-ipcstep": {"parameters": {"skip": "maybe"}}}, "ipc")


def test_parameters_of_other_releases_are_tolerated_with_a_note():
    settings = Plan({}, [A]).settings("clean_flicker_noise", A)
    files = {"pars-cleanflickernoisestep": {"parameters": {"autoparam": True, "user_mask": "None", "skip": "True"}}}
    merged, notes = merge_parameters(settings, files, "clean_flicker_noise")
    assert notes == ["pars-cleanflickernoisestep: without meaning here: autoparam"]
    assert merged["user_mask"] == {"value": None, "source": "pars-cleanflickernoisestep"}
    assert "autoparam" not in merged and "skip" not in merged


@pytest.mark.parametrize(
    ("value", "rules", "result"),
    [
        ("False", {"type": "boolean"}, False),
        ("yes", {"type": "boolean"}, True),
        (0, {"type": "boolean"}, False),
        ("5.0", {"type": "number"}, 5.0),
        (5, {"type": "number"}, 5.0),
        ("25", {"type": "integer"}, 25),
        (25.0, {"type": "integer"}, 25),
        ("None", {"type": ["integer", "null"]}, None),
        ("None", {"enum": ["median", None]}, None),
        ("median", {"enum": ["median", None]}, "median"),
        ("10.5, 390", {"type": ["array", "null"], "items": {"type": "number"}}, [10.5, 390.0]),
        ("", {"type": "string"}, ""),
    ],
)
def test_values_of_crds_are_read_in_the_type_of_the_parameter(value, rules, result):
    read = coerced(value, rules, "pars-x")
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("maybe", {"type": "boolean"}),
        ("5.5", {"type": "integer"}),
        ("x", {"type": "number"}),
        ("a", {"enum": ["b"]}),
    ],
)
def test_values_of_crds_that_cannot_be_read_are_refused(value, rules):
    with pytest.raises(ConfigError, match="^pars-x: p: expected .*, found the text"):
        coerced(value, rules, "pars-x: p")


def test_typed_numbers():
    assert type(as_typed(5, {"type": "number"})) is float
    assert type(as_typed(5.0, {"type": ["integer", "null"]})) is int
    assert as_typed(True, {"type": "boolean"}) is True
