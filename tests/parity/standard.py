"""The standard that parity is held to, and the differences that are accepted.

A *finding* is one thing in one product that is not as the standard wants it. It fails the comparison unless
a line of ``accepted.tsv`` names it, with the id under which ``docs/differences.md`` explains it, and the part of the
elements that differ, and the size of the difference, are within the line's bounds.
"""

import csv
import fnmatch
import math
from dataclasses import dataclass
from pathlib import Path

from rampflow.detector.dq import MNEMONICS

#: Tolerance of values, and part of the elements that may be beyond it or have other flags.
STEP = (1e-6, 0.0)
END_TO_END = (1e-5, 1e-4)

_BIT_NAMES = {bit: name for name, bit in MNEMONICS.items()}


@dataclass(frozen=True)
class Finding:
    """What is not as it should be.

    Attributes
    ----------
    what : str
        An EXTNAME, a keyword, or "product".
    part : float
        Part of the elements of an array; 1 for what has no elements.
    size : float
        Largest scaled difference of values; infinite for what has none.
    text : str
        For people.
    """

    what: str
    part: float
    text: str
    size: float = math.inf


def flag_text(flags):
    """Say which bits differ: ``JUMP_DET +3 -0`` where ours has three more and lacks none."""
    return ", ".join(f"{_BIT_NAMES[bit]} +{ours} -{theirs}" for bit, (ours, theirs) in flags.bits.items())


def findings(difference, allowed):
    """List what in a difference is not within the standard.

    Parameters
    ----------
    difference : `differences.Difference`
        Compared with the standard's tolerance.
    allowed : float
        Part of the elements of an array that may differ.

    Returns
    -------
    list of Finding
    """
    found = []
    for name, values in difference.values.items():
        searched = sum(count for count, _ in values.searched.values())
        elsewhere = values.nan_mismatches - values.nan_without_gain - sum(nan for _, nan in values.searched.values())
        if elsewhere:
            text = f"{name}: {elsewhere} NaN mismatches, one at {values.worst}"
            found.append(Finding(f"{name} NaN", elsewhere / values.size, text))
        if values.nan_without_gain:
            text = f"{name}: {values.nan_without_gain} NaN of ours alone in pixels of NO_GAIN_VALUE"
            found.append(Finding(f"{name} NaN without gain", values.nan_without_gain / values.size, text))
        beyond = values.beyond - values.zeroed - values.cancelled - searched
        if beyond > allowed * values.size:
            largest = values.max_scaled if values.max_left is None else values.max_left
            text = f"{name}: {beyond} values beyond the tolerance, the worst by {largest:.2g}"
            found.append(Finding(name, beyond / values.size, f"{text}, one at {values.worst}", largest))
        if values.zeroed > allowed * values.size:
            text = f"{name}: {values.zeroed} values that the oracle has 0 for, with a VAR_RNOISE of 0"
            found.append(Finding(f"{name} zeroed", values.zeroed / values.size, text))
        if values.cancelled > allowed * values.size:
            text = f"{name}: {values.cancelled} values that are 0 but for rounding, beside their errors"
            found.append(Finding(f"{name} cancelled", values.cancelled / values.size, text))
        for kind, (count, nan) in values.searched.items():
            if nan or count > allowed * values.size:
                text = f"{name}: {count + nan} values for which LIKELY's search for jumps hangs on rounding ({kind})"
                found.append(Finding(f"{name} {kind}", (count + nan) / values.size, text))
    for name, flags in difference.flags.items():
        for kind, count in flags.searched.items():
            if count > allowed * flags.size:
                text = f"{name}: {count} JUMP_DET for which LIKELY's search for jumps hangs on rounding ({kind})"
                found.append(Finding(f"{name} {kind}", count / flags.size, text))
        if flags.without_gain:
            text = f"{name}: {flags.without_gain} JUMP_DET of theirs alone in pixels of NO_GAIN_VALUE"
            found.append(Finding(f"{name} jump without gain", flags.without_gain / flags.size, text))
        if flags.no_slope:
            text = f"{name}: {flags.no_slope} DO_NOT_USE of ours alone where neither side has a slope"
            found.append(Finding(f"{name} no slope", flags.no_slope / flags.size, text))
        elsewhere = flags.differing - sum(flags.searched.values()) - flags.without_gain - flags.no_slope
        if elsewhere > allowed * flags.size:
            text = f"{name}: {flags.differing} elements differ ({flag_text(flags)}), one at {flags.worst}"
            found.append(Finding(name, elsewhere / flags.size, text))
    for text in difference.problems:
        what = text.split(":")[0] if text.startswith("extension") else text.split("=")[0].split(":")[0]
        found.append(Finding(what, 1.0, text))
    return found


def read_accepted(path=None):
    """Read the table of accepted differences.

    Returns
    -------
    list of dict
        release, check, step, exposure, what (each may be a glob), bound (largest part of the elements), size (largest
        scaled difference), id (a heading of ``docs/differences.md``) and note. A table without exposure or size is one
        for all exposures, of any size.

    Raises
    ------
    ValueError
        A line has no id or no bound.
    """
    path = Path(path or Path(__file__).with_name("accepted.tsv"))
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for number, row in enumerate(rows, start=2):
        try:
            row["bound"] = float(row["bound"])
        except (TypeError, ValueError):
            raise ValueError(f"{path} line {number}: bound is {row['bound']!r}, expected a number") from None
        row["exposure"] = row.get("exposure") or "*"
        row["size"] = float(row.get("size") or math.inf)
        if not row.get("id"):
            raise ValueError(f"{path} line {number}: no id is given; name the difference as docs/differences.md does")
    return rows


def acceptance(finding, accepted, release, check, step, exposure=""):
    """Return the line of the table that accepts a finding, or None."""
    for row in accepted:
        here = {"release": release, "check": check, "step": step, "what": finding.what, "exposure": exposure}
        fits = all(fnmatch.fnmatchcase(value, row[key]) for key, value in here.items())
        if fits and finding.part <= row["bound"] and finding.size <= row["size"]:
            return row
    return None


def heading(tolerances=(STEP, END_TO_END)):
    """Say in words what the numbers of the table mean."""
    (step, _), (whole, part) = tolerances
    return (
        "Each step on the oracle's own previous product: flags equal in every bit, NaN in the same places,\n"
        f"|ours - theirs| <= {step:g} max(|theirs|, scale). The scale of a ramp's SCI is |SCI| of the\n"
        "step's input; rates, ERR and VAR_* have none. End to end and interchange: the same, and flags\n"
        f"equal, with {whole:g} in all but {part:g} of the elements; the scale of a rate's SCI is there the\n"
        "oracle's ERR, of VAR_* its square. 'relative' is without a scale."
    )
