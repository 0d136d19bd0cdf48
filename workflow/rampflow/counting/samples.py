"""What a correction has changed, measured on a sample that is the same however an exposure is cut into chunks.

The statistics are robust: medians and scatters by the median deviation, so that stars, cosmic rays and bad pixels in
the sample say little. Numbers have six digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: Largest sample of a correction: integrations, groups of each, rows of each, columns of each.
INTEGRATIONS, GROUPS, ROWS, COLUMNS = 2, 3, 16, 256
#: Largest sample of lines: blocks of successive lines, and lines in a block.
BLOCKS, LINES = 2, 128
#: Fewest pixels of a line, and lines of an amplifier, that are measured.
_FEWEST = 8
#: From the median deviation to the standard deviation of a normal distribution.
_SCATTER = 1.4826
#: Where the mean is clipped.
_CLIP = 5.0
#: Columns, or rows, of a near-infrared amplifier of which four share the detector, and of the detector.
_AMPLIFIER, _DETECTOR = 512, 2048


def evenly(length: int, most: int) -> np.ndarray:
    """Choose at most so many indices of an axis, evenly from its first to its last."""
    return np.unique(np.round(np.linspace(0, length - 1, min(length, most))).astype(int))


def blocks(length: int) -> list[slice]:
    """Choose blocks of successive lines, evenly from the first line to the last."""
    lines = min(length, LINES)
    starts = np.unique(np.round(np.linspace(0, length - lines, min(BLOCKS, length // lines))).astype(int))
    return [slice(int(start), int(start) + lines) for start in starts]


def digits(value: Any) -> float | None:
    """Round to six digits; None where it is not a number."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def describe(values: np.ndarray) -> dict[str, Any]:
    """Describe what was subtracted.

    Parameters
    ----------
    values : 1D `~numpy.ndarray`
        Values before less values after (DN); NaN is left out.

    Returns
    -------
    dict
        ``samples``, how many there are; ``median``; ``scatter``, 1.4826 times the median absolute deviation from it;
        ``mean`` of the values within 5 scatters of the median. None where there is no sample.
    """
    values = values[np.isfinite(values)].astype(np.float64)
    if not values.size:
        return {"samples": 0, "mean": None, "median": None, "scatter": None}
    median = np.median(values)
    deviations = np.abs(values - median)
    scatter = _SCATTER * np.median(deviations)
    mean = np.mean(values[deviations <= _CLIP * scatter])
    return {"samples": int(values.size), "mean": digits(mean), "median": digits(median), "scatter": digits(scatter)}


class Readout(NamedTuple):
    """How the lines of a frame were read.

    Attributes
    ----------
    transposed : bool
        Lines of the detector, along which its pixels are read one after the other, are columns of the frame.
    amplifiers : 1D int `~numpy.ndarray`
        Number, from 1, of the amplifier of each pixel of a line.
    """

    transposed: bool
    amplifiers: np.ndarray

    @classmethod
    def of(cls, instrument: str, fastaxis: int, noutputs: int | None, places: tuple[np.ndarray, np.ndarray]) -> Readout:
        """Tell how an exposure was read.

        Parameters
        ----------
        instrument : str
            INSTRUME.
        fastaxis : int
            FASTAXIS.
        noutputs : int or None
            NOUTPUTS.
        places : tuple of 1D `~numpy.ndarray`
            Row and column on the detector of the rows and columns of a frame, from 0.
        """
        transposed = abs(fastaxis) == 2
        place = places[0] if transposed else places[1]
        if instrument == "MIRI":
            return cls(transposed, place % 4 + 1)
        if noutputs is None or noutputs < 4:
            return cls(transposed, np.ones(place.size, int))
        return cls(transposed, (_DETECTOR - 1 - place if fastaxis < 0 else place) // _AMPLIFIER + 1)


def levels(first: np.ndarray, second: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Measure the levels of lines in the difference of two successive groups.

    Parameters
    ----------
    first, second : 2D `~numpy.ndarray`
        Lines of both groups, those of one amplifier, shape (lines, pixels).
    usable : 2D bool `~numpy.ndarray`
        Pixels to look at.

    Returns
    -------
    1D float64 `~numpy.ndarray`
        Of each line the mean of the middle half of its differences (DN), NaN of one with fewer than 8 pixels. (A
        median would be a whole number where the counts are.)
    """
    with np.errstate(invalid="ignore"):
        values = np.where(usable, np.subtract(second, first, dtype=np.float32), np.float32(np.nan))
    values[np.isinf(values)] = np.nan
    # NaN comes last.
    values.sort(axis=1)
    number = np.count_nonzero(~np.isnan(values), axis=1)
    quarter, place = number[:, None] // 4, np.arange(values.shape[1])
    middle = (place >= quarter) & (place < number[:, None] - quarter)
    found = np.where(middle, values, 0).sum(axis=1, dtype=np.float64) / np.maximum(middle.sum(axis=1), 1)
    return np.where(number >= _FEWEST, found, np.nan)


def noise_of(found: np.ndarray) -> float | None:
    """Scatter of the levels of lines around their median: 1.4826 times the median deviation (DN)."""
    known = found[np.isfinite(found)]
    if known.size < _FEWEST:
        return None
    return digits(_SCATTER * np.median(np.abs(known - np.median(known))))


def spectrum(found: list[np.ndarray]) -> list[float]:
    """Average the power spectra of the levels of blocks of successive lines.

    Parameters
    ----------
    found : list of 1D `~numpy.ndarray`
        From `levels`, of one length n; the level of a line that has none is the median of its block.

    Returns
    -------
    list of float
        Power (DN² per cycle and line, one-sided) at 1/n, 2/n, … 1/2 cycles per line; empty where no block has a level.
    """
    powers = []
    for block in found:
        known = np.isfinite(block)
        if np.count_nonzero(known) < _FEWEST:
            continue
        filled = np.where(known, block, np.median(block[known]))
        powers.append(2 * np.abs(np.fft.rfft(filled - filled.mean()))[1:] ** 2 / block.size)
    return [digits(power) or 0.0 for power in np.mean(powers, axis=0)] if powers else []
