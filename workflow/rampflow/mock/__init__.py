"""The synthetic detector: exposures, their truth, and a CRDS cache that calibrates them.

Command line::

    python -m rampflow.mock PROGRAMME OUTPUT [--seed N]

writes ``OUTPUT/data/*_uncal.fits``, ``OUTPUT/truth/*_truth.fits``, ``OUTPUT/crds`` and
``OUTPUT/programme.json`` (the exposures, the context and where they are). The same seed gives the same
pixels. Set CRDS_PATH to ``OUTPUT/crds``, CRDS_CONTEXT to the context and CRDS_SERVER_URL to `SERVERLESS` to
use the cache; no server is asked.

In Python::

    from rampflow.mock import Effects, MockExposure, Scene, Rectangle, build_cache, read_truth, write_exposure

    exposure = MockExposure(
        detector="NRCB1", subarray="SUB160", readpatt="SHALLOW4", ngroups=5, nints=2, zero_frame=True,
        scene=Scene(sky=0.5, stars=20, brightest=2000.0),
        effects=Effects(read_noise=1, photon_noise=1, bias=1),   # or Effects.nominal("NIRCAM")
        seed=3,
    )
    small = exposure.but(window=Rectangle(1, 1, 40, 32))            # an artificial subarray
    parts = exposure.but(nints=6).segments(4, 2)                 # segmented files
    stripes = exposure.but(detector="NRCA1", subarray="SUB164STRIPE4_DHS", readpatt="RAPID")    # read in stripes
    path = write_exposure(exposure, "data", "truth")             # folders that exist
    context = build_cache("crds", [exposure])                    # -> "jwst_9001.pmap"
    revise("crds", [exposure], "NRCB1", "dark", scale=2.0)       # -> "jwst_9002.pmap"
    truth = read_truth("truth/jw..._truth.fits")                 # truth.rate(0) [DN/s], truth.hits, ...
    for integration in integrations(exposure): ...               # arrays only, no files

`MockExposure` holds everything that decides the pixels: what was commanded (`configurations.py` knows the real
windows, patterns and orientations), the `Scene`, and the strength of every detector `Effects` (all off: exact
straight lines). `programme` and `make` give the named programmes; more of them, for the comparison with jwst, are in
tests/programmes. ``build_cache(..., as_operated=True)`` has the parameter files that operations are said to have
(`operations`). `write_references` makes references for the header of any exposure, real or not, under names of your
choice; with `complete` an old real context can serve a new pipeline.
"""

from rampflow.mock.configurations import Rectangle
from rampflow.mock.crds_cache import SERVERLESS, revise, write_references
from rampflow.mock.crds_cache import build as build_cache
from rampflow.mock.crds_mappings import complete
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import MockExposure
from rampflow.mock.multistripe import StripeReadout
from rampflow.mock.programmes import PROGRAMMES, Programme, make, programme
from rampflow.mock.ramps import integrations
from rampflow.mock.scene import Scene
from rampflow.mock.uncal import Truth, read_truth, write_exposure

__all__ = [
    "PROGRAMMES",
    "SERVERLESS",
    "Effects",
    "MockExposure",
    "Programme",
    "Scene",
    "StripeReadout",
    "Truth",
    "Rectangle",
    "build_cache",
    "complete",
    "integrations",
    "make",
    "programme",
    "read_truth",
    "revise",
    "write_exposure",
    "write_references",
]
