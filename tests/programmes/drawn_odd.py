"""Programmes of unusual near-infrared exposures, drawn at random: `drawn`, and something odd about each.

What may be odd is the header, the extensions, the counts, the place on the detector, and the reference files. Frames
of NIRSpec's IRS2 readout are large and have a programme of their own.
"""

import numpy as np

from programmes import drawn, draws
from rampflow.mock.configurations import read_patterns, subarray
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure
from rampflow.mock.odd_references import MISSING, WHOLE
from rampflow.mock.scene import Scene

#: Keywords that an exposure may do without.
OPTIONAL = (
    "FRMDIVSR", "DRPFRMS1", "DRPFRMS3", "NRSTSTRT", "NRESETS", "NSAMPLES", "TSAMPLE", "ZEROFRAM",
    "EXPMID", "EFFINTTM", "EFFEXPTM", "DURATION", "INTSTART", "INTEND", "EXSEGNUM",
    "FASTAXIS", "SLOWAXIS", "PATTTYPE", "MODULE", "BUNIT", "TITLE", "DATE-BEG", "VISIT_ID",
)  # fmt: skip

#: What is odd about a reference, by its type: sets of oddities of which one is drawn.
REFERENCES = {
    "mask": (("standard_bits",), ("no_definitions",), ("wrong_size",), (WHOLE,), (WHOLE, "nowhere"), (MISSING,)),
    "saturation": (
        ("no_flags",), ("standard_bits",), ("no_definitions", "nan"), ("doubles",), ("integers",), ("zero", "negative"),
        ("wrong_size",), (WHOLE, "nowhere"), (MISSING,),
    ),
    "superbias": (
        ("no_flags",), ("standard_bits", "nan"), ("no_definitions",), ("doubles", "negative"), ("integers",),
        (WHOLE, "wrong_size"), (MISSING,),
    ),
    "ipc": (("wide_kernel",), ("kernel_per_pixel",), ("doubles",), (MISSING,)),
    "linearity": (
        ("standard_bits", "nan"), ("no_definitions",), ("doubles",), ("zero",), ("negative",), ("wrong_size",),
        (WHOLE,), (MISSING,),
    ),
    "dark": (
        ("no_flags",), ("standard_bits", "nan"), ("no_definitions",), ("doubles",), ("integers",), ("nowhere",),
        (MISSING,),
    ),
    "gain": (("nan",), ("zero", "negative"), ("doubles",), ("integers",), ("wrong_size",), ("gain_factor",), (WHOLE,)),
    "readnoise": (
        ("nan",), ("zero",), ("negative",), ("doubles",), ("integers",), ("wrong_size",), (WHOLE, "nowhere"),
    ),
}  # fmt: skip

