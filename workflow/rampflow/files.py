"""FITS in and out: chunked arrays, products, reference files; and the few files that are ASDF.

The only module that knows FITS. Arrays are read and written piece by piece with positioned reads and
writes, so that memory follows the piece and not the exposure, several threads share one open file, and
what a step does not touch is copied by the kernel without passing through Python.

A product is written under a temporary name beside its final one and renamed when it is complete: an
interrupted job leaves nothing under the final name.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import numpy as np
from astropy.io import fits

from rampflow import dq, irs2, strided

BLOCK = 2880
_RAW = {8: np.uint8, 16: np.int16, 32: np.int32, 64: np.int64, -32: np.float32, -64: np.float64}
# FITS has no unsigned integers: they are stored shifted by half their range.
_UNSIGNED = {16: (np.uint16, 1 << 15), 32: (np.uint32, 1 << 31)}
# Cards for which the primary header of a new product has room beyond those it starts with.
_SPARE_CARDS = 8


class FileProblem(Exception):
    """A file is not what the step needs; the message says what was found, where, and what to do."""


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
            strided.pwrite_all(target, piece, target_offset)
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
        self.shape = _image_shape(header)
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
            self._bzero, self._bscale = bzero, bscale

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
            strided.read(self.descriptor, values, self._runs(index))
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
        strided.write(self.descriptor, values, self._runs(index))


def _range(index, length):
    if isinstance(index, slice):
        return range(*index.indices(length))
    return range(length)[index : index + 1 or None]


def _image_shape(header):
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
            self.descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be opened ({error.strerror}); check the path") from None
        try:
            self.hdus = list(self._scan())
        except BaseException:
            self.close()
            raise

    def _scan(self):
        size, offset = os.fstat(self.descriptor).st_size, 0
        if os.pread(self.descriptor, 6, 0) != b"SIMPLE":
            raise FileProblem(f"{self.path}: not a FITS file (it does not begin with SIMPLE)")
        while offset < size:
            header, data = _read_header(self.descriptor, offset, self.path)
            length = _data_size(header)
            if data + length > size:
                raise FileProblem(
                    f"{self.path}: truncated: {size} bytes, but extension "
                    f"{header.get('EXTNAME', 'PRIMARY')} should end at byte {data + length}; fetch or make it again"
                )
            yield Hdu(header.get("EXTNAME", "PRIMARY" if offset == 0 else ""), header, data, length)
            offset = data + _padded(length)

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
        """Read a binary table as a structured array (`~astropy.io.fits.FITS_rec`)."""
        self.hdu(name)
        return fits.getdata(self.path, name)


def _read_header(descriptor, offset, path):
    text, position = b"", offset
    while True:
        block = os.pread(descriptor, BLOCK, position)
        if len(block) < BLOCK:
            raise FileProblem(f"{path}: truncated inside a header; fetch or make it again")
        if not text and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise FileProblem(f"{path}: no FITS header where one is due (byte {offset}); fetch or make it again")
        text += block
        position += BLOCK
        if any(block[card : card + 8] == b"END     " for card in range(0, BLOCK, 80)):
            return fits.Header.fromstring(text), position


def _data_size(header):
    if header["NAXIS"] == 0:
        return 0
    elements = int(np.prod(_image_shape(header), dtype=np.int64))
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + elements)


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
        self.partial = self.path.with_name(f".{self.path.name}.part")
        self.header, self.plans = header, plans
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            self._lay_out()
        except BaseException:
            self.discard()
            raise

    def _lay_out(self):
        offset = self._primary_size = len(_header_bytes(self.header, spare=_SPARE_CARDS))
        for plan in self.plans:
            text = _header_bytes(plan.header)
            strided.pwrite_all(self.descriptor, text, offset)
            plan.offset = offset + len(text)
            offset = plan.offset + _padded(plan.size)
        # What is never written reads as zero bytes and takes no space on the disk.
        os.ftruncate(self.descriptor, offset)
        for plan in self.plans:
            if plan.source is not None:
                copy_range(plan.descriptor, self.descriptor, plan.source.offset, plan.offset, plan.size)
            elif plan.payload is not None:
                strided.pwrite_all(self.descriptor, plan.payload, plan.offset)

    def __contains__(self, name):
        return any(plan.name == name for plan in self.plans)

    def __getitem__(self, name):
        for plan in self.plans:
            if plan.name == name:
                return Array(self.descriptor, plan.header, plan.offset, self.path)
        raise KeyError(name)

    def commit(self):
        """Write the primary header and give the file its final name."""
        text = _header_bytes(self.header, size=self._primary_size)
        if len(text) > self._primary_size:
            raise ValueError(f"{self.path}: the primary header grew after the file was laid out")
        strided.pwrite_all(self.descriptor, text, 0)
        os.close(self.descriptor)
        os.replace(self.partial, self.path)

    def discard(self):
        """Remove what was written so far."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        self.partial.unlink(missing_ok=True)


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
    return Plan(name, hdu.header, source=hdu, descriptor=source.descriptor)


