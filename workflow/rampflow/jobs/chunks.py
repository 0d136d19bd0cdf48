"""Ways to take a step's functions over an exposure chunk by chunk, in the job's threads.

Every way reads a chunk, hands it to the function, and writes what that returns, so memory follows the chunk and not
the exposure. A function sees one chunk and knows of no other, unless the way says otherwise: results cannot depend on
the number of threads or on how the exposure was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.jobs.not_a_number import flag_nan

if TYPE_CHECKING:
    from rampflow.jobs.products import RampProduct
    from rampflow.jobs.source import Source
    from rampflow.jobs.threads import Threads

#: Names of extensions; what is called with chunks; arguments that depend on the place, by callables, and those that are
#: cut to the rows, by arrays.
Names = tuple[str, ...]
Function = Callable[..., Any]
At = Mapping[str, Function] | None
Along = Mapping[str, Any] | None

#: Bytes of rows of one group that are worked on by themselves, with a reference of as many.
_CACHED = 2 << 20
#: Rows of a block, for each of its halo, below which it is low.
_LOW = 32


def cut_rows(along: Along, rows: slice) -> dict[str, Any]:
    """Cut arrays to rows; None, an array that the exposure does without, stays None."""
    arrays = (along or {}).items()
    return {key: None if array is None else np.ascontiguousarray(array[..., rows, :]) for key, array in arrays}


def _flagged(names: Sequence[str], arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return arrays as a tuple; where SCI and GROUPDQ are among them, samples that are not a number are flagged."""
    if "SCI" in names and "GROUPDQ" in names:
        flag_nan(arrays[names.index("SCI")], arrays[names.index("GROUPDQ")])
    return tuple(arrays)


