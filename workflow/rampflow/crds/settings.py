"""What crds is to work with: the cache, the context, the server, and the environment that tells it."""

import contextlib
import os
import re
from dataclasses import dataclass

from rampflow.errors import RampflowError

#: What crds reads as "there is no server"; never contacted.
SERVERLESS = "https://crds-serverless-mode.stsci.edu"
PUBLIC_SERVER = "https://jwst-crds.stsci.edu"
#: The environment variables that say where crds's cache is.
_CACHE_VARIABLE = re.compile(r"CRDS_\w*PATH(_SINGLE)?")
_DATE = r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?)?"
_CONTEXT = re.compile(rf"jwst\w*\.pmap|(jwst-)?({_DATE}|latest)|jwst-(operational|edit|build|versions)|build")
#: What may be fetched into the cache: what is missing; mappings and parameter files; nothing, as if it were read-only.
EVERYTHING, RULES, NOTHING = "everything", "rules", "nothing"
#: Seconds without a byte after which a server counts as unreachable.
TIMEOUT = 60
#: What crds has for that, in seconds.
_CRDS_TIMEOUT = "3600"


class ReferenceProblem(RampflowError):
    """A reference file cannot be had or trusted; the message says which, what was found, and the cure."""


def wanted(config):
    """Return what is asked for: the cache's variables, context and server, each from the configuration or else CRDS_*.

    Parameters
    ----------
    config : mapping
        The block ``crds`` of the configuration.

    Returns
    -------
    dict
        ``cache``: name of the environment variable to folder; ``context`` and ``server``: text or None.
    """
    if config.get("path"):
        cache = {"CRDS_PATH": os.path.abspath(os.path.expanduser(config["path"]))}
    else:
        cache = {key: value for key, value in sorted(os.environ.items()) if _CACHE_VARIABLE.fullmatch(key)}
    context = config.get("context") or os.environ.get("CRDS_CONTEXT") or None
    server = None if config.get("offline") else config.get("server") or os.environ.get("CRDS_SERVER_URL")
    if server and ("serverless" in server or "server-less" in server):
        server = None
    return {"cache": cache, "context": context, "server": server.rstrip("/") if server else None}


@contextlib.contextmanager
def own_environment():
    """Put crds's variables back afterwards: it writes its defaults into the environment, too."""
    before = {key: value for key, value in os.environ.items() if key.startswith("CRDS_")}
    try:
        yield
    finally:
        for key in [key for key in os.environ if key.startswith("CRDS_")]:
            del os.environ[key]
        os.environ.update(before)
        _name_no_store()


def _name_no_store():
    """Say that mappings and references lie in no object store, where nothing is said.

    crds sets these variables when it is imported, and stumbles later where they are gone.
    """
    for kind in ("CONFIG", "MAPPING", "REFERENCE", "PICKLE"):
        os.environ.setdefault(f"CRDS_{kind}_URI", "none")


@dataclass(frozen=True)
class Settings:
    """What crds is to work with: environment variables of its cache, context or None, server or None."""

    cache: tuple
    context: str | None
    server: str | None
    root: str
    fetches: str = EVERYTHING  #: what may be fetched into the cache

    @classmethod
    def of(cls, who, config):
        """Read the block ``crds`` of the configuration and the environment.

        Parameters
        ----------
        who : str
            The exposure, or how many, for messages.
        config : mapping
            As `wanted` takes it.

        Raises
        ------
        ReferenceProblem
            No cache is named, or there is none and no server; the context is no JWST context.
        """
        asked = wanted(config)
        cache, context, server = asked["cache"], asked["context"], asked["server"]
        root = cache.get("CRDS_PATH") or cache.get("CRDS_PATH_SINGLE")
        if not root:
            raise ReferenceProblem(
                f"{who}: no CRDS cache: set `crds: {{path: …}}` in the configuration, or CRDS_PATH in "
                "the environment, to the folder that holds (or shall hold) mappings/ and references/; a run whose "
                "`references` name every file needs none with `pars-*: N/A` among them"
            )
        if context and not _CONTEXT.fullmatch(context):
            raise ReferenceProblem(
                f"{who}: {context!r} is not a JWST context; expected a name such as jwst_1322.pmap (`crds: {{context: "
                "…}` or CRDS_CONTEXT)"
            )
        if os.path.exists(root) and not os.path.isdir(root):
            raise ReferenceProblem(f"{who}: the CRDS cache {root} is not a folder; correct `crds: {{path: …}}`")
        if not server and not os.path.isdir(root):
            raise ReferenceProblem(
                f"{who}: the CRDS cache {root} does not exist and there is no server to fill it from: "
                f"correct `crds: {{path: …}}` (or CRDS_PATH), or name a server ({PUBLIC_SERVER})"
            )
        return cls(tuple(sorted(cache.items())), context, server, root)

    @property
    def writable(self):
        """Whether the cache can, and may, be written, as far as it is there."""
        if self.fetches == NOTHING:
            return False
        folders = (self.root, os.path.join(self.root, "references", "jwst"))
        return all(os.access(folder, os.W_OK) for folder in folders if os.path.isdir(folder))

    def may_fetch(self, kind=None):
        """Whether what is missing in the cache may be fetched: mappings, or the file of a type."""
        return self.fetches == EVERYTHING or (self.fetches == RULES and (kind is None or kind.startswith("pars-")))

    @property
    def pinned(self):
        """Whether the context is named itself, and not a word or a date that stands for one."""
        return bool(self.context) and self.context.endswith(".pmap")

    def enter_environment(self):
        """Set crds's variables of this process to these settings."""
        for key in [key for key in os.environ if _CACHE_VARIABLE.fullmatch(key)]:
            del os.environ[key]
        os.environ.update(self.cache)
        os.environ.pop("CRDS_CONTEXT", None)
        if self.context:
            os.environ["CRDS_CONTEXT"] = self.context
        os.environ["CRDS_SERVER_URL"] = self.server or SERVERLESS
        os.environ["CRDS_OBSERVATORY"] = "jwst"
        os.environ["CRDS_MODE"] = "auto"
        if not self.writable:
            # crds makes folders where it only looks for files.
            os.environ["CRDS_READONLY_CACHE"] = "1"
        _name_no_store()
        if os.environ.get("CRDS_CLIENT_TIMEOUT_SECONDS", _CRDS_TIMEOUT) == _CRDS_TIMEOUT:
            os.environ["CRDS_CLIENT_TIMEOUT_SECONDS"] = str(TIMEOUT)
