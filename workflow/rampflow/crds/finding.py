"""The reference files of one exposure: found, fetched and verified, or told beforehand; nothing is written here."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed_in
from pathlib import Path

from rampflow.crds import conformity, lock, resolve
from rampflow.crds.asked import asked_for
from rampflow.crds.pointers import pointer_to, summary, without
from rampflow.crds.settings import EVERYTHING, ReferenceProblem, Settings
from rampflow.crds.verify import remembered, verified
from rampflow.io import files

_log = logging.getLogger(__name__)


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
    question = _Question(exposure, header, config, overrides, state and Path(state), held_to, fetches, present)
    question.ask(types)
    found, said = question.found, question.said
    if further is not None:
        pars = {kind: pointer for kind, pointer in found.items() if kind.startswith("pars-") and pointer["file"]}
        question.ask(set(further(pars)) - found.keys())
    pointers = {kind: found[kind] for kind in sorted(found)}
    said["asked"] = asked_for(
        (noted or {}) | {"types": types, "overrides": overrides}, config, held_to.path if held_to else None
    )
    if held_to:
        held_to.check(exposure, summary(pointers, said))
    for kind, pointer in pointers.items():
        _log.info("%s: %s: %s", exposure, kind, pointer["crds_uri"])
    return pointers, said


@dataclass
class _Question:
    """What is asked for an exposure, and what has been found so far; attributes as `find` takes them."""

    exposure: str
    header: Mapping
    config: Mapping
    overrides: Mapping
    state: Path | None
    held_to: lock.Lock | None
    fetches: str
    present: Callable | None
    found: dict = field(default_factory=dict)
    said: dict = field(default_factory=lambda: {"context": "N/A", "server": None, "mappings": {}})

    def ask(self, types):
        exposure, header, state = self.exposure, self.header, self.state
        for kind in types & self.overrides.keys():
            self.found[kind] = _overridden(exposure, kind, self.overrides[kind], header, state)
        asked = sorted(types - self.overrides.keys())
        if not asked:
            return
        settings = _settings(exposure, self.config, self.held_to, self.fetches)
        with resolve.session(settings):
            chosen = resolve.choose(exposure, header, asked, settings, state)
            paths = resolve.bring(exposure, chosen, settings)
            mappings = self.said["mappings"] | chosen.mappings
            self.said.update(context=chosen.context, server=settings.server, mappings=mappings)
            for kind in asked:
                path, pointer = paths.get(kind), None
                # A lock is held against checksums.
                if self.present and not self.held_to:
                    pointer = _unread(exposure, kind, path, state, self.present(kind))
                self.found[kind] = pointer or _answered(exposure, kind, chosen.names[kind], path, header, state)


def _settings(who, config, held_to, fetches):
    """Return the settings; where no context is named, that of the lock, if there is one."""
    settings = changed_in(Settings.of(who, config), fetches=fetches)
    if held_to and not settings.context and (context := held_to.context(who)):
        return changed_in(settings, context=context)
    return settings


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
    # Parameter files and the gain decide which steps run.
    if there and (same or kind == "gain" or kind.startswith("pars-")):
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
