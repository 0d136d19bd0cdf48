"""FITS in and out: chunked arrays, products, keywords; and the few files that are ASDF.

Reference files as an exposure sees them are in `rampflow.io.references`. Arrays are read and written
piece by piece with positioned reads and writes, so that memory follows the piece and not the exposure, several threads
share one open file, and what a step does not touch is copied by the kernel without passing through Python.

A product is written under a temporary name beside its final one, which no other process has, and renamed when it is
complete: an interrupted job leaves nothing under the final name.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.io import byte_runs, headers, owners

BLOCK = headers.BLOCK
_RAW = {8: np.uint8, 16: np.int16, 32: np.int32, 64: np.int64, -32: np.float32, -64: np.float64}
# FITS has no unsigned integers: they are stored shifted by half their range.
_UNSIGNED = {16: (np.uint16, 1 << 15), 32: (np.uint32, 1 << 31)}
# Cards for which the primary header of a new product has room beyond those it starts with.
_SPARE_CARDS = 8


def _padded(size):
    return -(-size // BLOCK) * BLOCK


def copy_range(source, target, source_offset, target_offset, size):
    """Copy bytes between two files inside the kernel; plain reads and writes where it cannot."""
    while size:
        try:
            done = os.copy_file_range(source, target, min(size, 1 << 27), source_offset, target_offset)
        except OSError:
            done = 0
        if not done:
            piece = os.pread(source, min(size, 1 << 24), source_offset)
            if not piece:
                raise FileProblem("the file to copy from ends before its header says it does; it is truncated")
            byte_runs.pwrite_all(target, piece, target_offset)
            done = len(piece)
        source_offset += done
        target_offset += done
        size -= done


class Array:
    """One image of a FITS file, read and written in pieces.

    Parameters
    ----------
    descriptor : int
        Open file descriptor.
    header : `~astropy.io.fits.Header`
        Header of the image.
    offset : int
        Position of the first byte of the data.
    path : path-like
        For messages.

    Attributes
    ----------
    shape : tuple of int
        Shape in numpy order.
    dtype : `~numpy.dtype`
        Native type of what `read` returns.
    """

    def __init__(self, descriptor, header, offset, path):
        self.descriptor, self.header, self.offset, self.path = descriptor, header, offset, path
        self.shape = image_shape(header)
        bitpix = header["BITPIX"]
        self.raw = np.dtype(_RAW[bitpix])
        bzero, bscale = header.get("BZERO", 0), header.get("BSCALE", 1)
        unsigned, half = _UNSIGNED.get(bitpix, (None, None))
        self.shift, self.scaled = 0, False
        if bzero == half and bscale == 1:
            self.dtype, self.shift = np.dtype(unsigned), half
        elif bzero == 0 and bscale == 1:
            self.dtype = self.raw
        else:
            self.dtype, self.scaled = np.dtype(np.float64), True
            # As whole numbers they would be of the array's own type, which may be too small for the result.
            self._bzero, self._bscale = float(bzero), float(bscale)

    def _runs(self, index):
        """Find the contiguous runs of an index, which are of one length: where each begins in the file (bytes)."""
        index = tuple(index) + (slice(None),) * (len(self.shape) - len(index))
        ranges = [_range(i, n) for i, n in zip(index, self.shape, strict=True)]
        # The longest run of trailing axes that is taken whole is contiguous in the file, and so is one
        # more axis that is taken in part.
        axis = len(ranges) - 1
        while axis > 0 and len(ranges[axis]) == self.shape[axis]:
            axis -= 1
        strides = [prod(self.shape[k + 1 :]) * self.raw.itemsize for k in range(len(self.shape))]
        offsets = np.array([self.offset + (ranges[axis].start * strides[axis] if ranges[axis] else 0)], np.int64)
        for taken, stride in zip(ranges[:axis], strides, strict=False):
            offsets = np.add.outer(offsets, np.arange(taken.start, taken.stop, dtype=np.int64) * stride).ravel()
        return offsets

    def _result_shape(self, index):
        index = tuple(index) + (slice(None),) * (len(self.shape) - len(index))
        return tuple(len(range(*i.indices(n))) for i, n in zip(index, self.shape, strict=True) if isinstance(i, slice))

    def read(self, *index):
        """Read a piece.

        Parameters
        ----------
        *index : int or slice
            One for each leading axis, step 1; axes left out are taken whole.

        Returns
        -------
        `~numpy.ndarray`
            A new native-endian, C-contiguous array of `dtype`; integer indices drop their axis.
        """
        values = np.empty(self._result_shape(index), self.raw)
        try:
            byte_runs.read(self.descriptor, values, self._runs(index))
        except EOFError:
            raise FileProblem(f"{self.path}: truncated in the middle of an array; fetch or make it again") from None
        if self.raw.itemsize > 1:
            values.byteswap(inplace=True)
        if self.shift:
            values = values.view(self.dtype)
            values ^= self.dtype.type(self.shift)
        elif self.scaled:
            values = values * self._bscale + self._bzero
        return values

    def write(self, values, *index):
        """Write a piece; the buffer's content is undefined afterwards when it had the file's own type.

        Parameters
        ----------
        values : `~numpy.ndarray`
            What to write; converted to the type of the array.
        *index : int or slice
            Where, as for `read`.
        """
        expected = self._result_shape(index)
        if values.shape != expected:
            raise ValueError(f"{self.path}: a piece of shape {values.shape} does not fit where {expected} is due")
        values = np.ascontiguousarray(values, self.dtype)
        if not values.flags.writeable:
            values = values.copy()
        if self.shift:
            values ^= self.dtype.type(self.shift)
        if self.raw.itemsize > 1:
            values.byteswap(inplace=True)
        byte_runs.write(self.descriptor, values, self._runs(index))


def _range(index, length):
    if isinstance(index, slice):
        return range(*index.indices(length))
    return range(length)[index : index + 1 or None]


def image_shape(header):
    """Shape in numpy order that a header says."""
    return tuple(header[f"NAXIS{k}"] for k in range(header["NAXIS"], 0, -1))


@dataclass
class Hdu:
    """One header-data unit of an open file."""

    name: str
    header: fits.Header
    offset: int
    size: int


class Product:
    """A FITS file open for reading.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    FileProblem
        The file is missing, is not FITS, or is shorter than its headers say.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            # Whoever opens a pipe waits for its writer, unless told not to.
            self.descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be opened ({error.strerror}); check the path") from None
        except ValueError as error:
            raise FileProblem(f"{self.path}: cannot be opened ({error}); check the path") from None
        try:
            self.hdus = list(self._scan())
        except BaseException:
            self.close()
            raise

    def _scan(self):
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise FileProblem(f"{self.path}: a folder, pipe or device where a FITS file is due; check the path")
        try:
            for part in headers.parts(self.descriptor):
                name = part.cards.get("EXTNAME", "" if part.begin else "PRIMARY")
                yield Hdu(str(name or ""), fits.Header.fromstring(part.text), part.start, part.size)
        except headers.Damaged as problem:
            raise FileProblem(f"{self.path}: {problem}; fetch or make it again") from None
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be read ({error.strerror})") from None

    def close(self):
        """Close the file."""
        os.close(self.descriptor)

    def release(self):
        """Let the system write the file back and reuse the memory that holds it: the one reader is done.

        What is read again comes from the disk. Without this a run leaves all of its products in memory, and every
        one of them has to find fresh pages, which takes longer than to fill them.
        """
        # Where there is no such call (macOS) the system has to find out by itself.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def header(self):
        """Primary header."""
        return self.hdus[0].header

    def __contains__(self, name):
        return any(hdu.name == name for hdu in self.hdus)

    def hdu(self, name):
        """Return the first header-data unit of that EXTNAME."""
        for hdu in self.hdus:
            if hdu.name == name:
                return hdu
        raise FileProblem(
            f"{self.path}: no extension {name}; it has {', '.join(h.name for h in self.hdus[1:]) or 'none'}"
        )

    def __getitem__(self, name):
        hdu = self.hdu(name)
        if hdu.header.get("XTENSION", "IMAGE").strip() != "IMAGE":
            raise FileProblem(f"{self.path}: extension {name} is a table where an image is due")
        return Array(self.descriptor, hdu.header, hdu.offset, self.path)

    def first_image(self):
        """Return the first array of the file, whatever its name."""
        for hdu in self.hdus:
            if hdu.header["NAXIS"] and hdu.header.get("XTENSION", "IMAGE").strip() == "IMAGE":
                return Array(self.descriptor, hdu.header, hdu.offset, self.path)
        raise FileProblem(f"{self.path}: no image in it")

    def table(self, name):
        """Read a binary table as a structured array (`~astropy.io.fits.FITS_rec`).

        Raises
        ------
        FileProblem
            There is none of this name, or it cannot be understood.
        """
        hdu = self.hdu(name)
        if hdu.header.get("XTENSION", "IMAGE").strip() != "BINTABLE":
            raise FileProblem(f"{self.path}: extension {name} is an image where a table is due")
        try:
            # The part alone: what is wrong with others is no concern of the table's.
            header = (fits.PrimaryHDU().header.tostring() + hdu.header.tostring()).encode("latin-1")
            rows = np.empty(_padded(hdu.size), np.uint8)
            byte_runs.read(self.descriptor, rows[: hdu.size], np.array([hdu.offset]))
            return fits.getdata(io.BytesIO(header + rows.tobytes()), 1)
        # astropy has no error of its own for tables that contradict themselves.
        except Exception as error:
            why = " ".join(str(error).split())
            raise FileProblem(
                f"{self.path}: the table {name} cannot be read ({why}); fetch or make it again"
            ) from error


