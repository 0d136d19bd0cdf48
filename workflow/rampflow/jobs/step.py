"""A detector step of one exposure and its parts: source, references, product, chunks. `rampflow.drivers` uses them."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rampflow.crds.pointers import ReferenceProblem
from rampflow.errors import FileProblem
from rampflow.io import files
from rampflow.jobs import memory
from rampflow.jobs.auxiliary import Auxiliary
from rampflow.jobs.chunks import Chunks
from rampflow.jobs.job import Job, write_json
from rampflow.jobs.products import RampProduct, Stamp
from rampflow.jobs.rates import FittedRates, RescaledRates
from rampflow.jobs.references import References
from rampflow.jobs.source import Source
from rampflow.jobs.threads import Threads
from rampflow.settings.parameters import merge_parameters

if TYPE_CHECKING:
    import numpy as np

    from rampflow.jobs.spec import JobSpec

log = logging.getLogger("rampflow")


class Step(Job):
    """A detector step of one exposure: a product in, a product out.

    Attributes
    ----------
    source : `~rampflow.jobs.source.Source`
        The product of the step before.
    parameters : dict
        Resolved values by jwst's names.
    references : `~rampflow.jobs.references.References`
        Its reference files.
    product : `~rampflow.jobs.products.RampProduct`, `~rampflow.jobs.rates.FittedRates` or `RescaledRates`
        What it makes.
    stamp : `~rampflow.jobs.products.Stamp`
        What the product's header says of the step.
    auxiliary : `~rampflow.jobs.auxiliary.Auxiliary`
        Files beside the product.
    chunks : `~rampflow.jobs.chunks.Chunks`
        Ways over the exposure, chunk by chunk.
    threads : `~rampflow.jobs.threads.Threads`
        The job's threads, for steps that find their own way over the exposure.
    """

    source: Source
    references: References
    # Which of the three follows from the step, and a driver knows its own.
    product: Any
    auxiliary: Auxiliary

    def __init__(self, spec: JobSpec) -> None:
        super().__init__(spec)
        # They are there once it is open.
        self.source = self.product = self.auxiliary = self.references = None  # type: ignore[assignment]
        self._at_end: list[Callable[[], object]] = []

    def open(self) -> None:
        """Open the product of the step before and resolve references and parameters."""
        spec = self.spec
        rates = "rate" in spec.inputs
        self.source = Source(spec.inputs["rate" if rates else "ramp"], spec.name, rates=rates)
        self.references = References(spec)
        self.parameters = self._resolve_parameters()
        self.stamp = Stamp(spec, self.source.header, self.parameters)
        self.references.attach(self.source.window, self.stamp)
        kind: Any = RescaledRates if rates else FittedRates if "rate" in spec.outputs else RampProduct
        self.product = kind(spec, self.source, self.stamp)
        self.auxiliary = Auxiliary(Path(spec.outputs.get("rate") or spec.outputs["ramp"]).parent)
        self.threads = Threads(spec.threads)
        self.chunks = Chunks(self.source, self.product, self.threads, self._chunk_size())

    def _chunk_size(self) -> int:
        shape, positions = self.source.shape, max(1, self.source.window.positions)
        return memory.chunk_size(self.spec.memory_mb, (shape[-2] * positions, shape[-1]), self.spec.threads)

    def _resolve_parameters(self) -> dict[str, Any]:
        resolved, notes = merge_parameters(self.spec.settings, self.references.pointers, self.spec.name)
        for note in notes:
            log.warning("%s", note)
        path = self.spec.outputs.get("parameters")
        if path is not None:
            write_json(path, resolved)
        return {name: entry["value"] for name, entry in resolved.items()}

    def options(self, *names: str) -> dict[str, Any]:
        """Return the named parameters, as keyword arguments for a step's function."""
        return {name: self.parameters[name] for name in names}

    def options_of(self, function: Callable[..., Any], *without: str) -> dict[str, Any]:
        """Return the parameters that a step's function takes: those of its keyword-only arguments that there are.

        Parameters
        ----------
        function : callable
            A function of `rampflow.steps`.
        *without : str
            Names that the caller gives itself.
        """
        taken = inspect.signature(function).parameters.values()
        names = [each.name for each in taken if each.kind is each.KEYWORD_ONLY and each.name not in without]
        return self.options(*(name for name in names if name in self.parameters))

    @property
    def exposure(self) -> str | None:
        """Name of the exposure."""
        return self.spec.exposure

    @property
    def pixeldq(self) -> np.ndarray:
        """PIXELDQ of the exposure, an image of its pixels; what is done to it goes into the product."""
        return self.product.pixeldq

    @pixeldq.setter
    def pixeldq(self, value: np.ndarray) -> None:
        self.product.pixeldq = value

    def user_image(self, parameter: str) -> Any:
        """Read the first image of the file that a parameter names, uncut; None where it names none."""
        if not self.parameters[parameter]:
            return None
        with files.Product(self.parameters[parameter]) as product:
            return product.first_image().read()

    def at_end(self, function: Callable[[], object]) -> None:
        """Have a function called when the products have their names."""
        self._at_end.append(function)

    # --- the job --------------------------------------------------------------------------------------

    def finish(self, status: str, reason: str | None) -> None:
        """Give the products their names; auxiliary ones only where the step has run."""
        if status != "COMPLETE":
            self.auxiliary.discard()
        self.product.finish(status, reason)
        # A step that leaves the exposure as it is has done nothing that could be counted.
        self.counts = self.counts | self.product.counts if status == "COMPLETE" else {}
        self.auxiliary.commit()
        for function in self._at_end:
            function()
        if self.spec.inputs_stay:
            # Else they never have to reach the disk.
            for source in getattr(self.product, "sources", (self.source,)):
                source.release()
        self.references.close()

    def discard(self) -> None:
        """Remove what was written so far."""
        for part in (self.product, self.auxiliary):
            if part is not None:
                part.discard()
        if self.references is not None:
            self.references.close()

    @property
    def also_written(self) -> list[Path]:
        """Auxiliary products."""
        return self.auxiliary.paths

    def told(self, error: BaseException) -> str:
        """Add what the step has read, where the error does not name a file itself."""
        text = super().told(error)
        if not isinstance(error, FileProblem | ReferenceProblem | OSError) and self.references and self.references.used:
            text += f" (it has read {', '.join(self.references.used)})"
        return text

    def made_of(self) -> dict[str, Any]:
        """Return parameters, references by their checksums, the context that chose them, and the steps left out."""
        return super().made_of() | {"parameters": self.parameters} | self.references.made_of()


def driver(step: str) -> ModuleType:
    """Return the module of `rampflow.drivers` that is a step's."""
    return importlib.import_module(f"rampflow.drivers.{step}")
