"""Named lists of exposures that share a cache: for the demonstration and the benchmarks.

Those of the comparison with jwst, and those that are drawn at random, are where the tests are (tests/programmes).
"""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from rampflow.mock import crds_cache
from rampflow.mock.configurations import instrument_of
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure
from rampflow.mock.scene import Scene
from rampflow.mock.shutters import write_shutters
from rampflow.mock.uncal import write_exposure, write_user_flags

FIELD = Scene(sky=0.6, stars=25, brightest=1500.0)

SPECTRUM = Scene(sky=0.4, trace=250.0, fwhm=3.0, curvature=6.0)

TRANSIT = SPECTRUM.but(transit=0.01, trace=600.0)

MID_INFRARED = Scene(sky=12.0, stars=15, brightest=2500.0, fwhm=2.8)


@dataclass(frozen=True)
class Programme:
    """Exposures that share a cache.

    Attributes
    ----------
    exposures : tuple of MockExposure
        Their seeds count up from the seed of the programme.
    whole : frozenset of str
        Types of reference to make full frame.
    traps : frozenset of str
        Detectors with references for the persistence step.
    recent : bool
        Whether references hold what came after jwst 1.19, which then cannot read all of them.
    odd : dict
        Unusual references, as `crds_cache.build` takes them.
    steps : dict
        Parameters to run the exposures with: the key ``steps`` of a configuration.
    without : frozenset
        Types of reference, or (detector, type), that the context answers N/A for.
    options : dict
        Arguments for the writers of references, as `crds_cache.build` takes them.
    as_operated : bool
        Whether the context has the parameter files that operations have (`operations`).
    flagged : frozenset of str
        Names of exposures that get a file with flags of the user's, and the parameter of dq_init that names it.
    """

    exposures: tuple[MockExposure, ...]
    whole: frozenset[str] = frozenset()
    traps: frozenset[str] = frozenset()
    recent: bool = False
    odd: dict = field(default_factory=dict)
    steps: dict = field(default_factory=dict)
    without: frozenset = frozenset()
    options: dict = field(default_factory=dict)
    as_operated: bool = False
    flagged: frozenset[str] = frozenset()


def nominal(detector, readpatt, ngroups, nints=1, changes=None, **more):
    """Describe an exposure whose effects are as strong as they usually are, but for ``changes``; as `MockExposure`."""
    effects = Effects.nominal(instrument_of(detector), **(changes or {}))
    return MockExposure(detector, readpatt, ngroups, nints, effects=effects, **more)


def _demo(_seed):
    return Programme(
        (
            nominal("NRCB1", "SHALLOW4", 5, subarray="SUB160", zero_frame=True, scene=FIELD),
            nominal(
                "NRCALONG",
                "RAPID",
                5,
                4,
                subarray="SUBGRISM64",
                exp_type="NRC_TSGRISM",
                pupil="GRISMR",
                filter="F444W",
                tso=True,
                scene=TRANSIT,
            ),
            nominal(
                "NIS",
                "NISRAPID",
                6,
                3,
                subarray="SUB80",
                exp_type="NIS_AMI",
                filter="F480M",
                pupil="NRM",
                scene=FIELD.but(stars=1, brightest=9e4),
            ),
            nominal("NRS1", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM),
            nominal("MIRIMAGE", "FASTR1", 10, 2, subarray="SUB256", scene=MID_INFRARED),
            nominal("GUIDER1", "FGS", 5, subarray="SUB128CNTR", scene=FIELD.but(brightest=1e5)),
        ),
        whole=frozenset({"mask"}),
        traps=frozenset({"NRCB1"}),
    )


def _bench_tiny(_seed):
    return Programme((nominal("NRCB1", "RAPID", 4, subarray="SUB64P", scene=FIELD.but(stars=3)),))


def _bench_full(_seed):
    field = FIELD.but(stars=3000, brightest=20000.0, slope=0.8)
    return Programme((nominal("NRCB1", "BRIGHT2", 10, 2, zero_frame=True, scene=field),))


def _grism(number=1, **more):
    return nominal(
        "NRCALONG",
        "RAPID",
        more.pop("ngroups", 6),
        more.pop("nints", 7),
        exp_type="NRC_TSGRISM",
        pupil="GRISMR",
        filter="F444W",
        tso=True,
        scene=TRANSIT,
        number=number,
        **{"subarray": "SUBGRISM64", **more},
    )


