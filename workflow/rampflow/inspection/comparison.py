"""Two products, or two folders of them, held against each other: ``rampflow compare A B``.

A and B are products, or folders: results of runs, or what was downloaded from an archive, in any order of folders.
Products belong together by the name of their exposure and what they are, whether this workflow or jwst named them.
B is what A is held against: final products of B (_rate, _rateints, _ramp) that A lacks are a finding; what else only
one side has is counted.

With --variants A is a folder of results, whose variants are put beside each other; each of them is a folder, too.

Status 0: all values, flags and tables are the same (up to --tolerance); 1: there are differences; 2: something could
not be compared, with a line for each.
"""

import argparse
import json
import math
import sys
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rampflow.errors import FileProblem, RampflowError
from rampflow.inspection import beside
from rampflow.inspection.differences import ERRORS, RELATIVE, ArrayDifference, ProductDifference, compare_products
from rampflow.inspection.tables import write_tsv
from rampflow.settings.branches import VARIANTS
from rampflow.settings.product_names import FINAL, split_name

_BEYOND = {bound: f"beyond_{bound:g}" for bound in RELATIVE}
_ERRORS = {bound: f"beyond_{bound:g}_err" for bound in ERRORS}
#: Columns of the table in TSV, and of the frame.
COLUMNS = (
    "exposure", "product", "extension", "kind", "differs", "size", "differing", "nan_a_only", "nan_b_only",
    *_BEYOND.values(), "max_relative", "max_absolute", *_ERRORS.values(), "max_err", "worst", "flags", "problem",
    "keywords",
)  # fmt: skip
#: Products that are named in a line that holds for more of them.
_NAMED = 3


@dataclass
class Pair:
    """Two products that belong together.

    Attributes
    ----------
    exposure, product : str
        As `rampflow.settings.product_names.split_name` says.
    one, other : path-like or None
        The files in A and in B; None where there is none.
    difference : ProductDifference or None
        What differs; None where they cannot be compared.
    problem : str
        Why they cannot be compared.
    """

    exposure: str
    product: str
    one: Path | None
    other: Path | None
    difference: ProductDifference | None = None
    problem: str = ""


class Compared:
    """All products of two places, held against each other.

    Parameters
    ----------
    one, other : path-like
        A and B: two products, or two folders.
    products : list of str, optional
        Only these: "rate", "rateints", "ramp", names of steps.

    Attributes
    ----------
    pairs : list of Pair
        What belongs together, and final products that only B has, in the order of their names. Nothing is compared
        before `work`.
    only : dict
        "A" and "B" to the names of other products that only one side has.

    Raises
    ------
    FileProblem
        There is nothing at one of the places, or one is a folder and the other is not, or nothing belongs together.
    """

    def __init__(self, one, other, products=None):
        one, other = Path(one), Path(other)
        self.only = {"A": [], "B": []}
        for path in (one, other):
            if not path.exists():
                raise FileProblem(f"{path}: nothing there; name a product or a folder of products")
        if one.is_dir() != other.is_dir():
            folder, file = (one, other) if one.is_dir() else (other, one)
            raise FileProblem(f"{folder} is a folder and {file} is not; name two products or two folders")
        self.pairs = self._paired(one, other, products) if one.is_dir() else [Pair(*split_name(one), one, other)]

    def _paired(self, one, other, products):
        found = {"A": _products(one, products), "B": _products(other, products)}
        pairs = []
        for key in sorted(found["A"].keys() | found["B"].keys()):
            a, b = (found[side].get(key, []) for side in "AB")
            name = "_".join(key)
            if not a and key[1] in FINAL:
                pairs.append(Pair(*key, None, b[0], problem=f"{name}: A has none, B has {b[0]}"))
            elif not (a and b):
                self.only["A" if a else "B"].append(name)
            elif len(a) + len(b) > 2:
                several = a if len(a) > 1 else b
                problem = f"{name}: {len(several)} files of this name, {several[0]} and {several[1]}; leave one"
                pairs.append(Pair(*key, a[0], b[0], problem=problem))
            else:
                pairs.append(Pair(*key, a[0], b[0]))
        if not any(pair.one for pair in pairs):
            raise FileProblem(
                f"{one} and {other}: no product of one has a counterpart in the other (A has {_counted(found['A'])}, "
                f"B has {_counted(found['B'])}); names such as <exposure>_rate.fits were expected"
            )
        return pairs

    def work(self):
        """Compare pair by pair; yield each `Pair` when it is done. What cannot be read does not stop the others."""
        for pair in self.pairs:
            if not pair.problem:
                try:
                    # What is wrong with a card is seen as a difference.
                    with warnings.catch_warnings(action="ignore"):
                        pair.difference = compare_products(pair.one, pair.other)
                except RampflowError as problem:
                    pair.problem = str(problem)
                except Exception as error:  # a file may be odd in ways that nobody has thought of
                    said = " ".join(f"{type(error).__name__}: {error}".split())
                    pair.problem = f"{pair.one} and {pair.other}: cannot be compared ({said})"
            yield pair

    def status(self, tolerance=0.0):
        """Return the exit status: 0, 1 or 2 as the command explains it."""
        if any(pair.problem for pair in self.pairs):
            return 2
        return int(any(pair.difference.differs(tolerance) for pair in self.pairs))

    def rows(self, tolerance=0.0):
        """Return the table as a list of dict by `COLUMNS`, a row for each array; None where a cell says nothing.

        A row without extension holds for a product: why it cannot be compared, and keywords that explain differences.
        """
        return [row for pair in self.pairs for row in _rows(pair, tolerance)]

    def record(self, tolerance=0.0):
        """Return all of it as dict and list for JSON."""
        return {
            "status": self.status(tolerance),
            "tolerance": tolerance,
            "only": self.only,
            "products": [_record(pair, tolerance) for pair in self.pairs],
        }


