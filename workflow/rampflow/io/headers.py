"""The headers of FITS files, found and checked: where each begins, what its cards say, how large its data are.

Everything that opens a FITS file finds its parts here, the start of a run (`rampflow.io.raw_headers`) and the jobs
(`rampflow.io.files`), so that what one accepts the other does not refuse. A file may say anything of itself: every
size is checked before it is used, the search always moves on, and it ends.

Only the standard library is imported, since this happens at every start of the workflow.

Source: FITS Standard 4.0, sections 3, 4 and 7 (https://fits.gsfc.nasa.gov/fits_standard.html).
"""

import math
import os
import re
from typing import NamedTuple

BLOCK = 2880
CARD = 80
#: Bytes of the longest header that is read: 36,000 cards.
LONGEST = 1000 * BLOCK
#: Parts (headers with their data) of a file; exposures have fewer than ten, references some dozens.
MOST_PARTS = 1000
#: Blocks that are read at a time.
_BLOCKS = 8

#: Keywords that say where the data of a part are and how they are stored.
STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d{0,3}|[PG]COUNT|EXTNAME|BZERO|BSCALE|TFIELDS|ZIMAGE|ZCMPTYPE|THEAP"
    r"|T(FORM|TYPE|UNIT|DISP|DIM|NULL|SCAL|ZERO)\d{1,3}"
)
_BITPIX = (8, 16, 32, 64, -32, -64)
# Bytes of an element of a column, by its letter in TFORM; X are bits.
_ELEMENTS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
# What else a header says of a column, and of which type it is.
_COLUMN = dict.fromkeys(("TTYPE", "TUNIT", "TDISP", "TDIM"), str)
_COLUMN |= {"TNULL": int, "TSCAL": int | float, "TZERO": int | float}
_COLUMN_NAME = re.compile(r"[A-Za-z0-9_.+ -]{1,60}")

_NUMBER = r"[+-]?(?:\.\d+|\d+(?:\.\d*)?)(?:[DEde][+-]?\d+)?"
# The groups: text, a switch, a number, a pair of numbers.
_VALUE = re.compile(
    rf" *(?:'((?:''|[ -&(-~])*)'(?=[ /]|$)|([TF])|({_NUMBER})|(\( *{_NUMBER} *, *{_NUMBER} *\)))? *(?:/.*)?", re.DOTALL
)
_KEYWORD = re.compile(r"[A-Z0-9_-]+")
_LONG_KEYWORD = re.compile(r"HIERARCH +[A-Za-z0-9_-][!-<>-~ ]*= ")
_ODD_BYTE = re.compile(rb"[^ -~]")
_COMMENTARY = ("COMMENT", "HISTORY", "", "CONTINUE", "HIERARCH")


class Damaged(Exception):
    """A file breaks the rules of FITS; the message says how and where, without the name of the file."""


class OutOfReach(Exception):
    """What is asked for lies in a file whose bytes cannot be had from there on, though nothing is wrong with it."""


class Opened:
    """The bytes of an open file by place; whatever has ``size`` and ``read`` can stand for it.

    Parameters
    ----------
    descriptor : int
        The file.
    """

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, count, at):
        """Return bytes from a place on, fewer at the end of the file."""
        return os.pread(self._descriptor, count, at)


class Part(NamedTuple):
    """A header and its data in a file."""

    text: bytes  #: the cards of the header, without END; of extensions without blank ones at the end
    cards: dict  #: keyword to value, those that were asked for
    shape: tuple  #: of the data in the order of numpy, the fastest axis last; empty without data
    begin: int  #: byte at which the header begins
    start: int  #: byte at which the data begin
    size: int  #: of the data, in bytes

    @property
    def kind(self):
        """XTENSION: "IMAGE", also for the primary part, "BINTABLE", "TABLE", or what else there may be."""
        return self.cards.get("XTENSION", "IMAGE").strip()

    @property
    def name(self):
        """EXTNAME; what it is called in messages where it has none."""
        name = self.cards.get("EXTNAME")
        return name if isinstance(name, str) and name else f"the part at byte {self.begin}" if self.begin else "PRIMARY"


