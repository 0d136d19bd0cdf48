"""A small mock programme, and a way to run the workflow on it in a temporary folder."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, write_exposure

HOME = Path(__file__).parents[2]
SCENE = Scene(sky=5.0, stars=4, brightest=3000.0)


def exposures():
    """One exposure of every chain that differs: frame 0, a time series, MIRI plain and time series, NIRSpec, FGS."""
    made = [
        ("NRCB1", "SHALLOW4", 5, 1, {"zero_frame": True}),
        (
            "NRCALONG",
            "RAPID",
            6,
            3,
            {"tso": True, "exp_type": "NRC_TSGRISM", "pupil": "GRISMR", "filter": "F444W"},
        ),
        ("NIS", "NISRAPID", 5, 2, {"exp_type": "NIS_AMI", "filter": "F480M", "pupil": "NRM"}),
        ("NRS1", "NRSRAPID", 4, 1, {}),
        ("MIRIMAGE", "FASTR1", 8, 2, {}),
        ("GUIDER1", "FGS", 3, 1, {}),
    ]
    return [
        MockExposure(
            detector,
            readpatt,
            ngroups,
            nints,
            window=Rectangle(1, 1, 40, 32),
            scene=SCENE,
            effects=Effects.nominal(INSTRUMENTS[detector], ipc=1),
            seed=seed,
            **more,
        )
        for seed, (detector, readpatt, ngroups, nints, more) in enumerate(made, start=1)
    ]


INSTRUMENTS = {
    "NRCB1": "NIRCAM", "NRCALONG": "NIRCAM", "NIS": "NIRISS", "NRS1": "NIRSPEC", "MIRIMAGE": "MIRI", "GUIDER1": "FGS",
}  # fmt: skip


@dataclass
class Programme:
    """Raw exposures and the CRDS cache that calibrates them."""

    folder: Path
    context: str
    exposures: list = field(default_factory=list)

    def config(self, *detectors):
        """The configuration of a run on the exposures of some detectors."""
        crds = {"path": str(self.folder / "crds"), "context": self.context, "offline": True}
        return {"exposures": [str(self.folder / "data" / f"*_{name}_uncal.fits") for name in detectors], "crds": crds}


@pytest.fixture(scope="session")
def programme(tmp_path_factory):
    return make_programme(tmp_path_factory.mktemp("programme"), INSTRUMENTS)


def make_programme(folder, detectors):
    """Make raw exposures of some detectors, and their cache."""
    for name in ("data", "truth"):
        (folder / name).mkdir(parents=True)
    made = [exposure for exposure in exposures() if exposure.detector in detectors]
    context = build_cache(folder / "crds", made)
    for exposure in made:
        write_exposure(exposure, folder / "data", folder / "truth")
    return Programme(folder, context, made)


@dataclass
class Run:
    """The workflow in one folder."""

    folder: Path
    home: Path = HOME
    config: dict = field(default_factory=dict)
    said: str = ""  #: what a finished run has printed

    def __call__(self, *arguments, status=0, **options):
        """Run Snakemake; return what it says."""
        completed = self.start(*arguments, **options)
        text = completed.communicate()[0]
        assert completed.returncode == status, text
        return text

    def start(self, *arguments, environment=None, largest_file=None, **config):
        """Start Snakemake; ``largest_file`` limits what its jobs can write, as a full disk does."""

        def prepare():
            # Whoever runs the tests in the background has interrupts ignored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if largest_file:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        self.config.update(config)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.home / "Snakefile"]
        # With --printshellcmds Snakemake says what it does job by job.
        command += ["--configfile", "config.yaml", "--keep-going", "--printshellcmds", *arguments]
        if "--cores" not in arguments:
            command += ["--cores", "2"]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=dict(os.environ, **(environment or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=prepare,
        )

    def jobs(self, *arguments, **config):
        """Run, and return the jobs that ran: (rule, exposure), of variants (rule, exposure/variant)."""
        text = self(*arguments, **config)
        # Of jobs that begin together there may be no empty line between the one and the other.
        found = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$(.*?)(?=^$|^\[)", text, re.S | re.M)
        return _named(found)

    def planned(self, *arguments):
        """The jobs that a dry run names."""
        text = self("-n", *arguments)
        if "Nothing to be done" in text:
            return set()
        found = re.findall(r"^(?:rule|checkpoint) (\w+):$(.*?)(?=^\[|^Job stats)", text, re.S | re.M)
        return _named(found)

    def products(self):
        """Every FITS file of the results and its bytes."""
        return {p.relative_to(self.folder): p.read_bytes() for p in (self.folder / "results").rglob("*.fits")}

    def record(self, exposure, step):
        """What a job said of itself."""
        (path,) = (self.folder / "results").glob(f"*_{exposure}/record/{step}.json")
        return json.loads(path.read_text())


def _named(found):
    """Name jobs by what Snakemake says of them."""
    ran = [(rule, re.search(r"wildcards: exposure=([^\s,]+)(?:, variant=(\S*))?", body)) for rule, body in found]
    short = {(rule, match[1].split("_")[-1], (match[2] or "").rpartition("/")[2]) for rule, match in ran if match}
    return {(rule, f"{exposure}/{variant}" if variant else exposure) for rule, exposure, variant in short}


def _new_run(programme, folder, *detectors):
    return Run(folder, HOME, programme.config(*detectors))


@pytest.fixture
def new_run(programme, tmp_path):
    """Make a folder for a run on the exposures of some detectors."""

    def make(*detectors):
        folder = tmp_path / "run"
        folder.mkdir()
        return _new_run(programme, folder, *detectors)

    return make


@pytest.fixture
def run(new_run):
    """The workflow in a folder of its own, on the whole programme."""
    return new_run("*")


@pytest.fixture
def workflow_copy(tmp_path):
    """A copy of the workflow whose code a test may edit."""
    copy = tmp_path / "workflow_copy"
    for name in ("rules", "scripts", "workflow", "config", "envs"):
        shutil.copytree(HOME / name, copy / name)
    shutil.copy(HOME / "Snakefile", copy)
    return copy


@pytest.fixture(scope="session")
def finished(programme, tmp_path_factory):
    """The whole programme, processed once; tests may only read it."""
    run = _new_run(programme, tmp_path_factory.mktemp("finished"), "*")
    run.said = run()
    return run


@pytest.fixture
def again(finished, tmp_path):
    """A copy of the finished run, its bookkeeping included, that a test may change."""
    folder = tmp_path / "again"
    shutil.copytree(finished.folder, folder)
    return Run(folder, HOME, dict(finished.config))