def compare(a, b, products=None):
    """Hold two products, or two folders of them, against each other.

    Parameters
    ----------
    a, b : path-like
        Two products, or two folders: results, or products of the archive.
    products : list of str, optional
        Only these, of folders: "rate", "rateints", "ramp", names of steps. By default all that both have.

    Returns
    -------
    `~pandas.DataFrame`
        A row for each array of each product, and one without extension for each product, whose ``keywords`` may explain
        differences. ``differing`` counts elements that are not the same, ``beyond_1e-06`` those whose difference is
        larger than this part of the larger of the two, ``beyond_0.1_err`` larger than this part of B's ERR (NaN where
        there is no ERR), ``nan_a_only`` those that are NaN, or infinite, in A only. ``flags`` says by name how many
        elements have a flag in A only and in B only. ``problem`` says what could not be compared, and why.

    Raises
    ------
    FileProblem
        There is nothing to compare.
    """
    import pandas as pd

    compared = Compared(a, b, products)
    for _ in compared.work():
        pass
    return pd.DataFrame(compared.rows(), columns=list(COLUMNS))


def _products(folder, wanted):
    """Find the products below a folder: (exposure, product) to paths."""
    found = {}
    for path in sorted(folder.rglob("*.fits")):
        exposure, product = split_name(path)
        other = product in ("", "uncal") or path.name.startswith(".") or (wanted and product not in wanted)
        # Those of variants have the same names.
        if other or path.relative_to(folder).parts[-3:-2] == (VARIANTS,):
            continue
        found.setdefault((exposure, product), []).append(path)
    return found


def _counted(found):
    kinds = Counter(product for _, product in found)
    return ", ".join(f"{number} _{kind}" for kind, number in sorted(kinds.items())) or "none"


# --- as a table ------------------------------------------------------------------------------------------


def _rows(pair, tolerance):
    blank = dict.fromkeys(COLUMNS) | {"exposure": pair.exposure, "product": pair.product}
    blank |= dict.fromkeys(("extension", "kind", "flags", "problem", "keywords", "worst"), "")
    if pair.difference is None:
        return [blank | {"kind": "product", "problem": pair.problem}]
    found = pair.difference
    head = {"kind": "product", "differs": found.differs(tolerance), "keywords": _keywords(found.explaining)}
    return [blank | head, *(blank | _cells(array, tolerance) for array in found.arrays)]


def _cells(array: ArrayDifference, tolerance):
    cells = {"extension": array.extension, "kind": array.kind, "differs": array.differs(tolerance)}
    if array.problem:
        return cells | {"problem": array.problem}
    cells |= {"size": array.size, "differing": array.differing}
    if array.worst is not None:
        cells["worst"] = ",".join(map(str, array.worst))
    if array.kind == "flags":
        return cells | {"flags": _flags(array)}
    if array.kind == "values":
        cells |= {"nan_a_only": array.special[0], "nan_b_only": array.special[1]}
        cells |= {_BEYOND[bound]: count for bound, count in array.relative.items()}
        cells |= {"max_relative": array.max_relative, "max_absolute": array.max_absolute}
        cells |= {_ERRORS[bound]: count for bound, count in array.errors.items()} | {"max_err": array.max_errors}
    return cells


def _flags(array):
    return ", ".join(f"{name} {a} in A only, {b} in B only" for name, (a, b) in array.flags.items())


def _keywords(explaining):
    return "; ".join(f"{key}: {_said(a)} | {_said(b)}" for key, (a, b) in explaining.items())


def _said(value):
    return "–" if value is None else str(value)


def _record(pair, tolerance):
    found = {
        "exposure": pair.exposure,
        "product": pair.product,
        "a": pair.one and str(pair.one),
        "b": pair.other and str(pair.other),
        "problem": pair.problem,
    }
    if pair.difference is None:
        return found
    arrays = []
    for array in pair.difference.arrays:
        record = asdict(array) | {"differs": array.differs(tolerance)}
        for name in ("relative", "errors"):
            record[name] = {f"{bound:g}": count for bound, count in record[name].items()}
        # JSON has no infinity.
        for name in ("max_relative", "max_absolute", "max_errors"):
            record[name] = record[name] if record[name] is None or math.isfinite(record[name]) else str(record[name])
        arrays.append(record)
    keywords = {
        name: {key: [_plain(v) for v in values] for key, values in getattr(pair.difference, name).items()}
        for name in ("explaining", "keywords")
    }
    return found | {"differs": pair.difference.differs(tolerance), "arrays": arrays} | keywords


