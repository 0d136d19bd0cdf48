"""Kill what makes a run, at random moments, and see that the same command then makes the same bits: ``make kill-test``.

A case is a process (the workflow, its warm start, a job's child in it, the process that waits for that, or the whole
group of processes that a terminal reaches), a signal, a moment, and the command: ``rampflow run``, or ``snakemake``,
whose start is Snakemake's own. After the kill nothing of the run may be left alive, no traceback be on the terminal,
the record of the run has to say how it ended, a lock may be left by a run that was killed, only, and the same command
has to say so and to complete it: every product the same bits as an undisturbed run's, nothing half-written and no lock.
"""

import argparse
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

HOME = Path(__file__).parents[2]
TARGETS = ("workflow", "group", "server", "child", "waiting")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
#: Seconds for which a run may go on after it was asked to end, and what is left of it after its end.
_END, _REST = 120, 5


@dataclass
class Case:
    """One kill and what came of it."""

    target: str
    number: signal.Signals
    moment: float  #: fraction of an undisturbed run
    warm: bool = True
    command: bool = True  #: ``rampflow run``; else ``snakemake``
    status: int | None = None
    outcome: str | None = None  #: of the run that was hit, by its record; "" where it had not begun
    hit: bool = False
    locked: bool = False  #: whether it has left the lock of the results
    faults: list = field(default_factory=list)


