"""The raw exposures of a run: found, their headers read, and refused where they cannot be used.

Reading is quick, because it happens at every start of the workflow: a small parser of FITS headers in place
of astropy, whose import alone takes longer than hundreds of headers do, and a cache in the run's folder, so
that files that have not changed are not opened again.

Source: FITS Standard 4.0, sections 3 and 4 (https://fits.gsfc.nasa.gov/fits_standard.html).
"""

import contextlib
import glob
import hashlib
import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rampflow.detector.multistripe import Stripes
from rampflow.io.shared_files import replace
from rampflow.settings.configuration import ConfigError, check_config, schema, steps, suggestion
from rampflow.settings.tables import read_table

#: The cache, in the run's folder.
CACHE = Path(".rampflow") / "headers.json"
_CACHE_FORMAT = 2
_BLOCK = 2880
_CARD = 80
# What tells where the data of an extension are.
_STRUCTURE = re.compile("XTENSION|BITPIX|NAXIS|PCOUNT|GCOUNT|EXTNAME")

GUIDE_STAR_TYPES = {
    "FGS_ID-IMAGE": "identification",
    "FGS_ID-STACK": "identification",
    "FGS_ACQ1": "acquisition",
    "FGS_ACQ2": "acquisition",
    "FGS_TRACK": "tracking",
    "FGS_FINEGUIDE": "fine guiding",
}


class BadExposure(Exception):
    """A file is not an exposure that the workflow can use; the message says what is wrong with it."""


@dataclass(frozen=True)
class Exposure:
    """A raw exposure: what its header says it is."""

    root: str  #: name that its products carry
    path: str  #: of the file, from the run's folder
    instrument: str
    detector: str
    exp_type: str
    subarray: str
    tso: bool  #: a time series, by TSOVISIT
    readpatt: str
    nints: int  #: keyword NINTS: of the whole exposure, also where the file is a segment of it
    ngroups: int
    shape: tuple  #: of SCI in this file: integrations, groups, rows, columns
    size: int  #: of the file, in bytes
    irs2: bool  #: NIRSpec's readout with interleaved reference pixels
    superstripes: int  #: positions that integrations see one after the other; 0: all see the same pixels
    header: dict = field(repr=False, compare=False)  #: primary header: keyword to value
    digest: str  #: of the primary header
    placeholder: bool = False  #: stands for a mode of which there is no file, to draw its graph


def placeholder(instrument, tso):
    """Return an exposure that stands for a mode: it has a chain of steps, but no file."""
    root = f"{instrument}_{'tso' if tso else 'plain'}"
    header = {"INSTRUME": instrument, "TSOVISIT": tso}
    return Exposure(
        root=root,
        path="",
        instrument=instrument,
        detector="",
        exp_type="",
        subarray="",
        tso=tso,
        readpatt="",
        nints=1,
        ngroups=1,
        shape=(1, 1, 1, 1),
        size=0,
        irs2=False,
        superstripes=0,
        header=header,
        digest="",
        placeholder=True,
    )


def find_exposures(config, directory="."):
    """Find the run's exposures and read what they are.

    Parameters
    ----------
    config : dict
        The configuration; its keys ``exposures``, ``instrument``, ``tso`` and ``skip_bad``.
    directory : path-like, optional
        The run's folder, where relative paths start and the cache of headers is kept.

    Returns
    -------
    exposures : list of Exposure
        Sorted by root. Where the configuration gives both ``instrument`` and ``tso`` and there is no file at
        all, the `placeholder` of that mode.
    problems : list of str
        One line for each exposure that was left out, with ``skip_bad``; or that there is no file.

    Raises
    ------
    ConfigError
        If an exposure cannot be used, with a line for each; with ``skip_bad`` only if none can.
    """
    config = check_config(config)
    given, problems = _listed(config["exposures"], Path(directory))
    present = [entry for entry in given if (Path(directory) / entry["uncal"]).is_file()]
    if not present and None not in (config["instrument"], config["tso"]):
        mode = placeholder(config["instrument"], config["tso"])
        return [mode], problems or [f"exposures: no file {entry['uncal']!r}" for entry in given]
    found, unreadable = _read_all(given, Path(directory))
    problems += unreadable
    exposures = []
    for entry, facts in found:
        try:
            exposure = _exposure(entry, facts)
            _agree(exposure, entry, "the table says")
            _agree(exposure, config, "the config says")
            exposures.append(exposure)
        except BadExposure as problem:
            problems.append(f"{entry['uncal']}: {problem}")
    count = Counter(exposure.root for exposure in exposures)
    for root in [root for root in count if count[root] > 1]:
        paths = " and ".join(exposure.path for exposure in exposures if exposure.root == root)
        problems.append(f"{paths}: one name, {root!r}, for {count[root]} files; name each in a table")
    exposures = sorted((one for one in exposures if count[one.root] == 1), key=lambda one: one.root)
    if problems and not (config["skip_bad"] and exposures):
        if exposures:
            problems.append(f"{len(exposures)} of {len(given)} can be used; skip_bad: true leaves out the others")
        raise ConfigError(problems)
    return exposures, [f"left out: {problem}" for problem in problems]


