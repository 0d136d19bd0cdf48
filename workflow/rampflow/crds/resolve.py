"""Header to CRDS to reference files, once per exposure. The only module that imports crds.

`resolve` asks the Calibration Reference Data System which reference files an exposure needs, brings those
that are missing into the local cache, verifies every one, and writes one small pointer file per type. The
steps read the pointers (`load_pointer`, `check`) and need neither crds nor a network.

A pointer holds what a step's result depends on: the file and its checksums, or for ``pars-*`` types the
parameters. It does not hold the context: a new context that selects the same file leaves the pointer as it
is, byte for byte, and the file is not written again, so nothing reruns. The context and the version of crds
are in ``asked.json`` beside the pointers. A product made before the context changed keeps the older name in
its CRDS_CTX keyword: that is the context under which it was made, and the newer one would make the same.

How a type is answered, in ``status``:

================== ================================================================================
found              a file of the cache
override           a file that the user named instead
not applicable     CRDS, or the user, says "N/A": the step does without
unknown type       this context is older than the type; as not applicable, and said once in the log
failed             none could be had; ``problem`` says why, and the exposure's first step fails with it
================== ================================================================================

When CRDS knows the type but its rules match nothing, jwst stops for a reference file and goes on without
for ``pars-*`` types; so does this module. For a type unknown to the context jwst stops, too; this module
does not, so that old contexts stay usable.

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
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from rampflow.crds.pointers import ReferenceProblem, pointer_to, without, write
from rampflow.crds.verify import one_line, verified
from rampflow.errors import BadExposure
from rampflow.io import files
from rampflow.io.raw_headers import read_header
from rampflow.io.shared_files import exclusive, read_json, replace

_log = logging.getLogger(__name__)

#: What crds reads as "there is no server"; never contacted.
SERVERLESS = "https://crds-serverless-mode.stsci.edu"
_PUBLIC_SERVER = "https://jwst-crds.stsci.edu"
#: Seconds for which a server's answer about the default context and bad files serves other exposures.
_ANSWER_HOLDS = 3600
#: And for which exposures do not try again when it gave none.
_SILENCE_HOLDS = 60
#: Seconds without a byte after which a server counts as unreachable.
_TIMEOUT = 60
#: What crds has for that, in seconds.
_CRDS_TIMEOUT = "3600"
#: The environment variables that say where crds's cache is.
_CACHE_VARIABLE = re.compile(r"CRDS_\w*PATH(_SINGLE)?")

#: The keywords that CRDS selects by, and its names for them. crds could translate FITS keywords itself, but
#: reads the schemas of stdatamodels to do so, which takes ten times as long as the selection.
_SELECTORS = {
    "BAND": "META.INSTRUMENT.BAND",
    "CAL_VER": "META.CALIBRATION_SOFTWARE_VERSION",
    "CHANNEL": "META.INSTRUMENT.CHANNEL",
    "CORONMSK": "META.INSTRUMENT.CORONAGRAPH",
    "CROWDFLD": "META.VISIT.CROWDED_FIELD",
    "DATE-OBS": "META.OBSERVATION.DATE",
    "DETECTOR": "META.INSTRUMENT.DETECTOR",
    "EXP_TYPE": "META.EXPOSURE.TYPE",
    "FASTAXIS": "META.SUBARRAY.FASTAXIS",
    "FILTER": "META.INSTRUMENT.FILTER",
    "FXD_SLIT": "META.INSTRUMENT.FIXED_SLIT",
    "GRATING": "META.INSTRUMENT.GRATING",
    "GROUPGAP": "META.EXPOSURE.GROUPGAP",
    "INSTRUME": "META.INSTRUMENT.NAME",
    "LAMP": "META.INSTRUMENT.LAMP_STATE",
    "MODULE": "META.INSTRUMENT.MODULE",
    "NFRAMES": "META.EXPOSURE.NFRAMES",
    "NGROUPS": "META.EXPOSURE.NGROUPS",
    "NINTS": "META.EXPOSURE.NINTS",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "OPMODE": "META.INSTRUMENT.LAMP_MODE",
    "PUPIL": "META.INSTRUMENT.PUPIL",
    "READPATT": "META.EXPOSURE.READPATT",
    "SLOWAXIS": "META.SUBARRAY.SLOWAXIS",
    "SUBARRAY": "META.SUBARRAY.NAME",
    "SUBSIZE1": "META.SUBARRAY.XSIZE",
    "SUBSIZE2": "META.SUBARRAY.YSIZE",
    "SUBSTRT1": "META.SUBARRAY.XSTART",
    "SUBSTRT2": "META.SUBARRAY.YSTART",
    "TELESCOP": "META.TELESCOPE",
    "TIME-OBS": "META.OBSERVATION.TIME",
    "TSOVISIT": "META.VISIT.TSOVISIT",
    "VISITYPE": "META.VISIT.TYPE",
}


def crds_parameters(header):
    """Map a primary header to the parameters that CRDS selects JWST references by.

    Parameters
    ----------
    header : mapping
        Primary header: FITS keyword to value.

    Returns
    -------
    dict
        CRDS's name (``META.INSTRUMENT.NAME``, …) to value. Keywords that are absent or without a value are
        left out: CRDS takes them as undefined.
    """
    return {name: header[key] for key, name in _SELECTORS.items() if _is_simple(header.get(key))}


def resolve(exposure, header, types, *, config, overrides=None, folder, state=None):
    """Find, fetch and verify the reference files of one exposure, and write its pointer files.

    Parameters
    ----------
    exposure : str
        Name of the exposure, for messages.
    header : mapping
        Primary header of the exposure: FITS keyword to value.
    types : iterable of str
        CRDS types that the exposure's plan needs, ``pars-*`` included.
    config : mapping
        ``path``: the cache (None: CRDS_PATH); ``context``: a context such as ``jwst_1322.pmap`` (None:
        CRDS_CONTEXT, else the default that the server names, or offline the one that it named last);
        ``server``: its address (None: CRDS_SERVER_URL; without that there is no server); ``offline``: True
        never contacts a server.
    overrides : mapping, optional
        Type to the path of a file to use instead, or to ``"N/A"``.
    folder : path-like
        Where ``<type>.json`` and ``asked.json`` are written. Files whose content would not change are
        left alone.
    state : path-like, optional
        Folder of the run in which exposures share checksums and the server's answer. Without it every
        exposure reads every file and asks the server.

    Returns
    -------
    dict
        Type to pointer, as `load_pointer` returns it.

    Raises
    ------
    ReferenceProblem
        Nothing is written then.
    """
    types = sorted({kind.lower() for kind in types})
    overrides = {kind.lower(): value for kind, value in (overrides or {}).items()}
    asked = [kind for kind in types if kind not in overrides]
    state = Path(state) if state is not None else None
    pointers = {kind: _overridden(exposure, kind, overrides[kind], state) for kind in types if kind in overrides}
    answer = {"context": "N/A", "server": None}
    if asked:
        settings = _Settings.of(exposure, config)
        with _crds(settings):
            context, names = _select(exposure, header, asked, settings, state)
            paths = _bring(exposure, context, names, settings)
            answer = {"context": context, "server": settings.server}
            for kind in asked:
                pointers[kind] = _answered(exposure, kind, names[kind], paths.get(kind), state)
    for kind in types:
        pointer = pointers[kind]
        _log.info("%s: %s: %s", exposure, kind, pointer["crds_uri"])
    return write(Path(folder), pointers, answer)


def resolve_all(requests, *, config, results, state):
    """Resolve the exposures of a run one after the other; one that fails does not stop the others.

    An exposure that fails gets pointers that say so, and its first step fails with their message.

    Parameters
    ----------
    requests : mapping
        Exposure to its raw file, ``uncal``, and the ``types`` and ``overrides`` that `resolve` takes.
    config, state
        As `resolve` takes them.
    results : path-like
        Folder of the results: pointers go to ``<results>/<exposure>/references``.

    Returns
    -------
    dict
        Exposure to message, of those that failed.

    Raises
    ------
    ReferenceProblem
        The cache or the server cannot be used for any exposure.
    """
    if any(set(request["types"]) - set(request["overrides"]) for request in requests.values()):
        _Settings.of("all exposures", config)
    failed = {}
    for exposure, request in requests.items():
        folder, types = Path(results) / exposure / "references", request["types"]
        try:
            header = read_header(request["uncal"])
            resolve(exposure, header, types, config=config, overrides=request["overrides"], folder=folder, state=state)
        except (ReferenceProblem, BadExposure, files.FileProblem, OSError) as error:
            failed[exposure] = str(error).removeprefix(f"{exposure}: ")
            _log.error("%s: %s", exposure, failed[exposure])
            write(folder, {kind: without(kind, "failed") | {"problem": failed[exposure]} for kind in types}, {})
    return failed


def run(job):
    """Resolve the exposures of a run as the job of the rule ``references``.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        Its rule gives the ``requests``, the settings ``crds``, and the folder ``results``.
    """
    told = job.spec.more
    failed = resolve_all(told["requests"], config=told["crds"], results=told["results"], state=".rampflow")
    replace(Path(job.spec.outputs["answers"]), json.dumps({"failed": failed}, indent=1) + "\n")


# --- settings --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Settings:
    """What crds is to work with: environment variables of its cache, context or None, server or None."""

    cache: tuple
    context: str | None
    server: str | None
    root: str

    @classmethod
    def of(cls, exposure, config):
        if config.get("path"):
            cache = {"CRDS_PATH": os.path.abspath(os.path.expanduser(config["path"]))}
        else:
            cache = {key: value for key, value in os.environ.items() if _CACHE_VARIABLE.fullmatch(key)}
        root = cache.get("CRDS_PATH") or cache.get("CRDS_PATH_SINGLE")
        if not root:
            raise ReferenceProblem(
                f"{exposure}: no CRDS cache: set `crds: {{path: …}}` in the configuration, or CRDS_PATH in "
                "the environment, to the folder that holds (or shall hold) mappings/ and references/; a run whose "
                "`references` name every file needs none with `pars-*: N/A` among them"
            )
        context = config.get("context") or os.environ.get("CRDS_CONTEXT") or None
        server = None if config.get("offline") else config.get("server") or os.environ.get("CRDS_SERVER_URL")
        if server and ("serverless" in server or "server-less" in server):
            server = None
        if not server and not os.path.isdir(root):
            raise ReferenceProblem(
                f"{exposure}: the CRDS cache {root} does not exist and there is no server to fill it from: "
                f"correct `crds: {{path: …}}` (or CRDS_PATH), or name a server ({_PUBLIC_SERVER})"
            )
        return cls(tuple(sorted(cache.items())), context, server.rstrip("/") if server else None, root)

    @property
    def writable(self):
        """Whether the cache can be written, as far as it is there."""
        folders = (self.root, os.path.join(self.root, "references", "jwst"))
        return all(os.access(folder, os.W_OK) for folder in folders if os.path.isdir(folder))

    @property
    def pinned(self):
        """Whether the context is named itself, and not a word or a date that stands for one."""
        return bool(self.context) and self.context.endswith(".pmap")


#: Settings that the loaded crds has last worked with: what it keeps in memory belongs to them.
_in_use = None


@contextlib.contextmanager
def _own_environment():
    """Put crds's variables back afterwards: it writes its defaults into the environment, too."""
    before = {key: value for key, value in os.environ.items() if key.startswith("CRDS_")}
    try:
        yield
    finally:
        for key in [key for key in os.environ if key.startswith("CRDS_")]:
            del os.environ[key]
        os.environ.update(before)


