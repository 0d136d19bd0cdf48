"""What every script needs around its one call.

A `Step` opens the product of the step before, gives the script the references and parameters that were
resolved for its exposure, runs a step's functions over the exposure piece by piece in the job's threads,
and writes the new product with its keywords, its log, and a record of time and memory.

The only module that knows Snakemake's ``snakemake`` object. Parallelism lives here and nowhere else: a
step's function sees one piece and knows of no other, so results cannot depend on the number of threads or
on how the exposure was cut.
"""

import contextlib
import errno
import importlib
import json
import logging
import pkgutil
import platform
import resource
import shutil
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from rampflow import __version__
from rampflow.detector import irs2, subarray
from rampflow.detector.multistripe import BEFORE_PICTURES, NAMES, Stripes
from rampflow.detector.superstripes import Picture
from rampflow.io import files
from rampflow.io.keywords import REFERENCE_KEYWORDS, STATUS_KEYWORDS
from rampflow.io.shared_files import replace
from rampflow.jobs import memory, provenance
from rampflow.jobs.chunks import Passes
from rampflow.steps import NotApplicable

#: Errors whose message says all that the user needs; others are named by their type, too.
EXPECTED = ("FileProblem", "ReferenceProblem", "ConfigError", "NoSlopes", "ValueError", "OSError")
#: No room on the disk, no more in one's share of it, none in a file of that size.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

log = logging.getLogger("rampflow")


def preload(names=None):
    """Import all that jobs import, for `rampflow.warmstart.server`: a generator of one module after the other.

    Parameters
    ----------
    names : list of str, optional
        The steps, in the order in which their jobs will come; by default all that there are.

    Yields
    ------
    str
        What was imported. The first job of a run, which asks CRDS, imports that itself: no other job needs it.
    """
    from rampflow import steps

    # What takes longest, numba, is imported while CRDS is asked.
    for name in ("rampflow.io._byte_runs", "rampflow.planning.plan", "snakemake.iocontainers", "snakemake.logging"):
        yield importlib.import_module(name).__name__
    provenance.versions()
    known = [module.name for module in pkgutil.iter_modules(steps.__path__)]
    names = known if names is None else names
    for name in names:
        for room in ("steps", "drivers"):
            # A step that cannot be imported fails in its own job, where there is a log and an exposure's name.
            with contextlib.suppress(Exception):
                yield importlib.import_module(f"rampflow.{room}.{name}").__name__


