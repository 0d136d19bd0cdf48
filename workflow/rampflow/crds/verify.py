"""Whole files: verify what was fetched or named by the user, once for all jobs."""

import contextlib
import hashlib
import json
import re
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rampflow.io import asdf_bounds, files
from rampflow.io.shared_files import exclusive, read_json, replace

#: What a record of an earlier version lacks is asked for again.
_FORM = 3


def verified(path, state, *, parameters=False, promised=None):
    """Verify a file unless that was done before; returns its size, time and checksums.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    state : `~pathlib.Path` or None
        Folder of the run that remembers, per file, what was verified at which size and time.
    parameters : bool
        Whether it is a parameter file, which is held to be smaller than other files.
    promised : callable, optional
        Called with the path where the file is read; returns what CRDS says of it, ``size`` and ``sha1sum``, or None.

    Returns
    -------
    dict
        ``size``, ``mtime_ns``, ``sha1``, ``sha256``; of FITS files also what `rampflow.crds.conformity` judges by.

    Raises
    ------
    FileProblem
        The file is not whole, or not what was promised.
    """
    # What is known is read without waiting for others.
    if state is not None and (known := remembered(path, state, parameters=parameters)):
        return known
    record = None if state is None else _record_of(path, state)
    with exclusive(record) if record else contextlib.nullcontext():
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            raise files.FileProblem(f"{path} is not a file")
        stamp = _stamp(before, parameters)
        if record and (known := _known(record, stamp)):
            return known
        found = stamp | check_complete(path, parameters=parameters) | digest_of(path)
        if promised:
            _check_promise(path, found, promised(path))
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise files.FileProblem(f"{path} changed while it was read; wait until it is complete")
        if record:
            replace(record, json.dumps(found | {"file": str(path)}))
    return found


def remembered(path, state, *, parameters=False):
    """Return what `verified` would without reading the file; None where it would have to.

    Parameters
    ----------
    path, state, parameters
        As `verified` takes them.
    """
    try:
        return _known(_record_of(path, state), _stamp(path.stat(), parameters))
    except OSError:
        return None


def _record_of(path, state):
    place = hashlib.sha1(str(path).encode()).hexdigest()[:12]
    return state / "checksums" / f"{path.name}.{place}.json"


def _stamp(status, parameters):
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "parameters": parameters, "form": _FORM}


def _known(record, stamp):
    known = read_json(record)
    same = isinstance(known, dict) and all(known.get(key) == value for key, value in stamp.items())
    return known if same else None


def check_complete(path, *, parameters=False):
    """Raise `FileProblem` unless the file is whole as far as its own structure tells; return facts of FITS files."""
    if path.stat().st_size == 0:
        raise files.FileProblem(f"{path} is empty")
    try:
        if path.suffix == ".fits":
            return _check_fits(path)
        if path.suffix == ".asdf":
            _check_asdf(path, asdf_bounds.PARAMETERS if parameters else asdf_bounds.REFERENCE)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        else:
            raise files.FileProblem(f"{path}: unknown kind of file; expected .fits, .asdf or .json")
    except files.FileProblem:
        raise
    # What libraries raise for a damaged file cannot be listed.
    except Exception as error:
        raise files.FileProblem(f"{path} cannot be read: {one_line(error)}; it is corrupt") from None
    return {}


def _check_fits(path):
    """Raise `FileProblem` unless every extension is there whole; a missing last one cannot be told."""
    with warnings.catch_warnings():
        # What is wrong with a card does not concern us, what is wrong with a header does.
        warnings.simplefilter("ignore")
        with files.Product(path) as product:
            facts = _facts(product)
    if left := path.stat().st_size % files.BLOCK:
        raise files.FileProblem(f"{path} is truncated: its last FITS block has {left} of {files.BLOCK} bytes")
    return facts


