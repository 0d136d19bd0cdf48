"""How reference files are made: header, DQ with a table of definitions, images, and the metadata of ASDF files."""

import numpy as np
from astropy.io import fits

from rampflow.detector import dq
from rampflow.mock.configurations import full_frame, orientation


def header_of(exposure, reftype, description, window=None, **more):
    """Header of a reference for an exposure, of a window of the detector if it has one; ``more`` are keywords."""
    header = fits.Header()
    header["TELESCOP"] = "JWST"
    header["INSTRUME"] = exposure.instrument
    header["DETECTOR"] = exposure.detector
    header["REFTYPE"] = reftype.upper()
    header["DESCRIP"] = description
    header["AUTHOR"] = "rampflow.mock"
    header["PEDIGREE"] = "SIMULATION"
    header["USEAFTER"] = "2022-01-01T00:00:00"
    if window is not None:
        whole = window == full_frame(exposure.detector)
        same = window == exposure.window
        header["SUBARRAY"] = "FULL" if whole else exposure.subarray if same else "GENERIC"
        header["SUBSTRT1"], header["SUBSTRT2"] = window.xstart, window.ystart
        header["SUBSIZE1"], header["SUBSIZE2"] = window.xsize, window.ysize
        header["FASTAXIS"], header["SLOWAXIS"] = orientation(exposure.detector)
    for key, value in more.items():
        header[key] = value
    return header


def quality(shape, flags, standard=False):
    """HDUs of a DQ array; `flags` maps names to masks.

    Unless `standard`, bits are numbered in the order of `flags`, and a name that no one knows is added.
    """
    if standard:
        array = np.zeros(shape, np.uint32)
        for name, mask in flags.items():
            array[..., mask] |= np.uint32(dq.MNEMONICS[name])
        return [fits.ImageHDU(array, name="DQ")]
    flags = dict(flags)
    row = np.zeros(shape[-2:], bool)
    row[:: max(1, shape[-2] // 5), ::7] = True
    flags["ONLY_KNOWN_HERE"] = row
    array = np.zeros(shape, np.uint8)
    definition = []
    for bit, (name, mask) in enumerate(flags.items()):
        array[..., mask] |= np.uint8(1 << bit)
        definition.append((bit, 1 << bit, name, name.replace("_", " ").lower()))
    columns = [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    table = np.array(definition, dtype=columns)
    return [fits.ImageHDU(array, name="DQ"), fits.BinTableHDU(table, name="DQ_DEF")]


def write(path, header, hdus):
    """Write a file of a primary header and further HDUs."""
    fits.HDUList([fits.PrimaryHDU(header=header), *hdus]).writeto(path, overwrite=True, checksum=False)


def image(array, name="SCI"):
    """Image extension, float32."""
    return fits.ImageHDU(np.ascontiguousarray(array, np.float32), name=name)


def meta_of(reftype, instrument):
    """Metadata of an ASDF reference."""
    return {
        "author": "rampflow.mock",
        "date": "2024-01-01T00:00:00",
        "description": f"Synthetic {reftype}",
        "instrument": {"name": instrument},
        "origin": "rampflow.mock",
        "pedigree": "SIMULATION",
        "reftype": reftype,
        "telescope": "JWST",
        "useafter": "2022-01-01T00:00:00",
    }