class Job:
    """A job of the workflow: its log, its one clear line when it fails, its record.

    Parameters
    ----------
    snakemake : object
        What Snakemake gives a script: ``input``, ``output``, ``params``, ``wildcards``, ``threads``,
        ``resources``, ``log``, ``rule``.
    """

    def __init__(self, snakemake):
        self.snakemake = snakemake
        self.name = snakemake.rule
        self.exposure = snakemake.wildcards.get("exposure")
        self.threads = max(1, snakemake.threads)
        self.skipped_as = "SKIPPED"
        #: Files that were written beside the outputs that the rule names.
        self.also_written = []
        self._inputs = None
        self._started = time.time(), time.monotonic()

    def __enter__(self):
        try:
            self._open_log()
            self.open()
            if self._folder is not None:
                self._inputs = provenance.Inputs(self._reads(), self._folder)
        except Exception:
            if not self.__exit__(*sys.exc_info()):
                raise
        return self

    def open(self):
        """Open what the script works on."""

    def finish(self, skipped=None):
        """Complete the outputs; ``skipped`` is the reason for which the step did not run."""

    def discard(self):
        """Remove what was written so far."""

    def __exit__(self, kind, error, trace):
        if kind is None or isinstance(error, NotApplicable):
            try:
                if error is not None:
                    self.skipped_as = error.status
                skipped = str(error) if error is not None else None
                self.finish(skipped=skipped)
                self._record(skipped)
                return True
            except Exception as failure:
                error = failure
        self.discard()
        if self._inputs is not None:
            self._inputs.close()
        if isinstance(error, Exception):
            text = self._told(error)
            log.error("%s\n%s", text, "".join(traceback.format_exception(error)))
            place = f"{self.exposure}: {self.name}" if self.exposure else self.name
            print(f"rampflow: {place}: {text} (traceback: {self._log_path()})", file=sys.stderr)
            raise SystemExit(1) from None
        return False

    def _told(self, error):
        """Say in one line what went wrong, and what to do where the disk is full."""
        if isinstance(error, OSError) and error.strerror:
            folder = next(Path(path).parent for _, path in self.snakemake.output.items())
            text = f"{error.filename or folder}: {error.strerror}"
            if error.errno in _FULL:
                free = shutil.disk_usage(folder).free / 1e6
                text += f" ({free:.0f} MB free); make room, or keep fewer products (keep: none), and run again"
            return text
        kind = type(error).__name__
        expected = kind in EXPECTED
        if kind == "ValueError":
            # Python and numpy have it, too; what they say was not written for the user.
            expected = (traceback.extract_tb(error.__traceback__)[-1].line or "").startswith("raise ")
        return str(error) if expected else f"{kind}: {error}"

    def _log_path(self):
        return self.snakemake.log[0] if self.snakemake.log else "no log"

    def _open_log(self):
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()
        if self.snakemake.log:
            Path(self._log_path()).parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(self._log_path(), mode="w")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        # What cannot be written on a full disk is lost; the line for the user is not.
        logging.raiseExceptions = False
        warnings.showwarning = lambda message, category, *_, **__: log.warning("%s: %s", category.__name__, message)

    @property
    def _folder(self):
        """Folder of the exposure, to which the record belongs; None for a job without a record."""
        path = self.snakemake.output.get("record")
        return None if path is None else Path(path).parents[1]

    def _reads(self):
        """Name the files that the job reads; reference files are known by their pointers."""
        for name, given in self.snakemake.input.items():
            if name != "references":
                yield from ((name, path) for path in ([given] if isinstance(given, str) else given))

    def made_of(self):
        """Return what the products follow from, beside code and files: parameters, references, the steps left out."""
        return {"skipped": list(self.snakemake.params.get("skipped", []))}

    def _is_hashed(self, path):
        """Whether a file's checksum is taken: products on the way are not worth the time unless it is asked for."""
        final = "parameters" not in self.snakemake.output.keys() or path in self.also_written  # noqa: SIM118
        return final or path.suffix == ".json" or self.snakemake.config.get("checksums") == "all"

    def _record(self, skipped):
        """Keep what the job took, measured where it ran, and what it was made of."""
        path = self.snakemake.output.get("record")
        if path is None:
            return
        written = [Path(name) for kind, name in self.snakemake.output.items() if kind != "record"] + self.also_written
        outputs = provenance.outputs(written, self._folder, self._is_hashed)
        inputs = self._inputs.entries()
        made_of = {"step": self.name, "exposure": self.exposure, "code": self.snakemake.params.get("code")}
        made_of |= {"versions": provenance.versions()} | self.made_of()
        sources = {name: entry["recipe"] or entry["sha256"] for name, entry in inputs.items()}
        usage = resource.getrusage(resource.RUSAGE_SELF)
        started, clock = self._started
        write_json(
            path,
            made_of
            | {
                "recipe": provenance.digest(made_of | {"inputs": sources}),
                "inputs": inputs,
                "outputs": outputs,
                "status": "COMPLETE" if skipped is None else self.skipped_as,
                "reason": skipped,
                "host": socket.gethostname(),
                "processor": _processor(),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
                "wall_s": round(time.monotonic() - clock, 3),
                "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
                "peak_memory_mb": round(usage.ru_maxrss / 1024, 1),
                "threads": self.threads,
            },
        )


