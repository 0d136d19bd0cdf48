"""What there is on the disk of one exposure: the products of its chain, references, parameters, for one pixel."""

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rampflow.errors import FileProblem, RampflowError
from rampflow.inspection.pixel_place import Frames, Place, in_reference
from rampflow.inspection.results import (
    BRANCH,
    MAPPING,
    NAME,
    PARAMETERS,
    POINTER,
    RECORD,
    Each,
    Every,
    Maybe,
    read,
    unlike,
)
from rampflow.io.pixels import PixelFile
from rampflow.settings.branches import VARIANTS

#: Size (bytes) beyond which what a run has left is not read.
_LARGEST_RUN = 1 << 28
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
class RampPixel:
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
    if exposure and (folder / exposure / "record").is_dir():
        return folder / exposure
    known = [path.name for path in folder.iterdir() if (path / "record").is_dir()]
    if not known:
        raise RampflowError(f"{results}: no exposure in it has a record of a job; name the folder of results of a run")
    near = difflib.get_close_matches(exposure, known, 1, 0.3)
    raise RampflowError(f"{results}: no exposure {exposure!r}; did you mean {near[0] if near else min(known)}?")


def find_variant(folder, variant):
    """Return the folder of a variant of an exposure.

    Raises
    ------
    RampflowError
        There is none of this name.
    """
    known = sorted(path.parent.name for path in (folder / VARIANTS).glob("*/record"))
    if variant not in known:
        near = difflib.get_close_matches(variant, known, 1, 0.3)
        raise RampflowError(f"{folder}: no variant {variant!r} of it" + (f"; did you mean {near[0]}?" if near else ""))
    return folder / VARIANTS / variant


