"""Time series of an observation, integration by integration across its segments: light, jumps, reference pixels.

What the records have counted is not counted again; of products, one integration is read at a time.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.inspection import inspector_planes as planes
from rampflow.inspection.exposures import ExposureResults

_NOT_LIGHT = dq.DO_NOT_USE | dq.REFERENCE_PIXEL


@dataclass
class TimeSeries:
    """Time series of an observation; all arrays have an element for each integration of all segments.

    Attributes
    ----------
    names : list of str
        Exposures, in the order of their segments.
    starts : list of int
        Number of the first integration of each, from 0.
    light : `~numpy.ndarray`
        Sum of the rates [DN/s] of the pixels that are good in the rate of every segment; where such a pixel has no
        number in one integration, it counts as in the rate of its segment. NaN where rates of integrations are missing.
    jumps : `~numpy.ndarray`
        Fraction of the groups of an integration that are JUMP_DET, reference pixels left out; NaN where not known.
    level : `~numpy.ndarray`
        Mean of the reference pixels of all groups [DN], in the product before refpix; NaN where there are none.
    before : str
        Which product that was; "" for none.
    trouble : list of str
        Why something is missing.
    """

    names: list
    starts: list = field(default_factory=list)
    light: np.ndarray = field(default_factory=lambda: np.zeros(0))
    jumps: np.ndarray = field(default_factory=lambda: np.zeros(0))
    level: np.ndarray = field(default_factory=lambda: np.zeros(0))
    before: str = ""
    trouble: list = field(default_factory=list)


def segments(exposure, names):
    """Return those of some exposures that are segments of the same one, in their order; itself if it is no segment."""
    observation, number = _parts(exposure)
    if number is None:
        return [exposure]
    numbered = {name: part[1] for name in names if (part := _parts(name))[0] == observation and part[1] is not None}
    return sorted(numbered, key=numbered.get)


def _parts(name):
    one = ExposureResults(name, {}, {}, [])
    return one.observation, one.segment


def series(results, names, progress=None):
    """Read the time series of the segments of an observation.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    names : list of str
        Exposures.
    progress : callable, optional
        Called with the number of segments that are done and of all.

    Returns
    -------
    TimeSeries
    """
    found, parts = TimeSeries(list(names)), []
    sources = [planes.sources_of(results, name) for name in names]
    there = [planes.products(each) for each in sources]
    good = _good(there, found)
    for number, (each, products) in enumerate(zip(sources, there, strict=True)):
        if progress:
            progress(number, len(names))
        light, level = _noted(found, _light, products, good), _noted(found, _level, each, products, found)
        jumps = _noted(found, _jumps, each, products)
        length = max((len(one) for one in (light, jumps, level) if one is not None), default=0)
        parts.append([_filled(one, length) for one in (light, jumps, level)])
    lengths = [len(part[0]) for part in parts]
    found.starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(int).tolist()
    found.light, found.jumps, found.level = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return found


def _filled(values, length):
    """Fill up what is missing with NaN."""
    there = np.zeros(0) if values is None else values
    return np.append(there, np.full(length - len(there), np.nan))


def _noted(found, read, *arguments):
    try:
        return read(*arguments)
    except (FileProblem, OSError, ValueError) as problem:
        found.trouble.append(" ".join(str(problem).split()))
        return None


def _good(there, found):
    """Return the pixels that are good in the rates of all segments; None where one is missing or unlike the others."""
    good = None
    for products in there:
        if "rate" not in products:
            found.trouble.append("no light: the rate of a segment is not there")
            return None
        rate = planes.opened(products["rate"]).product
        flags, values = rate["DQ"].read(), rate["SCI"].read()
        one = (flags & np.uint32(_NOT_LIGHT) == 0) & np.isfinite(values)
        if good is not None and good.shape != one.shape:
            found.trouble.append("no light: the segments have frames of different shapes")
            return None
        good = one if good is None else good & one
    return good


def _light(products, good):
    if good is None or "rateints" not in products:
        return None
    usual = planes.opened(products["rate"]).product["SCI"].read()[good]
    cube = planes.opened(products["rateints"]).product["SCI"]
    found = np.empty(cube.shape[0])
    for i in range(cube.shape[0]):
        values = cube.read(i)[good]
        found[i] = np.where(np.isfinite(values), values, usual).sum(dtype=np.float64)
    return found


def _jumps(sources, products):
    """Take what the record of jump has counted, or count in its product."""
    groups = (sources.records.get("jump", {}).get("counts") or {}).get("groups") or {}
    counted = groups.get("set_by_integration", {}).get("JUMP_DET")
    if counted:
        return np.array(counted, float) * len(counted) / max(groups["of"], 1)
    if "jump" not in products:
        return None
    ramp = planes.opened(products["jump"])
    if groups:
        # The record has counted, and no jump: there was none.
        return np.zeros(ramp.integrations)
    whole = planes.Cutout(0, ramp.shape[0], 0, ramp.shape[1])
    used = ~ramp.flagged(dq.REFERENCE_PIXEL, 0, 0, whole)
    of = max(np.count_nonzero(used) * ramp.groups, 1)
    return np.array([
        sum(np.count_nonzero(ramp.flagged(dq.JUMP_DET, i, g, whole) & used) for g in range(ramp.groups)) / of
        for i in range(ramp.integrations)
    ])  # fmt: skip


def _flagged(chain, products):
    """Open a product that has flags of pixels; None where there is none."""
    for name in ("rate", *reversed(chain)):
        if name in products:
            one = planes.opened(products[name])
            if "DQ" in one.product or "PIXELDQ" in one.product:
                return one
    return None


def _level(sources, products, found):
    """Average the reference pixels of each integration, in the last product before refpix that is there."""
    chain = ["uncal", *sources.ramp_steps]
    at = chain.index("refpix") if "refpix" in chain else len(chain)
    before = next((step for step in reversed(chain[:at]) if step in products), None)
    flagged = _flagged(chain, products)
    if before is None or flagged is None:
        return None
    ramp = planes.opened(products[before])
    if flagged.shape != ramp.shape or ramp.striped:
        return None
    rows, columns = ramp.shape
    parts = list(_bars(flagged.flagged(dq.REFERENCE_PIXEL, 0, 0, planes.Cutout(0, rows, 0, columns))))
    if not parts:
        return None
    found.before = before
    levels = np.empty(ramp.integrations)
    for i in range(ramp.integrations):
        values = [ramp.read("SCI", i, g, part).ravel() for g in range(ramp.groups) for part in parts]
        levels[i] = np.concatenate(values).mean(dtype=np.float64)
    return levels


def _bars(reference):
    """Cut rows of which all pixels are reference pixels into windows, or else such columns."""
    rows, columns = reference.shape
    for axis, whole in ((0, reference.all(axis=1)), (1, reference.all(axis=0))):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.view(np.int8), [0]])))
        runs = list(pairwise(edges.tolist()))[::2]
        for first, last in runs:
            yield planes.Cutout(first, last, 0, columns) if axis == 0 else planes.Cutout(0, rows, first, last)
        if runs:
            return
