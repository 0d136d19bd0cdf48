"""Raw exposures with headers that are not as they should be."""

import math
import warnings

import numpy as np

from fuzz.driver import Kind, counted_reads
from fuzz.fits_bytes import BLOCK, card, header, padded, table, uncal, whole
from rampflow.errors import BadExposure
from rampflow.io import files, keywords, layout
from rampflow.io.raw_headers import examine
from rampflow.planning.beginning import prepare
from rampflow.settings.configuration import ConfigError

#: Bytes that may be read of a file, for each that it has: headers are read in pieces of eight blocks.
READINGS = 10

VALUES = [
    *("0", "-1", "1", "2", "7", "1000", "-2147483648", "2147483648", "9223372036854775807", "-1560", "9" * 65),
    *("0.0", "40.0", "1.5", "-0.0", "1E400", "-1E400", "1E-320", "1D5", ".5", "5.", "+3", "00012", "1_0", "0x10"),
    *("T", "F", "''", "'a'", "'it''s'", "'open", "NAN", "INF", "word", "(1, 2)", "", "'&'", "/ no value", "'a' b"),
    *("'SCI'", "'IMAGE'", "'BINTABLE'", "'1E'", "'9999999999J'", "'2022-07-12'", "'SUBSTRIPE'", "16", "-32", "32768"),
]
KEYWORDS = [
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS4", "PCOUNT", "GCOUNT", "EXTNAME", "END", "CONTINUE"),
    *("TFORM1", "TFIELDS", "TDIM1", "TSCAL1", "TNULL1", "THEAP", "BZERO", "BSCALE", "BLANK", "ZIMAGE", "GROUPS"),
    *("TGROUP", "NINTS", "NFRAMES", "SSTR_NST", "MSTR_RD1", "FASTAXIS", "SUBSTRT1", "INTSTART", "DETECTOR"),
    *("COMMENT", "HIERARCH", "", "lower", "A B", "A$B"),
]


def seeds():
    """Return good exposures: a small one, one with every extension, one with long text and odd but legal cards."""
    long = b"".join(
        [
            card("OBSLABEL", "a long name that goes on, with 'quotes', to more than eighty&"),
            b"CONTINUE  ' characters in all&'".ljust(80),
            b"CONTINUE  '' / and a comment".ljust(80),
            b"HIERARCH a long keyword = 3 / as some write".ljust(80),
            b"COMMENT of no consequence".ljust(80),
            b"EMPTY   =".ljust(80),
            b"".ljust(80),
        ]
    )
    body = uncal(FASTAXIS=-1, SLOWAXIS=2, EXPSTART=59772.5, NRESETS=1, SUBSIZE1=5, SUBSIZE2=4)
    end = body.index(b"END     ")
    odd = padded(body[:end] + long + b"END".ljust(80), b" ") + body[BLOCK:] + table("ASDF", 1, {"ASDF_METADATA": "J"})
    return {
        "small_uncal.fits": uncal(),
        "whole_uncal.fits": whole(),
        "odd_uncal.fits": odd,
        "stripes_uncal.fits": uncal(
            **{"SUBARRAY": "SUB_SUPSTP", "FASTAXIS": -1, "SLOWAXIS": 2, "MSTR_SK1": 10, "MSTR_SK2": 3, "MSTR_RPT": 1},
            **{"MSTR_ILV": 1, "MSTR_RD1": 1, "MSTR_RD2": 3, "SSTR_STP": 3, "SSTR_NST": 2},
        ),
    }


# --- how they are changed -------------------------------------------------------------------------------


def _headers(content):
    """Places of the cards of every header: [[offset, ...], ...], END included."""
    found, at = [], 0
    while 0 <= at < len(content):
        cards = []
        while at < len(content):
            cards.append(at)
            if content[at : at + 8] == b"END     ":
                break
            at += 80
        found.append(cards)
        at = content.find(b"XTENSION=", at)
    return found


def _a_card(choose, content, end=False):
    cards = choose.choice(_headers(content))
    return choose.choice(cards if end or len(cards) == 1 else cards[:-1])


def flip_a_bit(choose, content):
    """Flip one bit of a header."""
    at = _a_card(choose, content, end=True) + choose.randrange(80)
    if at >= len(content):
        return content
    return content[:at] + bytes([content[at] ^ 1 << choose.randrange(8)]) + content[at + 1 :]


def set_a_byte(choose, content):
    """Set one byte of a header to any value."""
    at = _a_card(choose, content, end=True) + choose.randrange(80)
    return content[:at] + bytes([choose.randrange(256)]) + content[at + 1 :]


