"""Which waves an exposure shows, and its clocking: from the emicorr reference, or built in.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rampflow.errors import StepError
from rampflow.steps import NotApplicable
from rampflow.steps.beforehand import clocking, interfering, speed
from rampflow.steps.emicorr.clock import Clock

#: Clocks of a row and of a frame, for waves that no reference is needed for.
_CLOCKS = {
    "SLITLESSPRISM": (28, 15904),
    "MASKLYOT": (90, 32400),
    "SUB64": (28, 8512),
    "SUB128": (44, 11904),
    "MASK1140": (82, 23968),
    "MASK1550": (82, 23968),
    "MASK1065": (82, 23968),
    "FULL_FAST": (271, 277504),
    "FULL_SLOW": (2333, 2388992),
    "BRIGHTSKY": (162, 86528),
    "SUB256": (96, 29952),
}


class Wave(NamedTuple):
    """A wave to be subtracted.

    Attributes
    ----------
    name : str
        In the reference.
    frequency : float
        In Hz.
    amplitudes : 1D `~numpy.ndarray` or None
        One period (DN), equally spaced; None if it is to be measured.
    """

    name: str
    frequency: float
    amplitudes: np.ndarray | None


class Case(NamedTuple):
    """What an exposure shows: its waves, and the clocks of a row and of a frame."""

    waves: tuple
    rowclocks: int
    frameclocks: int


def known_waves(tree: Mapping[str, Any], *, subarray: str, readpatt: str, detector: str) -> Case:
    """Waves that an exposure shows according to the reference.

    Parameters
    ----------
    tree : dict
        Content of the reference file, ``subarray_cases`` and ``frequencies``.
    subarray, readpatt, detector : str
        SUBARRAY, READPATT, DETECTOR.

    Returns
    -------
    Case
        In the order of the reference.

    Raises
    ------
    NotApplicable
        If the reference has no such subarray, or no waves of it for the pattern.
    StepError
        If what it has of them cannot be used.
    """
    name = clocking(subarray, readpatt)
    try:
        names = interfering(tree["subarray_cases"], subarray=subarray, readpatt=readpatt, detector=detector)
        case = tree["subarray_cases"][name]
        waves = tuple(_wave(str(each), tree["frequencies"][each]) for each in names)
        clocks = [int(case[key]) for key in ("rowclocks", "frameclocks")]
    # Whatever a tree may hold in place of what it should.
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StepError(
            f"the emicorr reference has no frequency, phase_amplitudes, rowclocks and frameclocks of {name} that can "
            f"be used (at {error}); take another one"
        ) from error
    if min(clocks) < 1:
        raise StepError(f"the emicorr reference has clocks of {name} that are not above 0: {clocks}; take another one")
    return Case(waves, *clocks)


def _wave(name: str, entry: Mapping[str, Any]) -> Wave:
    frequency, amplitudes = float(entry["frequency"]), np.asarray(entry["phase_amplitudes"], np.float64)
    if amplitudes.ndim != 1 or not amplitudes.size or not 0 < frequency < np.inf:
        raise ValueError(f"{name}: {frequency:g} Hz, amplitudes of shape {amplitudes.shape}")
    return Wave(name, frequency, amplitudes)


def unknown_waves(frequencies: Sequence[float], *, subarray: str, readpatt: str) -> Case:
    """Waves to be measured on the fly.

    Parameters
    ----------
    frequencies : list of float
        In Hz.
    subarray, readpatt : str
        SUBARRAY, READPATT.

    Returns
    -------
    Case
        In the order given.

    Raises
    ------
    NotApplicable
        If the clocking of the subarray is not known.
    """
    name = clocking(subarray, readpatt)
    if name not in _CLOCKS:
        raise NotApplicable(f"the clocking of subarray {name} is not known; known: {', '.join(_CLOCKS)}")
    return Case(tuple(Wave(str(float(each)), float(each), None) for each in frequencies), *_CLOCKS[name])


def known_clock(*, subarray, readpatt, nsamples, ngroups, rows):
    """Return the timing of an exposure from the clocking that is built in; raises as `unknown_waves`."""
    case = unknown_waves([], subarray=subarray, readpatt=readpatt)
    return Clock.of(
        rowclocks=case.rowclocks,
        frameclocks=case.frameclocks,
        nsamples=nsamples,
        readpatt=readpatt,
        ngroups=ngroups,
        rows=rows,
    )


def measured_reference(
    case: Case, correction: Any, *, subarray: str, readpatt: str, detector: str, date: str
) -> dict[str, Any]:
    """Put the waves that were measured into the form of a reference file.

    Parameters
    ----------
    case : Case
        From `unknown_waves`.
    correction : Correction
        From `fit_waves` of it.
    subarray, readpatt, detector, date : str
        SUBARRAY, READPATT, DETECTOR, DATE.

    Returns
    -------
    dict
        ``meta``, ``frequencies`` and ``subarray_cases``. The waves stand under READPATT, where jwst puts them and
        does not find them again, and where `known_waves` and jwst look.
    """
    names = [wave.name for wave in case.waves]
    pace = speed(readpatt)
    patterns = {readpatt: names, pace: names if pace == "FAST" else {detector: names}}
    return {
        "meta": {
            "author": "rampflow",
            "date": date,
            "description": "EMI correction file, measured in an exposure",
            "instrument": {"name": "MIRI"},
            "model_type": "EmiModel",
            "pedigree": "GROUND",
            "reftype": "emicorr",
            "telescope": "JWST",
            "useafter": date[:19],
        },
        "frequencies": {
            wave.name: {"frequency": wave.frequency, "phase_amplitudes": fitted.measured}
            for wave, fitted in zip(case.waves, correction.waves, strict=True)
        },
        "subarray_cases": {
            clocking(subarray, readpatt): {
                "frameclocks": case.frameclocks,
                "freqs": patterns,
                "rowclocks": case.rowclocks,
            }
        },
    }
