"""Auxiliary products: files that a parameter asks for beside the product of a step."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rampflow.io import layout, trees
from rampflow.io.keywords import set_keyword

if TYPE_CHECKING:
    from rampflow.io import files

log = logging.getLogger("rampflow")


class Auxiliary:
    """The auxiliary products of a step: they get their names with its product, and vanish where the step does not run.

    Parameters
    ----------
    folder : path-like
        Where they go.

    Attributes
    ----------
    paths : list of `~pathlib.Path`
        Those that have their names.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._begun: list[Any] = []
        self._scratch: list[layout.NewProduct] = []
        self.paths: list[Path] = []

    def begin(
        self, name: str, plans: Sequence[layout.Extension], *, header: Any, model: str | None = None, **keywords: Any
    ) -> layout.NewProduct:
        """Begin a FITS file.

        Parameters
        ----------
        name : str
            Its name; a path goes elsewhere than beside the product.
        plans : list of `~rampflow.io.layout.Extension`
            Its extensions.
        header : `~astropy.io.fits.Header`
            Its primary header, but for FILENAME and the keywords.
        model : str, optional
            Name of its data model.
        **keywords
            Keywords to set.

        Returns
        -------
        `~rampflow.io.layout.NewProduct`
            To be filled; `commit` gives it its name.
        """
        return self._new(self._begun, name, plans, header, model, keywords)

    def scratch(self, name: str, plan: layout.Extension, *, header: Any) -> files.Array:
        """Begin a FITS file with one array that does not stay; return the array."""
        return self._new(self._scratch, name, [plan], header, None, {})[plan.name]

    def _new(
        self,
        kept: list[Any],
        name: str,
        plans: Sequence[layout.Extension],
        header: Any,
        model: str | None,
        keywords: Mapping[str, Any],
    ) -> layout.NewProduct:
        path = self._folder / name
        header = header.copy()
        if model is not None:
            header["DATAMODL"] = (model, "Type of data model")
        for key, value in keywords.items():
            set_keyword(header, key, value)
        set_keyword(header, "FILENAME", path.name, "Name of the file" if model else "")
        kept.append(layout.NewProduct(path, header, plans))
        return kept[-1]

    def add_tree(self, name: str, tree: dict[str, Any]) -> trees.NewTree:
        """Write an ASDF file; it gets its name when the others do."""
        self._begun.append(trees.NewTree(self._folder / name, tree))
        return self._begun[-1]

    def leave_out(self, product: layout.NewProduct | trees.NewTree) -> None:
        """Remove one that was begun after all."""
        self._begun.remove(product)
        product.discard()

    def commit(self) -> None:
        """Give the files their names."""
        for product in self._begun:
            product.commit()
            self.paths.append(product.path)
            log.info("auxiliary product: %s", product.path)
        self._begun = []
        self._discard(self._scratch)

    def discard(self) -> None:
        """Remove what has no name yet."""
        self._discard(self._begun)
        self._discard(self._scratch)

    @staticmethod
    def _discard(products: list[Any]) -> None:
        for product in products:
            with contextlib.suppress(OSError):
                product.discard()
        products.clear()
