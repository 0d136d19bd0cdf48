"""Headers of raw files, as the start of a run reads them, and as the jobs do: what is read, and what is refused."""

import gzip
import os
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from fuzz.fits_bytes import card, header, image, padded, table, uncal, whole

from rampflow.errors import BadExposure, FileProblem
from rampflow.io import headers
from rampflow.io.files import Product
from rampflow.io.raw_headers import examine, read_header

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the third-party headers of ../shared/data")


def test_header_values_are_those_that_astropy_reads(tmp_path):
    primary = fits.PrimaryHDU()
    values = {
        "WORD": "it's / a 'word'",
        "EMPTY": "",
        "BLANKS": "   leading",
        "LONG": "long text with 'quotes' & ampersands, over more than one card. " * 4 + "end",
        "YES": True,
        "NO": False,
        "WHOLE": -12345678901,
        "REAL": -1.5e-7,
        "NOTHING": None,
    }
    for key, value in values.items():
        primary.header[key] = (value, "a comment / with a slash and 'quotes'") if key != "LONG" else value
    primary.header["COMMENT"] = "no keyword = no value"
    primary.header["HIERARCH a long keyword"] = 3
    for i in range(300):
        primary.header[f"K{i}"] = i
    fits.HDUList([primary, fits.ImageHDU(np.zeros((2, 3, 4, 5), np.int16), name="SCI")]).writeto(tmp_path / "a.fits")
    read, shape, *_ = examine(tmp_path / "a.fits")
    assert {key: read[key] for key in values} == values
    assert [read[f"K{i}"] for i in range(300)] == list(range(300))
    assert shape == (2, 3, 4, 5)


def test_the_first_of_repeated_keywords_counts(tmp_path):
    cards = card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0) + card("A", 1) + card("A", 2)
    (tmp_path / "a.fits").write_bytes(padded(cards + b"END".ljust(80), b" "))
    assert read_header(tmp_path / "a.fits")["A"] == 1


def test_fortran_exponents_and_records_after_the_last_extension(tmp_path):
    path = tmp_path / "a.fits"
    cards = card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0) + b"D       = 1.5D3".ljust(80)
    path.write_bytes(padded(cards + b"END".ljust(80), b" ") + bytes(2880))
    assert read_header(path)["D"] == 1500.0


def test_problems_of_the_parser_name_no_path():
    with pytest.raises(BadExposure, match="^not a FITS file"):
        examine(__file__)


@needs_data
def test_real_headers_agree_with_astropy():
    for path in [*DATA.glob("headers/*.fits"), *DATA.glob("ramps/*.fits"), *DATA.glob("references/*.fits")]:
        read = read_header(path)
        for key, value in fits.getheader(path).items():
            if key not in ("COMMENT", "HISTORY", ""):
                expected = None if isinstance(value, fits.card.Undefined) else value
                assert (read[key], type(read[key])) == (expected, type(expected)), (path, key)


# --- what is refused, by the start and by the jobs ----------------------------------------------------


def patched(content, keyword, value, part=0):
    """Change the value of a card, in the primary header or in that of a later part (from 1)."""
    at = 0
    for _ in range(part):
        at = content.index(b"XTENSION=", at + 1)
    at = content.index(f"{keyword:<8}= ".encode(), at)
    return content[:at] + f"{keyword:<8}= {value:>20}".encode("latin-1").ljust(80) + content[at + 80 :]


