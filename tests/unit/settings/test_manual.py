"""The manual: its tables are those of schemas and releases, its examples are valid."""

import re

import pytest
import yaml

from rampflow.planning.exposures import placeholder
from rampflow.planning.plan import Plan
from rampflow.settings import manual
from rampflow.settings.manual import MANUAL


def test_the_tables_of_the_manual_are_current():
    assert manual.main(["--check"]) == 0


def test_a_table_that_is_not_current_is_told_and_written_anew(tmp_path, capsys):
    path = tmp_path / "README.md"
    text = MANUAL.read_text()
    path.write_text(text.replace("| jump | edge_size | `25` | `25` |", "| jump | edge_size | `24` | `25` |"))
    assert path.read_text() != text
    assert manual.main(["--check"], path) == 1
    assert "run make manual" in capsys.readouterr().err
    assert manual.main([], path) == 0
    assert path.read_text() == text


def test_a_manual_without_markers_is_refused():
    with pytest.raises(ValueError, match="no markers of the table keys"):
        manual.current(MANUAL.read_text().replace("<!-- end of keys -->", ""))


def test_tables_have_defaults_of_each_release():
    lines = manual.parameter_table()
    assert "| jump | time_window | `11` | `11` | Along time: integrations in the running median. |" in lines
    (found,) = [line for line in lines if line.startswith("| clean_flicker_noise | autoparam |")]
    assert found.startswith("| clean_flicker_noise | autoparam | – | `false` |")
    assert any(line.startswith("| persistence | algorithm | `traps` | `window` |") for line in lines)
    assert any(line.startswith("| `crds.offline` | `false` |") for line in manual.key_table())


def test_the_examples_of_the_manual_are_valid(tmp_path):
    (tmp_path / "my").mkdir()
    for name in ("dark.fits", "mask.fits"):
        (tmp_path / "my" / name).touch()
    modes = [placeholder("NIRISS", False), placeholder("MIRI", True)]
    examples = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), flags=re.DOTALL)
    assert len(examples) == 7
    for example in examples:
        Plan(yaml.safe_load(example), modes, tmp_path)
