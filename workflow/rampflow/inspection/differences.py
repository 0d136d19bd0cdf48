"""What differs between two products: values, flags, tables and keywords. Arrays are read in chunks of some MB."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.io import files

#: Arrays of flags; all other images are values.
FLAGS = ("PIXELDQ", "GROUPDQ", "DQ")
#: Images that have the unit of ERR.
_OF_ERRORS = ("SCI", "ERR")
#: Relative differences, and differences in units of ERR, of which it is counted how many are larger.
RELATIVE = (1e-6, 1e-5)
ERRORS = (0.01, 0.1, 1)
#: Keywords that explain why products differ, beside those of steps (S_*) and reference files (R_*).
EXPLAINING = ("CAL_VER", "CAL_VCS", "CRDS_VER", "CRDS_CTX", "PRD_VER", "SDP_VER")
#: Keywords that differ between any two files.
_OF_THE_FILE = ("DATE", "FILENAME", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY", "")
#: Elements of a chunk.
_CHUNK = 1 << 20


@dataclass
class ArrayDifference:
    """One extension of two products.

    Attributes
    ----------
    extension : str
        EXTNAME.
    kind : str
        "values", "flags" or "table".
    problem : str
        Why it is not compared value by value: it is in one product only, the shapes differ; "" where it is.
    size : int
        Number of elements, of a table of rows.
    differing : int
        Elements that are not the same; NaN is the same as NaN.
    special : tuple of int
        Elements that are NaN or infinite in A only, and in B only; two infinities of other sign count for both.
    relative : dict
        Bound to the number of elements with ``|A - B|`` larger than the bound times ``max(|A|, |B|)``.
    max_relative : float
        Largest ``|A - B| / max(|A|, |B|)``, at most 2.
    max_absolute : float
        Largest ``|A - B|``, in the unit of the array.
    errors : dict
        Bound to the number of elements with ``|A - B|`` larger than the bound times ERR of B; empty where there is no
        ERR to compare with. Elements without an ERR above 0 do not count.
    max_errors : float or None
        Largest ``|A - B| / ERR``; None where there is no ERR.
    worst : tuple of int or None
        Index of the largest difference, in units of ERR or else relative; None where all is the same.
    flags : dict
        Name of a flag to the number of elements that have it in A only, and in B only.
    """

    extension: str
    kind: str = "values"
    problem: str = ""
    size: int = 0
    differing: int = 0
    special: tuple = (0, 0)
    relative: dict = field(default_factory=lambda: dict.fromkeys(RELATIVE, 0))
    max_relative: float = 0.0
    max_absolute: float = 0.0
    errors: dict = field(default_factory=dict)
    max_errors: float | None = None
    worst: tuple | None = None
    flags: dict = field(default_factory=dict)

    def differs(self, tolerance=0.0):
        """Whether there is a difference: of values, one larger than a relative tolerance."""
        if self.problem or any(self.special):
            return True
        return self.max_relative > tolerance if self.kind == "values" else self.differing > 0


@dataclass
class ProductDifference:
    """Two products.

    Attributes
    ----------
    arrays : list of ArrayDifference
        One for each extension of either product but ASDF, whose bytes say nothing.
    explaining, keywords : dict
        Keyword of the primary header to its values in A and B (None: not there), where they differ: versions, the CRDS
        context, reference files (R_*) and steps (S_*); and all others, but for those of the file itself.
    """

    arrays: list = field(default_factory=list)
    explaining: dict = field(default_factory=dict)
    keywords: dict = field(default_factory=dict)

    def differs(self, tolerance=0.0):
        """Whether there is a difference in an array or table; keywords explain and do not count."""
        return any(array.differs(tolerance) for array in self.arrays)


def compare_products(one, other):
    """Compare two products.

    Parameters
    ----------
    one, other : path-like
        A and B.

    Returns
    -------
    ProductDifference

    Raises
    ------
    FileProblem
        One of them cannot be read.
    """
    with files.Product(one) as a, files.Product(other) as b:
        found = ProductDifference()
        names = dict.fromkeys(hdu.name for product in (a, b) for hdu in product.hdus if hdu.header["NAXIS"])
        for name in names:
            if name != "ASDF":
                found.arrays.append(_compare_extension(a, b, name))
        _compare_headers(a.header, b.header, found)
        return found


def _compare_headers(a, b, found):
    for key in dict.fromkeys([*a, *b]):
        if key in _OF_THE_FILE or a.get(key) == b.get(key):
            continue
        explains = key.startswith(("S_", "R_")) or key in EXPLAINING
        (found.explaining if explains else found.keywords)[key] = (a.get(key), b.get(key))


def _compare_extension(a, b, name):
    kind = "flags" if name in FLAGS else "values"
    if not (name in a and name in b):
        return ArrayDifference(name, kind, f"only in {'A' if name in a else 'B'}")
    tables = [product.hdu(name).header.get("XTENSION", "IMAGE").strip() != "IMAGE" for product in (a, b)]
    if any(tables):
        if not all(tables):
            return ArrayDifference(name, "table", f"a table in {'A' if tables[0] else 'B'}, an image in the other")
        return _compare_tables(a, b, name)
    left, right = a[name], b[name]
    if left.shape != right.shape:
        return ArrayDifference(name, kind, f"shape {left.shape} in A, {right.shape} in B")
    if {left.dtype.kind, right.dtype.kind} - {"u", "i"}:
        kind = "values"
    found = ArrayDifference(name, kind, size=math.prod(left.shape))
    if kind == "flags":
        _compare_flags(left, right, found)
    else:
        _compare_values(left, right, _errors_for(b, name, left.shape), found)
    return found


def _errors_for(product, name, shape):
    """Return the ERR of a product as an array to read, where an extension is of its unit and shape; or None."""
    if name not in _OF_ERRORS or "ERR" not in product or product["ERR"].shape != shape:
        return None
    return product["ERR"]


def chunks(shape, elements=_CHUNK):
    """Yield indices that cut an array of a shape into chunks of at most so many elements, or single rows."""
    axis, inner = len(shape), 1
    while axis > 1 and inner * shape[axis - 1] <= elements:
        axis -= 1
        inner *= shape[axis]
    axis = max(axis - 1, 0)
    step = max(1, elements // max(inner, 1))
    for lead in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (*lead, slice(start, min(start + step, shape[axis])))


def _same_bits(a, b):
    return a.dtype == b.dtype and np.array_equal(a.view(np.uint8), b.view(np.uint8))


def _compare_values(left, right, errors, found):
    largest, lonely = -1.0, [0, 0]
    if errors is not None:
        found.errors, found.max_errors = dict.fromkeys(ERRORS, 0), 0.0
    for index in chunks(left.shape):
        a, b = left.read(*index), right.read(*index)
        if _same_bits(a, b):
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        where = np.nonzero((a != b) & ~(np.isnan(a) & np.isnan(b)))
        a, b = a[where], b[where]
        found.differing += a.size
        finite_a, finite_b = np.isfinite(a), np.isfinite(b)
        # Two that are not finite and not the same, as NaN and an infinity, count for both.
        lonely[0] += int(np.count_nonzero(~finite_a))
        lonely[1] += int(np.count_nonzero(~finite_b))
        both = finite_a & finite_b
        where = tuple(axis[both] for axis in where)
        if not where[0].size:
            continue
        with np.errstate(over="ignore"):
            difference = np.abs(a[both] - b[both])
        relative = difference / np.maximum(np.abs(a[both]), np.abs(b[both]))
        for bound in RELATIVE:
            found.relative[bound] += int(np.count_nonzero(relative > bound))
        found.max_relative = max(found.max_relative, float(relative.max()))
        found.max_absolute = max(found.max_absolute, float(difference.max()))
        size = relative
        if errors is not None:
            size = _in_errors(difference, errors.read(*index)[where], found)
        if size.max() > largest:
            largest, first = float(size.max()), np.argmax(size)
            found.worst = _place(index, [axis[first] for axis in where])
    found.special = tuple(lonely)


def _in_errors(difference, error, found):
    """Count differences in units of ERR; return them, 0 where there is no ERR above 0."""
    known = error > 0
    size = np.zeros_like(difference)
    size[known] = difference[known] / error[known]
    for bound in ERRORS:
        found.errors[bound] += int(np.count_nonzero(size > bound))
    found.max_errors = max(found.max_errors, float(size.max()))
    return size


def _place(index, within):
    """Return the index in the array of what is at an index in a chunk."""
    *lead, rows = index
    return (*map(int, lead), rows.start + int(within[0]), *map(int, within[1:]))


def _compare_flags(left, right, found):
    counts = {"A": Counter(), "B": Counter()}
    for index in chunks(left.shape):
        a, b = left.read(*index), right.read(*index)
        if _same_bits(a, b):
            continue
        a, b = a.astype(np.uint32), b.astype(np.uint32)
        where = np.nonzero(a != b)
        if not where[0].size:
            continue
        found.differing += where[0].size
        found.worst = found.worst or _place(index, [axis[0] for axis in where])
        a, b = a[where], b[where]
        for name, bit in dq.MNEMONICS.items():
            counts["A"][name] += int(np.count_nonzero(a & ~b & np.uint32(bit)))
            counts["B"][name] += int(np.count_nonzero(b & ~a & np.uint32(bit)))
    names = [name for name in dq.MNEMONICS if counts["A"][name] or counts["B"][name]]
    found.flags = {name: (counts["A"][name], counts["B"][name]) for name in names}


def _compare_tables(a, b, name):
    left, right = a.hdu(name), b.hdu(name)
    rows = [hdu.header["NAXIS2"] for hdu in (left, right)]
    columns = [[hdu.header.get(f"TTYPE{k + 1}", "") for k in range(hdu.header["TFIELDS"])] for hdu in (left, right)]
    if rows[0] != rows[1]:
        return ArrayDifference(name, "table", f"{rows[0]} rows in A, {rows[1]} in B")
    if columns[0] != columns[1]:
        names = sorted({*columns[0]} ^ {*columns[1]}) or ["their order"]
        return ArrayDifference(name, "table", f"columns differ: {', '.join(names)}")
    found = ArrayDifference(name, "table", size=rows[0])
    one, other = a.table(name), b.table(name)
    differing = np.zeros(rows[0], bool)
    for column in columns[0] if rows[0] else ():
        x, y = np.asarray(one[column]), np.asarray(other[column])
        if x.shape != y.shape:
            return ArrayDifference(name, "table", f"column {column} is of another shape")
        unequal = (x != y) & ~((x != x) & (y != y))
        differing |= unequal.reshape(rows[0], -1).any(axis=1)
    found.differing = int(np.count_nonzero(differing))
    return found


def difference_image(one, other, extension="SCI", in_errors=False):
    """Show where two products differ: one number for each pixel.

    Parameters
    ----------
    one, other : path-like
        A and B.
    extension : str
        EXTNAME of an image.
    in_errors : bool, optional
        Whether differences of values are in units of B's ERR.

    Returns
    -------
    2D float64 `~numpy.ndarray`
        Of values, ``A - B`` (their unit), of all integrations and groups the one that is largest without its sign; NaN
        where no two values are finite, and in units of ERR where that is not above 0. Of flags, in how many
        integrations and groups they differ.

    Raises
    ------
    FileProblem
        A product cannot be read, lacks the extension, or has it in another shape; in units of ERR, B has none for it.
    """
    with files.Product(one) as a, files.Product(other) as b:
        left, right = a[extension], b[extension]
        if left.shape != right.shape or len(left.shape) < 2:
            raise FileProblem(
                f"{os.fspath(one)}: {extension} is of shape {left.shape}, and of shape {right.shape} in "
                f"{os.fspath(other)}; images of one shape were expected"
            )
        errors = _errors_for(b, extension, left.shape) if in_errors else None
        if in_errors and errors is None:
            raise FileProblem(f"{os.fspath(other)}: there is no ERR for {extension}")
        flags = extension in FLAGS
        image = np.full(left.shape[-2:], 0.0 if flags else np.nan)
        for lead in np.ndindex(left.shape[:-2]):
            for rows in chunks(left.shape[-2:]):
                x, y = left.read(*lead, *rows), right.read(*lead, *rows)
                part = image[rows]
                if flags:
                    part += x != y
                    continue
                with np.errstate(invalid="ignore"):
                    difference = x.astype(np.float64) - y.astype(np.float64)
                    if errors is not None:
                        error = errors.read(*lead, *rows).astype(np.float64)
                        difference /= np.where(error > 0, error, np.nan)
                difference[~np.isfinite(difference)] = np.nan
                larger = np.abs(difference) > np.nan_to_num(np.abs(part), nan=-1.0)
                part[larger] = difference[larger]
        return image


def side_images(one, other, extension):
    """Show what only one of two products has: flags, or values that are NaN or infinite.

    Parameters
    ----------
    one, other : path-like
        A and B.
    extension : str
        EXTNAME of an image, of the same shape in both.

    Returns
    -------
    tuple of 2D bool `~numpy.ndarray`
        Pixels at which, in any integration and group, A has a flag that B lacks, or is not finite where B is; and the
        other way round.
    """
    with files.Product(one) as a, files.Product(other) as b:
        left, right = a[extension], b[extension]
        found = np.zeros((2, *left.shape[-2:]), bool)
        for lead in np.ndindex(left.shape[:-2]):
            for rows in chunks(left.shape[-2:]):
                x, y = left.read(*lead, *rows), right.read(*lead, *rows)
                if extension in FLAGS:
                    x, y = x.astype(np.uint32), y.astype(np.uint32)
                    only = (x & ~y) != 0, (y & ~x) != 0
                else:
                    x, y = np.isfinite(x), np.isfinite(y)
                    only = y & ~x, x & ~y
                for image, part in zip(found, only, strict=True):
                    image[rows] |= part
        return tuple(found)
