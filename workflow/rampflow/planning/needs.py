"""What jobs may use: threads, memory, time and disk, by the size of what they work on."""

import math
from collections.abc import Collection

from rampflow.io import scratch
from rampflow.jobs import memory
from rampflow.planning import cluster, scratch_place
from rampflow.planning.demand import Demand

#: Bytes of an exposure (as float32) that keep one more thread of a job busy.
BYTES_PER_THREAD = 100 << 20
MAX_THREADS = 8
#: More than there are anywhere: Snakemake lowers it to the cores of the run.
ALL_CORES = 1 << 16
#: Bytes on scratch for one of the exposure as float32: two products with the flags of their groups.
_HELD = 2.5


class Needs:
    """What the jobs of a run may use.

    Parameters
    ----------
    demand : `~rampflow.planning.demand.Demand`
        What is asked for, of which exposures.
    on_cluster : bool
        Whether jobs run on a cluster.
    """

    def __init__(self, demand: Demand, on_cluster: bool) -> None:
        self._demand, self._cluster = demand, on_cluster
        self._in_memory = scratch_place.is_used(demand.config) and scratch.in_memory(demand.config["scratch"])

    def _bytes(self, exposure: str) -> int:
        return 4 * math.prod(self._demand.plan.exposures[exposure].shape)

    def threads(self, exposure: str) -> int:
        """Threads that a job of an exposure can keep busy; Snakemake lowers it to the cores there are."""
        return max(1, min(MAX_THREADS, self._bytes(exposure) // BYTES_PER_THREAD + 1))

    def memory(self, exposure: str, threads: int) -> int:
        """Memory for a job (MB): the interpreter, images and coefficients of one frame, chunks in work.

        And what it reads and makes on scratch that is memory.
        """
        found = self._demand.plan.exposures[exposure]
        *_, ny, nx = found.shape
        pictures = max(1, found.superstripes)
        needed = memory.needed(self._bytes(exposure), (ny * pictures, nx), threads)
        if self._in_memory:
            needed += -(-int(_HELD * self._bytes(exposure)) >> 20)
        return needed + cluster.BESIDE if self._cluster else needed

    def minutes(self, exposure: str) -> int:
        """Time for a job of an exposure (min)."""
        return cluster.minutes(self._bytes(exposure))

    def disk(self, exposure: str) -> int:
        """Room on the disk for what a job of an exposure makes (MB)."""
        return cluster.disk(self._bytes(exposure))

    # --- of portions, by their exposures ------------------------------------------------------------------

    def portion_threads(self, exposures: Collection[str]) -> int:
        """Cores: two jobs at once, or those that a job of its largest exposure keeps busy; on one computer all."""
        return max(2, *map(self.threads, exposures)) if self._cluster else ALL_CORES

    def portion_memory(self, exposures: Collection[str], threads: int) -> int:
        """Memory (MB): as many jobs at once as there are cores."""
        asked = ((self.memory(root, min(threads, self.threads(root))), self.threads(root)) for root in exposures)
        return max(memory * max(1, threads // used) for memory, used in asked)

    def portion_minutes(self, exposures: Collection[str]) -> int:
        """Time (min)."""
        return cluster.minutes_of_run((self._bytes(root), self._steps(root)) for root in exposures)

    def portion_disk(self, exposures: Collection[str]) -> int:
        """Room on the disk (MB) for what it makes."""
        return sum(self.disk(root) * self._steps(root) for root in exposures)

    def _steps(self, exposure: str) -> int:
        return sum(len(self._demand.answers.own(branch)) for branch in self._demand.branches_of(exposure))
