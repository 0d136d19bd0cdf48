"""gain_scale: count rates taken with a non-standard gain are rescaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.steps import gain_scale

if TYPE_CHECKING:
    from rampflow.io import files, layout
    from rampflow.jobs.step import Step

_SCALED = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")


def run(step: Step) -> None:
    """Rescale both products with count rates, one integration at a time."""
    reference = step.references.open("gain", cut=False).header.get("GAINFACT")
    factor = gain_scale.gain_factor(step.source.keyword("GAINFACT"), reference)
    step.stamp.set("GAINFACT", factor, "Gain factor applied to the count rates")
    step.counts["factor"] = float(factor)
    step.product.begin(*_SCALED)
    for source, new in step.product.pairs:

        def scale(index: Any, source: files.Product = source, new: layout.NewProduct = new) -> None:
            arrays = [source[name].read(*index) for name in _SCALED]
            for name, values in zip(_SCALED, gain_scale.scale(*arrays, factor=factor), strict=True):
                new[name].write(values, *index)

        for _ in step.threads.each(scale, np.ndindex(source["SCI"].shape[:-2])):
            pass
