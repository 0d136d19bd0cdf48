"""Where the masks of NIRSpec's science regions come from: products of jwst that the user has, or a rule that has jwst.

A mask is made once for an exposure, under a name that says what it follows from: with another python, context or raw
file it is another one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rampflow.jobs.provenance import digest, sha256_of
from rampflow.places import HOME
from rampflow.planning.exposures import Exposure
from rampflow.settings.parameters import Settings
from rampflow.settings.release import jwst_version

#: What runs in the environment that has jwst.
SCRIPT = HOME / "envs" / "jwst_mask.py"
_ROOT = "{exposure}"


class Masks:
    """The masks of a run.

    Parameters
    ----------
    config : mapping
        The configuration with every key.
    results : str
        Folder of the results.
    answered : callable
        Takes an exposure and returns what CRDS was asked and has answered (`Answers.summary`).

    Attributes
    ----------
    python : str or None
        The interpreter that has jwst.
    """

    def __init__(self, config: Mapping[str, Any], results: str, answered: Callable[[str], dict[str, Any]]) -> None:
        self._release, self._results, self._answered = config["release"], results, answered
        files = config["masks"]["files"]
        self._files: list[str] = [files] if isinstance(files, str) else files or []
        self.python: str | None = config["masks"]["python"]

    @property
    def environment(self) -> str | None:
        """File of the conda environment that the rule names; None where the python is that of another one."""
        if self.python is None or os.path.dirname(self.python):
            return None
        return str(HOME / "envs" / f"jwst-{self._release}.yaml")

    def file(self, exposure: Exposure, settings: Settings) -> str | None:
        """Return the file that says where the science regions are, made or still to be made.

        Parameters
        ----------
        exposure : `~rampflow.planning.exposures.Exposure`
            Of any instrument.
        settings : dict
            Parameters of the step that leaves them out.

        Returns
        -------
        str or None
            None where the step needs none, or the configuration has none.
        """
        values = {name: settings.get(name, {}).get("value") for name in ("mask_science_regions", "user_mask")}
        if exposure.instrument != "NIRSPEC" or not values["mask_science_regions"] or values["user_mask"]:
            return None
        for template in self._files:
            path = template.replace(_ROOT, exposure.root)
            if os.path.isfile(path):
                return path
        if self.python is None or exposure.placeholder:
            return None
        return f"{self._results}/{exposure.root}/masks/{digest(self._made_of(exposure))[:12]}.fits"

    def request(self, exposure: Exposure, copy: str | None = None) -> str:
        """Return what the script is asked, as JSON; ``copy`` is that of a raw file which lies in a store."""
        rows, columns = exposure.shape[-2:]
        return json.dumps(
            {
                "exposure": exposure.root,
                "raw": os.path.abspath(copy or exposure.path),
                "frame": [2048 if exposure.irs2 else rows, columns],
                "expected": jwst_version(self._release),
                "crds": self._crds(exposure),
            }
        )

    def _crds(self, exposure: Exposure) -> dict[str, str]:
        """Return the variables by which jwst finds what CRDS answered the exposure with."""
        said = self._answered(exposure.root)
        asked = said.get("asked", {}).get("crds", {})
        server = asked.get("server") or "https://crds-serverless-mode.stsci.edu"
        return dict(asked.get("cache") or {}) | {"CRDS_CONTEXT": said.get("context", ""), "CRDS_SERVER_URL": server}

    def _made_of(self, exposure: Exposure) -> dict[str, Any]:
        """Return what a mask follows from."""
        name = str(exposure.header.get("MSAMETFL") or "").strip()
        path = Path(exposure.path).resolve().parent / name
        return {
            "python": self.python,
            "release": self._release,
            "context": self._crds(exposure)["CRDS_CONTEXT"],
            "header": exposure.digest,
            "msa": sha256_of(path) if name and path.is_file() else None,
            "script": sha256_of(SCRIPT),
        }


def problems(config: Mapping[str, Any], directory: Path) -> Iterator[str]:
    """Find what cannot be of the block ``masks``: a line for each."""
    python, files = config["masks"]["python"], config["masks"]["files"]
    if python and os.path.dirname(python) and not os.access(directory / python, os.X_OK):
        yield f"config: masks: python: nothing to run at {python!r}; name the python of an environment that has jwst"
    for template in [files] if isinstance(files, str) else files or []:
        if {"{", "}"} & set(template.replace(_ROOT, "")):
            yield f"config: masks: files: {template!r}: of what is in braces only {_ROOT} has a meaning"
