"""Addresses of raw files in a store: ``s3://bucket/key``, ``https://…`` and ``http://…``.

Imports the standard library alone, as the workflow's own process looks at every path with it.
"""

import re
from posixpath import basename
from urllib.parse import parse_qsl, unquote, urlsplit

_ADDRESS = re.compile(r"(s3|https?)://[^/?#\s]", re.IGNORECASE)
_MAGIC = re.compile(r"[*?[]")


def is_address(path: object) -> bool:
    """Whether a path of the configuration is an address in a store."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def is_s3(address: str) -> bool:
    """Whether an address is one of an object store."""
    return address[:5].lower() == "s3://"


def is_pattern(address: str) -> bool:
    """Whether an address stands for several objects; a ``?`` of the web has another meaning."""
    return is_s3(address) and _MAGIC.search(address) is not None


def bucket_and_key(address: str) -> tuple[str, str]:
    """Take an address of an object store apart."""
    bucket, _, key = address[5:].partition("/")
    return bucket, key


def file_name(address: str) -> str:
    """Return the name of the file that an address leads to.

    Of addresses of the web it is the end of the path, or, where that is none of a FITS file, the end of a value of the
    query: ``…/Download/file?uri=mast:JWST/product/jw01_uncal.fits`` leads to ``jw01_uncal.fits``.
    """
    if is_s3(address):
        return basename(address)
    parts = urlsplit(address)
    names = [basename(unquote(parts.path))]
    names += [re.split("[/:]", value)[-1] for _, value in parse_qsl(parts.query)]
    return next((name for name in names if name.lower().endswith(".fits")), names[0])


def constant_part(pattern: str) -> str:
    """Return what a pattern begins with, up to its first character that stands for others."""
    found = _MAGIC.search(pattern)
    return pattern[: found.start()] if found else pattern


def matcher(pattern: str) -> re.Pattern[str]:
    """Return what tells whether a key matches a pattern, by the rules that paths of files are matched with.

    ``*`` and ``?`` match no ``/``; ``**`` between two matches any number of folders.
    """
    written, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            written, at = written + "(?:.*/)?", at + 3
            continue
        character = pattern[at]
        closing = pattern.find("]", at + 2) if character == "[" else -1
        if closing > 0:
            inside = pattern[at + 1 : closing].replace("\\", r"\\")
            written += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            at = closing
        else:
            written += {"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character))
        at += 1
    return re.compile(written)
