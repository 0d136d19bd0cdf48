"""How the frames of a step's product follow from those of its source: the same, without some rows, or put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.detector.multistripe import NAMES
from rampflow.detector.superstripes import WholeFrames
from rampflow.io import layout, trees

if TYPE_CHECKING:
    from rampflow.io import files
    from rampflow.jobs.source import Source


class SameFrames:
    """Every frame of the product is one of the source.

    Attributes
    ----------
    samples : int
        Groups of the product that one of the source makes.
    """

    samples = 1
    #: Whether NaN stands for what was not read, and says nothing of a sample.
    unread_is_nan = False

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def image_lead(self) -> tuple[int, ...]:
        """Axis of an image in the product before rows and columns: positions of superstripes, where there are any."""
        return self.source.window.shape[:-2]

    def when_skipped(self) -> SameFrames:
        """Return how frames follow where the step leaves the exposure as it is."""
        return self

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in the product of an array that has this one in the source."""
        return shape

    def sources(self, integration: int) -> Sequence[int]:
        """Return the integrations of the source that make one of the product."""
        return [integration]

    def groups(self, groups: slice) -> slice:
        """Return the groups of the product that these, a slice, of the source make."""
        return groups

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Cut an array of the source to the rows that the product has."""
        return values

    def source_rows(self, rows: np.ndarray) -> np.ndarray | None:
        """Return which rows of the source some rows of the product are; None where they are not rows of one frame."""
        return rows

    def join(self, chunks: Sequence[np.ndarray], sample: int = 0) -> np.ndarray:  # noqa: ARG002
        """Make a chunk of an integration of the product from those of its `sources`."""
        return chunks[0]

    def join_groups(self, chunks: Sequence[np.ndarray]) -> np.ndarray:
        """Likewise for groups, which may be more in the product."""
        return chunks[0]

    def flags(self, pixeldq: np.ndarray) -> np.ndarray:
        """Return PIXELDQ of the product, given that of the source."""
        return pixeldq

    def describe(self, header: Any) -> None:
        """Change what a primary header says of the frames, in place."""

    def extension(self, hdu: files.Hdu) -> list[layout.Extension]:
        """Plan an extension that has no frames."""
        return [layout.copy_of(self.source, hdu.name)]

    def metadata(self) -> layout.Extension | None:
        """Plan the extension that carries what keywords cannot; None where there is nothing to carry."""
        return trees.metadata_tree(self.source)


class KeptRows(SameFrames):
    """Frames without some of their rows.

    Parameters
    ----------
    rows : 1D bool `~numpy.ndarray`
        The rows to keep. What the step's functions return is without the others.
    """

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        super().__init__(source)
        self._rows = rows

    def when_skipped(self) -> SameFrames:
        """All rows stay."""
        return SameFrames(self.source)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape with as many rows as are kept."""
        return (*shape[:-2], int(np.count_nonzero(self._rows)), shape[-1])

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Cut an array to the rows that are kept."""
        return np.ascontiguousarray(values[..., self._rows, :])

    def source_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows of the source some rows of the product are."""
        return np.flatnonzero(self._rows)[rows]

    def flags(self, pixeldq: np.ndarray) -> np.ndarray:
        """Return the flags of the rows that are kept."""
        return self.rows(pixeldq)


class JoinedSuperstripes(SameFrames):
    """Frames put together from superstripes; see `rampflow.detector.superstripes`."""

    image_lead = ()
    unread_is_nan = True

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._picture = WholeFrames(source.stripes)
        self.samples = source.stripes.samples

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the array of whole frames."""
        return self._picture.shape(shape)

    def sources(self, integration: int) -> Sequence[int]:
        """Return the integrations whose superstripes make one of the product."""
        return self._picture.sources(integration)

    def groups(self, groups: slice) -> slice:
        """Return the groups that the samples of these become."""
        return self._picture.groups(groups)

    def source_rows(self, rows: np.ndarray) -> None:  # noqa: ARG002
        """Rows of a picture are of several frames, or not read."""

    def join(self, chunks: Sequence[np.ndarray], sample: int = 0) -> np.ndarray:
        """Put superstripes together; what none of them has read is NaN, and no flag."""
        return self._picture.join(chunks, _empty(chunks), sample)[0]

    def join_groups(self, chunks: Sequence[np.ndarray]) -> np.ndarray:
        """Put ramps of superstripes together, every sample as a group."""
        return self._picture.join_groups(chunks, _empty(chunks))[0]

    def flags(self, pixeldq: np.ndarray) -> np.ndarray:
        """Put the flags of superstripes together; what none of them has read is a reference pixel."""
        return self._picture.flags(pixeldq)

    def describe(self, header: Any) -> None:
        """Change numbers of integrations and groups, and the place on the detector."""
        self._picture.describe(header)

    def extension(self, hdu: files.Hdu) -> list[layout.Extension]:
        """Plan times of whole frames beside those of superstripes; times of groups are gone."""
        if hdu.name == "GROUP":
            return []
        if hdu.name == "INT_TIMES":
            times = self._picture.times(self.source.table("INT_TIMES"))
            return list(map(layout.table, ("INT_TIMES", "INT_TIMES_STRIPE"), times))
        return super().extension(hdu)

    def metadata(self) -> layout.Extension | None:
        """Plan metadata without the stripes, and with the times of uneven groups."""
        times = self._picture.read_times(self.source.header, self.source.shape)
        return trees.metadata_tree(self.source, tuple(NAMES.values()), times)


def _empty(chunks: Sequence[np.ndarray]) -> float:
    return np.nan if chunks[0].dtype.kind == "f" else 0
