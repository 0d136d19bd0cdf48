"""Calibration releases: ``workflow/releases``, read and checked.

A release is data: the step tables, the CRDS types that each step asks for, and the defaults of the parameters.
It may be based on another one, and then its files hold only what differs.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rampflow.settings.configuration import (
    RELEASES,
    ConfigError,
    read_yaml,
    releases,
    schema,
    schema_problems,
    steps,
    word,
)
from rampflow.settings.tables import read_table

#: Cell of a step table: jwst never calls the step for this instrument, whatever CRDS says.
_NEVER = "-"

Mode = tuple[str, bool]  #: instrument, and whether it is a time series


@dataclass(frozen=True)
class Release:
    """A calibration release: ``workflow/releases/<name>``, read and checked."""

    name: str
    description: str  #: the versions of jwst that it does the same as
    order: dict[Mode, list[str]]  #: the steps that a mode can have, also those that only CRDS turns on
    cells: dict[Mode, dict[str, str]]  #: step to "on" or "off", of the steps of a mode, in execution order
    defaults: dict[str, dict[str, Any]]  #: step to {parameter: value}
    references: list[dict[str, str]]  #: rows: step, type, instruments, when
    off_in_jwst: list[str]  #: steps that jwst has off where no parameter file of CRDS turns them on

    @property
    def types(self) -> list[str]:
        """All CRDS types that the release asks for, each once."""
        return list(dict.fromkeys(row["type"] for row in self.references))

    def reference_types(
        self, step: str, instrument: str, *, kinds: Collection[str], parameters: Mapping[str, Any]
    ) -> list[str]:
        """Return the CRDS types of the reference files that a step needs, as a list.

        Parameters
        ----------
        step, instrument : str
            Names of the step and, in upper case, of the instrument.
        kinds : collection of str
            What `kinds_of` says of the exposure.
        parameters : mapping
            Parameter to value.
        """
        return needed_types(self.conditional_types(step, instrument, kinds=kinds), parameters)

    def conditional_types(self, step: str, instrument: str, *, kinds: Collection[str]) -> list[tuple[str, str]]:
        """Return the types that a step may need, each with the value of a parameter that it hangs on, or ""."""
        found = []
        for row in self._rows(instrument, [step]):
            words = row["when"].split()
            if not row["type"].startswith("pars-") and all("=" in word or word in kinds for word in words):
                found.append((row["type"], "".join(word for word in words if "=" in word)))
        return found

    def parameter_types(self, steps: Iterable[str], instrument: str) -> list[str]:
        """Return the CRDS types of the parameter files of steps, and of the pipeline, as a list."""
        rows = self._rows(instrument, ["all", *steps])
        return [row["type"] for row in rows if row["type"].startswith("pars-")]

    def _rows(self, instrument: str, of_steps: list[str]) -> list[dict[str, str]]:
        rows = [row for row in self.references if row["step"] in of_steps]
        return [row for row in rows if {"all", instrument} & set(row["instruments"].split())]


def jwst_version(release: str) -> str:
    """Return the version of jwst that a release is held against."""
    first = (RELEASES / release / "oracle.txt").read_text(encoding="utf-8").split()[0]
    return first.partition("==")[2]


def kinds_of(exp_type: str, *, irs2: bool) -> frozenset[str]:
    """Return the words of ``references.tsv`` that an exposure is.

    Parameters
    ----------
    exp_type : str
        EXP_TYPE.
    irs2 : bool
        Whether the frames have the interleaved rows of NIRSpec's IRS2 readout.
    """
    words = {"irs2": irs2, "soss": exp_type == "NIS_SOSS"}
    return frozenset(word for word, holds in words.items() if holds)


def needed_types(types: Iterable[tuple[str, str]], parameters: Mapping[str, Any]) -> list[str]:
    """Return those of `Release.conditional_types` that are needed with these parameters, each once."""

    def holds(condition: str) -> bool:
        name, _, value = condition.partition("=")
        return not name or word(parameters[name]) == value

    return list(dict.fromkeys(kind for kind, condition in types if holds(condition)))


@cache
def load_release(name: str) -> Release:
    """Read a release.

    Parameters
    ----------
    name : str
        A folder of ``workflow/releases``.

    Returns
    -------
    Release

    Raises
    ------
    ConfigError
        If there is none of this name, or if its files contradict the schemas or one another.
    """
    problems: list[str] = []
    folders = _folders(name, problems)
    if problems:
        raise ConfigError(problems)
    description = _description(folders[-1])
    order, cells = _step_tables(folders, problems)
    references = []
    for folder in folders:
        if (table := folder / "references.tsv").exists():
            rows = read_table(table, schema("references"))
            wrong = {row["step"] for row in rows} - {*steps(), "all"}
            problems += [f"{table}: {step!r}: unknown step" for step in sorted(wrong)]
            references += rows
    own_steps = {step for mode in order.values() for step in mode}
    defaults = _defaults(folders, description.get("without", {}), own_steps, problems)
    off_in_jwst = description.get("off_in_jwst", [])
    where = folders[-1] / "release.yaml"
    problems += [f"{where}: off_in_jwst: {step!r}: no such step" for step in off_in_jwst if step not in steps()]
    if problems:
        raise ConfigError(problems)
    return Release(name, description["description"], order, cells, defaults, references, off_in_jwst)


def _folders(name: str, problems: list[str]) -> list[Path]:
    """Find the folder of a release and those that it is based on, the base first."""
    folders: list[Path] = []
    where, wanted = "release", name
    while wanted:
        if wanted not in releases() or RELEASES / wanted in folders:
            problems.append(f"{where}: no release {wanted!r}; there are {', '.join(releases())}")
            break
        folders.insert(0, RELEASES / wanted)
        where = f"{folders[0] / 'release.yaml'}: based_on"
        wanted = _description(folders[0]).get("based_on", "")
    return folders


def _description(folder: Path) -> dict[str, Any]:
    found = read_yaml(folder / "release.yaml")
    if problems := schema_problems(found, schema("release"), str(folder / "release.yaml")):
        raise ConfigError(problems)
    return found


def _step_tables(folders: list[Path], problems: list[str]) -> tuple[dict[Mode, list[str]], dict[Mode, dict[str, str]]]:
    """Read each table from the last folder that has it: the order of every mode, and its cells that are not empty."""
    order, cells = {}, {}
    for table in ("near_ir.tsv", "miri.tsv"):
        path = [folder / table for folder in folders if (folder / table).exists()][-1]
        rows = read_table(path, schema("steps"))
        names = [row["step"] for row in rows]
        wrong = [step for step in names if step not in steps() or names.count(step) > 1]
        problems += [f"{path}: {step!r}: unknown or repeated step" for step in wrong]
        for column in rows[0].keys() - {"step"}:
            mode = (column.removesuffix("_tso"), column.endswith("_tso"))
            order[mode] = [row["step"] for row in rows if row[column] != _NEVER]
            cells[mode] = {row["step"]: row[column] for row in rows if row[column] not in ("", _NEVER)}
    return order, cells


def _defaults(
    folders: list[Path], without: dict[str, list[str]], own_steps: set[str], problems: list[str]
) -> dict[str, dict[str, Any]]:
    """Lay what each release says over the defaults of the schema, of the steps and parameters that this one has."""
    known = schema("parameters")["properties"]
    closed = {step: {"additionalProperties": False, **rules} for step, rules in known.items()}
    rules = {"additionalProperties": False, "properties": closed}
    values: dict[str, dict[str, Any]] = {
        step: {
            name: rule["default"]
            for name, rule in known[step].get("properties", {}).items()
            if step in own_steps and name not in without.get(step, [])
        }
        for step in steps()
    }
    for folder in folders:
        if (path := folder / "defaults.yaml").exists():
            given = read_yaml(path)
            if found := schema_problems(given, rules, str(path)):
                problems += found
                continue
            for step, parameters in given.items():
                unknown = sorted(parameters.keys() - values[step].keys())
                problems += [f"{path}: {step}: {name}: the release does not have it" for name in unknown]
                values[step] |= parameters
    return values
