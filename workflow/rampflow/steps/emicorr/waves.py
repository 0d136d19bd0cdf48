"""Measure the waves of an exposure one after the other, and subtract them.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rampflow.steps.emicorr import joint, sequential
from rampflow.steps.emicorr.clock import Clock, period_of

if TYPE_CHECKING:
    from rampflow.steps.emicorr.reference import Case


class Ramp(NamedTuple):
    """An exposure that is read part by part.

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

    def amplitudes(self, case):
        """Return how strong the waves are that are subtracted.

        Parameters
        ----------
        case : Case
            What was looked for.

        Returns
        -------
        list of dict
            Of each wave its ``name``, ``frequency`` (Hz), and ``amplitude``: half of the difference between its highest
            and its lowest value (DN), where integrations have their own the mean of theirs.
        """
        found = []
        for wave, fitted in zip(case.waves, self.waves, strict=True):
            if isinstance(fitted, joint.FittedWave):
                amplitude = np.ptp(wave.amplitudes) / 2 * np.abs(fitted.amplitudes).mean()
            else:
                amplitude = np.ptp(fitted.table) / 2
            strength = {"frequency": float(wave.frequency), "amplitude": float(f"{amplitude:.6g}")}
            found.append({"name": wave.name} | strength)
        return found


def fit_waves(
    ramp: Ramp,
    case: Case,
    *,
    pixeldq: np.ndarray,
    readpatt: str,
    nsamples: int,
    xstart: int,
    algorithm: str,
    nints_to_phase: int | None,
    nbins: int | None,
    scale_reference: bool,
    use_n_cycles: int | None,
    fit_ints_separately: bool,
) -> Correction:
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


def subtract_waves(sci: np.ndarray, *, place: tuple[int, slice], correction: Correction) -> np.ndarray:
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
