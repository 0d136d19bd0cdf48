"""A sample of the mutants that run through all steps; all of them by `make fuzz`."""

import os

import pytest

from fuzz import chains
from fuzz.__main__ import watched
from rampflow.crds import conformity

#: Mutants of the sample.
NUMBER = int(os.environ.get("FUZZ_CHAINS", "30"))


def test_a_mutant_ends_in_one_line_or_in_rates_that_are_the_same_or_said_to_be_others(tmp_path):
    became, faults = [], []
    for number, mutant in enumerate(chains.mutants(os.environ.get("FUZZ_SEED", "1"), NUMBER)):
        folder = tmp_path / str(number)
        folder.mkdir()
        word, fault = watched(chains.check, mutant, folder)
        became.append(word)
        faults += [fault] if fault else []
    assert faults == []
    assert {"refused", "no effect", "legitimate"} <= set(became)


@pytest.mark.parametrize("case", sorted(chains._CASES))
def test_the_good_files_make_rates_of_all_steps(case):
    _, made = chains._good(case)
    complete = {key for key, status in made.statuses["rateints"].items() if status == "COMPLETE"}
    assert {"S_DQINIT", "S_SATURA", "S_LINEAR", "S_DARK", "S_JUMP", "S_RAMP", "S_IPC"} <= complete
    assert {name for word, name in made.arrays if word == "rate"} == {
        "SCI",
        "ERR",
        "DQ",
        "VAR_POISSON",
        "VAR_RNOISE",
    }


def test_what_is_neither_said_nor_legitimate_is_a_fault(tmp_path, monkeypatch):
    """Without the warning of flags without names the same mutant is found."""
    files = chains.good("niriss")
    content, suffix = files.references["superbias"]
    other = content.replace(b"EXTNAME = 'DQ_DEF  '", b"EXTNAME = 'DQ_DEX  '")
    assert other != content
    changed = chains._with(files, references=files.references | {"superbias": (other, suffix)})
    mutant = chains.Mutant("renamed", "niriss", changed, "superbias")
    assert chains.check(mutant, tmp_path) == ("said", None)
    monkeypatch.setattr(conformity, "_flags", lambda *_: [])
    (tmp_path / "again").mkdir()
    word, fault = chains.check(mutant, tmp_path / "again")
    assert word == "FAILED" and fault.startswith("renamed: other rates, and nothing said: extensions")
