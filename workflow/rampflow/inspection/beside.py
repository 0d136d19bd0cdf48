"""Variants beside what is made without one: parameters, flags, rates, errors and light curves, side by side.

``rampflow compare RESULTS --variants`` and the report show it.
"""

import json
import sys
from dataclasses import dataclass, field

import numpy as np

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.inspection import counts as counting
from rampflow.inspection import summary
from rampflow.inspection.exposures import gather
from rampflow.inspection.results import Results
from rampflow.inspection.tables import aligned, write_tsv
from rampflow.inspection.words import percent, short
from rampflow.io import files
from rampflow.settings.branches import exposure_of

_ODD = (files.FileProblem, OSError, ValueError, KeyError, IndexError, TypeError, MemoryError)
#: Flags of pixels that do not count.
_BAD = np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL)
#: Columns of the table in TSV and JSON: what each is.
COLUMNS = {
    "exposure": "name of the exposure",
    "variant": "name of the variant; empty of what is made without one",
    "changes": "parameters and steps that are others, with what they are without the variant in parentheses",
    "first": "the step from which on it is made by itself",
    "state": "how far it has come, as in the summary",
    "groups_saturated": "fraction of the groups that are SATURATED",
    "groups_jump": "fraction of the groups that are JUMP_DET",
    "pixels_do_not_use": "fraction of the pixels that are DO_NOT_USE",
    "pixels_no_rate": "fraction of the pixels without a rate (NaN)",
    "rate": "median of the rates (DN/s) of pixels that have one with and without the variant and are not DO_NOT_USE",
    "error": "median of the errors (DN/s) of the same pixels",
    "differing": "fraction of these pixels whose rate is not the one without the variant",
    "difference": "median, without its sign, of the difference of those that differ, in errors without the variant",
    "light_scatter": "of several integrations: scatter of the mean light from one to the next, as a part of it",
}


@dataclass
class Beside:
    """An exposure as it is made with a variant, or without one."""

    row: dict  #: by `COLUMNS`; None where it is not known
    light: list = field(default_factory=list)  #: mean rate (DN/s) of each integration
    trouble: str = ""  #: why something is not known


def beside(exposure, results, allows=bool):
    """Put the variants of an exposure beside what is made without one.

    Parameters
    ----------
    exposure : `~rampflow.inspection.exposures.ExposureResults`
        The exposure, with its variants.
    results : `~rampflow.inspection.results.Results`
        The results.
    allows : callable, optional
        Takes a number of bytes and says whether so many may be read; where not, rates are not compared.

    Returns
    -------
    list of Beside
        The exposure itself first; empty where it has no variants.
    """
    if not exposure.variants:
        return []
    found = []
    paths = [_path(one, results, counting.rate_file(one)) for one in exposure.branches]
    for one, path in zip(exposure.branches, paths, strict=True):
        counts = counting.counted(one, results)[0]
        known = summary.row(one, results, counts)
        row = dict.fromkeys(COLUMNS) | {key: known[key] for key in COLUMNS if key in known}
        row |= {"changes": ", ".join(_changes(exposure, one)), "first": next(iter(one.own), None)}
        made = Beside(row)
        size = sum(one.stat().st_size for one in (path, paths[0]) if one and one.exists())
        try:
            if path and paths[0] and allows(size):
                row |= _rates(path, paths[0])
            if path and (name := _integrations(one)) and allows(2 * results.path(one.root, name).stat().st_size):
                made.light = _light(results.path(one.root, name))
                row["light_scatter"] = _scatter(made.light)
        except _ODD as error:
            made.trouble = " ".join(str(error).split())
        found.append(made)
    return found


def _path(exposure, results, name):
    return results.path(exposure.root, name) if name else None


def _integrations(exposure):
    """Name the rates of integrations; None where there are none, or is but one."""
    several = (exposure.facts.get("shape") or [0])[0] > 1
    names = exposure.products.get("rate", ()) if several else ()
    return next((name for name in names if name.endswith("_rateints.fits")), None)


