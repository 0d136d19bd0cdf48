"""FITS files as they are read: chunked arrays of open products.

Arrays are read and written chunk by chunk with positioned reads and writes, so that memory follows the chunk and not
the exposure, several threads share one open file, and what a step does not touch is copied by the kernel without
passing through Python. New files are in `rampflow.io.layout`, reference files as an exposure sees them in
`rampflow.io.references`.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.io import byte_runs, headers

BLOCK = headers.BLOCK
_RAW = {8: np.uint8, 16: np.int16, 32: np.int32, 64: np.int64, -32: np.float32, -64: np.float64}
# FITS has no unsigned integers: they are stored shifted by half their range.
UNSIGNED = {16: (np.uint16, 1 << 15), 32: (np.uint32, 1 << 31)}


def padded(size):
    """Return a size (bytes) filled up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def copy_range(source, target, source_offset, target_offset, size):
    """Copy bytes between two files inside the kernel; plain reads and writes where it cannot.

    Where the file system can (XFS, Btrfs), what begins at one of its blocks in both is shared and not copied.
    """
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
    """One image of a FITS file, read and written in chunks.

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
        unsigned, half = UNSIGNED.get(bitpix, (None, None))
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
        """Read a chunk.

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
            byte_runs.swap(values, self.shift)
        if self.shift:
            values = values.view(self.dtype)
        elif self.scaled:
            values = values * self._bscale + self._bzero
        return values

    def write(self, values, *index):
        """Write a chunk; the buffer's content is undefined afterwards when it had the file's own type.

        Parameters
        ----------
        values : `~numpy.ndarray`
            What to write; converted to the type of the array.
        *index : int or slice
            Where, as for `read`.
        """
        expected = self._result_shape(index)
        if values.shape != expected:
            raise ValueError(f"{self.path}: a chunk of shape {values.shape} does not fit where {expected} is due")
        values = np.ascontiguousarray(values, self.dtype)
        if not values.flags.writeable:
            values = values.copy()
        if self.raw.itemsize > 1:
            # Half of the range is the highest bit, which is in the lowest byte then.
            byte_runs.swap(values, 0x80 if self.shift else 0)
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
        self._arrays = {}
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
        # Headers are slow to ask, and every chunk of an array would.
        if name not in self._arrays:
            hdu = self.hdu(name)
            if hdu.header.get("XTENSION", "IMAGE").strip() != "IMAGE":
                raise FileProblem(f"{self.path}: extension {name} is a table where an image is due")
            self._arrays[name] = Array(self.descriptor, hdu.header, hdu.offset, self.path)
        return self._arrays[name]

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
            rows = np.empty(padded(hdu.size), np.uint8)
            byte_runs.read(self.descriptor, rows[: hdu.size], np.array([hdu.offset]))
            table = fits.getdata(io.BytesIO(header + rows.tobytes()), 1)
            for column in table.columns:
                table[column.name]  # text that is none is found here, and not where it is used
            return table
        except UnicodeDecodeError:
            raise FileProblem(
                f"{self.path}: the table {name} has text that is not ASCII; fetch or make it again"
            ) from None
        # astropy has no error of its own for tables that contradict themselves.
        except Exception as error:
            why = " ".join(str(error).split())
            raise FileProblem(
                f"{self.path}: the table {name} cannot be read ({why}); fetch or make it again"
            ) from error


def data_size(header):
    """Return the bytes of the data that a header says."""
    if header["NAXIS"] == 0:
        return 0
    return abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + prod(image_shape(header)))
