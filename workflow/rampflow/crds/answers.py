"""Header to CRDS to reference files: what the rule `references` does for the exposures of a run.

For every exposure `rampflow.crds.resolve` asks the Calibration Reference Data System which reference files it needs
and brings those that are missing into the local cache; every one is verified (`rampflow.crds.finding`), and one small
pointer file per type is written. The steps read the pointers (`rampflow.crds.pointers`) and need neither crds nor a
network.

An attempt that fails leaves what was answered before as it is. What fails for all exposures alike fails the job; an
exposure that fails alone is named in ``references.json``, and the rule `unanswered` stops it.
"""

import json
import logging
import sys
import traceback
from dataclasses import replace as changed_in
from functools import partial
from pathlib import Path

from rampflow.crds import lock, resolve
from rampflow.crds.finding import find
from rampflow.crds.pointers import write
from rampflow.crds.settings import EVERYTHING, ReferenceProblem, Settings
from rampflow.crds.verify import one_line
from rampflow.errors import RampflowError
from rampflow.io import header_file
from rampflow.io.raw_headers import read_header
from rampflow.io.shared_files import read_json, replace
from rampflow.settings.chain import reference_types

_log = logging.getLogger(__name__)

#: The run's own folder.
_STATE = ".rampflow"


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


def answer_all(requests, *, crds, results, state, terms=(), locked=None, headers=None):
    """Answer the exposures of a run one after the other; one that fails does not stop the others.

    Writes ``references.json``, {"failed": {exposure: message}}, and the lock of the run into the results.

    Parameters
    ----------
    requests : mapping
        Exposure to its raw file, ``uncal``, and what `answer` takes; where the parameter files say what else is needed,
        the numbers of its ``terms``, those of all that is made of it.
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
    headers : mapping, optional
        As `find_all` takes it.

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

    failed = find_all(requests, keep, crds=crds, state=state, terms=terms, locked=locked, headers=headers)
    for line in lock.notices(changes):
        _log.warning("%s", line)
        print(f"rampflow: references: {line}", file=sys.stderr)
    lock.write(results, requests)
    replace(results / "references.json", json.dumps({"failed": failed}, indent=1) + "\n")
    return failed


def find_all(requests, use, *, crds, state, terms=(), locked=None, fetches=EVERYTHING, present=None, headers=None):
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
    headers : mapping, optional
        Primary headers that are known, by path or address of the raw file; others are read.

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

    def header_of(path):
        known = (headers or {}).get(path)
        return read_header(path) if known is None else known

    for exposure, request in requests.items():
        if exposure in failed:
            continue
        try:
            pointers, said = find(
                exposure,
                header_of(request["uncal"]),
                request["types"],
                config=crds,
                overrides=request["overrides"],
                state=state,
                held_to=held_to,
                further=partial(_needed, [terms[number] for number in request["terms"]])
                if "terms" in request
                else None,
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
    answer_all(**told, state=_STATE, headers=_kept_headers(job.spec.more["requests"].values()))


def _kept_headers(requests):
    """Return the headers of raw files that are not here but in a store, as the start of the run has read them."""
    addresses = {request["uncal"] for request in requests if "://" in request["uncal"]}
    kept = header_file.load(Path(_STATE, header_file.NAME)) if addresses else {}
    return {path: header_file.primary_header(kept[path]) for path in addresses if "raw" in kept.get(path, ())}


def _needed(terms, pars):
    """Return the CRDS types of reference files that the chains need which parameter files settle, each once."""
    found = (kind for each in terms for kinds in reference_types(each, pars).values() for kind in kinds)
    return list(dict.fromkeys(found))


def _count(number):
    return f"{number} exposure{'s' * (number != 1)}"


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