@contextlib.contextmanager
def _crds(settings):
    """Let crds work with these settings, whatever the environment says and whatever it has done before."""
    global _in_use
    timeout = socket.getdefaulttimeout()
    with _own_environment():
        for key in [key for key in os.environ if _CACHE_VARIABLE.fullmatch(key)]:
            del os.environ[key]
        os.environ.update(settings.cache)
        os.environ.pop("CRDS_CONTEXT", None)
        if settings.context:
            os.environ["CRDS_CONTEXT"] = settings.context
        os.environ["CRDS_SERVER_URL"] = settings.server or SERVERLESS
        os.environ["CRDS_OBSERVATORY"] = "jwst"
        os.environ["CRDS_MODE"] = "auto"
        if not settings.writable:
            # crds makes folders where it only looks for files.
            os.environ["CRDS_READONLY_CACHE"] = "1"
        for kind in ("CONFIG", "MAPPING", "REFERENCE", "PICKLE"):
            os.environ.setdefault(f"CRDS_{kind}_URI", "none")
        if os.environ.get("CRDS_CLIENT_TIMEOUT_SECONDS", _CRDS_TIMEOUT) == _CRDS_TIMEOUT:
            os.environ["CRDS_CLIENT_TIMEOUT_SECONDS"] = str(_TIMEOUT)
        # Downloads have no timeout in crds.
        socket.setdefaulttimeout(_TIMEOUT)
        try:
            from crds.client import api
            from crds.core import config, utils

            _relay_messages()
            if _in_use != settings:
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


