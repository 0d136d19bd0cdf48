"""Tables of text: read, and refused line by line."""

import re

import pytest

from rampflow.settings.configuration import ConfigError
from rampflow.settings.tables import read_table

ROW = {
    "properties": {"a": {"type": "string"}, "b": {"enum": ["x", ""]}},
    "additionalProperties": False,
    "required": ["a"],
}


@pytest.mark.parametrize(("name", "separator"), [("t.tsv", "\t"), ("t.csv", ",")])
def test_table_cells_are_stripped_and_empty_lines_passed_over(tmp_path, name, separator):
    (tmp_path / name).write_text("a,b\n 1 ,x\n\n2,\n".replace(",", separator))
    assert read_table(tmp_path / name, ROW) == [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]


def test_cells_at_the_end_of_a_row_may_be_cut_off(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb\n1\n")
    assert read_table(tmp_path / "t.tsv", ROW) == [{"a": "1", "b": ""}]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\tb\n1\tx\t2\n", "t line 2: 3 cells under 2 columns"),
        ("a\tb\n1\ty\n", "t line 2: b: expected one of x, nothing, found the text 'y'"),
        ("a\tbb\n1\tx\n", "t line 2: unknown key 'bb'; did you mean 'b'?"),
        ("b\nx\n", "t line 2: a missing"),
        ('a\tb\n"1\tx\n', "t: not a table of text (unexpected end of data)"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line(tmp_path, text, line):
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        read_table(tmp_path / "t.tsv", ROW, name="t")