def _facts(product):
    """Gather what `rampflow.crds.conformity` judges by."""
    arrays, empty, twice = {}, [], []
    for hdu in product.hdus[1:]:
        if hdu.name in arrays:
            twice.append(hdu.name)
            continue
        if hdu.header.get("XTENSION", "IMAGE").strip() != "IMAGE":
            arrays[hdu.name] = "table"
            _check_table(product, hdu.name)
        else:
            arrays[hdu.name] = list(files.image_shape(hdu.header))
            if hdu.header["NAXIS"] and hdu.header["BITPIX"] < 0 and not _has_numbers(product[hdu.name]):
                empty.append(hdu.name)
    words = {key: product.header.get(key) for key in ("REFTYPE", "INSTRUME", "DETECTOR")}
    sizes = {key: product.header.get(key) for key in ("SUBSIZE1", "SUBSIZE2")}
    factor = product.header.get("GAINFACT")
    return {
        "arrays": arrays,
        "keys": {key: value for key, value in words.items() if isinstance(value, str)}
        | {key: value for key, value in sizes.items() if isinstance(value, int | float)},
        "without_numbers": empty,
        "twice": twice,
        "nameless": arrays.get("DQ_DEF") != "table" and _has_flags(product, arrays.get("DQ", "table")),
        "gain_factor": factor if isinstance(factor, int | float) else None,
    }


def _check_table(product, name):
    """Raise `FileProblem` unless a table can be read and has columns."""
    try:
        names = product.table(name).dtype.names
    # astropy has no errors of its own for what is wrong with a table.
    except Exception as error:
        raise files.FileProblem(
            f"{product.path}: the table {name} cannot be read: {one_line(error)}; it is corrupt"
        ) from None
    if not names:
        raise files.FileProblem(f"{product.path}: the table {name} has no columns; it is corrupt")


def _has_numbers(array):
    """Whether a value is finite: mostly the first row tells."""
    if not array.shape or 0 in array.shape:
        return False
    return any(np.isfinite(array.read(*index)).any() for index in np.ndindex(array.shape[:-1]))


def _has_flags(product, shape):
    """Whether a DQ of some shape, or none, has a value other than 0."""
    if shape == "table" or not shape or 0 in shape:
        return False
    return any(product["DQ"].read(*index).any() for index in np.ndindex(*shape[:-1]))


def digest_of(path):
    """Return the sha1 and the sha256 of a file."""

    def digest(name):
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, name).hexdigest()

    # Each in a thread of its own: together they take as long as one.
    names = ("sha1", "sha256")
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(digest, names), strict=True))


def asdf_tree(path, limits):
    """Read the tree of an ASDF file as plain values: no extension of asdf is loaded, which would take seconds.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    limits : `~rampflow.io.asdf_bounds.Bounds`
        What it may hold.

    Raises
    ------
    FileProblem
        The file is not whole, or beyond the limits.
    """
    tree, _ = asdf_bounds.read(path, limits)
    return _not_empty(path, tree)


def _not_empty(path, tree):
    if not set(tree) - {"asdf_library", "history"}:
        raise files.FileProblem(f"{path} holds nothing; it is truncated")
    return tree


def _check_asdf(path, limits):
    """Raise unless the tree is there to its end and, if arrays follow it, they are whole."""
    tree, has_blocks = asdf_bounds.read(path, limits)
    _not_empty(path, tree)
    if has_blocks:
        import asdf

        with warnings.catch_warnings():
            # Extensions that wrote the file and are not installed here.
            warnings.simplefilter("ignore")
            asdf.open(path, lazy_load=False, memmap=False, validate_checksums=True).close()


def _check_promise(path, found, entry):
    """Compare with the size and the checksum that CRDS names for the file."""
    if entry is None:
        return
    if str(entry.get("size", "")).isdigit() and int(entry["size"]) != found["size"]:
        raise files.FileProblem(f"{path} has {found['size']} bytes, expected {entry['size']} as CRDS says")
    if entry.get("sha1sum", "none") not in ("", "none", found["sha1"]):
        raise files.FileProblem(f"{path} has sha1 {found['sha1']}, expected {entry['sha1sum']} as CRDS says")


def one_line(error):
    """Return what an error says, in one line, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
