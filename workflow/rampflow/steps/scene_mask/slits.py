"""The science regions of NIRSpec: slits, slices, and the rows in which the fixed slits are.

Source: https://jwst-pipeline.readthedocs.io/en/latest/jwst/clean_flicker_noise/main.html
"""

from collections.abc import Iterable, Sequence

import numpy as np

#: Rows of full frames, from 0, in which the light of the fixed slits falls.
_FIXED_SLITS = slice(922, 1116)
#: Quadrant of the MSA by which the fixed slits go.
_OF_FIXED_SLITS = 5


def slit_regions(slits: Iterable[Sequence[int]], frame: tuple[int, int]) -> np.ndarray:
    """Find the pixels of slits.

    Parameters
    ----------
    slits : iterable of tuple of int
        First column and row, from 1, and numbers of columns and rows.
    frame : tuple of int
        Rows and columns of the exposure.

    Returns
    -------
    2D bool `~numpy.ndarray`
        True for those.

    Raises
    ------
    ValueError
        A slit is not within the frame.
    """
    found = np.zeros(frame, bool)
    for column, row, columns, rows in slits:
        if min(column, row) < 1 or row + rows - 1 > frame[0] or column + columns - 1 > frame[1]:
            raise ValueError(
                f"a slit of {columns} columns from {column} and {rows} rows from {row}, where the exposure has "
                f"{frame[1]} columns and {frame[0]} rows"
            )
        found[row - 1 : row + rows - 1, column - 1 : column + columns - 1] = True
    return found


def with_fixed_slits(regions: np.ndarray, exp_type: str, quadrants: Sequence[int] = ()) -> np.ndarray:
    """Add the rows of the fixed slits, which see the sky whatever the exposure is of; in place, and return it.

    Parameters
    ----------
    regions : 2D bool `~numpy.ndarray`
        True for science.
    exp_type : str
        EXP_TYPE: those of the IFU, and those of the MSA, unless fixed slits are among its own.
    quadrants : sequence of int
        Quadrants that slits of the MSA are in.
    """
    if exp_type == "NRS_IFU" or (exp_type == "NRS_MSASPEC" and _OF_FIXED_SLITS not in quadrants):
        regions[_FIXED_SLITS] = True
    return regions