class ExposureFiles:
    """The files of one exposure.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    exposure : str
        Name of the exposure.
    variant : str, optional
        Name of a variant of it: what comes before the variant's own steps is the exposure's.

    Attributes
    ----------
    chain : list of str
        Its steps.
    own : list of str
        Those that a variant does by itself; all of them without one.
    records : dict
        Job to record.
    damaged : list of str
        Small files that cannot be used, and why.
    """

    def __init__(self, results, exposure, variant=None):
        self._shared, self.exposure, self.variant = find_exposure(results, exposure), exposure, variant
        self.folder = self._shared if variant is None else find_variant(self._shared, variant)
        self.damaged = []
        self.records = self._recorded(self._shared)
        facts = self._facts() or {}
        if variant is not None:
            facts = (facts.get("variants") or {}).get(variant) or {}
            shared = [step for step in facts.get("chain", ()) if step not in facts["own"]]
            self.records = {step: self.records[step] for step in shared if step in self.records}
            self.records |= self._recorded(self.folder)
        self.chain = facts.get("chain") or self._linked()
        self.own = facts.get("own", self.chain) if variant is not None else self.chain
        self._references, self._opened, self._parameters = {}, {}, {}

    def _recorded(self, folder):
        paths = sorted((folder / "record").glob("*.json"))
        return {path.stem: record for path in paths if (record := self._read(path, RECORD))}

    def home(self, step):
        """Return the folder in which a job leaves what it makes."""
        return self._shared if step in self.chain and step not in self.own else self.folder

    def _read(self, path, form):
        """Read a small file; None, and a line that says so, where it is damaged."""
        content, problem = read(path, form)
        if problem is not None:
            self.damaged.append(f"{path}: {' '.join(problem.split())}")
        return content

    def _facts(self):
        """Return what the latest run with the exposure says of it; None where there is none."""
        for path in sorted(self._shared.parent.glob("runs/*.json"), reverse=True):
            # There may be thousands of others: only the own exposure's facts are looked at.
            run, _ = read(path, {"exposures": MAPPING}, _LARGEST_RUN)
            facts = run and run["exposures"].get(self.exposure)
            if facts and unlike(facts, {"chain": Every(NAME), "variants": Maybe(Each(NAME, BRANCH))}) is None:
                return facts
        return None

    def _linked(self):
        """Order the steps by what each of them has read; a step without a record is known by who read its product."""
        after, raw = {}, None
        for step, record in self.records.items():
            name = next((entry["file"] for entry in record["inputs"].values()), "")
            if step not in ("rate", "ramp"):
                before = Path(name).stem.removeprefix(f"{self.exposure}_")
                after[before] = step
                # Products lie in the folder of the exposure, the raw file elsewhere.
                raw = raw if Path(name).parent.name in ("", self.exposure) else before
        chain = []
        for start in (raw, *(before for before in after if before != raw and before not in after.values())):
            chain += [start] if start != raw else []
            while start in after and after[start] not in chain:
                chain.append(start := after[start])
        return chain

    @property
    def ramp_steps(self):
        """Steps of the chain whose product is a ramp."""
        return [step for step in self.chain if step not in RATES]

    def path(self, step, kind=""):
        """Return the path of a product."""
        return self.home(step) / f"{self.exposure}_{step}{kind}.fits"

    def raw(self):
        """Return the path of the raw file; None where no record names one."""
        entry = self._raw_entry()
        return None if entry is None else Path(os.path.normpath(self.home(self.chain[0]) / entry["file"]))

    def _raw_entry(self):
        inputs = self.records.get(self.chain[0] if self.chain else "", {}).get("inputs", {})
        return next(iter(inputs.values()), None)

    def _without_raw(self):
        """Say where a raw file is that is not here."""
        url = (self._raw_entry() or {}).get("url")
        return f"the raw file is not here but in its store, {url}" if url else "the raw file is not there any more"

    def open(self, step):
        """Open the ramp of a step, or say why there is none."""
        path = self.raw() if step == "uncal" else self.path(step)
        record = self.records.get(step, {})
        if path is None or not path.exists():
            made = step == "uncal" or record
            why = self._without_raw() if step == "uncal" else "not kept" if made else "not made"
            return RampPixel(step, why, status=record.get("status", ""), reason=record.get("reason"))
        try:
            product = PixelFile(path)
            frames = Frames(product.header, product.shape("SCI"), path)
        except (FileProblem, ValueError) as problem:
            return RampPixel(step, str(problem))
        if len(frames.shape) != 4:
            return RampPixel(step, f"{path}: SCI has {len(frames.shape)} axes where a ramp has 4")
        status = record.get("status", "COMPLETE")
        return RampPixel(step, product=product, frames=frames, status=status, reason=record.get("reason"))

    def stages(self, x, y, *, detector):
        """Read the pixel in every ramp of the chain.

        Returns
        -------
        stages : list of `RampPixel`
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
            if tuple(map(len, frames.lines)) != place.shape:
                stage.product, stage.missing = None, "of another shape than the products before; it is not theirs"
                continue
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
            if product := self._rate(step, "", place):
                image = _numbers(product, (place.y, place.x))
            if product := self._rate(step, "ints", place):
                cube = [_numbers(product, (i, place.y, place.x)) for i in range(product.shape("SCI")[0])]
            if image or cube:
                found[step] = image, cube or []
        return found

    def _rate(self, step, kind, place):
        """Open a product with rates; None where there is none of the exposure's shape."""
        path = self.path(step, kind)
        if not path.exists():
            return None
        try:
            product = PixelFile(path)
            shape = product.shape("SCI")
        except FileProblem as problem:
            self.damaged.append(str(problem))
            return None
        return product if shape[-2:] == place.shape and len(shape) == (3 if kind else 2) else None

    def parameters(self, step):
        """Return the parameters of a step: {name: {"value": …, "source": …}}."""
        if step not in self._parameters:
            path = self.home(step) / "parameters" / f"{step}.json"
            self._parameters[step] = (self._read(path, PARAMETERS) if path.exists() else None) or {}
        return self._parameters[step]

    def value(self, step, name, default=None):
        """Return the value of a parameter."""
        return self.parameters(step).get(name, {}).get("value", default)

    def number(self, step, name, default):
        """Return the value of a parameter that is a number; another where it is none."""
        value = self.value(step, name)
        return value if isinstance(value, int | float) else default

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

    def _pointed(self, kind):
        """Return the pointer of a type, and the file opened; once, since the pixels around are asked for, too."""
        if kind not in self._opened:
            pointer = self._read(self._shared / "references" / f"{kind}.json", POINTER) or {}
            opened = None
            if pointer.get("file") and kind in IMAGES:
                try:
                    opened = PixelFile(pointer["file"])
                except FileProblem as problem:
                    opened = problem
            self._opened[kind] = pointer, opened
        return self._opened[kind]

    def _read_reference(self, kind, place, frames):
        pointer, opened = self._pointed(kind)
        found = ReferencePixel(kind, pointer.get("file"), pointer.get("name", "N/A"))
        if opened is None:
            return found
        if isinstance(opened, FileProblem):
            found.trouble = str(opened)
            return found
        found.product = opened
        try:
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
