"""Reference files that describe the synthetic detector, one function per type.

They are made as the field's files are, with what makes those awkward: DQ values of their own numbering
(DQ_DEF), names that no standard knows, NaN, arrays larger than the exposure, darks in another pattern.
"""

from rampflow.mock.crds_rules import BENCH
from rampflow.mock.references import bench
from rampflow.mock.references.frames import (
    SATURATION_MARGIN,
    flat,
    gain,
    ipc,
    linearity,
    mask,
    persat,
    pictureframe,
    readnoise,
    saturation,
    superbias,
    trapdensity,
)
from rampflow.mock.references.series import LONGEST_DARK, LONGEST_RESET, dark, dark_pattern, reset
from rampflow.mock.references.spectra import bkg, pastasoss, wavelengthrange
from rampflow.mock.references.tables import distortion, emicorr, refpix, rscd, sirskernel, trappars

#: Writers of all types that are arrays or tables: called with the file, an exposure that uses it and the
#: window to cover.
WRITERS = {
    "mask": mask,
    "saturation": saturation,
    "superbias": superbias,
    "refpix": refpix,
    "sirskernel": sirskernel,
    "distortion": distortion,
    "ipc": ipc,
    "linearity": linearity,
    "dark": dark,
    "gain": gain,
    "readnoise": readnoise,
    "flat": flat,
    "pictureframe": pictureframe,
    "reset": reset,
    "rscd": rscd,
    "emicorr": emicorr,
    "trapdensity": trapdensity,
    "trappars": trappars,
    "persat": persat,
    "pastasoss": pastasoss,
    "bkg": bkg,
    "wavelengthrange": wavelengthrange,
    **{name: getattr(bench, name) for name in BENCH},
}

__all__ = ["LONGEST_DARK", "LONGEST_RESET", "SATURATION_MARGIN", "WRITERS", "dark_pattern", *WRITERS]
