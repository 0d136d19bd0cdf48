"""Samples that are not a number: no step may take them for counts, so their flags say DO_NOT_USE."""

import numpy as np

from rampflow.detector import dq


def has_nan(values: np.ndarray) -> bool:
    """Return whether any of these float32 values is NaN; as fast as they can be read."""
    # The largest of values needs no array of its own, is NaN if one of them is, and is found in half of the time that
    # their sum takes.
    with np.errstate(invalid="ignore"):
        return bool(np.isnan(np.maximum.reduce(values, axis=None, initial=-np.inf)))


def flag_nan(values: np.ndarray, flags: np.ndarray) -> bool:
    """Set DO_NOT_USE, in place, where values are NaN and are not flagged yet.

    Parameters
    ----------
    values : float `~numpy.ndarray`
        Counts or slopes.
    flags : integer `~numpy.ndarray`
        Their flags, of the same shape.

    Returns
    -------
    bool
        Whether there was any.
    """
    found = has_nan(values)
    if found:
        flags[np.isnan(values)] |= flags.dtype.type(dq.DO_NOT_USE)
    return found
