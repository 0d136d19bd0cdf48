import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.jobs import GroupJob

from rampflow.planning import cluster, portions, scratch_place
from rampflow.planning.results_lock import ResultsInUse, ResultsLock, is_dead

ROOT = Path(__file__).parents[3]


def test_chains_stay_together_and_short_ones_fill_up():
    links = {"b": "a", "c": "b"}
    assert cluster.divide("abcdef", links, 2) == [["a", "b", "c"], ["d", "e"], ["f"]]
    assert cluster.divide("dabc", links, 4) == [["d", "a", "b", "c"]]
    assert cluster.divide("", {}, 3) == []


def test_the_leader_of_a_chain_is_its_first_exposure():
    links = {"b": "a", "c": "b"}
    assert [cluster.leader(one, links) for one in "abcd"] == ["a", "a", "a", "d"]
    # Nonsense ends, too.
    assert cluster.leader("a", {"a": "b", "b": "a"}) in ("a", "b")


def test_why_a_job_of_many_steps_fails_is_said_once(monkeypatch, capsys):
    passed_on = []
    monkeypatch.setattr(GroupJob, "log_error", lambda _, msg=None, **more: passed_on.append((msg, more)))
    group = object.__new__(GroupJob)
    steps = [SimpleNamespace(rule=SimpleNamespace(name="jump"), wildcards=SimpleNamespace(exposure=e)) for e in "ba"]
    fetch = SimpleNamespace(rule=SimpleNamespace(name="portion"), wildcards=SimpleNamespace())
    monkeypatch.setattr(GroupJob, "jobs", [*steps, fetch], raising=False)
    failures = cluster.GroupFailures()
    failures.listen()
    refused = "SLURM sbatch failed. The error message was 'sbatch: error: no\nsuch account'.\n    sbatch call:\n   x y"
    reasons_given = (refused, refused, None, "", "SLURM-job '12' failed", "SLURM-job '13' failed")
    for reason in reasons_given:
        group.log_error(msg=reason, aux_logs=[])
    assert passed_on == [(reason, {"aux_logs": []}) for reason in reasons_given]
    short = "SLURM sbatch failed. The error message was 'sbatch: error: no such account'."
    assert capsys.readouterr().err.splitlines() == [
        f"rampflow: a, b, portion: {reason}" for reason in (short, *reasons_given[-2:])
    ]
    assert failures.lines() == [f"{reason} (jobs of 3 exposures)" for reason in (short, "SLURM-job failed")]


def test_larger_exposures_ask_for_more():
    small, large = 40 * 32 * 5 * 4, 2048 * 2048 * 20 * 4
    assert (cluster.minutes(small), cluster.minutes(large)) == (2, 4)
    assert cluster.disk(large) > 2 * large / 1e6 > cluster.disk(small)
    assert cluster.minutes_of_run([(large, 12)] * 10) > cluster.minutes_of_run([(large, 12)])
    # Two steps of 10 s, and 10 min for the beginning.
    assert cluster.minutes_of_run([(0, 2)]) == 11


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["snakemake", "--cores", "2"], False),
        (["snakemake", "--target-jobs", "jump:exposure=a"], False),
        (["snakemake", "--local-groupid", "x", "--executor", "slurm-jobstep", "--jobs", "1"], False),
        (["snakemake", "--local-groupid", "x", "--mode", "remote"], True),
    ],
)
def test_only_the_process_that_runs_a_group_has_a_server(arguments, runs):
    assert cluster.runs_group(arguments) is runs