#: Small subarrays that are taken whole: without reference pixels, at the edge, or with but few rows.
SMALL = {
    "NIS": ("SUBSTRIP96", "SUBSTRIP256", "SUB80", "SUB64"),
    "NRS1": ("SUB512", "SUB512S", "SUB32", "SUB2048", "SUBS200A1"),
    "NRS2": ("SUB512", "SUB512S", "SUB32", "SUB2048", "SUBS200A1"),
    "GUIDER1": ("SUB8CNTR", "SUB32LL", "SUB32CNTR", "SUB128DIAG"),
    "GUIDER2": ("SUB8CNTR", "SUB32LL", "SUB32CNTR", "SUB128DIAG"),
    "NRCALONG": ("SUB64P", "SUBGRISM64", "SUB160"),
    "NRCA1": ("SUBGRISM64", "SUB160"),
    "NRCA3": ("SUBGRISM64", "SUB64P", "SUB160P"),
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
        One of every near-infrared detector.
    steps : dict
        The key ``steps`` of a configuration: what was drawn for each exposure, by its name.
    odd : dict
        Unusual references, as `crds_cache.build` takes them.
    """
    exposures, steps, odd = [], {}, {}
    usual, parameters, _ = drawn.draw(seed)
    for number, exposure in enumerate(usual):
        if exposure.instrument == "MIRI":
            continue
        rng = np.random.default_rng((seed, number, 1))
        chosen = parameters.get(exposure.root, {})
        exposure = _somewhere(exposure, rng)
        exposure = _oddly(exposure, rng)
        chosen.get("ramp_fit", {}).pop("algorithm", None)
        if exposure.zero_frame and rng.random() < 0.7:
            chosen = chosen | {"ramp_fit": chosen.get("ramp_fit", {}) | {"suppress_one_group": False}}
        odd[exposure.detector] = references = _references(rng)
        if "ipc" in references:
            chosen = chosen | {"ipc": {"skip": False}}
        exposures.append(exposure)
        steps[exposure.root] = chosen
    _make_one_whole(exposures, steps, np.random.default_rng((seed, len(usual), 1)))
    return exposures, steps, odd


def draw_interleaved(seed):
    """Draw a programme as `draw` does: an IRS2 exposure of either detector of NIRSpec."""
    exposures, steps, odd = [], {}, {}
    for number, detector in enumerate(("NRS1", "NRS2")):
        rng = np.random.default_rng((seed, number, 2))
        exposure = MockExposure(
            detector,
            draws.one(rng, ("NRSIRS2RAPID", "NRSIRS2")),
            int(rng.integers(1, 6)),
            int(draws.one(rng, (1, 1, 2))),
            exp_type=draws.one(rng, ("NRS_FIXEDSLIT", "NRS_MSASPEC", "NRS_IFU")),
            scene=Scene(sky=1.0, trace=float(10 ** rng.uniform(1, 5)), saturated_patch=float(10 ** rng.uniform(2, 4))),
            effects=Effects.nominal("NIRSPEC", ipc=float(draws.one(rng, (0.0, 1.0)))),
        )
        chosen = {
            "irs2_mean_subtraction": bool(rng.random() < 0.5),
            "odd_even_columns": bool(rng.random() < 0.7),
            "ovr_corr_mitigation_ftr": float(draws.one(rng, (2.0, 3.0, 5.0))),
        }
        steps[exposure.root] = {
            "refpix": chosen,
            "saturation": {"n_pix_grow_sat": int(rng.integers(0, 4)), "use_readpatt": bool(rng.random() < 0.7)},
        }
        odd[detector] = {kind: names for kind, names in _references(rng).items() if kind not in ("ipc", "mask")}
        if rng.random() < 0.5:
            steps[exposure.root]["ipc"] = {"skip": False}
        exposures.append(exposure)
    return exposures, steps, odd


def _make_one_whole(exposures, steps, rng):
    """Make one of the exposures a full frame, whose sides the SIRS algorithm treats."""
    choices = [n for n, exposure in enumerate(exposures) if exposure.instrument != "FGS" and not exposure.segment]
    chosen = draws.one(rng, choices)
    exposure = exposures[chosen] = exposures[chosen].but(subarray="FULL", ngroups=int(rng.integers(1, 4)), nints=1)
    steps[exposure.root] = steps[exposure.root] | {
        "refpix": {
            "refpix_algorithm": "sirs",
            "gaussmooth": float(draws.one(rng, (1.0, 2.5))),
            "halfwidth": int(draws.one(rng, (10, 30, 61))),
            "sigreject": float(draws.one(rng, (2.0, 4.0))),
            "odd_even_columns": bool(rng.random() < 0.7),
        }
    }


def _somewhere(exposure, rng):
    """Take a small subarray whole, now and then."""
    if exposure.detector not in SMALL or rng.random() < 0.5 or exposure.segment:
        return exposure
    name = draws.one(rng, SMALL[exposure.detector])
    known = subarray(exposure.detector, name)
    small = known.window.xsize * known.window.ysize < 1e4
    exposure = exposure.but(subarray=name, window=known.window, noutputs=draws.one(rng, known.noutputs))
    return exposure if small else exposure.but(nints=min(exposure.nints, 3), ngroups=min(exposure.ngroups, 6))


def _oddly(exposure, rng):
    """Make something about an exposure odd."""
    patterns = [name for name in read_patterns(exposure.instrument) if not name.startswith("NRSIRS2")]
    kind = draws.one(rng, ("header", "header", "extensions", "sunken", "saturated", "gaps", "nothing"))
    if kind == "header":
        names = [name for name in OPTIONAL if exposure.segment or name not in ("INTSTART", "INTEND", "EXSEGNUM")]
        return exposure.but(omit=tuple(draws.some(rng, names, int(rng.integers(1, 4)))))
    if kind == "extensions":
        # Without ASDF, jwst has no way to ask for parameters.
        return exposure.but(lacks=tuple(draws.some(rng, ("GROUP", "INT_TIMES"), int(rng.integers(1, 3)))))
    if kind == "sunken":
        return exposure.but(effects=exposure.effects.but(sunken=float(rng.uniform(0.95, 1.02))))
    if kind == "saturated":
        return exposure.but(scene=exposure.scene.but(sky=float(10 ** rng.uniform(3.5, 6))))
    if kind == "gaps":
        averaged = exposure.but(readpatt=patterns[-1], noutputs=exposure.noutputs)
        return averaged.but(groupgap=int(rng.integers(0, 6)), dropped_frames=int(rng.integers(0, 4)))
    return exposure


def _references(rng):
    """Draw what is odd about some reference types."""
    types = draws.some(rng, sorted(REFERENCES), int(rng.integers(1, 5)))
    return {kind: draws.one(rng, REFERENCES[kind]) for kind in types}