def delete_a_card(choose, content):
    """Take a card out; those behind it move up to the end of its block."""
    at = _a_card(choose, content, end=True)
    stop = (at // BLOCK + 1) * BLOCK
    return content[:at] + content[at + 80 : stop] + b" " * 80 + content[stop:]


def double_a_card(choose, content):
    """Write a card over the one behind it."""
    at = _a_card(choose, content)
    return content[: at + 80] + content[at : at + 80] + content[at + 160 :]


def swap_cards(choose, content):
    """Exchange two cards."""
    one, two = sorted((_a_card(choose, content, end=True), _a_card(choose, content, end=True)))
    if two - one < 80:
        return content
    a, b = content[one : one + 80], content[two : two + 80]
    return content[:one] + b + content[one + 80 : two] + a + content[two + 80 :]


def swap_values(choose, content):
    """Exchange the values of two cards."""
    one, two = sorted((_a_card(choose, content), _a_card(choose, content)))
    if two - one < 80:
        return content
    a, b = content[one + 10 : one + 80], content[two + 10 : two + 80]
    return content[: one + 10] + b + content[one + 80 : two + 10] + a + content[two + 80 :]


def set_a_value(choose, content):
    """Give a keyword another value."""
    at = _a_card(choose, content)
    value = choose.choice(VALUES)
    text = value.ljust(20) if value.startswith("'") else value.rjust(20)
    return content[: at + 8] + f"= {text}".ljust(72).encode()[:72] + content[at + 80 :]


def set_a_keyword(choose, content):
    """Give a value another keyword."""
    at = _a_card(choose, content)
    return content[:at] + choose.choice(KEYWORDS).ljust(8).encode() + content[at + 8 :]


def add_a_card(choose, content):
    """Write a card in place of another, or of END, which moves."""
    at = choose.choice(_headers(content))[-1]
    new = choose.choice(KEYWORDS).ljust(8) + "= " + choose.choice(VALUES)
    return content[:at] + new.ljust(80).encode()[:80] + b"END".ljust(80) + content[at + 160 :]


def truncate(choose, content):
    """Cut the file anywhere, or at the end of a block."""
    size = choose.randrange(len(content))
    return content[: size - size % BLOCK if choose.random() < 0.5 else size]


def insert_a_block(choose, content):
    """Put a block between two others: of nothing, of blanks, of chance, a header, a header without END."""
    at = choose.randrange(len(content) // BLOCK + 1) * BLOCK
    kinds = [bytes(BLOCK), b" " * BLOCK, choose.randbytes(BLOCK), b"COMMENT".ljust(80) * 36]
    kinds.append(header({"XTENSION": "IMAGE", "BITPIX": 8, "NAXIS": 0, "EXTNAME": "NEW"}))
    return content[:at] + choose.choice(kinds) * choose.choice((1, 1, 3)) + content[at:]


def delete_a_block(choose, content):
    """Take a block out."""
    at = choose.randrange(len(content) // BLOCK + 1) * BLOCK
    return content[:at] + content[at + BLOCK :]


def copy_a_block(choose, content):
    """Write a block over another."""
    one, two = (choose.randrange(len(content) // BLOCK + 1) * BLOCK for _ in range(2))
    return content[:one] + content[two : two + BLOCK] + content[one + BLOCK :]


# --- what must come of them -----------------------------------------------------------------------------


def judge(path):
    """The start refuses a file in one line, or takes it, and then the jobs can read it, and read the same."""
    with counted_reads() as read:
        try:
            raw = examine(path)
        except BadExposure as problem:
            raw = None
            _check_line(str(problem))
    size = path.stat().st_size
    assert sum(read) <= READINGS * size + 8 * BLOCK, f"{sum(read)} bytes are read of {size}"
    assert len(read) <= 4 * (size // BLOCK + 2), f"{len(read)} times is read of {size} bytes"
    try:
        prepare({"exposures": [str(path)], "steps": {"refpix": {"collate_superstripes": True}}}, path.parent)
        accepted = True
    except ConfigError as error:
        accepted = False
        for line in error.problems:
            _check_line(line)
            assert path.name in line or path.name.removesuffix("_uncal.fits") in line, line
    with warnings.catch_warnings():
        if accepted:
            warnings.simplefilter("error")
        else:
            warnings.simplefilter("ignore")
        try:
            _read_as_jobs_do(path, raw)
        except files.FileProblem as problem:
            _check_line(str(problem))
            assert str(path) in str(problem)
            assert raw is None, f"taken by the start, refused by the jobs: {problem}"
        except Exception:
            if raw is not None:
                raise
    return "accepted" if accepted else "refused"


def _check_line(line):
    assert "\n" not in line and line.isprintable() and 10 < len(line) < 700, line


def _read_as_jobs_do(path, raw):
    with files.Product(path) as product:
        if raw is None:
            return
        header = product.header.copy()
        keywords.set_keyword(header, "S_DQINIT", "COMPLETE")
        text = layout._header_bytes(header, spare=8)
        assert len(text) % BLOCK == 0
        for key, value in raw.header.items():
            found = product.header[key]
            found = str(found) if isinstance(found, complex) else found
            same = value == found or (value is None and "Undefined" in str(type(found))) or isinstance(value, str)
            assert same, f"{key}: {value!r} at the start, {found!r} in the jobs"
        for hdu in product.hdus[1:]:
            layout._header_bytes(hdu.header.copy())
            if raw.shape and hdu.name in ("SCI", "ZEROFRAME"):
                array = product[hdu.name]
                values = array.read()
                assert values.shape == tuple(array.shape) and values.size == math.prod(array.shape)
                assert np.issubdtype(values.dtype, np.number)
            elif hdu.name in ("GROUP", "INT_TIMES"):
                found = product.table(hdu.name)
                assert len(found) == hdu.header["NAXIS2"], found


KIND = Kind(
    "raw files",
    seeds,
    {
        change.__name__.replace("_", " "): change
        for change in (
            *(flip_a_bit, set_a_byte, delete_a_card, double_a_card, swap_cards, swap_values, set_a_value),
            *(set_a_keyword, add_a_card, truncate, insert_a_block, delete_a_block, copy_a_block),
        )
    },
    judge,
)
