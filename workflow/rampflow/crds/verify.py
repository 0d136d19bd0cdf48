"""Whole files: verify what was fetched or named by the user, once for all jobs."""

import contextlib
import hashlib
import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

from rampflow.io import files
from rampflow.io.shared_files import exclusive, read_json, replace


def verified(path, state, *, promised=None):
    """Verify a file unless that was done before; returns its size, time and checksums.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    state : `~pathlib.Path` or None
        Folder of the run that remembers, per file, what was verified at which size and time.
    promised : callable, optional
        Called with the path where the file is read; returns what CRDS says of it, ``size`` and ``sha1sum``, or None.

    Raises
    ------
    FileProblem
        The file is not whole, or not what was promised.
    """
    record = None
    if state is not None:
        place = hashlib.sha1(str(path).encode()).hexdigest()[:12]
        record = state / "checksums" / f"{path.name}.{place}.json"
    with exclusive(record) if record else contextlib.nullcontext():
        before = path.stat()
        stamp = {"size": before.st_size, "mtime_ns": before.st_mtime_ns}
        known = read_json(record) if record else None
        if known and all(known.get(key) == value for key, value in stamp.items()):
            return known
        check_complete(path)
        found = stamp | digest_of(path)
        if promised:
            _check_promise(path, found, promised(path))
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise files.FileProblem(f"{path} changed while it was read; wait until it is complete")
        if record:
            replace(record, json.dumps(found | {"file": str(path)}))
    return found


def check_complete(path):
    """Raise `FileProblem` unless the file is whole as far as its own structure tells."""
    if path.stat().st_size == 0:
        raise files.FileProblem(f"{path} is empty")
    try:
        if path.suffix == ".fits":
            _check_fits(path)
        elif path.suffix == ".asdf":
            _check_asdf(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        else:
            raise files.FileProblem(f"{path}: unknown kind of file; expected .fits, .asdf or .json")
    except files.FileProblem:
        raise
    except Exception as error:
        raise files.FileProblem(f"{path} cannot be read: {one_line(error)}; it is corrupt") from None


def _check_fits(path):
    """Raise `FileProblem` unless every extension is there whole; a missing last one cannot be told."""
    with warnings.catch_warnings():
        # What is wrong with a card does not concern us, what is wrong with a header does.
        warnings.simplefilter("ignore")
        files.Product(path).close()
    if left := path.stat().st_size % files.BLOCK:
        raise files.FileProblem(f"{path} is truncated: its last FITS block has {left} of {files.BLOCK} bytes")


def digest_of(path):
    """Return the sha1 and the sha256 of a file."""

    def digest(name):
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, name).hexdigest()

    # Each in a thread of its own: together they take as long as one.
    names = ("sha1", "sha256")
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(digest, names), strict=True))


def asdf_tree(path):
    """Read the tree of an ASDF file as plain values: no extension of asdf is loaded, which would take seconds."""
    import asdf.util

    tree = asdf.util.load_yaml(path)
    if not set(tree) - {"asdf_library", "history"}:
        raise files.FileProblem(f"{path} holds nothing; it is truncated")
    return tree


def _check_asdf(path):
    """Raise unless the tree is there to its end and, if arrays follow it, they are whole."""
    asdf_tree(path)
    content = path.read_bytes()
    end = re.search(rb"^\.\.\.\r?$", content, re.M)
    if end is None:
        raise files.FileProblem(f"{path} is truncated: its tree has no end")
    if content[end.end() :].strip():
        import asdf

        with warnings.catch_warnings():
            # Extensions that wrote the file and are not installed here.
            warnings.simplefilter("ignore")
            asdf.open(path, lazy_load=False, memmap=False, validate_checksums=True).close()


def _check_promise(path, found, entry):
    """Compare with the size and the checksum that CRDS names for the file."""
    if entry is None:
        return
    if int(entry["size"]) != found["size"]:
        raise files.FileProblem(f"{path} has {found['size']} bytes, expected {entry['size']} as CRDS says")
    if entry.get("sha1sum", "none") not in ("", "none", found["sha1"]):
        raise files.FileProblem(f"{path} has sha1 {found['sha1']}, expected {entry['sha1sum']} as CRDS says")


def one_line(error):
    """Return what an error says, in one line."""
    return " ".join(str(error).split())
