"""Where the spectra of NIRISS SOSS are, by the `pastasoss` reference: one trace for every order.

The reference has the traces at the commanded position of the pupil wheel, and wavelengths along them as polynomials
of the column and of how far the wheel is from there. An exposure sees them turned by that angle (degrees) about a
pivot. Traces are told in pixels of the subarray SUBSTRIP256.

Sources: https://jwst-pipeline.readthedocs.io/en/latest/jwst/references_general/pastasoss_reffile.html;
Baines et al., JWST-STScI-008571.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rampflow.steps import NotApplicable

#: First row of SUBSTRIP256 on the detector, from 0, how many it has, and how many of them are below SUBSTRIP96.
_FIRST_ROW, _ROWS, _BELOW = 1792, 256, 10
#: Rows on either side of a trace that are masked.
_HALF_WIDTH = 16


class Trace(NamedTuple):
    """The trace of an order: places along it (pixels, from 0) and wavelengths (um), 1D float64."""

    order: int
    columns: np.ndarray
    rows: np.ndarray
    wavelengths: np.ndarray


def turn(columns: np.ndarray, rows: np.ndarray, angle: float, pivot: tuple[float, float]) -> np.ndarray:
    """Turn a curve about a pivot; return its rows at the columns that it had before.

    Parameters
    ----------
    columns, rows : 1D float64 `~numpy.ndarray`
        The curve.
    angle : float
        Degrees.
    pivot : tuple of float
        Column and row.
    """
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    x, y = columns - pivot[0], rows - pivot[1]
    turned_x, turned_y = cosine * x - sine * y + pivot[0], sine * x + cosine * y + pivot[1]
    order = np.argsort(turned_x)
    return _straight_on(columns, turned_x[order], turned_y[order])


def _straight_on(at, x, y):
    """Interpolate between points in order of `x`; beyond the first and the last two the line goes straight on."""
    found = np.interp(at, x, y)
    for beyond, end, next_to_it in ((at < x[0], 0, 1), (at > x[-1], -1, -2)):
        slope = (y[end] - y[next_to_it]) / (x[end] - x[next_to_it])
        found[beyond] = y[end] + slope * (at[beyond] - x[end])
    return found


def wavelengths_at(columns: np.ndarray, offset: float, model: Mapping[str, Any]) -> np.ndarray:
    """Evaluate the polynomial of the wavelength.

    Parameters
    ----------
    columns : 1D float64 `~numpy.ndarray`
        Where.
    offset : float
        By how much the pupil wheel is off (degrees).
    model : mapping
        ``scale_extents``: lowest and highest column and offset, which are 0 and 1 to the polynomial;
        ``coefficients``: of 1, x, y, x^2, xy, y^2, x^3 …

    Returns
    -------
    1D float64 `~numpy.ndarray`
        Wavelengths (um).
    """
    low, high = np.asarray(model["scale_extents"], np.float64)
    x, y = (columns - low[0]) / (high[0] - low[0]), (offset - low[1]) / (high[1] - low[1])
    found, degree, power = np.zeros(columns.shape), 0, 0
    for coefficient in np.asarray(model["coefficients"], np.float64):
        found += coefficient * x ** (degree - power) * y**power
        degree, power = (degree, power + 1) if power < degree else (degree + 1, 0)
    return found


def traces(model: Mapping[str, Any], pupil: float | None, *, subarray: str) -> list[Trace]:
    """Find the traces of all orders that the reference has.

    Parameters
    ----------
    model : mapping
        Tree of the reference.
    pupil : float or None
        PWCPOS, the position of the pupil wheel (degrees).
    subarray : str
        SUBARRAY. Rows of SUBSTRIP96 are its own, others those of SUBSTRIP256.

    Returns
    -------
    list of Trace

    Raises
    ------
    NotApplicable
        PWCPOS is absent, or outside what the reference is made for.
    """
    meta = model["meta"]
    low, high = meta["pwcpos_bounds"]
    if pupil is None or not low <= pupil <= high:
        has = "the header has no PWCPOS" if pupil is None else f"PWCPOS is {pupil}"
        raise NotApplicable(f"{has}, where the pastasoss reference is for a pupil wheel from {low} to {high} degrees")
    offset, found = pupil - meta["pwcpos_cmd"], []
    for each, wavelength_model in zip(model["traces"], model["wavecal_models"], strict=True):
        columns, rows = np.asarray(each["trace"], np.float64).T
        # Before it is turned, as in jwst; the pivot stays.
        rows = rows - _BELOW if subarray == "SUBSTRIP96" else rows
        rows = turn(columns, rows, offset, (each["pivot_x"], each["pivot_y"]))
        inside = rows <= _ROWS - 1
        columns, rows = columns[inside], rows[inside]
        wavelengths = wavelengths_at(columns, offset, wavelength_model)
        found.append(Trace(int(each["spectral_order"]), columns, rows, wavelengths))
    return found


def drawn_out(trace: Trace, meta: Mapping[str, Any]) -> Trace:
    """Follow a trace over all wavelengths of the reference, straight on where it has ended.

    Parameters
    ----------
    trace : Trace
        From `traces`.
    meta : mapping
        Of the reference: ``wavemap_wlmin``, ``wavemap_wlmax`` (um) and ``wavemap_nwl``, how many there are.

    Returns
    -------
    Trace
        In order of the columns.
    """
    grid = np.linspace(meta["wavemap_wlmin"], meta["wavemap_wlmax"], meta["wavemap_nwl"])
    by_wavelength = np.argsort(trace.wavelengths)
    known = trace.wavelengths[by_wavelength]
    columns, rows = (_straight_on(grid, known, values[by_wavelength]) for values in (trace.columns, trace.rows))
    order = np.argsort(columns)
    return Trace(trace.order, columns[order], rows[order], grid[order])


def trace_mask(model: Mapping[str, Any], pupil: float | None, frame: tuple[int, int], *, subarray: str) -> np.ndarray:
    """Find the pixels of the traces of all orders.

    Parameters
    ----------
    model, pupil, subarray
        As for `traces`.
    frame : tuple of int
        Rows and columns of the exposure.

    Returns
    -------
    2D bool `~numpy.ndarray`
        True within 16 rows of a trace.

    Raises
    ------
    NotApplicable
        As by `traces`.
    """
    rows, columns = np.mgrid[: frame[0], : frame[1]]
    found = np.zeros(frame, bool)
    for trace in traces(model, pupil, subarray=subarray):
        whole = drawn_out(trace, model["meta"])
        middle = np.interp(np.arange(frame[1]), whole.columns, whole.rows)
        if subarray == "FULL":
            middle += _FIRST_ROW
        found |= (rows >= np.floor(middle - _HALF_WIDTH)) & (rows <= np.ceil(middle + _HALF_WIDTH))
    return found


class Box(NamedTuple):
    """The box along a trace in which light is summed.

    weights : 2D float64, how much of each pixel is in it; wavelengths : 1D float64, of every column (um), NaN where
    there is no box.
    """

    weights: np.ndarray
    wavelengths: np.ndarray


def light_box(model: Mapping[str, Any], pupil: float | None, frame: tuple[int, int], *, width: float = 15.0) -> Box:
    """Lay a box along the trace of the first order.

    As in jwst it is where the trace is in SUBSTRIP256, in SUBSTRIP96 too, where that is ten rows above it.

    Parameters
    ----------
    model, pupil, frame
        As for `trace_mask`.
    width : float
        Rows of the box.

    Returns
    -------
    Box
        A column that no wavelength of the reference falls on has a wavelength of 0.

    Raises
    ------
    NotApplicable
        As by `traces`, and if the reference has no first order.
    """
    first = [each for each in traces(model, pupil, subarray="SUBSTRIP256") if each.order == 1]
    if not first:
        raise NotApplicable("the pastasoss reference has no trace of the first order")
    columns, middle = first[0].columns.astype(int), first[0].rows
    inside = (columns >= 0) & (columns < frame[1])
    columns, middle = columns[inside], middle[inside]
    rows = np.arange(frame[0])[:, np.newaxis]
    weights = np.zeros(frame)
    # What the box and a pixel have in common, both of them intervals of rows.
    weights[:, columns] = np.clip(width / 2 + 0.5 - np.abs(rows - middle), 0, 1)
    whole = drawn_out(first[0], model["meta"])
    places = np.arange(frame[1])
    wavelengths = np.interp(places, whole.columns, whole.wavelengths, left=0, right=0)
    return Box(weights, np.where(weights.any(axis=0), wavelengths, np.nan))


def shortest_and_longest(
    table: Iterable[tuple[int, str, float, float]] | None, filter_name: str
) -> tuple[float, float]:
    """Look up the wavelengths of the first order that count.

    Parameters
    ----------
    table : iterable of tuple, optional
        Rows of the `wavelengthrange` reference: order, filter, shortest and longest wavelength (um). Without it all
        wavelengths count.
    filter_name : str
        FILTER.

    Returns
    -------
    tuple of float

    Raises
    ------
    NotApplicable
        The table has not one row for the filter.
    """
    if table is None:
        return -np.inf, np.inf
    rows = [row for row in table if int(row[0]) == 1 and str(row[1]) == filter_name]
    if len(rows) != 1:
        raise NotApplicable(
            f"the wavelengthrange reference has {len(rows)} rows for the first order and FILTER {filter_name}, "
            "where one is due"
        )
    return float(rows[0][2]), float(rows[0][3])
