"""A sample of the mutants that `make fuzz` makes."""

import pytest
from fuzz import driver, raw_files


@pytest.mark.parametrize("name", sorted(raw_files.seeds()))
def test_the_files_that_the_mutants_are_made_of_are_good(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(raw_files.seeds()[name])
    assert raw_files.judge(path) == "accepted"


def test_mutants_of_raw_files_are_refused_in_a_line_or_can_be_read(tmp_path):
    outcome = driver.run(raw_files.KIND, 150, tmp_path)
    assert not outcome.failures
    words = {
        word: sum(outcome.counts[key] for key in outcome.counts if key[1] == word) for word in ("accepted", "refused")
    }
    assert words["accepted"] > 15 and words["refused"] > 75 and sum(words.values()) == 150


def test_a_mutant_is_made_again_from_its_number():
    made = [driver.mutant(raw_files.KIND, 7, seed) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_what_goes_wrong_is_kept(tmp_path):
    kind = driver.Kind("bad", lambda: {"x": b"abc"}, {"cut": lambda _, content: content[:-1]}, lambda _: 1 // 0)
    outcome = driver.run(kind, 3, tmp_path)
    assert [number for number, _, _ in outcome.failures] == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_x", "1_x", "2_x"]