@pytest.mark.parametrize(
    ("arguments", "steps", "exposures"),
    [
        (["--target-jobs", "jump:exposure=a", "rate:exposure=a", "dq_init:exposure=b", "--force"], {}, ["a", "b"]),
        (["--target-jobs", "jump:exposure=a"], {"NIRISS": {"persistence": {"chain": True}}}, None),
        (["--target-jobs", "portion:portion=0001,run=x"], {}, None),
        (["--target-jobs", "jump:exposure=a,variant=/variants/v", "rate:exposure=a,variant="], {}, ["a"]),
        (["--target-jobs", "jump:exposure=a", "references:"], {}, None),
        (["--cores", "2"], {}, None),
    ],
)
def test_a_job_on_a_node_looks_at_its_own_exposures(arguments, steps, exposures):
    assert cluster.exposures_of_job(["snakemake", *arguments], {"steps": steps}) == exposures


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """A squeue that says what it is told to."""

    def say(text, status=0):
        program = tmp_path / "squeue"
        stream = ">&2" if status else ""
        program.write_text(f"#!/bin/sh\necho '{text}' {stream}\nexit {status}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cluster, "_JOB", None)
    return say


@pytest.mark.parametrize(
    ("text", "status", "ended"),
    [
        ("RUNNING", 0, False),
        ("PENDING", 0, False),
        ("", 0, True),
        ("slurm_load_jobs error: Invalid job id specified", 1, True),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 1, False),
    ],
)
def test_slurm_is_asked_whether_a_job_has_ended(squeue, text, status, ended):
    squeue(text, status)
    assert cluster.has_ended("7") is ended
    # Its lock, from a node whose processes cannot be seen from here.
    assert is_dead({"place": "elsewhere", "process": 1, "batch": "7"}) is ended
    assert not is_dead({"place": "elsewhere", "process": 1, "batch": None})


