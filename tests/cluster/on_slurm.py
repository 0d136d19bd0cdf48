"""The workflow on a real Slurm: the same bits in all ways, and what becomes of jobs and heads that end too early.

Not among the tests that `make test` finds: `make cluster-test`.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cluster.conftest import Runs
from servers.s3 import CREDENTIALS, ObjectServer

HOME = Path(__file__).parents[2]

#: Two steps are enough where each is a job: Snakemake starts twice for each.
FEW = {
    step: {"skip": True}
    for step in ("group_scale", "saturation", "superbias", "refpix", "linearity", "persistence", "dark_current")
    + ("jump", "gain_scale")
}

#: One that begins at the last steps, and one that begins early.
VARIANTS = {
    "variants": {"strict": {"jump": {"rejection_threshold": 3.0}}, "even": {"refpix": {"odd_even_columns": False}}}
}


def is_free(runs):
    return not (runs.results / ".lock").exists() and not list(runs.results.glob("*/.lock"))


def submitted(runs, before):
    return [job for job in runs.slurm.jobs() if job not in before]


@pytest.fixture(scope="module")
def expected_with_variants(tmp_path_factory, slurm, programme):
    return Runs(tmp_path_factory.mktemp("variants"), slurm, programme | VARIANTS).local()


@pytest.mark.parametrize(("what", "jobs"), [("exposure", 3), (2, 2)])
def test_jobs_of_exposures_and_of_portions_make_the_bits_of_a_local_run_variants_too(
    runs, programme, expected, expected_with_variants, what, jobs, monkeypatch, tmp_path
):
    nodes = tmp_path / "t"
    nodes.mkdir()
    monkeypatch.setenv("TMPDIR", str(nodes))
    runs.config = programme | VARIANTS
    before = runs.slurm.jobs()
    runs.finish(runs.start(cluster_job=what))
    made = runs.products()
    assert made == expected_with_variants
    assert {name: made[name] for name in made if "/variants/" not in name} == expected != made
    assert len(submitted(runs, before)) == jobs
    assert is_free(runs)
    assert not list(nodes.glob("rampflow-*"))
    # Nothing is left to do, and nothing is submitted for it.
    before = runs.slurm.jobs()
    runs.finish(runs.start(cluster_job=what))
    assert not submitted(runs, before)


@pytest.fixture(scope="module")
def expected_of_mixed(tmp_path_factory, slurm, mixed):
    here = Runs(tmp_path_factory.mktemp("files"), slurm, mixed)
    made = here.local()
    shutil.rmtree(here.results)
    return made


@pytest.mark.parametrize(("what", "jobs"), [("exposure", 12), (5, 3)])
def test_a_programme_of_all_instruments_from_a_store_makes_the_bits_of_files_and_one_report(
    runs, mixed, expected_of_mixed, what, jobs, monkeypatch
):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with ObjectServer() as store:
        for path in Path(mixed["exposures"]).parent.glob("*_uncal.fits"):
            store.put(f"data/{path.name}", path.read_bytes())
        far = {"exposures": "s3://archive/data/*_uncal.fits", "storage": {"endpoint_url": store.url}}
        runs.config = mixed | far
        before = runs.slurm.jobs()
        runs.finish(runs.start(cluster_job=what))
    assert runs.products() == expected_of_mixed
    assert len(submitted(runs, before)) == jobs
    assert is_free(runs)
    # Nothing stays of what was fetched; where it came from does.
    assert not list(runs.folder.rglob("*_uncal.fits*"))
    sources = [json.loads(path.read_text())["inputs"]["ramp"] for path in runs.results.glob("*/record/dq_init.json")]
    assert len(sources) == 12 and all(each["url"].startswith("s3://archive/data/") for each in sources)
    subprocess.run([sys.executable, "-m", "rampflow", "report", runs.results], check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in runs.folder.rglob("report.html")] == ["report.html"]
    with open(runs.results / "summary.tsv", newline="") as table:
        rows = [*csv.DictReader(table, delimiter="\t")]
    assert {row["exposure"] for row in rows} == {name.partition("/")[0] for name in expected_of_mixed}
    assert [row["state"] for row in rows] == ["complete"] * 12
    # A gigabyte.
    shutil.rmtree(runs.results)


def test_a_head_may_be_a_job_itself_and_after_it_was_cancelled_the_same_command_completes(runs, expected):
    before = runs.slurm.jobs()
    # What such a job has in its environment of Slurm is for itself, and not for those that it submits.
    itself = ["srun", "--mem=2000", "--time=30", "--cpus-per-task=1"]
    head = runs.start(within=itself, cluster_job=2)
    runs.wait_for(lambda: len(runs.records()) > 3, head)
    own, *others = submitted(runs, before)
    assert len(others) == 2
    runs.slurm.command("scancel", str(own))
    assert head.wait(60) != 0 and "interrupted (SIGTERM)" in runs.said()
    # From other computers the lock, which it had no time to give back, is judged by the job.
    assert json.loads((runs.results / ".lock").read_text())["batch"] == str(own)
    runs.finish(runs.start(within=itself, cluster_job=2))
    assert runs.products() == expected
    assert is_free(runs)


@pytest.mark.parametrize("what", ["exposure", 2])
def test_jobs_that_slurm_does_not_take_end_the_run_with_its_words(runs, what):
    before = runs.slurm.jobs()
    refused = ("--default-resources", "slurm_partition=nowhere", "--retries", "0")
    said = runs.finish(runs.start(*refused, cluster_job=what), status=1)
    assert "nowhere" in said and "invalid partition" in said.lower()
    assert not submitted(runs, before) and is_free(runs)


def test_jobs_of_single_steps_make_the_bits_of_a_local_run(runs, tmp_path_factory, programme):
    few = dict(programme, exposures=programme["exposures"].replace("*", "*00001_nrcb1"), steps=FEW)
    runs.config = few
    here = Runs(tmp_path_factory.mktemp("few"), runs.slurm, few)
    before = runs.slurm.jobs()
    runs.finish(runs.start(cluster_job="step"))
    assert runs.products() == here.local()
    # dq_init, ramp_fit, rate
    assert len(submitted(runs, before)) == 3


@pytest.mark.parametrize("what", ["exposure", 1])
def test_exposures_that_hand_on_persistence_are_in_one_job(runs, what):
    before = runs.slurm.jobs()
    runs.config = runs.config | {"steps": {"persistence": {"chain": True}}}
    runs.finish(runs.start(cluster_job=what))
    assert len(submitted(runs, before)) == 1
    assert len(list(runs.results.glob("*/*_rateints.fits"))) == 3


def test_a_job_does_not_speak_to_the_server_of_the_head(runs):
    program = (
        "import os, subprocess, sys\n"
        "from rampflow.warmstart import client, server\n"
        "process = server.start('.rampflow')\n"
        "server.announce(process)\n"
        "ask = 'import os; from rampflow.warmstart import client; '\n"
        "ask += 'print(client._is_ours(os.environ[client.VARIABLE].partition(chr(32))[0]))'\n"
        "for command in ([], ['srun', '--mem=500']):\n"
        "    subprocess.run([*command, sys.executable, '-c', ask], check=True)\n"
        "server.stop(process)\n"
    )
    environment = os.environ | runs.slurm.environment | {"PYTHONPATH": str(HOME / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=runs.folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_job_without_enough_memory_is_done_again_with_more(runs, expected):
    if not runs.slurm.limits:
        pytest.skip("no memory controller of cgroup v1 that can be written: Slurm cannot hold jobs to their memory")
    runs.slurm.start_node(allowed=25)
    try:
        before = runs.slurm.jobs()
        runs.finish(runs.start(cluster_job="exposure"))
        # By which process of a job is killed, Slurm says the one or the other of it.
        assert set(submitted(runs, before)) & {*runs.slurm.jobs("OUT_OF_MEMORY", "FAILED")}
        assert "oom-kill event" in (runs.slurm.folder / "slurmd.first.log").read_text()
    finally:
        runs.slurm.start_node()
    assert runs.products() == expected


@pytest.mark.parametrize("what", ["exposure", 3])
def test_a_job_that_reaches_its_time_limit_is_done_again(runs, expected, what):
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=what)
    job = runs.wait_for(lambda: runs.records() and submitted(runs, before), head)[0]
    runs.slurm.command("scontrol", "update", f"jobid={job}", "timelimit=1")
    stop_a_while(job)
    runs.finish(head)
    assert job in runs.slurm.jobs("TIMEOUT")
    assert runs.products() == expected


def stop_a_while(job):
    """Stop the jobs of Snakemake in a job of Slurm: nothing goes on there, and its time runs out."""
    for process in psutil.process_iter(["environ", "cmdline"]):
        mine = (process.info["environ"] or {}).get("SLURM_JOB_ID") == str(job)
        if mine and "snakemake" in " ".join(process.info["cmdline"] or []):
            process.suspend()


@pytest.mark.parametrize("what", ["exposure", 3])
def test_a_job_that_was_cancelled_is_done_again_and_a_portion_goes_on_where_it_was(runs, expected, what):
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=what)
    job = runs.wait_for(lambda: len(runs.records()) > 5 and submitted(runs, before), head)[0]
    runs.slurm.command("scancel", str(job))
    runs.wait_for(lambda: job not in runs.slurm.jobs("RUNNING", "COMPLETING"))
    kept = runs.records()
    runs.finish(head)
    assert job in runs.slurm.jobs("CANCELLED")
    assert runs.products() == expected
    if what != "exposure":
        # Of two jobs at a time Snakemake may not have heard that they were done.
        now = runs.records()
        assert sum(now[path] != time for path, time in kept.items()) <= 2 < len(kept) - 2


@pytest.mark.parametrize("what", ["exposure", 3])
def test_after_a_head_that_was_killed_the_same_command_completes(runs, expected, what):
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=what)
    job = runs.wait_for(lambda: len(runs.records()) > 3 and submitted(runs, before), head)[0]
    head.kill()
    head.wait()
    if what == "exposure":
        # As the manual says.
        for each in runs.slurm.jobs("RUNNING", "PENDING"):
            runs.slurm.command("scancel", str(each))
        runs.wait_for(lambda: job not in runs.slurm.jobs("RUNNING", "COMPLETING"))
    runs.finish(runs.start(cluster_job=what))
    assert runs.products() == expected
    assert is_free(runs)


def test_a_head_that_is_interrupted_cancels_its_jobs(runs, expected):
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=3)
    runs.wait_for(lambda: len(runs.records()) > 3 and submitted(runs, before), head)
    head.send_signal(signal.SIGINT)
    said = runs.finish(head, status=1)
    assert "interrupted (SIGINT)" in said
    runs.wait_for(lambda: not runs.slurm.jobs("RUNNING", "PENDING", "COMPLETING"))
    assert not (runs.results / ".lock").exists()
    runs.finish(runs.start(cluster_job=3))
    assert runs.products() == expected


@pytest.mark.parametrize("what", ["exposure", 3])
def test_a_job_whose_node_goes_down_is_done_again(runs, expected, what):
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=what)
    runs.wait_for(lambda: len(runs.records()) > 3 and submitted(runs, before), head)
    runs.slurm.change("first", "down")
    try:
        # Slurm ends the jobs of the node, and queues them anew.
        runs.wait_for(lambda: not runs.slurm.jobs("RUNNING", "COMPLETING"), head)
    finally:
        runs.slurm.change("first", "resume")
    runs.finish(head)
    assert runs.products() == expected
    assert is_free(runs)


def test_a_node_that_is_drained_ends_what_runs_there_and_takes_nothing_until_it_is_resumed(runs, expected):
    before = runs.slurm.jobs()
    # One at a time, so that others wait while the node is drained.
    head = runs.start("--jobs", "1", cluster_job=1)
    (first, *_) = runs.wait_for(lambda: runs.records() and submitted(runs, before), head)
    runs.slurm.change("first", "drain")
    try:
        second = runs.wait_for(lambda: set(submitted(runs, before)) - {first}, head)
        assert first in runs.slurm.jobs("COMPLETED") and second <= {*runs.slurm.jobs("PENDING")}
    finally:
        runs.slurm.change("first", "resume")
    runs.finish(head)
    assert runs.products() == expected and len(submitted(runs, before)) == 3


def test_two_nodes_make_the_bits_of_one(runs, expected):
    before = runs.slurm.jobs()
    runs.slurm.start_node("second")
    # Three portions of two cores do not fit on a node of four.
    head = runs.start("--default-resources", "slurm_partition=both", "mem_mb=1000", "runtime=10", cluster_job=1)
    where = set()

    def used():
        where.update(runs.slurm.command("squeue", "--noheader", "--states=RUNNING", "--format=%N").split())
        return head.poll() is not None

    runs.wait_for(used, seconds=600)
    runs.finish(head)
    assert where == {"first", "second"} and len(submitted(runs, before)) == 3
    assert runs.products() == expected


@pytest.mark.parametrize("what", ["exposure", 2])
def test_scratch_of_the_node_makes_the_same_bits_and_is_left_empty(runs, expected, tmp_path, what):
    place = tmp_path / "node"
    place.mkdir()
    head = runs.start(cluster_job=what, keep="none", scratch=str(place))
    runs.wait_for(lambda: list(place.glob("*/*/*.fits")), head)
    runs.finish(head)
    final = {name: content for name, content in expected.items() if name.endswith(("_rate.fits", "_rateints.fits"))}
    assert runs.products() == final
    assert not list(place.iterdir())


def test_scratch_of_a_job_that_was_cancelled_is_removed_by_the_next(runs, expected, tmp_path):
    place = tmp_path / "node"
    place.mkdir()
    before = runs.slurm.jobs()
    head = runs.start(cluster_job=3, keep="none", scratch=str(place))
    job = runs.wait_for(lambda: list(place.glob("*/*/*_refpix.fits")) and submitted(runs, before), head)[0]
    runs.slurm.command("scancel", "--signal=KILL", "--full", str(job))
    runs.finish(head)
    assert {name for name in runs.products()} == {name for name in expected if "_rate" in name}
    assert all(runs.products()[name] == expected[name] for name in runs.products())
    assert not list(place.iterdir())