def root_name(path):
    """Return the name of an exposure: that of its file without ``.fits`` and the suffix of a product.

    For ``data/jw00793001001_01101_00001_nis_uncal.fits`` it is ``jw00793001001_01101_00001_nis``. Unknown
    suffixes stay.
    """
    stem = re.sub(r"\.fits$", "", os.path.basename(path), flags=re.IGNORECASE)
    known = ["uncal", "ramp", "rate", "rateints", "fitopt"]
    known += [suffix for step in steps() for suffix in (step, step.replace("_", "") + "step")]
    return re.sub(rf"_({'|'.join(known)})$", "", stem)


# --- which files --------------------------------------------------------------------------------------


def _listed(exposures, directory):
    """Return rows of a table of exposures: exposure, uncal, and perhaps instrument and tso."""
    if isinstance(exposures, str) and re.search(r"\.(tsv|csv)$", exposures, flags=re.IGNORECASE):
        return _listed_in_table(exposures, directory)
    paths, problems = {}, []
    for entry in [exposures] if isinstance(exposures, str) else exposures:
        if re.search(r"[*?[]", entry):
            matches = sorted(glob.glob(entry, root_dir=directory, recursive=True))
            if not matches:
                where = os.path.abspath(directory)
                problems.append(
                    f"exposures: no file matches {entry!r} in {where}; put the _uncal.fits files there, or "
                    "correct the key exposures of the configuration"
                )
        else:
            matches = [entry]
        paths |= dict.fromkeys(os.path.normpath(path) for path in matches)
    if not exposures:
        problems.append("exposures: an empty list; give a glob, paths, or a table")
    return [{"exposure": root_name(path), "uncal": path} for path in paths], problems


def _listed_in_table(table, directory):
    try:
        rows = read_table(directory / table, schema("exposures"), name=table)
    except OSError as error:
        where = os.path.abspath(directory)
        raise ConfigError([f"exposures: no table {table!r} in {where} ({error.strerror})"]) from None
    except ConfigError as error:
        raise ConfigError(f"exposures: {problem}" for problem in error.problems) from None
    for row in rows:
        row["tso"] = {"true": True, "false": False}.get((row.get("tso") or "").lower())
        row["instrument"] = row.get("instrument") or None
    return rows, [] if rows else [f"exposures: {table}: the table has no rows"]


