"""Subtract electromagnetic interference from MIRI exposures.

Currents elsewhere in the instrument put waves of a few sharp frequencies (390 Hz, 10 Hz and others, by subarray)
on the read-out. Their period is that of some thousand pixels, so they show as a pattern that drifts from frame
to frame. Every pixel's time of reading is known to the pixel clock, hence its phase in the wave. The emicorr
reference file holds one period of each wave (DN) and says which of them each subarray and read pattern shows.
Waves are subtracted one after the other, each measured in counts from which those before it are gone: by a fit
together with the ramps (`joint`), or by phase in the residuals of the ramps (`sequential`), which can also
measure waves that no reference knows.

The exposure is never held: it is read anew for each wave, in blocks of rows or frames (`Ramp`), and what was
found before is subtracted from what is read. Only then is it corrected, in one further reading. Flags are
neither used, but for PIXELDQ, nor changed.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rampflow.steps import NotApplicable
from rampflow.steps.emicorr import joint, sequential
from rampflow.steps.emicorr.clock import Clock, period_of

_PATTERNS = ("FAST", "FASTR1", "SLOW", "SLOWR1")
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
_FEWEST_GROUPS = 3
#: Parameters of `fit_waves` that are the step's.
OPTIONS = (
    "algorithm",
    "nints_to_phase",
    "nbins",
    "scale_reference",
    "use_n_cycles",
    "fit_ints_separately",
)


class Ramp(NamedTuple):
    """An exposure that is read piece by piece.

    Attributes
    ----------
    shape : tuple of int
        (integrations, groups, rows, columns).
    rows : callable
        Called with an integration; yields (slice of rows, counts of shape (groups, rows, columns)), in order.
    frame : callable
        Called with an integration and a group; returns counts of shape (rows, columns).
    each : callable
        As `map`: results of a function, in order; it may work on several items at a time.
    room : int
        Bytes that may be held.
    """

    shape: tuple
    rows: Callable
    frame: Callable
    each: Callable
    room: int


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


class Correction(NamedTuple):
    """What is subtracted from an exposure: waves, in order, and the timing of the exposure."""

    waves: tuple
    clock: Clock

    def subtract(self, sci, *, integration, group=0, row=0):
        """Subtract the waves from groups of an integration, in place.

        Parameters
        ----------
        sci : 3D float32 `~numpy.ndarray`
            Counts (DN), shape (groups, rows, columns), all columns. NaN stays NaN.
        integration, group, row : int
            Place of the first value in the exposure.

        Returns
        -------
        3D float32 `~numpy.ndarray`
            ``sci``.
        """
        for wave in self.waves:
            wave.subtract(sci, self.clock, integration=integration, group=group, row=row)
        return sci


def check_exposure(*, instrument, readpatt):
    """Say whether an exposure can be corrected, apart from its length.

    Raises
    ------
    NotApplicable
        If it is not MIRI's, or in another pattern than FAST, FASTR1, SLOW and SLOWR1.
    """
    if instrument != "MIRI":
        raise NotApplicable(f"the interference is MIRI's, this is an exposure of {instrument}")
    if readpatt not in _PATTERNS:
        raise NotApplicable(f"no timing is known for READPATT={readpatt}; it is for {', '.join(_PATTERNS)}")


def check_groups(ngroups):
    """Refuse ramps that are too short.

    Raises
    ------
    NotApplicable
        If there are fewer than three groups.
    """
    if ngroups < _FEWEST_GROUPS:
        raise NotApplicable(f"{ngroups} groups where at least {_FEWEST_GROUPS} are needed")


def case_name(subarray, readpatt):
    """Name of the clocking of a subarray: FULL is clocked differently in the FAST and the SLOW patterns."""
    return f"{subarray}_{_speed(readpatt)}" if "FULL" in subarray else subarray


def _speed(readpatt):
    return "FAST" if "FAST" in readpatt else "SLOW"


def known_waves(tree, *, subarray, readpatt, detector):
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
    """
    name = case_name(subarray, readpatt)
    case = tree["subarray_cases"].get(name)
    if case is None:
        raise NotApplicable(f"the emicorr reference has no subarray {name}")
    names = case["freqs"].get(_speed(readpatt))
    if _speed(readpatt) == "SLOW" and names is not None:
        names = names.get(detector)
    if not names:
        raise NotApplicable(f"the emicorr reference has no frequencies of {name} for {readpatt} on {detector}")
    found = [tree["frequencies"][each] for each in names]
    waves = (
        Wave(each, float(entry["frequency"]), np.asarray(entry["phase_amplitudes"], np.float64))
        for each, entry in zip(names, found, strict=True)
    )
    return Case(tuple(waves), case["rowclocks"], case["frameclocks"])


