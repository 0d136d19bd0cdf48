"""What runs of one exposure and of thirty cost, here and on a cluster: ``python benchmarks/programmes.py``.

The cluster is a real Slurm of one node, this computer, which is started and ended (as root, as the tests of
``make cluster-test`` do). Each way of running them is measured once: wall time of the command, as the profile of the
manual has it; processor time of all processes, Snakemake's, those of Slurm's jobs and what they have started, but
without Slurm itself; jobs of Slurm. A machine that does nothing else is wanted.

That the processor time of jobs is counted is tried before: a job uses a known time, half of it in a process that its
parent does not wait for.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml
from cases import ROOT, our_environment, say
from history import commit, machine
from measure import measure

sys.path.append(str(ROOT / "tests"))

from cluster.slurm import Slurm, missing  # noqa: E402
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, write_exposure  # noqa: E402

WAYS = {
    "local": "a run on this computer",
    "step": "a job for each step",
    "exposure": "a job for each exposure",
    "N": "a number: a job for so many exposures",
}
#: Steps that are left out, for time: where jobs of Slurm are single steps, each of a step is as long as of any other.
LEFT_OUT = ("superbias", "refpix", "persistence", "dark_current", "gain_scale")
#: Processor time (s) of the job that is to be found in the account, and by how much that may be more: an interpreter.
SPENT, MORE = 6.0, 1.0
_SPEND = """
import os, time
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        while time.process_time() < {half}: pass
    os._exit(0)
os.wait()
os.close(write)
while time.process_time() < {half}: pass
os.read(read, 1)
"""


def main(arguments=None):
    """Measure and print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="programmes.py", description=__doc__.splitlines()[0])
    parser.add_argument("counts", nargs="*", type=int, default=[1, 30], help="numbers of exposures; default: 1 30")
    ways = "; ".join(f"{way}: {what}" for way, what in WAYS.items())
    parser.add_argument("--ways", nargs="+", default=["local", "step", "exposure", "15"], help=ways)
    parser.add_argument("--cores", type=int, default=2, help="of the local run, and of the node (default: 2)")
    parser.add_argument("--all-steps", action="store_true", help=f"do {', '.join(LEFT_OUT)}, too")
    parser.add_argument("--folder", type=Path, help="where everything goes; by default a temporary one")
    options = parser.parse_args(arguments)
    for way in options.ways:
        if way not in WAYS and not way.isdigit():
            parser.error(f"no way {way!r} to run them; there are {', '.join(WAYS)}")
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory(prefix="rampflow-", dir=options.folder) as folder:
        programmes = Programmes(Path(folder), max(options.counts), options.cores, options.all_steps)
        try:
            rows = programmes.rows(options.counts, options.ways)
            print(f"\n{programmes.description}; rampflow {commit(ROOT)}\n")
        finally:
            programmes.slurm.stop()
    columns = ("exposures", "`cluster_job`", "jobs of Slurm", "CPU (s)", "of each (s)", "wall (s)")
    for row in (columns, ("---",) * len(columns), *rows):
        print(f"| {' | '.join(row)} |")
    return 0


class Programmes:
    """Exposures, a Slurm, and runs in a folder.

    Parameters
    ----------
    folder : `~pathlib.Path`
        An empty folder.
    most : int
        How many exposures are made.
    cores : int
        Of local runs and of the node.
    all_steps : bool
        Whether none is left out.
    """

    def __init__(self, folder, most, cores, all_steps):
        self.folder, self.cores = folder, cores
        self.slurm = Slurm(folder / "slurm", cpus=cores)
        say(f"making {most} exposures")
        (folder / "slurm").mkdir()
        self.paths, crds = _exposures(folder, most)
        steps = {} if all_steps else {step: {"skip": True} for step in LEFT_OUT}
        self.config = {"crds": crds | {"offline": True}, "steps": steps}
        self.environment = our_environment() | self.slurm.environment

    def rows(self, counts, ways):
        """Measure; return rows of the table."""
        self.slurm.start()
        found = self._try_account()
        say(f"a job that uses {SPENT:.0f} s of processor time: {found:.1f} s are counted")
        if not SPENT <= found <= SPENT + MORE:
            raise SystemExit("the processor time of jobs is not counted: no measurement")
        # Kernels are compiled, files read.
        self.run("local", 1)
        rows = []
        for count in counts:
            for way in ways:
                jobs = self.slurm.submitted()
                took = self.run(way, count)
                jobs = self.slurm.submitted() - jobs
                figures = (took.cpu_s, took.cpu_s / count, took.wall_s)
                named = way if way == "local" else f"`{way}`"
                rows.append((str(count), named, str(jobs), *(f"{figure:.1f}" for figure in figures)))
                say("  ".join(rows[-1]))
        return rows

    def run(self, way, count):
        """Run some of the exposures in a fresh folder; return what it took."""
        folder = self.folder / "run"
        folder.mkdir()
        more = {} if way == "local" else {"cluster_job": int(way) if way.isdigit() else way}
        config = self.config | more | {"exposures": [str(path) for path in self.paths[:count]]}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--configfile", "config.yaml"]
        if way == "local":
            command += ["--cores", str(self.cores)]
        else:
            command += ["--profile", str(ROOT / "profiles" / "slurm"), "--slurm-no-account"]
        took = measure([command], cwd=folder, env=self.environment, log=folder / "log", settle=self._settle)
        rates = len([*folder.glob("results/*/*_rate.fits")])
        if rates != count:
            raise SystemExit(f"{way}: {rates} count rates of {count} exposures")
        shutil.rmtree(folder)
        return took

    @property
    def description(self):
        """The machine, and what is run."""
        left_out = ", ".join(self.config["steps"]) or "nothing"
        version = self.slurm.command("sinfo", "--version").strip()
        return f"NIRCam, 5 groups of 64 x 64, {left_out} left out; {machine()}; {version}"

    def _try_account(self):
        """Have a job use a known processor time; return what is counted."""
        program = self.folder / "spend.py"
        program.write_text(_SPEND.format(half=SPENT / 2))
        command = ["sbatch", "--wait", "--output=/dev/null", f"--wrap=exec {sys.executable} -I -S {program}"]
        return measure([command], cwd=self.folder, env=self.environment, settle=self._settle).cpu_s

    def _settle(self):
        """Wait for the processes of all jobs: those that watch over them end last."""
        while any(_works(process) for process in psutil.Process().children(recursive=True)):
            time.sleep(0.1)


def _works(process):
    """Whether that is a process of Slurm's that watches over a job's, and has not ended."""
    try:
        return process.name().startswith("slurmstepd") and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _exposures(folder, count):
    """Write small exposures and the cache that calibrates them."""
    for name in ("data", "truth"):
        (folder / name).mkdir()
    exposures = [
        MockExposure(
            "NRCB1",
            "SHALLOW4",
            5,
            window=Rectangle(1, 1, 64, 64),
            scene=Scene(sky=5.0, stars=4, brightest=3000.0),
            effects=Effects.nominal("NIRCAM", ipc=1),
            seed=number,
            number=number,
        )
        for number in range(1, count + 1)
    ]
    context = build_cache(folder / "crds", exposures)
    paths = [write_exposure(exposure, folder / "data", folder / "truth") for exposure in exposures]
    return paths, {"path": str(folder / "crds"), "context": context}


if __name__ == "__main__":
    sys.exit(main())
