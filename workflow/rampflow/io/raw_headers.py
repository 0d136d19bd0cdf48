"""What the start of a run reads of a raw exposure: its header, and what of its data can be told without reading them.

Quick, because it happens at every start of the workflow: only the standard library is imported, where the import of
astropy alone takes longer than hundreds of headers do.
"""

import hashlib
import json
import os
import stat
from typing import NamedTuple

from rampflow.errors import BadExposure
from rampflow.io import headers

#: Extensions of a raw exposure; each is there once, or not at all.
_KNOWN = ("SCI", "ZEROFRAME", "REFOUT", "GROUP", "INT_TIMES", "ASDF")
# ASDF has been either, in the course of the years.
_IMAGES, _TABLES = ("SCI", "ZEROFRAME", "REFOUT"), ("GROUP", "INT_TIMES")
_COUNTS = ("SCI", "ZEROFRAME")
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class Unreadable(BadExposure):
    """What is wrong does not lie in the file's content: there is none, or it is no file, or it may not be read."""


class Raw(NamedTuple):
    """What a raw exposure says it is."""

    header: dict  #: primary header: keyword to value, None where there is no value
    shape: tuple  #: of SCI in the order of numpy, the fastest axis last; empty without one
    rows: int | None  #: of the table INT_TIMES; None without one
    zeroframe: tuple | None  #: shape of ZEROFRAME; None without one
    remarks: list  #: what is odd about counts, in words


def read_header(path):
    """Return the primary header of a FITS file, as `examine` reads it; the message of a problem names the file."""
    try:
        return examine(path).header
    except BadExposure as problem:
        raise BadExposure(f"{path}: {problem}") from None


def examine(path):
    """Read the headers of a raw exposure, and check that the file is whole and can be understood.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Raw
        What it says.

    Raises
    ------
    BadExposure
        The file cannot be read, is not FITS, is damaged, or is shorter than its headers say. Nothing else is raised,
        whatever the file holds. The message does not name the file.
    """
    descriptor = None
    try:
        # Whoever opens a pipe waits for its writer, unless told not to.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{_kind(status)}, where a FITS file is due")
        return _examined(headers.parts(descriptor, strict=True))
    except headers.Damaged as problem:
        raise BadExposure(_advised(problem)) from None
    except (OSError, ValueError) as error:
        raise Unreadable(why_unreadable(path, error)) from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def examine_bytes(source):
    """Read the headers of a raw exposure as `examine` does, of whatever gives bytes by place.

    Where some are out of reach, what follows the counts is taken to be what the header says of it.

    Parameters
    ----------
    source : object
        With ``size`` and ``read(count, at)``, as `rampflow.io.headers.Opened` has them.

    Raises
    ------
    BadExposure
        As `examine` raises it; what ``source`` raises, too.
    """
    try:
        return _examined(headers.parts(source, strict=True))
    except headers.Damaged as problem:
        raise BadExposure(_advised(problem)) from None


def digest_of(raw):
    """Return the digest of the primary header of a `Raw`, by which answers of CRDS are kept."""
    return hashlib.sha256(json.dumps(raw.header).encode()).hexdigest()[:16]


def _advised(problem):
    return str(problem) if str(problem).startswith("not a FITS file") else f"{problem}; fetch the file again"


def why_unreadable(path, error):
    """Say in a few words why a path cannot be opened.

    Parameters
    ----------
    path : path-like
        The path.
    error : OSError or ValueError
        What the attempt raised; a ValueError is that of a name that no file can have.
    """
    if isinstance(error, ValueError):
        return f"no file can have this name ({error})"
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return f"a symbolic link to {os.readlink(path)!r}, where nothing is; correct the link"
        return "there is no such file"
    try:
        status = os.stat(path)
    except OSError:
        status = None
    if status and not stat.S_ISREG(status.st_mode):
        return f"{_kind(status)}, where a FITS file is due"
    return f"cannot be read ({error.strerror})"


def _kind(status):
    return next((name for test, name in _KINDS.items() if test(status.st_mode)), "no file")


def _examined(parts):
    found, header, out_of_reach = {}, None, False
    for part in _within_reach(parts):
        if part is None:
            out_of_reach = True
        elif header is None:
            header = part.cards
            if part.name in _KNOWN:
                raise headers.Damaged(f"damaged: the primary header has the name of an extension, {part.name}")
        elif part.name in found and part.name in _KNOWN:
            where = f"bytes {found[part.name].begin} and {part.begin}"
            raise headers.Damaged(f"damaged: {part.name} is there twice, at {where}")
        else:
            _check_kind(part)
            found.setdefault(part.name, part)
    shapes = {name: part.shape for name, part in found.items()}
    remarks = [line for name in _COUNTS if name in found for line in _oddities(name, found[name].cards)]
    sci, frames = shapes.get("SCI", ()), shapes.get("ZEROFRAME")
    if out_of_reach and header.get("ZEROFRAM") is True:
        frames = (*sci[:1], *sci[2:])
    return Raw(header, sci, shapes.get("INT_TIMES", (None,))[0], frames, remarks)


def _within_reach(parts):
    """Give the parts as far as they can be had; None at the end says that there is more."""
    count = 0
    try:
        for part in parts:
            count += 1
            yield part
    except headers.OutOfReach:
        # Without the header of the counts nothing is known.
        if count < 2:
            raise headers.Damaged("the server gives whole files only, and the counts begin far behind") from None
        yield None


def _oddities(name, cards):
    """Say where 16 bits are not the unsigned numbers that raw counts are."""
    zero, scale = cards.get("BZERO"), cards.get("BSCALE", 1)
    if cards.get("BITPIX") == 16 and (zero, scale) != (1 << 15, 1):
        yield (
            f"{name} has BZERO {zero} and BSCALE {scale}, where counts are unsigned numbers of 16 bits, BZERO 32768; "
            "the header is followed"
        )


def _check_kind(part):
    """Refuse tables in place of images, and the other way round."""
    if "ZIMAGE" in part.cards:
        how = part.cards.get("ZCMPTYPE") or "tiles"
        raise BadExposure(f"{part.name} is compressed (ZIMAGE, {how}); unpack the file: funpack")
    due = "IMAGE" if part.name in _IMAGES else "BINTABLE" if part.name in _TABLES else part.kind
    if part.kind != due:
        raise BadExposure(f"{part.name} is of the kind {part.kind} where {due} is due; give the _uncal.fits file")
