"""What there is on the disk of one exposure: the products of its chain, references, parameters, for one pixel."""

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rampflow.errors import FileProblem, RampflowError
from rampflow.inspection.pixel_place import Frames, Place, in_reference
from rampflow.io.pixels import PixelFile
from rampflow.io.shared_files import read_json

#: Steps whose products are rates.
RATES = ("ramp_fit", "gain_scale", "rate")
#: Reference types that hold something for each pixel: the array, and what it is.
IMAGES = {
    "mask": (None, ""),
    "saturation": ("SCI", "DN, full well"),
    "superbias": ("SCI", "DN"),
    "reset": ("SCI", "DN by group"),
    "linearity": ("COEFFS", "coefficients, the constant first"),
    "trapdensity": ("SCI", "traps"),
    "persat": ("SCI", "DN"),
    "dark": ("SCI", "DN by group"),
    "gain": ("SCI", "electrons/DN"),
    "readnoise": ("SCI", "DN, of the difference of two frames"),
    "flat": ("SCI", ""),
}


@dataclass
class Stage:
    """The pixel in the product of one step, or the word that there is none.

    Attributes
    ----------
    step : str
        "uncal" for the raw file.
    missing : str
        Why there is no product; empty where there is one.
    sci, groupdq : 2D `~numpy.ndarray`
        Samples [DN] and their flags, shape (integrations, groups).
    pixeldq : int
        Flags of the pixel.
    """

    step: str
    missing: str = ""
    product: PixelFile | None = None
    frames: Frames | None = None
    sci: np.ndarray | None = None
    groupdq: np.ndarray | None = None
    pixeldq: int = 0
    status: str = "COMPLETE"
    reason: str | None = None


@dataclass
class ReferencePixel:
    """What a reference file says of the pixel: values, None where there are none, and flags in standard bits."""

    kind: str
    file: str | None
    name: str
    values: np.ndarray | None = None
    dq: int = 0
    trouble: str = ""
    product: PixelFile | None = field(default=None, repr=False)


def find_exposure(results, exposure):
    """Return the folder of an exposure.

    Raises
    ------
    RampflowError
        There are no results, or none of this exposure.
    """
    folder = Path(results)
    if not folder.is_dir():
        raise RampflowError(f"{results}: no such folder; name the folder of results of a run")
    known = [path.name for path in folder.iterdir() if (path / "record").is_dir()]
    if not known:
        raise RampflowError(f"{results}: no exposure in it has a record of a job; name the folder of results of a run")
    if exposure not in known:
        near = difflib.get_close_matches(exposure, known, 1, 0.3)
        raise RampflowError(f"{results}: no exposure {exposure!r}; did you mean {near[0] if near else min(known)}?")
    return folder / exposure