class Runs:
    """Runs of the workflow in one folder, on raw files and references that are there.

    Parameters
    ----------
    folder : path-like
        Where to run; made for each case.
    config : dict
        The configuration.
    """

    def __init__(self, folder, config):
        self.folder, self.config = Path(folder), config
        self.whole, self.seconds = None, None

    def start(self, warm=True, command=False):
        """Start the workflow as the leader of a group of processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        program = ["rampflow", "run"] if command else ["snakemake", "--snakefile", HOME / "Snakefile"]
        more = {"PYTHONPATH": str(HOME / "workflow")} | ({} if warm else {"RAMPFLOW_SERVER": ""})
        with open(self.folder / "said.txt", "w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", *program, "--configfile", "config.yaml", "--cores", "2"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | more,
                process_group=0,
                # Whoever runs this in the background has interrupts ignored, or hang-ups.
                preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in SIGNALS[:3]],
            )

    def said(self):
        """What the last run has said."""
        return (self.folder / "said.txt").read_text()

    def products(self):
        """Every FITS file of the results and its bytes."""
        return {p.relative_to(self.folder): p.read_bytes() for p in self.folder.glob("results/**/*.fits")}

    def undisturbed(self):
        """Run once without a kill; keep the products and how long it took."""
        started = time.monotonic()
        process = self.start()
        assert process.wait() == 0, self.said()
        self.seconds = time.monotonic() - started
        self.whole = self.products()
        assert self.whole

    def try_case(self, case):
        """Start a run, kill, and complete; the faults are kept in the case."""
        process = self.start(case.warm, case.command)
        family = {process.pid: psutil.Process(process.pid)}
        self._kill(case, process, family)
        try:
            case.status = process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            case.faults.append("the run did not end")
        said = self.said()
        self._look_for_tracebacks(case, said)
        self._see_them_end(case, family)
        self._judge(case, said)
        self._complete(case)
        return case

    @staticmethod
    def _look_for_tracebacks(case, said):
        """Find tracebacks; those of Python processes that have not yet come to our code are Python's."""
        found = re.findall(r"^Traceback .*\n(?: .*\n)+.*", said, re.M)
        # Where the workflow alone is hit, and is our command, there is no such process.
        every = case.command and case.target == "workflow"
        for trace in found:
            if every or "rampflow" in trace:
                case.faults.append(f"a traceback on the terminal: {' / '.join(trace.split(chr(10))[-3:])}")

    def _kill(self, case, process, family):
        """Wait for the moment, and send the signal; what has been seen of the run by then is the family."""
        due = time.monotonic() + case.moment * self.seconds
        while process.poll() is None:
            targets = self._find(case.target, process, family)
            if time.monotonic() >= due and targets:
                for target in targets:
                    try:
                        os.kill(target, case.number)
                        case.hit = True
                    except ProcessLookupError:
                        continue
                if case.hit:
                    return
            time.sleep(0.01)

    def _find(self, target, process, family):
        if target == "workflow":
            return [process.pid]
        found = {"server": [], "child": [], "waiting": [], "group": [process.pid]}
        try:
            for one in family[process.pid].children(recursive=True):
                family[one.pid] = one
                command = " ".join(one.cmdline())
                if "rampflow.warmstart.server" in command:
                    kind = "server" if one.ppid() == process.pid else "child"
                else:
                    kind = "waiting" if ".snakemake/scripts/" in command and "bash" not in command else None
                if kind:
                    found[kind].append(one.pid)
                if os.getpgid(one.pid) == process.pid:
                    found["group"].append(one.pid)
        except (psutil.Error, ProcessLookupError):
            return []
        return found[target][:1] if target != "group" else found["group"]

    def _see_them_end(self, case, family):
        """Whether all processes of the run end with it; a job that ends by itself is given the time."""
        deadline = time.monotonic() + _REST
        while time.monotonic() < deadline:
            left = [one for one in family.values() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
            if not left:
                return
            time.sleep(0.05)
        case.faults.append(f"processes left: {[' '.join(one.cmdline())[-60:] for one in left]}")
        for one in left:
            one.kill()

    def _judge(self, case, said):
        """Whether the run has told the truth about its end."""
        records = sorted(self.folder.glob("results/runs/*.json"))
        case.outcome = json.loads(records[-1].read_text())["outcome"] if records else ""
        case.locked = (self.folder / "results/.lock").exists()
        if not case.hit:
            return
        ended = case.number.name
        if case.locked and (case.number != signal.SIGKILL or case.target not in ("workflow", "group")):
            case.faults.append("it has left its lock")
        if case.target in ("workflow", "group") and case.number != signal.SIGKILL:
            # A signal that comes when all is done, or before our files are read, changes nothing or is Python's.
            if case.outcome not in ("interrupted", "complete", ""):
                case.faults.append(f"{ended}: the record says {case.outcome!r}")
            if case.outcome == "interrupted" and f"rampflow: interrupted ({ended})" not in said:
                case.faults.append("it does not say that it was interrupted")
            early = f"rampflow: interrupted ({ended}) before anything has run"
            if case.outcome == "" and case.command and case.status and early not in said:
                case.faults.append("it does not say that it was interrupted before anything has run")
        elif case.target in ("child", "waiting") and case.status:
            if case.outcome not in ("failed", "interrupted") or not re.search(
                r"^rampflow: jw|^rampflow: \d+ ", said, re.M
            ):
                case.faults.append(f"a job that was killed: {case.outcome!r}, and no line of what is not finished")
        elif case.target == "server" and case.status != 0:
            case.faults.append(f"a run that lost its server ended with {case.status}")

    def _complete(self, case):
        """Run the same command until it is through; all is as if nothing had happened."""
        process = self.start(case.warm, case.command)
        status, said = process.wait(), self.said()
        if ("was killed; this one goes on where it ended" in said) != case.locked:
            case.faults.append(f"the second run says {'nothing ' if case.locked else ''}of a run that was killed")
        if status and "--unlock" in said:
            # Killed after Snakemake took its lock and before the run had begun: nobody can know who it was.
            case.outcome = "locked"
            if case.number != signal.SIGKILL:
                case.faults.append("it has left Snakemake's lock")
            command = [sys.executable, "-m", "snakemake", "-s", HOME / "Snakefile", "--configfile", "config.yaml"]
            subprocess.run([*command, "--unlock"], cwd=self.folder, check=True, capture_output=True)
            process = self.start(case.warm, case.command)
            status, said = process.wait(), self.said()
        if status:
            case.faults.append(f"the second run ended with {status}: {said[-600:]}")
        products = self.products()
        if products != self.whole:
            differ = [str(p) for p in products.keys() | self.whole.keys() if products.get(p) != self.whole.get(p)]
            case.faults.append(f"products differ: {differ[:3]}")
        left = [str(p) for pattern in ("**/.*.part", ".lock") for p in self.folder.glob(f"results/{pattern}")]
        left += [str(p) for p in self.folder.glob(".rampflow/*.socket")]
        if left:
            case.faults.append(f"left over: {left}")


def draw(number, seed, only=None):
    """Draw cases: every process with every signal in turn, at random moments, a few without the warm start."""
    rng = random.Random(seed)
    pairs = [
        (target, which)
        for target, which in itertools.product(TARGETS, SIGNALS)
        if only in (None, f"{target}:{which.name}")
    ]
    rng.shuffle(pairs)
    for count in range(number):
        target, which = pairs[count % len(pairs)]
        warm = target in ("server", "child") or rng.random() > 0.25
        command = rng.random() > 0.25
        # Of Snakemake's own start nothing is ours; of our command it is, once Python has started.
        yield Case(target, which, rng.uniform(0.03 if command else 0.2, 0.98), warm, command)


def main():
    """Do all of it on a small mock programme and print the table; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="a process and a signal, such as child:SIGINT, of which alone it is")
    options = parser.parse_args()
    sys.path.insert(0, str(HOME / "workflow"))
    from conftest import make_programme

    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        programme = make_programme(Path(folder) / "programme", ("GUIDER1",))
        # Few steps: most of the time is Snakemake's start, in which there is little to hit.
        steps = {step: {"skip": True} for step in ("group_scale", "refpix", "linearity", "dark_current")}
        runs = Runs(Path(folder) / "undisturbed", programme.config("*") | {"steps": steps})
        runs.undisturbed()
        print(f"undisturbed: {runs.seconds:.0f} s, {len(runs.whole)} products", flush=True)
        cases = []
        for count, case in enumerate(draw(options.kills, options.seed, options.only)):
            runs.folder = Path(folder) / f"case{count}"
            cases.append(runs.try_case(case))
            words = "; ".join(case.faults) or "same bits"
            how = f"{'' if case.command else ' (snakemake)'}{'' if case.warm else ' (no warm start)'}"
            where = f"at {case.moment:.0%}" if case.hit else "missed"
            ended = f"status {case.status}, {case.outcome or 'not begun'}"
            print(f"{case.target}{how}, {case.number.name} {where}: {ended}: {words}", flush=True)
    print_table(cases)
    return any(case.faults for case in cases)


def print_table(cases):
    """Print, for each process and signal, how many kills there were and what the runs became."""
    print("\nprocess   signal   kills  same bits  how the run that was hit ended")
    for target, which in itertools.product(TARGETS, SIGNALS):
        some = [case for case in cases if (case.target, case.number) == (target, which) and case.hit]
        ends = Counter(case.outcome or "not begun" for case in some)
        good = sum(not case.faults for case in some)
        text = ", ".join(f"{number} {outcome}" for outcome, number in ends.most_common())
        print(f"{target:9} {which.name:8} {len(some):5}  {good:9}  {text}")
    print(f"{sum(case.hit for case in cases)} kills, {sum(bool(case.faults) for case in cases)} with a fault")


if __name__ == "__main__":
    sys.exit(main())
