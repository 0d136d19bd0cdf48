"""Header to CRDS to reference files: what the rule `references` does for the exposures of a run.

For every exposure `rampflow.crds.resolve` asks the Calibration Reference Data System which reference files it needs
and brings those that are missing into the local cache; here every one is verified, and one small pointer file per
type is written. The steps read the pointers (`rampflow.crds.pointers`) and need neither crds nor a network.

An attempt that fails leaves what was answered before as it is. What fails for all exposures alike fails the job; an
exposure that fails alone is named in ``references.json``, and the rule `unanswered` stops it.
"""

import json
import logging
import os
import sys
import traceback
from dataclasses import replace as changed_in
from functools import partial
from pathlib import Path

from rampflow.crds import conformity, lock, resolve
from rampflow.crds.asked import asked_for
from rampflow.crds.pointers import pointer_to, summary, without, write
from rampflow.crds.settings import EVERYTHING, ReferenceProblem, Settings
from rampflow.crds.verify import one_line, remembered, verified
from rampflow.errors import RampflowError
from rampflow.io import files
from rampflow.io.raw_headers import read_header
from rampflow.io.shared_files import read_json, replace
from rampflow.settings.chain import reference_types

_log = logging.getLogger(__name__)


def answer(exposure, header, types, *, folder, **more):
    """Find, fetch and verify the reference files of one exposure, and write its pointer files.

    Parameters
    ----------
    exposure, header, types, **more
        As `find` takes them.
    folder : path-like
        Where ``<type>.json`` and ``asked.json`` are written. Files whose content would not change are
        left alone.

    Returns
    -------
    dict
        Type to pointer, as `load_pointer` returns it.

    Raises
    ------
    ReferenceProblem
        Nothing is written then.
    """
    return write(Path(folder), *find(exposure, header, types, **more))


def find(
    exposure,
    header,
    types,
    *,
    config,
    overrides=None,
    state=None,
    held_to=None,
    further=None,
    noted=None,
    fetches=EVERYTHING,
    present=None,
):
    """Find, fetch and verify the reference files of one exposure.

    Parameters
    ----------
    exposure : str
        Name of the exposure, for messages.
    header : mapping
        Primary header of the exposure: FITS keyword to value.
    types : iterable of str
        CRDS types that are needed, ``pars-*`` included.
    config : mapping
        ``path``: the cache (None: CRDS_PATH); ``context``: a context such as ``jwst_1322.pmap`` (None:
        CRDS_CONTEXT, else the default that the server names, or offline the one that it named last);
        ``server``: its address (None: CRDS_SERVER_URL; without that there is no server); ``offline``: True
        never contacts a server.
    overrides : mapping, optional
        Type to the path of a file to use instead, or to ``"N/A"``.
    state : path-like, optional
        Folder of the run in which exposures share checksums and the server's answer. Without it every
        exposure reads every file and asks the server.
    held_to : `~rampflow.crds.lock.Lock`, optional
        What the answers have to be.
    further : callable, optional
        Given the pointers to parameter files, by type, it returns the types that are needed beside: the parameter
        files say which steps run.
    noted : mapping, optional
        What else `rampflow.crds.asked.asked_for` keeps of the request.
    fetches : str
        What may be fetched into the cache, of `rampflow.crds.settings`.
    present : callable, optional
        Given a type, it returns the pointer that the exposure has now, or None. With it, what is found is a forecast:
        a file of CRDS that nobody has read yet is not read, and its pointer has no checksums, unless it is the one
        that the exposure has now.

    Returns
    -------
    pointers : dict
        Type to pointer, as `load_pointer` returns it.
    said : dict
        What `rampflow.crds.pointers.summary` holds beside.

    Raises
    ------
    ReferenceProblem
        A file cannot be had or trusted.
    """
    types = {kind.lower() for kind in types}
    overrides = {kind.lower(): value for kind, value in (overrides or {}).items()}
    state = Path(state) if state is not None else None
    found, said = {}, {"context": "N/A", "server": None, "mappings": {}}

    def ask(types):
        asked = sorted(types - overrides.keys())
        found.update(
            {kind: _overridden(exposure, kind, overrides[kind], header, state) for kind in types & overrides.keys()}
        )
        if not asked:
            return
        settings = _settings(exposure, config, held_to, fetches)
        with resolve.session(settings):
            chosen = resolve.choose(exposure, header, asked, settings, state)
            paths = resolve.bring(exposure, chosen, settings)
            mappings = said["mappings"] | chosen.mappings
            said.update(context=chosen.context, server=settings.server, mappings=mappings)
            for kind in asked:
                name, path = chosen.names[kind], paths.get(kind)
                # A lock is held against checksums.
                unread = present and not held_to and _unread(exposure, kind, path, state, present(kind))
                found[kind] = unread or _answered(exposure, kind, name, path, header, state)

    ask(types)
    if further is not None:
        pars = {kind: pointer for kind, pointer in found.items() if kind.startswith("pars-") and pointer["file"]}
        ask(set(further(pars)) - found.keys())
    pointers = {kind: found[kind] for kind in sorted(found)}
    said["asked"] = asked_for(
        (noted or {}) | {"types": types, "overrides": overrides}, config, held_to.path if held_to else None
    )
    if held_to:
        held_to.check(exposure, summary(pointers, said))
    for kind, pointer in pointers.items():
        _log.info("%s: %s: %s", exposure, kind, pointer["crds_uri"])
    return pointers, said


