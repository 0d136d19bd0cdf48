"""A complete CRDS cache: mappings, reference files and the server's answer, all made here."""

import re
from pathlib import Path

from rampflow.mock import odd_references, operations, parameter_files, references
from rampflow.mock.crds_mappings import signed, write_configuration, write_mappings
from rampflow.mock.crds_rules import ASDF_TYPES, TRAPS, TYPES, check_agreement, entries, longest, window_of
from rampflow.mock.exposure import MockExposure

CONTEXT = "jwst_9001.pmap"
#: URL by which crds knows that there is no server.
SERVERLESS = "https://crds-serverless-mode.stsci.edu"
#: What references have that jwst 1.19 does not read: the first integration's own column, which 1.19 refuses, and
#: the way back from linear signals.
_RECENT = {"rscd": {"first_integration": True}, "linearity": {"inverse": True}}


def build(
    folder,
    exposures,
    context=CONTEXT,
    whole=(),
    traps=(),
    without=(),
    recent=False,
    as_operated=False,
    options=None,
    odd=None,
    report=None,
):
    """Write the cache for a list of exposures.

    Parameters
    ----------
    folder : path
        Root of the cache (CRDS_PATH).
    exposures : list of MockExposure
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
    as_operated : bool
        Have the parameter files that operations are said to have, see `operations`; by default there are those of
        `parameter_files.USUAL`, which leave the steps as the tables of the pipeline have them.
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
    check_agreement(exposures)
    rules = _not_applicable(exposures, traps)
    numbers = {}
    for (instrument, reftype, values), users in entries(exposures, traps).items():
        strange = (odd or {}).get(users[0].detector, {}).get(reftype, ())
        if odd_references.MISSING in strange:
            rules.setdefault((instrument, reftype), {})[values] = "N/A"
        if reftype in without or odd_references.MISSING in strange:
            continue
        if (users[0].detector, reftype) in without:
            rules.setdefault((instrument, reftype), {})[values] = "N/A"
            continue
        serial = numbers[instrument, reftype] = numbers.get((instrument, reftype), 0) + 1
        path = _new_path(folder, instrument, reftype, serial)
        own = _options_for(reftype, users, options or {}, recent)
        _write(path, reftype, users, whole, own, strange)
        rules.setdefault((instrument, reftype), {})[values] = path.name
        if report:
            report(f"{path.name}  {path.stat().st_size / 1e6:.1f} MB")
    tables = operations.TABLES if as_operated else parameter_files.USUAL
    selectors = {}
    for instrument in sorted({exposure.instrument for exposure in exposures}):
        for reftype, (keys, selection) in parameter_files.write(folder, instrument, tables[instrument]).items():
            selectors[instrument, reftype], rules[instrument, reftype] = keys, selection
    write_mappings(folder, context, rules, selectors)
    write_configuration(folder, context)
    return context


def _not_applicable(exposures, traps):
    """Rules that answer N/A: {(instrument, type): {values: "N/A"}}."""
    rules = {}
    for exposure in exposures:
        for reftype in TRAPS & TYPES[exposure.instrument]:
            if exposure.detector not in traps:
                rules.setdefault((exposure.instrument, reftype), {})[(exposure.detector,)] = "N/A"
        if exposure.instrument == "NIRSPEC":
            # Of full frames only; a detector that has them gets a file in place of this.
            rules.setdefault(("NIRSPEC", "pictureframe"), {})[(exposure.detector,)] = "N/A"
        if exposure.instrument == "NIRSPEC" and not exposure.irs2:
            # Beside rules for IRS2, jwst's look-up fails for patterns that no rule names.
            rules.setdefault(("NIRSPEC", "refpix"), {})[(exposure.detector, exposure.readpatt)] = "N/A"
    return rules


def _new_path(folder, instrument, reftype, serial):
    """Return where a reference file goes, the folder made and no older file there."""
    extension = "json" if reftype == "msaoper" else "asdf" if reftype in ASDF_TYPES else "fits"
    path = folder / "references/jwst" / instrument.lower()
    path.mkdir(parents=True, exist_ok=True)
    path /= f"jwst_{instrument.lower()}_{reftype}_{9000 + serial:04d}.{extension}"
    path.unlink(missing_ok=True)
    return path


def _options_for(reftype, users, options, recent):
    """Return the options of the writer of one file, the more special over the more general."""
    own = _RECENT.get(reftype, {}) if recent else {}
    for owner in (users[0].instrument, users[0].detector, *(user.root for user in users)):
        own = own | options.get((owner, reftype), {})
    return own


def _write(path, reftype, users, whole, options, strange):
    """Write one reference file for the exposures that use it; ``strange`` is what is odd about it."""
    if reftype == "emicorr":
        for user in users:
            references.emicorr(path, user, user.window, **options)
        return
    window = window_of(reftype, users, {*whole, reftype} if odd_references.WHOLE in strange else whole)
    references.WRITERS[reftype](path, longest(users), window, **options)
    if strange:
        odd_references.make_odd(path, strange)


def revise(folder, exposures, detector, reftype, base=CONTEXT, context="jwst_9002.pmap", **options):
    """Add a context that differs from `base` in the references of one type of one detector only.

    Parameters
    ----------
    folder : path
        Root of the cache.
    exposures : list of MockExposure
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
    found = {
        values: users
        for (_, kind, values), users in entries(exposures, traps=(detector,)).items()
        if kind == reftype and users[0].detector == detector
    }
    if not found:
        raise ValueError(f"no {reftype} of {detector} in use; detectors: {sorted({e.detector for e in exposures})}")
    instrument = next(iter(found.values()))[0].instrument
    old, new = (name.removesuffix(".pmap")[-4:] for name in (base, context))
    rule = f"jwst_{instrument.lower()}_{reftype}_{old}.rmap"
    instrument_map = f"jwst_{instrument.lower()}_{old}.imap"
    texts = {name: (mappings / name).read_text() for name in (rule, instrument_map, base)}
    for values, users in found.items():
        block = texts[rule][texts[rule].index(f"    {values!r} :") :]
        present = re.search(rf"jwst_\w+_{reftype}_\d{{4}}", block).group()
        replacement = f"{present[:-4]}{int(new) % 1000:01d}{present[-3:]}"
        suffix = ".asdf" if reftype in ASDF_TYPES else ".fits"
        path = folder / "references/jwst" / instrument.lower() / (replacement + suffix)
        window = window_of(reftype, users, ())
        references.WRITERS[reftype](path, longest(users), window, **options)
        texts[rule] = texts[rule].replace(present, replacement)
    renamed = {name: name.replace(f"_{old}.", f"_{new}.") for name in texts}
    for name, text in texts.items():
        for before, after in renamed.items():
            text = text.replace(before, after)
        (mappings / renamed[name]).write_text(signed(text))
    return context


def write_references(header, files, folder, effects=None):
    """Make references for one exposure, real or not, under given names.

    With the names that a real context selects for a real exposure, this gives files that the exposure can
    be calibrated with. They describe the synthetic detector, so the result is not science.

    Parameters
    ----------
    header : mapping
        FITS keywords of the exposure: `MockExposure.from_header` says which.
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
    exposure = MockExposure.from_header(header, effects=effects)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for reftype, name in files.items():
        window = window_of(reftype, [exposure], ())
        references.WRITERS[reftype](folder / name, exposure, window)
        written[reftype] = folder / name
    return written