def test_where_slurm_cannot_be_asked_nothing_has_ended(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not cluster.has_ended("7")
    # A job that was put back to the queue is at work again, which is this process.
    monkeypatch.setattr(cluster, "_JOB", "7")
    assert cluster.has_ended("7")


def test_portions_have_numbers_for_names():
    assert portions.divided("abc", {}, 2) == {"0001": ["a", "b"], "0002": ["c"]}


@pytest.fixture
def head(tmp_path, monkeypatch):
    lock = ResultsLock(tmp_path, "now")
    lock.take()
    monkeypatch.setenv(portions.HEAD, lock.name())
    return lock


def test_a_portion_locks_its_exposures_and_no_others(tmp_path, head):
    one = portions.Portion(tmp_path, ["a", "b"], "now")
    one.begin()
    assert head.name()
    assert (tmp_path / "a" / ".lock").exists() and (tmp_path / "b" / ".lock").exists()
    assert "a: job ? of the cluster works on it" in portions.in_use(tmp_path, ["c", "a"])
    one.end()
    assert portions.in_use(tmp_path, ["a", "b", "c"]) is None
    assert not list(tmp_path.glob("*/.lock"))


@pytest.mark.usefixtures("head")
def test_a_portion_waits_for_another_that_works_on_an_exposure(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(portions, "_PATIENCE", 0)
    other = portions.Portion(tmp_path, ["b"], "before")
    other.begin()
    ended = []
    monkeypatch.setattr(portions.time, "sleep", lambda _: ended.append(other.end()))
    portions.Portion(tmp_path, ["a", "b"], "now").begin()
    assert len(ended) == 1
    assert "this job waits" in capfd.readouterr().err


def test_a_portion_whose_head_has_ended_does_nothing(tmp_path, head):
    head.release()
    with pytest.raises(ResultsInUse, match="the run that has asked for this job has ended"):
        portions.Portion(tmp_path, ["a"], "now").begin()
    ResultsLock(tmp_path, "later").take()
    with pytest.raises(ResultsInUse, match="has ended"):
        portions.Portion(tmp_path, ["a"], "now").begin()
    assert not (tmp_path / "a").exists()


def test_a_portion_is_asked_for_once(monkeypatch, tmp_path):
    assert portions.asked_for() is None
    (tmp_path / "names.json").write_text('["a", "b"]')
    monkeypatch.setenv(portions.EXPOSURES, str(tmp_path / "names.json"))
    assert portions.asked_for() == ["a", "b"]
    # Its own jobs are none.
    assert portions.asked_for() is None


def test_the_profile_asks_squeue_and_tries_again():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    assert (profile["executor"], profile["slurm-status-command"]) == ("slurm", "squeue")
    assert profile["retries"] > 0 and profile["keep-going"]


class Demanded:
    """What a division asks of a demand."""

    def __init__(self, folder, names):
        self.results, self.plan, self.answers = str(folder), self, self
        self.exposures, self.version, self.without = names, 1, ()
        self.asked, self.variants = 0, []

    def final_products(self, branch):
        exposure = branch.partition("/")[0]
        return [f"{self.results}/{branch}/{exposure}_{kind}.fits" for kind in ("rate", "rateints")]

    def all_links(self):
        self.asked += 1
        return {}

    def branches_of(self, exposure):
        return [exposure, *(f"{exposure}/variants/{name}" for name in self.variants)]

    def failed(self):
        return self.without


def test_a_division_is_made_once_for_each_answer_and_knows_what_is_left(tmp_path):
    demand = Demanded(tmp_path, ["a", "b", "c", "d", "e"])
    division = portions.Division(demand, 2)
    assert [division[name] for name in ("0001", "0002", "0003")] == [["a", "b"], ["c", "d"], ["e"]]
    assert division.unfinished(lambda _: True) == ["0001", "0002", "0003"] and demand.asked == 1
    for exposure in "abce":
        (tmp_path / exposure).mkdir()
        for kind in ("rate", "rateints"):
            (tmp_path / exposure / f"{exposure}_{kind}.fits").touch()
    # What is there has to stand, too.
    assert division.unfinished(lambda exposure: exposure != "e") == ["0002", "0003"]
    assert division.left == {"d", "e"}
    demand.version, demand.without = 2, ("d",)
    assert division.unfinished(lambda _: True) == [] and division["0002"] == ["c", "e"]
    assert demand.asked == 2
    # A variant that is not there leaves its exposure unfinished.
    demand.variants = ["strict"]
    for exposure in "ab":
        (tmp_path / exposure / "variants/strict").mkdir(parents=True)
        for kind in ("rate", "rateints"):
            (tmp_path / exposure / f"variants/strict/{exposure}_{kind}.fits").touch()
    assert division.unfinished(lambda _: True) == ["0002"]
    assert division.left == {"c/variants/strict", "e/variants/strict"}


def test_a_portion_inherits_what_its_run_was_told():
    class Told:
        def __init__(self, **values):
            self.__dict__.update(values)

    limits = {"_cores": Told(value=4), "mem_mb": Told(value=3000)}
    deployment = Told(deployment_method=frozenset({"conda"}), conda_prefix="/envs")
    told = Told(deployment_settings=deployment, storage_settings=Told(notemp=True), global_resources=limits)
    common = ["--software-deployment-method", "conda", "--conda-prefix=/envs", "--notemp"]
    assert portions.inherited(told, on_cluster=False) == [*common, "--resources", "mem_mb=3000"]
    assert portions.inherited(told, on_cluster=True) == common


def test_scratch_of_a_node_is_refused_where_the_next_step_may_be_on_another_one():
    config = {"scratch": "/dev/shm", "keep": "none", "cluster_job": "step"}
    with pytest.raises(SystemExit, match="cluster_job: step the next step may be on another node; write cluster_job"):
        scratch_place.notices(config, on_cluster=True)
    assert scratch_place.notices(config, on_cluster=False) == []
    assert scratch_place.notices(config | {"cluster_job": 50}, on_cluster=True) == []
    assert scratch_place.notices(config | {"scratch": None}, on_cluster=True) == []
    (line,) = scratch_place.notices(config | {"keep": "all"}, on_cluster=False)
    assert "without effect where all products stay" in line
