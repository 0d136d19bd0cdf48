"""The cases of the benchmarks: mock exposures, the workflow on them, and jwst on them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import yaml
from measure import measure

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "parity")]

import environment  # noqa: E402  the oracle's environment is the one that the comparison makes

CASES = {
    "tiny": "a quarter of a million samples, NIRCam: whether all of this works",
    "full": "full frame, NIRCam",
    "tso": "small time series, NIRCam",
    "twenty": "twenty small time series",
    "long": "long time series, NIRCam",
    "prism": "long time series, MIRI's slitless prism",
    "likely": "full frame, NIRCam, maximum likelihood",
    "likely-long": "long time series, NIRCam, maximum likelihood",
}
#: The mock's programme of a case, where it is that of another one, and the parameters of steps on both sides.
PROGRAMMES = {"likely": "full", "likely-long": "long"}
PARAMETERS = dict.fromkeys(PROGRAMMES, {"ramp_fit": {"algorithm": "LIKELY"}})


def say(text):
    """Report progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def our_environment(home=ROOT, **more):
    """Environment of our processes: the package of a tree on the path, and no CRDS settings but the run's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CRDS_")}
    # After the first run Python has our modules compiled, as it has those that pip has installed.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(home / "workflow")} | more


class Case:
    """One case of the benchmark.

    Parameters
    ----------
    name : str
        A key of `CASES`.
    folder : `~pathlib.Path`
        For the exposures of all cases and what is made of them.
    release : str
        What ours runs.
    cores : int
        For each side.
    """

    def __init__(self, name, folder, release, cores):
        self.name, self.cores = name, cores
        self.folder = folder / name
        programme = self.folder / "programme"
        if not (programme / "programme.json").exists():
            say(f"{name}: making the mock exposures")
            programme.mkdir(parents=True, exist_ok=True)
            mock = f"bench-{PROGRAMMES.get(name, name)}"
            command = [sys.executable, "-m", "rampflow.mock", mock, str(programme)]
            subprocess.run(command, check=True, env=our_environment(), stdout=subprocess.DEVNULL)
        made = json.loads((programme / "programme.json").read_text())
        self.uncal = [programme / each["uncal"] for each in made["exposures"]]
        self.crds = {"path": str(programme / made["crds_path"]), "context": made["context"]}
        self.shape = made["exposures"][0]["shape"]
        self.parameters = PARAMETERS.get(name, {})
        self.config = {
            "release": release,
            "exposures": [str(path) for path in self.uncal],
            "steps": self.parameters,
            "crds": self.crds | {"offline": True},
        }
        self.steps = self._chain()

    @property
    def description(self):
        """Size of the exposures."""
        nints, ngroups, ny, nx = self.shape
        size = sum(path.stat().st_size for path in self.uncal) / 1e6
        return f"{len(self.uncal)} of {nints} integrations x {ngroups} groups x {ny} x {nx}, {size:.0f} MB raw"

    def _chain(self):
        from rampflow.planning.run import Run

        with contextlib.chdir(self.folder):
            plan = Run(self.config, ROOT).plan
        return list(plan.chain(next(iter(plan.exposures))))

    def _what(self):
        return {"steps": self.steps, "parameters": self.parameters}

    def ours(self, home=ROOT):
        """Run the workflow of a tree in a fresh folder; return what it took."""
        folder = self.folder / "ours"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(home / "Snakefile")]
        command += ["--directory", str(folder), "--configfile", str(config), "--cores", str(self.cores)]
        log = folder / "snakemake.log"
        took = asdict(measure([command], cwd=folder, env=our_environment(home), log=log))
        records = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/record/*.json"))]
        products = sum(path.stat().st_size for path in folder.glob("results/*/*.fits"))
        self._expect(folder.glob("results/*/*_rateints.fits"))
        os.sync()
        largest = max(records, key=lambda record: record["peak_memory_mb"])
        return took | {
            "peak_job_mb": largest["peak_memory_mb"],
            "largest_job": largest["step"],
            "written_mb": products / 1e6,
        }

    def theirs(self, python):
        """Run jwst with that interpreter in a fresh folder; return what it took."""
        folder = self.folder / "theirs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        tasks = [
            {"kind": "pipeline", "input": str(path), "folder": str(folder / "out")} | self._what()
            for path in self.uncal
        ]
        cores = self.cores
        shares = [tasks[k::cores] for k in range(min(cores, len(tasks)))]
        commands = []
        for number, share in enumerate(shares):
            request = folder / f"request{number}.json"
            request.write_text(json.dumps({"crds": self.crds, "tasks": share}))
            answer = str(folder / f"answer{number}.json")
            commands.append([python, str(environment.SCRIPT), str(request), answer])
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        took = asdict(measure(commands, cwd=folder, env=clean, log=folder / "log"))
        for path in folder.glob("answer*.json"):
            for result in json.loads(path.read_text())["tasks"]:
                if result["error"]:
                    raise SystemExit(result["error"])
        self._expect((folder / "out").glob("*_rateints.fits"))
        os.sync()
        return took

    def _expect(self, products):
        found = len(list(products))
        if found != len(self.uncal):
            raise SystemExit(f"{self.name}: {found} rateints products of {len(self.uncal)} exposures")

    def by_step(self, python):
        """Time of each step: ours in the jobs of the last run, theirs in memory from step to step."""
        task = {"kind": "timed", "input": str(self.uncal[0])} | self._what()
        process = environment.start(python, [task], self.crds, self.folder / "theirs", "timed")
        result = environment.answer(process)["tasks"][0]
        if result["error"]:
            raise SystemExit(result["error"])
        exposure = self.uncal[0].name.removesuffix("_uncal.fits")
        folder = self.folder / "ours"
        jobs = job_times(folder)
        rows = []
        for step in self.steps:
            written = folder / "results" / exposure / "record" / f"{step}.json"
            if not written.exists():
                # It had nothing to do, which was known beforehand.
                continue
            record = json.loads(written.read_text())
            rows.append(
                {
                    "step": step,
                    "ours_s": record["wall_s"],
                    "threads": record["threads"],
                    "theirs_s": result["seconds"][step],
                    "job_s": jobs.get(f"results/{exposure}/record/{step}.json"),
                }
            )
        return rows


def job_times(folder):
    """Wall time of Snakemake's jobs by output file, from its own notes: from submission to completion."""
    import base64

    times = {}
    for path in (folder / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            notes = json.loads(path.read_text())
            name = base64.urlsafe_b64decode(path.name.removeprefix("@")).decode(errors="replace")
            if notes.get("starttime") and notes.get("endtime"):
                times[name] = notes["endtime"] - notes["starttime"]
    return times
