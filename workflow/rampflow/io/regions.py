"""Files that say where NIRSpec's science regions are: masks that jwst has made, and products of its Stage 2."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.io import files

#: Keywords of a slit's extension: its first column and row in the frame, from 1, and how many it has.
_SLIT = ("SLTSTRT1", "SLTSTRT2", "SLTSIZE1", "SLTSIZE2")


class Regions(NamedTuple):
    """What a file says of an exposure.

    Attributes
    ----------
    image : 2D bool `~numpy.ndarray` or None
        True for science; None where the file has slits.
    slits : list of tuple of int
        First column and row of each slit, from 1, and its columns and rows.
    quadrants : list of int
        Of the MSA, in which slits are; 5 is that of the fixed slits.
    shutters : 2D bool `~numpy.ndarray` or None
        True where a shutter is open that should not be; None where the file does not say.
    made : bool
        Whether it is a mask of jwst's, which has all that jwst leaves out.
    nothing : str or None
        Why jwst has found no regions.
    """

    image: np.ndarray | None
    slits: list[tuple[int, ...]]
    quadrants: list[int]
    shutters: np.ndarray | None
    made: bool = False
    nothing: str | None = None


def read_regions(path: str | Path, *, exp_type: str, detector: str) -> Regions:
    """Read where the science regions of an exposure are.

    Parameters
    ----------
    path : path-like
        A mask of ``envs/jwst_mask.py``, or a product of jwst's Stage 2 with slits, or of the IFU.
    exp_type, detector : str
        Keywords of the exposure, which must be those of the file.

    Returns
    -------
    Regions

    Raises
    ------
    FileProblem
        The file is of another exposure, or does not say.
    """
    with files.Product(path) as product:
        for key, due in (("EXP_TYPE", exp_type), ("DETECTOR", detector)):
            found = str(product.header.get(key, "")).strip()
            if found != due:
                raise FileProblem(f"{path}: {key} is {found or 'absent'}, that of the exposure is {due}; name its own")
        if "SCIENCE" in product:
            values = product["SCIENCE"].read()
            nothing = product.header.get("NO_WCS")
            return Regions((values & 1) != 0, [], [], (values & 2) != 0, True, nothing)
        slits = [hdu.header for hdu in product.hdus if hdu.name == "SCI" and all(key in hdu.header for key in _SLIT)]
        if slits:
            places = [tuple(int(header[key]) for key in _SLIT) for header in slits]
            return Regions(None, places, [int(header.get("MSAQUAD", 0)) for header in slits], None)
        flags = product["DQ"].read() if "DQ" in product else None
        shutters = None if flags is None else (flags & np.uint32(dq.MSA_FAILED_OPEN)) != 0
        if "REGIONS" in product:
            return Regions(product["REGIONS"].read() > 0, [], [], shutters)
        if flags is not None and (outside := (flags & np.uint32(dq.NON_SCIENCE)) != 0).any():
            return Regions(~outside, [], [], shutters)
    raise FileProblem(
        f"{path}: neither slits ({', '.join(_SLIT)}) nor slices (REGIONS, or NON_SCIENCE in DQ), which say where the "
        "science regions are; name a _cal product, or a mask of the rule science_mask"
    )
