"""Leave out the first groups of MIRI integrations that follow a reset (reset switch charge decay).

Each reset between integrations disturbs the next ramp: its first groups lie off the line that the later ones
follow. The first integration of an exposure follows a long idle phase and is spared. The RSCD reference file
has a table that says, per subarray and readout pattern, how many groups are affected; these get DO_NOT_USE.
SCI (DN) is not changed. This is the "baseline" algorithm of releases up to 1.20.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/rscd/description.html and
Morrison et al. 2023, PASP 135, 075004.
"""

from rampflow import dq
from rampflow.steps import NotApplicable

#: Groups that must remain after the affected ones are left out.
GROUPS_TO_KEEP = 4


def group_skip(table, *, subarray, readpatt, ngroups):
    """Look up how many groups to leave out.

    Parameters
    ----------
    table : iterable of rows
        RSCD_GROUP_SKIP of the reference: rows with "subarray", "readpatt" and "group_skip".
    subarray, readpatt : str
        SUBARRAY and READPATT of the exposure.
    ngroups : int
        Groups per integration.

    Returns
    -------
    int
        Groups to leave out.

    Raises
    ------
    NotApplicable
        If the table has no row for this readout, or too few groups would remain.
    """
    # The prism's subarray has another name in the exposures than in the reference.
    name = "SLITLESSPRISM" if subarray == "SUBPRISM" else subarray
    for row in table:
        if _text(row["subarray"]) == name and _text(row["readpatt"]) == readpatt:
            skip = int(row["group_skip"])
            break
    else:
        raise NotApplicable(f"the RSCD reference has no row for SUBARRAY={name}, READPATT={readpatt}")
    needed = skip + GROUPS_TO_KEEP
    if ngroups < needed:
        raise NotApplicable(f"{ngroups} groups per integration; {needed} are needed to skip the first {skip}")
    return skip


def is_affected(integration, *, intstart):
    """Say whether an integration follows another one, and hence a reset.

    Parameters
    ----------
    integration : int
        Integration within this file, from 0.
    intstart : int or None
        Number of the file's first integration within the exposure (INTSTART), from 1. None means 1.

    Returns
    -------
    bool
        False for the exposure's first integration alone.
    """
    return integration + (intstart or 1) > 1


def flag_groups(groupdq):
    """Mark the affected groups of one affected integration as DO_NOT_USE, in place.

    Needs no other group, so the rest of GROUPDQ need not be read.

    Parameters
    ----------
    groupdq : 3D uint8 `~numpy.ndarray`
        Flags of the integration's first `group_skip` groups, whole or a block of rows.

    Returns
    -------
    3D uint8 `~numpy.ndarray`
        ``groupdq``.
    """
    groupdq |= dq.DO_NOT_USE
    return groupdq


def _text(value):
    return (value.decode("ascii") if isinstance(value, bytes) else str(value)).strip()
