"""The page of a comparison: what differs between two products or folders of them, in tables and pictures.

It is made of the templates of the report (`rampflow.inspection.page`), and like that asks for nothing from elsewhere.
"""

import time
from collections import Counter

from rampflow.errors import RampflowError
from rampflow.inspection import page, pictures
from rampflow.inspection.differences import difference_image, side_images
from rampflow.io import files

#: Products of which there are pictures, at most: those that differ most.
_PICTURED = 200
#: With more products than this they are folded.
_FOLDED = 8
#: Columns of the table of arrays: title, key of `rampflow.inspection.comparison.COLUMNS`, what it is.
_COLUMNS = (
    ("array", "extension", "the extension of the file"),
    ("values", "size", "how many there are"),
    ("differ", "differing", "how many are not the same"),
    (">1e-6", "beyond_1e-06", "how many differ by more than this part of the larger of the two"),
    (">1e-5", "beyond_1e-05", "how many differ by more than this part of the larger of the two"),
    ("NaN A", "nan_a_only", "how many are NaN or infinite in A only"),
    ("NaN B", "nan_b_only", "how many are NaN or infinite in B only"),
    ("max/ERR", "max_err", "the largest difference in units of B's ERR"),
    (">0.01", "beyond_0.01_err", "how many differ by more than this part of B's ERR"),
    (">0.1", "beyond_0.1_err", "how many differ by more than this part of B's ERR"),
    (">1", "beyond_1_err", "how many differ by more than this part of B's ERR"),
)


