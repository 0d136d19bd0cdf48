"""Real detector configurations: windows, read-out patterns, orientations, nominal properties.

The windows (``subarrays.tsv``) are those of the observatory's own aperture file (SIAF, release
PRDOPSSOC-M-026, through pysiaf) and, for NIRSpec and SOSS, of the CRDS rules; the patterns
(``read_patterns.tsv``) those of the JDox pages on MULTIACCUM read-out. What is read in stripes
(``stripes.tsv``) is, for DHS and SOSS, what jwst's own tests have; of NIRCam's superstripes no more than the names
is public, which tell how many lines each has: what precedes these is taken from SOSS. SUB64P_SUPSTP002 of NRCB1,
which reads a line after one of reference pixels, four times in a frame, is in jwst's tests. All coordinates are 1-based
pixels of the science (DMS) frame, as in SUBSTRT1/2.
"""

import csv
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

from rampflow.detector import irs2
from rampflow.mock.multistripe import StripeReadout

#: Time to sample one pixel [s]; every JWST read-out runs on this clock.
PIXEL_CLOCK = 1e-5


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of a detector in science coordinates (1-based start, size), x first as in FITS."""

    xstart: int
    ystart: int
    xsize: int
    ysize: int

    @property
    def shape(self):
        """Shape of an array that holds the window: (ny, nx)."""
        return self.ysize, self.xsize

    def within(self, outer):
        """Slices that cut this window out of the last two axes of an array that holds `outer`."""
        x, y = self.xstart - outer.xstart, self.ystart - outer.ystart
        if x < 0 or y < 0 or x + self.xsize > outer.xsize or y + self.ysize > outer.ysize:
            raise ValueError(f"{self} does not lie within {outer}")
        return slice(y, y + self.ysize), slice(x, x + self.xsize)

    def union(self, other):
        """Smallest window that holds both."""
        x, y = min(self.xstart, other.xstart), min(self.ystart, other.ystart)
        xend = max(self.xstart + self.xsize, other.xstart + other.xsize)
        yend = max(self.ystart + self.ysize, other.ystart + other.ysize)
        return Rectangle(x, y, xend - x, yend - y)


@dataclass(frozen=True)
class Subarray:
    """One row of a table; `noutputs` lists the allowed numbers, the usual one first.

    With `stripes` the window has the size of a frame, and the place that the keywords name.
    """

    instrument: str
    detector: str
    name: str
    window: Rectangle
    noutputs: tuple[int, ...]
    row_clocks: int | None
    stripes: StripeReadout | None = None


@dataclass(frozen=True)
class Multiaccum:
    """How frames make groups, and how often the detector is reset."""

    nframes: int
    groupgap: int
    nsamples: int
    resets_at_start: int
    resets_between: int


@dataclass(frozen=True)
class Properties:
    """Nominal properties of a detector; the maps of `detector.py` scatter about them.

    Attributes
    ----------
    gain : float
        Electrons per DN.
    read_noise : float
        Standard deviation of one read [DN].
    reset_noise : float
        Standard deviation of a pixel's level from one reset to the next (kTC) [DN].
    pedestal, bias_scatter : float
        Mean of the fixed level and its scatter from pixel to pixel [DN].
    dark : float
        Median dark rate [DN/s].
    settling : float
        What the level rises by during the first frames after a reset [DN]; part of the dark reference.
    well : float
        Signal at which a pixel stops responding, above bias, as the converter sees it [DN].
    nonlinearity : tuple of float
        Coefficients of x**2, x**3, x**4 of the polynomial that turns the measured into the linear signal.
    """

    gain: float
    read_noise: float
    reset_noise: float
    pedestal: float
    bias_scatter: float
    dark: float
    settling: float
    well: float
    nonlinearity: tuple[float, float, float]


_NIR_CURVE = (6.0e-7, 5.0e-12, 4.0e-17)
_MIRI_CURVE = (9.0e-7, 4.0e-12, 3.0e-17)
_PROPERTIES = {
    "NRCLONG": Properties(1.82, 6.0, 8.0, 11000.0, 250.0, 0.020, 4.0, 46000.0, _NIR_CURVE),
    "NRC": Properties(2.05, 5.6, 8.0, 12500.0, 250.0, 0.004, 4.0, 45000.0, _NIR_CURVE),
    "NIS": Properties(1.62, 6.5, 9.0, 11500.0, 300.0, 0.015, 5.0, 47000.0, _NIR_CURVE),
    "NRS": Properties(1.00, 9.0, 10.0, 9500.0, 250.0, 0.008, 5.0, 50000.0, _NIR_CURVE),
    "MIRI": Properties(4.00, 6.0, 6.0, 9000.0, 120.0, 0.060, 6.0, 47000.0, _MIRI_CURVE),
    "GUIDER": Properties(1.67, 7.0, 9.0, 10500.0, 300.0, 0.010, 4.0, 47000.0, _NIR_CURVE),
}

# FASTAXIS and SLOWAXIS: along which axis of the science frame, and which way, pixels and rows are read.
_ORIENTATIONS = {
    "NRS1": (2, 1),
    "NRS2": (-2, -1),
    "NIS": (-2, -1),
    "GUIDER1": (-1, -2),
    "GUIDER2": (-1, 2),
    "MIRIMAGE": (1, 2),
    "MIRIFUSHORT": (1, 2),
    "MIRIFULONG": (1, 2),
    **dict.fromkeys(("NRCA1", "NRCA3", "NRCALONG", "NRCB2", "NRCB4"), (-1, 2)),
    **dict.fromkeys(("NRCA2", "NRCA4", "NRCB1", "NRCB3", "NRCBLONG"), (1, -2)),
}
DETECTORS = tuple(_ORIENTATIONS)


def _table(name):
    with files(__package__).joinpath(name).open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream, delimiter="\t")


@cache
def _subarrays():
    rows = {}
    for row in _table("subarrays.tsv"):
        window = Rectangle(*(int(row[key]) for key in ("xstart", "ystart", "xsize", "ysize")))
        rows[row["detector"], row["subarray"]] = Subarray(
            row["instrument"],
            row["detector"],
            row["subarray"],
            window,
            tuple(int(number) for number in row["noutputs"].split(",")),
            int(row["row_clocks"]) if row["row_clocks"] else None,
        )
    return rows


@cache
def _striped():
    rows = {}
    for row in _table("stripes.tsv"):
        window = Rectangle(*(int(row[key]) for key in ("xstart", "ystart", "xsize", "ysize")))
        stripes = StripeReadout(*(int(row[field.name]) for field in fields(StripeReadout)))
        outputs = tuple(int(number) for number in row["noutputs"].split(","))
        rows[row["detector"], row["subarray"]] = Subarray(
            row["instrument"], row["detector"], row["subarray"], window, outputs, None, stripes
        )
    return rows


@cache
def _read_patterns():
    keys = ("nframes", "groupgap", "nsamples", "resets_at_start", "resets_between")
    return {
        (row["instrument"], row["readpatt"]): Multiaccum(*(int(row[key]) for key in keys))
        for row in _table("read_patterns.tsv")
    }


def subarray(detector, name):
    """Look up a subarray of a detector; ValueError names those that it has."""
    try:
        return (_subarrays() | _striped())[detector, name]
    except KeyError:
        known = sorted(sub for det, sub in _subarrays() | _striped() if det == detector) or f"detectors {DETECTORS}"
        raise ValueError(f"no subarray {name} on {detector}; known: {known}") from None


def subarrays(detector):
    """All subarrays of a detector that are rectangles, the full frame among them."""
    return [row for (owner, _), row in _subarrays().items() if owner == detector]


def striped():
    """All subarrays that are read in stripes, of all detectors."""
    return list(_striped().values())


def read_pattern(instrument, name):
    """Look up a read-out pattern of an instrument; ValueError names those that it has."""
    try:
        return _read_patterns()[instrument, name]
    except KeyError:
        known = sorted(pattern for inst, pattern in _read_patterns() if inst == instrument)
        raise ValueError(f"no read-out pattern {name} on {instrument}; known: {known}") from None


def read_patterns(instrument):
    """Names of the read-out patterns of an instrument."""
    return [name for owner, name in _read_patterns() if owner == instrument]


def full_frame(detector):
    """Window of the whole detector."""
    return subarray(detector, "FULL").window


def instrument_of(detector):
    """Name of the instrument that a detector belongs to."""
    return subarray(detector, "FULL").instrument


def orientation(detector):
    """(FASTAXIS, SLOWAXIS) of a detector."""
    return _ORIENTATIONS[detector]


def properties(detector):
    """Nominal properties of a detector."""
    if detector.startswith("NRC") and detector.endswith("LONG"):
        return _PROPERTIES["NRCLONG"]
    return next(value for prefix, value in _PROPERTIES.items() if detector.startswith(prefix))


def is_irs2(readpatt):
    """Whether reference pixels are interleaved with the others."""
    return readpatt.startswith("NRSIRS2")


def row_clocks(detector, window, readpatt):
    """Pixel clocks that MIRI spends on one row of a window; for an artificial one, those of its width."""
    if readpatt.startswith("SLOW"):
        return 9 * (window.xsize // 4) + 11
    known = {row.window: row.row_clocks for (owner, _), row in _subarrays().items() if owner == detector}
    return known.get(window, window.xsize // 4 + 10)


def frame_time(detector, window, noutputs, readpatt):
    """Time to read one frame [s], from the clocking of the detector.

    HgCdTe detectors (JDox, "NIRCam Detector Readout" and its sisters): 12 clocks at the end of a row and
    one extra row, two through a single output. MIRI (JDox, "MIRI Detector Readout Fast"): rows outside
    the window are skipped in 7 clocks each.
    """
    if instrument_of(detector) == "MIRI":
        clocks = window.ysize * row_clocks(detector, window, readpatt) + (1024 - window.ysize) * 7
        return clocks * PIXEL_CLOCK
    fast, slow = window.xsize, window.ysize
    if abs(orientation(detector)[0]) == 2:
        fast, slow = slow, fast
    if is_irs2(readpatt):
        return irs2.LINE_SLOTS * (slow + 1) * PIXEL_CLOCK
    return (fast // noutputs + 12) * (slow + extra_rows(noutputs)) * PIXEL_CLOCK


def extra_rows(noutputs):
    """Rows that a HgCdTe detector spends on a frame beside those that it reads, before them."""
    return 1 if noutputs == 4 else 2
