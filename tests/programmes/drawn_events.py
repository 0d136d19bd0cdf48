"""Programmes of crowded fields of snowballs, drawn at random: one exposure of every near-infrared instrument or two.

For release 3.0, whose shapes of snowballs ours are. Their rate is such that a small window sees several in most
integrations, some on its edge, some on top of each other or of a saturated star.
"""

import numpy as np

from programmes import draws
from rampflow.mock import configurations
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure

DETECTORS = ("NRCA2", "NRCBLONG", "NIS", "NRS1", "NRS2", "GUIDER1")

#: Snowballs that a window sees on average in an integration.
NUMBERS = (1.0, 4.0, 12.0)

#: Values of the parameters that decide what a snowball is and what is flagged around it.
SNOWBALLS = {
    "min_sat_area": (1.0, 4.0, 20.0),
    "min_jump_area": (5.0, 7.5, 15.0, 60.0),
    "expand_factor": (1.0, 1.75, 2.0, 3.5),
    "sat_required_snowball": (True, True, False),
    "min_sat_radius_extend": (0.0, 2.5, 8.0),
    "sat_expand": (0, 2, 5),
    "edge_size": (0, 10, 25, 70),
    "mask_snowball_core_next_int": (True, True, False),
    "snowball_time_masked_next_int": (0, 20, 300, 4000),
    "max_extended_radius": (5, 12, 200),
}


def draw(seed):
    """Draw a programme.

    Parameters
    ----------
    seed : int
        The programme follows from it alone.

    Returns
    -------
    exposures : list of MockExposure
        One of each of `DETECTORS`.
    steps : dict
        The key ``steps`` of a configuration: parameters of the jump step for each exposure, by its name.
    """
    exposures, steps = [], {}
    for number, detector in enumerate(DETECTORS):
        rng = np.random.default_rng((seed, number, 4))
        exposure = _exposure(detector, rng)
        exposures.append(exposure)
        usual = draws.values(rng, draws.PARAMETERS["jump"], 0, 3)
        special = draws.values(rng, SNOWBALLS, 0, len(SNOWBALLS))
        steps[exposure.root] = {"jump": usual | special | {"expand_large_events": True}}
    return exposures, steps


def _exposure(detector, rng):
    instrument = configurations.instrument_of(detector)
    whole = draws.one(rng, [each for each in configurations.subarrays(detector) if min(each.window.shape) >= 64])
    readpatt = draws.one(rng, [name for name in configurations.read_patterns(instrument) if "IRS2" not in name])
    exposure = MockExposure(
        detector,
        readpatt,
        int(draws.one(rng, (1, 2, 3, 4, 5, 6, 8, 12))),
        int(draws.one(rng, (1, 2, 3, 5))),
        subarray=whole.name,
        window=draws.window(whole.window, rng),
        noutputs=draws.one(rng, whole.noutputs),
        scene=draws.scene(rng),
        effects=Effects.nominal(instrument, snowballs=0.0, cosmic_rays=float(10 ** rng.uniform(-0.5, 2.0))),
    )
    # The mock has one snowball on a whole detector every 20 s, at strength 1.
    seen = np.prod(exposure.window.shape) / 2048**2 * exposure.integration_time / 20
    return exposure.but(effects=exposure.effects.but(snowballs=float(draws.one(rng, NUMBERS) / seen)))
