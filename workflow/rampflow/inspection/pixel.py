"""One pixel through all steps: ``rampflow pixel RESULTS EXPOSURE X Y``, and `rampflow.pixel` in Python.

What its ramp was in every product, which step set or cleared which flag in which group and why, what the reference
files hold for it, with which parameters it was worked on, what came out, and why it is NaN where it is.
"""

import argparse
import json
import math
import os
import sys

from rampflow.errors import RampflowError
from rampflow.inspection.pixel_reasons import Reasons, names_of
from rampflow.inspection.pixel_slope import segments, why_nan
from rampflow.inspection.pixel_sources import IMAGES, ExposureFiles


def pixel(results, exposure, x, y, *, zero=False, detector=False, variant=None):
    """Look up a pixel in all products of an exposure.

    Parameters
    ----------
    results : path-like
        Folder of the results of a run.
    exposure : str
        Name of the exposure.
    x, y : int
        Column and row. Counted from 1 in the frame of the final products, as DS9 shows them.
    zero : bool, optional
        Counted from 0, as numpy does: the pixel is ``[y, x]`` of the array.
    detector : bool, optional
        Counted on the whole detector, as the science frame of full-frame files has it.
    variant : str, optional
        Name of a variant, whose products are looked into.

    Returns
    -------
    `PixelHistory`

    Raises
    ------
    RampflowError
        There are no such results, exposure or pixel; one line says what there is.
    """
    sources = ExposureFiles(results, exposure, variant)
    offset = 0 if zero else 1
    stages, place = sources.stages(int(x) - offset, int(y) - offset, detector=detector)
    return PixelHistory(sources, place, stages)


