"""Tables of text: step tables, references, lists of exposures."""

import csv
from pathlib import Path
from typing import Any

from rampflow.settings.configuration import ConfigError, schema_problems


def columns_of(path: str | Path) -> list[str]:
    """Return what the header line of a table names; nothing where that cannot be read as text."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [cell.strip() for cell in next(csv.reader(file, delimiter=_delimiter(path)), [])]
    except (csv.Error, UnicodeDecodeError):
        return []


def _delimiter(path: str | Path) -> str:
    return "," if str(path).lower().endswith(".csv") else "\t"


def read_table(path: str | Path, row_schema: dict[str, Any], name: str | None = None) -> list[dict[str, str]]:
    """Read a table of text with a header line; tabs, or commas where the name ends in .csv.

    Parameters
    ----------
    path : path-like
        The table.
    row_schema : dict
        JSON schema of a row, a mapping of column to text.
    name : str, optional
        What messages call the table; its path by default.

    Returns
    -------
    list of dict
        The rows, in order; cells without the blanks around them.

    Raises
    ------
    ConfigError
        With a line for each row that does not fit.
    """
    # The csv module and not pandas: tables of twenty lines are not worth 0.4 s at each start of Snakemake.
    name = name or str(path)
    rows: list[dict[str, str]] = []
    problems: list[str] = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=_delimiter(path), strict=True)
        try:
            columns = [cell.strip() for cell in next(reader, [])]
            for cells in reader:
                where = f"{name} line {reader.line_num}"
                if not any(cell.strip() for cell in cells):
                    continue
                cells += [""] * (len(columns) - len(cells))  # editors cut off the tabs at the end of a line
                if len(cells) > len(columns):
                    problems.append(f"{where}: {len(cells)} cells under {len(columns)} columns")
                    continue
                rows.append(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
                problems += schema_problems(rows[-1], row_schema, where)
        except (csv.Error, UnicodeDecodeError) as error:
            problems.append(f"{name}: not a table of text ({error})")
    if problems:
        raise ConfigError(problems)
    return rows