def _exposure(entry, facts):
    """Make an exposure of a header, or say why it cannot be one."""
    header, shape = facts["header"], facts["shape"]
    needed = ("INSTRUME", "DETECTOR", "EXP_TYPE", "NINTS", "NGROUPS")
    missing = [key for key in needed if header.get(key) is None]
    if missing:
        raise BadExposure(f"{', '.join(missing)} missing in the primary header; is it a JWST exposure?")
    instrument, detector, kind = (str(header[key]).strip() for key in ("INSTRUME", "DETECTOR", "EXP_TYPE"))
    if kind in GUIDE_STAR_TYPES:
        raise BadExposure(
            f"EXP_TYPE {kind} is guide-star {GUIDE_STAR_TYPES[kind]}, which is not for this pipeline "
            "but for jwst's calwebb_guider"
        )
    known = schema("headers")["properties"]
    _expect("INSTRUME", instrument, list(known))
    for key, value in (("DETECTOR", detector), ("EXP_TYPE", kind)):
        _expect(f"{instrument} {key}", value, known[instrument]["properties"][key]["enum"])
    if not shape:
        raise BadExposure("no SCI extension; a raw exposure (_uncal.fits) has its counts there")
    if len(shape) != 4:
        raise BadExposure(
            f"SCI has {len(shape)} axes, {tuple(shape)}, where a raw exposure has 4 (integrations, groups, "
            "rows, columns); give the _uncal.fits file"
        )
    if shape[1] != header["NGROUPS"]:
        raise BadExposure(
            f"SCI has {shape[1]} groups where the header says NGROUPS {header['NGROUPS']}; fetch the file again"
        )
    try:
        stripes = Stripes.of(header, shape)
    except ValueError as problem:
        raise BadExposure(str(problem)) from None
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", entry["exposure"]):
        raise BadExposure(
            f"{entry['exposure']!r} cannot name products (letters, digits and . _ + - can); rename the file, "
            "or name the exposure in a table"
        )
    return Exposure(
        root=entry["exposure"],
        path=entry["uncal"],
        instrument=instrument,
        detector=detector,
        exp_type=kind,
        subarray=str(header.get("SUBARRAY") or ""),
        tso=header.get("TSOVISIT") is True,
        readpatt=str(header.get("READPATT") or ""),
        nints=header["NINTS"],
        ngroups=header["NGROUPS"],
        shape=tuple(shape),
        size=facts["size"],
        # Science pixels are 2048 rows; only IRS2 has more, its reference pixels interleaved.
        irs2=instrument == "NIRSPEC" and max(shape[2:]) > 2048,
        superstripes=stripes.positions if stripes else 0,
        header=header,
        digest=facts["digest"],
    )


def _expect(what, value, known):
    if value not in known:
        near = suggestion(value, known) if len(known) > 5 else ""
        advice = near or f"; known are {', '.join(known)}"
        raise BadExposure(f"unknown {what} {value!r}{advice}")


def _agree(exposure, wanted, who):
    instrument, tso = wanted.get("instrument"), wanted.get("tso")
    if instrument not in (None, exposure.instrument):
        raise BadExposure(f"INSTRUME is {exposure.instrument} where {who} instrument: {instrument}")
    if tso not in (None, exposure.tso):
        raise BadExposure(f"TSOVISIT is {str(exposure.tso).lower()} where {who} tso: {str(tso).lower()}")


# --- headers, and the cache of them -------------------------------------------------------------------


def _read_all(entries, directory):
    """Read the headers of files, or take them from the cache; returns [(entry, facts)] and problems."""
    cached, fresh = _load_cache(directory / CACHE), {}
    found, problems = [], []
    for entry in entries:
        path = entry["uncal"]
        try:
            status = os.stat(directory / path)
            facts = cached.get(path)
            if facts is None or [facts["size"], facts["mtime_ns"]] != [status.st_size, status.st_mtime_ns]:
                facts = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
                try:
                    facts["header"], facts["shape"] = examine(directory / path)
                    facts["digest"] = hashlib.sha256(json.dumps(facts["header"]).encode()).hexdigest()[:16]
                except BadExposure as problem:
                    facts["problem"] = str(problem)
            fresh[path] = facts
            if "problem" in facts:
                problems.append(f"{path}: {facts['problem']}")
            else:
                found.append((entry, facts))
        except FileNotFoundError:
            problems.append(f"{path}: there is no such file in {os.path.abspath(directory)}")
        except OSError as error:
            problems.append(f"{path}: cannot be read ({error.strerror})")
    if fresh != cached:
        _save_cache(directory / CACHE, fresh)
    return found, problems


def _load_cache(path):
    try:
        content = json.loads(path.read_bytes())
        return content["files"] if content["format"] == _CACHE_FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save_cache(path, files):
    # A cache that cannot be written (a read-only folder) costs time and nothing else.
    with contextlib.suppress(OSError):
        replace(path, json.dumps({"format": _CACHE_FORMAT, "files": files}))


