"""The persistence of windows in time: for a while after a pixel has saturated its groups are flagged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from rampflow.steps import persistence

if TYPE_CHECKING:
    from pathlib import Path

    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


def flag(step: Step, before: Path | None) -> Path | None:
    """Flag groups inside windows, and keep those that stay open.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step.
    before : `~pathlib.Path` or None
        Windows that the exposure before has left open.

    Returns
    -------
    `~pathlib.Path` or None
        The file with those that this one leaves open, where it is to be kept.
    """
    persistence.check_window(step.parameters["persistence_time"])
    source = step.source
    starts = persistence.integration_starts(
        expstart=float(source.needed("EXPSTART")["expstart"]),
        effinttm=source.keyword("EFFINTTM", 0.0),
        nints=source.shape[0],
        intstart=source.keyword("INTSTART"),
        int_times=source.table("INT_TIMES")["int_start_MJD_UTC"] if "INT_TIMES" in source else None,
    )
    tgroup = float(source.needed("TGROUP")["tgroup"])
    until, elsewhere = _open_before(step, before)
    found = step.chunks.rows(
        persistence.flag_windows,
        reads=("GROUPDQ",) if step.parameters["dn_threshold"] is None else ("GROUPDQ", "SCI"),
        writes=("GROUPDQ",),
        along={"until": until},
        starts=starts,
        tgroup=tgroup,
        **step.options("persistence_time", "dn_threshold", "persistence_dnu"),
    )
    until = np.concatenate([until for (until,) in found])
    return _keep(step, until, elsewhere, starts[-1] + source.shape[1] * tgroup)


def _open_before(step: Step, before: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the windows that are open when the exposure starts.

    jwst counts rows and columns from the corner of the array; what this workflow writes also says where these
    are on the detector, and which windows are open beside them.

    Returns
    -------
    until : 2D float64 `~numpy.ndarray`
        Of the exposure's pixels (s); 0 where none is open.
    elsewhere : 2D float64 `~numpy.ndarray`
        Row and column on the detector, and end, of those outside.
    """
    until, elsewhere = np.zeros(step.source.shape[-2:]), np.zeros((0, 3))
    if before is None:
        return until, elsewhere
    import asdf

    detector, window = step.source.text("DETECTOR"), step.source.window
    with asdf.open(before) as opened:
        entry = opened.tree.get(detector)
        if entry is None:
            log.info("%s has no windows of %s", before, detector)
            return until, elsewhere
        found = np.stack([np.asarray(entry[key], np.float64) for key in ("rows", "cols", "vals")], axis=1)
        keys = ("detector_rows", "detector_columns")
        places = [np.asarray(entry.get(key, own)) for key, own in zip(keys, window.places, strict=True)]
        found = found[(found[:, :2] < [len(rows_or_columns) for rows_or_columns in places]).all(axis=1)]
        for axis in range(2):
            found[:, axis] = places[axis][found[:, axis].astype(int)]
        beside = np.asarray(entry.get("elsewhere", []), np.float64).reshape(-1, 3)
    known = np.concatenate([found, beside])
    y, x = known[:, :2].astype(int).T
    rows, columns = window.places
    whole = np.zeros((max(y.max(initial=0), rows.max()) + 1, max(x.max(initial=0), columns.max()) + 1))
    # Lines that were read several times in a frame are known several times.
    np.maximum.at(whole, (y, x), known[:, 2])
    until[:] = whole[np.ix_(rows, columns)]
    return until, known[~(np.isin(y, rows) & np.isin(x, columns))]


def _keep(step: Step, until: np.ndarray, elsewhere: np.ndarray, last: float) -> Path | None:
    """Write the windows that are open after the last group, where they are to be saved or handed on."""
    name = step.parameters["save_persistence"]
    if not (name or step.parameters["chain"]):
        return None
    name = name if isinstance(name, str) else f"{step.exposure}_persistence"
    rows, columns = np.nonzero(until)
    entry = {
        "rows": rows,
        "cols": columns,
        "vals": until[rows, columns],
        **dict(zip(("detector_rows", "detector_columns"), step.source.window.places, strict=True)),
        "elsewhere": elsewhere[elsewhere[:, 2] >= last],
        "filename": step.product.header["FILENAME"],
        "pers_time": step.parameters["persistence_time"],
    }
    return step.auxiliary.add_tree(name.removesuffix(".asdf") + ".asdf", {step.source.text("DETECTOR"): entry}).path
