"""Speed and memory of rampflow beside jwst 3.0.0, on the same machine, in the same run: ``make bench``.

Ours: ``snakemake --cores 2`` in a fresh folder, from starting Snakemake to its end, with every intermediate
product written to disk. Theirs: ``Detector1Pipeline.call`` in a process of its own, from starting python to
its end, in memory. Both run the same steps, with the same reference files, and write rate and rateints. The
two alternate, and medians are compared. Twenty exposures go through two processes of theirs with ten each,
so that the import of jwst counts twice and not twenty times.

Our kernels are compiled beforehand, as they are after the first run on a machine; what that first compilation
takes is reported by itself. The disk's write-back is awaited between the runs, outside the times.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
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
#: Steps whose time is compared with the oracle's own, and how many times faster they should be.
GOALS = {"emicorr": 5, "jump": 10, "ramp_fit": 5, "saturation": 3, "refpix": 3, "linearity": 3}
GOALS_OF_CASES = dict.fromkeys(PROGRAMMES, {"ramp_fit": 10})


def main(arguments=None):
    """Run the benchmark; return the exit status."""
    options = parse(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    python = environment.oracle_python(options.oracle)
    report = {
        "oracle": environment.requirements(options.oracle)[0],
        "release": options.release,
        "machine": {"cpus": os.cpu_count(), "model": cpu_model(), "memory_gb": memory_gb()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "compile": compile_times(options.folder),
        "cases": {},
    }
    first = report["compile"]
    say(f"kernels: {first['first_s']:.1f} s to compile, once on a machine; {first['again_s']:.1f} s to load")
    for name in options.cases:
        case = Case(name, python, options)
        say(f"{name}: {CASES[name]}: {case.description}")
        report["cases"][name] = case.run()
        (options.folder / "bench.json").write_text(json.dumps(report, indent=1))
        if not options.keep:
            shutil.rmtree(case.folder)
    print_report(report)
    print(f"\nWritten as {options.folder / 'bench.json'}")
    return 0


def parse(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each side (default: 1)")
    parser.add_argument("--steps", action="store_true", help="also compare the time of every step")
    parser.add_argument("--release", default="3.0", help="release that ours runs (default: 3.0)")
    parser.add_argument("--oracle", default="3.0", choices=environment.releases())
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench", help="where everything goes")
    parser.add_argument("--keep", action="store_true", help="keep the exposures, for the next time")
    options = parser.parse_args(arguments)
    options.cases = options.cases or list(CASES)
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    options.folder = options.folder.resolve()
    return options


def say(text):
    """Report progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def cpu_model():
    """Name of the processor."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return lines[0].partition(":")[2].strip() if lines else platform.processor()


def memory_gb():
    """Memory of the machine."""
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def our_environment(**more):
    """Environment of our processes: the package on the path, and no CRDS settings but the run's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CRDS_")}
    # After the first run Python has our modules compiled, as it has those that pip has installed.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(ROOT / "workflow")} | more


def compile_times(folder):
    """Time to import all kernels with an empty cache of compiled code, and with the real one."""
    cache = folder / "numba"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", "from rampflow.warmstart.preload import preload; list(preload())"]
    subprocess.run(command, check=True, env=our_environment())
    again = measure([command], env=our_environment())
    first = measure([command], env=our_environment(NUMBA_CACHE_DIR=str(cache)))
    shutil.rmtree(cache, ignore_errors=True)
    return {"first_s": first.wall_s, "again_s": again.wall_s}