def _data_size(header):
    if header["NAXIS"] == 0:
        return 0
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + prod(image_shape(header)))


@dataclass
class Plan:
    """What one extension of a new product will be: copied whole, or an image to be filled."""

    name: str
    header: fits.Header
    source: Hdu | None = None
    descriptor: int | None = None
    payload: bytes | None = None
    offset: int = field(default=0, init=False)

    @property
    def size(self):
        """Bytes of the data."""
        return _data_size(self.header)


class NewProduct:
    """A FITS file being made: full size from the start, filled piece by piece, final when committed.

    Parameters
    ----------
    path : path-like
        Final name.
    header : `~astropy.io.fits.Header`
        Primary header. Until `commit` keywords may be changed, and a few added: so much room is left.
    plans : list of `Plan`
        The extensions in file order.
    """

    def __init__(self, path, header, plans):
        self.path = Path(path)
        self.partial = _begin(self.path)
        self.header, self.plans = header, plans
        self.descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            self._lay_out()
        except BaseException:
            self.discard()
            raise

    def _lay_out(self):
        # Sums of another file are none of this one.
        for header in (self.header, *(plan.header for plan in self.plans)):
            for key in ("CHECKSUM", "DATASUM"):
                header.remove(key, ignore_missing=True, remove_all=True)
        offset = self._primary_size = len(_header_bytes(self.header, spare=_SPARE_CARDS))
        for plan in self.plans:
            text = _header_bytes(plan.header)
            byte_runs.pwrite_all(self.descriptor, text, offset)
            plan.offset = offset + len(text)
            offset = plan.offset + _padded(plan.size)
        # What is never written reads as zero bytes and takes no space on the disk.
        os.ftruncate(self.descriptor, offset)
        for plan in self.plans:
            if plan.source is not None:
                copy_range(plan.descriptor, self.descriptor, plan.source.offset, plan.offset, plan.size)
            elif plan.payload is not None:
                byte_runs.pwrite_all(self.descriptor, plan.payload, plan.offset)

    def __contains__(self, name):
        return any(plan.name == name for plan in self.plans)

    def __getitem__(self, name):
        for plan in self.plans:
            if plan.name == name:
                return Array(self.descriptor, plan.header, plan.offset, self.path)
        raise KeyError(name)

    def commit(self):
        """Write the primary header and give the file its final name.

        Raises
        ------
        FileProblem
            What has been written is not under its temporary name any more.
        """
        text = _header_bytes(self.header, size=self._primary_size)
        if len(text) > self._primary_size:
            raise ValueError(f"{self.path}: the primary header grew after the file was laid out")
        byte_runs.pwrite_all(self.descriptor, text, 0)
        _give_name(self.descriptor, self.partial, self.path)
        os.close(self.descriptor)

    def discard(self):
        """Remove what was written so far."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        self.partial.unlink(missing_ok=True)


def _begin(path):
    """Choose the temporary name of a file to be made; what dead processes have left beside it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owners.sweep(path.parent, time.time())
    return Path(owners.temporary(path))


