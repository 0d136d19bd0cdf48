"""What runs have left among their results: records, runs, pointers, parameters; read with suspicion.

JSON may be truncated, edited, of another programme, or no file at all. What does not have the form that is expected
is left out, with one line that says so; whoever reads a `Results` need not ask again whether a key is there.
"""

import glob
import json
import math
import os
import re
import stat
from collections import defaultdict
from pathlib import Path

from rampflow.settings.branches import VARIANTS, exposure_of, of_folder

#: Largest size (bytes) of the file of a run, which has every exposure, and of any other.
_LARGEST_RUN, _LARGEST = 1 << 28, 1 << 24
_ASK_AGAIN = "snakemake --forcerun references"
#: Characters that no path and no page can have: NUL, and halves of surrogate pairs.
_ODD = re.compile("[\0\ud800-\udfff]")


class _Form:
    """A form that a value can have: what it has to be, in words, and the test for it."""

    def __init__(self, words, test):
        self.words, self.test = words, test


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e15


def _is_name(value):
    return isinstance(value, str) and 0 < len(value) < 200 and "/" not in value and value not in (".", "..")


TEXT = _Form("text", lambda value: isinstance(value, str))
#: Text that is one part of a path.
NAME = _Form("the name of a file", _is_name)
NUMBER = _Form("a number", _is_number)
COUNT = _Form("a whole number from 0", lambda value: isinstance(value, int) and _is_number(value) and value >= 0)
ANY = _Form("anything", lambda _: True)
NONE = _Form("null", lambda value: value is None)
MAPPING = _Form("a mapping", lambda value: isinstance(value, dict))


class Maybe:
    """A key that may be absent."""

    def __init__(self, form):
        self.form = form


class Each:
    """A mapping whose keys and values have one form each."""

    def __init__(self, key, value):
        self.key, self.value = key, value


class Every:
    """A list whose items have one form."""

    def __init__(self, item):
        self.item = item


_FLAGS = Each(TEXT, COUNT)
_MEASURED = (NUMBER, NONE)
#: What a job may count; `rampflow.inspection.counts` says what is made of it.
COUNTS = {
    "groups": Maybe(
        {
            "of": COUNT,
            "total": Maybe(_FLAGS),
            "set": Maybe(_FLAGS),
            "cleared": Maybe(_FLAGS),
            "set_by_integration": Maybe(Each(TEXT, Every(COUNT))),
        }
    ),
    "pixels": Maybe({"of": COUNT, "total": _FLAGS, "set": Maybe(_FLAGS), "cleared": Maybe(_FLAGS)}),
    "rateints": Maybe({"of": COUNT, "total": _FLAGS}),
    "events": Maybe(_FLAGS),
    "factor": Maybe(NUMBER),
    "change": Maybe({"samples": COUNT, "mean": _MEASURED, "median": _MEASURED, "scatter": _MEASURED}),
    "line_noise": Maybe(
        {
            "amplifiers": Each(TEXT, {"before": _MEASURED, "after": _MEASURED}),
            "spectrum": {"lines": COUNT, "before": Every(NUMBER), "after": Every(NUMBER)},
        }
    ),
    "waves": Maybe(Every({"name": TEXT, "frequency": NUMBER, "amplitude": NUMBER})),
}
RECORD = {
    "step": NAME,
    "recipe": TEXT,
    "code": (TEXT, NONE),
    "skipped": Maybe((Each(TEXT, TEXT), Every(TEXT))),
    "versions": Each(TEXT, (TEXT, NONE)),
    "parameters": Maybe(MAPPING),
    "references": Maybe(
        Each(NAME, {"name": TEXT, "file": (TEXT, NONE), "crds_uri": Maybe(TEXT), "sha256": (TEXT, NONE)})
    ),
    "crds": Maybe(({"context": TEXT}, NONE)),
    "inputs": Each(
        TEXT, {"file": TEXT, "size": COUNT, "mtime_ns": ANY, "sha256": (TEXT, NONE), "recipe": (TEXT, NONE)}
    ),
    "outputs": Each(TEXT, {"size": COUNT, "sha256": (TEXT, NONE)}),
    "status": TEXT,
    "reason": (TEXT, NONE),
    "wall_s": NUMBER,
    "cpu_s": NUMBER,
    "peak_memory_mb": NUMBER,
    "started": Maybe(TEXT),
    "counts": Maybe((COUNTS, NONE)),
}
BRANCH = {"chain": Every(NAME), "own": Every(NAME), "idle": Each(TEXT, TEXT)}
_FACTS = {
    "path": TEXT,
    "instrument": TEXT,
    "detector": TEXT,
    "exp_type": (TEXT, NONE),
    "subarray": (TEXT, NONE),
    "readpatt": (TEXT, NONE),
    "tso": ANY,
    "nints": COUNT,
    "ngroups": COUNT,
    "optics": Every(TEXT),
    "shape": Every(COUNT),
    "chain": Every(NAME),
    "decided": Maybe(Each(TEXT, TEXT)),
    "off": Each(TEXT, TEXT),
    "idle": Maybe(Each(TEXT, TEXT)),
    "variants": Maybe(Each(NAME, BRANCH)),
}
RUN = {
    "started": TEXT,
    "ended": Maybe((TEXT, NONE)),
    "outcome": (TEXT, NONE),
    "folder": TEXT,
    "command": TEXT,
    "config": {
        "release": TEXT,
        "keep": (TEXT, Every(TEXT)),
        "crds": {"path": (TEXT, NONE), "context": (TEXT, NONE)},
        "steps": MAPPING,
        "references": MAPPING,
        "save_calibrated_ramp": ANY,
    },
    "versions": Each(TEXT, (TEXT, NONE)),
    "host": TEXT,
    "platform": TEXT,
    "notices": Maybe(Every(TEXT)),
    "code": Maybe(Each(TEXT, Every(TEXT))),
    "files": Maybe(Each(TEXT, TEXT)),
    "exposures": Each(NAME, _FACTS),
    "without_references": Maybe(Each(NAME, TEXT)),
    "unusable": Maybe(Each(NAME, TEXT)),
}
POINTER = {"type": TEXT, "status": TEXT, "file": (TEXT, NONE), "name": TEXT, "sha256": (TEXT, NONE)}
ASKED = {"references": MAPPING, "context": Maybe(TEXT)}
PARAMETERS = Each(TEXT, {"value": ANY, "source": TEXT})


