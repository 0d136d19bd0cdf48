"""The reference files of a step: opened by their type, checked, cut to the exposure, named in the product's header."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rampflow.crds.pointers import check, load_pointer
from rampflow.errors import FileProblem
from rampflow.io import trees
from rampflow.io.keywords import REFERENCE_KEYWORDS
from rampflow.io.references import Reference
from rampflow.steps import NotApplicable, no_reference

if TYPE_CHECKING:
    from rampflow.detector.subarray import Window
    from rampflow.jobs.products import Stamp
    from rampflow.jobs.spec import JobSpec

log = logging.getLogger("rampflow")


class References:
    """What CRDS, or the user, has for a step of an exposure.

    Parameters
    ----------
    spec : `~rampflow.jobs.spec.JobSpec`
        The job.

    Attributes
    ----------
    pointers : dict
        CRDS type to its pointer, as `~rampflow.crds.pointers.load_pointer` reads it.
    crds : dict or None
        Context and version of crds that chose them, once one is used.
    used : list of str
        Types and files that have been opened.
    """

    def __init__(self, spec: JobSpec) -> None:
        self.pointers = {
            kind: given if isinstance(given, dict) else load_pointer(given) for kind, given in spec.references.items()
        }
        self._asked, self._named = spec.asked, spec.named
        self._window: Window | None = None
        self._stamp: Any = None
        self._open: list[Reference] = []
        self.crds: dict[str, str] | None = None
        self.used: list[str] = []

    def attach(self, window: Window, stamp: Stamp) -> None:
        """Say where the exposure is on the detector, and whose header names what is used.

        Those of steps that did not even run are the first that it names.
        """
        self._window, self._stamp = window, stamp
        for kind, name in self._named.items():
            self._note(kind, name)

    def open(self, kind: str, *, cut: bool = True) -> Reference:
        """Open a reference file, cut to the exposure.

        Parameters
        ----------
        kind : str
            CRDS type.
        cut : bool
            False for references that CRDS selects by subarray and that are taken as they are.

        Returns
        -------
        `~rampflow.io.references.Reference`

        Raises
        ------
        NotApplicable
            CRDS has none for this exposure.
        """
        return _there(kind, self.optional(kind, cut=cut))

    def open_all(self, *kinds: str, uncut: Collection[str] = ()) -> list[Any]:
        """Open reference files as `open` does, those of ``uncut`` as they are; the header names all of them."""
        found = [self.optional(kind, cut=kind not in uncut) for kind in kinds]
        _there(", ".join(kind for kind, each in zip(kinds, found, strict=True) if each is None), all(found) or None)
        return found

    def optional(self, kind: str, *, cut: bool = True, any_size: bool = False) -> Reference | None:
        """Open a reference file as `open` does, or None where CRDS has none; uncut ones may be of ``any_size``."""
        path = self.path(kind)
        if path is None:
            return None
        frame = (self._window.ny, self._window.nx) if self._window and not any_size else None
        self._open.append(Reference(path, self._window if cut else None, frame))
        return self._open[-1]

    def tree(self, kind: str) -> dict[str, Any]:
        """Read a reference that is an ASDF file, as dictionaries, lists and arrays; raises as `open` does."""
        return _there(kind, self.optional_tree(kind))

    def optional_tree(self, kind: str) -> dict[str, Any] | None:
        """Read a reference that is an ASDF file, or None where CRDS has none."""
        path = self.path(kind)
        return None if path is None else trees.read_tree(path)

    def path(self, kind: str) -> str | None:
        """Note a reference in the header, check the file, and return its path; None where CRDS has none."""
        pointer = self.pointers.get(kind)
        if pointer is None:
            raise FileProblem(f"no {kind} reference was asked for; this is a fault of the workflow's tables")
        self._note(kind, pointer["crds_uri"])
        if pointer["file"] is None:
            return None
        check(pointer)
        log.info("%s: %s", kind, pointer["file"])
        self.used.append(f"{kind} {pointer['file']}")
        return pointer["file"]

    def _note(self, kind: str, uri: str) -> None:
        if kind in REFERENCE_KEYWORDS:
            self._stamp.set(REFERENCE_KEYWORDS[kind], uri, f"{kind} reference file name")
        asked = self._asked
        if isinstance(asked, str):
            asked = json.loads(Path(asked).read_text()) if Path(asked).exists() else None
        if asked:
            self.crds = {"context": asked["context"], "version": asked["crds_version"]}
            self._stamp.set("CRDS_VER", self.crds["version"], "Version of CRDS file selection software")
            self._stamp.set("CRDS_CTX", self.crds["context"], "CRDS context (.pmap) used to select ref files")

    def made_of(self) -> dict[str, Any]:
        """Return the references by their checksums, and the context that chose them, for the record."""
        kept = ("name", "file", "crds_uri", "sha256")
        references = {kind: {key: pointer[key] for key in kept} for kind, pointer in self.pointers.items()}
        return {"references": references, "crds": self.crds}

    def close(self) -> None:
        """Close what is open."""
        for reference in self._open:
            with contextlib.suppress(OSError):
                reference.close()
        self._open = []


def _there(kind: str, reference: Any) -> Any:
    if reference is None:
        raise NotApplicable(no_reference(kind))
    return reference
