"""Fit slopes to ramps by weighted ordinary least squares (OLS_C).

A pixel's counts rise while light falls on it; the slope of the ramp is the count rate. The ramp is cut where a
cosmic ray hit (JUMP_DET) and where groups must not be used; each part, a *segment*, is fitted by a straight line,
and the slopes are combined with the inverse of their variances, first over an integration, then over the exposure.

Inside a segment the groups are weighted by its signal-to-noise ratio: with read noise alone the best slope is the
unweighted one, with photon noise the first and last groups count most (Fixsen et al. 2000, PASP 112, 1350). The
variance of a slope has a photon part, from the pixel's median rate, and a read-noise part.

Units: SCI in DN, slopes and errors in DN/s, variances in DN²/s². The *gain* reference (electrons/DN) and the
*readnoise* reference (DN, of the difference of two frames) give the noise. A slope that cannot be had is NaN, its
error and variances 0, its pixel DO_NOT_USE.

Order of work: `survey` over all blocks, joined by `join`; `choose_groups` for the exposure; `fit_ramps` block by
block; if the optional product is wanted, `count_segments` over all blocks and `fit_optional`.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ramp_fitting/description.html
"""

from rampflow.steps.ramp_fit.arrays import Optional, Slopes
from rampflow.steps.ramp_fit.groups import (
    FEWEST_GROUPS,
    Groups,
    NoSlopes,
    Planes,
    choose_groups,
    join,
    survey,
    takes_likely,
)
from rampflow.steps.ramp_fit.ols import fit_ramps

__all__ = [
    "FEWEST_GROUPS",
    "Groups",
    "NoSlopes",
    "Optional",
    "Planes",
    "Slopes",
    "choose_groups",
    "fit_ramps",
    "join",
    "survey",
    "takes_likely",
]