def table(name, rows):
    """Plan a binary table with the rows of a structured array."""
    header = fits.BinTableHDU(rows, name=name).header
    return Plan(name, header, payload=rows.astype(rows.dtype.newbyteorder(">")).tobytes())


def metadata_tree(source, without=()):
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

    Returns
    -------
    `Plan` or None
        None when the source has no ASDF extension.
    """
    if "ASDF" not in source:
        return None
    hdu = source.hdu("ASDF")
    content = os.pread(source.descriptor, hdu.size, hdu.offset)
    end = content.find(b"\n...")
    head, tail = (content, b"") if end < 0 else (content[: end + 1], content[end + 1 :])
    blocks = re.split(rb"(?m)^(?=[A-Za-z_]\w*:)", head)
    kept = [b for b in blocks if b"source: fits:" not in b and b"source: 'fits:" not in b]
    head = b"".join(b for b in kept if not b.startswith(b"_fits_hash:"))
    if without:
        # Each on a line of its own, or in braces.
        item = rb"(?:%s): \d+" % "|".join(without).encode()
        head = re.sub(rb"\b%s(?:,\s*|(?=\}))" % item, b"", re.sub(rb"(?m)^ *%s\n" % item, b"", head))
    payload = head + tail
    header = hdu.header.copy()
    header["NAXIS1"] = len(payload)
    header["TFORM1"] = f"{len(payload)}B"
    return Plan("ASDF", header, payload=payload)


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


def write_tree(path, tree):
    """Write an ASDF file, under its final name only when complete."""
    import asdf

    path = Path(path)
    partial = path.with_name(f".{path.name}.part")
    asdf.AsdfFile(tree).write_to(partial)
    os.replace(partial, path)


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


# ---------------------------------------------------------------------------------------------------------
# Reference files


@dataclass(frozen=True)
class Window:
    """Where an exposure lies on the detector: 0-based first pixel and size, in the science frame.

    Attributes
    ----------
    ystart, xstart, ny, nx : int
        Rectangle that the keywords name.
    pieces : tuple of tuple of `Window`
        Of a multistripe exposure, for every position of its superstripes (one without them): the rectangles that
        its frames are made of, in the order of the frame.
    axis : int
        Axis along which they follow each other: -2, the rows, or -1.
    positions : int
        Of superstripes, which integrations see one after the other. 0: there are none.
    """

    ystart: int
    xstart: int
    ny: int
    nx: int
    pieces: tuple = ()
    axis: int = -2
    positions: int = 0

    @classmethod
    def of(cls, header, shape, path):
        """Read SUBSTRT1/2 and SUBSIZE1/2, checked against the array.

        Raises
        ------
        FileProblem
            The keywords are absent on an array that is not full frame, or name a first pixel below 1.
        """
        ny, nx = shape[-2:]
        keys = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")
        if any(not isinstance(header.get(key), int) for key in keys):
            if (ny, nx) not in ((2048, 2048), (1024, 1032), (3200, 2048)):
                raise FileProblem(
                    f"{path}: {', '.join(keys)} are not all given and the array ({ny} x {nx}) is not full frame: "
                    "its place on the detector is unknown; set the keywords"
                )
            return cls(0, 0, ny, nx)
        xstart, ystart = header["SUBSTRT1"], header["SUBSTRT2"]
        if xstart < 1 or ystart < 1:
            raise FileProblem(
                f"{path}: SUBSTRT1={xstart}, SUBSTRT2={ystart}: the first pixel of a subarray is counted from 1"
            )
        # The array itself is what counts where SUBSIZE disagrees with it.
        return cls(ystart - 1, xstart - 1, ny, nx)

    def split(self, stripes):
        """Return the window of a multistripe exposure; ``stripes`` is of `rampflow.stripes.Stripes`, or None."""
        if stripes is None:
            return self

        def piece(place):
            if stripes.transpose:
                return Window(self.ystart, place.start, self.ny, len(place))
            return Window(place.start, self.xstart, len(place), self.nx)

        pieces = tuple(tuple(map(piece, stripes.pieces(position))) for position in range(len(stripes.runs)))
        return replace(self, pieces=pieces, axis=-1 if stripes.transpose else -2, positions=stripes.positions)

    @property
    def shape(self):
        """Shape of an image of the exposure's pixels: (rows, columns), or (positions, rows, columns)."""
        return (self.positions, self.ny, self.nx) if self.positions else (self.ny, self.nx)

    @property
    def blocks(self):
        """The rectangles of the detector that a frame is made of, and where they are in it.

        A list of (rows, columns, window): slices of the frame, and the rectangle. With superstripes a list of such
        lists, one for each position.
        """
        if not self.pieces:
            return [(slice(0, self.ny), slice(0, self.nx), self)]
        frames = [self._blocks(pieces) for pieces in self.pieces]
        return frames if self.positions else frames[0]

    def _blocks(self, pieces):
        blocks, y, x = [], 0, 0
        for piece in pieces:
            blocks.append((slice(y, y + piece.ny), slice(x, x + piece.nx), piece))
            y, x = (y + piece.ny, x) if self.axis == -2 else (y, x + piece.nx)
        return blocks

    @property
    def places(self):
        """Row of the detector of each row of a frame, and column of each column, from 0 in the science frame.

        Not for superstripes, whose frames differ.
        """
        pieces = self.pieces[0] if self.pieces else ()
        rows = [self] if self.axis == -1 or not pieces else pieces
        columns = [self] if self.axis == -2 or not pieces else pieces
        return (
            np.concatenate([np.arange(piece.ystart, piece.ystart + piece.ny) for piece in rows]),
            np.concatenate([np.arange(piece.xstart, piece.xstart + piece.nx) for piece in columns]),
        )

    def of_normal_pixels(self):
        """Return the window without the interleaved rows of IRS2 frames."""
        return replace(self, ny=irs2.NORMAL_ROWS) if self.ny == irs2.ROWS else self

    def keywords(self):
        """Return the window as steps take it: first column and row from 1, and size."""
        return {"xstart": self.xstart + 1, "ystart": self.ystart + 1, "xsize": self.nx, "ysize": self.ny}


