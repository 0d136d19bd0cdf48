"""Calibration releases: ``workflow/releases``, read and checked.

A release is data: the step tables, the parameter defaults, and the CRDS types that each step asks for. Beside
the releases stands what they have and the workflow still lacks.
"""

from dataclasses import dataclass
from functools import cache

from rampflow.settings.configuration import (
    BOOLEANS,
    RELEASES,
    ConfigError,
    read_table,
    read_yaml,
    releases,
    schema,
    schema_problems,
    steps,
    word,
)


@dataclass(frozen=True)
class Release:
    """A calibration release: ``workflow/releases/<name>``, read and checked."""

    name: str
    cells: dict  #: (instrument, tso) -> {step: "on" or "off"}, in execution order
    defaults: dict  #: step -> {parameter: value}
    references: list  #: rows: step, type, instruments, when

    def reference_types(self, step, instrument, *, irs2, parameters):
        """Return the CRDS types of the reference files that a step needs, as a list.

        Parameters
        ----------
        step, instrument : str
            Names of the step and, in upper case, of the instrument.
        irs2 : bool
            Whether the frames have the interleaved rows of NIRSpec's IRS2 readout.
        parameters : mapping
            Parameter to value.
        """

        def holds(condition):
            name, _, value = condition.partition("=")
            return word(parameters[name]) == value if value else irs2 or not name

        rows = [row for row in self._rows(instrument, [step]) if not row["type"].startswith("pars-")]
        return list(dict.fromkeys(row["type"] for row in rows if holds(row["when"])))

    def parameter_types(self, steps, instrument):
        """Return the CRDS types of the parameter files of steps, and of the pipeline, as a list."""
        rows = self._rows(instrument, ["all", *steps])
        return [row["type"] for row in rows if row["type"].startswith("pars-")]

    def _rows(self, instrument, of_steps):
        rows = [row for row in self.references if row["step"] in of_steps]
        return [row for row in rows if {"all", instrument} & set(row["instruments"].split())]


@cache
def load_release(name):
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
    if name not in releases():
        raise ConfigError([f"release: no release {name!r}; there are {', '.join(releases())}"])
    folder, problems, cells = RELEASES / name, [], {}
    for table in ("near_ir.tsv", "miri.tsv"):
        rows = read_table(folder / table, schema("steps"))
        names = [row["step"] for row in rows]
        wrong = [step for step in names if step not in steps() or names.count(step) > 1]
        problems += [f"{folder / table}: {step!r}: unknown or repeated step" for step in wrong]
        for column in rows[0].keys() - {"step"}:
            mode = (column.removesuffix("_tso"), column.endswith("_tso"))
            cells[mode] = {row["step"]: row[column] for row in rows if row[column]}
    references = read_table(folder / "references.tsv", schema("references"))
    wrong = {row["step"] for row in references} - {*steps(), "all"}
    problems += [f"{folder / 'references.tsv'}: {step!r}: unknown step" for step in sorted(wrong)]
    defaults = read_yaml(folder / "defaults.yaml")
    known = schema("parameters")["properties"]
    closed = {step: {"additionalProperties": False, **rules} for step, rules in known.items()}
    rules = {"additionalProperties": False, "properties": closed}
    problems += schema_problems(defaults, rules, folder / "defaults.yaml")
    missing = {step for mode in cells.values() for step in mode} - defaults.keys()
    problems += [f"{folder / 'defaults.yaml'}: {step} is missing" for step in sorted(missing)]
    if problems:
        raise ConfigError(problems)
    return Release(name, cells, {step: defaults.get(step, {}) for step in steps()}, references)


@cache
def not_there_yet():
    """Return what the releases have and the workflow still lacks: rows of ``releases/not_there_yet.tsv``.

    Columns are step, parameter (empty: the whole step), value, when ("irs2": for that readout only) and
    instead: "left out" (the step), "refused" (the exposure), or the value that stands in.
    """
    return read_table(RELEASES / "not_there_yet.tsv", schema("not_there_yet"))


def is_missing(step):
    """Return whether a whole step is not there yet."""
    return any(row["step"] == step and row["instead"] == "left out" for row in not_there_yet())


def stand_in(step, parameter, value):
    """Return what replaces a value that is not there yet, or None if it is there."""
    for row in not_there_yet():
        if (row["step"], row["parameter"]) == (step, parameter) and row["value"] == word(value):
            return BOOLEANS.get(row["instead"], row["instead"])
    return None
