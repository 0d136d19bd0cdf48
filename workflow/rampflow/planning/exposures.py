"""The raw exposures of a run: found, and refused where they cannot be used.

Their headers are read at every start of the workflow (`rampflow.io.raw_headers`, `rampflow.planning.header_cache`).
"""

import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rampflow.detector.multistripe import Stripes
from rampflow.detector.orientation import Orientation
from rampflow.detector.subarray import Window
from rampflow.errors import BadExposure, FileProblem, said_together
from rampflow.io import header_file
from rampflow.io.raw_headers import Raw
from rampflow.planning.header_cache import CACHE, read_all
from rampflow.planning.listing import listed
from rampflow.planning.stored_headers import stored_of
from rampflow.settings.configuration import ConfigError, check_config, schema, suggestion
from rampflow.settings.release import kinds_of
from rampflow.stores.addresses import file_name, is_address
from rampflow.stores.objects import Stored
from rampflow.stores.stores import Stores

# Keywords that steps calculate with, and the least whole number that makes sense; jwst stops or divides by zero
# without those that must be there.
_COUNTS = {"NINTS": 1, "NGROUPS": 1, "NFRAMES": 1, "GROUPGAP": 0}
_OPTIONAL_COUNTS = {"INTSTART": 1, "INTEND": 1, "DRPFRMS1": 0, "NRSTSTRT": 0, "NRESETS": 0}
_OPTIONAL_COUNTS |= dict.fromkeys(("FRMDIVSR", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"), 1)
_TIMES = ("TGROUP", "TFRAME")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

GUIDE_STAR_TYPES = {
    "FGS_ID-IMAGE": "identification",
    "FGS_ID-STACK": "identification",
    "FGS_ACQ1": "acquisition",
    "FGS_ACQ2": "acquisition",
    "FGS_TRACK": "tracking",
    "FGS_FINEGUIDE": "fine guiding",
}


@dataclass(frozen=True)
class Exposure:
    """A raw exposure: what its header says it is."""

    root: str  #: name that its products carry
    path: str  #: of the file, from the run's folder; or its address in a store
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
    stored: Stored | None = field(default=None, compare=False)  #: the object in a store; None of a file that is here

    @property
    def kinds(self) -> frozenset[str]:
        """What decides, beside the mode, which references its steps ask for."""
        return kinds_of(self.exp_type, irs2=self.irs2)


def placeholder(instrument: str, tso: bool) -> Exposure:
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


class Survey(NamedTuple):
    """What there is of the exposures that a configuration asks for."""

    exposures: list[Exposure]  #: those that can be used (`Exposure`), sorted by root
    problems: list[str]  #: of the configuration, a line each: what there is not, what contradicts it
    unusable: dict[str, str]  #: root of each that cannot be used to a line that names its file
    notices: list[str]  #: what to say of those that can
    names: list[str]  #: roots of all that were asked for


def find_exposures(config: Mapping[str, Any], directory: str | Path = ".") -> tuple[list[Exposure], list[str]]:
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
    notices : list of str
        One line for each exposure that was left out, with ``skip_bad``; or that there is no file; or for keywords
        that disagree with the arrays. Without ``skip_bad`` `survey` has those that cannot be used.

    Raises
    ------
    ConfigError
        If the configuration asks for what there is not, or no exposure can be used, with a line for each.
    """
    found = survey(config, directory)
    if found.problems or not found.exposures:
        raise ConfigError([*found.problems, *found.unusable.values()])
    return found.exposures, found.notices


def survey(
    config: Mapping[str, Any],
    directory: str | Path = ".",
    remember: bool = True,
    ask: bool = True,
    only: Collection[str] | None = None,
) -> Survey:
    """Find the run's exposures as `find_exposures` does, and return the problems instead of raising them.

    What headers say is kept in the run's folder, unless ``remember`` is false. Without ``ask`` what is kept of
    objects in stores is taken as it is. Where the names of some are given (``only``), the others are not looked at.
    """
    config = check_config(config)
    directory = Path(directory)
    stores = Stores(config["storage"])
    try:
        kept = tuple if ask else partial(header_file.load, directory / CACHE)
        given, problems = listed(config["exposures"], directory, stores, kept)
    except ConfigError as error:
        return Survey([], error.problems, {}, [], [])
    names = [entry["exposure"] for entry in given]
    if only is not None:
        given, remember = [entry for entry in given if entry["exposure"] in only], False
    present = [entry for entry in given if is_address(entry["uncal"]) or (directory / entry["uncal"]).is_file()]
    if not present and None not in (config["instrument"], config["tso"]):
        mode = placeholder(config["instrument"], config["tso"])
        return Survey([mode], [], {}, problems or [f"exposures: no file {entry['uncal']!r}" for entry in given], names)
    found, unreadable = read_all(given, directory, remember, stores, ask)
    exposures: list[Exposure] = []
    lines: list[tuple[str, str]] = []
    for entry, facts in found:
        try:
            exposure = _exposure(entry, facts)
        except BadExposure as problem:
            unreadable.append((entry, str(problem)))
            continue
        try:
            _agree(exposure, entry, "the table says")
            _agree(exposure, config, "the config says")
            exposures.append(exposure)
        except BadExposure as problem:
            problems.append(f"{entry['uncal']}: {problem}")
        else:
            lines += [(exposure.path, line) for line in _disagreements(exposure, facts["raw"])]
    count = Counter(names)
    for root in [root for root in count if count[root] > 1]:
        paths = " and ".join(entry["uncal"] for entry in given if entry["exposure"] == root)
        problems.append(f"{paths}: one name, {root!r}, for {count[root]} files; name each in a table")
    exposures = sorted((one for one in exposures if count[one.root] == 1), key=lambda one: one.root)
    unusable = {_known_by(entry): _in_a_record(f"{entry['uncal']}: {problem}") for entry, problem in unreadable}
    notices = said_together(lines)
    if config["skip_bad"] and exposures:
        left = [f"{entry['uncal']}: {problem}" for entry, problem in unreadable]
        return Survey(exposures, [], {}, [f"left out: {line}" for line in [*problems, *left]] + notices, names)
    return Survey(exposures, problems, unusable, notices, names)


def _known_by(entry: Mapping[str, Any]) -> str:
    """Return the name of an exposure that cannot be used; where its own cannot be that of a folder, one like it."""
    name = str(entry["exposure"])
    if _NAME.fullmatch(name):
        return name
    file = file_name(entry["uncal"]) if is_address(entry["uncal"]) else os.path.basename(entry["uncal"])
    return re.sub(r"[^A-Za-z0-9._+-]", "_", file).lstrip("._+-") or "unnamed"


def _in_a_record(text: str) -> str:
    """Write out characters that no text in a record can have: bytes that are no UTF-8, and NUL."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _exposure(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> Exposure:
    """Make an exposure of a header, or say why it cannot be one."""
    header, shape = facts["raw"].header, facts["raw"].shape
    needed = ("INSTRUME", "DETECTOR", "EXP_TYPE", *_COUNTS, *_TIMES)
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
    _check_numbers(header)
    if not shape:
        raise BadExposure("no SCI extension; a raw exposure (_uncal.fits) has its counts there")
    if len(shape) != 4:
        raise BadExposure(
            f"SCI has {len(shape)} axes, {tuple(shape)}, where a raw exposure has 4 (integrations, groups, "
            "rows, columns); give the _uncal.fits file"
        )
    if 0 in shape:
        raise BadExposure(f"SCI has no pixels, {tuple(shape)}; fetch the file again")
    if shape[1] != header["NGROUPS"]:
        raise BadExposure(
            f"SCI has {shape[1]} groups where the header says NGROUPS {header['NGROUPS']}; fetch the file again"
        )
    frames = facts["raw"].zeroframe
    if frames is not None and tuple(frames) != (shape[0], *shape[2:]):
        raise BadExposure(f"ZEROFRAME is {tuple(frames)} where SCI is {tuple(shape)}; fetch the file again")
    try:
        stripes = Stripes.of(header, shape)
        Window.of(header, shape, entry["uncal"])
        axes = header.get("FASTAXIS"), header.get("SLOWAXIS")
        if axes != (None, None):
            Orientation.from_axes(*axes)
    except (ValueError, FileProblem) as problem:
        raise BadExposure(str(problem).removeprefix(f"{entry['uncal']}: ")) from None
    if not _NAME.fullmatch(entry["exposure"]):
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
        stored=stored_of(entry["uncal"], facts) if is_address(entry["uncal"]) else None,
    )


def _check_numbers(header: Mapping[str, Any]) -> None:
    """Refuse numbers that no step could calculate with."""
    optional = {key: least for key, least in _OPTIONAL_COUNTS.items() if header.get(key) is not None}
    wrong = [
        f"{key} is {header[key]!r}, where a whole number from {least} is due"
        for key, least in (_COUNTS | optional).items()
        if not isinstance(header[key], int) or isinstance(header[key], bool) or header[key] < least
    ]
    wrong += [
        f"{key} is {header[key]!r}, where a time above 0 is due (s)"
        for key in _TIMES
        if not _is_number(header[key]) or header[key] <= 0
    ]
    if header.get("EXPSTART") is not None and not _is_number(header["EXPSTART"]):
        wrong.append(f"EXPSTART is {header['EXPSTART']!r}, where a date is due (MJD)")
    if not isinstance(header.get("TSOVISIT"), bool | None):
        wrong.append(f"TSOVISIT is {header['TSOVISIT']!r}, where T or F is due")
    if wrong:
        raise BadExposure(f"{'; '.join(wrong)}: correct the primary header, or leave the exposure out")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _disagreements(exposure: Exposure, raw: Raw) -> Iterator[str]:
    """Say what is odd about an exposure that can be used, such as keywords and arrays that disagree."""
    yield from raw.remarks
    if (raw.header.get("ZEROFRAM") is True) != (raw.zeroframe is not None):
        is_there = "an array ZEROFRAME" if raw.zeroframe is not None else "no array ZEROFRAME"
        yield f"ZEROFRAM is {raw.header.get('ZEROFRAM')} where there is {is_there}: no zero frame is used"
    header, (integrations, _, rows, columns) = raw.header, exposure.shape
    first, last = header.get("INTSTART"), header.get("INTEND")
    if first is not None and last is not None:
        if integrations != last - first + 1:
            yield f"INTSTART {first} and INTEND {last} where SCI has {integrations} integrations; the array is followed"
    elif integrations != exposure.nints:
        yield f"NINTS is {exposure.nints} where SCI has {integrations} integrations; the array is followed"
    # In segments the table may be that of the whole exposure; some exposures have an empty one.
    if raw.rows not in (None, 0, integrations, exposure.nints):
        yield f"INT_TIMES has {raw.rows} rows where SCI has {integrations} integrations"
    if header.get("MSTR_RD1") or header.get("SSTR_NST"):
        return  # SUBSIZE may be that of the lines between the first and the last
    for axis, length, what in ((1, columns, "columns"), (2, rows, "rows")):
        size = header.get(f"SUBSIZE{axis}")
        # The interleaved reference pixels of IRS2 are not counted.
        if size not in (None, length) and not (exposure.irs2 and length > size == 2048):
            yield f"SUBSIZE{axis} is {size} where SCI has {length} {what}; the array is followed"


def _expect(what: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        near = suggestion(value, known) if len(known) > 5 else ""
        advice = near or f"; known are {', '.join(known)}"
        raise BadExposure(f"unknown {what} {value!r}{advice}")


def _agree(exposure: Exposure, wanted: Mapping[str, Any], who: str) -> None:
    instrument, tso = wanted.get("instrument"), wanted.get("tso")
    if instrument not in (None, exposure.instrument):
        raise BadExposure(f"INSTRUME is {exposure.instrument} where {who} instrument: {instrument}")
    if tso not in (None, exposure.tso):
        raise BadExposure(f"TSOVISIT is {str(exposure.tso).lower()} where {who} tso: {str(tso).lower()}")