def parts(source, *, only=STRUCTURE, strict=False):
    """Go through the parts of a FITS file.

    Parameters
    ----------
    source : int or Opened
        The open file, or what gives its bytes by place.
    only : pattern, optional
        Keywords to read from extensions; in any case those of `STRUCTURE`, which decide.
    strict : bool, optional
        Refuse bytes that are not printable ASCII, too, and read all cards of the primary header. Headers that are
        copied into products have to be so; those of references need not.

    Yields
    ------
    Part
        The primary one first.

    Raises
    ------
    Damaged
        The file is not FITS, is shorter than its headers say, or a header cannot be understood.
    OSError
        The file cannot be read.
    """
    source = Opened(source) if isinstance(source, int) else source
    size, offset, count = source.size, 0, 0
    begin = source.read(6, 0)
    if not begin:
        raise Damaged("empty")
    if begin != b"SIMPLE":
        packed = "; it is compressed, unpack it: gunzip" if begin.startswith(b"\x1f\x8b") else ""
        raise Damaged(f"not a FITS file: it does not begin with SIMPLE{packed}")
    while offset < size:
        if offset and _is_filler(source, offset, size):
            return
        if count == MOST_PARTS:
            raise Damaged(f"damaged: more than {MOST_PARTS} extensions")
        text, start = _header_at(source, offset, size)
        if offset:
            # Blank cards at the end move the data to where files can share them; some thousand say nothing.
            text = text[: -(-len(text.rstrip(b" ")) // CARD) * CARD]
        cards = read_cards(text, offset, only=None if strict and not offset else only, strict=strict)
        if not offset and cards.get("SIMPLE") is not True:
            raise Damaged("not a FITS file: it does not begin with SIMPLE = T")
        shape, length = _extent(cards, offset, strict)
        part = Part(text, cards, shape, offset, start, length)
        end = part.start + length
        if end > size:
            name = part.name if offset else "the primary array"
            # Axes may multiply to a number that Python does not write.
            raise Damaged(f"truncated: {size} bytes, where {name} ends at {end if end < 1 << 63 else 'no place'}")
        yield part
        offset, count = part.start + -(-length // BLOCK) * BLOCK, count + 1


def _is_filler(source, offset, size):
    """Whether what follows the last extension are blocks of nothing, as some writers leave them."""
    if source.read(1, offset) not in (b"\0", b" ") or size - offset > LONGEST:
        return False
    return not source.read(size - offset, offset).strip(b"\0 ")


def _header_at(source, offset, size):
    """Read the cards of a header up to its END; also return where the block of that ends."""
    pieces, at = [], offset
    while True:
        piece = source.read(_BLOCKS * BLOCK, at)
        if not pieces and not piece.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise Damaged(f"damaged: no FITS header where one is due (byte {offset})")
        for card in range(0, len(piece) - CARD + 1, CARD):
            if piece.startswith(b"END     ", card):
                stop = (card // BLOCK + 1) * BLOCK
                if len(piece) < stop:
                    raise Damaged(f"truncated: {size} bytes, ending inside a header")
                # Behind END is nothing; where there is something a card has become END, and the rest would be lost.
                if piece[card + 3 : stop].strip(b"\0 "):
                    raise Damaged(f"damaged: the header at byte {offset} goes on behind its END (byte {at + card})")
                return b"".join([*pieces, piece[:card]]), at + stop
        if len(piece) < _BLOCKS * BLOCK:
            raise Damaged(f"truncated: {size} bytes, ending inside a header")
        pieces.append(piece)
        at += len(piece)
        if at - offset >= LONGEST:
            raise Damaged(f"damaged: the header at byte {offset} has no END within {LONGEST} bytes")


def read_cards(text, offset=0, *, only=None, strict=True):
    """Read the cards of a header.

    Parameters
    ----------
    text : bytes
        The cards, without END.
    offset : int, optional
        Where it begins in its file, for messages.
    only : pattern, optional
        The keywords to return, all by default; every card is checked.
    strict : bool, optional
        Refuse bytes that are not printable ASCII, and cards that have no value where one is due.

    Returns
    -------
    dict
        Keyword to value: text, numbers, switches; None where there is no value. The first of repeated keywords
        counts; comments are left out.

    Raises
    ------
    Damaged
        A card cannot be understood.
    """
    content = text.decode("latin-1")
    if strict and (odd := _ODD_BYTE.search(text)):
        card = content[odd.start() // CARD * CARD :][:CARD]
        where = f"byte {offset + odd.start()}"
        raise Damaged(f"damaged: {where} (0x{odd[0].hex()}), in the card {_shown(card)}, is not printable ASCII")
    # The text that a CONTINUE would go on with: its keyword, if it is to be kept.
    cards, before, kept = {}, None, None
    for at in range(0, len(content), CARD):
        card = content[at : at + CARD]
        keyword = card[:8].rstrip()
        if card[8:10] == "= " and keyword not in _COMMENTARY:
            if strict and not _KEYWORD.fullmatch(keyword):
                raise _unreadable(card, offset + at)
            value = before = _value(card, 10, offset + at)
            kept = None
            if keyword not in cards:
                if only is None or only.fullmatch(keyword):
                    cards[keyword], kept = value, keyword
            # The first one counts here, the last one in some other readers.
            elif STRUCTURE.fullmatch(keyword) and value != cards[keyword]:
                raise Damaged(f"damaged: {keyword} is both {cards[keyword]!r} and {value!r} (byte {offset + at})")
        elif keyword == "CONTINUE":
            value = _value(card, 8, offset + at)
            if strict and not (isinstance(before, str) and isinstance(value, str)):
                raise _unreadable(card, offset + at)
            if kept and isinstance(before, str) and before.endswith("&"):
                cards[kept] = cards[kept][:-1] + (value if isinstance(value, str) else "")
            before = value
        else:
            before = None
            if keyword == "HIERARCH" and (strict or "=" in card):
                if not (match := _LONG_KEYWORD.match(card)):
                    raise _unreadable(card, offset + at)
                _value(card, match.end(), offset + at)
            # A card without a value is a comment; in an exposure, which machines write, it is a damaged one.
            elif strict and keyword not in _COMMENTARY:
                raise _unreadable(card, offset + at)
    return cards


def _value(card, start, at):
    """Read the value of a card: text in quotes, T or F, a number, or None."""
    match = _VALUE.fullmatch(card, start)
    if not match:
        raise _unreadable(card, at)
    text, switch, number, pair = match.groups()
    if number:
        return int(number) if number.lstrip("+-").isdigit() else float(number.upper().replace("D", "E"))
    if text is not None:
        return text.replace("''", "'").rstrip()
    return switch == "T" if switch else pair


def _unreadable(card, at):
    return Damaged(f"damaged: the card {_shown(card)} at byte {at} cannot be read")


def _shown(card):
    text = ascii(card.rstrip())[1:-1]
    return text if len(text) <= 40 else f"{text[:37]}..."


def _extent(cards, offset, strict):
    """Work out the shape of the data and their size in bytes."""

    def whole(key, least, most=None, default=None):
        value = cards.get(key, default)
        if value is None:
            raise Damaged(f"damaged: the header at byte {offset} has no {key}")
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
            limits = f"from {least}" + (f" to {most}" if most else "")
            raise Damaged(f"damaged: {key} is {value!r} in the header at byte {offset}, not a whole number {limits}")
        return value

    axes = whole("NAXIS", 0, 999)
    shape = tuple(whole(f"NAXIS{axis}", 0) for axis in range(axes, 0, -1))
    if whole("BITPIX", -64) not in _BITPIX:
        known = ", ".join(map(str, _BITPIX))
        raise Damaged(f"damaged: BITPIX is {cards['BITPIX']} in the header at byte {offset}, not one of {known}")
    kind = cards.get("XTENSION", "IMAGE")
    if not isinstance(kind, str):
        raise Damaged(f"damaged: XTENSION is {kind!r} in the header at byte {offset}")
    kind = kind.strip()
    image = kind == "IMAGE"
    # The standard has them at 0 and 1 for images; where they are not the data would not be where they are looked for.
    parameters = whole("PCOUNT", 0, default=0)
    groups = whole("GCOUNT", 1, default=1)
    if image and (parameters or groups != 1):
        raise Damaged(
            f"damaged: PCOUNT {parameters} and GCOUNT {groups} in the header of an image at byte {offset}, not 0 and 1"
        )
    if image:
        for key, default in (("BZERO", 0), ("BSCALE", 1)):
            value = cards.get(key, default)
            usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
            if not usable or (key == "BSCALE" and not value):
                raise Damaged(f"damaged: {key} is {value!r} in the header at byte {offset}")
    elif kind == "BINTABLE":
        _check_columns(cards, shape, whole("TFIELDS", 0, 999), offset)
        if strict:
            _check_names(cards, offset)
    size = abs(cards["BITPIX"]) // 8 * groups * (parameters + math.prod(shape)) if shape else 0
    return shape, size


def _check_columns(cards, shape, columns, offset):
    """Compare the length of a table's rows with that of its columns."""
    length = 0
    for column in range(1, columns + 1):
        form = cards.get(f"TFORM{column}")
        match = re.match(r"(\d{0,12})([A-Z])", form.strip()) if isinstance(form, str) else None
        if not match or match[2] not in {*_ELEMENTS, "X"}:
            raise Damaged(f"damaged: TFORM{column} is {form!r} in the header of a table at byte {offset}")
        repeat = int(match[1] or 1)
        length += -(-repeat // 8) if match[2] == "X" else repeat * _ELEMENTS[match[2]]
    if len(shape) != 2 or cards["BITPIX"] != 8 or shape[1] != length:
        raise Damaged(
            f"damaged: the header of a table at byte {offset} says BITPIX {cards['BITPIX']} and axes {shape}, where "
            f"its columns make rows of {length} bytes"
        )


def _check_names(cards, offset):
    """Compare what else is said of a table's columns with what it may be."""
    missing = [key for key in ("PCOUNT", "GCOUNT") if cards.get(key) is None]
    heap = cards.get("THEAP", 0)
    if not isinstance(heap, int) or isinstance(heap, bool) or heap < 0:
        raise Damaged(f"damaged: THEAP is {heap!r} in the header of a table at byte {offset}")
    names = []
    for column in range(1, cards["TFIELDS"] + 1):
        for key, types in _COLUMN.items():
            value = cards.get(f"{key}{column}")
            if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
                raise Damaged(f"damaged: {key}{column} is {value!r} in the header of a table at byte {offset}")
        names.append(cards.get(f"TTYPE{column}"))
        missing += [] if names[-1] else [f"TTYPE{column}"]
        if names[-1] and not _COLUMN_NAME.fullmatch(names[-1]):
            raise Damaged(f"damaged: TTYPE{column} is {names[-1]!r} in the header of a table at byte {offset}")
    if missing:
        raise Damaged(f"damaged: the header of a table at byte {offset} has no {', '.join(missing)}")
    if len({name.lower() for name in names}) < len(names):
        raise Damaged(f"damaged: the header of a table at byte {offset} has columns of one name ({', '.join(names)})")