def _give_name(descriptor, partial, path):
    """Rename a temporary file, if it is the one that is open."""
    try:
        own = os.path.samestat(os.fstat(descriptor), os.stat(partial))
    except FileNotFoundError:
        own = False
    if not own:
        raise FileProblem(
            f"{path}: its temporary file {partial.name} was taken away while it was written; see that nothing else "
            "works in this folder, and run again"
        )
    os.replace(partial, path)


def _header_bytes(header, *, spare=0, size=0):
    """Cards, END, and padding to whole blocks: room for spare cards, or a size to fill with blank cards."""
    cards = header.tostring(sep="", endcard=False, padding=False)
    size = max(size, _padded(len(cards) + 80 * (spare + 1)))
    if spare:
        return (cards + "END".ljust(80)).ljust(size).encode("ascii")
    end = size - 80 if _padded(len(cards) + 80) < size else len(cards)
    return (cards.ljust(end) + "END".ljust(80)).ljust(size).encode("ascii")


def copied(source, path, header):
    """Begin a product that holds what an open one does, under another header.

    Parameters
    ----------
    source : Product
        The product; all its extensions are copied.
    path : path-like
        Final name; FILENAME of the header is set to it.
    header : `~astropy.io.fits.Header`
        Primary header, changed in place.

    Returns
    -------
    NewProduct
        Complete but for `NewProduct.commit`; pieces may be written over before that.
    """
    set_keyword(header, "FILENAME", Path(path).name, "Name of the file")
    return NewProduct(path, header, [copy_of(source, hdu.name) for hdu in source.hdus[1:]])