def _plain(value):
    return value if value is None or isinstance(value, bool | int | str) else str(value)


#: Columns on the terminal: heading and column of the table; those of numbers are set to the right.
_SHOWN = {
    "exposure": "exposure", "product": "product", "array": "extension", "values": "size", "differ": "differing",
    ">1e-6": _BEYOND[1e-6], ">1e-5": _BEYOND[1e-5], "NaN A": "nan_a_only", "NaN B": "nan_b_only",
    "max/ERR": "max_err", ">0.01": _ERRORS[0.01], ">0.1": _ERRORS[0.1], ">1": _ERRORS[1], "": "said",
}  # fmt: skip
_LEFT = ("exposure", "product", "array", "")


def text(compared, tolerance=0.0, whole=False):
    """Write the table for the terminal: the arrays that differ, or all, and the keywords that explain it.

    Parameters
    ----------
    compared : Compared
        After `Compared.work`.
    tolerance : float
        Relative differences of values up to this are none.
    whole : bool
        Also show arrays that are the same.

    Returns
    -------
    list of str
        Lines.
    """
    lines = []
    shown = [row for row in compared.rows(tolerance) if row["extension"] and (whole or row["differs"])]
    if shown:
        table = [list(_SHOWN)]
        for row in shown:
            row = row | {"said": row["problem"] or row["flags"]}
            table.append([_cell(row[column]) for column in _SHOWN.values()])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        aligned = [str.ljust if name in _LEFT else str.rjust for name in _SHOWN]
        for cells in table:
            set_out = (align(cell, width) for align, cell, width in zip(aligned, cells, widths, strict=True))
            lines.append("  ".join(set_out).rstrip())
    lines += _explanations(compared)
    for side, names in compared.only.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            lines.append(f"in {side} only, not compared: {', '.join(names[:_NAMED])}{more}")
    return lines


def _explanations(compared):
    """Say which keywords differ, and in how many products: a line for each pair of values, or for many of them."""
    found = {}
    for pair in compared.pairs:
        if pair.difference is not None:
            for key, values in pair.difference.explaining.items():
                found.setdefault(key, Counter())[tuple(map(_said, values))] += 1
    lines = []
    for key, counted in found.items():
        shown = counted.items() if len(counted) <= _NAMED else [(next(iter(counted)), counted.total())]
        for (a, b), number in shown:
            such = "" if len(counted) <= _NAMED else f" and {len(counted) - 1} others"
            lines.append(f"{key}: {a} in A, {b} in B{such} ({number} product{'s' * (number != 1)})")
    return lines


def _cell(value):
    return "" if value is None else f"{value:.2g}" if isinstance(value, float) else str(value)


def _summary(compared, tolerance):
    done = [pair.difference for pair in compared.pairs if pair.difference is not None]
    differing = sum(found.differs(tolerance) for found in done)
    failed = len(compared.pairs) - len(done)
    said = f"{len(done)} product{'s' * (len(done) != 1)} compared: {len(done) - differing} equal, {differing} not"
    return said + (f"; {failed} could not be compared" if failed else "")


# --- the command -----------------------------------------------------------------------------------------


def main(arguments=None):
    """Compare; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="rampflow compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", metavar="A", help="a product or a folder of products")
    parser.add_argument("b", metavar="B", nargs="?", help="another one, to hold A against")
    parser.add_argument("--variants", action="store_true", help="put the variants of the results A beside each other")
    parser.add_argument("--products", metavar="NAMES", help="of folders only these: rate,rateints (default: all)")
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="R", help="relative difference that is none")
    parser.add_argument("--all", action="store_true", help="show arrays that are the same, too")
    parser.add_argument("--tsv", type=Path, metavar="FILE", help="write the table, all arrays, tab-separated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, all keywords, too, as JSON")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with pictures of what differs (HTML)")
    options = parser.parse_args(arguments)
    if (options.b is None) != options.variants:
        parser.error("name A and B, or results with --variants")
    try:
        if options.variants:
            return beside.main(options)
        compared = Compared(options.a, options.b, options.products and options.products.split(","))
        for pair in compared.work():
            if pair.problem:
                print(f"rampflow: {pair.problem}", file=sys.stderr, flush=True)
        for line in text(compared, options.tolerance, options.all):
            print(line)
        if options.tsv:
            write_tsv(options.tsv, COLUMNS, compared.rows(options.tolerance))
        if options.json:
            options.json.write_text(json.dumps(compared.record(options.tolerance), indent=1) + "\n")
        if options.report:
            # Pictures take a second to import.
            from rampflow.inspection import difference_page

            options.report.write_text(difference_page.write(compared, (options.a, options.b), options.tolerance))
    except (RampflowError, OSError) as problem:
        print(f"rampflow: {problem}", file=sys.stderr)
        return 2
    print(f"rampflow: {_summary(compared, options.tolerance)}")
    return compared.status(options.tolerance)
