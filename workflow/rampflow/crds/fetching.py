"""Downloads into the CRDS cache: one job at a time, nothing bad left behind; and how to say what the cache lacks."""

import contextlib

from rampflow.crds.settings import PUBLIC_SERVER, ReferenceProblem
from rampflow.crds.verify import one_line
from rampflow.io.shared_files import exclusive


@contextlib.contextmanager
def fetching(exposure, what, settings, path):
    """Around a download to ``path``: one job at a time, nothing bad left behind, one clear error."""
    trouble = f"{exposure}: {what}: cannot fetch {path.name} from {settings.server} to {path.parent}"
    cure = (
        f"check the address (expected {PUBLIC_SERVER}), the network, and that the cache may be written; "
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


def no_server(exposure, context, missing):
    """Return the problem that files are missing, type to path, and cannot be fetched."""
    listed = "; ".join(f"{kind}: {path}" for kind, path in missing.items())
    return ReferenceProblem(
        f"{exposure}: CRDS context {context} selects files that are not in the cache, and there is no "
        f"server to fetch them from: {listed}. {how_to_fill(context)}"
    )


def how_to_fill(context):
    """Say how mappings and files get into the cache."""
    return (
        f"fill the cache where there is a network (crds sync --contexts {context} --fetch-references), or "
        f"name a server: `crds: {{server: {PUBLIC_SERVER}, offline: false}}`"
    )


def corrupt_mapping(who, context, settings, told):
    """Return the problem that crds refuses a mapping of the cache."""
    return ReferenceProblem(
        f"{who}: CRDS context {context}: a mapping in {settings.root} is corrupt: "
        f"{told}; delete that file; {how_to_fill(context)}"
    )


def unusable_mappings(who, context, settings, told):
    """Return the problem that crds stumbles over the mappings of the cache, and does not say over which."""
    return ReferenceProblem(
        f"{who}: CRDS context {context}: its mappings in {settings.root} cannot be used: "
        f"{told}; one of them is corrupt: fetch them anew; {how_to_fill(context)}"
    )


def incomplete_context(who, context, settings, missing):
    """Return the problem that a mapping of the cache is missing, or cannot be read: ``missing`` is the `OSError`."""
    why = "is missing" if isinstance(missing, FileNotFoundError) else f"cannot be read ({missing.strerror or missing})"
    return ReferenceProblem(
        f"{who}: CRDS context {context} is not complete in the cache {settings.root}: "
        f"{missing.filename or missing} {why}; {how_to_fill(context)}"
    )
