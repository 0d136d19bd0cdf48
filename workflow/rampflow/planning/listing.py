"""Which raw files a configuration asks for: paths, globs, addresses in stores, and what tables have of them."""

import glob
import os
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rampflow.settings.configuration import ConfigError, schema
from rampflow.settings.paths import expanded
from rampflow.settings.product_names import split_name
from rampflow.settings.tables import columns_of, read_table
from rampflow.stores import s3
from rampflow.stores.addresses import file_name, is_address, is_pattern, is_s3, matcher
from rampflow.stores.objects import Stored, StoreProblem
from rampflow.stores.stores import Stores

_MAGIC = re.compile(r"[*?[]")
#: The first columns of the summary of results; as a table of exposures it stands for those that are not complete.
_SUMMARY = ["exposure", "uncal", "state"]


def root_name(path: str | Path) -> str:
    """Return the name of an exposure: that of its file without ``.fits`` and the suffix of a product.

    For ``data/jw00793001001_01101_00001_nis_uncal.fits`` it is ``jw00793001001_01101_00001_nis``. Unknown
    suffixes stay. Addresses have the name of the file that they lead to.
    """
    return split_name(file_name(str(path)) if is_address(path) else path)[0]


def listed(
    exposures: str | list[str], directory: Path, stores: Stores, known: Callable[[], Collection[str]] = tuple
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows of a table of exposures, and problems in a line each.

    Parameters
    ----------
    exposures : str or list of str
        That key of the configuration.
    directory : `~pathlib.Path`
        The run's folder.
    stores : Stores
        Where globs of addresses are listed.
    known : callable, optional
        Returns addresses that another process has listed for this run; a glob that matches some is not listed again.

    Returns
    -------
    rows : list of dict
        exposure, uncal, and perhaps instrument, tso and stored.
    problems : list of str
        What there is not.

    Raises
    ------
    ConfigError
        The table is none, or something that addresses need is missing.
    """
    if isinstance(exposures, str) and re.search(r"\.(tsv|csv)$", exposures, flags=re.IGNORECASE):
        rows, problems = _listed_in_table(exposures, directory)
        _check_addresses([row["uncal"] for row in rows])
        return rows, problems
    paths: dict[str, Stored | None] = {}
    problems = []
    entries = [exposures] if isinstance(exposures, str) else exposures
    _check_addresses(entries)
    for entry in entries:
        if is_address(entry):
            paths |= _in_a_store(entry, stores, problems, known)
            continue
        pattern = _pattern(entry, directory)
        if pattern:
            matches = sorted(glob.glob(pattern, root_dir=directory, recursive=True))
            if not matches:
                where = os.path.abspath(directory)
                problems.append(
                    f"exposures: no file matches {entry!r} in {where}; put the _uncal.fits files there, or "
                    "correct the key exposures of the configuration"
                )
        else:
            matches = [entry]
        paths |= dict.fromkeys(os.path.normpath(path) for path in matches)
    if not exposures:
        problems.append("exposures: an empty list; give a glob, paths, or a table")
    return [{"exposure": root_name(path), "uncal": path, "stored": paths[path]} for path in paths], problems


def _check_addresses(paths: list[str]) -> None:
    """Refuse addresses for which something is not installed, and those that would be written into records as they are.

    Raises
    ------
    ConfigError
        With a line for each.
    """
    addresses = [path for path in paths if is_address(path)]
    problems = [f"exposures: {why}" for why in [any(map(is_s3, addresses)) and s3.missing()] if why]
    problems += [
        "exposures: an address with a password in it, which records would have; put it into ~/.netrc"
        for address in addresses
        if not is_s3(address) and "@" in urlsplit(address).netloc
    ]
    if problems:
        raise ConfigError(problems)


def _in_a_store(
    entry: str, stores: Stores, problems: list[str], known: Callable[[], Collection[str]]
) -> dict[str, Stored | None]:
    """Return the addresses that an entry stands for, with what a listing says of them."""
    if not is_pattern(entry):
        return {entry: None}
    fits = matcher(entry)
    if among := [address for address in known() if fits.fullmatch(address)]:
        return dict.fromkeys(sorted(among))
    try:
        matches = stores.matching(entry)
    except StoreProblem as problem:
        problems.append(f"exposures: {entry}: {problem}")
        return {}
    if not matches:
        problems.append(f"exposures: no object matches {entry!r}; correct the key exposures of the configuration")
    return {stored.url: stored for stored in matches}


def _pattern(entry: str, directory: Path) -> str | None:
    """Return what an entry matches files by; None where it is a path. Files and folders of such names come first."""
    if not _MAGIC.search(entry):
        return None
    parts, path, matches = [], directory, False
    for part in Path(entry).parts:
        path = path / part
        there = os.path.lexists(path)
        parts.append(glob.escape(part) if there else part)
        matches |= not there and bool(_MAGIC.search(part))
    return os.path.join(*parts) if matches else None


def _listed_in_table(table: str, directory: Path) -> tuple[list[dict[str, Any]], list[str]]:
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
        # Each of its variants has a row, too.
        rows = list({row["exposure"]: row for row in rows}.values())
    for row in rows:
        row["uncal"] = expanded(row["uncal"])
        row["tso"] = {"true": True, "false": False}.get((row.get("tso") or "").lower())
        row["instrument"] = row.get("instrument") or None
    why = "all of its exposures are complete" if is_summary else "the table has no rows"
    return rows, [] if rows else [f"exposures: {table}: {why}"]
