"""Leave out the last group of MIRI ramps.

MIRI resets a row right after it has read it for the last time, and the reset of the neighbouring row pulls
the last read of a ramp off its line. So the last group gets DO_NOT_USE, if enough groups remain. No reference
file; SCI (DN) is not changed.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/lastframe/description.html and
Morrison et al. 2023, PASP 135, 075004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.detector import dq

if TYPE_CHECKING:
    import numpy as np


def flag_last_group(last: np.ndarray) -> np.ndarray:
    """Mark the last group of one integration as DO_NOT_USE, in place.

    Needs no other group, so the rest of GROUPDQ need not be read.

    Parameters
    ----------
    last : 2D uint8 `~numpy.ndarray`
        Flags of the last group.

    Returns
    -------
    2D uint8 `~numpy.ndarray`
        ``last``.
    """
    last |= dq.DO_NOT_USE
    return last
