"""Programmes of MIRI exposures that are drawn at random, with references that are drawn, too.

Several exposures of every detector, each in a subarray and pattern of its own, since darks and reset references are
selected by these; whole subarrays, whose clocking is the real one, and pieces of them.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from programmes import draws
from rampflow.mock import configurations
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure
from rampflow.mock.references import LONGEST_RESET

#: Exposures of each detector.
NUMBERS = {"MIRIMAGE": 5, "MIRIFUSHORT": 1, "MIRIFULONG": 2}

_FILTERS = ("F560W", "F770W", "F1000W", "F1130W", "F2550W", "P750L", "F1065C", "F1140C", "F2300C", "FND", "OPAQUE")
_BANDS = ("SHORT", "MEDIUM", "LONG", "SHORT-LONG", "MEDIUM-SHORT")
_IMAGER_TYPES = (
    "MIR_IMAGE", "MIR_LYOT", "MIR_4QPM", "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS", "MIR_TACQ", "MIR_TACONFIRM",
    "MIR_CORONCAL", "MIR_DARKIMG", "MIR_FLATIMAGE",
)  # fmt: skip
_SPECTROMETER_TYPES = ("MIR_MRS", "MIR_MRS", "MIR_MRS", "MIR_DARKMRS", "MIR_FLATMRS")
#: Samples (integrations x groups x pixels) of one exposure.
_MOST = 3_000_000

_MORE = {
    "emicorr": {
        "algorithm": ("joint", "sequential"),
        "fit_ints_separately": (False, True),
        "nbins": (None, 20, 501, 700),
        "nints_to_phase": (None, 1, 2),
        "onthefly_corr_freq": (None, None, [390.625], [10.039216, 390.625]),
        "scale_reference": (True, False),
        "use_n_cycles": (None, 3, 5),
    },
    "refpix": {"odd_even_rows": (True, False)},
}
#: Release 3.0 only: showers of 1.19 have another geometry on purpose, persistence is another step.
_RECENT = {
    "firstframe": {"skip": (False,), "bright_use_group1": (True, False)},
    "persistence": {
        "skip": (False,),
        "persistence_time": (1, 5, 60),
        "dn_threshold": (None, 2000.0),
        "persistence_dnu": (True, False),
    },
    "jump": draws.PARAMETERS["jump"]
    | {
        "find_showers": (True, True, False),
        "extend_snr_threshold": (1.2, 3.0),
        "extend_min_area": (20, 90),
        "extend_inner_radius": (1.0, 2.0),
        "extend_outer_radius": (2.6, 4.0),
        "extend_ellipse_expand_ratio": (1.1, 2.0),
        "time_masked_after_shower": (0.0, 15.0),
    },
}


@dataclass
class Drawing:
    """What was drawn; the fields are those of a programme."""

    exposures: list = field(default_factory=list)
    steps: dict = field(default_factory=dict)
    whole: frozenset = frozenset()
    without: frozenset = frozenset()
    options: dict = field(default_factory=dict)


def draw(seed, recent):
    """Draw a programme.

    Parameters
    ----------
    seed : int
        The programme follows from it alone.
    recent : bool
        With what only release 3.0 has, parameters and references.

    Returns
    -------
    Drawing
        Exposures, their parameters, references that are full frame or missing, and what the others are like.
    """
    drawing = Drawing()
    without = set()
    for number, (detector, wanted) in enumerate(NUMBERS.items()):
        rng = np.random.default_rng((seed, 1000 + number))
        drawing.options |= _references(detector, rng, recent)
        kinds = ("mask", "saturation", "linearity", "rscd", "reset", "dark")
        without |= {(detector, kind) for kind in kinds if rng.random() < 0.06}
        effects = Effects.nominal("MIRI", bad_pixels=draws.one(rng, (1.0, 1.0, 2.0)))
        places = [
            (subarray, pattern)
            for subarray in configurations.subarrays(detector)
            for pattern in configurations.read_patterns("MIRI")
        ]
        for count, (subarray, pattern) in enumerate(draws.some(rng, places, wanted), start=1):
            exposure = _exposure(detector, subarray, pattern, effects, count, rng)
            drawing.exposures.append(exposure)
            if steps := _parameters(exposure, rng, recent):
                drawing.steps[exposure.root] = steps
            drawing.options |= _own_references(exposure, rng)
    rng = np.random.default_rng((seed, 1000 + len(NUMBERS)))
    if rng.random() < 0.06:
        without.add("emicorr")
    waves = {"samples": draws.one(rng, (500, 500, 256, 97, 1000)), "absent": draws.one(rng, ((), (), (218.52,)))}
    drawing.options["MIRI", "emicorr"] = waves
    if rng.random() < 0.3:
        drawing.whole = frozenset(draws.some(rng, ("mask", "saturation", "linearity", "gain", "readnoise"), 3))
    drawing.without = frozenset(without)
    return drawing


def _exposure(detector, subarray, readpatt, effects, number, rng):
    imager = detector == "MIRIMAGE"
    tso = bool(rng.random() < 0.3)
    ngroups = int(draws.one(rng, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 27, 40)))
    nints = draws.integrations(rng, tso)
    whole = subarray.window
    is_whole = rng.random() < (0.15 if subarray.name == "FULL" else 0.4)
    window = whole if is_whole else draws.window(whole, rng)
    pixels = math.prod(window.shape)
    ngroups = max(1, min(ngroups, _MOST // pixels))
    nints = max(1, min(nints, _MOST // (pixels * ngroups), 600 // ngroups))
    more = {}
    if rng.random() < 0.15:
        more["nframes"], more["groupgap"] = draws.one(rng, ((2, 0), (4, 0), (4, 1), (2, 3), (1, 1)))
        more["frame_divisor"] = int(draws.one(rng, (1, 2, 4, 8)))
    if rng.random() < 0.15:
        more["omit"] = draws.one(rng, (("FRMDIVSR",), ("DRPFRMS1",), ("NRESETS",), ("NRSTSTRT",)))
    strengths = {name: float(10 ** rng.uniform(-0.5, 2.5)) for name in ("cosmic_rays", "showers")}
    strengths |= {name: float(10 ** rng.uniform(-1, 1)) for name in ("emi", "first_frame", "last_frame")}
    exposure = MockExposure(
        detector,
        readpatt,
        ngroups,
        nints,
        subarray=subarray.name,
        window=window,
        exp_type=draws.one(rng, _IMAGER_TYPES if imager else _SPECTROMETER_TYPES),
        filter=draws.one(rng, _FILTERS) if imager else None,
        band=None if imager else draws.one(rng, _BANDS),
        tso=tso,
        scene=draws.scene(rng),
        effects=effects.but(**strengths),
        start=draws.start(rng),
        number=number,
        **more,
    )
    if nints > 1 and rng.random() < 0.3:
        return draws.half(exposure, rng)
    return exposure


def _references(detector, rng, recent):
    """Draw what the references of a detector are like."""
    skips = draws.one(rng, ((1, 4), (1, 4), (2, 1), (0, 0), (5, 9), *(((-1, 3),) if recent else ())))
    patterns = draws.one(rng, (("FAST", "FASTR1", "SLOW", "SLOWR1"), ("FASTR1", "SLOWR1")))
    return {
        (detector, "mask"): {"broken": draws.one(rng, (0.0, 0.0, 0.1, 0.6, 1.0))},
        (detector, "linearity"): {"terms": draws.one(rng, (5, 5, 4, 3, 2)), "constant": draws.one(rng, (0.0, 0.5))},
        (detector, "readnoise"): {"unknown": bool(rng.random() < 0.2)},
        (detector, "rscd"): {"skips": skips, "patterns": patterns},
    }


def _own_references(exposure, rng):
    """Draw what the references are like that an exposure has for itself."""
    ngroups = exposure.ngroups
    dark = {"nints": draws.one(rng, (1, 2, 3, 5)), "average": draws.one(rng, (None, None, "image", "keyword"))}
    groups = max(2, ngroups + draws.one(rng, (-3, -1, 0, 2)))
    if rng.random() < 0.7:
        dark["pattern"] = (exposure.nframes, exposure.groupgap, groups)
    else:
        # Read by read, so that groups have to be averaged; or in groups longer than those of the exposure.
        frames = groups * (exposure.nframes + exposure.groupgap)
        dark["pattern"] = draws.one(rng, ((1, 0, frames), (1, 0, groups), (exposure.nframes + 1, 1, groups)))
    reset = {"nints": draws.one(rng, (1, 2, 3, 6)), "ngroups": max(1, ngroups + draws.one(rng, (-4, -1, 0, 0, 5)))}
    if rng.random() < 0.1:
        reset["told"] = (1, max(1, min(reset["ngroups"], LONGEST_RESET) - 2))
    return {(exposure.root, "dark"): dark, (exposure.root, "reset"): reset}


def _parameters(exposure, rng, recent):
    """Draw parameters of some steps: for most exposures a few, for some none."""
    known = draws.PARAMETERS | _MORE | (_RECENT if recent else {})
    missing = {"charge_migration"} | (set() if recent else {"persistence"})
    if exposure.tso:
        missing |= {"firstframe"}
    return draws.parameters(rng, known, missing, at_most=5)
