"""Calibration releases: complete, consistent, one based on the other, and refused where they are not."""

import re

import pytest

from rampflow.settings import release as release_module
from rampflow.settings.configuration import ConfigError, read_yaml, releases, schema, steps
from rampflow.settings.release import RELEASES, load_release
from rampflow.settings.tables import read_table

MODES = [(name, tso) for name in ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC") for tso in (False, True)]


def test_a_release_holds_only_what_differs_from_its_base():
    assert {name: read_yaml(RELEASES / name / "release.yaml").get("based_on") for name in releases()} == {
        "1.19": None,
        "3.0": "1.19",
    }
    assert not (RELEASES / "1.19" / "defaults.yaml").exists()
    base, given = load_release("1.19"), read_yaml(RELEASES / "3.0" / "defaults.yaml")
    same = [
        (step, name)
        for step in given
        for name, value in given[step].items()
        if base.defaults[step].get(name, "-") == value
    ]
    assert given and same == []
    rows = read_table(RELEASES / "3.0" / "references.tsv", schema("references"))
    assert rows and not [row for row in rows if row in base.references]
    assert load_release("3.0").references == [*base.references, *rows]
    for table in ("near_ir.tsv", "miri.tsv"):
        assert (RELEASES / "3.0" / table).read_text() != (RELEASES / "1.19" / table).read_text()


@pytest.mark.parametrize("release", ["1.19", "3.0"])
def test_a_release_knows_every_mode_and_the_defaults_of_its_steps(release):
    found = load_release(release)
    assert set(found.cells) == set(MODES)
    for cells in found.cells.values():
        for step in cells:
            assert set(found.defaults[step]) <= set(schema("parameters")["properties"][step].get("properties", {}))


def test_every_parameter_belongs_to_a_release():
    for step in steps():
        known = set(schema("parameters")["properties"][step].get("properties", {}))
        assert known == {name for release in releases() for name in load_release(release).defaults[step]}


def test_the_order_of_a_mode_has_what_jwst_calls_also_where_the_table_has_a_blank():
    old, new = load_release("1.19"), load_release("3.0")
    for release in (old, new):
        for mode in MODES:
            assert [step for step in release.order[mode] if step in release.cells[mode]] == list(release.cells[mode])
        miri = release.order["MIRI", True]
        assert {"firstframe", "lastframe", "rscd", "charge_migration"} <= set(miri) - set(release.cells["MIRI", True])
        assert miri.index("refpix") + 1 == miri.index("charge_migration") == miri.index("jump") - 1
        assert "charge_migration" in release.order["NIRCAM", True]
    assert "persistence" in old.order["NIRISS", True]
    # Never called: persistence for NIRSpec, and what is not in jwst's branch for the instrument.
    assert "persistence" not in old.order["NIRSPEC", False] and "persistence" in new.order["NIRSPEC", False]
    assert "rscd" not in old.order["NIRCAM", False] and "superbias" not in old.order["MIRI", False]
    assert all("picture_frame" in steps for steps in new.order.values())
    assert "picture_frame" not in new.cells["NIRISS", False] and "picture_frame" not in new.cells["MIRI", False]


def test_what_a_release_does_not_have_is_not_among_its_parameters():
    old, new = load_release("1.19").defaults, load_release("3.0").defaults
    assert "autoparam" not in old["clean_flicker_noise"] and new["clean_flicker_noise"]["autoparam"] is False
    assert old["picture_frame"] == {} and new["picture_frame"]["mask_science_regions"] is True


def test_an_unknown_release_is_refused():
    with pytest.raises(ConfigError, match="no release '2.0'; there are 1.19, 3.0"):
        load_release("2.0")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("miri.tsv", "step\tMIRI\njmp\ton\n", "miri.tsv: 'jmp': unknown or repeated step"),
        ("miri.tsv", "step\tMIRI\njump\ton\njump\ton\n", "miri.tsv: 'jump': unknown or repeated step"),
        (
            "miri.tsv",
            "step\tMIRI\njump\tyes\n",
            "miri.tsv line 2: MIRI: expected one of on, off, nothing, -, found",
        ),
        ("miri.tsv", "step\tMIR\njump\ton\n", "miri.tsv line 2: unknown key 'MIR'"),
        (
            "defaults.yaml",
            "jump: {rejection_treshold: 4.0}\n",
            "defaults.yaml: jump: unknown key 'rejection_treshold'",
        ),
        (
            "defaults.yaml",
            "refpix: {sigreject: 3.0}\n",
            "defaults.yaml: refpix: sigreject: the release does not have it",
        ),
        ("release.yaml", "description: x\nbased_on: '9.8'\n", "based_on: no release '9.8'; there are 9.9"),
        ("release.yaml", "description: x\nbased_on: '9.9'\n", "based_on: no release '9.9'; there are 9.9"),
        ("release.yaml", "descripton: x\n", "release.yaml: unknown key 'descripton'; did you mean 'description'?"),
        (
            "references.tsv",
            "step\ttype\tinstruments\twhen\njmp\tgain\tall\t\n",
            "references.tsv: 'jmp': unknown step",
        ),
    ],
)
def test_a_damaged_release_is_refused(tmp_path, monkeypatch, name, text, line):
    folder = tmp_path / "9.9"
    folder.mkdir()
    (folder / "release.yaml").write_text("description: jwst 9\n")
    (folder / "near_ir.tsv").write_text("step\tNIRCAM\njump\ton\n")
    (folder / "miri.tsv").write_text("step\tMIRI\njump\ton\n")
    (folder / "defaults.yaml").write_text("jump: {rejection_threshold: 4.0}\n")
    (folder / "references.tsv").write_text("step\ttype\tinstruments\twhen\njump\tgain\tall\t\n")
    monkeypatch.setattr(release_module, "RELEASES", tmp_path)
    monkeypatch.setattr(release_module, "releases", lambda: ["9.9"])
    assert load_release.__wrapped__("9.9").cells["MIRI", False] == {"jump": "on"}
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(line)):
        load_release.__wrapped__("9.9")