def _processor():
    """Name what numpy finds in the processor: the one thing outside the recipe that its sums might depend on."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return " ".join([platform.machine(), *found.get("found", [])[-1:]])


def write_json(path, content):
    """Write JSON under its final name only when complete."""
    replace(Path(path), json.dumps(content, indent=1) + "\n")


class Step(Passes, Job):
    """A detector step of one exposure: a product in, a product out.

    Attributes
    ----------
    source : `~rampflow.io.files.Product`
        The product of the step before.
    header : `~astropy.io.fits.Header`
        Primary header of the new product.
    shape : tuple of int
        (integrations, groups, rows, columns).
    stripes : `~rampflow.detector.multistripe.Stripes` or None
        What the frames of a multistripe exposure are made of.
    window : `~rampflow.detector.subarray.Window`
        Place of the exposure on the detector.
    parameters : dict
        Resolved values by jwst's names.
    """

    def open(self):
        """Open the product of the step before and resolve references and parameters."""
        self.source = self.target = self._crds = None
        self._keywords = []
        self.source = files.Product(self._input)
        self.sources = (self.source,)
        self.header = self.source.header.copy()
        self.shape = self.source["SCI"].shape
        self._check_shape()
        self.stripes = self._find_stripes()
        self.window = subarray.Window.of(self.header, self.shape, self.source.path).split(self.stripes)
        self._pointers = self._read_pointers()
        self.parameters = self._resolve_parameters()
        self._extra, self._written, self._references, self._used = [], set(), [], []
        self._pixeldq = self._kept = self._picture = None
        frame = (self.shape[-2] * max(1, self.window.positions), self.shape[-1])
        self._piece = memory.piece_size(self.snakemake.resources.get("mem_mb", 2000), frame, self.threads)

    @property
    def _input(self):
        return self.snakemake.input.ramp

    def _check_shape(self):
        if len(self.shape) != 4:
            raise files.FileProblem(
                f"{self.source.path}: SCI has {len(self.shape)} axes where a ramp has 4 "
                "(integrations, groups, rows, columns); give the workflow the uncal file of the exposure"
            )

    def _find_stripes(self):
        """Which lines a multistripe exposure reads; None for others."""
        stripes = Stripes.of(self.header, self.shape)
        if stripes and stripes.positions and self.name not in BEFORE_PICTURES:
            raise files.FileProblem(
                f"{self.source.path}: superstripes, where {self.name} needs the pictures that they make; refpix puts "
                "them together, it must not be skipped"
            )
        return stripes

    def _told(self, error):
        """Add what the step has read, where the error does not name a file itself."""
        text = super()._told(error)
        if not isinstance(error, files.FileProblem | OSError) and getattr(self, "_used", []):
            text += f" (it has read {', '.join(self._used)})"
        return text

    # --- what was resolved for the exposure -----------------------------------------------------------

    def _read_pointers(self):
        from rampflow.crds.pointers import load_pointer

        return {Path(p).stem: load_pointer(p) for p in self.snakemake.input.get("references", [])}

    def _resolve_parameters(self):
        from rampflow.planning.plan import merge_parameters

        settings = self.snakemake.params.get("settings", {})
        resolved, notes = merge_parameters(settings, self._pointers, self.name)
        for note in notes:
            log.warning("%s", note)
        path = self.snakemake.output.get("parameters")
        if path is not None:
            write_json(path, resolved)
        return {name: entry["value"] for name, entry in resolved.items()}

    def made_of(self):
        """Return parameters, references by their checksums, the context that chose them, and the steps left out."""
        kept = ("name", "file", "crds_uri", "sha256")
        references = {kind: {key: pointer[key] for key in kept} for kind, pointer in self._pointers.items()}
        return super().made_of() | {"parameters": self.parameters, "references": references, "crds": self._crds}

    def options(self, *names):
        """Return the named parameters, as keyword arguments for a step's function."""
        return {name: self.parameters[name] for name in names}

    def keyword(self, name, default=None):
        """Return a keyword of the exposure's primary header."""
        return self.header.get(name, default)

    def keywords(self, *names):
        """Return keywords of the exposure's primary header by their names in lower case, None where absent."""
        return {name.lower(): self.keyword(name) for name in names}

    def needed(self, *names):
        """Return keywords as `keywords` does.

        Raises
        ------
        FileProblem
            One of them is absent.
        """
        if missing := [name for name in names if self.keyword(name) is None]:
            raise files.FileProblem(
                f"{self.source.path}: the primary header has no {', '.join(missing)}, which {self.name} needs; "
                "add what the exposure was taken with"
            )
        return self.keywords(*names)

    @property
    def instrument(self):
        """Name of the instrument, upper case."""
        return str(self.keyword("INSTRUME")).strip().upper()

    def reference(self, kind, *, cut=True):
        """Open a reference file, cut to the exposure.

        Parameters
        ----------
        kind : str
            CRDS type.
        cut : bool
            False for references that CRDS selects by subarray and that are taken as they are.

        Raises
        ------
        NotApplicable
            CRDS has none for this exposure.
        """
        reference = self.optional_reference(kind, cut=cut)
        if reference is None:
            raise NotApplicable(f"CRDS has no {kind} reference for this exposure (N/A)")
        return reference

    def references(self, *kinds, uncut=()):
        """Open reference files as `reference` does, those of ``uncut`` as they are; the header names all of them."""
        found = [self.optional_reference(kind, cut=kind not in uncut) for kind in kinds]
        if missing := [kind for kind, reference in zip(kinds, found, strict=True) if reference is None]:
            raise NotApplicable(f"CRDS has no {', '.join(missing)} reference for this exposure (N/A)")
        return found

    def optional_reference(self, kind, *, cut=True):
        """Open a reference file as `reference` does, or None where CRDS has none."""
        path = self._reference_path(kind)
        if path is None:
            return None
        frame = self.window.ny, self.window.nx
        reference = subarray.Reference(path, self.window if cut else None, frame)
        self._references.append(reference)
        return reference

    def reference_tree(self, kind):
        """Read a reference that is an ASDF file, as dictionaries, lists and arrays; raises as `reference` does."""
        tree = self.optional_tree(kind)
        if tree is None:
            raise NotApplicable(f"CRDS has no {kind} reference for this exposure (N/A)")
        return tree

    def optional_tree(self, kind):
        """Read a reference that is an ASDF file, or None where CRDS has none."""
        path = self._reference_path(kind)
        return None if path is None else files.read_tree(path)

    def _reference_path(self, kind):
        """Note a reference in the header, check the file, and return its path; None where CRDS has none."""
        from rampflow.crds.pointers import check

        pointer = self._pointers.get(kind)
        if pointer is None:
            raise files.FileProblem(f"no {kind} reference was asked for; this is a fault of the workflow's tables")
        self._note_reference(kind, pointer)
        if pointer["file"] is None:
            return None
        check(pointer)
        log.info("%s: %s", kind, pointer["file"])
        self._used.append(f"{kind} {pointer['file']}")
        return pointer["file"]

    def user_image(self, parameter):
        """Read the first image of the file that a parameter names, uncut; None where it names none."""
        if not self.parameters[parameter]:
            return None
        with files.Product(self.parameters[parameter]) as product:
            return product.first_image().read()

    def _note_reference(self, kind, pointer):
        if kind in REFERENCE_KEYWORDS:
            self.set(REFERENCE_KEYWORDS[kind], pointer["crds_uri"], f"{kind} reference file name")
        # Beside the pointers, and no input of the rule: a context that selects the same files reruns nothing.
        asked = Path(self.snakemake.input.references[0]).with_name("asked.json")
        if asked.exists():
            answer = json.loads(asked.read_text())
            self._crds = {"context": answer["context"], "version": answer["crds_version"]}
            self.set("CRDS_VER", answer["crds_version"], "Version of CRDS file selection software")
            self.set("CRDS_CTX", answer["context"], "CRDS context (.pmap) used to select ref files")

    @property
    def read_times(self):
        """For each group the times of its reads (s), where the groups are uneven and the product says so; else None."""
        return files.read_times(self.source, self.shape[1])

    @property
    def normal_rows(self):
        """Mask of the rows of normal pixels in IRS2 frames; None for frames without interleaved rows."""
        return irs2.normal_rows(self.keyword("DETECTOR")) if irs2.is_interleaved(self.shape) else None

    # --- images of the exposure -------------------------------------------------------------------------

    @property
    def pixeldq(self):
        """PIXELDQ of the exposure, an image of its pixels; what is done to it goes into the product."""
        if self._pixeldq is None:
            if "PIXELDQ" in self.source:
                self._pixeldq = self.source["PIXELDQ"].read()
            else:
                self._pixeldq = np.zeros(self.window.shape, np.uint32)
        return self._pixeldq

    @pixeldq.setter
    def pixeldq(self, value):
        self._pixeldq = value

    def image(self, name):
        """Read an optional image of the ramp, such as AVDRKCUR; None where it has none."""
        return self.source[name].read() if name in self.source else None

    def keep_rows(self, rows):
        """Leave all other rows out of the product; call it before the exposure is worked on.

        Steps then return pieces without them, and what the step does not touch is stripped likewise.

        Parameters
        ----------
        rows : 1D bool `~numpy.ndarray`
            The rows to keep.
        """
        self._kept = rows

    def collate(self):
        """Put superstripes together in the product; call it before the exposure is worked on.

        The step still works on superstripes; what its functions return is written where it belongs in the pictures.
        Of exposures without superstripes nothing changes.
        """
        if self.window.positions:
            self._picture = Picture(self.stripes)
            self._picture.describe(self.header)

    def plane(self, values):
        """Give values of superstripes, one for each position, to a pass that works integration by integration.

        Returns
        -------
        callable
            For ``at`` of `frames` and `zeroframes`. Without superstripes it gives the values as they are.
        """
        if not self.window.positions:
            return lambda _integration, _groups: values
        return lambda integration, _groups: values[integration % self.window.positions]

    def each_position(self, function, values):
        """Call a function with values, or with those of each position of superstripes; give what it returns as `plane`.

        Parameters
        ----------
        function : callable
            Called with the values of a frame, such as an image.
        values : `~numpy.ndarray` or list
            These; for superstripes those of each position.

        Returns
        -------
        callable
            As that of `plane`.
        """
        return self.plane([function(each) for each in values] if self.window.positions else function(values))

    def _stripped(self, values):
        return values if self._kept is None else np.ascontiguousarray(values[..., self._kept, :])

    def _product_shape(self, shape):
        if self._picture is not None:
            return self._picture.shape(shape)
        return shape if self._kept is None else (*shape[:-2], np.count_nonzero(self._kept), shape[-1])

    def save_beside(self, name, header, images, **keywords):
        """Write a file of its own that a parameter asks for.

        Parameters
        ----------
        name : str
            A bare name goes beside the product.
        header : `~astropy.io.fits.Header`
            Its primary header, but for FILENAME and the keywords.
        images : dict
            EXTNAME to (shape, type, pieces); pieces is an iterable of (index, values).
        **keywords
            Keywords to set.
        """
        path = Path(self.snakemake.output.ramp).parent / name
        header = header.copy()
        for key, value in (keywords | {"FILENAME": path.name}).items():
            files.set_keyword(header, key, value)
        plans = [files.image(key, shape, dtype) for key, (shape, dtype, _) in images.items()]
        product = files.NewProduct(path, header, plans)
        try:
            for key, (_, _, pieces) in images.items():
                for index, values in pieces:
                    product[key].write(values, *index)
            product.commit()
        except BaseException:
            product.discard()
            raise
        self.also_written.append(path)

    # --- the new product -----------------------------------------------------------------------------

    def add(self, name, values):
        """Add a small image extension to the product; call it before the exposure is worked on."""
        self._extra.append((name, values))

    def write_tree(self, kind, tree):
        """Write an ASDF product beside the ramp, ``<exposure>_<kind>.asdf``."""
        path = Path(self.snakemake.output.ramp).with_name(f"{self.exposure}_{kind}.asdf")
        files.write_tree(path, tree)
        self.also_written.append(path)
        log.info("%s: %s", kind, path)

    def set(self, key, value, comment=""):
        """Set a keyword of the new product; the header has room for a few that come late."""
        files.set_keyword(self.header, key, value, comment)
        self._keywords.append((key, value, comment))

    def _layout(self):
        """Lay out the product: every extension of the source, those of a ramp, what the step adds."""
        if self.target is not None:
            return
        self._stamp(self.snakemake.output.ramp)
        ramp = {
            "SCI": np.float32,
            "PIXELDQ": np.uint32,
            "GROUPDQ": np.uint8,
            "ZEROFRAME": np.float32,
            "REFOUT": np.float32,
        }
        shape = self._product_shape(self.shape)
        shapes = {"SCI": shape, "PIXELDQ": (*self._image_lead, *shape[-2:]), "GROUPDQ": shape}
        plans = []
        for name in ("SCI", "PIXELDQ", "GROUPDQ"):
            like = self.source.hdu(name).header if name in self.source else None
            plans.append(files.image(name, shapes[name], ramp[name], like=like))
        for hdu in self.source.hdus[1:]:
            if hdu.name in ("ZEROFRAME", "REFOUT"):
                shape = self._product_shape(self.source[hdu.name].shape)
                plans.append(files.image(hdu.name, shape, np.float32, like=hdu.header))
            elif self._picture is not None and hdu.name in ("GROUP", "INT_TIMES"):
                if hdu.name == "INT_TIMES":
                    times = self._picture.times(self.source.table("INT_TIMES"))
                    plans += map(files.table, ("INT_TIMES", "INT_TIMES_STRIPE"), times)
            elif hdu.name not in ("SCI", "PIXELDQ", "GROUPDQ", "ASDF", *(name for name, _ in self._extra)):
                plans.append(files.copy_of(self.source, hdu.name))
        plans += [files.image(name, values.shape, values.dtype) for name, values in self._extra]
        without, times = (), None
        if self._picture is not None:
            without, times = tuple(NAMES.values()), self._picture.read_times(self.source.header, self.shape)
        tree = files.metadata_tree(self.source, without, times)
        plans += [tree] if tree is not None else []
        self.header["DATAMODL"] = ("SuperstripeRampModel" if self._image_lead else "RampModel", "Type of data model")
        self.target = files.NewProduct(self.snakemake.output.ramp, self.header, plans)

    @property
    def _image_lead(self):
        """Axis of PIXELDQ in the product before rows and columns: positions of superstripes, where there are any."""
        return () if self._picture is not None else self.window.shape[:-2]

    @property
    def status_keyword(self):
        """The keyword that records the outcome of the step."""
        return STATUS_KEYWORDS[self.name][0]

    def _stamp(self, path):
        """Put into the header what the step says of itself, and of those that were skipped before it."""
        for step in self.snakemake.params.get("skipped", []):
            keyword, comment = STATUS_KEYWORDS[step]
            self.set(keyword, "SKIPPED", comment)
        self.set(self.status_keyword, "COMPLETE", STATUS_KEYWORDS[self.name][1])
        self.set("CAL_VER", f"rampflow {__version__}", "Calibration software version number")
        self.set("CAL_VCS", str(self.snakemake.params.get("code", "unknown")), "Digest of the step's code")
        files.set_keyword(self.header, "FILENAME", Path(path).name, "Name of the file")
        self.header.add_history(self.note)

    @property
    def note(self):
        """The step and its parameters in one line, for the product's history."""
        values = ", ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()))
        return f"{self.name}: {values}" if values else f"{self.name}: no parameters"

    def _carry(self, name):
        """Copy an array of the source into the product as it is, converted to the product's type."""
        if name not in self.source:
            return  # absent flags are zero, and zero bytes are what an unwritten array reads as
        source, target = self.source[name], self.target[name]
        if source.raw == target.raw and source.shift == target.shift and source.shape == target.shape:
            size = int(np.prod(source.shape, dtype=np.int64)) * source.raw.itemsize
            files.copy_range(source.descriptor, target.descriptor, source.offset, target.offset, size)
            return
        samples = 1 if self._picture is None else self.stripes.samples
        for integration, *rest in np.ndindex(target.shape[:-2]):
            index = [group // samples for group in rest]
            pieces = [source.read(number, *index).astype(target.dtype) for number in self._sources(integration)]
            joined = self._joined(pieces, rest[0] % samples if rest else 0)
            target.write(self._stripped(joined), integration, *rest)

    def finish(self, skipped=None):
        """Write what the step left untouched, the keywords, and give the product its name."""
        if skipped is not None:
            if self.target is not None:
                self.target.discard()
            self._written, self._pixeldq, self._kept, self.target = set(), None, None, None
            log.info("skipped: %s", skipped)
        self._layout()
        if skipped is not None:
            self.header[self.status_keyword] = self.skipped_as
        for name, values in self._extra:
            self.target[name].write(values)
        flags = self._stripped(self.pixeldq)
        self.target["PIXELDQ"].write(flags if self._picture is None else self._picture.flags(flags))
        for plan in self.target.plans:
            if plan.name in ("SCI", "GROUPDQ", "ZEROFRAME", "REFOUT") and plan.name not in self._written:
                self._carry(plan.name)
        self.target.commit()
        self._release()
        self._close()

    def _release(self):
        """Give back the memory of the product of the step before, if it stays; else it never has to reach the disk."""
        if self.snakemake.config.get("keep", "all") == "all":
            for source in self.sources:
                source.release()

    def discard(self):
        """Remove what was written so far."""
        if getattr(self, "target", None) is not None:
            self.target.discard()
        self._close()

    def _close(self):
        for reference in getattr(self, "_references", []):
            with contextlib.suppress(OSError):
                reference.close()
        self._references = []