class ExposureFiles:
    """The files of one exposure.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    exposure : str
        Name of the exposure.

    Attributes
    ----------
    chain : list of str
        Its steps.
    records : dict
        Job to record.
    facts : dict
        What the latest run noted of the exposure; empty where no run is known.
    """

    def __init__(self, results, exposure):
        self.folder, self.exposure = find_exposure(results, exposure), exposure
        self.records = {path.stem: read_json(path) or {} for path in sorted((self.folder / "record").glob("*.json"))}
        self.facts = {}
        for path in sorted(Path(results).glob("runs/*.json"), reverse=True):
            if facts := (read_json(path) or {}).get("exposures", {}).get(exposure):
                self.facts = facts
                break
        self.chain = self.facts.get("chain") or self._linked()
        self._references = {}

    def _linked(self):
        """Order the steps by what each of them read."""
        before = {}
        for step, record in self.records.items():
            name = next((e["file"] for e in record.get("inputs", {}).values()), "")
            if step not in ("rate", "ramp"):
                before[Path(name).stem.removeprefix(f"{self.exposure}_")] = step
        first = next((key for key in before if key not in self.records), None)
        chain = []
        while first in before and before[first] not in chain:
            chain.append(first := before[first])
        return chain

    @property
    def ramp_steps(self):
        """Steps of the chain whose product is a ramp."""
        return [step for step in self.chain if step not in RATES]

    def path(self, step, kind=""):
        """Return the path of a product."""
        return self.folder / f"{self.exposure}_{step}{kind}.fits"

    def raw(self):
        """Return the path of the raw file; None where no record names one."""
        inputs = self.records.get(self.chain[0] if self.chain else "", {}).get("inputs", {})
        name = next((entry["file"] for entry in inputs.values()), None)
        return None if name is None else Path(os.path.normpath(self.folder / name))

    def open(self, step):
        """Open the ramp of a step, or say why there is none."""
        path = self.raw() if step == "uncal" else self.path(step)
        record = self.records.get(step, {})
        if path is None or not path.exists():
            made = step == "uncal" or record
            why = "the raw file is not there any more" if step == "uncal" else "not kept" if made else "not made"
            return Stage(step, why, status=record.get("status", ""), reason=record.get("reason"))
        product = PixelFile(path)
        frames = Frames(product.header, product.shape("SCI"), path)
        status = record.get("status", "COMPLETE")
        return Stage(step, product=product, frames=frames, status=status, reason=record.get("reason"))

    def stages(self, x, y, *, detector):
        """Read the pixel in every ramp of the chain.

        Returns
        -------
        stages : list of `Stage`
            The raw file first.
        place : `~rampflow.inspection.pixel_place.Place`
            Where the pixel is.
        """
        stages = [self.open(step) for step in ("uncal", *self.ramp_steps)]
        there = [stage for stage in stages if stage.product]
        if not there:
            return stages, self._place_in_rate(x, y, detector=detector)
        place = Place.of(there[0].frames, x, y, detector=detector)
        for stage in there:
            product, frames = stage.product, stage.frames
            stage.sci = frames.ramp(product, "SCI", place).astype(np.float32, copy=False)
            stage.groupdq = np.zeros(stage.sci.shape, np.uint8)
            if "GROUPDQ" in product:
                stage.groupdq = frames.ramp(product, "GROUPDQ", place)
            if "PIXELDQ" in product:
                stage.pixeldq = int(frames.image(product, "PIXELDQ", place))
        return stages, place

    def _place_in_rate(self, x, y, *, detector):
        for step in (*RATES[::-1], "rate"):
            if self.path(step).exists():
                product = PixelFile(self.path(step))
                return Place.of(Frames(product.header, product.shape("SCI"), product.path), x, y, detector=detector)
        raise RampflowError(f"{self.folder}: none of the exposure's products is there; run the workflow again")

    def rates(self, place):
        """Read the pixel in the products with rates: {step: (values of the rate, list of those of integrations)}.

        Values are a dict of EXTNAME to number.
        """
        found = {}
        for step in [step for step in self.chain if step in RATES] + ["rate"]:
            image = cube = None
            if self.path(step).exists():
                product = PixelFile(self.path(step))
                image = _numbers(product, (place.y, place.x))
            if self.path(step, "ints").exists():
                product = PixelFile(self.path(step, "ints"))
                number = product.shape("SCI")[0]
                cube = [_numbers(product, (i, place.y, place.x)) for i in range(number)]
            if image or cube:
                found[step] = image, cube or []
        return found

    def parameters(self, step):
        """Return the parameters of a step: {name: {"value": …, "source": …}}."""
        return read_json(self.folder / "parameters" / f"{step}.json") or {}

    def value(self, step, name, default=None):
        """Return the value of a parameter."""
        return self.parameters(step).get(name, {}).get("value", default)

    def used(self):
        """Return the reference types that steps of the chain have used, in the order of the chain."""
        kinds = [k for step in self.chain for k in self.records.get(step, {}).get("references", {})]
        return [kind for kind in dict.fromkeys(kinds) if not kind.startswith("pars-")]

    def reference(self, kind, place, frames):
        """Read what a reference file says of a pixel.

        Returns
        -------
        `ReferencePixel`
        """
        key = kind, place.y, place.x
        if key not in self._references:
            self._references[key] = self._read_reference(kind, place, frames)
        return self._references[key]

    def _read_reference(self, kind, place, frames):
        pointer = read_json(self.folder / "references" / f"{kind}.json") or {}
        found = ReferencePixel(kind, pointer.get("file"), pointer.get("name", "N/A"))
        if found.file is None or kind not in IMAGES:
            return found
        try:
            found.product = PixelFile(found.file)
            array = IMAGES[kind][0]
            index = in_reference(found.product, array or "DQ", place, frames)
            if index is None:
                found.trouble = "does not cover the pixel"
                return found
            if array:
                lead = (slice(None),) * (len(found.product.shape(array)) - 2)
                found.values = found.product.read(array, *lead, *index).astype(np.float32)
            if "DQ" in found.product and len(found.product.shape("DQ")) >= 2:
                lead = (0,) * (len(found.product.shape("DQ")) - 2)
                found.dq = found.product.flags(*lead, *index)
        except FileProblem as problem:
            found.trouble = str(problem)
        return found


def _numbers(product, index):
    """Read the arrays of a rate product at one index."""
    names = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "DQ")
    return {name: product.read(name, *index).item() for name in names if name in product}
