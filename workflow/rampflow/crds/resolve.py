"""What is asked of crds: the context, the files that its rules choose, and those that are missing.

The only module that imports crds. When CRDS knows a type but its rules match nothing, jwst stops for a reference file
and goes on without for ``pars-*`` types; so does this module. For a type unknown to the context jwst stops, too; this
module does not, so that old contexts stay usable.

crds takes its settings from the environment, some of them at import, and keeps what it has read. The
settings given here win over both, also in a process that has used crds otherwise; the environment is put
back afterwards. Not for several threads at once.

https://jwst-crds.stsci.edu, "CRDS User Guide"; https://jwst-pipeline.readthedocs.io, "Reference Files".
"""

import ast
import contextlib
import json
import logging
import os
import socket
import time
from pathlib import Path

from rampflow.crds import selection
from rampflow.crds.asked import sha1_of
from rampflow.crds.fetching import corrupt_mapping, fetching, incomplete_context, no_server, unusable_mappings
from rampflow.crds.selectors import SELECTORS, crds_parameters, is_simple
from rampflow.crds.settings import PUBLIC_SERVER, SERVERLESS, TIMEOUT, ReferenceProblem, own_environment
from rampflow.crds.verify import one_line
from rampflow.io.shared_files import exclusive, read_json, replace

_log = logging.getLogger(__name__)

#: Seconds for which a server's answer about the default context and bad files serves other exposures.
_ANSWER_HOLDS = 3600
#: And for which exposures do not try again when it gave none.
_SILENCE_HOLDS = 60


# --- crds itself -----------------------------------------------------------------------------------------

#: Settings that the loaded crds has last worked with: what it keeps in memory belongs to them.
_in_use = None
#: What the rules of these settings have answered to which exposures; they ask alike where the keywords by which CRDS
#: selects are the same, as in the segments of one exposure.
_heard = {}
_REMEMBERED = 5000


def load():
    """Import crds, which takes a second, before there is anything to ask."""
    with own_environment():
        from crds.client import api
        from crds.core import config, rmap, utils
        from crds.jwst import locate, pipeline, schema

        del api, config, rmap, utils, locate, pipeline, schema


@contextlib.contextmanager
def session(settings):
    """Let crds work with these settings, whatever the environment says and whatever it has done before."""
    global _in_use
    timeout = socket.getdefaulttimeout()
    with own_environment():
        settings.enter_environment()
        # Downloads have no timeout in crds.
        socket.setdefaulttimeout(TIMEOUT)
        try:
            from crds.client import api
            from crds.core import config, utils

            _relay_messages()
            if _in_use != settings:
                _heard.clear()
                utils.clear_function_caches()
                config.CRDS_REF_SUBDIR_MODE = "None"
                api.set_crds_server(settings.server or SERVERLESS)
                _in_use = settings
            yield
        finally:
            socket.setdefaulttimeout(timeout)


class _Relay(logging.Handler):
    """Hands crds's messages to our log."""

    def emit(self, record):
        _log.log(record.levelno, "crds: %s", record.getMessage().strip())


def _relay_messages():
    """Take crds's messages off the standard error stream and into our log."""
    from crds.core import log

    log.remove_console_handler()
    if not any(isinstance(handler, _Relay) for handler in log.THE_LOGGER.logger.handlers):
        log.THE_LOGGER.logger.addHandler(_Relay())


# --- selection -------------------------------------------------------------------------------------------


def open_context(who, settings, state, afresh=False):
    """Find out the context and load its rules; inside a `session`.

    Parameters
    ----------
    who : str
        The exposure, or how many, for messages.
    settings : `~rampflow.crds.settings.Settings`
        What to work with.
    state : `~pathlib.Path` or None
        Folder of the run in which exposures share the server's answer.
    afresh : bool
        Ask a server that gave no answer to an earlier run.

    Returns
    -------
    context : str
        Its name.
    bad_files : set of str
        Files that CRDS marks as scientifically invalid.

    Raises
    ------
    ReferenceProblem
        No exposure can be answered.
    """
    from crds.core import rmap

    context, bad_files = _context(who, settings, state, afresh)
    selection.check_context(who, context)

    def load():
        mapping = rmap.get_cached_mapping(context)
        selection.check_mappings(who, context, mapping.selector)
        return mapping

    _with_mappings(who, context, settings, load)
    return context, bad_files