def unknown_waves(frequencies, *, subarray, readpatt):
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
    name = case_name(subarray, readpatt)
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


def fit_waves(
    ramp,
    case,
    *,
    pixeldq,
    readpatt,
    nsamples,
    xstart,
    algorithm,
    nints_to_phase,
    nbins,
    scale_reference,
    use_n_cycles,
    fit_ints_separately,
):
    """Measure the waves of an exposure.

    Parameters
    ----------
    ramp : Ramp
        The exposure.
    case : Case
        Its waves.
    pixeldq : 2D `~numpy.ndarray`
        PIXELDQ, shape (rows, columns): the joint algorithm uses pixels without flags only.
    readpatt, nsamples, xstart
        READPATT, NSAMPLES, SUBSTRT1.
    algorithm : str
        ``"joint"`` or ``"sequential"``; waves without amplitudes are measured by the latter.
    nints_to_phase, nbins, scale_reference, use_n_cycles
        Of the sequential algorithm: integrations to use (None: enough for ``use_n_cycles`` periods of the *first*
        wave, as jwst has it; all if both are None), bins of phase (None: half the period in pixel clocks, at most
        500), whether a known wave is scaled to the measured one.
    fit_ints_separately : bool
        Of the joint algorithm: each integration has its own amplitude and phase.

    Returns
    -------
    Correction
        What to subtract.
    """
    clock = Clock.of(
        rowclocks=case.rowclocks,
        frameclocks=case.frameclocks,
        nsamples=nsamples,
        readpatt=readpatt,
        ngroups=ramp.shape[1],
        rows=ramp.shape[2],
    )
    found, nints = Correction((), clock), nints_to_phase
    for wave in case.waves:
        corrected = _corrected(ramp, found)
        if algorithm == "joint" and wave.amplitudes is not None:
            fitted = joint.fit_wave(
                corrected,
                clock,
                pixeldq,
                frequency=wave.frequency,
                wave=wave.amplitudes,
                separately=fit_ints_separately,
            )
        else:
            if nints is None and use_n_cycles is not None:
                periods = use_n_cycles * period_of(wave.frequency)
                nints = int(np.ceil(periods / (case.frameclocks * ramp.shape[1])))
            fitted = sequential.fit_wave(
                corrected,
                clock,
                xstart,
                frequency=wave.frequency,
                wave=wave.amplitudes,
                nints=nints,
                nbins=nbins,
                scale_reference=scale_reference,
            )
        found = Correction((*found.waves, fitted), clock)
    return found


def subtract_waves(sci, *, place, correction):
    """Subtract the waves from groups of an integration, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (groups, rows, columns): whole frames. NaN stays NaN.
    place : tuple
        Integration, and slice of its groups.
    correction : Correction
        From `fit_waves`.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.
    """
    integration, groups = place
    return correction.subtract(sci, integration=integration, group=groups.start)


def _corrected(ramp, correction):
    """Let a ramp be read without the waves found so far."""

    def rows(integration):
        for block, sci in ramp.rows(integration):
            yield block, correction.subtract(sci, integration=integration, row=block.start)

    def frame(integration, group):
        sci = ramp.frame(integration, group)
        return correction.subtract(sci[None], integration=integration, group=group)[0]

    return ramp._replace(rows=rows, frame=frame)


def measured_reference(case, correction, *, subarray, readpatt, detector, date):
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
    speed = _speed(readpatt)
    patterns = {readpatt: names, speed: names if speed == "FAST" else {detector: names}}
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
            case_name(subarray, readpatt): {
                "frameclocks": case.frameclocks,
                "freqs": patterns,
                "rowclocks": case.rowclocks,
            }
        },
    }