class Reference:
    """A reference file, cut to an exposure's window, its DQ in standard bits.

    Parameters
    ----------
    path : path-like
        The file.
    window : `Window`, optional
        The exposure's place on the detector; None: arrays are taken as they are. A file without the interleaved
        rows of IRS2 frames is cut to the normal pixels of such an exposure.
    """

    def __init__(self, path, window=None):
        self.product = Product(path)
        self.path, self.window = self.product.path, window
        self.header = self.product.header

    def __contains__(self, name):
        return name in self.product

    def _window_in(self, shape):
        return self.window if irs2.is_interleaved(shape) else self.window.of_normal_pixels()

    def _cuts(self, array):
        """Rows and columns of the file for every position and piece of the exposure's window."""
        if self.window is None:
            return [[(slice(None), slice(None))]]
        own, window = Window.of(self.header, array.shape, self.path), self._window_in(array.shape)
        if window.pieces and not window.positions and own == replace(window, pieces=(), axis=-2):
            return [[(slice(None), slice(None))]]  # made from such exposures
        return [[self._cut(array, own, piece) for piece in pieces] for pieces in window.pieces or [[window]]]

    def _cut(self, array, own, window):
        y0, x0 = window.ystart - own.ystart, window.xstart - own.xstart
        y1, x1 = y0 + window.ny, x0 + window.nx
        if y0 < 0 or x0 < 0 or y1 > array.shape[-2] or x1 > array.shape[-1]:
            raise FileProblem(
                f"{self.path}: covers rows {own.ystart + 1}-{own.ystart + own.ny}, columns "
                f"{own.xstart + 1}-{own.xstart + own.nx} of the detector, the exposure needs rows "
                f"{window.ystart + 1}-{window.ystart + window.ny}, columns "
                f"{window.xstart + 1}-{window.xstart + window.nx}; choose a reference that covers it"
            )
        return slice(y0, y1), slice(x0, x1)

    def read(self, name="SCI", *index):
        """Read an array; leading axes by index, the last two cut to the window.

        Returns
        -------
        `~numpy.ndarray`
            float32 as JWST's schemas have it, whatever type the file holds; flags, DQ, are integers as they are. With
            superstripes their positions are the first axis.
        """
        array = self.product[name]
        index = tuple(index) + (slice(None),) * (len(array.shape) - 2 - len(index))
        planes = []
        for cuts in self._cuts(array):
            pieces = [array.read(*index, *cut) for cut in cuts]
            planes.append(pieces[0] if len(pieces) == 1 else np.concatenate(pieces, self.window.axis))
        values = np.stack(planes) if self.window is not None and self.window.positions else planes[0]
        return values if name == "DQ" else values.astype(np.float32, copy=False)

    def read_kernel(self):
        """Read the kernel of an ipc reference: (rows, columns), or four axes of which the last two are cut.

        With superstripes their positions are the first axis of either.
        """
        array = self.product["SCI"]
        if len(array.shape) > 2:
            return self.read()
        kernel = array.read().astype(np.float32, copy=False)
        return np.broadcast_to(kernel, (*self.window.shape[:-2], *kernel.shape))

    def shape(self, name="SCI"):
        """Return the shape of an array as stored."""
        return self.product[name].shape

    def read_dq(self, *index):
        """Read the DQ array, its bits translated by the file's DQ_DEF table.

        Reference files number their flags as they like and name them in DQ_DEF; names unknown to the
        pipeline are dropped. Without such a table the bits are the standard ones.

        Returns
        -------
        `~numpy.ndarray` of uint32
            Zeros when the file has no DQ array.
        """
        if "DQ" not in self.product:
            return np.zeros(self._dq_shape(), np.uint32)
        flags = self.read("DQ", *index).astype(np.uint32, copy=False)
        if "DQ_DEF" not in self.product or not len(table := self.product.table("DQ_DEF")):
            return flags
        translated = np.zeros_like(flags)
        for row in table:
            bit = dq.MNEMONICS.get(str(row["NAME"]).strip())
            if bit is not None:
                translated[(flags & np.uint32(row["VALUE"])) != 0] |= np.uint32(bit)
        return translated

    def _dq_shape(self):
        first = next(h for h in self.product.hdus[1:] if h.header.get("NAXIS", 0) >= 2)
        shape = _image_shape(first.header)[-2:]
        return shape if self.window is None else self._window_in(shape).shape

    def table(self, name):
        """Read a binary table."""
        return self.product.table(name)

    def close(self):
        """Close the file."""
        self.product.close()