def read(path, form, largest=_LARGEST):
    """Read JSON of a form.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    form : dict, tuple or one of this module's forms
        A dict lists the keys that are needed, others may be there; a tuple lists what is possible.
    largest : int
        Size (bytes) beyond which the file is not read.

    Returns
    -------
    content : object
        None where there is a problem.
    problem : str or None
        What is wrong with it, without the path.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None, "a folder, or no file at all, where a file of JSON is expected"
        if status.st_size > largest:
            return None, f"{status.st_size / 1e6:.0f} MB, where at most {largest / 1e6:.0f} MB are expected"
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        # Only escapes can bring such characters in.
        if "\\u" in text and _ODD.search(json.dumps(content, ensure_ascii=False).replace("\\u0000", "\0")):
            return None, "it has characters that no text can have"
    except OSError as error:
        return None, f"it cannot be read ({error.strerror})"
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({'nested too deep' if isinstance(error, RecursionError) else error})"
    problem = unlike(content, form)
    return (content, None) if problem is None else (None, problem)


def unlike(value, form, where=""):
    """Say where a value does not have a form; None where it has."""
    place = where or "all of it"
    if isinstance(form, _Form):
        return None if form.test(value) else f"{place}: {_shown(value)}, expected {form.words}"
    if isinstance(form, tuple):
        problems = [unlike(value, one, where) for one in form]
        return None if None in problems else problems[0]
    if isinstance(form, Every):
        if not isinstance(value, list):
            return f"{place}: {_shown(value)}, expected a list"
        return _first(unlike(item, form.item, f"{where}[{number}]") for number, item in enumerate(value))
    if not isinstance(value, dict):
        return f"{place}: {_shown(value)}, expected a mapping"
    if isinstance(form, Each):
        pairs = ((key, item, f"{where}.{key}".lstrip(".")[:200]) for key, item in value.items())
        return _first(unlike(key, form.key, name) or unlike(item, form.value, name) for key, item, name in pairs)
    return _first(_of_key(value, key, part, f"{where}.{key}".lstrip(".")) for key, part in form.items())


def _of_key(value, key, form, where):
    if isinstance(form, Maybe):
        return unlike(value[key], form.form, where) if key in value else None
    return unlike(value[key], form, where) if key in value else f"{where} is missing"


def _first(problems):
    return next((problem for problem in problems if problem is not None), None)


def _shown(value):
    text = repr(value) if isinstance(value, str | int | float | bool) or value is None else f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:40] + "…"


class Results:
    """The results of runs: records of jobs and of the runs themselves.

    Parameters
    ----------
    folder : path-like
        The key ``results`` of the configuration.
    exposures : iterable of str, optional
        Names of those whose records are read; all by default.

    Attributes
    ----------
    only : set of str or None
        The exposures that are looked at; None for all.
    records : dict
        Exposure to {job: record}; those of a variant by the name of its branch (`rampflow.settings.branches`).
    runs : list of dict
        What each run kept of itself, the latest last.
    damaged : dict
        Path of a file that cannot be used to a line that says why, as far as files have been read.
    """

    def __init__(self, folder, exposures=None):
        self.folder, self.only = Path(folder), None if exposures is None else frozenset(exposures)
        self.records, self.damaged, self._kept = defaultdict(dict), {}, {}
        places = ["*"] if self.only is None else map(glob.escape, sorted(self.only))
        patterns = [f"{place}/{kind}" for place in places for kind in ("record/*.json", f"{VARIANTS}/*/record/*.json")]
        for path in (path for pattern in patterns for path in self._found(pattern)):
            record = self._read(path, RECORD, f"snakemake --forcerun {path.stem} makes it anew")
            if record is not None:
                self.records[of_folder(path.parents[1])][path.stem] = record
        runs = (self._read(path, RUN, "delete it", _LARGEST_RUN) for path in self._found("runs/*.json"))
        self.runs = [run for run in runs if run is not None]

    def _found(self, pattern):
        """Return the paths that fit, those of hidden files apart; none where a folder cannot be listed."""
        try:
            return sorted(path for path in self.folder.glob(pattern) if not path.name.startswith("."))
        except OSError as error:
            self.damaged[self.folder] = f"{self.folder}: it cannot be listed ({error.strerror})"
            return []

    def _read(self, path, form, cure, largest=_LARGEST):
        content, problem = read(path, form, largest)
        if problem is not None:
            kind = "a record of a job" if form is RECORD else "what a run leaves" if form is RUN else "what a job reads"
            # A key may hold anything, line ends included.
            line = f"{path}: not {kind}: {problem}; {cure}"
            self.damaged[path] = " ".join(line.split())
        return content

    def _beside(self, exposure, name, form, cure):
        """Read a small file of an exposure, once; None where there is none or it is damaged."""
        path = self.folder / exposure / name
        if path not in self._kept:
            self._kept[path] = self._read(path, form, cure) if os.path.lexists(path) else None
        return self._kept[path]

    def pointer(self, exposure, kind):
        """Return what CRDS has answered for a type; None where there is nothing to read."""
        return self._beside(exposure_of(exposure), f"references/{kind}.json", POINTER, _ASK_AGAIN)

    def asked(self, exposure):
        """Return what CRDS was asked for an exposure; None where there is nothing to read."""
        return self._beside(exposure_of(exposure), "references/asked.json", ASKED, _ASK_AGAIN)

    def parameters(self, exposure, step):
        """Return {name: {"value", "source"}} of a step; None where there is nothing to read."""
        return self._beside(exposure, f"parameters/{step}.json", PARAMETERS, f"snakemake --forcerun {step}")

    def look_at_all(self):
        """Read every small file of every exposure, for what is damaged among them."""
        for kind, get in (("references", self.pointer), ("parameters", self.parameters)):
            for path in [*self._found(f"*/{kind}/*.json"), *self._found(f"*/{VARIANTS}/*/{kind}/*.json")]:
                if path.name != "asked.json":
                    get(of_folder(path.parents[1]), path.stem)
                else:
                    self.asked(of_folder(path.parents[1]))

    def keeps(self, step):
        """Whether the latest run keeps the products of a step."""
        keep = self.runs[-1]["config"]["keep"] if self.runs else "all"
        return step in ("rate", "ramp") or keep == "all" or (keep != "none" and step in keep)

    def run_of(self, exposure):
        """Return the latest run that had an exposure, a variant's too; None where no run is known."""
        root = exposure_of(exposure)
        return next((run for run in reversed(self.runs) if root in run["exposures"]), None)

    def unusable(self, exposure):
        """Return why the latest run that was asked for an exposure could not use it; None where it could."""
        for run in reversed(self.runs):
            if exposure in run["exposures"] or exposure in run.get("unusable", {}):
                return run.get("unusable", {}).get(exposure)
        return None

    def path(self, exposure, name):
        """Return the path of a file that a record names from the exposure's folder."""
        return Path(os.path.normpath(self.folder / exposure / name))
