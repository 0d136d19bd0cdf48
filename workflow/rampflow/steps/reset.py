"""Subtract what the reset leaves behind in the first groups of MIRI integrations.

A reset does not bring a MIRI detector to a steady level at once; the level still moves during the first
groups, and differently in the first integration than in later ones. The reset reference file holds this
excess signal (DN) for a few integrations and for the first groups of each. The step subtracts it group by
group (DN in, DN out). Integrations beyond those of the file use its last one; groups beyond those of the file
are left alone. The file's flags go to PIXELDQ. It is not cut out: CRDS selects a file of the same subarray.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/reset/description.html and
Morrison et al. 2023, PASP 135, 075004.
"""

from collections.abc import Callable

import numpy as np

from rampflow.steps.agreement import check_shape

_THESE_GROUPS = "give the groups of the reference that belong to these, for the exposure's own subarray"


def used_part(shape: tuple[int, ...], *, nints: int | None, ngroups: int | None) -> tuple[int, int]:
    """Say how much of the reference is used.

    Parameters
    ----------
    shape : tuple of int
        Of the reference: (integrations, groups, rows, columns).
    nints, ngroups : int or None
        NINTS and NGROUPS of the reference, which jwst goes by. None means all.

    Returns
    -------
    tuple of int
        Integrations and groups, never more than there are.
    """
    return min(nints or shape[0], shape[0]), min(ngroups or shape[1], shape[1])


def reset_plane(integration: int, *, intstart: int | None, n_reference: int) -> int:
    """Say which integration of the reference serves an integration of the exposure.

    Parameters
    ----------
    integration : int
        Integration within this file, from 0.
    intstart : int or None
        Number of the file's first integration within the exposure (INTSTART), from 1. None means 1.
    n_reference : int
        Integrations in the reference.

    Returns
    -------
    int
        Index of the integration in the reference, from 0.
    """
    return min(integration + (intstart or 1) - 1, n_reference - 1)


def reader(read: Callable[..., np.ndarray], *, n_groups: int) -> Callable[..., np.ndarray]:
    """Say how to get the reset signal of one group, for a caller that goes group by group.

    Parameters
    ----------
    read : callable
        ``read(name, plane, groups)`` returns groups of an integration of the reference, shape (n, rows, nx); rows of
        them where a slice follows.
    n_groups : int
        Groups in the reference.

    Returns
    -------
    callable
        ``(plane, group)`` to the reset signal (DN), shape (1, rows, nx); (0, rows, nx) beyond the reference. Rows of it
        where a slice follows.
    """

    def reset(plane, group, *rows):
        return usable_reset(read("SCI", plane, slice(group, min(group + 1, n_groups)), *rows))

    return reset


def usable_reset(reset):
    """Replace unknown reset values by zero.

    Parameters
    ----------
    reset : `~numpy.ndarray`
        Reset signal (DN), any part of the reference. NaN where it could not be measured.

    Returns
    -------
    float32 `~numpy.ndarray`
        A copy with 0 for NaN: such pixels stay as they are.
    """
    return np.where(np.isnan(reset), 0, reset).astype(np.float32, copy=False)


def subtract_reset(sci: np.ndarray, reset: np.ndarray) -> np.ndarray:
    """Subtract the reset signal from groups of one integration, in place.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, rows, nx), consecutive groups. NaN stays NaN.
    reset : 3D float32 `~numpy.ndarray`
        From `usable_reset`: the same groups, as far as the reference has them, so at most n (possibly none).

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the frames differ in shape, or there are more groups in ``reset`` than in ``sci``.
    """
    due = min(len(reset), len(sci)), *sci.shape[1:]
    check_shape("the reset signal", reset.shape, "the groups", due, _THESE_GROUPS)
    sci[: len(reset)] -= reset
    return sci
