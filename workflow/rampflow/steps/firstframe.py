"""Leave out the first group of MIRI ramps.

The first group after a reset of a MIRI detector lies off the line that the later groups follow, while the
disturbance of the reset dies away. With enough groups it is better not to use it at all. No reference file,
and SCI (DN) is not changed; only group 0 gets DO_NOT_USE.

Very bright pixels saturate so early that group 0 is one of the only two groups left. With
``bright_use_group1`` it is kept where the third group is saturated, and releases from 1.20 on mark these
pixels FLUX_ESTIMATED, since their slope carries the reset effect.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/firstframe/description.html and
Morrison et al. 2023, PASP 135, 075004.
"""

import numpy as np

from rampflow.detector import dq
from rampflow.steps.agreement import SAME_ROWS, check_shape


def flag_first_group(first: np.ndarray, third: np.ndarray, *, bright_use_group1: bool) -> np.ndarray:
    """Mark the first group of one integration as DO_NOT_USE, in place.

    Needs only two groups of the integration, so the rest of GROUPDQ need not be read.

    Parameters
    ----------
    first : 2D uint8 `~numpy.ndarray`
        Flags of group 0. Changed in place.
    third : 2D uint8 `~numpy.ndarray`
        Flags of group 2, same pixels. Only read with ``bright_use_group1``, and may be None without.
    bright_use_group1 : bool
        Keep group 0 where group 2 is saturated.

    Returns
    -------
    2D bool `~numpy.ndarray`
        Where group 0 was kept. Combine over integrations by "or" for `flag_flux_estimated`.

    Raises
    ------
    StepError
        If the two groups differ in shape.
    """
    if not bright_use_group1:
        first |= dq.DO_NOT_USE
        return np.zeros(first.shape, dtype=bool)
    check_shape("group 0", first.shape, "group 2", third.shape, SAME_ROWS)
    kept = (third & dq.SATURATED) != 0
    np.bitwise_or(first, dq.DO_NOT_USE, out=first, where=~kept)
    return kept


def flag_flux_estimated(pixeldq: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Mark pixels whose flux rests on a first group that is normally left out, in place.

    Parameters
    ----------
    pixeldq : 2D uint32 `~numpy.ndarray`
        Pixel flags of the exposure.
    kept : 2D bool `~numpy.ndarray`
        Pixels whose group 0 was kept in any integration.

    Returns
    -------
    2D uint32 `~numpy.ndarray`
        ``pixeldq``.
    """
    np.bitwise_or(pixeldq, dq.FLUX_ESTIMATED, out=pixeldq, where=kept)
    return pixeldq
