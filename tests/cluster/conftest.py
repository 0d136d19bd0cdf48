"""A Slurm, two programmes, the products of local runs on them, and a way to run them on the cluster."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cluster.slurm import Slurm, missing
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, write_exposure
from rampflow.mock.programmes import FIELD, MID_INFRARED, SPECTRUM, TRANSIT, Programme, make, nominal

HOME = Path(__file__).parents[2]
PROFILE = HOME / "profiles" / "slurm"
COUNT = 3


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    if why := missing():
        pytest.skip(why)
    one = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="session")
def programme(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programme")
    for name in ("data", "truth"):
        (folder / name).mkdir()
    made = [
        MockExposure(
            "NRCB1",
            "SHALLOW4",
            5,
            1,
            window=Rectangle(1, 1, 64, 64),
            scene=Scene(sky=5.0, stars=4, brightest=3000.0),
            effects=Effects.nominal("NIRCAM", ipc=1),
            seed=number,
            number=number,
            start=f"2026-01-01T0{number}:00:00",
        )
        for number in range(1, COUNT + 1)
    ]
    context = build_cache(folder / "crds", made)
    for exposure in made:
        write_exposure(exposure, folder / "data", folder / "truth")
    crds = {"path": str(folder / "crds"), "context": context, "offline": True}
    return {"exposures": str(folder / "data" / "*_uncal.fits"), "crds": crds}


@pytest.fixture(scope="session")
def mixed(tmp_path_factory):
    """Twelve exposures of all instruments, plain and time series, two segments and an IRS2 readout among them."""
    folder = tmp_path_factory.mktemp("mixed")
    grism = {"exp_type": "NRC_TSGRISM", "pupil": "GRISMR", "filter": "F444W"}
    soss = {"exp_type": "NIS_SOSS", "pupil": "GR700XD"}
    prism = {"exp_type": "MIR_LRS-SLITLESS", "filter": "P750L"}
    interferometer = {"exp_type": "NIS_AMI", "filter": "F480M", "pupil": "NRM"}
    series = {"tso": True, "scene": TRANSIT}
    segments = nominal(
        "NRCALONG", "RAPID", 5, 6, subarray="SUBGRISM64", window=Rectangle(1, 1, 2048, 16), **grism, **series
    ).segments(3, 3)
    exposures = (
        nominal("NRCB1", "SHALLOW4", 5, subarray="SUB160", zero_frame=True, scene=FIELD),
        nominal("NRCB2", "BRIGHT2", 4, subarray="SUB640", scene=FIELD.but(stars=300)),
        *segments,
        nominal("NIS", "NISRAPID", 6, 3, subarray="SUB80", scene=FIELD.but(stars=1, brightest=9e4), **interferometer),
        nominal(
            "NIS",
            "NISRAPID",
            4,
            4,
            subarray="SUBSTRIP96",
            window=Rectangle(1, 1803, 400, 96),
            number=2,
            **soss,
            **series,
        ),
        nominal("NRS1", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM),
        nominal("NRS2", "NRSIRS2RAPID", 2, exp_type="NRS_IFU", scene=SPECTRUM),
        nominal("MIRIMAGE", "FASTR1", 10, 2, subarray="SUB256", scene=MID_INFRARED),
        nominal("MIRIMAGE", "FASTR1", 8, 4, subarray="SLITLESSPRISM", number=2, **prism, **series),
        nominal("MIRIFULONG", "FASTR1", 6, 2, band="LONG", window=Rectangle(985, 501, 48, 40), scene=SPECTRUM),
        nominal("GUIDER1", "FGS", 5, subarray="SUB128LL", scene=FIELD.but(brightest=1e5)),
    )
    context = make(Programme(exposures), folder, report=lambda _: None)["context"]
    crds = {"path": str(folder / "crds"), "context": context, "offline": True}
    return {"exposures": str(folder / "data" / "*_uncal.fits"), "crds": crds}


class Runs:
    """Runs in one folder: here (`local`), or on the cluster."""

    def __init__(self, folder, slurm, config):
        self.folder, self.slurm, self.config = folder, slurm, config
        self.results = folder / "results"

    def local(self):
        process = self._start(["--cores", "2", "--keep-going"], {})
        assert process.wait(900) == 0, self.said()
        return self.products()

    def start(self, *arguments, within=(), **config):
        """Start a head, ``within`` a command that runs it."""
        profile = ["--profile", str(PROFILE), "--slurm-no-account", "--slurm-init-seconds-before-status-checks", "2"]
        return self._start([*profile, "--latency-wait", "20", *arguments], config, within)

    def finish(self, head, status=0):
        """Wait for the end of a head; return what all have said."""
        try:
            assert head.wait(900) == status, self.said()
        finally:
            if head.poll() is None:
                head.kill()
                head.wait()
        return self.said()

    def said(self):
        return (self.folder / "said").read_text()

    def products(self):
        """Every FITS file of the results, and what its bytes come to."""
        paths = self.results.rglob("*.fits")
        return {str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    def records(self):
        return {path: path.stat().st_mtime_ns for path in self.results.glob("*/record/*.json")}

    def wait_for(self, condition, head=None, seconds=300):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end and (head is None or head.poll() is None), self.said()
            time.sleep(0.3)
        return found

    def _start(self, arguments, config, within=()):
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config | config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", HOME / "Snakefile", "--configfile", "config.yaml"]
        with open(self.folder / "said", "a") as said:
            return subprocess.Popen(
                [*within, *command, *arguments],
                cwd=self.folder,
                env=os.environ | self.slurm.environment,
                stdout=said,
                stderr=said,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )


@pytest.fixture
def runs(tmp_path, slurm, programme):
    yield Runs(tmp_path, slurm, programme)
    for job in slurm.jobs("RUNNING", "PENDING"):
        slurm.command("scancel", str(job))
    time.sleep(1)


@pytest.fixture(scope="session")
def expected(tmp_path_factory, slurm, programme):
    """What a local run makes."""
    return Runs(tmp_path_factory.mktemp("local"), slurm, programme).local()