def choose(exposure, header, types, settings, state):
    """Ask CRDS's rules; inside a `session`.

    Parameters
    ----------
    exposure : str
        For messages.
    header : mapping
        Primary header of the exposure.
    types : list of str
        CRDS types.
    settings, state
        As `open_context` takes them.

    Returns
    -------
    `~rampflow.crds.selection.Choice`
        What they choose.

    Raises
    ------
    ReferenceProblem
        They choose nothing, or what is not to be used.
    """
    from crds.core import config

    context, bad_files = open_context(exposure, settings, state)
    instrument = str(header.get("INSTRUME") or "").strip()
    if not instrument:
        raise ReferenceProblem(
            f"{exposure}: the header has no INSTRUME, so CRDS cannot select; expected a JWST exposure"
        )
    rules, answers = _ask(exposure, header, types, context, settings)
    used = {context: context} | rules
    mappings = {name: Path(config.locate_mapping(name, "jwst")) for name in used.values()}
    if not config.ALLOW_BAD_RULES:
        selection.refuse_bad_rules(exposure, context, mappings.keys() & bad_files)
    names = selection.sorted_out(exposure, context, types, answers)
    selection.check_names(exposure, names, rules)
    if not config.ALLOW_BAD_REFERENCES:
        selection.refuse_bad_references(exposure, context, bad_files & set(filter(None, names.values())))
    return selection.Choice(
        context, names, rules, {name: {"sha1": sha1_of(path), "file": str(path)} for name, path in mappings.items()}
    )


def _ask(exposure, header, types, context, settings):
    """Return {type or instrument: the mapping that answers for it}, and {type: answer} of the types that are known."""
    from crds.core import rmap
    from crds.core.exceptions import CrdsError

    parameters = crds_parameters(header)
    instrument = str(header["INSTRUME"]).strip()

    def ask():
        rules = rmap.get_cached_mapping(context).get_imap(instrument)
        selection.check_mappings(exposure, rules.basename, rules.selector)
        # crds would say "not found" for an unknown type in the words it has for a failed match.
        known = [kind for kind in types if kind in rules.selections.keys()]  # noqa: SIM118
        wanted = {key for key in rules.get_required_parkeys() if key.startswith("META.")}
        given = parameters
        if not wanted <= set(SELECTORS.values()):
            given = {key: value for key, value in header.items() if key and is_simple(value)} | parameters
        # 1 and True are equal, and not the same to CRDS.
        key = (context, tuple(known), repr(sorted(given.items())))
        if key not in _heard:
            if len(_heard) >= _REMEMBERED:
                _heard.clear()
            _heard[key] = rmap.get_best_references(context, given, include=known) if known else {}
        answers = _heard[key]
        used = {instrument: rules.basename} | {kind: _rules_name(rules, kind) for kind in known}
        return {kind: name for kind, name in used.items() if name}, {kind: answers.get(kind, "N/A") for kind in known}

    try:
        return _with_mappings(exposure, context, settings, ask)
    except CrdsError as error:
        raise ReferenceProblem(f"{exposure}: CRDS context {context}: {one_line(error)}") from None


def _rules_name(rules, kind):
    """Name the mapping of a type; None where the instrument's own says N/A."""
    chosen = rules.selections[kind]
    return None if rules.selections.is_special_value(chosen) else chosen.basename


def _with_mappings(who, context, settings, ask):
    """Call ``ask``; where mapping files are missing fetch them first, once for all jobs."""
    from crds.client import api
    from crds.core import config
    from crds.core.exceptions import CrdsError, MappingError

    try:
        try:
            return ask()
        except OSError as error:
            missing = error
        if settings.server is not None and settings.may_fetch():
            _log.info("%s: fetching the rules of CRDS context %s", who, context)
            with fetching(who, context, settings, Path(config.locate_mapping(context, "jwst"))):
                api.dump_mappings(context)
            try:
                return ask()
            except OSError as error:
                missing = error
    except MappingError as error:
        raise corrupt_mapping(who, context, settings, one_line(error)) from None
    except (CrdsError, ReferenceProblem):
        raise
    # crds runs into a mapping that is not what it should be without a word of its own.
    except Exception as error:
        told = f"{one_line(error) or 'no message'} ({type(error).__name__})"
        raise unusable_mappings(who, context, settings, told) from None
    raise incomplete_context(who, context, settings, missing)


