"""Percentiles of more float32 values than memory holds: the values come in parts, as often as they are asked for."""

from collections.abc import Callable, Iterable

import numpy as np

Parts = Callable[[], Iterable[np.ndarray]]


def _keys(values):
    """Whole numbers that are in the order of the values."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))


def _values(keys):
    bits = np.where(keys >> 31 == 1, keys & np.uint32(0x7FFFFFFF), ~keys)
    return bits.astype(np.uint32).view(np.float32)


def percentiles(parts: Parts, *percents: float) -> list[np.float32] | None:
    """Return percentiles, between two values in proportion, as numpy's.

    Parameters
    ----------
    parts : callable
        Returns an iterable of 1D float32 arrays without NaN; called twice.
    *percents : float
        From 0 to 100.

    Returns
    -------
    list of float32 or None
        None where there is no value.
    """
    high = np.zeros(1 << 16, np.int64)
    for values in parts():
        high += np.bincount(_keys(values) >> 16, minlength=high.size)
    ends = np.cumsum(high)
    count = int(ends[-1])
    if not count:
        return None
    places = [(count - 1) * percent / 100 for percent in percents]
    ranks = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, count - 1))})
    bins = {rank: int(np.searchsorted(ends, rank, side="right")) for rank in ranks}
    low = {number: np.zeros(1 << 16, np.int64) for number in bins.values()}
    for values in parts():
        keys = _keys(values)
        for number, counts in low.items():
            counts += np.bincount(keys[keys >> 16 == number] & 0xFFFF, minlength=counts.size)
    found = {}
    for rank, number in bins.items():
        within = rank - (ends[number] - high[number])
        last = int(np.searchsorted(np.cumsum(low[number]), within, side="right"))
        found[rank] = _values(np.array([number << 16 | last], np.uint32))[0]
    return [_between(found, place, count) for place in places]


def _between(found, place, count):
    below = int(place)
    one, other = found[below], found[min(below + 1, count - 1)]
    return np.float32(one + (np.float64(other) - one) * (place - below))
