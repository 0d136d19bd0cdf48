"""Single pixels of FITS files, read where they lie: nothing else of the file is touched, nor astropy imported.

The question "what is this pixel?" goes to dozens of files, a few numbers of each; with whole headers and arrays the
answer would take many times as long as to read them.
"""

import mmap
import os
import re
from pathlib import Path

import numpy as np

from rampflow.detector import dq
from rampflow.errors import FileProblem
from rampflow.io import headers

_RAW = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_UNSIGNED = {16: (np.uint16, 1 << 15), 32: (np.uint32, 1 << 31)}
_COLUMN = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_FORM = re.compile(r"(\d*)([A-Z])")
#: What else is asked of headers: place and timing of exposures, and what references are.
_ASKED = re.compile(
    headers.STRUCTURE.pattern + r"|SUB(STRT|SIZE)[12]|SUBARRAY|INSTRUME|DETECTOR|READPATT|EXP_TYPE|(FAST|SLOW)AXIS"
    r"|NINTS|NGROUPS|NFRAMES|GROUPGAP|INTSTART|TGROUP|TFRAME|TSOVISIT|MSTR_\w+|SSTR_\w+|NOUTPUTS|FILTER|PUPIL|BUNIT"
)


class PixelFile:
    """A FITS file of which a few samples are wanted.

    Parameters
    ----------
    path : path-like
        The file.

    Attributes
    ----------
    header : dict
        Keywords of the primary header: those that say what an exposure is.
    parts : dict
        EXTNAME to `~rampflow.io.headers.Part`; of several of one name the first.

    Raises
    ------
    FileProblem
        The file is missing, is not FITS, or is shorter than its headers say.
    """

    def __init__(self, path):
        self.path, self.parts, self._maps = Path(path), {}, {}
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be opened ({error.strerror}); check the path") from None
        try:
            for part in headers.parts(descriptor, only=_ASKED):
                self.parts.setdefault(str(part.cards.get("EXTNAME") or "PRIMARY"), part)
            self._bytes = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            # The system would read a hundred kilobytes ahead for each sample.
            if hasattr(mmap, "MADV_RANDOM"):
                self._bytes.madvise(mmap.MADV_RANDOM)
        except headers.Damaged as problem:
            raise FileProblem(f"{self.path}: {problem}; fetch or make it again") from None
        except OSError as error:
            raise FileProblem(f"{self.path}: cannot be read ({error.strerror})") from None
        finally:
            os.close(descriptor)
        self.header = next(iter(self.parts.values())).cards

    def __contains__(self, name):
        return name in self.parts

    def _part(self, name):
        if name not in self.parts:
            raise FileProblem(f"{self.path}: no extension {name}; it has {', '.join(list(self.parts)[1:]) or 'none'}")
        return self.parts[name]

    def shape(self, name):
        """Return the shape of an array."""
        return self._part(name).shape

    def read(self, name, *index):
        """Read samples of an array.

        Parameters
        ----------
        name : str
            EXTNAME.
        *index : int, slice or integer `~numpy.ndarray`
            As numpy takes them.

        Returns
        -------
        `~numpy.ndarray` or scalar
            Native-endian; of the type that the file means, unsigned integers among them.
        """
        part = self._part(name)
        if name not in self._maps:
            raw = np.frombuffer(self._bytes, _RAW[part.cards["BITPIX"]], int(np.prod(part.shape)), part.start)
            self._maps[name] = raw.reshape(part.shape)
        values = np.array(self._maps[name][index])
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        zero, scale = part.cards.get("BZERO", 0), part.cards.get("BSCALE", 1)
        kind, half = _UNSIGNED.get(part.cards["BITPIX"], (None, None))
        if zero == half and scale == 1:
            return (values.view(kind) ^ kind(half))[()]
        return values[()] if (zero, scale) == (0, 1) else (values * float(scale) + float(zero))[()]

    def table(self, name, *columns):
        """Read columns of a small binary table: {column: list of its values}.

        Raises
        ------
        FileProblem
            There is no such table or column.
        """
        part = self._part(name)
        kinds, zeros = [], {}
        for number in range(1, part.cards.get("TFIELDS", 0) + 1):
            repeat, letter = _FORM.match(part.cards[f"TFORM{number}"].strip()).groups()
            column = str(part.cards.get(f"TTYPE{number}") or number).strip().upper()
            repeat, zeros[column] = int(repeat or 1), int(part.cards.get(f"TZERO{number}") or 0)
            kinds.append((column, f"S{repeat}") if letter == "A" else (column, _COLUMN.get(letter, "V16"), (repeat,)))
        rows = np.frombuffer(self._bytes, np.dtype(kinds), part.shape[0], part.start)
        found = {}
        for column in columns:
            if column not in (rows.dtype.names or ()):
                raise FileProblem(f"{self.path}: the table {name} has no column {column}; use another file")
            values = rows[column]
            text = values.dtype.kind == "S"
            found[column] = [v.decode("latin-1").strip() if text else int(v[0]) + zeros[column] for v in values]
        return found

    def flags(self, *index):
        """Read the DQ of a reference file as `~rampflow.io.references.Reference.read_dq` does: in standard bits.

        Returns
        -------
        int
            0 where the file has no DQ.
        """
        if "DQ" not in self:
            return 0
        found = int(self.read("DQ", *index))
        if "DQ_DEF" not in self or not self.shape("DQ_DEF")[0]:
            return found
        table = self.table("DQ_DEF", "VALUE", "NAME")
        rows = zip(table["VALUE"], table["NAME"], strict=True)
        return sum({dq.REFERENCE_NAMES.get(name, 0) for value, name in rows if found & value & 0xFFFFFFFF})