class PixelHistory:
    """A pixel in all products of an exposure.

    Attributes
    ----------
    exposure : str
        Name of the exposure.
    place : `~rampflow.inspection.pixel_place.Place`
        Where the pixel is, from 0.
    stages : list of `~rampflow.inspection.pixel_sources.RampPixel`
        Its ramp in the raw file and in every product: samples [DN] and flags of shape (integrations, groups).
    changes : list of `~rampflow.inspection.pixel_reasons.FlagChange`
        Flags set and cleared, in the order of the steps.
    references : dict
        CRDS type to `~rampflow.inspection.pixel_sources.ReferencePixel`.
    rates : dict
        Step to the values in its rate image and in its rates of integrations; the last is "rate".
    nan : str
        Why the rate is NaN; empty where it is a number.
    """

    def __init__(self, sources, place, stages):
        self.sources, self.exposure, self.place, self.stages = sources, sources.exposure, place, stages
        there = [stage for stage in stages if stage.product]
        self.references, self.changes, self.jumps = {}, [], None
        if there:
            reasons = Reasons(sources, place, stages)
            self.changes = reasons.changes()
            self.jumps = reasons.jumps
            self.references = {kind: sources.reference(kind, place, there[0].frames) for kind in sources.used()}
        self.rates = sources.rates(place)
        self.nan = why_nan(self)

    @property
    def sigmas(self):
        """Two-point differences in sigma, shape (integrations, groups - 1); None where they are not worked out."""
        return self.jumps.found.ratio if self.jumps and self.jumps.found is not None else None

    @property
    def integrations(self):
        """Number of integrations."""
        there = [stage.sci for stage in self.stages if stage.sci is not None]
        return len(there[0]) if there else max((len(cube) for _, cube in self.rates.values()), default=0)

    def check(self, integration):
        """Raise `RampflowError` where there is no such integration; None is any."""
        if integration is not None and not 1 <= integration <= self.integrations:
            raise RampflowError(f"{self.exposure}: no integration {integration}; there are 1 to {self.integrations}")

    def frame(self):
        """Return the ramp in every product as a `pandas.DataFrame`.

        Returns
        -------
        `pandas.DataFrame`
            A line for each product, integration and group: ``step``, ``integration``, ``group`` (from 1), ``sci`` [DN],
            ``groupdq`` and its ``flags`` by name, separated by ``|``.
        """
        import pandas as pd

        rows = [
            (stage.step, i + 1, g + 1, float(stage.sci[i, g]), int(flags), "|".join(names_of(flags)))
            for stage in self.stages
            if stage.sci is not None
            for i, line in enumerate(stage.groupdq)
            for g, flags in enumerate(line)
        ]
        return pd.DataFrame(rows, columns=["step", "integration", "group", "sci", "groupdq", "flags"])

    def as_dict(self):
        """Return everything in plain data, as ``--json`` writes it; what is not a number is None."""
        place = self.place
        return _plain(
            {
                "exposure": self.exposure,
                "frame": {"x": place.x + 1, "y": place.y + 1, "columns": place.shape[1], "rows": place.shape[0]},
                "detector": {"x": place.column + 1, "y": place.row + 1},
                "numpy": [place.y, place.x],
                "notes": place.notes,
                "ramps": [self._ramp(stage) for stage in self.stages],
                "changes": [change._asdict() for change in self.changes],
                "jump_sigma": self.sigmas,
                "segments": self.segments(),
                "references": {kind: self._reference(kind) for kind in self.references},
                "parameters": {step: self.sources.parameters(step) for step in self.sources.chain},
                "rates": {step: self._rate(*rates) for step, rates in self.rates.items()},
                "why_nan": self.nan or None,
            }
        )

    def segments(self):
        """Return the segments of each integration that flags leave for the fit, or None where no ramp was kept."""
        last = self.stages[-1]
        return None if last.groupdq is None or last.step == "uncal" else [segments(each) for each in last.groupdq]

    def _ramp(self, stage):
        if stage.product is None:
            return {"step": stage.step, "missing": stage.missing, "status": stage.status}
        content = {"step": stage.step, "file": stage.product.path.name, "status": stage.status}
        flags = [[names_of(each) for each in line] for line in stage.groupdq]
        return content | {
            "sci": stage.sci,
            "groupdq": stage.groupdq,
            "flags": flags,
            "pixeldq": names_of(stage.pixeldq),
        }

    def _reference(self, kind):
        found = self.references[kind]
        content = {"name": found.name, "file": found.file, "values": found.values, "dq": names_of(found.dq)}
        return content | ({"unit": IMAGES[kind][1]} if kind in IMAGES else {}) | {"trouble": found.trouble or None}

    @staticmethod
    def _rate(image, cube):
        def named(values):
            return None if values is None else values | {"flags": names_of(values.get("DQ", 0))}

        return {"rate": named(image), "rateints": [named(each) for each in cube]}

    def text(self, integration=None):
        """Return all of it as text for a terminal.

        Parameters
        ----------
        integration : int, optional
            Only this one, from 1.
        """
        from rampflow.inspection.pixel_text import written

        return written(self, integration)

    def plot(self, path, integration=1):
        """Draw the ramp in every product as a picture.

        Parameters
        ----------
        path : path-like
            A PNG file.
        integration : int
            Which one, from 1.
        """
        from rampflow.inspection.pixel_plot import draw

        draw(self, path, integration)

    def __repr__(self):
        return self.text()


def _plain(value):
    """Turn arrays and numbers into what JSON has; what is not a finite number into None."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments=None):
    """Say what a pixel went through; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow pixel", description=__doc__.splitlines()[0])
    parser.add_argument("results", help="folder of the results")
    parser.add_argument("exposure", help="name of the exposure")
    parser.add_argument("x", type=int, help="column, from 1 as in DS9")
    parser.add_argument("y", type=int, help="row, likewise")
    parser.add_argument("--variant", metavar="NAME", help="look into the products of this variant")
    parser.add_argument("--zero", action="store_true", help="x and y count from 0, as in numpy")
    parser.add_argument("--detector", action="store_true", help="x and y are those of the whole detector")
    parser.add_argument("--integration", type=int, metavar="N", help="show this one only, from 1")
    parser.add_argument("--json", action="store_true", help="write everything as JSON")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the ramp of the integration (default: the first), too")
    options = parser.parse_args(arguments)
    try:
        how = {key: getattr(options, key) for key in ("zero", "detector", "variant")}
        history = pixel(options.results, options.exposure, options.x, options.y, **how)
        history.check(options.integration)
        print(
            json.dumps(history.as_dict(), indent=1) if options.json else history.text(options.integration), flush=True
        )
        if options.plot:
            history.plot(options.plot, options.integration or 1)
    except BrokenPipeError:
        # Who reads has seen enough; what is still to be written goes nowhere, without a word.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (RampflowError, OSError) as problem:
        print(f"rampflow pixel: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
