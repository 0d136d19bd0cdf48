"""What differs between two products: values, flags, tables and keywords, with the tolerance stated.

Two numbers agree when ``|ours - theirs| <= tolerance * max(|theirs|, scale)``. The scale makes the standard
honest for differences of large numbers: a step that subtracts 12000 DN of bias from 12001 DN leaves 1 DN, of
which single precision knows 1e-3 DN. It is never larger than what the numbers were made from:

* ramps: what the same sample was before, |SCI| of the step's input; for refpix of IRS2 frames, which takes out the
  mean of the groups and puts it back, the largest of the groups;
* rates of one step on the oracle's own input: none, the fit works in double precision;
* rates of several steps: ERR that the oracle gives the pixel for SCI, its square for VAR_*;
* ERR: none.

Pure relative differences (no scale) are reported beside the scaled ones. Flags, tables and everything that
is not a measured value must be equal.
"""

from dataclasses import asdict, dataclass, field

import numpy as np

from rampflow.detector.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE

#: What rounding leaves of terms that cancel: so small a part of the error, or of its square, says nothing.
ROUNDING = 1e-9
#: Standard deviations and variances, whose scale is their own size, and the measured values.
UNCERTAINTIES = ("ERR", "VAR_POISSON", "VAR_RNOISE")
VALUES = ("SCI", "ZEROFRAME", "AVDRKCUR", *UNCERTAINTIES)
FLAGS = ("PIXELDQ", "GROUPDQ", "DQ")

#: Keywords of the primary header that name the software and the file, or the time of writing.
SOFTWARE = ("DATE", "CAL_VER", "CAL_VCS", "CRDS_VER", "PRD_VER", "FILENAME", "CHECKSUM", "DATASUM")
STATUS = ("S_", "R_")
NUMBERS = ("GAINFACT", "PRIMECRS", "EXTNCRS")
NUMBERS += ("INT1SKIP", "INT1UGP1", "INT1BORS", "INT2SKIP", "INT2UGP1", "INT2BORS")


@dataclass
class Values:
    """Comparison of two arrays of numbers of one shape.

    Attributes
    ----------
    size : int
        Number of elements.
    nan_mismatches : int
        Elements that are NaN, or infinite, in one array and not in the other.
    nan_without_gain : int
        Those of them that are NaN in ours and flagged NO_GAIN_VALUE on both sides (`compare_products`).
    zeroed : int
        Slopes among `beyond` that are exactly 0 in theirs, with a VAR_RNOISE of 0 on both sides (`compare_products`).
    cancelled : int
        Others among `beyond` whose difference is at most `ROUNDING` of the oracle's ERR, of its square for a variance
        (`compare_products`).
    max_left : float or None
        Largest scaled difference of those that nothing explains; None where nothing is beyond the tolerance.
    searched : dict
        Kind of explanation by LIKELY's search for jumps (`likely`) to how many others among `beyond`, and how many
        others among `nan_mismatches`, it explains.
    max_absolute, max_relative, max_scaled : float
        Largest ``|a - b|``, ``|a - b| / |b|`` (inf where only b is 0) and ``|a - b| / max(|b|, scale)``.
    relative_beyond, beyond : int
        Elements whose relative, and whose scaled, difference is larger than the tolerance.
    worst : tuple of int or None
        Index of the largest scaled difference.
    """

    size: int
    nan_mismatches: int
    max_absolute: float
    max_relative: float
    max_scaled: float
    relative_beyond: int
    beyond: int
    worst: tuple | None
    nan_without_gain: int = 0
    zeroed: int = 0
    cancelled: int = 0
    max_left: float | None = None
    searched: dict = field(default_factory=dict)


