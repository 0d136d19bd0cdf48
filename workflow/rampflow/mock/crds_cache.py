"""A complete CRDS cache: mappings, reference files and the server's answer, all made here.

The rules select with the keys of the real ones (the `parkey` of the operational rmaps), so a header that the
real CRDS could match is matched here in the same way.
"""

import hashlib
import pprint
import re
from pathlib import Path

from rampflow.mock import odd_references, references
from rampflow.mock.configurations import full_frame
from rampflow.mock.exposure import Exposure

INSTRUMENTS = ("NIRCAM", "NIRISS", "NIRSPEC", "MIRI", "FGS")
CONTEXT = "jwst_9001.pmap"
#: URL by which crds knows that there is no server.
SERVERLESS = "https://crds-serverless-mode.stsci.edu"

_META = {
    "DETECTOR": "META.INSTRUMENT.DETECTOR",
    "FILTER": "META.INSTRUMENT.FILTER",
    "PUPIL": "META.INSTRUMENT.PUPIL",
    "GRATING": "META.INSTRUMENT.GRATING",
    "BAND": "META.INSTRUMENT.BAND",
    "READPATT": "META.EXPOSURE.READPATT",
    "EXP_TYPE": "META.EXPOSURE.TYPE",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "SUBARRAY": "META.SUBARRAY.NAME",
    "SUBSTRT1": "META.SUBARRAY.XSTART",
    "SUBSTRT2": "META.SUBARRAY.YSTART",
    "SUBSIZE1": "META.SUBARRAY.XSIZE",
    "SUBSIZE2": "META.SUBARRAY.YSIZE",
    "TSOVISIT": "META.VISIT.TSOVISIT",
    "INSTRUME": "META.INSTRUMENT.NAME",
}
_PLACE = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")

# Selection keys by type; an instrument's own after its name. A key in brackets is in the rule but holds
# N/A, which matches anything: the file serves all values.
_KEYS = {
    "mask": {
        "": ("DETECTOR", "[SUBARRAY]"),
        "FGS": ("DETECTOR", "[SUBARRAY]", "[EXP_TYPE]"),
        "NIRSPEC": ("DETECTOR", "[SUBARRAY]", "READPATT"),
    },
    "refpix": {"": ("DETECTOR", "READPATT")},
    "sirskernel": {"": ("INSTRUME",)},
    "saturation": {"": ("DETECTOR",), "NIRSPEC": ("DETECTOR", "[SUBARRAY]")},
    "superbias": {
        "": ("DETECTOR", "READPATT", "SUBARRAY"),
        "NIRSPEC": ("DETECTOR", "READPATT", "SUBARRAY", *_PLACE),
    },
    "ipc": {"": ("DETECTOR",)},
    "linearity": {"": ("DETECTOR", "[SUBARRAY]"), "MIRI": ("DETECTOR", "[SUBARRAY]", "BAND", "FILTER")},
    "dark": {
        "": ("DETECTOR", "READPATT", "SUBARRAY"),
        "NIRCAM": ("[EXP_TYPE]", "DETECTOR", "NOUTPUTS", "SUBARRAY"),
        "NIRSPEC": ("DETECTOR", "READPATT", "SUBARRAY", *_PLACE),
    },
    "gain": {"": ("DETECTOR", "[SUBARRAY]")},
    "readnoise": {
        "": ("DETECTOR", "READPATT", "[SUBARRAY]"),
        "MIRI": ("DETECTOR", "[SUBARRAY]", "READPATT"),
    },
    "flat": {
        "": ("DETECTOR", "[FILTER]", "[PUPIL]"),
        "MIRI": ("DETECTOR", "[FILTER]", "[BAND]", "[READPATT]", "[SUBARRAY]"),
        "NIRSPEC": ("DETECTOR", "[FILTER]", "[GRATING]", "[EXP_TYPE]"),
        "FGS": ("DETECTOR", "[EXP_TYPE]"),
    },
    "pictureframe": {"": ("DETECTOR",)},
    "distortion": {"": ("DETECTOR", "EXP_TYPE")},
    "reset": {"": ("DETECTOR", "SUBARRAY", "READPATT")},
    "rscd": {"": ("DETECTOR",)},
    "emicorr": {"": ("INSTRUME",)},
    "trapdensity": {"": ("DETECTOR",)},
    "trappars": {"": ("DETECTOR",)},
    "persat": {"": ("DETECTOR",)},
}
_NIR = {"mask", "saturation", "superbias", "ipc", "linearity", "dark", "gain", "readnoise", "flat"}
_TYPES = {
    "NIRCAM": _NIR | {"sirskernel", "trapdensity", "trappars", "persat"},
    "NIRISS": _NIR | {"sirskernel", "trapdensity", "trappars", "persat"},
    "NIRSPEC": _NIR | {"refpix", "sirskernel", "pictureframe"},
    "MIRI": (_NIR - {"superbias"}) | {"reset", "rscd", "emicorr"},
    "FGS": _NIR | {"trapdensity", "trappars", "persat"},
}
#: Types that the pipeline uses as they are, so that they must have the very shape of the exposure; the
#: superbias would be cut, but is selected by subarray.
_UNCUT = {"dark", "reset"}
_EXACT = _UNCUT | {"superbias"}
#: The persistence of jwst takes the size of the detector from the trap density.
_ALWAYS_WHOLE = {"trapdensity"}
_TRAPS = {"trapdensity", "trappars", "persat"}
_ASDF = {"emicorr", "sirskernel", "distortion"}
#: What references have that jwst 1.19 does not read: the first integration's own column, which 1.19 refuses, and
#: the way back from linear signals.
_RECENT = {"rscd": {"first_integration": True}, "linearity": {"inverse": True}}

