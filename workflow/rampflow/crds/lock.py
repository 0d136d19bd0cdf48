"""``references.lock``: every file and every mapping that a run used, and runs that are held to it.

A name does not say what is in a file: mappings were once corrected under their old names, and caches that were filled
before that are silently other. So a lock has checksums of both.
"""

import hashlib
import json
from collections import defaultdict
from pathlib import Path

from rampflow.crds.settings import ReferenceProblem
from rampflow.io.shared_files import read_json, replace

NAME = "references.lock"
_FORM = 1
_N_A = {"name": "N/A", "sha256": None}


def write(results, exposures):
    """Write the lock of the exposures of a run, from what is kept beside their pointers.

    Parameters
    ----------
    results : `~pathlib.Path`
        Folder of the results.
    exposures : iterable of str
        The exposures; of one that has failed it is what was answered before.
    """
    files, mappings, found = {}, {}, {}
    for exposure in sorted(exposures):
        known = read_json(results / exposure / "references" / "asked.json")
        if not isinstance(known, dict) or "files" not in known:
            continue
        uris = {kind: entry["uri"] for kind, entry in known["files"].items()}
        files |= {entry["uri"]: {key: entry[key] for key in ("sha256", "size")} for entry in known["files"].values()}
        mappings |= {name: mapping["sha1"] for name, mapping in known["mappings"].items()}
        references = {kind: uris.get(kind, name) for kind, name in known["references"].items()}
        found[exposure] = {
            "context": known["context"],
            "references": references,
            "mappings": sorted(known["mappings"]),
        }
    if found:
        content = {"references.lock": _FORM, "files": files, "mappings": mappings, "exposures": found}
        replace(results / NAME, json.dumps(content, indent=1, sort_keys=True) + "\n")


def named(path):
    """Return what a job is to know of a lock that the configuration names: its place, and what is in it.

    Parameters
    ----------
    path : str or None
        The key ``lock`` of the configuration.

    Returns
    -------
    dict or None
        ``path`` and ``sha256``, None where there is no such file: a lock that has changed is another one.
    """
    if not path:
        return None
    place = Path(path).expanduser()
    return {"path": str(place), "sha256": hashlib.sha256(place.read_bytes()).hexdigest() if place.is_file() else None}


class Lock:
    """A lock that a run is held to.

    Parameters
    ----------
    path : path-like
        The file, as `write` has made it; ``~`` is the home folder.

    Raises
    ------
    ReferenceProblem
        It cannot be read, or is no lock.
    """

    def __init__(self, path):
        self.path = Path(path).expanduser()
        expected = f"expected the {NAME} of a run; correct the key lock of the configuration"
        try:
            content = json.loads(self.path.read_text())
            if content["references.lock"] != _FORM:
                raise ValueError(f"its form is {content['references.lock']!r}, known is {_FORM}")
            self.mappings, files = dict(content["mappings"]), dict(content["files"])
            self._exposures = {
                exposure: (
                    entry["context"],
                    {kind: self._entry(uri, files) for kind, uri in entry["references"].items()},
                    {name: self.mappings[name] for name in entry["mappings"]},
                )
                for exposure, entry in content["exposures"].items()
            }
        except OSError as error:
            raise ReferenceProblem(f"lock: {self.path}: {error.strerror}; {expected}") from None
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ReferenceProblem(f"lock: {self.path} is not a lock ({what}); {expected}") from None

    @staticmethod
    def _entry(uri, files):
        return _N_A if uri == "N/A" else {"name": uri.rpartition("/")[2], "sha256": files[uri]["sha256"]}

    def context(self, exposure):
        """Name the context that an exposure is locked to; None where it does not say."""
        context = self._exposures[exposure][0] if exposure in self._exposures else "N/A"
        return None if context == "N/A" else context

    def differences(self, exposure, summary):
        """Compare what was found for an exposure with what the lock has.

        Parameters
        ----------
        exposure : str
            The exposure.
        summary : dict
            Of `rampflow.crds.pointers.summary`.

        Returns
        -------
        list of str
            What differs: type or mapping, wanted, found.
        """
        if exposure not in self._exposures:
            return ["it has no such exposure"]
        context, references, mappings = self._exposures[exposure]
        lines = []
        if summary["context"] != context:
            lines.append(f"context: wanted {context}, found {summary['context']}")
        for kind in sorted(references.keys() | summary["references"].keys()):
            name = summary["references"].get(kind)
            found = None if name is None else summary["files"].get(kind, _N_A)
            lines += _difference(kind, references.get(kind), found)
        found = {name: mapping["sha1"] for name, mapping in summary["mappings"].items()}
        for name in sorted(mappings.keys() | found.keys()):
            if mappings.get(name) != found.get(name):
                lines.append(f"mapping {name}: wanted {_sum(mappings.get(name))}, found {_sum(found.get(name))}")
        return lines

    def check(self, exposure, summary):
        """Raise `ReferenceProblem` where `differences` are found."""
        if lines := self.differences(exposure, summary):
            raise ReferenceProblem(
                f"{exposure}: not what the lock {self.path} has: {'; '.join(lines)}; restore what the lock names, or "
                "run without it (lock: null)"
            )


def _difference(kind, wanted, found):
    if wanted is None or found is None:
        told = (_told(wanted), _told(found))
    elif wanted["sha256"] == found["sha256"]:
        return
    elif wanted["name"] == found["name"]:
        told = f"{wanted['name']} with sha256 {wanted['sha256']}", f"sha256 {found['sha256']}"
    else:
        told = (wanted["name"], found["name"])
    yield f"{kind}: wanted {told[0]}, found {told[1]}"


def _told(entry):
    return "nothing" if entry is None else entry["name"]


def _sum(sha1):
    return f"sha1 {sha1}" if sha1 else "none"


def changed(before, now):
    """Return the mappings that have changed under their names between two summaries: name to both sums."""
    found = {}
    for name, mapping in now["mappings"].items():
        old = ((before or {}).get("mappings") or {}).get(name)
        if old and old["sha1"] != mapping["sha1"]:
            found[name] = old["sha1"], mapping["sha1"]
    return found


def notices(changes):
    """Say once which mappings have changed under their names.

    Parameters
    ----------
    changes : mapping
        Exposure to what `changed` has found.

    Returns
    -------
    list of str
        One line for each mapping.
    """
    exposures = defaultdict(list)
    for exposure, mappings in changes.items():
        for name, sums in mappings.items():
            exposures[name, *sums].append(exposure)
    return [
        f"the mapping {name} has changed under its name since CRDS was last asked for {len(names)} "
        f"exposure{'s' * (len(names) != 1)}: sha1 {now}, was {before}"
        for (name, before, now), names in sorted(exposures.items())
    ]
