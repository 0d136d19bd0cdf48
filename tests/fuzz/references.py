"""Mutants of the mock's reference files, and what must come of them: arrays of the right shape, or one line.

A mutant is judged as the references job does it, and, if it passes, read as the steps read it.
"""

import random
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits

from fuzz.driver import fault_of
from rampflow.crds import conformity, verify
from rampflow.detector import subarray
from rampflow.io import files, trees
from rampflow.io.references import Reference
from rampflow.mock import Effects, MockExposure, Rectangle, Scene
from rampflow.mock.references import WRITERS

_WINDOW = Rectangle(1, 1, 40, 32)
_MODES = {
    "NIS": ("NISRAPID", {"exp_type": "NIS_AMI", "filter": "F480M", "pupil": "NRM"}),
    "MIRIMAGE": ("FASTR1", {}),
    "NRS1": ("NRSRAPID", {}),
}
_KINDS = {
    "NIS": "mask saturation superbias ipc linearity dark gain readnoise flat trapdensity trappars persat sirskernel",
    "MIRIMAGE": "mask reset rscd emicorr dark",
    "NRS1": "refpix pictureframe",
}


@dataclass(frozen=True)
class Mutant:
    """A file's content, the type that it is for, the exposure's header, and what was done to it."""

    what: str
    kind: str
    header: dict
    content: bytes
    suffix: str


@cache
def _good():
    """Return one file of each type: (type, header of the exposure, content, suffix)."""
    made = []
    with TemporaryDirectory() as folder:
        for detector, kinds in _KINDS.items():
            readpatt, more = _MODES[detector]
            instrument = {"NIS": "NIRISS", "NRS1": "NIRSPEC"}.get(detector, "MIRI")
            exposure = MockExposure(
                detector, readpatt, 5, 2, window=_WINDOW, scene=Scene(), effects=Effects.nominal(instrument), **more
            )
            header = {"INSTRUME": instrument, "DETECTOR": detector, "SUBSTRT1": 1, "SUBSTRT2": 1}
            for kind in kinds.split():
                suffix = ".asdf" if kind in ("emicorr", "sirskernel") else ".fits"
                path = Path(folder, f"{detector}_{kind}{suffix}")
                WRITERS[kind](path, exposure, _WINDOW)
                made.append((kind, header, path.read_bytes(), suffix))
    return made


def mutants(seed, number):
    """Yield that many mutants, the same for the same seed."""
    for index in range(number):
        rng = random.Random(f"{seed}/{index}")
        kind, header, content, suffix = rng.choice(_good())
        makers = [_flipped, _cut, _other_type] if suffix == ".asdf" else [_flipped, _cut, _other_type, *_OF_FITS]
        maker = rng.choice(makers)
        kind, content, suffix = maker(rng, kind, content, suffix)
        yield Mutant(f"{seed}/{index}: {kind} {maker.__name__}", kind, header, content, suffix)