_CLASSES = {
    "emicorr": "jwst.emicorr.EmiCorrStep",
    "firstframe": "jwst.firstframe.FirstFrameStep",
    "ipc": "jwst.ipc.IPCStep",
    "lastframe": "jwst.lastframe.LastFrameStep",
    "persistence": "jwst.persistence.PersistenceStep",
    "rscd": "jwst.rscd.RscdStep",
    "jump": "jwst.jump.JumpStep",
}
_STEP_NAMES = (
    "groupscale", "dqinit", "emicorr", "saturation", "ipc", "superbias", "refpix", "firstframe", "lastframe",
    "reset", "linearity", "persistence", "rscd", "darkcurrent", "chargemigration", "jump", "pictureframe",
    "cleanflickernoise", "rampfit", "gainscale",
)  # fmt: skip
# Of exposures that say where they were aimed jwst asks for these, too.
_OPTICS = (
    "filteroffset", "specwcs", "regions", "wavelengthrange", "camera", "chromcorr", "collimator", "disperser", "fore",
    "fpa", "msa", "ote", "ifupost", "ifufore", "ifuslicer", "fflat", "sflat", "dflat",
)  # fmt: skip
# Every type that some release of the pipeline asks for: a rule must answer, if only with N/A.
_ALL_TYPES = (
    *_KEYS,
    "pastasoss",
    "area",
    *_OPTICS,
    *(f"pars-{step}step" for step in _STEP_NAMES),
    "pars-detector1pipeline",
)


def _value(exposure, key):
    if key.startswith("["):
        return "N/A"
    # Left-out keywords too: the rule then has the file, and the header cannot select it.
    header = {keyword: value for keyword, _, value in exposure.but(omit=()).header()}
    # The imager has no BAND, the spectrometer no FILTER.
    return str(header.get(key) or "N/A") if key in ("BAND", "FILTER") else str(header[key])


def _parkey(instrument, reftype):
    keys = _KEYS[reftype].get(instrument, _KEYS[reftype][""])
    return tuple(key.strip("[]") for key in keys), keys


def _entries(exposures, traps=()):
    """Group exposures by the reference that CRDS will select: {(instrument, type, values): exposures}."""
    entries = {}
    for exposure in exposures:
        for reftype in sorted(_TYPES[exposure.instrument] | ({"distortion"} if exposure.aimed else set())):
            if reftype in _TRAPS and exposure.detector not in traps:
                continue
            if reftype == "refpix" and not exposure.irs2:
                continue
            if reftype == "pictureframe" and exposure.window != full_frame(exposure.detector):
                continue
            _, keys = _parkey(exposure.instrument, reftype)
            values = tuple(_value(exposure, key) for key in keys)
            entries.setdefault((exposure.instrument, reftype, values), []).append(exposure)
    return entries


def _window(reftype, users, whole):
    if reftype in (set(whole) - _UNCUT) | _ALWAYS_WHOLE:
        return full_frame(users[0].detector)
    windows = {exposure.picture if reftype in _UNCUT else exposure.cover for exposure in users}
    if reftype in _EXACT and len(windows) > 1:
        raise ValueError(
            f"one {reftype} would have to serve windows {sorted(map(str, windows))} of "
            f"{users[0].detector} {users[0].subarray}: give one of them another SUBARRAY name"
        )
    box = windows.pop()
    for window in windows:
        box = box.union(window)
    return box


