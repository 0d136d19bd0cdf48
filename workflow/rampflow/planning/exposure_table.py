"""Tables of exposures: those that people write, and the summary of results."""

import os
from pathlib import Path
from typing import Any

from rampflow.settings.configuration import ConfigError, schema
from rampflow.settings.paths import expanded
from rampflow.settings.tables import columns_of, read_table

#: The first columns of the summary of results; as a table of exposures it stands for those that are not complete.
_SUMMARY = ["exposure", "uncal", "state"]


def listed(table: str, directory: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read a table of exposures.

    Parameters
    ----------
    table : str
        Its path from the run's folder; of the summary of results those count that are not complete.
    directory : `~pathlib.Path`
        The run's folder.

    Returns
    -------
    rows : list of dict
        exposure, uncal, and perhaps instrument and tso.
    problems : list of str
        That there is none: a line.

    Raises
    ------
    ConfigError
        The table cannot be read, or a row of it be used.
    """
    rules = schema("exposures")
    try:
        if is_summary := columns_of(directory / table)[: len(_SUMMARY)] == _SUMMARY:
            # More than a table for a run has, and of all exposures.
            known = {"exposure": rules["properties"]["exposure"], "instrument": rules["properties"]["instrument"]}
            rules = {"type": "object", "properties": known}
        rows: list[Any] = read_table(directory / table, rules, name=table)
    except OSError as error:
        where = os.path.abspath(directory)
        raise ConfigError([f"exposures: no table {table!r} in {where} ({error.strerror})"]) from None
    except ConfigError as error:
        raise ConfigError(f"exposures: {problem}" for problem in error.problems) from None
    if is_summary:
        rows = [row for row in rows if row["state"] != "complete"]
        if unknown := [row["exposure"] for row in rows if not row["uncal"]]:
            why = "the summary does not know where its raw file is; write it under uncal, or take the row out"
            raise ConfigError(f"exposures: {table}: {exposure}: {why}" for exposure in unknown)
    for row in rows:
        row["uncal"] = expanded(row["uncal"])
        row["tso"] = {"true": True, "false": False}.get((row.get("tso") or "").lower())
        row["instrument"] = row.get("instrument") or None
    why = "all of its exposures are complete" if is_summary else "the table has no rows"
    return rows, [] if rows else [f"exposures: {table}: {why}"]
