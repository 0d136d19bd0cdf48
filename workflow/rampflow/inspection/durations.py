"""How long jobs take, by the times of those that have run, and how long a run of them on some cores."""

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Duration:
    """What a job takes.

    Attributes
    ----------
    wall, cpu : float
        Time, and processor time (s).
    threads : int
        Threads with which it takes that.
    """

    wall: float
    cpu: float
    threads: int = 1

    def on(self, cores):
        """Return the time (s) with so many cores: with fewer than it has threads, that of its work."""
        return self.wall if cores >= self.threads else max(self.wall, self.cpu / cores)


class Durations:
    """What jobs are known to take.

    Parameters
    ----------
    sizes : dict
        Exposure to the number of samples of its raw file.
    record : callable
        Takes a job and an exposure and returns its record, or None.
    """

    def __init__(self, sizes, record):
        self._sizes, self._record = sizes, record
        self._rates = {}

    def of(self, exposure, job):
        """Return what a job takes: by its own record, or those of other exposures by their sizes; None without any."""
        own = self._duration(exposure, job)
        if own is not None:
            return own
        if job not in self._rates:
            known = [(self._sizes[one], found) for one in self._sizes if (found := self._duration(one, job))]
            self._rates[job] = [(found.wall / size, found.cpu / size, found.threads) for size, found in known if size]
        if not self._rates[job]:
            return None
        wall, cpu, threads = (median(column) for column in zip(*self._rates[job], strict=True))
        return Duration(wall * self._sizes[exposure], cpu * self._sizes[exposure], max(1, round(threads)))

    def _duration(self, exposure, job):
        record = self._record(job, exposure) or {}
        wall, cpu, threads = (record.get(key) for key in ("wall_s", "cpu_s", "threads"))
        good = all(isinstance(value, int | float) and math.isfinite(value) and value >= 0 for value in (wall, cpu))
        return Duration(wall, cpu, threads if isinstance(threads, int) and threads > 0 else 1) if good else None


def makespan(chains, cores, after=None):
    """Return how long a run takes that has so many cores: what is longest to its end begins first.

    Parameters
    ----------
    chains : dict
        Exposure to its jobs, each after the one before: {job: Duration or None}; None takes no time.
    cores : int
        Cores.
    after : dict, optional
        (exposure, job) to another that has to be done before it.

    Returns
    -------
    float
        Time (s), without that of Snakemake itself.
    """
    left, order = {}, {exposure: list(jobs) for exposure, jobs in chains.items()}
    waiting, followers = defaultdict(int), defaultdict(list)
    for exposure, jobs in order.items():
        rest = 0.0
        for job in reversed(jobs):
            rest += chains[exposure][job].wall if chains[exposure][job] else 0.0
            left[exposure, job] = rest
        for one, other in zip(jobs, jobs[1:], strict=False):
            followers[exposure, one].append((exposure, other))
            waiting[exposure, other] += 1
    for node, before in (after or {}).items():
        if node in left and before in left:
            followers[before].append(node)
            waiting[node] += 1
    # Jobs that can begin, by their threads; those with the longest way before them first.
    ready = defaultdict(list)

    def begin(node):
        found = chains[node[0]][node[1]] or Duration(0.0, 0.0)
        heapq.heappush(ready[min(found.threads, cores)], (-left[node], node, found.on(cores)))

    for node in left:
        if not waiting[node]:
            begin(node)
    now, free, running = 0.0, cores, []
    while True:
        while fitting := [threads for threads, heap in ready.items() if heap and threads <= free]:
            threads = min(fitting, key=lambda threads: ready[threads][0])
            _, node, seconds = heapq.heappop(ready[threads])
            heapq.heappush(running, (now + seconds, node, threads))
            free -= threads
        if not running:
            return now
        now, node, threads = heapq.heappop(running)
        free += threads
        for other in followers[node]:
            waiting[other] -= 1
            if not waiting[other]:
                begin(other)