def _context(who, settings, state, afresh):
    """Return the name of the context, and the files that CRDS marks as scientifically invalid."""
    from crds.core import heavy_client

    if settings.server is None:
        bad_files = set(server_config().get("bad_files_list", ()))
        if settings.pinned:
            return settings.context, bad_files
        try:
            return heavy_client.get_context_name("jwst"), bad_files
        # crds ends the process where the cache has no record of a server.
        except (Exception, SystemExit) as error:
            raise ReferenceProblem(
                f"{who}: no server, and the cache {settings.root} does not record a default context "
                f"({one_line(error)}); name one: `crds: {{context: jwst_….pmap}}`"
            ) from None
    answer = _server_answer(settings, state, afresh)
    if "error" not in answer:
        return answer["context"], set(answer["bad_files"])
    trouble = f"the CRDS server {settings.server} gives no answer ({answer['error']})"
    if settings.pinned:
        _log.warning("%s: %s; going on with what the cache %s has", who, trouble, settings.root)
        return settings.context, set(server_config().get("bad_files_list", ()))
    raise ReferenceProblem(
        f"{who}: {trouble}, so the context {settings.context or 'in use'} is not known: check the "
        f"address (`crds: {{server: …}}` or CRDS_SERVER_URL, expected {PUBLIC_SERVER}) and the network, or "
        "name a context (`crds: {context: jwst_….pmap}`), or set `offline: true` to use the last one seen"
    )


def _server_answer(settings, state, afresh):
    """Ask the server for context and bad files, or take what it told another exposure a while ago."""
    from crds.client import api
    from crds.core import heavy_client

    record = state / "crds_server.json" if state is not None else None
    question = {"server": settings.server, "wanted": settings.context, "cache": settings.root}
    with exclusive(record) if record else contextlib.nullcontext():
        known = read_json(record) if record else None
        if isinstance(known, dict) and known.get("question") == question:
            silence = 0 if afresh else _SILENCE_HOLDS
            holds = silence if "error" in known["answer"] else _ANSWER_HOLDS
            if 0 <= time.time() - known["time"] < holds:
                return known["answer"]
        try:
            info = api.get_server_info()
            context = heavy_client.get_context_name("jwst")
            heavy_client.update_config_info("jwst")
            if info.get("force_remote_mode"):
                _log.warning("%s says that this version of crds is too old; update it", settings.server)
            answer = {"context": context, "bad_files": sorted(info.get("bad_files_list", ()))}
        except (Exception, SystemExit) as error:
            answer = {"error": one_line(error)}
        if record:
            replace(record, json.dumps({"question": question, "time": time.time(), "answer": answer}))
    return answer


# --- files -----------------------------------------------------------------------------------------------


def _locate(name):
    """Tell where a file of the cache is, or belongs."""
    from crds import locate_file

    # crds makes the folders of all instruments, and stumbles over one that another job makes at that moment. The next
    # attempt finds that one; there are fewer of them than attempts.
    for _ in range(50):
        with contextlib.suppress(FileExistsError):
            return locate_file(name, "jwst")
    return locate_file(name, "jwst")


def _place(exposure, kind, name, chosen):
    """Return the path of a file in the cache."""
    try:
        return Path(os.path.abspath(_locate(name)))
    # crds asks the server where a file belongs whose name does not say it, and raises what comes of that.
    except Exception as error:
        raise ReferenceProblem(
            f"{exposure}: {kind}: the mapping {chosen.rules[kind]} names {name!r}, which is not in the cache, and crds "
            f"cannot tell where it belongs ({one_line(error)}); copy the file into the cache, or override the type "
            f"(`references: {{{kind}: …}}`)"
        ) from None


def bring(exposure, chosen, settings):
    """Return {type: path} of the files in the cache, fetching those that are missing and may be; inside a `session`.

    Parameters
    ----------
    exposure : str
        For messages.
    chosen : `~rampflow.crds.selection.Choice`
        Of `choose`.
    settings : `~rampflow.crds.settings.Settings`
        What to work with.

    Raises
    ------
    ReferenceProblem
        They cannot be had.
    """
    from crds.client import api

    paths = {
        kind: _place(exposure, kind, name, chosen) for kind, name in chosen.names.items() if name not in (None, "N/A")
    }
    missing = {kind: path for kind, path in paths.items() if not path.exists()}
    if missing and settings.server is None:
        raise no_server(exposure, chosen.context, missing)
    for kind, path in ((kind, path) for kind, path in missing.items() if settings.may_fetch(kind)):
        with fetching(exposure, kind, settings, path):
            if not path.exists():
                _log.info("%s: fetching %s", exposure, path.name)
                api.dump_references(chosen.context, [path.name])
    return paths


def server_config():
    """Read what the server said when the cache was last filled; empty where nothing is recorded."""
    from crds.core import config

    try:
        return dict(ast.literal_eval(Path(config.locate_config("server_config", "jwst")).read_text()))
    except (OSError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}


def catalogued(path):
    """Return what the server's catalogue says of a file, as the cache remembers it."""
    from crds.client import proxy

    coded = server_config().get("download_metadata")
    entry = (proxy.crds_decode(coded) if coded else {}).get(path.name)
    return entry if isinstance(entry, dict) else None
