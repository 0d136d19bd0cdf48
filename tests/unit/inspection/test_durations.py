"""How long jobs take by the records of those that have run, and how long a run on some cores."""

import pytest

from rampflow.inspection.durations import Duration, Durations, makespan


def record(wall, cpu=None, threads=1):
    return {"wall_s": wall, "cpu_s": wall if cpu is None else cpu, "threads": threads}


def durations(records, **sizes):
    return Durations(sizes, lambda job, exposure: records.get((exposure, job)))


def test_a_job_takes_what_it_took():
    known = durations({("a", "jump"): record(3.0, 5.0, 2)}, a=10)
    assert known.of("a", "jump") == Duration(3.0, 5.0, 2)


def test_a_job_that_has_never_run_takes_what_others_took_by_their_size():
    records = {("a", "jump"): record(1.0), ("b", "jump"): record(8.0), ("c", "jump"): record(6.0)}
    known = durations(records, a=10, b=40, c=20, d=100)
    # 0.1, 0.2 and 0.3 s for a sample.
    assert known.of("d", "jump") == Duration(pytest.approx(20.0), pytest.approx(20.0), 1)
    assert known.of("d", "ipc") is None


@pytest.mark.parametrize("odd", [{}, {"wall_s": "1"}, {"wall_s": float("nan"), "cpu_s": 1.0}, {"wall_s": 1.0}])
def test_what_is_no_time_is_not_known(odd):
    assert durations({("a", "jump"): odd}, a=10).of("a", "jump") is None


def test_with_fewer_cores_than_threads_a_job_takes_the_time_of_its_work():
    job = Duration(3.0, 5.0, 2)
    assert (job.on(4), job.on(2), job.on(1)) == (3.0, 3.0, 5.0)


def chain(*seconds, threads=1):
    return {f"step{number}": Duration(time, time, threads) for number, time in enumerate(seconds)}


def test_jobs_of_one_exposure_follow_each_other_and_those_of_several_go_side_by_side():
    chains = {"a": chain(1.0, 2.0), "b": chain(3.0), "c": chain(4.0)}
    assert makespan(chains, 1) == 10.0
    assert makespan(chains, 2) == 6.0
    assert makespan(chains, 3) == makespan(chains, 16) == 4.0
    assert makespan({"a": chain(1.0, 2.0, 3.0)}, 8) == 6.0


def test_jobs_of_several_threads_take_their_cores():
    chains = {name: chain(2.0, threads=2) for name in "abc"}
    assert (makespan(chains, 2), makespan(chains, 3), makespan(chains, 4), makespan(chains, 6)) == (6.0, 6.0, 4.0, 2.0)
    # Of work of four seconds each, one core does one after the other.
    assert makespan({name: {"fit": Duration(2.0, 4.0, 2)} for name in "ab"}, 1) == 8.0


def test_an_exposure_that_takes_over_from_another_waits_for_it():
    chains = {"a": chain(1.0, 5.0), "b": chain(1.0, 5.0)}
    assert makespan(chains, 2) == 6.0
    assert makespan(chains, 2, {("b", "step1"): ("a", "step1")}) == 11.0
    # Of what does not run nothing is waited for.
    assert makespan(chains, 2, {("b", "step1"): ("c", "step1")}) == 6.0


def test_a_job_of_unknown_time_takes_none_and_holds_its_place():
    assert makespan({"a": {"x": Duration(1.0, 1.0), "y": None, "z": Duration(2.0, 2.0)}}, 4) == 3.0
    assert makespan({}, 4) == 0.0
