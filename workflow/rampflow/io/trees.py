"""Trees of ASDF: the metadata that a FITS file carries in an extension, and the few files that are ASDF."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.io.layout import Extension, give_name, temporary


def metadata_tree(source, without=(), read_times=None):
    """Plan the ASDF extension that carries what FITS keywords cannot, without the arrays.

    The arrays of the tree are pointers to extensions of the file it came from; the types and shapes of the
    new file differ, and readers find arrays by the schema anyway. Metadata with a keyword is read from the
    keyword, so only the rest of the tree matters.

    Parameters
    ----------
    source : Product
        The product that has the tree.
    without : tuple of str
        Names of whole numbers to leave out: their keywords are gone, and nothing else would say so.
    read_times : list of list of float, optional
        For each group the times of its reads (s), which have no keyword; an empty list takes them out.

    Returns
    -------
    `Extension` or None
        None when there is nothing to carry.
    """
    if "ASDF" in source:
        hdu = source.hdu("ASDF")
        header, payload = hdu.header.copy(), _without_arrays(_content(source), without)
    elif read_times:
        header = fits.BinTableHDU.from_columns([fits.Column("ASDF_METADATA", "1B")], name="ASDF").header
        header["NAXIS2"], payload = 1, None
    else:
        return None
    if read_times is not None:
        payload = _with_read_times(payload, read_times)
    header["NAXIS1"] = len(payload)
    header["TFORM1"] = f"{len(payload)}B"
    return Extension("ASDF", header, payload=payload)


def read_times(source, ngroups):
    """Read for each group the times of its reads (s) from the metadata of a product; None where it has none.

    Raises
    ------
    FileProblem
        They are of another number of groups.
    """
    if "ASDF" not in source or b"read_times" not in (content := _content(source)):
        return None
    import asdf

    with asdf.open(io.BytesIO(_without_arrays(content, ()))) as tree:
        times = tree.tree.get("meta", {}).get("exposure", {}).get("read_times")
        times = [[float(time) for time in reads] for reads in times or []]
    if len(times) not in (0, ngroups):
        raise FileProblem(
            f"{source.path}: meta.exposure.read_times is of {len(times)} groups where there are {ngroups}; make it anew"
        )
    return times or None


def _content(source):
    hdu = source.hdu("ASDF")
    return os.pread(source.descriptor, hdu.size, hdu.offset)


def _without_arrays(content, without):
    end = content.find(b"\n...")
    head, tail = (content, b"") if end < 0 else (content[: end + 1], content[end + 1 :])
    blocks = re.split(rb"(?m)^(?=[A-Za-z_]\w*:)", head)
    kept = [b for b in blocks if b"source: fits:" not in b and b"source: 'fits:" not in b]
    head = b"".join(b for b in kept if not b.startswith(b"_fits_hash:"))
    if without:
        # Each on a line of its own, or in braces.
        item = rb"(?:%s): \d+" % "|".join(without).encode()
        head = re.sub(rb"\b%s(?:,\s*|(?=\}))" % item, b"", re.sub(rb"(?m)^ *%s\n" % item, b"", head))
    return head + tail


def _with_read_times(payload, times):
    """Set meta.exposure.read_times of an ASDF file in memory, or take it out; None makes a new one."""
    import asdf

    with asdf.AsdfFile({}) if payload is None else asdf.open(io.BytesIO(payload)) as content:
        exposure = content.tree.setdefault("meta", {}).setdefault("exposure", {})
        exposure.pop("read_times", None)
        if times:
            exposure["read_times"] = times
        made = io.BytesIO()
        content.write_to(made)
        return made.getvalue()


def read_tree(path):
    """Read an ASDF file as dictionaries, lists and arrays, all in memory.

    Raises
    ------
    FileProblem
        The file cannot be read.
    """
    import asdf

    def plain(node):
        if isinstance(node, Mapping):
            return {key: plain(value) for key, value in node.items()}
        if isinstance(node, Sequence) and not isinstance(node, str | bytes):
            return [plain(value) for value in node]
        return np.array(node) if isinstance(node, asdf.tags.core.NDArrayType | np.ndarray) else node

    try:
        with asdf.open(path, lazy_load=False, memmap=False) as content:
            return plain(content.tree)
    except (OSError, ValueError) as error:
        raise FileProblem(f"{path}: cannot be read as ASDF ({error}); fetch it again") from None


class NewTree:
    """An ASDF file being made, written whole under a temporary name and final when committed.

    Parameters
    ----------
    path : path-like
        Final name.
    tree : dict
        Its content.
    """

    def __init__(self, path, tree):
        import asdf

        self.path = Path(path)
        self.partial = temporary(self.path)
        self._file = open(self.partial, "x+b")  # noqa: SIM115  until it has its name
        try:
            asdf.AsdfFile(tree).write_to(self._file)
            self._file.flush()
        except BaseException:
            self.discard()
            raise

    def commit(self):
        """Give the file its name."""
        give_name(self._file.fileno(), self.partial, self.path)
        self._file.close()

    def discard(self):
        """Remove the file."""
        self._file.close()
        self.partial.unlink(missing_ok=True)