def refused(tmp_path, content):
    """What the start and a job say of a file, without its name; a job opens references, too, and is less strict."""
    path = tmp_path / "a_uncal.fits"
    path.write_bytes(content)
    with pytest.raises(BadExposure) as start:
        examine(path)
    assert str(path) not in str(start.value) and "\n" not in str(start.value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of astropy, about cards
            Product(path).close()
    except FileProblem as problem:
        assert str(problem).startswith(f"{path}: ")
        return str(start.value), str(problem).removeprefix(f"{path}: ")
    return str(start.value), None


HUGE = str(2**62)


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("PCOUNT", "-1", "PCOUNT is -1 in the header at byte 2880, not a whole number from 0"),
        ("PCOUNT", "-1560", "PCOUNT is -1560"),  # the next header would be where this one begins
        ("PCOUNT", "1.5", "PCOUNT is 1.5"),
        ("PCOUNT", "7", "PCOUNT 7 and GCOUNT 1 in the header of an image at byte 2880, not 0 and 1"),
        ("PCOUNT", HUGE, "not 0 and 1"),
        ("PCOUNT", "T", "PCOUNT is True"),
        ("GCOUNT", "0", "GCOUNT is 0 in the header at byte 2880, not a whole number from 1"),
        ("GCOUNT", "-1", "GCOUNT is -1"),
        ("GCOUNT", HUGE, "not 0 and 1"),
        ("NAXIS1", "-5", "NAXIS1 is -5 in the header at byte 2880, not a whole number from 0"),
        ("NAXIS1", "40.0", "NAXIS1 is 40.0"),
        ("NAXIS1", "4E1", "NAXIS1 is 40.0"),
        ("NAXIS1", "'5'", "NAXIS1 is '5'"),
        ("NAXIS1", "F", "NAXIS1 is False"),
        ("NAXIS1", "", "the header at byte 2880 has no NAXIS1"),
        ("NAXIS1", HUGE, "where SCI ends at no place"),
        ("NAXIS1", "9" * 60, "where SCI ends at no place"),
        ("NAXIS1", "2000", "truncated: 8640 bytes, where SCI ends at 101760"),
        ("NAXIS", "-1", "NAXIS is -1 in the header at byte 2880, not a whole number from 0 to 999"),
        ("NAXIS", "1000", "NAXIS is 1000"),
        ("NAXIS", "999", "the header at byte 2880 has no NAXIS999"),
        ("NAXIS", "4.0", "NAXIS is 4.0"),
        ("NAXIS", "T", "NAXIS is True"),
        ("BITPIX", "16.0", "BITPIX is 16.0"),
        ("BITPIX", "17", "BITPIX is 17 in the header at byte 2880, not one of 8, 16, 32, 64, -32, -64"),
        ("BITPIX", "0", "BITPIX is 0"),
        ("BITPIX", "-16", "BITPIX is -16"),
        ("BITPIX", "T", "BITPIX is True"),
        ("BITPIX", "'16'", "BITPIX is '16'"),
        ("BITPIX", "sixteen", "the card BITPIX  =              sixteen at byte 2960 cannot be read"),
        ("BITPIX", "NAN", "cannot be read"),
        ("BITPIX", "1_6", "cannot be read"),
        ("XTENSION", "5", "XTENSION is 5"),
        ("XTENSION", "'IMAGE", "cannot be read"),
    ],
)
def test_sizes_that_cannot_be_are_named_by_the_start_and_by_the_jobs(tmp_path, keyword, value, says):
    start, job = refused(tmp_path, patched(uncal(), keyword, value, part=1))
    assert says in start and says in job
    assert start.endswith("; fetch the file again") and job.endswith("; fetch or make it again")


@pytest.mark.parametrize(
    ("card_of", "says"),
    [
        ("BSCALE  =                  0.0", "BSCALE is 0.0"),
        ("BSCALE  =                 1E99999", "BSCALE is inf"),
        ("BZERO   = 'much    '", "BZERO is 'much'"),
        ("BZERO   =                    T", "BZERO is True"),
        ("BZERO   =", "BZERO is None"),
    ],
)
def test_scalings_that_cannot_be_are_named(tmp_path, card_of, says):
    content = uncal()
    at = content.index(b"BZERO   =", 2880)
    start, job = refused(tmp_path, content[:at] + card_of.ljust(80).encode() + content[at + 80 :])
    assert says in start and says in job


def test_a_file_of_headers_alone_comes_to_an_end(tmp_path):
    empty = header({"XTENSION": "IMAGE", "BITPIX": 8, "NAXIS": 0})
    start, job = refused(tmp_path, uncal() + empty * 1100)
    assert "damaged: more than 1000 extensions" in start and "more than 1000 extensions" in job


