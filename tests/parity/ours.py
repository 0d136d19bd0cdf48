"""Our side of the comparison: the workflow as a whole, and its steps one by one."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver
from rampflow.planning.run import Run

ROOT = Path(__file__).parents[2]
RATES = ("ramp_fit", "gain_scale")
#: How the line ends in which the workflow counts what it has not finished.
COUNTED = " exposures are not finished"


def project_environment():
    """Environment of our own processes: the package on the path, and no CRDS settings but the run's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CRDS_")}
    return kept | {"PYTHONPATH": str(ROOT / "workflow")}


class Workflow:
    """Our workflow on the exposures: the plan, the run by Snakemake, and single scripts.

    Parameters
    ----------
    folder : path-like
        Working directory of the run.
    programme : dict
        From `make_programme`.
    exposures : list of path-like
        Uncal files.
    options : `~argparse.Namespace`
        From `parse`, with the oracle's ``python``, which makes masks of NIRSpec's science regions.
    """

    def __init__(self, folder, programme, exposures, options):
        self.folder, self.cores = folder, options.cores
        self.as_operated = programme["as_operated"]
        self.config = {"steps": programme["steps"]}
        if options.configfile:
            self.config |= yaml.safe_load(options.configfile.read_text())
        self.config |= {
            "release": options.release,
            "exposures": [str(path) for path in exposures],
            "crds": programme["crds"] | {"offline": True},
            "results": "results",
            "save_calibrated_ramp": self.as_operated,
            "masks": {"python": options.python},
        }
        folder.mkdir(parents=True)
        self.configfile = folder / "config.yaml"
        self.configfile.write_text(yaml.safe_dump(self.config))
        with contextlib.chdir(folder):
            self._run = Run(self.config, ROOT)
        self.plan = self._run.plan
        self.results = folder / "results"
        self.problems = []

    def run(self):
        """Run the workflow; return what to say if it failed. `problems` has the lines in which it said why.

        Those about exposures, that is, and the one that counts them.
        """
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(self.configfile)]
        command += ["--cores", str(self.cores), "--keep-going", "--quiet", "rules", "progress"]
        log = self.folder / "snakemake.log"
        with open(log, "w") as stream:
            status = subprocess.call(
                command, cwd=self.folder, env=project_environment(), stdout=stream, stderr=subprocess.STDOUT
            )
        if status == 0:
            return None
        said = [line for line in log.read_text().splitlines() if line.startswith("rampflow:")]
        starts = tuple(f"rampflow: {name}: " for name in self.plan.exposures)
        self.problems = list(dict.fromkeys(line for line in said if line.startswith(starts) or line.endswith(COUNTED)))
        tail = self.problems or log.read_text().splitlines()[-25:]
        return f"the workflow ended with status {status} ({log}):\n  " + "\n  ".join(tail)

    def chain(self, exposure):
        """Steps of an exposure in order: as CRDS settles them, once the workflow has run.

        Those that the workflow leaves out, since they have nothing to do, are among them: jwst runs them.
        """
        with contextlib.chdir(self.folder):
            chain = self._run.demand.chain(exposure)
        return [step for step in chain.skips if step in chain.steps or step in chain.idle]

    def uncal(self, exposure):
        """Raw file of an exposure."""
        return Path(self.plan.exposures[exposure].path)

    def step(self, name, exposure, inputs, folder):
        """Run a step on given files.

        Returns
        -------
        products : list of path
            One, or rate and rateints.
        problem : str or None
            The one line with which the step failed.
        """
        home = self.results / exposure
        settings = self.plan.settings(name, exposure)
        resolved = home / "parameters" / f"{name}.json"
        if resolved.exists():
            settings |= json.loads(resolved.read_text())
        types = self.plan.reference_types(name, exposure)
        kinds = ("", "ints") if name in RATES else ("",)
        products = [folder / f"{exposure}_{name}{kind}.fits" for kind in kinds]
        makes = ("rate", "rateints") if name in RATES else ("ramp",)
        takes = ("rate", "rateints") if len(inputs) == 2 else ("ramp",)
        outputs = dict(zip(makes, map(str, products), strict=True))
        given = dict(zip(takes, map(str, inputs), strict=True))
        with contextlib.chdir(self.folder):
            mask = self._run.science_mask(name, exposure)
            given |= {"mask": os.path.abspath(mask)} if mask else {}
        spec = JobSpec(
            name=name,
            exposure=exposure,
            inputs=given,
            outputs=outputs | {"parameters": f"{folder}/{name}.json", "record": f"{folder}/{name}.record.json"},
            references={kind: str(home / "references" / f"{kind}.json") for kind in types},
            asked=str(home / "references" / "asked.json"),
            settings=settings,
            code="parity",
            log=str(folder / f"{name}.log"),
        )
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.chdir(folder):
                Step(spec).run(driver(name).run)
        except SystemExit as end:
            if end.code:
                line = said.getvalue().strip().removeprefix(f"rampflow: {exposure}: {name}: ")
                return products, " ".join(line.split()) or f"exit status {end.code}"
        except Exception as error:  # a fault of the step itself is a line of the table, too
            return products, f"{type(error).__name__}: {error}"
        return products, None
