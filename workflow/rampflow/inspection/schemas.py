"""Products held against the schemas of stdatamodels: the right model, valid, with the keywords that it knows.

The only module of this room that imports stdatamodels, which takes seconds.
"""

import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

from rampflow.io import files
from rampflow.settings.branches import exposure_of

#: Models of products by the number of axes of SCI.
_MODELS = {
    2: ("ImageModel", "IFUImageModel"),
    3: ("CubeModel",),
    4: ("RampModel",),
    5: ("SuperstripeRampModel",),
}
#: Size (bytes) beyond which a product is not opened: stdatamodels holds all of it in memory.
LARGEST = 2_000_000_000
#: Keywords of raw files that are not those of their products: the model, its schema, and what steps set anew.
_NOT_HANDED_ON = {"DATAMODL", "FILENAME", "DATE", "CHECKSUM", "DATASUM", "EXTEND", "NEXTEND"}
#: Keywords that every product of this workflow has.
_ALWAYS = ("DATAMODL", "FILENAME", "CAL_VER", "CAL_VCS", "TELESCOP", "INSTRUME", "DETECTOR")


def products(results, only_final=False):
    """Return (exposure, path) of all FITS products that records name and that are there, in a list."""
    found = []
    for exposure, records in sorted(results.records.items()):
        for step, record in records.items():
            paths = [results.path(exposure, name) for name in record["outputs"] if name.endswith(".fits")]
            own = [path for path in paths if path.name.startswith(f"{exposure_of(exposure)}_{step}")]
            if not only_final or step in ("rate", "ramp"):
                found += [(exposure, path) for path in own if os.path.isfile(path)]
    return found


def check(results, paths, cores):
    """Open products and hold them against their models.

    Parameters
    ----------
    results : `~rampflow.inspection.results.Results`
        The results.
    paths : list of (str, `~pathlib.Path`)
        As `products` returns it.
    cores : int
        Processes.

    Yields
    ------
    list of str
        For each product in turn one line for each finding.
    """
    import stdatamodels.jwst.datamodels  # noqa: F401  the processes have it from here

    if not paths:
        return
    raw = {exposure: _raw_keywords(results, exposure_of(exposure)) for exposure in {exposure for exposure, _ in paths}}
    # Forked, so that what takes seconds to import is imported once.
    with ProcessPoolExecutor(min(cores, len(paths)), get_context("fork")) as pool:
        yield from pool.map(partial(_looked_at, raw=raw), paths, chunksize=4)


def _looked_at(place, raw):
    exposure, path = place
    return look(path, raw[exposure])


def look(path, raw=frozenset()):
    """Open a product with stdatamodels and hold it against its model.

    Parameters
    ----------
    path : path-like
        The product.
    raw : set of str
        Keywords of the primary header of the raw file.

    Returns
    -------
    list of str
        One line for each finding.
    """
    from stdatamodels.jwst import datamodels

    try:
        with files.Product(path) as product:
            axes, header = len(product["SCI"].shape), product.header
        with warnings.catch_warnings(action="error"), datamodels.open(path) as model:
            kind = type(model)
            model.validate()
    except Exception as error:  # whatever keeps it from being opened is a finding
        return [f"{path}: stdatamodels does not take it: {' '.join(str(error).split())[:300] or type(error).__name__}"]
    lines = []
    if kind.__name__ not in _MODELS.get(axes, ()) or header.get("DATAMODL") != kind.__name__:
        expected = " or ".join(_MODELS.get(axes, ("nothing",)))
        found = f"{kind.__name__}, and DATAMODL is {header.get('DATAMODL')}"
        lines.append(f"{path}: stdatamodels opens it as {found}, expected {expected}")
    missing = [key for key in _ALWAYS if key not in header]
    missing += sorted(key for key in (raw - _NOT_HANDED_ON) & known_keywords(kind) if key not in header)
    if missing:
        lines.append(f"{path}: {kind.__name__} knows keywords that it has not, though its raw file has: {missing}")
    return lines


@cache
def known_keywords(model):
    """Return the keywords of the primary header that the schema of a model has.

    Parameters
    ----------
    model : type
        A class of ``stdatamodels.jwst.datamodels``.

    Returns
    -------
    frozenset of str
    """
    from stdatamodels.schema import walk_schema

    found = set()

    def note(part, *_):
        if "fits_keyword" in part and part.get("fits_hdu", "PRIMARY") == "PRIMARY":
            found.add(part["fits_keyword"])

    walk_schema(model().schema, note)
    return frozenset(found)


def _raw_keywords(results, exposure):
    """Return the keywords of a raw file, by the record of the first job that has read it; none where it is gone."""
    for record in results.records[exposure].values():
        for entry in record["inputs"].values():
            if entry["recipe"] is None and entry["file"].endswith("_uncal.fits"):
                try:
                    with files.Product(results.path(exposure, entry["file"])) as product:
                        return frozenset(key for key in product.header if key)
                except files.FileProblem:
                    continue
    return frozenset()