def _select(exposure, header, types, settings, state):
    """Ask CRDS's rules; returns the context and {type: name | "N/A" | None where the type is unknown}."""
    from crds.core import config, rmap
    from crds.core.exceptions import CrdsError

    context, bad_files = _context(exposure, settings, state)
    parameters = crds_parameters(header)
    instrument = str(parameters.get("META.INSTRUMENT.NAME", "")).strip()
    if not instrument:
        raise ReferenceProblem(
            f"{exposure}: the header has no INSTRUME, so CRDS cannot select; expected a JWST exposure"
        )

    def ask():
        rules = rmap.get_cached_mapping(context).get_imap(instrument)
        # crds would say "not found" for an unknown type in the words it has for a failed match.
        known = [kind for kind in types if kind in rules.selections.keys()]  # noqa: SIM118
        wanted = {key for key in rules.get_required_parkeys() if key.startswith("META.")}
        given = parameters
        if not wanted <= set(_SELECTORS.values()):
            given = {key: value for key, value in header.items() if key and _is_simple(value)} | parameters
        answers = rmap.get_best_references(context, given, include=known) if known else {}
        used = {context, rules.basename} | {
            rules.selections[kind].basename
            for kind in known
            if not rules.selections.is_special_value(rules.selections[kind])
        }
        return known, answers, used

    try:
        known, answers, mappings = _with_mappings(exposure, context, settings, ask)
    except CrdsError as error:
        raise ReferenceProblem(f"{exposure}: CRDS context {context}: {one_line(error)}") from None
    if (bad := sorted(mappings & bad_files)) and not config.ALLOW_BAD_RULES:
        raise ReferenceProblem(
            f"{exposure}: the rules {', '.join(bad)} of CRDS context {context} are marked as scientifically "
            "invalid; use a newer context, or set CRDS_ALLOW_BAD_RULES=1 to accept them"
        )

    names, failures = {}, []
    for kind in types:
        answer = answers.get(kind, "N/A")
        if kind not in known:
            names[kind] = None
        elif not answer.upper().startswith("NOT FOUND"):
            names[kind] = answer
        elif answer.upper().endswith("N/A") or kind.startswith("pars-"):
            names[kind] = "N/A"
        else:
            failures.append(f"{kind} ({one_line(answer[len('NOT FOUND') :])})")
    if unknown := [kind for kind in types if names.get(kind, "") is None]:
        _log.warning(
            "%s: CRDS context %s does not know %s; taken as not applicable",
            exposure,
            context,
            ", ".join(unknown),
        )
    if failures:
        raise ReferenceProblem(
            f"{exposure}: CRDS context {context} has no rule that matches this exposure for: "
            f"{'; '.join(failures)}. Use a newer context (`crds: {{context: …}}`), name files of your own "
            "(`references: {…}`), or skip the steps that need them"
        )
    if (bad := sorted(bad_files & set(filter(None, names.values())))) and not config.ALLOW_BAD_REFERENCES:
        raise ReferenceProblem(
            f"{exposure}: CRDS marks {', '.join(bad)} (context {context}) as scientifically invalid; use a "
            "newer context, override the reference, or set CRDS_ALLOW_BAD_REFERENCES=1 to accept it"
        )
    return context, names