def write(compared, places, tolerance=0.0):
    """Write the page.

    Parameters
    ----------
    compared : `~rampflow.inspection.comparison.Compared`
        After its work.
    places : tuple of str
        What A and B are.
    tolerance : float, optional
        Relative differences of values up to this are none.

    Returns
    -------
    str
        HTML.
    """
    done = [pair for pair in compared.pairs if pair.difference is not None]
    differing = [pair for pair in done if pair.difference.differs(tolerance)]
    rows = [row for row in compared.rows(tolerance) if row["extension"] and row["differs"]]
    pictured = sorted(differing, key=_largest, reverse=True)[:_PICTURED]
    size = page.picture_size(len(pictured))
    return (
        page.environment()
        .get_template("differences.html")
        .render(
            facts=_facts(compared, places, done, differing, tolerance),
            problems=[pair.problem for pair in compared.pairs if pair.problem],
            only={side: names for side, names in compared.only.items() if names},
            columns=_COLUMNS,
            rows=[(_name(row["exposure"], row["product"]), row, _cells(row)) for row in rows],
            explaining=_explaining(done),
            products=[_product(pair, tolerance, size if pair in pictured else None) for pair in differing],
            equal=[_name(pair.exposure, pair.product) for pair in done if pair not in differing],
            unpictured=len(differing) - len(pictured),
            sides=pictures.SIDES,
            size=max(size, 128),
            opened=len(differing) <= _FOLDED,
            now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
    )


def _name(exposure, product):
    return "_".join(filter(None, (exposure, product)))


def _largest(pair):
    """Key by which products that differ most come first: what cannot be compared value by value before all else."""
    arrays = pair.difference.arrays
    odd = sum(bool(array.problem) + sum(array.special) for array in arrays)
    return odd > 0, max((array.max_errors or array.max_relative for array in arrays), default=0.0)


def _facts(compared, places, done, differing, tolerance):
    failed = len(compared.pairs) - len(done)
    said = f"{len(done)} compared: {len(done) - len(differing)} equal, {len(differing)} not"
    said += f"; {failed} not compared" if failed else ""
    facts = [("A", "what is looked at", places[0]), ("B", "what it is held against", places[1])]
    facts.append(("products", "files of both that belong together", said))
    if tolerance:
        facts.append(("tolerance", "relative difference of values that is none", f"{tolerance:g}"))
    return facts


def _cells(row):
    """Cells of a row of the table of arrays: (text, value to sort by)."""
    for _, key, _ in _COLUMNS:
        value = row[key]
        text = "" if value is None else page.short(value) if isinstance(value, float) else str(value)
        yield text, None if key == "extension" else "" if value is None else value


def _explaining(done):
    """List the keywords that differ: (keyword, its value in A, in B, number of products), the most frequent first."""
    counted = Counter()
    for pair in done:
        counted.update((key, *map(_said, values)) for key, values in pair.difference.explaining.items())
    return [(*key, number) for key, number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]


def _said(value):
    return "–" if value is None else str(value)


# --- a product -------------------------------------------------------------------------------------------


def _product(pair, tolerance, size):
    """Describe two products that differ; with pictures, where ``size`` says how large."""
    arrays = [array for array in pair.difference.arrays if array.differs(tolerance)]
    trouble, figures = [f"{array.extension}: {array.problem}" for array in arrays if array.problem], []
    for array in _pictured(arrays) if size else ():
        try:
            figures += _figures(pair, array, size)
        except RampflowError as problem:
            trouble.append(str(problem))
    keywords = {
        name: [(key, *map(_said, values)) for key, values in getattr(pair.difference, name).items()]
        for name in ("explaining", "keywords")
    }
    return {
        "name": _name(pair.exposure, pair.product),
        "files": (pair.one, pair.other),
        "trouble": trouble,
        "figures": figures,
        "sums": [_sum(array) for array in arrays if not array.problem],
        "flags": [(array.extension, name, *both) for array in arrays for name, both in array.flags.items()],
        **keywords,
    }


def _pictured(arrays):
    """Return the arrays of which there are pictures: all flags; of values SCI, or else the first that differs."""
    images = [array for array in arrays if not array.problem and array.kind != "table"]
    values = sorted((array for array in images if array.kind == "values"), key=lambda array: array.extension != "SCI")
    return values[:1] + [array for array in images if array.kind == "flags"]


def _sum(array):
    """Say in a line what differs in an array."""
    what = "rows" if array.kind == "table" else "values"
    said = f"{array.extension}: {array.differing} of {array.size} {what} differ"
    if array.kind == "values" and array.max_errors is not None:
        said += f", by up to {page.short(array.max_errors)} of ERR"
    elif array.kind == "values":
        said += f", by up to {page.short(array.max_relative)} of the value"
    if not array.worst:
        return said
    axes = ("x", "y", "group", "integration") if len(array.worst) == 4 else ("x", "y", "integration")
    place = ", ".join(f"{axis} {1 + index}" for axis, index in zip(axes, reversed(array.worst), strict=False))
    return f"{said}; {'the first' if array.kind == 'flags' else 'the most'} at {place}"


def _figures(pair, array, size):
    """Yield pictures of an array: (title, what is to be seen, kind of its colour bar, unit, picture)."""
    paths, name = (pair.one, pair.other), array.extension
    if array.kind == "flags":
        hint = "pixels with a flag in one product only, in any integration and group"
        yield f"{name}: flags that differ", hint, "", "", pictures.side_picture(*side_images(*paths, name), size)
        return
    if array.max_absolute:
        in_errors = array.max_errors is not None
        image = difference_image(*paths, name, in_errors=in_errors)
        hint = "of each pixel the difference that is largest without its sign, of all integrations and groups"
        unit = "of ERR" if in_errors else _unit(pair.other, name)
        yield f"{name}: A − B", hint, "differences", unit, pictures.difference_picture(image, size)
    if any(array.special):
        hint = "pixels that are NaN or infinite in one product only, in any integration and group"
        yield f"{name}: not a number", hint, "", "", pictures.side_picture(*side_images(*paths, name), size)


def _unit(path, extension):
    with files.Product(path) as product:
        return str(product.hdu(extension).header.get("BUNIT") or "in its unit")
