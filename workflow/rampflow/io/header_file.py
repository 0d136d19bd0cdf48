"""What is kept of the headers of raw exposures, in the run's folder: one file, which start and jobs of a run read.

Imports the standard library alone, because it is read at every start of the workflow.
"""

import contextlib
import json
from pathlib import Path

from rampflow.io.raw_headers import Raw
from rampflow.io.shared_files import replace

#: The file, in the run's own folder.
NAME = "headers.json"
_FORMAT = 5


def load(path):
    """Return what is kept: path or address of a raw file to what is known of it; of a damaged file what is sound."""
    try:
        content = json.loads(Path(path).read_bytes())
        files = content["files"] if content["format"] == _FORMAT else {}
        return {name: facts for name, facts in files.items() if _is_sound(facts)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def save(path, files):
    """Keep what is known of raw files, in place of what was kept."""
    # What cannot be written (a read-only folder) costs time and nothing else.
    with contextlib.suppress(OSError):
        replace(Path(path), json.dumps({"format": _FORMAT, "files": files}))


def primary_header(facts):
    """Return the primary header, keyword to value, of what is known of a raw file."""
    return Raw(*facts["raw"]).header


def _is_sound(facts):
    """Whether the file holds what was put there."""
    known = isinstance(facts, dict) and {"size", "mtime_ns"} < facts.keys()
    raw = facts.get("raw") if known else None
    return known and ("problem" in facts or (isinstance(raw, list) and len(raw) == len(Raw._fields)))
