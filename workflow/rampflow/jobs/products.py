"""The products of a step: a ramp, or count rates; laid out at full size, filled chunk by chunk, named when complete."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow import __version__
from rampflow.counting.flags import used_pixels
from rampflow.detector import dq
from rampflow.errors import OutOfOrder
from rampflow.io import files, keywords, layout, scratch
from rampflow.io.keywords import STATUS_KEYWORDS
from rampflow.jobs import tally
from rampflow.jobs.frames import JoinedSuperstripes, KeptRows, SameFrames
from rampflow.jobs.not_a_number import has_nan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rampflow.jobs.source import Source
    from rampflow.jobs.spec import JobSpec

#: The arrays of a ramp and their types.
_RAMP = {"SCI": np.float32, "PIXELDQ": np.uint32, "GROUPDQ": np.uint8}
_FRAMES = {"ZEROFRAME": np.float32, "REFOUT": np.float32}
#: Bytes of a piece of an array whose type changes on the way.
_CONVERTED = 1 << 20


class Stamp:
    """What a product says of the step that made it.

    Parameters
    ----------
    spec : `~rampflow.jobs.spec.JobSpec`
        The job.
    header : `~astropy.io.fits.Header`
        Primary header of the product of the step before.
    parameters : dict
        Resolved values by jwst's names.
    """

    def __init__(self, spec: JobSpec, header: Any, parameters: Mapping[str, Any]) -> None:
        self.spec, self.header, self.parameters = spec, header.copy(), parameters
        self._set: list[tuple[str, Any, str]] = []

    def set(self, key: str, value: Any, comment: str = "") -> None:
        """Set a keyword of the product; the header has room for a few that come late."""
        keywords.set_keyword(self.header, key, value, comment)
        self._set.append((key, value, comment))

    @property
    def status_keyword(self) -> str:
        """The keyword that records the outcome of the step."""
        return STATUS_KEYWORDS[self.spec.name][0]

    @property
    def note(self) -> str:
        """The step and its parameters in one line, for the product's history."""
        values = ", ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()))
        return f"{self.spec.name}: {values}" if values else f"{self.spec.name}: no parameters"

    def put(self, path: str | Path) -> None:
        """Put into the header what the step says of itself, and of those that were skipped before it."""
        for step in self.spec.skipped:
            keyword, comment = STATUS_KEYWORDS[step]
            self.set(keyword, "SKIPPED", comment)
        self.set(self.status_keyword, "COMPLETE", STATUS_KEYWORDS[self.spec.name][1])
        self.set("CAL_VER", f"rampflow {__version__}", "Calibration software version number")
        self.set("CAL_VCS", str(self.spec.code or "unknown"), "Digest of the step's code")
        keywords.set_keyword(self.header, "FILENAME", Path(path).name, "Name of the file")
        self.header.add_history(self.note)

    def repeat(self, header: Any) -> None:
        """Say the same in the header of another product."""
        for keyword in self._set:
            keywords.set_keyword(header, *keyword)
        header.add_history(self.note)