def build(
    folder,
    exposures,
    context=CONTEXT,
    whole=(),
    traps=(),
    without=(),
    recent=False,
    options=None,
    odd=None,
    report=None,
):
    """Write the cache for a list of exposures.

    Parameters
    ----------
    folder : path
        Root of the cache (CRDS_PATH).
    exposures : list of Exposure
        Those that must find their references. All exposures of one detector must agree in the strength of
        the effects that references describe.
    context : str
        Name of the pmap.
    whole : collection of str
        Types to make full frame; the others cover just the windows in use, dark, superbias and reset
        exactly the subarray. Dark and reset are never more than that.
    traps : collection of str
        Detectors that get the references of the persistence step (20 MB each); N/A for the others.
    without : collection of str
        Types that the context knows, but answers N/A for; (detector, type) for one detector.
    recent : bool
        Make references with what came after jwst 1.19: see `_RECENT`.
    options : dict, optional
        Keyword arguments for writers, {(owner, type): {name: value}}; the owner is an instrument, a detector or the
        root of an exposure, the more special wins. Those of an exposure hold for what is made for it alone.
    odd : dict, optional
        Unusual references: {detector: {type: names}}, names as in `odd_references`.
    report : callable, optional
        Called with a line of text for every file.

    Returns
    -------
    str
        The context.
    """
    folder = Path(folder)
    _check_agreement(exposures)
    rules = {}
    numbers = {}
    for exposure in exposures:
        for reftype in _TRAPS & _TYPES[exposure.instrument]:
            if exposure.detector not in traps:
                rules.setdefault((exposure.instrument, reftype), {})[(exposure.detector,)] = "N/A"
        if exposure.instrument == "NIRSPEC":
            # Of full frames only; a detector that has them gets its file below.
            rules.setdefault(("NIRSPEC", "pictureframe"), {})[(exposure.detector,)] = "N/A"
        if exposure.instrument == "NIRSPEC" and not exposure.irs2:
            # Beside rules for IRS2, jwst's look-up fails for patterns that no rule names.
            rules.setdefault(("NIRSPEC", "refpix"), {})[(exposure.detector, exposure.readpatt)] = "N/A"
    for (instrument, reftype, values), users in _entries(exposures, traps).items():
        strange = (odd or {}).get(users[0].detector, {}).get(reftype, ())
        if odd_references.MISSING in strange:
            rules.setdefault((instrument, reftype), {})[values] = "N/A"
        if reftype in without or odd_references.MISSING in strange:
            continue
        if (users[0].detector, reftype) in without:
            rules.setdefault((instrument, reftype), {})[values] = "N/A"
            continue
        serial = numbers[instrument, reftype] = numbers.get((instrument, reftype), 0) + 1
        extension = "asdf" if reftype in _ASDF else "fits"
        name = f"jwst_{instrument.lower()}_{reftype}_{9000 + serial:04d}.{extension}"
        path = folder / "references/jwst" / instrument.lower() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        own = _RECENT.get(reftype, {}) if recent else {}
        for owner in (instrument, users[0].detector, *(user.root for user in users)):
            own = own | (options or {}).get((owner, reftype), {})
        if reftype == "emicorr":
            for user in users:
                references.emicorr(path, user, user.window, **own)
        else:
            window = _window(reftype, users, {*whole, reftype} if odd_references.WHOLE in strange else whole)
            references.WRITERS[reftype](path, _longest(users), window, **own)
            if strange:
                odd_references.make_odd(path, strange)
        rules.setdefault((instrument, reftype), {})[values] = name
        if report:
            report(f"{name}  {path.stat().st_size / 1e6:.1f} MB")
    for instrument in sorted({exposure.instrument for exposure in exposures}):
        rules.update(_parameter_files(folder, instrument))
    _write_mappings(folder, context, rules)
    _write_configuration(folder, context)
    return context


