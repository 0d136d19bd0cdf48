"""The mean over the groups of an integration, for steps that subtract it from each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rampflow.jobs.source import Source
    from rampflow.jobs.threads import Threads


class GroupMeans:
    """The means over the groups of each integration, for ``at`` of `~rampflow.jobs.chunks.Chunks.groups`.

    Parameters
    ----------
    source : `~rampflow.jobs.source.Source`
        What is read.
    threads : `~rampflow.jobs.threads.Threads`
        What works on the chunks.
    function : callable
        Called as ``function(group, **options)`` with one group, shape (1, rows, columns), before it counts; returns an
        array of that shape.
    """

    def __init__(self, source: Source, threads: Threads, function: Callable[..., np.ndarray], **options: Any) -> None:
        self._source, self._threads, self._function, self._options = source, threads, function, options
        self._lock = threading.Lock()
        self._made: dict[int, np.ndarray] = {}

    def __call__(self, integration: int, _groups: slice | None = None) -> np.ndarray:
        """Return the mean of an integration, float64 of shape (rows, columns).

        It is worked out once for all chunks of the integration, and not to be changed.
        """
        with self._lock:
            if integration not in self._made:
                # Chunks come in order, so integrations that are further back are done with.
                for done in [i for i in self._made if i < integration - self._threads.number]:
                    del self._made[done]
                self._made[integration] = self._mean(integration)
            return self._made[integration]

    def _mean(self, integration: int) -> np.ndarray:
        _, ngroups, *frame = self._source.shape
        total = np.zeros(frame)
        for group in range(ngroups):
            sci = self._source.read("SCI", integration, slice(group, group + 1))
            total += self._function(sci, **self._options)[0]
        total /= ngroups
        return total