def answer_all(requests, *, crds, results, state, terms=(), locked=None):
    """Answer the exposures of a run one after the other; one that fails does not stop the others.

    Writes ``references.json``, {"failed": {exposure: message}}, and the lock of the run into the results.

    Parameters
    ----------
    requests : mapping
        Exposure to its raw file, ``uncal``, and what `answer` takes; where the parameter files say what else is needed,
        the number of its ``terms``.
    crds : mapping
        The block of the configuration, ``config`` of `answer`.
    state : path-like
        As `answer` takes it.
    results : path-like
        Folder of the results: pointers go to ``<results>/<exposure>/references``.
    terms : list of `~rampflow.settings.chain.Terms`
        By which the chains of the exposures are settled.
    locked : mapping, optional
        The lock that the run is held to, as `rampflow.crds.lock.named` describes it.

    Returns
    -------
    dict
        Exposure to message, of those that failed.

    Raises
    ------
    ReferenceProblem
        No exposure can be answered, all for the same reason: it says so once.
    """
    results, changes = Path(results), {}

    def keep(exposure, pointers, said):
        folder = results / exposure / "references"
        before = read_json(folder / "asked.json")
        write(folder, pointers, said)
        changes[exposure] = lock.changed(before, read_json(folder / "asked.json"))

    failed = find_all(requests, keep, crds=crds, state=state, terms=terms, locked=locked)
    for line in lock.notices(changes):
        _log.warning("%s", line)
        print(f"rampflow: references: {line}", file=sys.stderr)
    lock.write(results, requests)
    replace(results / "references.json", json.dumps({"failed": failed}, indent=1) + "\n")
    return failed


def find_all(requests, use, *, crds, state, terms=(), locked=None, fetches=EVERYTHING, present=None):
    """Find the reference files of the exposures of a run one after the other; one that fails does not stop the others.

    Parameters
    ----------
    requests, crds, state, terms, locked
        As `answer_all` takes them.
    use : callable
        Called with each exposure and what `find` returns for it.
    fetches : str
        As `find` takes it.
    present : callable, optional
        Given an exposure and a type; see `find`.

    Returns
    -------
    dict
        Exposure to message, of those that failed.

    Raises
    ------
    ReferenceProblem
        No exposure can be answered, all for the same reason: it says so once.
    """
    everyone = _count(len(requests))
    held_to = lock.Lock(locked["path"]) if locked else None
    failed = _fails_for_all(requests, everyone, crds, state, held_to, fetches)
    for exposure, request in requests.items():
        if exposure in failed:
            continue
        try:
            pointers, said = find(
                exposure,
                read_header(request["uncal"]),
                request["types"],
                config=crds,
                overrides=request["overrides"],
                state=state,
                held_to=held_to,
                further=partial(_needed, terms[request["terms"]]) if "terms" in request else None,
                noted={key: request.get(key) for key in ("header", "decides", "further") if key in request},
                fetches=fetches,
                present=present and partial(present, exposure),
            )
            use(exposure, pointers, said)
        # Whatever a library raises over a bad file, the other exposures have nothing to do with it.
        except Exception as error:
            failed[exposure] = _told(error).removeprefix(f"{exposure}: ")
            _log.error("%s: %s\n%s", exposure, failed[exposure], traceback.format_exc())
    if len(failed) == len(requests) > 1 and len(set(failed.values())) == 1:
        raise ReferenceProblem(f"{everyone}: {next(iter(failed.values()))}")
    return failed


def run(job):
    """Answer the exposures of a run as the job of the rule ``references``.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        Its rule gives the ``requests`` and their ``terms``, the settings ``crds``, the lock ``locked``, and the folder
        ``results``.
    """
    told = {name: job.spec.more[name] for name in ("requests", "terms", "crds", "locked", "results")}
    answer_all(**told, state=".rampflow")