def read_header(path):
    """Return the primary header of a FITS file, as `examine` reads it."""
    return examine(path)[0]


def examine(path):
    """Read the primary header of a FITS file and the shape of its SCI array, and check the file's length.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    header : dict
        Keyword to value of the primary header: text, numbers, booleans, None where there is no value. The
        first of repeated keywords counts; comments are left out.
    shape : list of int
        Shape of SCI in the order of numpy, the fastest axis last; empty without a SCI extension.

    Raises
    ------
    BadExposure
        If the file is not FITS, or shorter than its headers say.
    OSError
        If it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        header, shape, offset = None, [], 0
        if (begin := os.pread(file.fileno(), 6, 0)) and begin != b"SIMPLE":
            packed = "; it is compressed, unpack it: gunzip" if begin.startswith(b"\x1f\x8b") else ""
            raise BadExposure(f"not a FITS file: it does not begin with SIMPLE{packed}")
        while offset < size:
            if header is None:
                cards, start = _read_cards(file, offset, size)
                if cards.get("SIMPLE") is not True:
                    raise BadExposure("not a FITS file: it does not begin with SIMPLE = T")
                header = cards
            else:
                cards, start = _read_cards(file, offset, size, only=_STRUCTURE)
                if "XTENSION" not in cards:
                    break  # the standard allows other records after the last extension
            try:
                axes = [cards[f"NAXIS{i}"] for i in range(cards["NAXIS"], 0, -1)]
                count = math.prod(axes) if axes else 0
                length = abs(cards["BITPIX"]) // 8 * cards.get("GCOUNT", 1) * (cards.get("PCOUNT", 0) + count)
            except (KeyError, TypeError) as error:
                raise BadExposure(f"damaged: the header at byte {offset} is incomplete ({error})") from None
            if start + length > size:
                name = cards.get("EXTNAME", "the primary array")
                end = start + length
                raise BadExposure(f"truncated: {size} bytes, where {name} ends at {end}; fetch the file again")
            if cards.get("EXTNAME") == "SCI" and not shape:
                shape = axes
            offset = start + -(-length // _BLOCK) * _BLOCK
        if header is None:
            raise BadExposure("empty; fetch the file again")
        return header, shape


def _read_cards(file, offset, size, only=None):
    """Read the header at an offset, all cards or those that fit; also return where its data begin."""
    cards, long_string = {}, None
    while True:
        chunk = os.pread(file.fileno(), 8 * _BLOCK, offset).decode("latin-1")
        for at in range(0, len(chunk) - _CARD + 1, _CARD):
            keyword = chunk[at : at + 8].rstrip()
            if chunk[at + 8 : at + 10] == "= ":
                long_string = None
                if (only is None or only.match(keyword)) and keyword not in cards:
                    value = cards[keyword] = _value(chunk[at + 10 : at + _CARD])
                    if isinstance(value, str) and value.endswith("&"):
                        long_string = keyword
            elif keyword == "END":
                return cards, (offset + at) // _BLOCK * _BLOCK + _BLOCK
            elif keyword == "CONTINUE" and long_string:
                cards[long_string] = cards[long_string][:-1] + (_value(chunk[at + 8 : at + _CARD]) or "")
                if not cards[long_string].endswith("&"):
                    long_string = None
            elif not cards:
                return {}, offset  # not a header
        offset += len(chunk)
        if len(chunk) < 8 * _BLOCK:
            raise BadExposure(f"truncated: {size} bytes, ending inside a header; fetch the file again")


def _value(field):
    """Read the value of a card: text in quotes, T or F, a number, or None."""
    field = field.lstrip()
    if field.startswith("'"):
        end = field.find("'", 1)
        while field.startswith("''", end):  # a quote inside text is written twice
            end = field.find("'", end + 2)
        return field[1:end].replace("''", "'").rstrip() if end > 0 else None
    token = field.split("/", 1)[0].rstrip()
    if token in ("T", "F", ""):
        return {"T": True, "F": False}.get(token)
    try:
        return int(token)
    except ValueError:
        pass
    try:
        return float(token.replace("D", "E"))
    except ValueError:
        return token