class Case:
    """One case of the benchmark.

    Parameters
    ----------
    name : str
        A key of `CASES`.
    python : str
        The oracle's interpreter.
    options : `~argparse.Namespace`
        From `parse`.
    """

    def __init__(self, name, python, options):
        self.name, self.python, self.options = name, python, options
        self.folder = options.folder / name
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
            "release": options.release,
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

    def run(self):
        """Run both sides in turn; return the measurements."""
        ours, theirs = [], []
        for number in range(1, self.options.repeat + 1):
            for side, runs in ((self._ours, ours), (self._theirs, theirs)):
                os.sync()
                runs.append(side())
                took = runs[-1]
                say(
                    f"{self.name} {number}/{self.options.repeat} {side.__name__.strip('_'):6s} "
                    f"{took['wall_s']:7.1f} s  {took['peak_tree_mb']:7.0f} MB"
                )
        result = {"description": self.description, "exposures": len(self.uncal), "steps": self.steps}
        result |= {"ours": ours, "theirs": theirs}
        if self.options.steps:
            result["by_step"] = self._by_step()
        shutil.rmtree(self.folder / "ours", ignore_errors=True)
        shutil.rmtree(self.folder / "theirs", ignore_errors=True)
        return result

    def _ours(self):
        folder = self.folder / "ours"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += [
            "--directory",
            str(folder),
            "--configfile",
            str(config),
            "--cores",
            str(self.options.cores),
        ]
        log = folder / "snakemake.log"
        took = asdict(measure([command], cwd=folder, env=our_environment(), log=log))
        records = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/record/*.json"))]
        products = sum(path.stat().st_size for path in folder.glob("results/*/*.fits"))
        self._expect(folder.glob("results/*/*_rateints.fits"))
        largest = max(records, key=lambda record: record["peak_memory_mb"])
        return took | {
            "peak_job_mb": largest["peak_memory_mb"],
            "largest_job": largest["step"],
            "written_mb": products / 1e6,
        }

    def _theirs(self):
        folder = self.folder / "theirs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        tasks = [
            {"kind": "pipeline", "input": str(path), "folder": str(folder / "out")} | self._what()
            for path in self.uncal
        ]
        cores = self.options.cores
        shares = [tasks[k::cores] for k in range(min(cores, len(tasks)))]
        commands = []
        for number, share in enumerate(shares):
            request = folder / f"request{number}.json"
            request.write_text(json.dumps({"crds": self.crds, "tasks": share}))
            answer = str(folder / f"answer{number}.json")
            commands.append([self.python, str(environment.SCRIPT), str(request), answer])
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        took = asdict(measure(commands, cwd=folder, env=clean, log=folder / "log"))
        for path in folder.glob("answer*.json"):
            for result in json.loads(path.read_text())["tasks"]:
                if result["error"]:
                    raise SystemExit(result["error"])
        self._expect((folder / "out").glob("*_rateints.fits"))
        return took

    def _expect(self, products):
        found = len(list(products))
        if found != len(self.uncal):
            raise SystemExit(f"{self.name}: {found} rateints products of {len(self.uncal)} exposures")

    def _by_step(self):
        """Time of each step: ours in the jobs of the last run, theirs in memory from step to step."""
        task = {"kind": "timed", "input": str(self.uncal[0])} | self._what()
        process = environment.start(self.python, [task], self.crds, self.folder / "theirs", "timed")
        result = environment.answer(process)["tasks"][0]
        if result["error"]:
            raise SystemExit(result["error"])
        exposure = self.uncal[0].name.removesuffix("_uncal.fits")
        folder = self.folder / "ours"
        jobs = job_times(folder)
        rows = []
        for step in self.steps:
            home = folder / "results" / exposure
            record = json.loads((home / "record" / f"{step}.json").read_text())
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


def median(runs, key):
    """Median of a measurement over the runs."""
    return statistics.median(run[key] for run in runs)


def print_report(report):
    """Print the tables."""
    machine = report["machine"]
    print(f"\n{machine['cpus']} CPUs ({machine['model']}), {machine['memory_gb']} GB; {report['oracle']}")
    print("Medians. peak: sampled sum over all processes of a side (PSS); job: the largest of our jobs.\n")
    head = ("case", "wall ours", "theirs", "theirs/ours", "peak ours", "theirs", "ours/theirs")
    rows = [(*head, "job", "exposures/h")]
    for name, case in report["cases"].items():
        ours, theirs = case["ours"], case["theirs"]
        wall, their_wall = median(ours, "wall_s"), median(theirs, "wall_s")
        peak, their_peak = median(ours, "peak_tree_mb"), median(theirs, "peak_tree_mb")
        rows.append(
            (
                name,
                f"{wall:.1f} s",
                f"{their_wall:.1f} s",
                f"{their_wall / wall:.2f}",
                f"{peak:.0f} MB",
                f"{their_peak:.0f} MB",
                f"{peak / their_peak:.2f}",
                f"{median(ours, 'peak_job_mb'):.0f} MB",
                f"{3600 * case['exposures'] / wall:.0f} / {3600 * case['exposures'] / their_wall:.0f}",
            )
        )
    print_table(rows)
    for name, case in report["cases"].items():
        if "by_step" not in case:
            continue
        goals = GOALS | GOALS_OF_CASES.get(name, {})
        print(f"\n{name}, step by step: theirs in memory; ours read, work and write; job: all that it costs")
        rows = [("step", "ours", "threads", "theirs", "theirs/ours", "goal", "job", "job - ours")]
        for step in case["by_step"]:
            job = step["job_s"]
            rows.append(
                (
                    step["step"],
                    f"{step['ours_s']:.2f} s",
                    str(step["threads"]),
                    f"{step['theirs_s']:.2f} s",
                    f"{step['theirs_s'] / max(step['ours_s'], 1e-3):.1f}",
                    str(goals.get(step["step"], "")),
                    "" if job is None else f"{job:.2f} s",
                    "" if job is None else f"{job - step['ours_s']:.2f} s",
                )
            )
        print_table(rows)


def print_table(rows):
    """Print rows in columns as wide as their cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