def revise(folder, exposures, detector, reftype, base=CONTEXT, context="jwst_9002.pmap", **options):
    """Add a context that differs from `base` in the references of one type of one detector only.

    Parameters
    ----------
    folder : path
        Root of the cache.
    exposures : list of Exposure
        Those that `build` was given.
    detector, reftype : str
        Whose references are new, and of which type.
    base, context : str
        The present and the new context.
    **options
        For the writer of the type, such as ``scale=2.0`` for a dark.

    Returns
    -------
    str
        The new context.
    """
    folder = Path(folder)
    mappings = folder / "mappings/jwst"
    entries = {
        values: users
        for (_, kind, values), users in _entries(exposures, traps=(detector,)).items()
        if kind == reftype and users[0].detector == detector
    }
    if not entries:
        raise ValueError(f"no {reftype} of {detector} in use; detectors: {sorted({e.detector for e in exposures})}")
    instrument = next(iter(entries.values()))[0].instrument
    old, new = (name.removesuffix(".pmap")[-4:] for name in (base, context))
    rule = f"jwst_{instrument.lower()}_{reftype}_{old}.rmap"
    instrument_map = f"jwst_{instrument.lower()}_{old}.imap"
    texts = {name: (mappings / name).read_text() for name in (rule, instrument_map, base)}
    for values, users in entries.items():
        block = texts[rule][texts[rule].index(f"    {values!r} :") :]
        present = re.search(rf"jwst_\w+_{reftype}_\d{{4}}", block).group()
        replacement = f"{present[:-4]}{int(new) % 1000:01d}{present[-3:]}"
        suffix = ".asdf" if reftype in _ASDF else ".fits"
        path = folder / "references/jwst" / instrument.lower() / (replacement + suffix)
        window = _window(reftype, users, ())
        references.WRITERS[reftype](path, _longest(users), window, **options)
        texts[rule] = texts[rule].replace(present, replacement)
    renamed = {name: name.replace(f"_{old}.", f"_{new}.") for name in texts}
    for name, text in texts.items():
        for before, after in renamed.items():
            text = text.replace(before, after)
        (mappings / renamed[name]).write_text(signed(text))
    return context


def complete(folder, base, context):
    """Add a context that answers N/A where an old one does not know a type that the pipeline asks for.

    Parameters
    ----------
    folder : path
        Root of a cache with real mappings.
    base, context : str
        The old context, such as jwst_0676.pmap, and the new one.

    Returns
    -------
    str
        The new context.
    """
    mappings = Path(folder) / "mappings/jwst"
    pipeline = (mappings / base).read_text().replace(base, context)
    new = context.removesuffix(".pmap")[-4:]
    for old_name in re.findall(r"jwst_\w+_\d{4}\.imap", pipeline):
        if "_system_" in old_name:
            continue
        name = re.sub(r"\d{4}\.imap", f"{new}.imap", old_name)
        text = (mappings / old_name).read_text().replace(old_name, name)
        head, selector = text.split("selector = {\n")
        missing = [kind.upper() for kind in _ALL_TYPES if f"    '{kind.upper()}' :" not in selector]
        rows = "".join(f"    '{kind}' : 'N/A',\n" for kind in missing)
        (mappings / name).write_text(signed(f"{head}selector = {{\n{rows}{selector}"))
        pipeline = pipeline.replace(old_name, name)
    (mappings / context).write_text(signed(pipeline))
    return context


def write_references(header, files, folder, effects=None):
    """Make references for one exposure, real or not, under given names.

    With the names that a real context selects for a real exposure, this gives files that the exposure can
    be calibrated with. They describe the synthetic detector, so the result is not science.

    Parameters
    ----------
    header : mapping
        FITS keywords of the exposure: `Exposure.from_header` says which.
    files : dict
        Name of the file for every type that is wanted, as crds recommends them; "N/A" in a name (CRDS also
        says "NOT FOUND n/a") means that there is none.
    folder : path
        Where to write.
    effects : Effects, optional
        Strengths of what the references describe; the default is nominal.

    Returns
    -------
    dict
        Path for every type.

    Raises
    ------
    ValueError
        If there is no way to make one of the types.
    """
    files = {reftype: name for reftype, name in files.items() if "N/A" not in name.upper()}
    unknown = files.keys() - references.WRITERS.keys()
    if unknown:
        raise ValueError(f"cannot make {sorted(unknown)}; can make {sorted(references.WRITERS)}")
    exposure = Exposure.from_header(header, effects=effects)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for reftype, name in files.items():
        window = _window(reftype, [exposure], ())
        references.WRITERS[reftype](folder / name, exposure, window)
        written[reftype] = folder / name
    return written


def _longest(users):
    return max(users, key=lambda exposure: (exposure.frames_per_integration, exposure.ngroups))


def _check_agreement(exposures):
    seen = {}
    for exposure in exposures:
        pattern = exposure.effects.fixed_pattern()
        if seen.setdefault(exposure.detector, pattern) != pattern:
            raise ValueError(
                f"exposures of {exposure.detector} differ in effects that one set of references describes; "
                "use another detector"
            )