def _with_mappings(exposure, context, settings, ask):
    """Call ``ask``; where mapping files are missing fetch them first, once for all jobs."""
    from crds.client import api
    from crds.core import config
    from crds.core.exceptions import MappingError

    try:
        try:
            return ask()
        except OSError as error:
            missing = error
        if settings.server is not None:
            _log.info("%s: fetching the rules of CRDS context %s", exposure, context)
            with _fetching(exposure, context, settings, Path(config.locate_mapping(context, "jwst"))):
                api.dump_mappings(context)
            try:
                return ask()
            except OSError as error:
                missing = error
    except MappingError as error:
        raise ReferenceProblem(
            f"{exposure}: CRDS context {context}: a mapping in {settings.root} is corrupt: "
            f"{one_line(error)}; delete that file; {_how_to_fill(context)}"
        ) from None
    raise ReferenceProblem(
        f"{exposure}: CRDS context {context} is not complete in the cache {settings.root}: "
        f"{missing.filename or missing} is missing; {_how_to_fill(context)}"
    )


def _context(exposure, settings, state):
    """Return the name of the context, and the files that CRDS marks as scientifically invalid."""
    from crds.core import config, heavy_client

    if settings.context and not config.is_context_spec(settings.context):
        raise ReferenceProblem(
            f"{exposure}: {settings.context!r} is not a CRDS context; expected a name such as jwst_1322.pmap"
        )
    if settings.server is None:
        bad_files = set(_cached_server_config().get("bad_files_list", ()))
        if settings.pinned:
            return settings.context, bad_files
        try:
            return heavy_client.get_context_name("jwst"), bad_files
        # crds ends the process where the cache has no record of a server.
        except (Exception, SystemExit) as error:
            raise ReferenceProblem(
                f"{exposure}: no server, and the cache {settings.root} does not record a default context "
                f"({one_line(error)}); name one: `crds: {{context: jwst_….pmap}}`"
            ) from None
    answer = _server_answer(settings, state)
    if "error" not in answer:
        return answer["context"], set(answer["bad_files"])
    trouble = f"the CRDS server {settings.server} gives no answer ({answer['error']})"
    if settings.pinned:
        _log.warning("%s: %s; going on with what the cache %s has", exposure, trouble, settings.root)
        return settings.context, set(_cached_server_config().get("bad_files_list", ()))
    raise ReferenceProblem(
        f"{exposure}: {trouble}, so the context {settings.context or 'in use'} is not known: check the "
        f"address (`crds: {{server: …}}` or CRDS_SERVER_URL, expected {_PUBLIC_SERVER}) and the network, or "
        "name a context (`crds: {context: jwst_….pmap}`), or set `offline: true` to use the last one seen"
    )


