"""What jobs are on a cluster: how much time and disk they ask for, and what one job of the cluster does.

Memory is in `rampflow.jobs.memory`, since a job keeps within it.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rampflow.planning.terminal import tell

#: Seconds that a step takes whatever its exposure is: Snakemake twice on the node, imports, kernels.
_BEGINNING = 100
#: Seconds for each MB of the exposure as float32: ten times what the slowest steps took on one core.
_SECONDS_PER_MB = 0.3
#: What the Snakemake of a job and what it imports hold on the node beside the job (MB), twice.
BESIDE = 600
#: Seconds of a step in a local run, where everything is imported.
_WARM = 10
#: Bytes on the disk for one of the exposure as float32: the product, its flags, what is made beside it.
_ON_DISK = 2
#: The Slurm job that this process is in. It is asked for here, at the beginning: from a head that is in one
#: Snakemake's plugin takes Slurm's variables before the run begins.
_JOB = os.environ.get("SLURM_JOB_ID") or None


def minutes(size: int) -> int:
    """Return the time to ask for (min) for one step of an exposure of so many bytes as float32."""
    return -(-int(_BEGINNING + _SECONDS_PER_MB * size / 1e6) // 60)


def minutes_of_run(sizes: Iterable[tuple[int, int]]) -> int:
    """Return the time to ask for (min) for a local run of exposures.

    Parameters
    ----------
    sizes : iterable of tuple
        Bytes as float32, and number of steps, of each exposure.
    """
    seconds = sum(steps * (_WARM + _SECONDS_PER_MB * size / 1e6) for size, steps in sizes)
    return 10 + -(-int(seconds) // 60)


def disk(size: int) -> int:
    """Return the room to ask for (MB) for what a step makes of an exposure of so many bytes as float32."""
    return 50 + -(-_ON_DISK * size // 1_000_000)


def leader(exposure: str, links: Mapping[str, str]) -> str:
    """Return the first of the exposures that hand on something to this one, itself where there is none."""
    seen = {exposure}
    while (before := links.get(exposure)) is not None and before not in seen:
        exposure = before
        seen.add(exposure)
    return exposure


def divide(exposures: Collection[str], links: Mapping[str, str], count: int) -> list[list[str]]:
    """Divide exposures among local runs.

    Parameters
    ----------
    exposures : collection of str
        Names of all.
    links : mapping
        An exposure to the one that hands on something to it: such a chain stays in one run.
    count : int
        How many exposures a run has at most, but for longer chains.
    """
    chains: dict[str, list[str]] = defaultdict(list)
    for exposure in exposures:
        chains[leader(exposure, links)].append(exposure)
    runs: list[list[str]] = []
    for chain in chains.values():
        if runs and len(runs[-1]) + len(chain) <= count:
            runs[-1] += chain
        else:
            runs.append(list(chain))
    return runs


def runs_group(arguments: Sequence[str] = ()) -> bool:
    """Whether this process of Snakemake's runs several jobs of a group on a node.

    Snakemake tells it by its command line alone while it reads the Snakefile. The process that Slurm starts hands the
    group on to another one, as a step of the same job.
    """
    given = [*(arguments or sys.argv)]
    return "--local-groupid" in given and "slurm-jobstep" not in given


def exposures_of_job(arguments: Sequence[str], config: Mapping[str, Any]) -> list[str] | None:
    """Return the exposures of the jobs that this process runs on a node; None where it takes all to run them.

    Of thousands of exposures a job on a node need look at its own alone. What persistence hands on is known by looking
    at all of a detector.

    Parameters
    ----------
    arguments : sequence of str
        The command line: while the Snakefile is read Snakemake tells nothing else of it.
    config : mapping
        The configuration as Snakemake has read it.
    """
    if "--target-jobs" not in arguments or '"chain"' in json.dumps(config.get("steps"), default=str):
        return None
    exposures = set()
    for target in arguments[arguments.index("--target-jobs") + 1 :]:
        if target.startswith("--"):
            break
        _, _, wildcards = target.partition(":")
        values = dict(value.split("=", 1) for value in wildcards.split(",") if "=" in value)
        if not {"exposure"} <= values.keys() <= {"exposure", "variant"}:
            return None
        exposures.add(values["exposure"])
    return sorted(exposures) or None


def batch_job() -> str | None:
    """Return the number of the Slurm job that this process is in; None where it is in none."""
    return _JOB


class GroupFailures:
    """Why jobs of all steps of exposures have failed: Slurm's refusal to take one, its time limit, a lack of memory.

    Of a group of jobs Snakemake says that each has failed, a page for each, and leaves out what its plugin says of it.
    """

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = defaultdict(set)

    def listen(self) -> None:
        """Say each reason of each exposure once, when it comes, and keep it."""
        groups = importlib.import_module("snakemake.jobs").GroupJob
        log_error = groups.log_error

        def with_reason(group: Any, msg: str | None = None, **more: Any) -> None:
            exposures = {getattr(job.wildcards, "exposure", job.rule.name) for job in group.jobs}
            # After that comes the command, a page long.
            reason = " ".join(str(msg or "").partition("    sbatch ")[0].split())
            if reason and not exposures <= self._of[reason]:
                self._of[reason] |= exposures
                tell([f"{', '.join(sorted(exposures))}: {reason}"])
            log_error(group, msg, **more)

        groups.log_error = with_reason

    def lines(self) -> list[str]:
        """Return a line for each kind of reason, with the number of exposures; some may have been done again since."""
        kinds: dict[str, set[str]] = defaultdict(set)
        for reason, exposures in self._of.items():
            # Jobs differ in their numbers.
            kinds[re.sub(r" '\d+'", "", reason)] |= exposures
        return [f"{kind} (jobs of {len(exposures)} exposures)" for kind, exposures in kinds.items() if exposures]


def has_ended(job: str) -> bool:
    """Whether a Slurm job has ended, as Slurm says; False, too, where it cannot be asked.

    What ran in this process's own job before this process has ended: a job that was put back to the queue keeps its
    number.
    """
    if job == batch_job():
        return True
    try:
        command = ["squeue", "--noheader", "--jobs", job, "--format", "%T"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if answer.returncode:
        # So it says of jobs that it has forgotten, which it does some minutes after their end.
        return "Invalid job id" in answer.stderr
    return not answer.stdout.strip()
