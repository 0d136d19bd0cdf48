"""What a product of jwst says of how it was made: versions, context, steps, and the log with their parameters."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from rampflow.errors import FileProblem
from rampflow.io.calibration_log import logged_parameters
from rampflow.io.files import Product
from rampflow.io.keywords import STATUS_KEYWORDS
from rampflow.settings.configuration import releases
from rampflow.settings.product_names import split_name
from rampflow.settings.release import load_release

_PIPELINE = "Detector1Pipeline"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


@dataclass
class Origin:
    """What a product of jwst says of how it was made.

    Attributes
    ----------
    path : path-like
        The product.
    exposure : str
        Its name.
    header : `~astropy.io.fits.Header`
        Its primary header.
    version : tuple of int
        Of jwst: (1, 19, 2).
    parameters : dict
        Step to {parameter: text}, from the log; empty without one.
    pipeline : dict
        Parameters of the pipeline itself.
    """

    path: Path
    exposure: str
    header: object
    version: tuple
    parameters: dict = field(default_factory=dict)
    pipeline: dict = field(default_factory=dict)

    @property
    def mode(self):
        """Instrument, and whether it is a time series."""
        return str(self.header.get("INSTRUME", "")).strip().upper(), self.header.get("TSOVISIT") is True

    @property
    def context(self):
        """The CRDS context, or None."""
        return self.header.get("CRDS_CTX")

    @classmethod
    def read(cls, path):
        """Read a product.

        Raises
        ------
        FileProblem
            It cannot be read, or is no product of jwst's Stage 1 whose maker is known.
        """
        with warnings.catch_warnings(action="ignore"), Product(path) as product:
            header, logged = product.header, logged_parameters(product)
            version = str(header.get("CAL_VER", "")).strip()
            if version.startswith("rampflow"):
                raise FileProblem(f"{path}: {version} made it; the configuration is in runs/ of its results")
            numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
            if not numbers or STATUS_KEYWORDS["ramp_fit"][0] not in header:
                raise FileProblem(
                    f"{path}: CAL_VER is {version or 'missing'}, {STATUS_KEYWORDS['ramp_fit'][0]} "
                    f"{header.get(STATUS_KEYWORDS['ramp_fit'][0], 'missing')}; expected a product of jwst's Stage 1, "
                    "such as jw…_rate.fits"
                )
            origin = cls(Path(path), split_name(path)[0], header, tuple(int(n or 0) for n in numbers.groups()))
            for name, parameters in logged:
                if name == _PIPELINE:
                    origin.pipeline, origin.parameters = parameters, dict(parameters.get("steps") or {})
                elif name in STATUS_KEYWORDS:
                    origin.parameters[name] = parameters
            return origin

    def has_run(self, step):
        """Whether a step has done its work."""
        return self.header.get(STATUS_KEYWORDS[step][0]) == "COMPLETE"

    def skipped(self, step):
        """Whether jwst was told to skip a step; where no log says it, whether the step did nothing."""
        if step in self.parameters and "skip" in self.parameters[step]:
            return self.parameters[step]["skip"] == "True"
        return not self.has_run(step)


def nearest_release(version):
    """Find the release that does what a version of jwst does, or what the nearest one does.

    Parameters
    ----------
    version : tuple of int
        Three numbers.

    Returns
    -------
    release : str
        Its name.
    exact : bool
        Whether the release is for that version.
    """

    def distance(name):
        known = _VERSION.findall(load_release(name).description)
        first, last = (tuple(int(n) for n in f"{text}.0".split(".")[:3]) for text in (known[0], known[-1]))
        if first <= version <= last:
            return 0, 0, 0
        bound = first if version < first else last
        return tuple(abs(a - b) for a, b in zip(version, bound, strict=True))

    name = min(releases(), key=distance)
    return name, distance(name) == (0, 0, 0)
