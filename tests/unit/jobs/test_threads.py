import threading
import time

import numpy as np
import pytest

from rampflow.jobs.group_means import GroupMeans
from rampflow.jobs.threads import Threads


@pytest.mark.parametrize("number", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(number):
    def late(k):
        # The first ones take longest.
        time.sleep(0.002 * (8 - k))
        return k * k

    threads = Threads(number)
    assert list(threads.each(late, range(8))) == [k * k for k in range(8)]
    assert threads.run([(late, k) for k in range(8)]) == [k * k for k in range(8)]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_results_that_nobody_takes_do_not_pile_up(number):
    given = []

    def items():
        for k in range(50):
            given.append(k)
            yield k

    results = Threads(number).each(lambda k: k, items())
    for taken in range(1, 20):
        next(results)
        assert len(given) <= taken + number + 1
    results.close()


@pytest.mark.parametrize("number", [1, 3])
def test_an_error_in_a_task_is_raised_and_what_was_not_begun_is_not(number):
    begun = []

    def fail(k):
        begun.append(k)
        if k == 2:
            raise ValueError("task 2")

    with pytest.raises(ValueError, match="task 2"):
        Threads(number).run([(fail, k) for k in range(200)])
    assert len(begun) < 100


class Integrations:
    """Four integrations of three groups, whose reads are counted."""

    shape = (4, 3, 2, 5)

    def __init__(self):
        self.sci = np.random.default_rng(1).normal(100, 10, self.shape).astype(np.float32)
        self.reads = []

    def read(self, name, integration, groups):
        assert name == "SCI"
        self.reads.append((integration, groups.start))
        return self.sci[integration, groups].copy()


def test_the_mean_of_an_integration_is_worked_out_once_for_all_threads():
    source, threads = Integrations(), Threads(3)
    means = GroupMeans(source, threads, lambda group, factor: factor * group, factor=np.float32(2))
    found = threads.run([(means, i, slice(g, g + 1)) for i in range(4) for g in range(3)])
    assert sorted(source.reads) == [(i, g) for i in range(4) for g in range(3)]
    for number, mean in enumerate(found):
        assert mean.dtype == np.float64 and mean.shape == (2, 5)
        np.testing.assert_allclose(mean, 2 * source.sci[number // 3].mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_means_of_integrations_that_are_done_with_are_forgotten():
    source = Integrations()
    means = GroupMeans(source, Threads(1), lambda group: group)
    means(0)
    means(1)
    assert means(0) is means(0) and len(source.reads) == 6
    means(2)
    means(0)
    assert source.reads[-3:] == [(0, 0), (0, 1), (0, 2)]


def test_a_mean_is_not_worked_out_twice_by_two_that_ask_at_once():
    source, barrier = Integrations(), threading.Barrier(4)
    means = GroupMeans(source, Threads(4), lambda group: group)

    def ask():
        barrier.wait()
        means(3)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert source.reads == [(3, 0), (3, 1), (3, 2)]