@dataclass
class Flags:
    """Comparison of two arrays of flags.

    Attributes
    ----------
    size, differing : int
        Number of elements, and of those that differ.
    bits : dict
        Bit (its value) to the number of elements in which ours has it and theirs has not, and the other
        way round: ``{4: (3, 0)}``.
    worst : tuple of int or None
        Index of a differing element.
    searched : dict
        Kind of explanation by LIKELY's search for jumps (`likely`) to the number of elements that differ in JUMP_DET
        alone, where it explains that.
    without_gain : int
        Elements in which theirs has JUMP_DET and ours has not, all else being equal, NO_GAIN_VALUE and DO_NOT_USE on
        both sides, and where ours has no value (`compare_products`).
    no_slope : int
        Others in which ours alone has DO_NOT_USE, all else being equal, where the slope is NaN on both sides
        (`compare_products`).
    """

    size: int
    differing: int
    bits: dict = field(default_factory=dict)
    worst: tuple | None = None
    searched: dict = field(default_factory=dict)
    without_gain: int = 0
    no_slope: int = 0


def compare_values(ours, theirs, tolerance, scale=0.0):
    """Compare two arrays of numbers.

    Parameters
    ----------
    ours, theirs : array
        Numbers; NaN agrees with NaN only, an infinity with the same infinity only.
    tolerance : float
        Largest difference that agrees, relative to ``max(|theirs|, scale)``.
    scale : float or array
        Smallest size that is taken for the size of a number; broadcast to the shape. NaN counts as 0.

    Returns
    -------
    Values

    Raises
    ------
    ValueError
        The shapes differ.
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"shape {a.shape} where the oracle has {b.shape}")
    special = ~(np.isfinite(a) & np.isfinite(b))
    mismatched = special & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        absolute = np.where(special, 0.0, np.abs(a - b))
        size = np.where(special, 1.0, np.abs(b))
        floor = np.nan_to_num(np.abs(scale), nan=0.0, posinf=0.0)
        relative = np.where(absolute == 0, 0.0, absolute / size)
        scaled = np.where(absolute == 0, 0.0, absolute / np.maximum(size, floor))
    if not a.size:
        return Values(0, 0, 0.0, 0.0, 0.0, 0, 0, None)
    first = np.argmax(mismatched) if mismatched.any() else np.argmax(scaled)
    return Values(
        size=a.size,
        nan_mismatches=int(mismatched.sum()),
        max_absolute=float(absolute.max()),
        max_relative=float(relative.max()),
        max_scaled=float(scaled.max()),
        relative_beyond=int((relative > tolerance).sum()),
        beyond=int((scaled > tolerance).sum()),
        worst=tuple(int(i) for i in np.unravel_index(first, a.shape)),
    )


def compare_flags(ours, theirs):
    """Compare two arrays of flags bit for bit.

    Returns
    -------
    Flags

    Raises
    ------
    ValueError
        The shapes differ.
    """
    a, b = np.asarray(ours, np.uint32), np.asarray(theirs, np.uint32)
    if a.shape != b.shape:
        raise ValueError(f"shape {a.shape} where the oracle has {b.shape}")
    changed = a ^ b
    differing = int(np.count_nonzero(changed))
    if not differing:
        return Flags(a.size, 0)
    bits = {}
    for bit in (1 << k for k in range(32)):
        ours_only, theirs_only = int(np.count_nonzero(a & ~b & bit)), int(np.count_nonzero(b & ~a & bit))
        if ours_only or theirs_only:
            bits[bit] = (ours_only, theirs_only)
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(changed != 0), a.shape))
    return Flags(a.size, differing, bits, worst)


def compare_tables(ours, theirs):
    """Say what differs between two tables (structured arrays): columns, types, rows, values.

    Returns
    -------
    list of str
        Nothing where they are equal; NaN equals NaN.
    """
    if ours.dtype.names != theirs.dtype.names:
        return [f"columns {ours.dtype.names} where the oracle has {theirs.dtype.names}"]
    if len(ours) != len(theirs):
        return [f"{len(ours)} rows where the oracle has {len(theirs)}"]
    problems = []
    for name in theirs.dtype.names:
        a, b = np.asarray(ours[name]), np.asarray(theirs[name])
        equal = (a == b) | ((a != a) & (b != b))
        if not np.all(equal):
            problems.append(f"column {name} differs in {np.count_nonzero(~equal)} rows")
    return problems


def compare_headers(ours, theirs, tolerance, steps=None):
    """Say what differs between two primary headers.

    Parameters
    ----------
    ours, theirs : mapping
        Keyword to value.
    tolerance : float
        For the numbers that steps derive (`NUMBERS`).
    steps : tuple of str, optional
        Status keywords to look at; by default all.

    Returns
    -------
    required : list of str
        Differences in S_*, R_*, CRDS_CTX, DATAMODL and the derived numbers.
    other : list of str
        Differences in all else but `SOFTWARE`; commentary is not compared.
    """
    required, other = [], []
    for key in sorted({*ours, *theirs} - {*SOFTWARE, "COMMENT", "HISTORY", ""}):
        a, b = ours.get(key), theirs.get(key)
        if a == b or (steps is not None and key.startswith("S_") and key not in steps):
            continue
        if key in NUMBERS and a is not None and b is not None and abs(a - b) <= tolerance * abs(b):
            continue
        must = key.startswith(STATUS) or key in NUMBERS or key in ("CRDS_CTX", "DATAMODL")
        (required if must else other).append(f"{key}={a!r} (oracle {b!r})")
    return required, other


@dataclass
class Difference:
    """Comparison of one product with the oracle's.

    Attributes
    ----------
    values, flags : dict
        EXTNAME to `Values` or `Flags`.
    problems : list of str
        What must be equal and is not: extensions, shapes, types, tables, keywords.
    remarks : list of str
        Other keywords that differ.
    """

    values: dict = field(default_factory=dict)
    flags: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    remarks: list = field(default_factory=list)

    def record(self):
        """Return it as a dict for JSON."""
        return asdict(self)


def compare_products(ours, theirs, tolerance, scales=None, steps=None, searched=None):
    """Compare two products.

    Parameters
    ----------
    ours, theirs : `~astropy.io.fits.HDUList`
        Open products.
    tolerance : float
        As for `compare_values`.
    scales : dict, optional
        EXTNAME to the scale of its values; 0 where there is none.
    steps : tuple of str, optional
        As for `compare_headers`.
    searched : dict, optional
        Elements that LIKELY's search for jumps explains, a boolean array of the shape of SCI for each kind; no
        element is of two kinds.

    Returns
    -------
    Difference
    """
    difference, scales, searched = Difference(), scales or {}, searched or {}
    names = [hdu.name for hdu in theirs[1:] if hdu.name != "ASDF"]
    present = [hdu.name for hdu in ours[1:] if hdu.name != "ASDF"]
    for name in sorted({*names} ^ {*present}):
        side, hdu = ("only ours", ours[name]) if name in present else ("missing", theirs[name])
        # jwst 1.19 writes an empty INT_TIMES where the exposure had none.
        if name != "INT_TIMES" or len(hdu.data):
            difference.problems.append(f"extension {name}: {side}")
    for name in (name for name in names if name in present):
        try:
            _compare_extension(name, ours[name], theirs[name], tolerance, scales.get(name, 0.0), difference)
        except ValueError as error:
            difference.problems.append(f"{name}: {error}")
    if "DQ" in theirs and "DQ" in ours:
        for name, values in difference.values.items():
            if values.nan_mismatches:
                values.nan_without_gain = _nan_without_gain(ours, theirs, name)
    for name, values in difference.values.items():
        if values.beyond and "VAR_RNOISE" in difference.values:
            _explain(values, name, ours, theirs, tolerance, scales.get(name, 0.0), searched)
        if values.nan_mismatches:
            mismatched = np.isfinite(ours[name].data) != np.isfinite(theirs[name].data)
            for kind, mask in searched.items():
                before, _ = values.searched.get(kind, (0, 0))
                values.searched[kind] = (before, int(np.count_nonzero(mismatched & mask)))
    if searched and "DQ" in difference.flags:
        changed = ours["DQ"].data.astype(np.uint32) ^ theirs["DQ"].data.astype(np.uint32)
        counts = {kind: int(np.count_nonzero((changed == JUMP_DET) & mask)) for kind, mask in searched.items()}
        difference.flags["DQ"].searched = counts
    if "DQ" in difference.flags and "SCI" in difference.values:
        difference.flags["DQ"].without_gain = _jumps_without_gain(ours, theirs)
        difference.flags["DQ"].no_slope = _without_slope(ours, theirs)
    problems, remarks = compare_headers(ours[0].header, theirs[0].header, tolerance, steps)
    difference.problems += problems
    difference.remarks += remarks
    return difference


def _nan_without_gain(ours, theirs, name):
    a, b = ours[name].data, theirs[name].data
    if not a.shape == b.shape == ours["DQ"].data.shape == theirs["DQ"].data.shape:
        return 0
    flagged = ours["DQ"].data & theirs["DQ"].data & NO_GAIN_VALUE != 0
    return int(np.count_nonzero(flagged & np.isnan(a) & np.isfinite(b)))


def _jumps_without_gain(ours, theirs):
    a, b = (product["DQ"].data.astype(np.uint32) for product in (ours, theirs))
    if ours["SCI"].data.shape != a.shape:
        return 0
    flagged = a & b & (NO_GAIN_VALUE | DO_NOT_USE) == NO_GAIN_VALUE | DO_NOT_USE
    return int(np.count_nonzero(flagged & (a ^ b == b & JUMP_DET) & (a != b) & np.isnan(ours["SCI"].data)))


def _without_slope(ours, theirs):
    a, b = (product["DQ"].data.astype(np.uint32) for product in (ours, theirs))
    slopes = [product["SCI"].data for product in (ours, theirs)]
    if not a.shape == b.shape == slopes[0].shape == slopes[1].shape:
        return 0
    return int(np.count_nonzero((a == b | DO_NOT_USE) & (a != b) & np.isnan(slopes[0]) & np.isnan(slopes[1])))


def _explain(values, name, ours, theirs, tolerance, scale, searched):
    """Count the elements beyond the tolerance that are `zeroed`, `cancelled` and `searched`; look at the others."""
    a, b = ours[name].data.astype(np.float64), theirs[name].data.astype(np.float64)
    error = theirs["ERR"].data.astype(np.float64) if "ERR" in theirs else np.zeros_like(b)
    if not a.shape == error.shape == ours["VAR_RNOISE"].data.shape:
        return
    size = np.maximum(np.abs(b), np.nan_to_num(np.abs(scale), nan=0.0, posinf=0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.abs(a - b)
        beyond = np.isfinite(a) & np.isfinite(b) & (difference > tolerance * size)
        small = difference <= ROUNDING * (error if name in ("SCI", "ERR") else error**2)
        scaled = difference / size
    without_variance = (ours["VAR_RNOISE"].data == 0) & (theirs["VAR_RNOISE"].data == 0)
    zeroed = beyond & (b == 0) & without_variance & (name == "SCI")
    values.zeroed = int(np.count_nonzero(zeroed))
    left = beyond & ~zeroed & ~small
    values.cancelled = int(np.count_nonzero(beyond & small & ~zeroed))
    values.searched = {kind: (int(np.count_nonzero(left & mask)), 0) for kind, mask in searched.items()}
    for mask in searched.values():
        left = left & ~mask
    values.max_left = float(np.max(scaled, where=left, initial=0.0))


def _compare_extension(name, ours, theirs, tolerance, scale, difference):
    if theirs.data is None or ours.data is None:
        if (theirs.data is None) != (ours.data is None):
            difference.problems.append(f"{name}: no data on one side")
        return
    is_table = theirs.data.dtype.names is not None
    kind, expected = (data.dtype.newbyteorder("=") for data in (ours.data, theirs.data))
    if not is_table and kind != expected:
        difference.problems.append(f"{name}: type {kind} where the oracle has {expected}")
    elif name in VALUES:
        difference.values[name] = compare_values(ours.data, theirs.data, tolerance, scale)
    elif name in FLAGS:
        difference.flags[name] = compare_flags(ours.data, theirs.data)
    elif is_table:
        difference.problems += [f"{name}: {text}" for text in compare_tables(ours.data, theirs.data)]
    elif not np.array_equal(ours.data, theirs.data, equal_nan=True):
        difference.problems.append(f"{name}: differs")
