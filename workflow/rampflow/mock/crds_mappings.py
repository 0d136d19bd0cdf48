"""Mappings of a CRDS cache: pmap, imaps and rmaps, and what a server would have said of them."""

import hashlib
import pprint
import re
from pathlib import Path

from rampflow.mock.crds_rules import KEYS, selection_keys

INSTRUMENTS = ("NIRCAM", "NIRISS", "NIRSPEC", "MIRI", "FGS")
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
_STEP_NAMES = (
    "groupscale", "dqinit", "emicorr", "saturation", "ipc", "superbias", "refpix", "firstframe", "lastframe",
    "reset", "linearity", "persistence", "rscd", "darkcurrent", "chargemigration", "jump", "pictureframe",
    "cleanflickernoise", "rampfit", "gainscale",
)  # fmt: skip
# Of exposures that say where they were aimed jwst asks for these, too.
_OPTICS = (
    "filteroffset", "specwcs", "regions", "fflat", "sflat", "dflat",
)  # fmt: skip
# Every type that some release of the pipeline asks for: a rule must answer, if only with N/A.
ALL_TYPES = (
    *KEYS,
    "area",
    *_OPTICS,
    *(f"pars-{step}step" for step in _STEP_NAMES),
    "pars-detector1pipeline",
)


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
        missing = [kind.upper() for kind in ALL_TYPES if f"    '{kind.upper()}' :" not in selector]
        rows = "".join(f"    '{kind}' : 'N/A',\n" for kind in missing)
        (mappings / name).write_text(signed(f"{head}selector = {{\n{rows}{selector}"))
        pipeline = pipeline.replace(old_name, name)
    (mappings / context).write_text(signed(pipeline))
    return context


def write_mappings(folder, context, rules, selectors):
    """Write pmap, imaps and rmaps.

    Parameters
    ----------
    folder : path
        Root of the cache.
    context : str
        Name of the pmap; the others have its number.
    rules : dict
        {(instrument, type): {values of the keys: name of the file, or N/A}}; other types are N/A.
    selectors : dict
        Keys of the rules of parameter files: {(instrument, type): keywords}.
    """
    mappings = folder / "mappings/jwst"
    mappings.mkdir(parents=True, exist_ok=True)
    serial = context.removesuffix(".pmap")[-4:]
    instruments = {}
    for instrument in INSTRUMENTS:
        types = {}
        for reftype in sorted(ALL_TYPES):
            selection = rules.get((instrument, reftype))
            types[reftype.upper()] = "N/A"
            if selection is None:
                continue
            name = f"jwst_{instrument.lower()}_{reftype}_{serial}.rmap"
            keys = selectors.get((instrument, reftype))
            keys = selection_keys(instrument, reftype)[0] if keys is None else keys
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


def write_configuration(folder, context):
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
