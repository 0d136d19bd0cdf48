"""Correct for charge that was trapped by earlier light and is released into this exposure, or flag it.

As a pixel of a HAWAII-2RG collects charge, its depletion region shrinks and lays traps open, which catch some of
it. After the reset they let it go over minutes to hours: a fading image of what was bright before. Two algorithms:

traps
    Families of traps, each with its own times of capture and of decay (reference trappars), fill and empty through
    the exposure. What they release is subtracted from every group (DN in, DN out); pixels where it is large get
    PERSISTENCE in PIXELDQ. What is filled at the end is handed on to the next exposure of the detector.
window
    For some time after a pixel saturated, its groups get PERSISTENCE (and, if wanted, DO_NOT_USE). SCI is not
    changed. Windows that are open at the end are handed on.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/persistence/description.html; Smith et al. 2008, Proc.
SPIE 7021, 70210J (traps in the depletion region); Regan et al. 2012, Proc. SPIE 8442, 84424W.
"""

from rampflow.steps.persistence.families import Families, Timing, capture_tables, decayed
from rampflow.steps.persistence.traps import NO_LIMIT, subtract_traps, usable_density, usable_saturation
from rampflow.steps.persistence.windows import check_window, flag_windows, integration_starts, unix_time

__all__ = [
    "NO_LIMIT",
    "Families",
    "Timing",
    "capture_tables",
    "check_window",
    "decayed",
    "flag_windows",
    "integration_starts",
    "subtract_traps",
    "unix_time",
    "usable_density",
    "usable_saturation",
]