def test_a_header_without_an_end_is_read_once_and_not_to_its_last_byte(tmp_path, monkeypatch):
    path, read = tmp_path / "a_uncal.fits", []
    path.write_bytes(uncal()[:2880].replace(b"END     ", b"ENB     ") + card("COMMENT", "x") * 100_000)
    pread = headers.os.pread
    monkeypatch.setattr(headers.os, "pread", lambda *what: read.append(pread(*what)) or read[-1])
    with pytest.raises(BadExposure, match="the header at byte 0 has no END within 2880000 bytes"):
        examine(path)
    assert sum(map(len, read)) < 3_000_000
    with pytest.raises(FileProblem, match="has no END"):
        Product(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"JWST", b"JW\xe9T", "byte 333 (0xe9), in the card TELESCOP= 'JW\\xe9T', is not printable ASCII"),
        (b"JWST", b"JW\0T", "(0x00), in the card TELESCOP= 'JW\\x00T'"),
        (b"JWST", b"J\nST", "(0x0a), in the card TELESCOP= 'J\\nST'"),
        (b"TELESCOP= 'JWST'", b"TELESCOP= JWST  ", "the card TELESCOP= JWST at byte 320 cannot be read"),
        (b"TELESCOP= 'JWST'", b"TELESCOP= 'JWST ", "the card TELESCOP= 'JWST at byte 320 cannot be read"),
        (b"TELESCOP= 'JWST'", b"TELESCOP> 'JWST'", "the card TELESCOP> 'JWST' at byte 320 cannot be read"),
        (b"TELESCOP= 'JWST'", b"tELESCOP= 'JWST'", "the card tELESCOP= 'JWST' at byte 320 cannot be read"),
        (b"TELESCOP= 'JWST'", b"TELE COP= 'JWST'", "cannot be read"),
        (b"TELESCOP= 'JWST'", b"CONTINUE  'JWST ", "cannot be read"),
        (b"TELESCOP= 'JWST'", b"HIERARCH a = JWS", "cannot be read"),
        (b"0.5", b"0,5", "cannot be read"),
        (b"0.5", b"0x5", "cannot be read"),
        (b"TELESCOP= 'JWST'", b"END      'JWST' ", "the header at byte 0 goes on behind its END (byte 320)"),
        (b"SIMPLE  =                    T", b"SIMPLE  =                    F", "does not begin with SIMPLE = T"),
        (b"SIMPLE  =                    T", b"SIMPLE  =                    1", "does not begin with SIMPLE = T"),
        (b"XTENSION", b"YTENSION", "no FITS header where one is due (byte 2880)"),
    ],
)
def test_cards_that_cannot_be_understood_are_shown(tmp_path, old, new, says):
    content = uncal()
    assert content.count(old) >= 1 and len(old) == len(new)
    start, _ = refused(tmp_path, content.replace(old, new, 1))
    assert says in start


def test_jobs_read_references_whose_comments_are_not_ascii(tmp_path):
    path = tmp_path / "dark.fits"
    path.write_bytes(uncal().replace(b"'JWST'            ", b"'JWST' / caf\xe9     "))
    with Product(path) as product:
        assert product.header["TELESCOP"] == "JWST"


def test_what_is_there_twice_is_refused(tmp_path):
    start, _ = refused(tmp_path, uncal() + uncal()[2880:])
    assert start == "damaged: SCI is there twice, at bytes 2880 and 8640; fetch the file again"
    start, _ = refused(tmp_path, whole() + table("INT_TIMES", 2, {"integration_number": "J"}))
    assert "INT_TIMES is there twice" in start


def test_tables_and_images_in_each_other_s_place_are_refused(tmp_path):
    start, _ = refused(tmp_path, uncal()[:2880] + table("SCI", 2, {"a": "I"}))
    assert start == "SCI is of the kind BINTABLE where IMAGE is due; give the _uncal.fits file"
    start, _ = refused(tmp_path, patched(uncal(), "XTENSION", "'FOREIGN '", part=1))
    assert start == "SCI is of the kind FOREIGN where IMAGE is due; give the _uncal.fits file"
    start, _ = refused(tmp_path, uncal() + image("INT_TIMES", (2, 3)))
    assert start == "INT_TIMES is of the kind IMAGE where BINTABLE is due; give the _uncal.fits file"


