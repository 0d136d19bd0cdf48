"""What a step does to its product, counted where the values are in memory anyway, for the record of the job.

Flags of groups are compared chunk by chunk as they are written, in the thread that has the chunk; those of pixels, and
samples of the values, when the product is complete. Numbers are sums of integers, or are measured on a sample that
does not depend on chunks, so they are the same whatever the memory and the threads of a job.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rampflow.counting import flags, samples
from rampflow.detector import dq
from rampflow.detector.subarray import Window
from rampflow.jobs.frames import JoinedSuperstripes, SameFrames

if TYPE_CHECKING:
    from pathlib import Path

    from rampflow.io import files
    from rampflow.jobs.source import Source

#: Flags whose number in each integration is kept, where a step has set them.
_BY_INTEGRATION = ("SATURATED", "JUMP_DET")


class FilledRamp(Protocol):
    """What is asked of a product: `~rampflow.jobs.products.RampProduct` has it."""

    source: Source
    frames: SameFrames
    path: Path

    @property
    def header(self) -> Any:
        """Primary header."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of SCI."""

    def array(self, name: str) -> files.Array:
        """Return an array of the product."""

    def from_source(self, name: str, integration: int, *group: int) -> np.ndarray:
        """Read a frame of the source as the product would have it."""


class GroupTally:
    """Flags of groups that a step has set and cleared.

    Parameters
    ----------
    nints : int
        Integrations of the product.

    Attributes
    ----------
    whole : bool
        Whether all groups have been looked at, and not only those that the step has written.
    doubtful : bool
        Whether it cannot be told from what was written, and has to be counted in the product.
    used : uint8 `~numpy.ndarray` or None
        Pixels that were counted, as `~rampflow.counting.flags.used_pixels` returns them; None before the first.
    """

    def __init__(self, nints: int) -> None:
        self.whole = self.doubtful = False
        self.used: np.ndarray | None = None
        self._numbers = np.zeros((nints, len(flags.KINDS), 8), np.int64)
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Begin anew, as all groups are going to be written."""
        self.whole = True
        self._numbers[:] = 0

    def add(self, before: np.ndarray | None, after: np.ndarray, index: tuple[Any, ...], pixeldq: Any) -> None:
        """Count a chunk.

        Parameters
        ----------
        before, after : uint8 `~numpy.ndarray`
            Flags that the groups had, and have now; None where there were none.
        index : tuple
            Integration, or slice of them; group, or slice; if not all rows, a slice of them.
        pixeldq : callable
            Returns PIXELDQ of the product; called before the first chunk is counted.
        """
        rows = index[2] if len(index) > 2 else slice(None)
        which = np.arange(len(self._numbers))[index[0]]
        with self._lock:
            if self.used is None:
                self.used = flags.used_pixels(pixeldq())
        shape = (np.size(which), -1, *after.shape[-2:])
        first = int(np.min(which, initial=len(self._numbers)))
        before = None if before is None else before.reshape(shape)
        found = flags.compare_groups(before, after.reshape(shape), self.used[:, rows], first)
        with self._lock:
            self._numbers[first : first + len(found)] += found

    def summary(self, used: np.ndarray, ngroups: int) -> dict[str, Any]:
        """Return the numbers for the record; see `rampflow.inspection.counts`.

        Parameters
        ----------
        used : uint8 `~numpy.ndarray`
            Pixels that are counted.
        ngroups : int
            Groups of an integration.
        """
        nints = len(self._numbers)
        pixels = [int(np.count_nonzero(image)) for image in used]
        found: dict[str, Any] = {"of": ngroups * sum(pixels[i % len(pixels)] for i in range(nints))}
        for number, kind in enumerate(flags.KINDS):
            if kind != "total" or self.whole:
                found[kind] = flags.named(self._numbers[:, number].sum(axis=0))
        bits = {name: dq.MNEMONICS[name].bit_length() - 1 for name in _BY_INTEGRATION if name in found["set"]}
        if bits:
            found["set_by_integration"] = {name: self._numbers[:, 1, bit].tolist() for name, bit in bits.items()}
        return found


class RateTally:
    """Flags of count rates: of the exposure, beside those of its ramp, and of the integrations."""

    def __init__(self) -> None:
        self._numbers = {name: np.zeros((len(flags.KINDS), 32), np.int64) for name in ("pixels", "rateints")}
        self._of = dict.fromkeys(self._numbers, 0)
        self._missing = dict.fromkeys(self._numbers, 0)
        self._lock = threading.Lock()

    def add(self, pixeldq: np.ndarray, rate: Any, rateints: Any) -> None:
        """Count rows.

        Parameters
        ----------
        pixeldq : uint32 `~numpy.ndarray`
            PIXELDQ of the ramp, shape (rows, columns).
        rate, rateints : object
            What `~rampflow.jobs.rates.FittedRates.write` is given.
        """
        for name, before, fitted in (("pixels", pixeldq, rate), ("rateints", rateints.dq, rateints)):
            numbers, of, _ = flags.compare_pixels(before, fitted.dq)
            missing = flags.count_missing(fitted.slope, fitted.dq)
            with self._lock:
                self._numbers[name] += numbers
                self._of[name] += of
                self._missing[name] += missing

    def summary(self) -> dict[str, Any]:
        """Return the numbers for the record."""
        found = {}
        for name, numbers in self._numbers.items():
            counted = dict(zip(flags.KINDS, map(flags.named, numbers), strict=True))
            if self._missing[name]:
                counted["total"][flags.NO_RATE] = self._missing[name]
            found[name] = {"of": self._of[name]} | counted
        # There is nothing to compare those of integrations with.
        found["rateints"] = {key: found["rateints"][key] for key in ("of", "total")}
        return found


def pixel_counts(before: np.ndarray, after: np.ndarray) -> tuple[dict[str, Any], int]:
    """Compare flags of pixels.

    Parameters
    ----------
    before, after : uint32 `~numpy.ndarray`
        Flags before and after the step.

    Returns
    -------
    counts : dict
        For the record.
    changed : int
        Bits that have changed in any pixel.
    """
    numbers, of, changed = flags.compare_pixels(before, after)
    return {"of": of} | dict(zip(flags.KINDS, map(flags.named, numbers), strict=True)), changed


def change(product: FilledRamp, pixeldq: np.ndarray) -> dict[str, Any]:
    """Measure what a step has subtracted from SCI, on a sample of the product.

    Parameters
    ----------
    product : FilledRamp
        The product, complete but for its name.
    pixeldq : uint32 `~numpy.ndarray`
        Its PIXELDQ.

    Returns
    -------
    dict
        As `~rampflow.counting.samples.describe` returns it.
    """
    nints, ngroups, ny, nx = product.shape
    rows, columns = samples.evenly(ny, samples.ROWS), samples.evenly(nx, samples.COLUMNS)
    usable = _usable(pixeldq[..., rows[:, None], columns])
    found = []
    for integration in samples.evenly(nints, samples.INTEGRATIONS).tolist():
        for group in samples.evenly(ngroups, samples.GROUPS).tolist():
            before, after = _rows(product, integration, group, rows)
            removed = np.subtract(before[:, columns], after[:, columns], dtype=np.float64)
            found.append(removed[usable[integration % len(usable)]])
    return samples.describe(np.concatenate(found))


def line_noise(product: FilledRamp, pixeldq: np.ndarray) -> dict[str, Any] | None:
    """Measure the noise of lines before and after a step, amplifier by amplifier; None of ramps of a single group.

    It is looked for in the difference of the two groups in the middle of the integration in the middle.

    Parameters
    ----------
    product : FilledRamp
        The product, complete but for its name.
    pixeldq : uint32 `~numpy.ndarray`
        Its PIXELDQ.

    Returns
    -------
    dict or None
        ``amplifiers``: of each ``before`` and ``after`` (DN), see `~rampflow.counting.samples.noise_of`;
        ``spectrum``: of all of them, ``lines`` and the powers ``before`` and ``after``, see
        `~rampflow.counting.samples.spectrum`.
    """
    nints, ngroups, ny, nx = product.shape
    source = product.source
    if ngroups < 2 or source.keyword("FASTAXIS") is None:
        return None
    noutputs = source.keyword("NOUTPUTS")
    readout = samples.Readout.of(source.instrument, source.keyword("FASTAXIS"), noutputs, _places(product))
    integration, group = nints // 2, (ngroups - 1) // 2
    names = np.unique(readout.amplifiers).tolist()
    noise: dict[str, dict[str, list[np.ndarray]]] = {str(name): {"before": [], "after": []} for name in names}
    lines = samples.blocks(nx if readout.transposed else ny)
    for block in lines:
        where = (slice(None), block) if readout.transposed else (block, slice(None))
        pairs = zip(*(_blocks(product, integration, g, where) for g in (group, group + 1)), strict=True)
        usable = _usable(pixeldq[..., *where])
        good = usable[integration % len(usable)]
        good = good.T if readout.transposed else good
        for when, pair in zip(("before", "after"), pairs, strict=True):
            first, second = (values.T if readout.transposed else values for values in pair)
            for name in names:
                own = readout.amplifiers == name
                noise[str(name)][when].append(samples.levels(first[:, own], second[:, own], good[:, own]))
    measured = {
        name: {when: samples.noise_of(np.concatenate(found)) for when, found in sides.items()}
        for name, sides in noise.items()
    }
    powers = {
        when: samples.spectrum([block for sides in noise.values() for block in sides[when]])
        for when in ("before", "after")
    }
    return {"amplifiers": measured, "spectrum": {"lines": lines[0].stop - lines[0].start} | powers}


def _usable(pixeldq: np.ndarray) -> np.ndarray:
    """Mask pixels that are neither DO_NOT_USE nor reference pixels, shape (positions, rows, columns)."""
    good = (pixeldq & np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL)) == 0
    return good.reshape(-1, *good.shape[-2:])


def _places(product: FilledRamp) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the detector that the product's frames have."""
    if isinstance(product.frames, JoinedSuperstripes):
        return Window.of(product.header, product.shape, product.path).places
    window = product.source.window
    return (window if type(product.frames) is SameFrames else window.of_normal_pixels()).places


def _rows(product: FilledRamp, integration: int, group: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read rows of a group before and after the step."""

    def read(array: files.Array, places: np.ndarray) -> np.ndarray:
        found = [array.read(integration, group, slice(y, y + 1)) for y in places.tolist()]
        return np.concatenate(found).astype(np.float32, copy=False)

    after = read(product.array("SCI"), rows)
    there = product.frames.source_rows(rows)
    if there is None:
        return product.from_source("SCI", integration, group)[rows], after
    return read(product.source["SCI"], there), after


def _blocks(product: FilledRamp, integration: int, group: int, where: Any) -> tuple[np.ndarray, np.ndarray]:
    """Read a rectangle of a group before and after the step."""
    after = product.array("SCI").read(integration, group, *where)
    if type(product.frames) is SameFrames:
        return product.source.read("SCI", integration, group, *where), after
    return product.from_source("SCI", integration, group)[where], after
