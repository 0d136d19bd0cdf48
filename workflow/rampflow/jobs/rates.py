"""The products with count rates: those that the fit makes, and those that a step on rates makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.errors import FileProblem
from rampflow.io import files, keywords, layout, trees
from rampflow.jobs.not_a_number import flag_nan
from rampflow.jobs.tally import RateTally

if TYPE_CHECKING:
    from rampflow.jobs.products import Stamp
    from rampflow.jobs.source import Source
    from rampflow.jobs.spec import JobSpec

#: Extensions of a rate product in file order: type, unit if it has one, and the name that the fit gives it.
ARRAYS = {
    "SCI": (np.float32, "DN/s", "slope"),
    "ERR": (np.float32, "DN/s", "err"),
    "DQ": (np.uint32, None, "dq"),
    "VAR_POISSON": (np.float32, None, "var_poisson"),
    "VAR_RNOISE": (np.float32, None, "var_rnoise"),
}


def is_ifu(header: Any) -> bool:
    """Whether the rate image of an exposure is that of an integral-field spectrograph."""
    kind = str(header.get("EXP_TYPE", "")).strip()
    return kind in ("NRS_IFU", "MIR_MRS") or (
        kind in ("NRS_AUTOWAVE", "NRS_LAMP") and str(header.get("OPMODE", "")).strip().upper() == "IFU"
    )


class FittedRates:
    """The count rates of an exposure and of each of its integrations, made of a ramp.

    Parameters
    ----------
    spec : `~rampflow.jobs.spec.JobSpec`
        The job.
    source : `~rampflow.jobs.source.Source`
        The ramp.
    stamp : `~rampflow.jobs.products.Stamp`
        What the headers say.
    """

    def __init__(self, spec: JobSpec, source: Source, stamp: Stamp) -> None:
        self.paths = spec.outputs["rate"], spec.outputs["rateints"]
        self.source, self.stamp = source, stamp
        self.pixeldq = source["PIXELDQ"].read() if "PIXELDQ" in source else np.zeros(source.window.shape, np.uint32)
        self._tally = RateTally()
        self._rate: Any = None
        self._rateints: Any = None

    def lay_out(self) -> None:
        """Begin both files."""
        if self._rate is not None:
            return
        self.stamp.put(self.paths[0])
        nints, _, ny, nx = self.source.shape
        like = self.source.hdu("SCI").header
        # Times of groups are no business of a rate.
        tree = trees.metadata_tree(self.source, read_times=None if self.source.read_times is None else [])
        tree = [tree] if tree is not None else []

        def images(shape: tuple[int, ...]) -> list[layout.Extension]:
            return [
                layout.image(name, shape, kind, unit=unit, like=like if name == "SCI" else None)
                for name, (kind, unit, _) in ARRAYS.items()
            ]

        tables = ("INT_TIMES", "INT_TIMES_STRIPE")
        times = [layout.copy_of(self.source, name) for name in tables if name in self.source]
        header, ints = self.stamp.header.copy(), self.stamp.header.copy()
        header["DATAMODL"] = ("IFUImageModel" if is_ifu(header) else "ImageModel", "Type of data model")
        ints["DATAMODL"] = ("CubeModel", "Type of data model")
        for head, path in zip((header, ints), self.paths, strict=True):
            keywords.set_keyword(head, "FILENAME", Path(path).name, "Name of the file")
        self._rate = layout.NewProduct(self.paths[0], header, images((ny, nx)) + tree)
        cube = images((nints, ny, nx))
        self._rateints = layout.NewProduct(self.paths[1], ints, cube[:3] + times + cube[3:] + tree)

    @property
    def header(self) -> Any:
        """Primary header of the rate image."""
        self.lay_out()
        return self._rate.header

    def write(self, rate: Any, rateints: Any, rows: slice) -> None:
        """Write rows of both products; slopes that are not a number are flagged.

        Parameters
        ----------
        rate, rateints : object
            With the arrays of `ARRAYS` under the names given there, of shape (rows, columns) and (integrations, rows,
            columns).
        rows : slice
            Where.
        """
        for fitted in (rate, rateints):
            flag_nan(fitted.slope, fitted.dq)
        self._tally.add(self.pixeldq[rows], rate, rateints)
        for name, (_, _, word) in ARRAYS.items():
            self._rate[name].write(getattr(rate, word), rows)
            self._rateints[name].write(getattr(rateints, word), slice(None), rows)

    @property
    def counts(self) -> dict[str, Any]:
        """Flags of what was written; `rampflow.inspection.counts` has the form."""
        return self._tally.summary()

    def read_slopes(self, integrations: int | slice, rows: slice) -> np.ndarray:
        """Read the slopes of integrations (DN/s) as they were written."""
        return self._rateints["SCI"].read(integrations, rows)

    def finish(self, status: str, reason: str | None = None) -> None:
        """Give both products their names."""
        if status != "COMPLETE":
            raise FileProblem(f"ramp_fit cannot be skipped, there would be no count rates: {reason}")
        self.lay_out()
        for new in (self._rate, self._rateints):
            new.commit()

    def discard(self) -> None:
        """Remove what was written so far."""
        for new in (self._rate, self._rateints):
            if new is not None:
                new.discard()


class RescaledRates:
    """Both products with count rates, made of those of the step before.

    Parameters
    ----------
    spec, source, stamp
        As for `FittedRates`; the source is the rate image.
    """

    def __init__(self, spec: JobSpec, source: Source, stamp: Stamp) -> None:
        self.sources = source, files.Product(spec.inputs["rateints"])
        self.paths = spec.outputs["rate"], spec.outputs["rateints"]
        self.stamp = stamp
        #: Flags stay as they are.
        self.counts: dict[str, Any] = {}
        self._new: list[layout.NewProduct] = []
        self._written: tuple[str, ...] = ()

    def lay_out(self) -> None:
        """Begin both files as copies under headers of their own."""
        if self._new:
            return
        self.stamp.put(self.paths[0])
        for source, path in zip(self.sources, self.paths, strict=True):
            header = source.header.copy()
            self.stamp.repeat(header)
            self._new.append(layout.copied(source, path, header, self._written))

    def begin(self, *names: str) -> None:
        """Lay both products out for arrays that will be written whole: they are not copied before."""
        self._written = names
        self.lay_out()

    @property
    def pairs(self) -> list[tuple[files.Product, layout.NewProduct]]:
        """The products that are read and those that are written, one by one."""
        self.lay_out()
        return list(zip(self.sources, self._new, strict=True))

    def finish(self, status: str, reason: str | None = None) -> None:  # noqa: ARG002
        """Write the keywords and give both products their names."""
        self.lay_out()
        for new in self._new:
            if status != "COMPLETE":
                new.header[self.stamp.status_keyword] = status
            new.commit()

    def discard(self) -> None:
        """Remove what was written so far."""
        for new in self._new:
            new.discard()