def test_compressed_images_are_named(tmp_path):
    data = np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5)
    compressed = fits.CompImageHDU(data, name="SCI", compression_type="RICE_1", tile_shape=(1, 1, 4, 5))
    fits.HDUList([fits.PrimaryHDU(), compressed]).writeto(tmp_path / "made.fits")
    start, _ = refused(tmp_path, (tmp_path / "made.fits").read_bytes())
    assert start == "SCI is compressed (ZIMAGE, RICE_1); unpack the file: funpack"


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("TFORM2", "'Q'", "its columns make rows of 22 bytes"),
        ("TFORM2", "'9999999J'", "its columns make rows of"),
        ("TFORM2", "'?'", "TFORM2 is '?'"),
        ("TFORM2", "3", "TFORM2 is 3"),
        ("TFIELDS", "4", "TFORM4 is None"),
        ("TFIELDS", "-1", "TFIELDS is -1"),
        ("TFIELDS", "2", "its columns make rows of 4 bytes"),
        ("NAXIS1", "6", "its columns make rows of 8 bytes"),
        ("BITPIX", "16", "says BITPIX 16"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tmp_path, keyword, value, says):
    start, job = refused(tmp_path, patched(whole(), keyword, value, part=3))
    assert says in start and says in job


def test_a_table_that_astropy_does_not_read_is_named(tmp_path):
    path = tmp_path / "a.fits"
    content = uncal() + table("T", 2, {"a": "I", "b": "I"})
    path.write_bytes(content.replace(b"TTYPE2  = 'b'", b"TDIM2   = 'b'"))
    with Product(path) as product, pytest.raises(FileProblem, match="a.fits: the table T cannot be read"):
        product.table("T")


@pytest.mark.parametrize("fill", [bytes(2880), b" " * 5760, bytes(100)])
def test_filling_behind_the_last_extension_is_nobody_s_business(tmp_path, fill):
    path = tmp_path / "a_uncal.fits"
    path.write_bytes(uncal() + fill)
    assert examine(path).shape == (2, 3, 4, 5)
    with Product(path) as product:
        assert product["SCI"].shape == (2, 3, 4, 5)


@pytest.mark.parametrize("rest", [b"x" * 2880, bytes(2879) + b"x", bytes(2880) + b"XTENSION" + bytes(2872)])
def test_other_things_behind_the_last_extension_are_refused(tmp_path, rest):
    start, job = refused(tmp_path, uncal() + rest)
    assert "no FITS header where one is due (byte 8640)" in start and "no FITS header where one is due" in job


# --- files that are none --------------------------------------------------------------------------------


def test_what_is_no_file_is_named_and_waited_for_by_nobody(tmp_path):
    folder, pipe, link, loop = (tmp_path / name for name in ("folder", "pipe", "link", "loop"))
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to("gone.fits")
    loop.symlink_to("loop")
    unix = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # the name of a socket may not be long
    try:
        unix.bind("socket")
    finally:
        os.chdir(here)
    says = {
        folder: "a folder, where a FITS file is due",
        pipe: "a pipe, where a FITS file is due",
        link: "a symbolic link to 'gone.fits', where nothing is; correct the link",
        loop: "cannot be read (Too many levels of symbolic links)",
        tmp_path / "socket": "a socket, where a FITS file is due",
        "/dev/zero": "a device, where a FITS file is due",
        tmp_path / "none": "there is no such file",
        tmp_path / "none" / "none": "there is no such file",
        tmp_path / ("n" * 300): "cannot be read (File name too long)",
        "a\0b": "no file can have this name (embedded null byte)",
    }
    for path, line in says.items():
        with pytest.raises(BadExposure) as caught:
            examine(path)
        assert str(caught.value) == line
        with pytest.raises(FileProblem) as caught:
            Product(path)
        assert str(caught.value).startswith(f"{path}: ")
    unix.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty; fetch the file again"),
        (b"S", "not a FITS file: it does not begin with SIMPLE"),
        (b"exposure\tuncal\n", "not a FITS file: it does not begin with SIMPLE"),
        (gzip.compress(uncal()), "not a FITS file: it does not begin with SIMPLE; it is compressed, unpack it: gunzip"),
        (b"SIMPLE", "damaged: no FITS header where one is due (byte 0); fetch the file again"),
        (b"SIMPLE  =", "truncated: 9 bytes, ending inside a header; fetch the file again"),
    ],
)
def test_what_is_no_fits(tmp_path, content, says):
    start, job = refused(tmp_path, content)
    assert start == says and job is not None