def _bench_tso(_seed):
    return Programme((_grism(),))


def _bench_twenty(_seed):
    return Programme(tuple(_grism(number) for number in range(1, 21)))


def _bench_long(_seed):
    return Programme((_grism(subarray="SUBGRISM256", ngroups=5, nints=120),))


def _bench_prism(_seed):
    return Programme(
        (
            nominal(
                "MIRIMAGE",
                "FASTR1",
                100,
                100,
                subarray="SLITLESSPRISM",
                exp_type="MIR_LRS-SLITLESS",
                tso=True,
                filter="P750L",
                scene=TRANSIT.but(trace=900.0),
            ),
        )
    )


#: Programmes by name: functions of the seed.
PROGRAMMES = {
    "demo": _demo,
    "bench-tiny": _bench_tiny,
    "bench-full": _bench_full,
    "bench-tso": _bench_tso,
    "bench-twenty": _bench_twenty,
    "bench-long": _bench_long,
    "bench-prism": _bench_prism,
}


def programme(name, seed=1, known=None):
    """Look up a programme.

    Parameters
    ----------
    name : str
        Of the programme.
    seed : int
        Seed of its first exposure; the others count up from it. Segments of one exposure share theirs. A
        programme may follow from it altogether.
    known : dict, optional
        Programmes by name: functions of the seed that return a `Programme`. The default is `PROGRAMMES`.

    Returns
    -------
    Programme
        The programme.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    known = PROGRAMMES if known is None else known
    if name not in known:
        raise ValueError(f"no programme {name}; known: {', '.join(known)}")
    found = known[name](seed)
    seeds = {}
    seeded = []
    for exposure in found.exposures:
        whole = exposure.root.replace(f"-seg{exposure.segment or 0:03d}", "")
        seeded.append(exposure.but(seed=seeds.setdefault(whole, seed + len(seeds))))
    return replace(found, exposures=tuple(seeded))


def make(name, output, seed=1, report=print, known=None):
    """Write a programme: ``data``, ``truth``, ``crds`` and ``programme.json`` in a folder.

    Parameters
    ----------
    name : str or Programme
        Which programme.
    output : path
        Folder to write to; made if need be.
    seed : int
        Seed, unless a Programme is given.
    report : callable
        Called with lines that tell how far it is.
    known : dict, optional
        As for `programme`.

    Returns
    -------
    dict
        What is in ``programme.json``.
    """
    chosen = name if isinstance(name, Programme) else programme(name, seed, known)
    output = Path(output)
    folders = {part: output / part for part in ("data", "truth", "crds")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    listing = []
    for exposure in chosen.exposures:
        path = write_exposure(exposure, folders["data"], folders["truth"])
        write_shutters(exposure, folders["data"])
        report(f"[{time.monotonic() - began:6.1f} s] {path.name}  {exposure.shape}  {exposure.subarray}")
        listing.append(
            {
                "exposure": exposure.root,
                "uncal": f"data/{path.name}",
                "truth": f"truth/{exposure.root}_truth.fits",
                "instrument": exposure.instrument,
                "detector": exposure.detector,
                "exp_type": exposure.exp_type,
                "tso": exposure.tso,
                "shape": list(exposure.shape),
                "seed": exposure.seed,
            }
        )
    context = crds_cache.build(
        folders["crds"],
        chosen.exposures,
        whole=chosen.whole,
        traps=chosen.traps,
        without=chosen.without,
        recent=chosen.recent,
        as_operated=chosen.as_operated,
        options=chosen.options,
        odd=chosen.odd,
        report=lambda line: report(f"[{time.monotonic() - began:6.1f} s] {line}"),
    )
    record = {
        "programme": name if isinstance(name, str) else "custom",
        "seed": seed,
        "context": context,
        "crds_path": "crds",
        "crds_server_url": crds_cache.SERVERLESS,
        "as_operated": chosen.as_operated,
        "steps": _with_flags(chosen, output),
        "exposures": listing,
    }
    (output / "programme.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _with_flags(chosen, output):
    """Write files with flags of the user's, and add them to the parameters."""
    steps = dict(chosen.steps)
    for exposure in chosen.exposures:
        if exposure.root in chosen.flagged:
            path = write_user_flags(exposure, output)
            own = steps.get(exposure.root, {})
            steps[exposure.root] = own | {"dq_init": own.get("dq_init", {}) | {"user_supplied_dq": str(path)}}
    return steps
