from copy import deepcopy

import pytest

from rampflow.planning.holding import MADE_FROM, Asked, difference, is_record, source_of
from rampflow.settings.chain import Chain

GAIN = {"name": "gain_1.fits", "crds_uri": "crds://gain_1.fits", "sha256": "1"}
RECORD = {
    "code": "c0de",
    "parameters": {"rejection_threshold": 4.0},
    "skipped": ["ipc"],
    "references": {"gain": GAIN | {"file": "/here/gain_1.fits"}, "pars-jumpstep": GAIN | {"name": "jump_1.asdf"}},
    "inputs": {
        "ramp": {"file": "x_dark_current.fits", "sha256": None, "recipe": "r1"},
        "user": {"file": "mask.fits", "sha256": "5", "recipe": None},
    },
    "outputs": {"x_jump.fits": {"size": 3}},
    "recipe": "r2",
}
ASKED = {
    "code": ["0ther", "c0de"],
    "parameters": {"rejection_threshold": {"value": 4.0, "source": "release 1.19"}},
    "skipped": {"ipc": "release 1.19"},
    "references": {"gain": GAIN, "pars-jumpstep": GAIN | {"name": "jump_2.asdf"}},
    "before": "dark_current",
    "inputs": {"ramp": "r1", "user": "5"},
}


def chain(*steps):
    return Chain(list(steps), dict.fromkeys(steps, {"value": False, "source": "test"}))


def test_what_is_made_of_what_is_asked_for_holds_with_and_without_its_recipe(tmp_path):
    assert difference(RECORD, Asked(**ASKED), tmp_path) is None
    assert difference(RECORD, Asked(**ASKED, recipe="r2"), tmp_path) is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("code", ["0ther"], "made by other code"),
        (
            "parameters",
            {"rejection_threshold": {"value": 5.0, "source": "config"}},
            "made with rejection_threshold = 4.0, asked for is 5.0 (config)",
        ),
        ("parameters", {}, "made with rejection_threshold = 4.0, which is no parameter any more"),
        ("skipped", ["saturation"], "made after ipc was skipped, asked for is saturation"),
        ("skipped", [], "made after ipc was skipped, asked for is nothing"),
        ("references", {"gain": GAIN | {"name": "gain_2.fits"}}, "reference gain_1.fits, now it is gain_2.fits"),
        ("references", {"gain": GAIN | {"sha256": "2"}}, "made with the gain reference gain_1.fits"),
        ("references", {"gain": None}, "nothing says any more that gain is gain_1.fits"),
        ("references", {"gain": GAIN, "mask": GAIN}, "made without the mask reference, now there is one"),
        ("inputs", {"ramp": "r0"}, "made from another product of dark_current than the one that is asked for"),
        ("inputs", {"user": "6"}, "mask.fits has changed since it was read"),
    ],
)
def test_every_part_decides_and_what_is_not_known_does_not(tmp_path, key, value, said):
    assert said in difference(RECORD, Asked(**ASKED | {key: value}), tmp_path).told
    assert said in difference(RECORD, Asked(**{key: value} | {"before": "dark_current"}), tmp_path).told
    assert difference(RECORD, Asked(**ASKED | {key: None}), tmp_path) is None


def test_the_recipe_has_the_last_word(tmp_path):
    other = Asked(**ASKED, recipe="r3")
    assert difference(RECORD, other, tmp_path) == (MADE_FROM, "its recipe is another one")
    # A record that was edited, but for its recipe, is of the same product.
    assert difference(RECORD | {"code": "edited"}, Asked(**ASKED, recipe="r2"), tmp_path) is None


def test_all_that_differs_in_a_part_is_named_without_values(tmp_path):
    parameters = {name: {"value": 1, "source": "config"} for name in ("rejection_threshold", "new")}
    asked = Asked(**ASKED | {"parameters": parameters, "skipped": ["dq_init"], "inputs": {"ramp": "r0"}})
    assert difference(RECORD, asked, tmp_path).brief == "parameters: new, rejection_threshold"
    asked = Asked(
        skipped=["dq_init"], references={"gain": None, "mask": GAIN}, before="superbias", inputs={"ramp": "0"}
    )
    assert difference(RECORD, asked, tmp_path).brief == "steps that are skipped: dq_init, ipc"
    asked = Asked(references={"gain": None, "mask": GAIN}, before="superbias", inputs={"ramp": "0"})
    assert difference(RECORD, asked, tmp_path).brief == "references: gain, mask"
    assert difference(RECORD, Asked(before="superbias", inputs={"ramp": "0"}), tmp_path).brief == MADE_FROM


def test_a_raw_file_is_no_product_of_a_job(tmp_path):
    record = deepcopy(RECORD)
    record["inputs"]["ramp"] = {"file": "/data/x_uncal.fits", "sha256": "7", "recipe": None}
    raw = {"before": None, "inputs": {"ramp": "7"}}
    assert difference(record, Asked(**raw), tmp_path) is None
    changed = difference(record, Asked(**raw | {"inputs": {"ramp": "8"}}), tmp_path)
    assert changed == (f"{MADE_FROM}: ramp", "/data/x_uncal.fits has changed since it was read")


def test_products_that_are_there_have_the_size_that_the_record_says(tmp_path):
    (tmp_path / "x_jump.fits").write_text("four")
    said = "x_jump.fits has 4 bytes, its record says 3"
    assert difference(RECORD, Asked(**ASKED, recipe="r2"), tmp_path).told == said
    (tmp_path / "x_jump.fits").write_text("one")
    assert difference(RECORD, Asked(**ASKED, recipe="r2"), tmp_path) is None


@pytest.mark.parametrize(
    ("step", "before", "words"),
    [
        ("dq_init", None, ("ramp",)),
        ("ramp_fit", "dq_init", ("ramp",)),
        ("gain_scale", "ramp_fit", ("rate", "rateints")),
        ("rate", "gain_scale", ("rate", "rateints")),
        ("ramp", "dq_init", ("ramp",)),
    ],
)
def test_jobs_read_what_the_one_before_makes(step, before, words):
    assert source_of(step, chain("dq_init", "ramp_fit", "gain_scale")) == (before, words)


@pytest.mark.parametrize("content", [None, [], {"inputs": ["x"]}, {"outputs": {"a": 1}}, {"skipped": 3}])
def test_what_has_another_form_is_no_record(content):
    assert not is_record(content)
    assert is_record(RECORD) and is_record({})
