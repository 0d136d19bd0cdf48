"""The file that names the shutters of NIRSpec's MSA that were meant to be open in an exposure."""

import numpy as np
from astropy.io import fits

#: Of each slitlet: quadrant, number of its shutters' row, numbers of the shutters in it, and the one of the source.
_SLITLETS = ((1, 60, (20, 21, 22), 21), (2, 200, (50, 51, 52), 51), (3, 100, (90, 91), 90), (4, 300, (30,), 30))


def write_shutters(exposure, folder):
    """Write the file that MSAMETFL names beside a raw file; return its path, or None for other exposures."""
    header = {key: value for key, _, value in exposure.header()}
    if "MSAMETFL" not in header:
        return None
    columns = [
        ("slitlet_id", "i2"), ("msa_metadata_id", "i2"), ("shutter_quadrant", "i2"), ("shutter_row", "i2"),
        ("shutter_column", "i2"), ("source_id", "i2"), ("background", "S1"), ("shutter_state", "S6"),
        ("estimated_source_in_shutter_x", "f4"), ("estimated_source_in_shutter_y", "f4"), ("dither_point_index", "i2"),
        ("primary_source", "S1"), ("fixed_slit", "S7"),
    ]  # fmt: skip
    rows = [
        (number, 1, quadrant, row, shutter, number, *(("N", "OPEN", 0.5, 0.5, 1, "Y", "NONE") if shutter == source else
         ("Y", "OPEN", np.nan, np.nan, 1, "N", "NONE")))
        for number, (quadrant, row, shutters, source) in enumerate(_SLITLETS, start=1)
        for shutter in shutters
    ]  # fmt: skip
    sources = [
        (exposure.program, number, f"{exposure.program}_{number}", str(number), 82.0, -65.0, "None", 1.0)
        for number, _ in enumerate(_SLITLETS, start=1)
    ]
    source_columns = [
        ("program", "i4"), ("source_id", "i4"), ("source_name", "S20"), ("alias", "S31"), ("ra", "f8"), ("dec", "f8"),
        ("preimage_id", "S30"), ("stellarity", "f8"),
    ]  # fmt: skip
    tables = [
        fits.BinTableHDU(np.array(rows, columns), name="SHUTTER_INFO"),
        fits.BinTableHDU(np.array(sources, source_columns), name="SOURCE_INFO"),
    ]
    path = folder / header["MSAMETFL"]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path, overwrite=True)
    return path
