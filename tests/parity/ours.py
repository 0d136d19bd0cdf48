"""Our side of the comparison: the workflow as a whole, and its scripts one by one."""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
RATES = ("ramp_fit", "gain_scale")


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
        From `parse`.
    """

    def __init__(self, folder, programme, exposures, options):
        self.folder, self.cores = folder, options.cores
        self.config = {"steps": programme["steps"]}
        if options.configfile:
            self.config |= yaml.safe_load(options.configfile.read_text())
        self.config |= {
            "release": options.release,
            "exposures": [str(path) for path in exposures],
            "crds": programme["crds"] | {"offline": True},
            "results": "results",
        }
        folder.mkdir(parents=True)
        self.configfile = folder / "config.yaml"
        self.configfile.write_text(yaml.safe_dump(self.config))
        from rampflow.planning.run import Run

        with contextlib.chdir(folder):
            self.plan = Run(self.config, ROOT).plan
        self.results = folder / "results"
        self.problems = []

    def run(self):
        """Run the workflow; return what to say if it failed. `problems` has the lines in which it said why."""
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
        self.problems = [line for line in log.read_text().splitlines() if line.startswith("rampflow:")]
        tail = self.problems or log.read_text().splitlines()[-25:]
        return f"the workflow ended with status {status} ({log}):\n  " + "\n  ".join(tail)

    def uncal(self, exposure):
        """Raw file of an exposure."""
        return Path(self.plan.exposures[exposure].path)

    def step(self, name, exposure, inputs, folder):
        """Run the script of a step on given files.

        Returns
        -------
        products : list of path
            One, or rate and rateints.
        problem : str or None
            The one line with which the script failed.
        """
        home = self.results / exposure
        settings = self.plan.settings(name, exposure)
        resolved = home / "parameters" / f"{name}.json"
        if resolved.exists():
            settings |= json.loads(resolved.read_text())
        types = self.plan.reference_types(name, exposure)
        stand_in = StandIn(
            rule=name,
            wildcards=Named(exposure=exposure),
            threads=1,
            resources=Named(mem_mb=2000),
            params=Named(settings=settings, code="parity"),
            log=[str(folder / f"{name}.log")],
            config=self.config,
            input=Named(references=[str(home / "references" / f"{kind}.json") for kind in types]),
            output=Named(parameters=str(folder / f"{name}.json"), record=str(folder / f"{name}.record.json")),
        )
        kinds = ("", "ints") if name in RATES else ("",)
        products = [folder / f"{exposure}_{name}{kind}.fits" for kind in kinds]
        makes = ("rate", "rateints") if name in RATES else ("ramp",)
        takes = ("rate", "rateints") if len(inputs) == 2 else ("ramp",)
        stand_in.output.update(zip(makes, map(str, products), strict=True))
        stand_in.input.update(zip(takes, map(str, inputs), strict=True))
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.chdir(folder):
                runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": stand_in})
        except SystemExit as end:
            if end.code:
                line = said.getvalue().strip().removeprefix(f"rampflow: {exposure}: {name}: ")
                return products, " ".join(line.split()) or f"exit status {end.code}"
        except Exception as error:  # a fault of the script itself is a line of the table, too
            return products, f"{type(error).__name__}: {error}"
        return products, None


class Named(dict):
    """Files or values by name and by place, as Snakemake hands them to a script."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key):
        return list(self)[key] if isinstance(key, int) else super().__getitem__(key)

    def __iter__(self):
        for value in self.values():
            yield from value if isinstance(value, list) else [value]


@dataclass
class StandIn:
    """What a script takes for Snakemake's object."""

    rule: str
    wildcards: Named
    threads: int
    resources: Named
    params: Named
    log: list
    config: dict
    input: Named
    output: Named