def _parameter_files(folder, instrument):
    """Parameter files: the steps as the tables of the pipeline have them, and one changed threshold."""
    rules = {}
    target = folder / "references/jwst" / instrument.lower()
    stem = f"jwst_{instrument.lower()}_pars"
    selection = {}
    for number, tso in enumerate(("F", "T"), start=9001):
        # Only what the defaults of the steps leave open: they are not the same in all releases.
        skips = {"ipc": True}
        if instrument == "MIRI":
            skips["emicorr"] = False
        if tso == "T":
            off = ("firstframe", "lastframe", "rscd") if instrument == "MIRI" else ("persistence",)
            skips |= dict.fromkeys(off, True)
        name = f"{stem}-detector1pipeline_{number}.asdf"
        steps = {(alias, _CLASSES[alias]): {"skip": skip} for alias, skip in skips.items()}
        references.parameters(target / name, instrument, "jwst.pipeline.Detector1Pipeline", {}, steps)
        selection[(tso,)] = name
    rules[instrument, "pars-detector1pipeline"] = selection
    if instrument == "NIRISS":
        name = f"{stem}-jumpstep_9001.asdf"
        values = {"rejection_threshold": 5.0, "flag_4_neighbors": "False"}
        references.parameters(target / name, instrument, _CLASSES["jump"], values)
        rules[instrument, "pars-jumpstep"] = {("N/A", "N/A"): name}
    return rules


_PARAMETER_KEYS = {"pars-detector1pipeline": ("TSOVISIT",), "pars-jumpstep": ("FILTER", "PUPIL")}


def _write_mappings(folder, context, rules):
    mappings = folder / "mappings/jwst"
    mappings.mkdir(parents=True, exist_ok=True)
    serial = context.removesuffix(".pmap")[-4:]
    instruments = {}
    for instrument in INSTRUMENTS:
        types = {}
        for reftype in sorted(_ALL_TYPES):
            selection = rules.get((instrument, reftype))
            types[reftype.upper()] = "N/A"
            if selection is None:
                continue
            name = f"jwst_{instrument.lower()}_{reftype}_{serial}.rmap"
            keys = _PARAMETER_KEYS.get(reftype) or _parkey(instrument, reftype)[0]
            header = {
                "classes": ("Match", "UseAfter"),
                "filekind": reftype.upper(),
                "instrument": instrument,
                "mapping": "REFERENCE",
                "name": name,
                "observatory": "JWST",
                "parkey": (
                    tuple(_META[key] for key in keys),
                    ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"),
                ),
            }
            rows = []
            for values, file in sorted(selection.items()):
                answer = f"UseAfter({{\n        '2022-01-01 00:00:00' : {file!r},\n    }})"
                rows.append(f"    {values!r} : {repr(file) if file == 'N/A' else answer},\n")
            body = "selector = Match({\n" + "".join(rows) + "})\n"
            (mappings / name).write_text(signed(_header_text(header) + body))
            types[reftype.upper()] = name
        name = f"jwst_{instrument.lower()}_{serial}.imap"
        header = {
            "instrument": instrument,
            "mapping": "INSTRUMENT",
            "name": name,
            "observatory": "JWST",
            "parkey": ("REFTYPE",),
        }
        (mappings / name).write_text(signed(_header_text(header) + _selector_text(types)))
        instruments[instrument] = name
    header = {
        "description": "Synthetic references",
        "mapping": "PIPELINE",
        "name": context,
        "observatory": "JWST",
        "parkey": ("META.INSTRUMENT.NAME",),
    }
    (mappings / context).write_text(signed(_header_text(header) + _selector_text(instruments)))


def _header_text(header):
    rows = {"derived_from": "created by hand", **header, "sha1sum": "0" * 40}
    return "header = {\n" + "".join(f"    {key!r} : {rows[key]!r},\n" for key in sorted(rows)) + "}\n\n"


def _selector_text(selection):
    return "selector = {\n" + "".join(f"    {key!r} : {value!r},\n" for key, value in selection.items()) + "}\n"


def signed(text):
    """Put the checksum that crds verifies into a mapping: of all lines but the one that holds it."""
    lines = text.splitlines(keepends=True)
    digest = hashlib.sha1("".join(line for line in lines if "sha1sum" not in line).encode()).hexdigest()
    return "".join(f"    'sha1sum' : '{digest}',\n" if "sha1sum" in line else line for line in lines)


def _write_configuration(folder, context):
    """Write what a server would have said, for the serverless mode of crds."""
    config = folder / "config/jwst"
    config.mkdir(parents=True, exist_ok=True)
    answer = {
        "bad_files": "",
        "bad_files_list": [],
        "crds_version": {"str": "12.0.0"},
        "edit_context": context,
        "effective_mode": "local",
        "force_remote_mode": False,
        "last_synced": "2024-01-01 00:00:00",
        "mappings": [],
        "observatory": "jwst",
        "operational_context": context,
        "status": "cache",
    }
    (config / "server_config").write_text(pprint.pformat(answer))
    (config / "ref_cache_subdir_mode").write_text("instrument")