def _server_answer(settings, state):
    """Ask the server for context and bad files, or take what it told another exposure a while ago."""
    from crds.client import api
    from crds.core import heavy_client

    record = state / "crds_server.json" if state is not None else None
    question = {"server": settings.server, "wanted": settings.context, "cache": settings.root}
    with exclusive(record) if record else contextlib.nullcontext():
        known = read_json(record) if record else None
        if known and known["question"] == question:
            holds = _SILENCE_HOLDS if "error" in known["answer"] else _ANSWER_HOLDS
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


def _cached_server_config():
    """Read what the server said when the cache was last filled; empty where nothing is recorded."""
    from crds.core import config

    try:
        return dict(ast.literal_eval(Path(config.locate_config("server_config", "jwst")).read_text()))
    except (OSError, ValueError, SyntaxError, TypeError):
        return {}


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


def _bring(exposure, context, names, settings):
    """Return {type: path} of the files in the cache, fetching those that are missing."""
    from crds.client import api

    paths = {kind: Path(os.path.abspath(_locate(name))) for kind, name in names.items() if name not in (None, "N/A")}
    missing = {kind: path for kind, path in paths.items() if not path.exists()}
    if missing and settings.server is None:
        listed = "; ".join(f"{kind}: {path}" for kind, path in missing.items())
        raise ReferenceProblem(
            f"{exposure}: CRDS context {context} selects files that are not in the cache, and there is no "
            f"server to fetch them from: {listed}. {_how_to_fill(context)}"
        )
    for kind, path in missing.items():
        with _fetching(exposure, kind, settings, path):
            if not path.exists():
                _log.info("%s: fetching %s", exposure, path.name)
                api.dump_references(context, [path.name])
    return paths


