"""Runs on exposures that lie in an object store, on a web server and here; the servers are real ones, on loopback."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HOME, Run, make_programme

from servers.s3 import CREDENTIALS, ObjectServer
from servers.web import WebServer

#: Where each exposure of the programme is; two servers and the disk.
FAR = {"nrcb1": "s3", "guider1": "web", "nis": "here"}


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    return make_programme(tmp_path_factory.mktemp("stored"), {"NRCB1", "GUIDER1", "NIS"})


@pytest.fixture(scope="session")
def local(raw, tmp_path_factory):
    """The same exposures, all of them here."""
    run = Run(tmp_path_factory.mktemp("local"), config=raw.config("*"))
    run()
    return run


class Archive:
    """A programme on two servers and the disk, and a run on it."""

    def __init__(self, raw, objects, web, folder):
        self.objects, self.web = objects, web
        paths = {path.stem.split("_")[-2]: path for path in sorted(Path(raw.folder / "data").glob("*_uncal.fits"))}
        self.content = {name: path.read_bytes() for name, path in paths.items()}
        self.names = {name: path.name for name, path in paths.items()}
        self.put("nrcb1")
        self.put("guider1")
        config = raw.config() | {"storage": {"endpoint_url": objects.url, "timeout": 5}}
        config["exposures"] = [f"s3://archive/{folder.name}/*_uncal.fits", web.download(self.names["guider1"])]
        config["exposures"].append(str(paths["nis"]))
        self.run = Run(folder, config=config)

    def put(self, name, content=None):
        content = content or self.content[name]
        if FAR[name] == "s3":
            self.objects.put(f"{self.key}/{self.names[name]}", content)
        else:
            self.web.files[self.names[name]] = content

    key = "archive"

    def __call__(self, *arguments, **options):
        return self.run(*arguments, environment=CREDENTIALS, **options)

    def rampflow(self, *arguments):
        command = [sys.executable, "-m", "rampflow", *arguments]
        environment = os.environ | CREDENTIALS | {"PYTHONPATH": str(HOME / "workflow")}
        done = subprocess.run(command, cwd=self.run.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def jobs(self, *arguments, **options):
        return self.run.jobs(*arguments, environment=CREDENTIALS, **options)


@pytest.fixture
def archive(raw, tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    with ObjectServer() as objects, WebServer() as web:
        yield Archive(raw, objects, web, folder)


def changed(content):
    """The same exposure with other counts."""
    at = (content.index(b"'SCI ") // 2880 + 3) * 2880
    other = content[:at] + bytes(byte ^ 1 for byte in content[at : at + 400]) + content[at + 400 :]
    assert other != content and len(other) == len(content)
    return other


def test_exposures_from_a_store_have_the_same_bits_and_their_copies_are_gone(archive, local):
    archive()
    products = archive.run.products()
    assert products == local.products()
    assert len([path for path in products if path.name.endswith("_rate.fits")]) == 3
    assert not list(archive.run.folder.rglob("*_uncal.fits*"))
    # Headers alone before its turn; then the whole of it, once.
    assert archive.web.whole(archive.names["guider1"]) == 1
    exposure = archive.names["guider1"].removesuffix("_uncal.fits")
    record, same = archive.run.record("guider1", "dq_init"), local.record("guider1", "dq_init")
    entry = record["inputs"]["ramp"]
    assert entry["url"] == archive.web.download(archive.names["guider1"])
    assert entry["sha256"] == same["inputs"]["ramp"]["sha256"] and entry["etag"]
    assert record["recipe"] == same["recipe"]
    assert archive.run.record("nrcb1", "dq_init")["inputs"]["ramp"]["url"].startswith("s3://archive/")
    assert "url" not in archive.run.record("nis", "dq_init")["inputs"]["ramp"]
    del archive.web.asked[:]
    assert "Nothing to be done" in archive("-n")
    assert archive.jobs() == set()
    assert {method for method, *_ in archive.web.asked} == {"HEAD"}

    # Whoever looks at the results afterwards knows where the raw files are.
    for command, words in (
        ("pixel {} 5 5", "the raw file is not here but in its store, http"),
        ("whatif config.yaml", "nothing would run"),
        ("check --schemas none --again *_guider1", "2 raw files are in a store and were not looked at"),
    ):
        told = archive.rampflow(*command.format(f"results {exposure}").split())
        assert words in " ".join(told.split()), told
    assert f"{exposure}: made again, bit for bit the same" in told

    # An object that is another one: its exposure alone.
    archive.put("guider1", changed(archive.content["guider1"]))
    assert {exposure for _, exposure in archive.jobs()} == {"guider1"}
    assert archive.run.record("guider1", "dq_init")["inputs"]["ramp"]["sha256"] != entry["sha256"]
    assert archive.jobs() == set()

    # A step that is done otherwise needs no raw file.
    archive.run.config["steps"] = {"jump": {"rejection_threshold": 6.5}}
    assert {rule for rule, _ in archive.jobs()} == {"jump", "ramp_fit", "rate"}


def test_what_fails_in_a_store_fails_its_exposure_alone(archive, local):
    # After the headers, in the middle of the file.
    archive.web.faults[archive.names["guider1"]] = ("late", 5_000)
    said = archive(status=1)
    assert re.search(r"_guider1: retrieve: http://\S+: truncated: \d+ of \d+ bytes came, in 4 attempts", said), said
    assert "1 of 3 exposures are not finished" in said
    rates = [path for path in archive.run.products() if path.name.endswith("_rate.fits")]
    assert len(rates) == 2
    assert not list(archive.run.folder.rglob("*.part"))
    archive.web.faults.clear()
    archive.objects.remove(f"archive/{archive.names['nrcb1']}")
    archive.run.config["exposures"][0] = f"s3://archive/archive/{archive.names['nrcb1']}"
    said = archive(status=1)
    assert re.search(r"s3://archive/archive/\S+_nrcb1_uncal.fits: http://\S+ has no such object", said), said
    archive.put("nrcb1")
    archive()
    assert archive.run.products() == local.products()
    assert not list(archive.run.folder.rglob("*_uncal.fits*"))


def test_a_job_of_a_cluster_asks_for_what_it_fetches_and_nothing_else(archive, local):
    archive("--until", "references")
    exposure = archive.names["guider1"].removesuffix("_uncal.fits")
    del archive.web.asked[:]
    # What the rule `portion` starts on a node.
    portion = archive.run.folder / "portion.json"
    portion.write_text(json.dumps([exposure]))
    archive.run("--nolock", environment=CREDENTIALS | {"RAMPFLOW_PORTION": str(portion)})
    assert [(method, name, part) for method, name, part, _ in archive.web.asked] == [
        ("GET", archive.names["guider1"], None)
    ]
    made = archive.run.products()
    assert {path.parts[1] for path in made} == {exposure}
    assert made == {path: content for path, content in local.products().items() if exposure in path.parts}


def test_variants_share_the_copy_of_a_raw_file(archive):
    archive.run.config["exposures"] = archive.web.download(archive.names["guider1"])
    archive.run.config["variants"] = {
        "raw": {"dq_init": {"skip": True}},
        "late": {"jump": {"rejection_threshold": 6.5}},
    }
    jobs = archive.jobs()
    assert archive.web.whole(archive.names["guider1"]) == 1
    assert {"retrieve", "dq_init", "saturation", "jump"} <= {rule for rule, _ in jobs}
    rates = [path.parts[2:-1] for path in archive.run.products() if path.name.endswith("_rate.fits")]
    assert sorted(rates) == [(), ("variants", "late"), ("variants", "raw")]
    assert not list(archive.run.folder.rglob("*_uncal.fits*"))
    assert archive.jobs() == set()