def _changes(exposure, variant):
    """Say by which steps and parameters a variant differs, as the records have it."""
    if variant is exposure:
        return
    for step in dict.fromkeys([*variant.chain, *exposure.chain]):
        if (step in variant.chain) != (step in exposure.chain):
            yield f"{step} {'on' if step in variant.chain else 'off'}"
            continue
        one, other = (of.records.get(step, {}).get("parameters") or {} for of in (variant, exposure))
        for name, value in one.items():
            if other and other.get(name) != value:
                yield f"{step}.{name} = {value} ({other.get(name)})"


def _rates(path, base):
    """Compare rates: medians over the pixels that have one on both sides."""
    with files.Product(path) as one, files.Product(base) as other:
        rate, error, flags = (one[name].read() for name in ("SCI", "ERR", "DQ"))
        without, without_error, without_flags = (other[name].read() for name in ("SCI", "ERR", "DQ"))
    if rate.shape != without.shape:
        return {}
    used = np.isfinite(rate) & np.isfinite(without) & (((flags | without_flags) & _BAD) == 0)
    if not used.any():
        return {}
    rate, error, without, without_error = (part[used] for part in (rate, error, without, without_error))
    differ = rate != without
    found = {"rate": float(np.median(rate)), "error": float(np.median(error)), "differing": float(differ.mean())}
    known = differ & (without_error > 0)
    if known.any():
        found["difference"] = float(np.median(np.abs(rate[known] - without[known]) / without_error[known]))
    return found


def _light(path):
    """Return the mean rate of each integration, of the pixels that have a good one in all."""
    with files.Product(path) as product:
        values, flags = product["SCI"], product["DQ"]
        number = values.shape[0]
        used = np.ones(values.shape[1:], bool)
        for index in range(number):
            used &= np.isfinite(values.read(index)) & ((flags.read(index) & _BAD) == 0)
        if not used.any():
            return []
        return [float(values.read(index)[used].mean(dtype=np.float64)) for index in range(number)]


def _scatter(light):
    """Return the scatter of a light curve from one integration to the next, as a part of its mean."""
    mean = np.mean(light) if len(light) > 2 else 0.0
    return float(np.std(np.diff(light)) / np.sqrt(2.0) / abs(mean)) if mean else None


# --- the command -------------------------------------------------------------------------------------------

#: Columns on the terminal: title, key, how it is said.
SHOWN = (
    ("variant", "variant", lambda value: value or "(without)"),
    ("from", "first", str),
    ("jump", "groups_jump", percent),
    ("saturated", "groups_saturated", percent),
    ("bad", "pixels_do_not_use", percent),
    ("no rate", "pixels_no_rate", percent),
    ("rate", "rate", short),
    ("error", "error", short),
    ("differ", "differing", percent),
    ("by (err)", "difference", short),
    ("light", "light_scatter", percent),
    ("changes", "changes", str),
)


def cells(row):
    """Return what is shown of a row by `SHOWN`; nothing where nothing is known."""
    return ["" if row[key] is None and key != "variant" else said(row[key]) for _, key, said in SHOWN]


def text(found):
    """Write the table of an exposure for the terminal: a list of lines."""
    lines = [f"{exposure_of(found[0].row['exposure'])}:"]
    table = [[title for title, _, _ in SHOWN], *(cells(one.row) for one in found)]
    return lines + [f"  {line}" for line in aligned(table)] + [f"  {one.trouble}" for one in found if one.trouble]


def main(options):
    """Put the variants of results beside each other; return the exit status.

    Parameters
    ----------
    options : object
        With ``a``, the folder of results, and ``tsv`` and ``json``, files to write, or None.
    """
    results = Results(options.a)
    every = [found for one in gather(results) if (found := beside(one, results))]
    if not every:
        raise FileProblem(f"{options.a}: no run has made variants there; the key variants of the configuration asks")
    for found in every:
        for line in text(found):
            print(line)
    rows = [one.row | {"light": one.light} for found in every for one in found]
    if options.tsv:
        write_tsv(options.tsv, COLUMNS, [{key: row[key] for key in COLUMNS} for row in rows])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    for one in (one for found in every for one in found if one.trouble):
        print(f"rampflow: {one.row['exposure']}: {one.trouble}", file=sys.stderr)
    variants = sum(len(found) - 1 for found in every)
    print(f"rampflow: {variants} variants of {len(every)} exposures")
    return 0
