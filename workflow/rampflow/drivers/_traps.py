"""The persistence of traps that fill and empty: their state is read from the exposure before and kept for the next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.detector.subarray import Window
from rampflow.errors import FileProblem
from rampflow.io import files, layout
from rampflow.steps import persistence

if TYPE_CHECKING:
    from pathlib import Path

    from rampflow.io.references import Reference
    from rampflow.jobs.source import Source
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")

_SECONDS = 86400.0
#: Rows of the detector that are in memory at once.
_ROWS = 256


def subtract(step: Step, before: Path | None) -> Path | None:
    """Subtract what the traps release, and keep their state.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step.
    before : `~pathlib.Path` or None
        Filled traps at the end of the exposure before.

    Returns
    -------
    `~pathlib.Path` or None
        The file with those at the end of this one, where it stays.
    """
    kinds = ("trapdensity", "persat", "trappars")
    trapdensity, persat, trappars = step.references.open_all(*kinds, uncut=("trappars",))
    families = persistence.Families.of(trappars.table("TRAPPARS", *persistence.Families.COLUMNS))
    density = persistence.usable_density(trapdensity.read(), trapdensity.read_dq())
    level, blind = persistence.usable_saturation(persat.read(), persat.read_dq())
    traps = _Traps(step, trapdensity, families)
    filled = traps.at_start(before)
    along = {"filled": filled, "density": density, "level": level, "blind": blind}
    options = {"families": families, "timing": traps.timing} | step.options("flag_pers_cutoff")
    traps.at_end(_subtract(step, along, options))
    if step.parameters["save_trapsfilled"] or step.parameters["chain"]:
        return traps.product.path
    step.auxiliary.leave_out(traps.product)
    return None


def _subtract(step: Step, along: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
    """Subtract block by block; return the traps that are filled at the end."""
    amounts: Any = None
    if step.parameters["save_persistence"]:
        plan = layout.image("SCI", step.source.shape, np.float32)
        name = f"{step.exposure}_output_pers.fits"
        amounts = step.auxiliary.begin(name, [plan], header=step.product.header, model="RampModel")

    def run(
        sci: np.ndarray, groupdq: np.ndarray, *, place: tuple[Any, slice], **cut: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        wanted: dict[str, Any] = {"save_persistence": amounts is not None}
        sci, flags, filled, amount = persistence.subtract_traps(sci, groupdq, **cut, **options, **wanted)
        if amount is not None:
            amounts["SCI"].write(amount, slice(None), slice(None), place[1])
        return sci, flags, filled

    found = step.chunks.rows(run, reads=("SCI", "GROUPDQ"), writes=("SCI",), along=along, tell_place=True)
    step.pixeldq |= np.concatenate([flags for flags, _ in found])
    return np.concatenate([filled for _, filled in found], axis=1)


class _Traps:
    """The traps of a detector around one exposure."""

    def __init__(self, step: Step, density: Reference, families: persistence.Families) -> None:
        self.step, self.families, source = step, families, step.source
        needed = source.needed("TGROUP", "TFRAME", "NRSTSTRT", "NRESETS")
        self.timing = persistence.Timing(
            group=float(needed["tgroup"]),
            frame=float(needed["tframe"]),
            resets_at_start=needed["nrststrt"],
            resets=needed["nresets"],
            first=(source.keyword("INTSTART") or 1) == 1,
        )
        # The trap density covers the detector.
        self._shape = (len(families), *density.shape()[-2:])
        own = Window.of(density.header, self._shape, density.path)
        rows, columns = source.window.places
        self._rows, self._columns = rows - own.ystart, columns - own.xstart
        plan = layout.image("SCI", self._shape, np.float32)
        name = f"{step.exposure}_trapsfilled.fits"
        header = step.product.header
        self.product = step.auxiliary.begin(name, [plan], header=header, model="TrapsFilledModel")
        self.product.header["EXPEND"] = (_ends(source), self.product.header.comments["EXPEND"])

    def at_start(self, before: Path | None) -> np.ndarray:
        """Return filled traps of the exposure's pixels when it starts, float32 (families, rows, columns).

        Where the exposure does not see them the product has them as they will be at its end.
        """
        filled = np.zeros((len(self.families), *self.step.source.window.shape), np.float32)
        if before is None:
            return filled
        with files.Product(before) as source:
            found = self._checked(source)
            gap = _gap(source, _starts(self.step.source))
            during = self.timing.whole(*self.step.source.shape[:2])
            for start in range(0, self._shape[1], _ROWS):
                block = slice(start, min(start + _ROWS, self._shape[1]))
                values = found.read(slice(None), block).astype(np.float32, copy=False)
                persistence.decayed(values, gap, self.families)
                inside = np.flatnonzero((self._rows >= block.start) & (self._rows < block.stop))
                filled[:, inside] = values[:, self._rows[inside] - block.start][..., self._columns]
                self.product["SCI"].write(persistence.decayed(values, during, self.families), slice(None), block)
        return filled

    def _checked(self, source: files.Product) -> files.Array:
        found = source["SCI"]
        detector, own = (str(header.get("DETECTOR", "")).strip() for header in (source.header, self.step.source.header))
        if found.shape != self._shape or detector != own:
            raise FileProblem(
                f"{source.path}: filled traps of {detector or 'no detector'}, {found.shape}, where those of "
                f"{own}, {self._shape}, are due; give the file of an exposure of this detector"
            )
        return found

    def at_end(self, filled: np.ndarray) -> None:
        """Write the traps that are filled at the end, rectangle by rectangle; of lines read repeatedly the last."""
        for y, x, _ in self.step.source.window.blocks:
            where = (slice(place[cut][0], place[cut][-1] + 1) for place, cut in ((self._rows, y), (self._columns, x)))
            self.product["SCI"].write(filled[:, y, x], slice(None), *where)


def _starts(source: Source) -> float:
    """Return when the file's first integration starts (MJD): EXPSTART, or its own start in a later segment."""
    if (source.keyword("INTSTART") or 1) > 1 and "INT_TIMES" in source:
        return float(source.table("INT_TIMES")["int_start_MJD_UTC"][0])
    return float(source.needed("EXPSTART")["expstart"])


def _ends(source: Source) -> float:
    """Return when the file's last integration ends (MJD): EXPEND, or its own end in a segment."""
    last = source.keyword("INTEND")
    if last and "INT_TIMES" in source and (source.keyword("INTSTART"), last) != (1, source.keyword("NINTS")):
        return float(source.table("INT_TIMES")["int_end_MJD_UTC"][-1])
    return float(source.needed("EXPEND")["expend"])


def _gap(source: files.Product, starts: float) -> float:
    """Return the time from the end of the one exposure to the start of the other (s)."""
    if source.header.get("EXPEND") is None:
        raise FileProblem(f"{source.path}: no EXPEND, the time from which its traps empty; set it")
    gap = (starts - source.header["EXPEND"]) * _SECONDS
    if gap < 0:
        log.warning("%s ends %.3f s after this exposure starts: its traps are taken as they are", source.path, -gap)
    return max(gap, 0.0)