def image(name, shape, dtype, *, like=None, unit=None):
    """Plan an image extension to be filled.

    Parameters
    ----------
    name : str
        EXTNAME.
    shape : tuple of int
        Shape in numpy order.
    dtype : dtype-like
        float32, uint8, uint16 or uint32.
    like : `~astropy.io.fits.Header`, optional
        Header whose other keywords (world coordinates, pointing) carry over.
    unit : str, optional
        BUNIT.
    """
    dtype = np.dtype(dtype)
    bitpix = {"f": -8, "u": 8, "i": 8}[dtype.kind] * dtype.itemsize
    head = fits.Header()
    head["XTENSION"] = ("IMAGE", "Image extension")
    head["BITPIX"] = (bitpix, "array data type")
    head["NAXIS"] = (len(shape), "number of array dimensions")
    for k, n in enumerate(reversed(shape), start=1):
        head[f"NAXIS{k}"] = n
    head["PCOUNT"] = (0, "number of parameters")
    head["GCOUNT"] = (1, "number of groups")
    if dtype.kind == "u" and dtype.itemsize > 1:
        head["BSCALE"] = 1
        head["BZERO"] = _UNSIGNED[bitpix][1]
    head["EXTNAME"] = (name, "extension name")
    if unit:
        head["BUNIT"] = (unit, "physical units of the array values")
    if like is not None:
        structural = re.compile(
            r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|BSCALE|BZERO|EXTNAME|EXTVER|BUNIT|CHECKSUM|DATASUM"
        )
        for card in like.cards:
            if not structural.fullmatch(card.keyword):
                head.append(card, end=True)
    head["EXTVER"] = (1, "extension value")
    return Plan(name, head)


def copy_of(source, name):
    """Plan an extension as a copy, byte for byte, of one of an open product."""
    hdu = source.hdu(name)
    return Plan(name, hdu.header.copy(), source=hdu, descriptor=source.descriptor)


def table(name, rows):
    """Plan a binary table with the rows of a structured array."""
    header = fits.BinTableHDU(rows, name=name).header
    return Plan(name, header, payload=rows.astype(rows.dtype.newbyteorder(">")).tobytes())


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
    `Plan` or None
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
    return Plan("ASDF", header, payload=payload)


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


# ---------------------------------------------------------------------------------------------------------
# ASDF files


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
        self.partial = _begin(self.path)
        self._file = open(self.partial, "x+b")  # noqa: SIM115  until it has its name
        try:
            asdf.AsdfFile(tree).write_to(self._file)
            self._file.flush()
        except BaseException:
            self.discard()
            raise

    def commit(self):
        """Give the file its name."""
        _give_name(self._file.fileno(), self.partial, self.path)
        self._file.close()

    def discard(self):
        """Remove the file."""
        self._file.close()
        self.partial.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------------
# Keywords

_SECTIONS = {
    "S_": "Calibration step information",
    "R_": "Reference file information",
    "CRDS_": "CRDS parameters",
    "CAL_": "Calibration software version",
}


def set_keyword(header, key, value, comment=""):
    """Set a keyword beside those of its kind (S_*, R_*, CRDS_*, CAL_*), under their section title."""
    # A card has 80 characters; long values (paths) go without a comment.
    comment = comment or (header.comments[key] if key in header else "")
    comment = comment if len(str(value)) + len(comment) < 60 else ""
    if key in header:
        header[key] = (value, comment)
        return
    prefix = next((p for p in _SECTIONS if key.startswith(p)), None)
    if prefix is None:
        header.append((key, value, comment), end=True)
        return
    kin = [k for k in header if k.startswith(prefix)]
    if kin:
        header.set(key, value, comment, after=kin[-1])
        return
    for title in ("", _SECTIONS[prefix], ""):
        header.append(("", title), end=True)
    header.append((key, value, comment), end=True)