class Chunks:
    """The ways over an exposure.

    Parameters
    ----------
    source : `~rampflow.jobs.source.Source`
        What is read.
    product : `~rampflow.jobs.products.RampProduct`
        What is written.
    threads : `~rampflow.jobs.threads.Threads`
        What works on them.
    size : int
        Bytes of a chunk. 0: single rows or groups.
    """

    def __init__(self, source: Source, product: RampProduct, threads: Threads, size: int) -> None:
        self.source, self.product = source, product
        self.shape = source.shape
        self._threads, self._size = threads, size

    # --- reading ----------------------------------------------------------------------------------------

    def read_rows(self, name: str, integrations: int | slice, rows: slice, updated: Names = ()) -> np.ndarray:
        """Read rows of an array with all its groups; the zero frames have none."""
        if name == "ZEROFRAME":
            return self.source.read(name, integrations, rows)
        return self._latest(name, updated, integrations, slice(None), rows)

    def read_ramps(
        self, integrations: int | slice, rows: slice, along: Along
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Read what a fit of ramps needs of rows: SCI, GROUPDQ, and ``along`` cut to them, zero frames included."""
        cut = cut_rows(along, rows)
        if self.source.has_zeroframes:
            cut["zeroframe"] = self.read_rows("ZEROFRAME", integrations, rows)
        sci, groupdq = (self.read_rows(name, integrations, rows) for name in ("SCI", "GROUPDQ"))
        if flag_nan(sci, groupdq):
            # LIKELY would make a whole integration NaN of one; what a flagged sample holds does not count.
            np.nan_to_num(sci, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
        return sci, groupdq, cut

    def _latest(self, name: str, updated: Names, *index: Any) -> np.ndarray:
        """Read a chunk of an array: of the new product if an earlier pass wrote it there, else of the ramp."""
        return self.product.read(name, *index) if name in updated else self.source.read(name, *index)

    @staticmethod
    def place(integration: int, groups: slice) -> tuple[int, slice]:
        """Tell a step's function where its groups are: (integration, slice of groups), for `groups`."""
        return integration, groups

    def first_group(self, integration: int, _groups: slice) -> np.ndarray:
        """Read the first group of an integration, for `groups`."""
        return self.source.read("SCI", integration, 0)

    def groups(self, function: Function, *, reads: Names, writes: Names, at: At = None, **options: Any) -> None:
        """Run a function over runs of whole groups of one integration and write what it returns.

        Parameters
        ----------
        function : callable
            Called as ``function(*arrays, **at, **options)`` with arrays of shape (n, rows, columns); returns one
            array, or a tuple in the order of ``writes``.
        reads, writes : tuple of str
            Extensions read and written.
        at : dict of callables, optional
            Further arguments that depend on the place: called with (integration, slice of groups).
        """
        nints, ngroups, ny, nx = self.shape
        together = len(self.product.frames.sources(0))
        step = max(1, self._size // (ny * nx * 4 * together))
        chunks = [slice(g, min(g + step, ngroups)) for g in range(0, ngroups, step)]
        self.product.begin(*writes)

        def made(integration: int, chunk: slice) -> tuple[Any, ...]:
            arrays = _flagged(reads, [self.source.read(name, integration, chunk) for name in reads])
            place = {key: give(integration, chunk) for key, give in (at or {}).items()}
            result = function(*arrays, **place, **options)
            return result if isinstance(result, tuple) else (result,)

        def run(integration: int, chunk: slice) -> None:
            results = [made(source, chunk) for source in self.product.frames.sources(integration)]
            joined = tuple(map(self.product.frames.join_groups, zip(*results, strict=True)))
            self.product.store(joined, writes, (integration, self.product.frames.groups(chunk)))

        self._threads.run([(run, i, chunk) for i in range(nints // together) for chunk in chunks])

    def by_group(
        self,
        function: Function,
        *,
        plane: Callable[[int], int],
        reference: Callable[[int, int, slice], np.ndarray],
        argument: str,
    ) -> None:
        """Subtract, group by group, a reference that is read or made one group at a time.

        A task is rows of one group of all integrations, so that what is made for a group is made once for all
        integrations that share it; so many rows that the caches hold them.

        Parameters
        ----------
        function : callable
            Called as ``function(sci, **{argument: values})``, SCI of shape (1, rows, columns); returns it.
        plane : callable
            Integration of the reference that serves an integration of the exposure.
        reference : callable
            Called with (plane, group, rows); returns the values.
        argument : str
            Name of the argument.
        """
        self.product.begin("SCI")

        def run(group: int, rows: slice) -> None:
            place = slice(group, group + 1), rows
            current = values = None
            for integration in range(self.shape[0]):
                if plane(integration) != current:
                    current = plane(integration)
                    values = reference(current, group, rows)
                sci = self.source.read("SCI", integration, *place)
                self.product.store(function(sci, **{argument: values}), ("SCI",), (integration, *place))

        ny = self.shape[2]
        step = self._rows_at_once(1, min(self._size, _CACHED))
        blocks = [slice(r, min(r + step, ny)) for r in range(0, ny, step)]
        self._threads.run([(run, group, rows) for group in range(self.shape[1]) for rows in blocks])

    def sequence(
        self, function: Function, *, reads: Names, writes: Names = (), updated: Names = (), **options: Any
    ) -> Any:
        """Run a generator function over all groups of all integrations in order, one group at a time.

        For what depends on the groups before. It holds as many groups as the function keeps.

        Parameters
        ----------
        function : generator function
            Called once as ``function(groups, **options)``. ``groups`` yields the image (rows, columns) of every group,
            or a tuple of them in the order of ``reads``; the function yields the new image of every group in the
            same order, a tuple when there are several in ``writes``, nothing of interest when there are none.
        reads, writes : tuple of str
            Extensions read and written.
        updated : tuple of str
            Those of ``reads`` that are read as an earlier pass has written them.

        Returns
        -------
        object
            What the function returns.
        """
        self.product.begin(*writes)
        places = list(np.ndindex(*self.shape[:2]))
        groups = (_flagged(reads, [self._latest(name, updated, *place) for name in reads]) for place in places)
        results = function((group[0] for group in groups) if len(reads) == 1 else groups, **options)
        for place in places:
            result = next(results)
            if writes:
                self.product.store(result, writes, place)
        try:
            next(results)
        except StopIteration as end:
            return end.value
        raise ValueError(f"{function.__name__} gave more than the {len(places)} groups that it was given")

    def rows(
        self,
        function: Function,
        *,
        reads: Names,
        writes: Names,
        updated: Names = (),
        along: Along = None,
        halo: int = 0,
        tell_halo: bool = False,
        by_integration: bool = False,
        tell_place: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Run a function over blocks of rows with all their groups and write what it returns.

        Parameters
        ----------
        function : callable
            Called as ``function(*arrays, **along, **options)``, arrays of shape (integrations, groups, rows,
            columns), or (groups, rows, columns) when ``by_integration``; returns arrays in the order of ``writes``,
            with the same rows as it was given, and whatever else it has to say.
        reads, writes : tuple of str
            Extensions read and written.
        updated : tuple of str
            Those of ``reads`` that are read as an earlier pass has written them.
        along : dict of arrays, optional
            Arrays whose last two axes are rows and columns, handed over cut to the block; None stays None. Of
            superstripes, which want ``by_integration``, the position of the integration is handed over.
        halo : int
            Rows added on both sides of a block, where the frame has them; what the function returns for them is
            not written.
        tell_halo : bool
            Tell the function as ``halo=(before, after)`` how many such rows it was given.
        tell_place : bool
            Tell the function as ``place=(integrations, rows)`` what it was given: an index or slice, and a slice.

        Returns
        -------
        list of tuple
            What else the function returned for each block.
        """
        self.product.begin(*writes)

        def run(integrations: int | slice, block: slice, wide: slice) -> Any:
            arrays = _flagged(reads, [self.read_rows(name, integrations, wide, updated) for name in reads])
            cut = cut_rows(self._of_integration(along, integrations), wide)
            before = block.start - wide.start
            if tell_halo:
                cut["halo"] = (before, wide.stop - block.stop)
            if tell_place:
                cut["place"] = (integrations, wide)
            result = function(*arrays, **cut, **options)
            result = result if isinstance(result, tuple) else (result,)
            inner = slice(before, before + block.stop - block.start)
            images = tuple(array[..., inner, :] for array in result[: len(writes)])
            self.product.store(images, writes, (integrations, slice(None), block))
            return result[len(writes) :]

        return self._threads.run([(run, *where) for where in self.row_blocks(halo=halo, by_integration=by_integration)])

    def _of_integration(self, along: Along, integration: Any) -> Along:
        """Choose from arrays with a position for each superstripe those of an integration."""
        if not self.source.window.positions:
            return along
        return {
            key: None if array is None else array[integration % self.source.window.positions]
            for key, array in (along or {}).items()
        }

    def survey(
        self,
        function: Function,
        *,
        reads: Names,
        combine: Callable[[Any, Any], Any],
        updated: Names = (),
        rows: Any = None,
        **options: Any,
    ) -> Any:
        """Gather a property of the whole exposure from blocks of rows.

        Parameters
        ----------
        function : callable
            Called as ``function(*arrays, **options)``, arrays of shape (integrations, groups, rows, columns).
        reads : tuple of str
            Extensions read.
        combine : callable
            Joins the results of two blocks.
        updated : tuple of str
            Those of ``reads`` that are read as an earlier pass has written them.
        rows : list of slice, optional
            Blocks of rows to look at, integration by integration; by default all rows of all integrations.
        """

        def run(integrations: int | slice, block: slice, _: slice) -> Any:
            return function(*(self.read_rows(name, integrations, block, updated) for name in reads), **options)

        blocks = self.row_blocks(itemsize=1 if reads == ("GROUPDQ",) else 4)
        if rows is not None:
            blocks = [(slice(i, i + 1), block, block) for i in range(self.shape[0]) for block in rows]
        return reduce(combine, self._threads.run([(run, *where) for where in blocks]))

    def blocks(self, integration: int) -> Iterator[Any]:
        """Read an integration in blocks of rows, in order, for steps that go through the exposure themselves.

        Yields
        ------
        rows : slice
            Rows of the block.
        sci : 3D float32 `~numpy.ndarray`
            Shape (groups, rows, columns).
        """
        ny = self.shape[2]
        step = self._rows_at_once(self.shape[1], self._size)
        for r in range(0, ny, step):
            rows = slice(r, min(r + step, ny))
            yield rows, self.read_rows("SCI", integration, rows)

    @property
    def room(self) -> int:
        """Bytes that a step may gather from the whole exposure."""
        return 2 * self._size

    def zeroframes(self, function: Function, *, at: At = None, **options: Any) -> None:
        """Run a function over the zero frames, shape (1, rows, columns) each, where ZEROFRAM is true.

        ``at`` is as for `groups`, with None for the groups.
        """
        if not self.source.has_zeroframes:
            return
        self.product.begin("ZEROFRAME")
        for integration in range(self.shape[0] // len(self.product.frames.sources(0))):
            frames = []
            for source in self.product.frames.sources(integration):
                place = {key: give(source, None) for key, give in (at or {}).items()}
                frames.append(function(self.source.read("ZEROFRAME", slice(source, source + 1)), **place, **options))
            self.product.store(self.product.frames.join(frames), ("ZEROFRAME",), (slice(integration, integration + 1),))

    def row_blocks(
        self, *, halo: int = 0, by_integration: bool = False, itemsize: int = 4
    ) -> list[tuple[Any, slice, slice]]:
        """Blocks of rows small enough for memory: (integration or all, rows, rows with halo).

        ``itemsize`` is the bytes of a pixel in a group. Where blocks are low, as those of all integrations of long time
        series, they are twice as large with a halo, whose rows are read and worked on once more. Blocks of one
        integration without a halo are a quarter: they are high enough, and the caches hold more of them.
        """
        nints, ngroups, ny, _ = self.shape
        planes, size = ngroups if by_integration else nints * ngroups, self._size
        if by_integration and not halo:
            size //= 4
        step = self._rows_at_once(planes, size, itemsize)
        if halo and not by_integration and step < _LOW * halo:
            step = self._rows_at_once(planes, 2 * size, itemsize)
        blocks = []
        for integration in range(nints) if by_integration else [slice(None)]:
            for r in range(0, ny, step):
                block = slice(r, min(r + step, ny))
                blocks.append((integration, block, slice(max(0, r - halo), min(ny, block.stop + halo))))
        return blocks

    def over_rows(self, function: Function) -> list[Any]:
        """Call a function with each of the `row_blocks` of all integrations, in the job's threads; return what it does.

        Parameters
        ----------
        function : callable
            Called with a block.
        """
        return self._threads.run([(function, where) for where in self.row_blocks()])

    def _rows_at_once(self, planes: int, size: int, itemsize: int = 4) -> int:
        _, _, ny, nx = self.shape
        return max(1, min(ny, size // (planes * nx * itemsize)))