def _needed(terms, pars):
    """Return the CRDS types of reference files that the chain needs which parameter files settle."""
    return [kind for kinds in reference_types(terms, pars).values() for kind in kinds]


def _count(number):
    return f"{number} exposure{'s' * (number != 1)}"


def _settings(who, config, held_to, fetches):
    """Return the settings; where no context is named, that of the lock, if there is one."""
    settings = changed_in(Settings.of(who, config), fetches=fetches)
    if held_to and not settings.context and (context := held_to.context(who)):
        return changed_in(settings, context=context)
    return settings


def _fails_for_all(requests, everyone, config, state, held_to, fetches):
    """Find out what no exposure could do without, before one is looked at.

    Returns
    -------
    dict
        Exposure to message, of those that ask CRDS, where others do not.

    Raises
    ------
    ReferenceProblem
        All of them do.
    """
    asking = [
        name
        for name, request in requests.items()
        if {*request["types"], *request.get("further", ())} - set(request["overrides"])
    ]
    if not asking:
        return {}
    try:
        settings = changed_in(Settings.of(everyone, config), fetches=fetches)
        if held_to and not settings.context:
            settings = changed_in(settings, context=held_to.context(asking[0]))
        with resolve.session(settings):
            resolve.open_context(everyone, settings, Path(state) if state is not None else None, afresh=True)
    except ReferenceProblem as error:
        if len(asking) == len(requests):
            raise
        return dict.fromkeys(asking, str(error).removeprefix(f"{everyone}: "))
    return {}


def _told(error):
    """Say in one line what went wrong, without the name of an exception where that says nothing to a user."""
    if isinstance(error, RampflowError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return f"not foreseen: {one_line(error) or 'no message'} ({type(error).__name__}); the traceback is in the log"


# --- one type ----------------------------------------------------------------------------------------------


def _answered(exposure, kind, name, path, header, state):
    if path is None:
        return without(kind, "not applicable" if name else "unknown type")
    cure = "Delete it and run again with a server to fetch it anew, or copy it from a complete cache"
    instead = f"Use another context, or name a file of your own (`references: {{{kind}: …}}`)"
    uri = f"crds://{name}"
    return _pointed_to(f"{exposure}: {kind}:", (cure, instead), kind, ("found", path, uri), header, state)


def _unread(exposure, kind, path, state, now):
    """Make the pointer to a file of CRDS as far as it can be told without reading it; None where it has to be read.

    A file is known by its name. ``now`` is the pointer that the exposure has, or None.
    """
    if path is None or (state is not None and remembered(path, state, parameters=kind.startswith("pars-"))):
        return None
    uri = f"crds://{path.name}"
    same = now is not None and now.get("crds_uri") == uri and now.get("sha256")
    there = path.exists()
    if there and (same or kind.startswith("pars-")):
        return None
    if not there and kind.startswith("pars-") and not same:
        raise ReferenceProblem(
            f"{exposure}: {kind}: {path.name} is not in the cache, so what it says of the steps is not known; a run "
            f"would fetch it; fetch it beforehand (--fetch, or crds sync)"
        )
    if same:
        return now
    facts = dict.fromkeys(("size", "sha1", "sha256", "mtime_ns"))
    return without(kind, "found") | {"file": str(path), "name": path.name, "crds_uri": uri} | facts


def _overridden(exposure, kind, value, header, state):
    if str(value).strip().upper() == "N/A":
        return without(kind, "not applicable")
    path = Path(os.path.abspath(os.path.expanduser(value)))
    cure = (
        f"Expected a complete FITS or ASDF file; correct `references: {{{kind}: …}}` in the configuration "
        '("N/A": do without)'
    )
    return _pointed_to(
        f"{exposure}: {kind}: override", (cure, cure), kind, ("override", path, str(path)), header, state
    )


def _pointed_to(place, cures, kind, found, header, state):
    """Verify a file, and make the pointer to it; the cures are for one that is damaged, and one laid out otherwise."""
    status, path, uri = found
    cure, instead = cures
    try:
        promised = resolve.catalogued if status == "found" else None
        facts = verified(path, state, parameters=kind.startswith("pars-"), promised=promised)
        cure = instead
        for line in conformity.check(kind, path, facts, header):
            _log.warning("%s %s: %s", place, path, line)
        return pointer_to(kind, status, path, uri, facts)
    except OSError as error:
        trouble = f"{path}: {error.strerror}"
    except files.FileProblem as error:
        trouble = str(error).rstrip(".")
    raise ReferenceProblem(f"{place} {trouble}. {cure}") from None
