"""New FITS files: laid out at full size, filled chunk by chunk, final when they are committed.

A product is written under a temporary name beside its final one and renamed when it is complete: an interrupted job
leaves nothing under the final name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.io import byte_runs, owners, scratch
from rampflow.io.files import BLOCK, UNSIGNED, Array, Hdu, copy_range, data_size, padded
from rampflow.io.keywords import set_keyword

# Cards for which the primary header of a new product has room beyond those it starts with.
_SPARE_CARDS = 8
#: Bytes of a block of file systems on which files share what is the same in them (XFS, Btrfs): arrays that begin at a
#: multiple of it are shared where they are copied. It takes up to 63 blocks of a header, so small ones are left alone.
_SHARED_BLOCK, _WORTH_SHARING = 4096, 32 << 20


@dataclass
class Extension:
    """What one extension of a new product will be: copied whole, or an image to be filled."""

    name: str
    header: fits.Header
    source: Hdu | None = None
    descriptor: int | None = None
    payload: bytes | None = None
    carried: bool = False  # whether products of later steps may have the same array
    offset: int = field(default=0, init=False)

    @property
    def size(self):
        """Bytes of the data."""
        return data_size(self.header)


class NewProduct:
    """A FITS file being made: full size from the start, filled chunk by chunk, final when committed.

    Parameters
    ----------
    path : path-like
        Final name.
    header : `~astropy.io.fits.Header`
        Primary header. Until `commit` keywords may be changed, and a few added: so much room is left.
    plans : list of `Extension`
        The extensions in file order.
    place : `~pathlib.Path`, optional
        Where it is to lie (`rampflow.io.scratch.place`); under its final name there is then a link.
    """

    def __init__(self, path, header, plans, place=None):
        self.path, self.place = Path(path), Path(place or path)
        self.partial = temporary(self.place)
        self.header, self.plans = header, plans
        self._arrays = {}
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
            if plan.carried and plan.size >= _WORTH_SHARING:
                size = next(size for size in itertools.count(len(text), BLOCK) if (offset + size) % _SHARED_BLOCK == 0)
                text = _header_bytes(plan.header, size=size)
            byte_runs.pwrite_all(self.descriptor, text, offset)
            plan.offset = offset + len(text)
            offset = plan.offset + padded(plan.size)
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
        if name not in self._arrays:
            plan = next((plan for plan in self.plans if plan.name == name), None)
            if plan is None:
                raise KeyError(name)
            self._arrays[name] = Array(self.descriptor, plan.header, plan.offset, self.path)
        return self._arrays[name]

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
        give_name(self.descriptor, self.partial, self.place)
        os.close(self.descriptor)
        if self.place != self.path:
            scratch.link(self.place, self.path)

    def discard(self):
        """Remove what was written so far."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        self.partial.unlink(missing_ok=True)


def temporary(path):
    """Choose the temporary name of a file to be made; what dead processes have left beside it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owners.sweep(path.parent, time.time())
    return Path(owners.temporary(path))


def give_name(descriptor, partial, path):
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
    size = max(size, padded(len(cards) + 80 * (spare + 1)))
    if spare:
        return (cards + "END".ljust(80)).ljust(size).encode("ascii")
    end = size - 80 if padded(len(cards) + 80) < size else len(cards)
    return (cards.ljust(end) + "END".ljust(80)).ljust(size).encode("ascii")


def copied(source, path, header, without=()):
    """Begin a product that holds what an open one does, under another header.

    Parameters
    ----------
    source : Product
        The product; all its extensions are copied.
    path : path-like
        Final name; FILENAME of the header is set to it.
    header : `~astropy.io.fits.Header`
        Primary header, changed in place.
    without : tuple of str, optional
        Arrays that are not copied, as all of them will be written.

    Returns
    -------
    NewProduct
        Complete but for `NewProduct.commit` and these arrays; chunks may be written over before that.
    """
    set_keyword(header, "FILENAME", Path(path).name, "Name of the file")
    plans = [copy_of(source, hdu.name) for hdu in source.hdus[1:]]
    for plan in plans:
        if plan.name in without:
            plan.source = plan.descriptor = None
    return NewProduct(path, header, plans)


def shared(source, path, header):
    """Give a complete product a second name, under which it is the same file: its FILENAME becomes the new one.

    Parameters
    ----------
    source, path, header
        As `copied` takes them; the header has to say what that of the product says.

    Returns
    -------
    bool
        False where that cannot be, and nothing has changed: the file system has no such names, the product has some
        already, or its header has no room for a longer one.
    """
    set_keyword(header, "FILENAME", Path(path).name, "Name of the file")
    text = _header_bytes(header, size=source.hdus[0].offset)
    if len(text) != source.hdus[0].offset:
        return False
    partial = temporary(Path(path))
    try:
        descriptor = os.open(source.path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A link that is followed is another file, and a file with more names belongs to others, too.
        found = os.fstat(source.descriptor)
        if found.st_nlink != 1 or not os.path.samestat(found, os.lstat(source.path)):
            return False
        os.link(source.path, partial)
        byte_runs.pwrite_all(descriptor, text, 0)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
    return True


def image(name, shape, dtype, *, like=None, unit=None, carried=False):
    """Plan an image extension that is to be filled.

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
    carried : bool, optional
        Whether later steps carry the array on as it is: a large one is then laid out so that files can share it.
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
        head["BZERO"] = UNSIGNED[bitpix][1]
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
    return Extension(name, head, carried=carried)


def copy_of(source, name):
    """Plan an extension that is a copy, byte for byte, of one of an open product."""
    hdu = source.hdu(name)
    carried = hdu.offset % _SHARED_BLOCK == 0
    return Extension(name, hdu.header.copy(), source=hdu, descriptor=source.descriptor, carried=carried)


def table(name, rows):
    """Plan a binary table with the rows of a structured array."""
    header = fits.BinTableHDU(rows, name=name).header
    return Extension(name, header, payload=rows.astype(rows.dtype.newbyteorder(">")).tobytes())
