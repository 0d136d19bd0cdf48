"""FITS files of raw exposures, put together byte by byte: what no library would write can be written, too."""

from math import prod

BLOCK = 2880
HEADER = {
    "TELESCOP": "JWST",
    "INSTRUME": "NIRCAM",
    "DETECTOR": "NRCA1",
    "EXP_TYPE": "NRC_IMAGE",
    "READPATT": "RAPID",
    "SUBARRAY": "SUB64P",
    "NINTS": 2,
    "NGROUPS": 3,
    "NFRAMES": 1,
    "GROUPGAP": 0,
    "TFRAME": 0.5,
    "TGROUP": 0.5,
    "SUBSTRT1": 1,
    "SUBSTRT2": 1,
    "TSOVISIT": False,
}


def card(keyword, value):
    """Return a card as the standard lays it out."""
    if isinstance(value, bool):
        value = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        value = ("'" + value.replace("'", "''") + "'").ljust(20)
    else:
        value = f"{value:>20}"
    return f"{keyword:<8}= {value}".ljust(80).encode()


def padded(data, fill=b"\0"):
    return data + fill * (-len(data) % BLOCK)


def header(cards):
    return padded(b"".join(card(*item) for item in cards.items()) + b"END".ljust(80), b" ")


def uncal(shape=(2, 3, 4, 5), data=True, **changes):
    """Return the bytes of a raw exposure, built by hand."""
    sizes = {"SUBSIZE1": shape[-1], "SUBSIZE2": min(shape[-2], 2048)}
    keywords = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True, **HEADER, **sizes, **changes}
    keywords = {key: value for key, value in keywords.items() if value is not None}
    sci = image("SCI", shape)
    return header(keywords) + (sci if data else sci[:BLOCK])


def image(name, shape, bitpix=16):
    """Return an image extension of zeros."""
    axes = {f"NAXIS{i + 1}": length for i, length in enumerate(reversed(shape))}
    cards = {"XTENSION": "IMAGE", "BITPIX": bitpix, "NAXIS": len(shape), **axes, "PCOUNT": 0, "GCOUNT": 1}
    cards |= {"BZERO": 32768} if bitpix == 16 else {}
    return header(cards | {"EXTNAME": name}) + padded(bytes(abs(bitpix) // 8 * prod(shape)))


def table(name, rows, columns):
    """Return a table of zeros; ``columns`` is name to letter, of which I, J, D are known."""
    length = sum({"I": 2, "J": 4, "D": 8}[letter] for letter in columns.values())
    cards = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": length, "NAXIS2": rows}
    cards |= {"PCOUNT": 0, "GCOUNT": 1, "TFIELDS": len(columns)}
    for number, (column, letter) in enumerate(columns.items(), 1):
        cards |= {f"TTYPE{number}": column, f"TFORM{number}": letter}
    return header(cards | {"EXTNAME": name}) + padded(bytes(rows * length))


INT_TIMES = {"integration_number": "J"} | dict.fromkeys(
    [f"int_{when}_{scale}" for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")], "D"
)


def whole(shape=(2, 3, 4, 5), **changes):
    """Return the bytes of a raw exposure with every extension that it may have but ASDF."""
    parts = [uncal(shape, **changes), image("ZEROFRAME", (shape[0], *shape[2:]))]
    parts.append(table("GROUP", 2, {"integration_number": "I", "group_number": "I", "end_milliseconds": "J"}))
    return b"".join([*parts, table("INT_TIMES", shape[0], INT_TIMES)])
