"""Programmes that are drawn at random: one exposure of every detector, with parameters of the steps.

A comparison on exposures that somebody chose shows what somebody thought of. Here the seed chooses: mode, read-out
pattern, place on the detector, numbers of groups and integrations, scene, strength of the effects, and now and then
a parameter of a step.
"""

import numpy as np

from programmes import draws
from rampflow.mock import configurations
from rampflow.mock.configurations import instrument_of
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure

NIRCAM = ("NRCA1", "NRCA2", "NRCA3", "NRCA4", "NRCALONG", "NRCB1", "NRCB2", "NRCB3", "NRCB4", "NRCBLONG")
MIRI = ("MIRIMAGE", "MIRIFUSHORT", "MIRIFULONG")
DETECTORS = (*NIRCAM, "NIS", "NRS1", "NRS2", *MIRI, "GUIDER1", "GUIDER2")

#: Groups of all integrations of an exposure with traps.
LONGEST_WITH_TRAPS = 16

#: EXP_TYPE of plain exposures and of time series.
_TYPES = {
    "NIRCAM": (("NRC_IMAGE", "NRC_WFSS", "NRC_CORON"), ("NRC_TSIMAGE", "NRC_TSGRISM")),
    "NIRISS": (("NIS_IMAGE", "NIS_WFSS", "NIS_AMI"), ("NIS_SOSS",)),
    "NIRSPEC": (("NRS_FIXEDSLIT", "NRS_MSASPEC", "NRS_IFU"), ("NRS_BRIGHTOBJ",)),
    "FGS": (("FGS_IMAGE", "FGS_FOCUS"), ()),
    "MIRIMAGE": (("MIR_IMAGE", "MIR_LYOT", "MIR_4QPM", "MIR_LRS-FIXEDSLIT"), ("MIR_IMAGE", "MIR_LRS-SLITLESS")),
    "MRS": (("MIR_MRS",), ("MIR_MRS",)),
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
        One of every detector.
    steps : dict
        The key ``steps`` of a configuration: what was drawn for each exposure, by its name.
    traps : frozenset of str
        Detectors with references for the persistence step.
    """
    exposures, steps = [], {}
    for number, detector in enumerate(DETECTORS):
        rng = np.random.default_rng((seed, number))
        exposure = _exposure(detector, rng)
        exposures.append(exposure)
        steps[exposure.root] = _parameters(exposure, rng)
    rng = np.random.default_rng((seed, len(DETECTORS)))
    # jwst follows the traps of the whole detector, which takes seconds for a group.
    short = [exposure.detector for exposure in exposures if exposure.ngroups * exposure.nints <= LONGEST_WITH_TRAPS]
    traps = frozenset(draws.some(rng, [name for name in short if name.startswith(("NRC", "NIS", "GUIDER"))], 3))
    return exposures, {root: chosen for root, chosen in steps.items() if chosen}, traps


def draw_recent(seed):
    """Draw what a programme has besides for release 3.0.

    Parameters
    ----------
    seed : int
        As for `draw`.

    Returns
    -------
    steps : dict
        Parameters that came with that release, to be added to those of `draw`: for each exposure, by step.
    flagged : frozenset of str
        Names of the exposures with flags of the user's.
    """
    steps, flagged = {}, set()
    for number, exposure in enumerate(draw(seed)[0]):
        rng = np.random.default_rng((seed, number, 3))
        chosen = steps[exposure.root] = {}
        if rng.random() < 0.4:
            chosen["persistence"] = {
                "skip": False,
                "persistence_time": int(draws.one(rng, (1, 10, 100, 3000))),
                "dn_threshold": draws.one(rng, (None, 2000.0, 20000.0)),
                "persistence_dnu": bool(rng.random() < 0.5),
            }
        if rng.random() < 0.3:
            chosen["refpix"] = {"siglimit": float(draws.one(rng, (1.5, 2.0, 5.0)))}
        if rng.random() < 0.3:
            flagged.add(exposure.root)
    return steps, frozenset(flagged)


def _exposure(detector, rng):
    instrument = instrument_of(detector)
    types = _TYPES.get(detector) or _TYPES.get(instrument) or _TYPES["MRS"]
    tso = bool(rng.random() < 0.3 and types[1])
    subarray = draws.one(rng, configurations.subarrays(detector))
    patterns = [name for name in configurations.read_patterns(instrument) if not configurations.is_irs2(name)]
    readpatt = draws.one(rng, patterns)
    whole = rng.random() < 0.03 and instrument != "MIRI"
    window = subarray.window if whole else draws.window(subarray.window, rng)
    ngroups = int(draws.one(rng, (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 25)))
    nints = draws.integrations(rng, tso)
    if whole:
        ngroups, nints = min(ngroups, 4), 1
    elif ngroups * nints > 400:
        nints = 400 // ngroups
    more = {}
    if instrument == "NIRCAM":
        more = {"zero_frame": bool(rng.random() < 0.5 and readpatt != "RAPID")}
    if instrument == "MIRI" and detector != "MIRIMAGE":
        more = {"band": draws.one(rng, ("SHORT", "MEDIUM", "LONG"))}
    if rng.random() < 0.15 and not detector.startswith("MIR"):
        more["dropped_frames"] = int(rng.integers(1, 4))
    if rng.random() < 0.15 and readpatt not in ("RAPID", "NISRAPID", "NRSRAPID", "FGSRAPID"):
        # Averages are made by division by a power of two, which may be more than there are frames.
        nframes = configurations.read_pattern(instrument, readpatt).nframes
        more["frame_divisor"] = int(draws.one(rng, [n for n in (1, 2, 4, 8, 16) if nframes <= n <= 2 * nframes]))
    exposure = MockExposure(
        detector,
        readpatt,
        ngroups,
        nints,
        subarray=subarray.name,
        window=window,
        noutputs=draws.one(rng, subarray.noutputs),
        exp_type=draws.one(rng, types[tso]),
        tso=tso,
        scene=draws.scene(rng),
        effects=_effects(rng, instrument),
        start=draws.start(rng),
        **more,
    )
    if tso and nints > 3 and rng.random() < 0.4:
        return draws.half(exposure, rng)
    return exposure


def _effects(rng, instrument):
    names = ["cosmic_rays", "snowballs"] if instrument != "MIRI" else ["cosmic_rays", "showers", "emi", "rscd"]
    return Effects.nominal(instrument, **{name: float(10 ** rng.uniform(-0.5, 2.5)) for name in names})


def _parameters(exposure, rng):
    """Draw parameters of some steps: for most exposures a few, for some none."""
    miri = exposure.instrument == "MIRI"
    missing = {"firstframe", "emicorr"} if not miri else {"persistence", "charge_migration"}
    if exposure.instrument == "NIRSPEC" or exposure.tso:
        missing |= {"persistence"}
    if exposure.tso:
        missing |= {"firstframe", "charge_migration"}
    return draws.parameters(rng, draws.PARAMETERS, missing)