class RampProduct:
    """The ramp that a step makes: what it does not write is that of the source.

    Parameters
    ----------
    spec : `~rampflow.jobs.spec.JobSpec`
        The job.
    source : `~rampflow.jobs.source.Source`
        The ramp of the step before.
    stamp : `Stamp`
        What the header says.

    Attributes
    ----------
    frames : `~rampflow.jobs.frames.SameFrames`
        How its frames follow from those of the source.
    written : set of str
        Arrays that the step writes itself.
    counts : dict
        What the step did to flags and values, once the product is complete; `rampflow.inspection.counts` has the form.
    """

    def __init__(self, spec: JobSpec, source: Source, stamp: Stamp) -> None:
        self.path, self.source, self.stamp = Path(spec.outputs["ramp"]), source, stamp
        self._passes = not spec.stays
        self.frames: SameFrames = SameFrames(source)
        self.written: set[str] = set()
        self.counts: dict[str, Any] = {}
        self._tally: tally.GroupTally | None = None
        self._sets_pixeldq = self._wants_line_noise = False
        self._extra: list[tuple[str, np.ndarray]] = []
        self._pixeldq: np.ndarray | None = None
        self._new: Any = None
        self._lock = threading.Lock()

    @property
    def header(self) -> Any:
        """Primary header of the product."""
        return self.stamp.header

    @property
    def pixeldq(self) -> np.ndarray:
        """PIXELDQ of the source, uint32; what is done to it goes into the product."""
        if self._pixeldq is None:
            if "PIXELDQ" in self.source:
                self._pixeldq = self.source["PIXELDQ"].read()
            else:
                self._pixeldq = np.zeros(self.source.window.shape, np.uint32)
        return self._pixeldq

    @pixeldq.setter
    def pixeldq(self, value: np.ndarray) -> None:
        self._pixeldq, self._sets_pixeldq = value, True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of SCI."""
        return self.frames.shape(self.source.shape)

    # --- before the exposure is worked on ---------------------------------------------------------------

    def keep_rows(self, rows: np.ndarray) -> None:
        """Leave all rows but these out of the product; functions then return chunks without them.

        Parameters
        ----------
        rows : 1D bool `~numpy.ndarray`
            The rows to keep.

        Raises
        ------
        OutOfOrder
            The product is laid out already; so do `join_superstripes` and `add`.
        """
        self._not_yet("keep_rows")
        self.frames = KeptRows(self.source, rows)

    def join_superstripes(self) -> None:
        """Put superstripes together in the product. Of exposures without superstripes nothing changes.

        The step still works on superstripes; what its functions return is written where it belongs.
        """
        self._not_yet("join_superstripes")
        if self.source.window.positions:
            self.frames = JoinedSuperstripes(self.source)
            self.frames.describe(self.header)

    def add(self, name: str, values: np.ndarray) -> None:
        """Add a small image extension."""
        self._not_yet("add")
        self._extra.append((name, values))

    def measure_line_noise(self) -> None:
        """Have the noise of lines measured before and after the step, for the record."""
        self._wants_line_noise = True

    def _not_yet(self, what: str) -> None:
        if self._new is not None:
            raise OutOfOrder(f"{self.path}: {what} comes too late, the product is laid out already")

    # --- while it is worked on ----------------------------------------------------------------------------

    def lay_out(self) -> None:
        """Begin the file: every extension of the source, those of a ramp, what the step adds."""
        if self._new is not None:
            return
        self.stamp.put(self.path)
        shape = self.shape
        self._tally = tally.GroupTally(shape[0])
        shapes = {"SCI": shape, "PIXELDQ": (*self.frames.image_lead, *shape[-2:]), "GROUPDQ": shape}
        plans = []
        for name, kind in _RAMP.items():
            like = self.source.hdu(name).header if name in self.source else None
            plans.append(layout.image(name, shapes[name], kind, like=like, carried=True))
        added = [name for name, _ in self._extra]
        for hdu in self.source.hdus[1:]:
            if hdu.name in _FRAMES:
                shape = self.frames.shape(self.source[hdu.name].shape)
                plans.append(layout.image(hdu.name, shape, _FRAMES[hdu.name], like=hdu.header))
            elif hdu.name not in (*_RAMP, "ASDF", *added):
                plans += self.frames.extension(hdu)
        plans += [layout.image(name, values.shape, values.dtype) for name, values in self._extra]
        tree = self.frames.metadata()
        plans += [tree] if tree is not None else []
        model = "SuperstripeRampModel" if self.frames.image_lead else "RampModel"
        self.header["DATAMODL"] = (model, "Type of data model")
        place = scratch.place(self.path) if self._passes else None
        self._new = layout.NewProduct(self.path, self.header, plans, place)

    def read(self, name: str, *index: Any) -> np.ndarray:
        """Read a chunk of an array as the step has written it.

        Raises
        ------
        OutOfOrder
            Nothing has been written to that array.
        """
        if self._new is None or name not in self.written:
            raise OutOfOrder(f"{self.path}: {name} has not been written, it cannot be read")
        return self._new[name].read(*index)

    def write(self, name: str, values: np.ndarray, *index: Any) -> None:
        """Write a chunk of an array; what is never written stays as it was in the source."""
        self.lay_out()
        if name not in self.written:
            self._carry(name)
            self.written.add(name)
        if name == "GROUPDQ":
            self._groups.doubtful |= self._groups.whole
        self._put(name, values, index)

    def begin(self, *names: str) -> None:
        """Lay the product out for arrays that will be written whole, by `store`."""
        self.lay_out()
        self.written.update(names)
        if "GROUPDQ" in names:
            self._groups.begin()

    def store(self, result: Any, names: tuple[str, ...], index: Any) -> None:
        """Write chunks of arrays that were begun, in the order of their names; one array need not be in a tuple."""
        result = result if isinstance(result, tuple) else (result,)
        for name, values in zip(names, result, strict=True):
            self._put(name, values, index)

    def _put(self, name: str, values: np.ndarray, index: Any) -> None:
        """Write a chunk of an array; samples that are not a number are flagged in GROUPDQ."""
        if name == "SCI" and not self.frames.unread_is_nan and has_nan(values):
            with self._lock:
                flags = np.isnan(values)
                if "GROUPDQ" not in self.written:
                    self._carry("GROUPDQ")
                    self.written.add("GROUPDQ")
                groupdq = self._new["GROUPDQ"].read(*index)
                before = groupdq.copy()
                groupdq[flags] |= np.uint8(dq.DO_NOT_USE)
                self._groups.doubtful |= self._groups.whole
                self._groups.add(before, groupdq, index, self._flags_of_pixels)
                self._new["GROUPDQ"].write(groupdq, *index)
        elif name == "GROUPDQ":
            values = np.ascontiguousarray(values, np.uint8)
            if type(self.frames) is SameFrames:
                before = self.source.read(name, *index) if name in self.source else None
                self._groups.add(before, values, index, self._flags_of_pixels)
            else:
                self._groups.doubtful = True
        self._new[name].write(values, *index)

    @property
    def _groups(self) -> tally.GroupTally:
        self.lay_out()
        assert self._tally is not None
        return self._tally

    def _flags_of_pixels(self) -> np.ndarray:
        """Return PIXELDQ of the product."""
        return self.frames.flags(self.pixeldq)

    def array(self, name: str) -> files.Array:
        """Return an array of the product, whether the step has written it or not."""
        self.lay_out()
        return self._new[name]

    def _carry(self, name: str) -> None:
        """Copy an array of the source into the product as it is, converted to the product's type."""
        if name not in self.source:
            return  # absent flags are zero, and zero bytes are what an unwritten array reads as
        source, target = self.source[name], self._new[name]
        if source.raw == target.raw and source.shift == target.shift and source.shape == target.shape:
            size = int(np.prod(source.shape, dtype=np.int64)) * source.raw.itemsize
            files.copy_range(source.descriptor, target.descriptor, source.offset, target.offset, size)
            return
        if name == "SCI" and type(self.frames) is SameFrames:
            self._convert(source, target)
            return
        if name == "GROUPDQ" and target.shape[:-2]:
            self._groups.begin()
        for index in np.ndindex(target.shape[:-2]):
            values = self.from_source(name, *index).astype(target.dtype, copy=False)
            if name == "GROUPDQ":
                self._groups.add(values, values, index, self._flags_of_pixels)
            target.write(values, *index)

    @staticmethod
    def _convert(source: files.Array, target: files.Array) -> None:
        """Copy an array of the same shape into one of another type, so many rows at once that the cache holds them."""
        *planes, ny, nx = target.shape
        height = max(1, _CONVERTED // (nx * target.raw.itemsize))
        for index in np.ndindex(*planes):
            for start in range(0, ny, height):
                rows = slice(start, min(start + height, ny))
                target.write(source.read(*index, rows).astype(target.dtype, copy=False), *index, rows)

    def from_source(self, name: str, integration: int, *group: int) -> np.ndarray:
        """Read a frame of the source as the product has it where the step leaves it as it is."""
        samples, source, kind = self.frames.samples, self.source[name], self._new[name].dtype
        index = [each // samples for each in group]
        chunks = [source.read(number, *index).astype(kind) for number in self.frames.sources(integration)]
        return self.frames.rows(self.frames.join(chunks, group[0] % samples if group else 0))

    # --- the end ------------------------------------------------------------------------------------------

    def finish(self, status: str, reason: str | None = None) -> None:  # noqa: ARG002
        """Write what the step left untouched, and the keywords, and give the product its name."""
        if status != "COMPLETE":
            if self._new is not None:
                self._new.discard()
            self.written, self._pixeldq, self._new = set(), None, None
            self.frames = self.frames.when_skipped()
        self.lay_out()
        if status != "COMPLETE":
            self.header[self.stamp.status_keyword] = status
        for name, values in self._extra:
            self._new[name].write(values)
        for plan in self._new.plans:
            if plan.name in ("SCI", "GROUPDQ", *_FRAMES) and plan.name not in self.written:
                self._carry(plan.name)
        pixeldq = self._flags_of_pixels()
        if status == "COMPLETE":
            self.counts = self._counted(pixeldq)
        self._new["PIXELDQ"].write(pixeldq)
        self._new.commit()

    def _counted(self, pixeldq: np.ndarray) -> dict[str, Any]:
        """Count what the step did; what it cannot have changed is left out."""
        counts: dict[str, Any] = {}
        changed = 0
        if self._sets_pixeldq or type(self.frames) is not SameFrames:
            before = self.source["PIXELDQ"].read() if "PIXELDQ" in self.source else np.zeros_like(self.pixeldq)
            counts["pixels"], changed = tally.pixel_counts(self.frames.flags(before), pixeldq)
        used = self._groups.used
        if used is not None or self._groups.doubtful or changed & dq.REFERENCE_PIXEL:
            now = used_pixels(pixeldq)
            moved = used is None or (changed & dq.REFERENCE_PIXEL and not np.array_equal(used, now))
            if self._groups.doubtful or moved:
                self._count_again()
            counts["groups"] = self._groups.summary(now, self.shape[1])
        if "SCI" in self.written:
            counts["change"] = tally.change(self, pixeldq)
            if self._wants_line_noise and (noise := tally.line_noise(self, pixeldq)) is not None:
                counts["line_noise"] = noise
        return counts

    def _count_again(self) -> None:
        """Count flags of groups in the product: others are reference pixels now than when it was written."""
        self._tally = tally.GroupTally(self.shape[0])
        self._tally.begin()
        for index in np.ndindex(self.shape[:2]):
            after = self._new["GROUPDQ"].read(*index)
            before = self.from_source("GROUPDQ", *index) if "GROUPDQ" in self.source else None
            self._tally.add(before, after, index, self._flags_of_pixels)

    def discard(self) -> None:
        """Remove what was written so far."""
        if self._new is not None:
            self._new.discard()
