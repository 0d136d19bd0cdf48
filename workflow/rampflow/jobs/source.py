"""What a step works on: the product of the step before, and what its header says of the exposure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rampflow.detector import irs2
from rampflow.detector.multistripe import BEFORE_PICTURES, Stripes
from rampflow.detector.subarray import Window
from rampflow.errors import FileProblem
from rampflow.io import files, trees


class Source(files.Product):
    """The product of the step before, open for reading.

    Parameters
    ----------
    path : path-like
        The file.
    step : str
        The step that works on it, for messages.
    rates : bool
        Count rates are due, and not ramps.

    Attributes
    ----------
    shape : tuple of int
        Of SCI: (integrations, groups, rows, columns) of a ramp.
    stripes : `~rampflow.detector.multistripe.Stripes` or None
        What the frames of a multistripe exposure are made of.
    window : `~rampflow.detector.subarray.Window`
        Place of the exposure on the detector.

    Raises
    ------
    FileProblem
        The file is missing, truncated, or not what is due.
    """

    def __init__(self, path: str | Path, step: str, *, rates: bool = False) -> None:
        super().__init__(path)
        self.step = step
        self.shape = self["SCI"].shape
        self._check(rates)
        self.stripes = Stripes.of(self.header, self.shape)
        if self.stripes and self.stripes.positions and step not in BEFORE_PICTURES:
            raise FileProblem(
                f"{self.path}: superstripes, where {step} needs the pictures that they make; refpix puts "
                "them together, it must not be skipped"
            )
        self.window = Window.of(self.header, self.shape, self.path).split(self.stripes)

    def _check(self, rates: bool) -> None:
        if rates and "ERR" not in self:
            raise FileProblem(f"{self.path}: not a product of ramp_fit (it has no ERR)")
        if not rates and len(self.shape) != 4:
            raise FileProblem(
                f"{self.path}: SCI has {len(self.shape)} axes where a ramp has 4 "
                "(integrations, groups, rows, columns); give the workflow the uncal file of the exposure"
            )

    # --- keywords -------------------------------------------------------------------------------------

    def keyword(self, name: str, default: Any = None) -> Any:
        """Return a keyword of the primary header."""
        return self.header.get(name, default)

    def keywords(self, *names: str) -> dict[str, Any]:
        """Return keywords of the primary header by their names in lower case, None where absent."""
        return {name.lower(): self.keyword(name) for name in names}

    def needed(self, *names: str) -> dict[str, Any]:
        """Return keywords as `keywords` does.

        Raises
        ------
        FileProblem
            One of them is absent.
        """
        if missing := [name for name in names if self.keyword(name) is None]:
            raise FileProblem(
                f"{self.path}: the primary header has no {', '.join(missing)}, which {self.step} needs; "
                "add what the exposure was taken with"
            )
        return self.keywords(*names)

    def text(self, name: str) -> str:
        """Return a keyword as text without blanks around it; ``"None"`` where it is absent."""
        return str(self.keyword(name)).strip()

    @property
    def instrument(self) -> str:
        """Name of the instrument, upper case."""
        return self.text("INSTRUME").upper()

    @property
    def read_times(self) -> list[Any] | None:
        """For each group the times of its reads (s), where the groups are uneven and the product says so; else None."""
        return trees.read_times(self, self.shape[1])

    @property
    def normal_rows(self) -> np.ndarray | None:
        """Mask of the rows of normal pixels in IRS2 frames; None for frames without interleaved rows."""
        return irs2.normal_rows(self.keyword("DETECTOR")) if irs2.is_interleaved(self.shape) else None

    @property
    def has_zeroframes(self) -> bool:
        """Whether the steps have to treat zero frames: ZEROFRAM is true and the array is there."""
        return bool(self.keyword("ZEROFRAM", False)) and "ZEROFRAME" in self

    # --- arrays ---------------------------------------------------------------------------------------

    def image(self, name: str) -> np.ndarray | None:
        """Read an optional image, such as AVDRKCUR; None where there is none."""
        return self[name].read() if name in self else None

    def read(self, name: str, *index: Any) -> np.ndarray:
        """Read a chunk of an array of the ramp; SCI and the zero frames as float32, absent flags as 0."""
        if name not in self:
            if name != "GROUPDQ":
                raise FileProblem(f"{self.path}: no extension {name}")
            empty = np.broadcast_to(np.uint8(0), self.shape)[index]
            return np.ascontiguousarray(empty)
        values = self[name].read(*index)
        return values if name == "GROUPDQ" else values.astype(np.float32, copy=False)

    # --- superstripes ---------------------------------------------------------------------------------

    def at_position(self, values: Any) -> Callable[[int, Any], Any]:
        """Give values of superstripes, one for each position, to what works integration by integration.

        Returns
        -------
        callable
            For ``at`` of `~rampflow.jobs.chunks.Chunks.groups`. Without superstripes it gives the values as they are.
        """
        if not self.window.positions:
            return lambda _integration, _groups: values
        return lambda integration, _groups: values[integration % self.window.positions]

    def each_position(self, function: Callable[..., Any], values: Any) -> Callable[[int, Any], Any]:
        """Call a function with values, or with those of each position of superstripes; return as `at_position` does.

        Parameters
        ----------
        function : callable
            Called with the values of a frame, such as an image.
        values : `~numpy.ndarray` or list
            These; for superstripes those of each position.
        """
        return self.at_position([function(each) for each in values] if self.window.positions else function(values))
