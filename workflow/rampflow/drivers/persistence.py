"""What an exposure leaves in its detector: read from the exposure before, written for the next one."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np

from rampflow.detector import subarray
from rampflow.io import files
from rampflow.jobs.provenance import sha256_of
from rampflow.jobs.step import Step, log, write_json
from rampflow.steps import persistence

_SECONDS = 86400.0
#: Rows of the detector that are in memory at once.
_ROWS = 256


class Carried(Step):
    """The persistence step of one exposure: a ramp in, a ramp out, and beside it what the next exposure needs.

    A small file names what the exposure leaves behind, with its checksum: it is the edge between two exposures in
    the graph. Where the step does not run, what came from the exposure before is passed on.
    """

    def open(self):
        """Open the ramp, resolve parameters, and find what the exposure before has left."""
        self._beside, self._left = [], None
        super().open()
        self.before = self._handed_on() if self.parameters["chain"] else None
        if self.before is None:
            name = "input_trapsfilled" if self.parameters["algorithm"] == "traps" else "persistence_array_file"
            self.before = Path(self.parameters[name]) if self.parameters[name] else None
        if self.before is not None:
            log.info("from the exposure before: %s", self.before)

    def _handed_on(self):
        """Return the file that the exposure before names, once it is sure to be the one that it wrote."""
        given = self.snakemake.input.get("carried") or None
        if given is None or not str(given).endswith(".json"):
            return None  # the first of its chain, perhaps with a file that the configuration names
        source = Path(str(given))
        pointer = json.loads(source.read_text())
        if pointer["file"] is None:
            return None
        path = source.parent / pointer["file"]
        cure = f"make it anew: snakemake --forcerun persistence, or delete {source}"
        if not path.is_file():
            raise files.FileProblem(f"{path}: it was left by the exposure before and is gone; {cure}")
        if sha256_of(path) != pointer["sha256"]:
            raise files.FileProblem(f"{path}: it has changed since the exposure before left it; {cure}")
        return path

    # --- traps ----------------------------------------------------------------------------------------

    @property
    def starts(self):
        """When the file's first integration starts (MJD): EXPSTART, or its own start in a later segment."""
        if (self.keyword("INTSTART") or 1) > 1 and "INT_TIMES" in self.source:
            return float(self.source.table("INT_TIMES")["int_start_MJD_UTC"][0])
        return self._time("EXPSTART")

    @property
    def ends(self):
        """When the file's last integration ends (MJD): EXPEND, or its own end in a segment."""
        last = self.keyword("INTEND")
        if last and "INT_TIMES" in self.source and (self.keyword("INTSTART"), last) != (1, self.keyword("NINTS")):
            return float(self.source.table("INT_TIMES")["int_end_MJD_UTC"][-1])
        return self._time("EXPEND")

    def _time(self, key):
        if self.keyword(key) is None:
            raise files.FileProblem(f"{self.source.path}: no {key}, by which persistence is followed; set it")
        return float(self.keyword(key))

    def timing(self):
        """Return the times that the model of the traps needs."""
        missing = [key for key in ("TGROUP", "TFRAME", "NRSTSTRT", "NRESETS") if self.keyword(key) is None]
        if missing:
            raise files.FileProblem(
                f"{self.source.path}: {', '.join(missing)} missing, persistence needs them; set them"
            )
        return persistence.Timing(
            group=float(self.keyword("TGROUP")),
            frame=float(self.keyword("TFRAME")),
            resets_at_start=self.keyword("NRSTSTRT"),
            resets=self.keyword("NRESETS"),
            first=(self.keyword("INTSTART") or 1) == 1,
        )

    def traps(self, density, families):
        """Begin the product of filled traps, as they are now where the exposure does not see them.

        Parameters
        ----------
        density : `~rampflow.io.references.Reference`
            The trap density, which covers the detector.
        families : `~rampflow.steps.persistence.Families`
            The traps.

        Returns
        -------
        3D float32 `~numpy.ndarray`
            Filled traps of the exposure's pixels when it starts.
        """
        timing, shape = self.timing(), (len(families), *density.shape()[-2:])
        own = subarray.Window.of(density.header, shape, density.path)
        rows, columns = self.window.places
        rows, columns = rows - own.ystart, columns - own.xstart
        filled = np.zeros((len(families), *self.window.shape), np.float32)
        self._place = rows, columns
        self._left = self._begin(f"{self.exposure}_trapsfilled.fits", "TrapsFilledModel", {"SCI": shape})
        self._left.header["EXPEND"] = (self.ends, self._left.header.comments["EXPEND"])
        if self.before is None:
            return filled
        with files.Product(self.before) as source:
            found = source["SCI"]
            detector = str(source.header.get("DETECTOR", "")).strip()
            if found.shape != shape or detector != str(self.keyword("DETECTOR")).strip():
                raise files.FileProblem(
                    f"{self.before}: filled traps of {detector or 'no detector'}, {found.shape}, where those of "
                    f"{self.keyword('DETECTOR')}, {shape}, are due; give the file of an exposure of this detector"
                )
            gap = self._gap(source)
            during = timing.whole(*self.shape[:2])
            for start in range(0, shape[1], _ROWS):
                block = slice(start, min(start + _ROWS, shape[1]))
                values = found.read(slice(None), block).astype(np.float32, copy=False)
                persistence.decayed(values, gap, families)
                inside = np.flatnonzero((rows >= block.start) & (rows < block.stop))
                filled[:, inside] = values[:, rows[inside] - block.start][..., columns]
                self._left["SCI"].write(persistence.decayed(values, during, families), slice(None), block)
        return filled

    def _gap(self, source):
        """Return the time from the end of the one exposure to the start of the other (s)."""
        if source.header.get("EXPEND") is None:
            raise files.FileProblem(f"{source.path}: no EXPEND, the time from which its traps empty; set it")
        gap = (self.starts - source.header["EXPEND"]) * _SECONDS
        if gap < 0:
            log.warning("%s ends %.3f s after this exposure starts: its traps are taken as they are", source.path, -gap)
        return max(gap, 0.0)

    def subtract(self, *, along, save_persistence, **options):
        """Subtract what the traps release (`rampflow.steps.persistence.subtract_traps`) and keep their state."""
        if save_persistence:
            name = f"{self.exposure}_output_pers.fits"
            beside = self._begin(name, "RampModel", {"SCI": self.shape})
            options["save_persistence"] = True

        def run(sci, groupdq, *, at, **cut):
            sci, flags, filled, amount = persistence.subtract_traps(sci, groupdq, **cut, **options)
            if amount is not None:
                beside["SCI"].write(amount, slice(None), slice(None), slice(at[0, 0], at[-1, 0] + 1))
            return sci, flags, filled

        # Each block has to know its place in the product beside.
        numbers = np.broadcast_to(np.arange(self.shape[2])[:, np.newaxis], (self.shape[2], 1))
        found = self.rows(run, reads=("SCI", "GROUPDQ"), writes=("SCI",), along=along | {"at": numbers})
        self.pixeldq |= np.concatenate([flags for flags, _ in found])
        filled = np.concatenate([filled for _, filled in found], axis=1)
        self._keep_traps(filled)

    def _keep_traps(self, filled):
        """Write the traps that are filled at the end, rectangle by rectangle; of lines read repeatedly the last."""
        rows, columns = self._place
        for y, x, _ in self.window.blocks:
            where = (slice(place[cut][0], place[cut][-1] + 1) for place, cut in ((rows, y), (columns, x)))
            self._left["SCI"].write(filled[:, y, x], slice(None), *where)

    def _begin(self, name, model, shapes):
        """Begin a product beside the ramp."""
        header = self.header.copy()
        header["DATAMODL"] = (model, "Type of data model")
        path = Path(self.snakemake.output.ramp).with_name(name)
        files.set_keyword(header, "FILENAME", name, "Name of the file")
        self._beside.append(
            files.NewProduct(path, header, [files.image(key, shape, np.float32) for key, shape in shapes.items()])
        )
        return self._beside[-1]

    # --- windows --------------------------------------------------------------------------------------

    def _windows(self):
        """Return the ends of the windows that are open when the exposure starts, shape (rows, columns).

        jwst counts rows and columns from the corner of the array; what this workflow writes also says where these
        are on the detector, and which windows are open beside them.
        """
        until = np.zeros(self.shape[-2:])
        self._elsewhere = np.zeros((0, 3))
        if self.before is None:
            return until
        import asdf

        with asdf.open(self.before) as opened:
            entry = opened.tree.get(str(self.keyword("DETECTOR")).strip())
            if entry is None:
                log.info("%s has no windows of %s", self.before, self.keyword("DETECTOR"))
                return until
            found = np.stack([np.asarray(entry[key], np.float64) for key in ("rows", "cols", "vals")], axis=1)
            keys = ("detector_rows", "detector_columns")
            places = [np.asarray(entry.get(key, own)) for key, own in zip(keys, self.window.places, strict=True)]
            found = found[(found[:, :2] < [len(rows_or_columns) for rows_or_columns in places]).all(axis=1)]
            for axis in range(2):
                found[:, axis] = places[axis][found[:, axis].astype(int)]
            beside = np.asarray(entry.get("elsewhere", []), np.float64).reshape(-1, 3)
        known = np.concatenate([found, beside])
        y, x = known[:, :2].astype(int).T
        rows, columns = self.window.places
        detector = np.zeros((max(y.max(initial=0), rows.max()) + 1, max(x.max(initial=0), columns.max()) + 1))
        # Lines that were read several times in a frame are known several times.
        np.maximum.at(detector, (y, x), known[:, 2])
        until[:] = detector[np.ix_(rows, columns)]
        self._elsewhere = known[~(np.isin(y, rows) & np.isin(x, columns))]
        return until

    def flag(self, function, **options):
        """Flag groups inside windows (`rampflow.steps.persistence.flag_windows`) and keep those that stay open."""
        times = self.source.table("INT_TIMES")["int_start_MJD_UTC"] if "INT_TIMES" in self.source else None
        starts = persistence.integration_starts(
            expstart=self._time("EXPSTART"),
            effinttm=self.keyword("EFFINTTM", 0.0),
            nints=self.shape[0],
            intstart=self.keyword("INTSTART"),
            int_times=times,
        )
        tgroup = float(self.keyword("TGROUP"))
        found = self.rows(
            function,
            reads=("GROUPDQ",) if options["dn_threshold"] is None else ("GROUPDQ", "SCI"),
            writes=("GROUPDQ",),
            along={"until": self._windows()},
            starts=starts,
            tgroup=tgroup,
            **options,
        )
        self._keep_windows(np.concatenate([until for (until,) in found]), starts[-1] + self.shape[1] * tgroup)

    def _keep_windows(self, until, last):
        """Write the windows that are open after the last group, where they are to be saved or handed on."""
        name = self.parameters["save_persistence"]
        if not (name or self.parameters["chain"]):
            return
        import asdf

        name = name if isinstance(name, str) else f"{self.exposure}_persistence"
        rows, columns = np.nonzero(until)
        entry = {
            "rows": rows, "cols": columns, "vals": until[rows, columns],
            **dict(zip(("detector_rows", "detector_columns"), self.window.places, strict=True)),
            "elsewhere": self._elsewhere[self._elsewhere[:, 2] >= last], "filename": self.header["FILENAME"],
            "pers_time": self.parameters["persistence_time"],
        }  # fmt: skip
        path = Path(self.snakemake.output.ramp).with_name(name.removesuffix(".asdf") + ".asdf")
        partial = path.with_name(f".{path.name}.part")
        asdf.AsdfFile({str(self.keyword("DETECTOR")).strip(): entry}).write_to(partial)
        self._left = _Partial(path, partial)
        self._beside.append(self._left)

    # --- the end --------------------------------------------------------------------------------------

    def finish(self, skipped=None):
        """Give the products their names, and say what the exposure leaves behind."""
        if skipped is not None:
            self._discard_beside()
        left = self.before if skipped is not None else None
        kept = [product for product in self._beside if product is not self._left or self._keeps_traps()]
        for product in kept:
            product.commit()
            self.also_written.append(product.path)
        for product in self._beside:
            if product not in kept:
                product.discard()
        if self._left in kept:
            left = self._left.path
        self._beside = []
        super().finish(skipped)
        path = self.snakemake.output.get("carried")
        if path is not None:
            chained = self.parameters["chain"] and left is not None
            content = {"file": None, "sha256": None}
            if chained:
                content = {"file": os.path.relpath(left, Path(path).parent), "sha256": sha256_of(left)}
            write_json(path, content)

    def _keeps_traps(self):
        return (
            self.parameters["algorithm"] == "window" or self.parameters["save_trapsfilled"] or self.parameters["chain"]
        )

    def discard(self):
        """Remove what was written so far."""
        self._discard_beside()
        super().discard()

    def _discard_beside(self):
        for product in self._beside:
            product.discard()
        self._beside, self._left = [], None


class _Partial:
    """A file written whole under a temporary name."""

    def __init__(self, path, partial):
        self.path, self.partial = path, partial

    def commit(self):
        """Give the file its name."""
        self.partial.replace(self.path)

    def discard(self):
        """Remove the file."""
        with contextlib.suppress(OSError):
            self.partial.unlink()