def check(mutant, folder):
    """Judge a mutant and read it; return what is wrong with what came of it, or None."""
    path = folder / f"reference{mutant.suffix}"
    path.write_bytes(mutant.content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facts = verify.verified(path, None)
            lines = list(conformity.check(mutant.kind, path, facts, mutant.header))
            wrong = _read(path, mutant)
    except files.FileProblem as problem:
        return fault_of(problem, path, mutant.what)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the fault
        return f"{mutant.what}: {type(error).__name__}: {error}"
    if any("\n" in line for line in lines):
        return f"{mutant.what}: not a line: {lines}"
    return wrong and f"{mutant.what}: {wrong}"


def _read(path, mutant):
    """Read what passed as the steps do."""
    if mutant.suffix == ".asdf":
        trees.read_tree(path)
        return None
    window = subarray.Window(0, 0, _WINDOW.ysize, _WINDOW.xsize)
    uncut = mutant.kind in ("dark", "reset", "rscd", "trappars")
    reference = Reference(path, None if uncut else window, (window.ny, window.nx))
    try:
        name, axes = conformity.LAYOUT[mutant.kind]
        if axes == conformity.TABLE:
            return None if len(reference.table(name).dtype.names or ()) else "a table without columns"
        values = reference.read_kernel() if mutant.kind == "ipc" else reference.read(name)
        if mutant.kind != "ipc" and values.shape[-2:] != (window.ny, window.nx):
            return f"{name} is of the shape {values.shape}"
        if mutant.kind != "ipc" and reference.read_dq().shape[-2:] != (window.ny, window.nx):
            return "DQ is of another shape"
    finally:
        reference.close()
    return None


# --- what is done to a file ----------------------------------------------------------------------------------


def _flipped(rng, kind, content, suffix):
    content = bytearray(content)
    heads = [at for at in range(0, len(content), 80) if content[at + 8 : at + 10] == b"= "] or [0]
    for _ in range(rng.randint(1, 5)):
        # Mostly where it matters.
        at = rng.choice(heads) + rng.randrange(80) if rng.random() < 0.7 else rng.randrange(len(content))
        content[min(at, len(content) - 1)] = rng.choice([rng.randrange(256), *b" 0129-.TF'"])
    return kind, bytes(content), suffix


def _cut(rng, kind, content, suffix):
    start, stop = sorted(rng.sample(range(len(content) + 1), 2))
    if rng.random() < 0.5:
        start, stop = start - start % 2880, stop - stop % 2880
    return kind, content[:start] + content[stop:] if rng.random() < 0.5 else content[:stop], suffix


def _other_type(rng, kind, content, suffix):  # noqa: ARG001 - a file in the place of another
    _, _, other, suffix = rng.choice(_good())
    return kind, other, suffix


def _changed(change):
    """Make a maker of a change to the list of extensions."""

    def maker(rng, kind, content, suffix):
        with fits.HDUList.fromstring(content) as hdus:
            change(rng, hdus)
            with TemporaryDirectory() as folder:
                path = Path(folder, "mutant.fits")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    hdus.writeto(path, output_verify="ignore")
                return kind, path.read_bytes(), suffix

    maker.__name__ = change.__name__
    return maker


def _images(hdus):
    return [hdu for hdu in hdus[1:] if isinstance(hdu, fits.ImageHDU) and hdu.data is not None]


def _without_extension(rng, hdus):
    del hdus[rng.randrange(1, len(hdus))]


def _renamed(rng, hdus):
    hdus[rng.randrange(1, len(hdus))].name = rng.choice(["SCI", "DQ", "ERR", "COEFFS", "X", ""])


def _reshaped(rng, hdus):
    for hdu in rng.sample(images := _images(hdus), min(1, len(images))):
        shape = list(hdu.data.shape)
        how = rng.randrange(4)
        if how == 0:
            shape = shape[1:] or [1]
        elif how == 1:
            shape = [2, *shape]
        else:
            shape[rng.randrange(len(shape))] += rng.choice([-1, 1, 7])
        hdu.data = np.resize(hdu.data, [max(1, length) for length in shape])


def _without_numbers(rng, hdus):
    for hdu in _images(hdus):
        if hdu.data.dtype.kind == "f":
            hdu.data = np.full_like(hdu.data, rng.choice([np.nan, np.inf, -np.inf]))


def _retyped(rng, hdus):
    for hdu in _images(hdus):
        with np.errstate(all="ignore"):
            hdu.data = hdu.data.astype(rng.choice(["u1", "i2", "i4", "i8", "f4", "f8"]))


def _misplaced(rng, hdus):
    for key in ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"):
        hdus[0].header[key] = rng.choice([1, 0, -3, 17, 4000, 2.5, "x", True])


def _mislabelled(rng, hdus):
    hdus[0].header[rng.choice(["REFTYPE", "INSTRUME", "DETECTOR"])] = rng.choice(["X", 3, "", "N/A", "NRCALONG"])


def _empty(rng, hdus):
    hdus[rng.randrange(1, len(hdus))] = fits.ImageHDU(name=rng.choice(["SCI", "DQ", "COEFFS"]))


_OF_FITS = [
    _changed(change)
    for change in (
        _without_extension, _renamed, _reshaped, _without_numbers, _retyped, _misplaced, _mislabelled, _empty,
    )
]  # fmt: skip