@contextlib.contextmanager
def _fetching(exposure, what, settings, path):
    """Around a download to ``path``: one job at a time, nothing bad left behind, one clear error."""
    trouble = f"{exposure}: {what}: cannot fetch {path.name} from {settings.server} to {path.parent}"
    cure = (
        f"check the address (expected {_PUBLIC_SERVER}), the network, and that the cache may be written; "
        "or copy the file there"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path):
            before = path.exists()
            try:
                yield
            except BaseException:
                # crds checks a download only after giving it its final name.
                if not before:
                    path.unlink(missing_ok=True)
                raise
    except Exception as error:
        raise ReferenceProblem(f"{trouble}: {one_line(error)}; {cure}") from None
    if not path.exists():
        # crds does nothing, and says nothing, when the cache is declared read-only.
        raise ReferenceProblem(f"{trouble}: nothing came; {cure}, and that CRDS_READONLY_CACHE is not set")


def _catalogued(path):
    """Return what the server's catalogue says of a file, as the cache remembers it."""
    from crds.client import proxy

    coded = _cached_server_config().get("download_metadata")
    entry = (proxy.crds_decode(coded) if coded else {}).get(path.name)
    return entry if isinstance(entry, dict) else None


def _answered(exposure, kind, name, path, state):
    if path is None:
        return without(kind, "not applicable" if name else "unknown type")
    try:
        return pointer_to(kind, "found", path, f"crds://{name}", verified(path, state, promised=_catalogued))
    except (files.FileProblem, OSError) as error:
        raise ReferenceProblem(
            f"{exposure}: {kind}: {error}. Delete it and run again with a server to fetch it anew, or copy "
            "it from a complete cache"
        ) from None


def _overridden(exposure, kind, value, state):
    if str(value).strip().upper() == "N/A":
        return without(kind, "not applicable")
    path = Path(os.path.abspath(os.path.expanduser(value)))
    try:
        return pointer_to(kind, "override", path, str(path), verified(path, state))
    except OSError as error:
        trouble = f"{path}: {error.strerror}"
    except files.FileProblem as error:
        trouble = error
    raise ReferenceProblem(
        f"{exposure}: {kind}: override {trouble}; expected a complete FITS or ASDF file; correct "
        f'`references: {{{kind}: …}}` in the configuration ("N/A": do without)'
    ) from None


# --- small things ----------------------------------------------------------------------------------------


def _is_simple(value):
    return isinstance(value, str | int | float | bool)


def _how_to_fill(context):
    return (
        f"fill the cache where there is a network (crds sync --contexts {context} --fetch-references), or "
        f"name a server: `crds: {{server: {_PUBLIC_SERVER}, offline: false}}`"
    )
