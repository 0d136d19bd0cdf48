"""The threads of a job: work that is handed to them, a little at a time, and taken back in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any


class Threads:
    """The threads of a job.

    At most one task more than there are threads is in work or waits to be taken, so memory follows the threads and
    not the number of tasks.

    Parameters
    ----------
    number : int
        How many there are. 1: tasks run where they are handed over.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def each(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        """Call a function with each item, in the threads; yields the results in order."""
        if self.number == 1:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(self.number) as pool:
            waiting: deque[Future[Any]] = deque()
            for item in items:
                if len(waiting) > self.number:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()

    def run(self, tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run tasks (a function and its arguments each) in the threads; returns their results in order."""
        if self.number == 1 or len(tasks) == 1:
            return [task(*arguments) for task, *arguments in tasks]
        with ThreadPoolExecutor(self.number) as pool:
            futures: list[Future[Any]] = []
            waiting: set[Future[Any]] = set()
            for task, *arguments in tasks:
                if len(waiting) > self.number:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                futures.append(pool.submit(task, *arguments))
                waiting.add(futures[-1])
            return [future.result() for future in futures]
