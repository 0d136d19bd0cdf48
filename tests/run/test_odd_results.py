"""The report and the check on results whose JSON is damaged, of another programme, or no file at all."""

import json
import os
import random
import shutil

import pytest

from rampflow.inspection import check, report

#: Values where others are expected.
ODD = [None, True, -1, 1.5, 10**30, float("nan"), float("inf"), "", "<b>&'\"", "../..", "\0", "\ud800", "x" * 5000,
       [], {}, [[]], {"": {}}, ["group_scale"]]  # fmt: skip


def places(content, at=()):
    """Every place of a tree."""
    yield at
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from places(value, (*at, key))


def changed(content, at, change):
    """The tree with another value, or without one, at a place."""
    content = json.loads(json.dumps(content))
    if not at:
        return change(content)
    parent = content
    for key in at[:-1]:
        parent = parent[key]
    parent[at[-1]] = change(parent[at[-1]])
    return content


def without(content, at):
    content = json.loads(json.dumps(content))
    parent = content
    for key in at[:-1]:
        parent = parent[key]
    del parent[at[-1]]
    return content


def broken(chance, path):
    """Make of a file what cannot be read as what it was; returns the kind."""
    text = path.read_bytes()
    kinds = {
        "truncated": lambda: path.write_bytes(text[: chance.randrange(len(text) - 2)]),
        "a list": lambda: path.write_text("[1, 2]"),
        "null": lambda: path.write_text("null"),
        "a number": lambda: path.write_text("3"),
        "binary": lambda: path.write_bytes(chance.randbytes(5000)),
        "deep": lambda: path.write_text("[" * 200_000),
        "many digits": lambda: path.write_text("9" * 6000),
        "no keys": lambda: path.write_text('{"x": 1}'),
        "surrogate": lambda: path.write_text('{"name": "\\ud800"}'),
        "huge": lambda: (path.write_bytes(text), os.truncate(path, 1 << 40)),
        "a folder": lambda: (path.unlink(), path.mkdir()),
        "a pipe": lambda: (path.unlink(), os.mkfifo(path)),
        "a circle of links": lambda: (path.unlink(), path.symlink_to(path.name)),
    }
    kind = chance.choice(sorted(kinds))
    kinds[kind]()
    return kind


def odd(chance, path):
    """Change or leave out something in a file; returns what."""
    content = json.loads(path.read_text())
    at = chance.choice([place for place in places(content) if place])
    if chance.random() < 0.3:
        path.write_text(json.dumps(without(content, at)))
        return f"without {at}"
    value = chance.choice(ODD)
    path.write_text(json.dumps(changed(content, at, lambda _: value)))
    return f"{at} = {value!r:.40}"


@pytest.fixture
def small(finished, tmp_path, monkeypatch):
    """The results of one exposure, of which only the last products are kept."""
    folder = tmp_path / "results"
    (source,) = (finished.folder / "results").glob("*_guider1")
    shutil.copytree(source, folder / source.name)
    shutil.copytree(finished.folder / "results/runs", folder / "runs")
    for path in (folder / source.name).glob("*.fits"):
        if not path.stem.endswith(("_rate", "_rateints", "_jump")):
            path.unlink()
    monkeypatch.chdir(tmp_path)
    return folder


def small_files(folder):
    rooms = [folder.glob(f"*/{room}/[!.]*.json") for room in ("record", "parameters", "references")]
    # Of steps without parameters there is nothing to change.
    return sorted([*folder.glob("runs/*.json"), *(p for room in rooms for p in room if p.stat().st_size > 10)])


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_in_the_json_the_rest_is_shown(small, capsys, seed):
    chance = random.Random(seed)
    kept = {path: path.read_bytes() for path in small_files(small)}
    for number in range(10):
        path = chance.choice(sorted(kept, key=lambda p: (p.parent.name != "runs", p)))
        if chance.random() < 0.15:
            path = next(path for path in kept if path.parent.name == "runs")
        unreadable = chance.random() < 0.5
        what = f"seed {seed}, mutant {number}: {path.relative_to(small)}: "
        what += broken(chance, path) if unreadable else odd(chance, path)
        status = report.main(["results"])
        said = capsys.readouterr().out
        assert status == 0, what
        if unreadable:
            assert sum(f"/{path.name}: not " in line for line in said.splitlines()) == 1, what
        assert "Traceback" not in said and said.splitlines()[-1].startswith("Report: "), what
        page = (small / "report.html").read_text()
        assert "_guider1" in page and page.rstrip().endswith("</html>"), what
        assert "<b>&'" not in page, what
        assert check.main(["results", "--schemas", "none"]) in (0, 1), what
        said = capsys.readouterr().out
        assert all(line.startswith("rampflow: ") for line in said.splitlines()), what
        if unreadable:
            assert sum(f"/{path.name}: not " in line for line in said.splitlines()) == 1, what
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
        path.write_bytes(kept[path])
    assert report.main(["results"]) == 0


def test_everything_at_once(small, capsys):
    chance = random.Random(1)
    paths = small_files(small)
    for path in paths:
        broken(chance, path)
    assert report.main(["results"]) == 0
    said = capsys.readouterr().out.splitlines()
    for path in paths:
        assert sum(f"{path.relative_to(small)}: not " in line for line in said) == 1, path
    assert check.main(["results", "--schemas", "none"]) == 1


def test_text_of_records_and_runs_is_escaped(small):
    evil = "<script>alert(1)</script>"
    (path,) = small.glob("runs/*.json")
    run = json.loads(path.read_text())
    run["notices"] = [evil]
    run["command"] = run["host"] = run["config"]["release"] = evil
    for facts in run["exposures"].values():
        facts |= {"exp_type": evil, "subarray": evil, "optics": [evil]}
    path.write_text(json.dumps(run))
    record = next(small.glob("*_guider1/record/jump.json"))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": evil, "reason": evil}))
    (small / record.parents[1].name / "logs/jump.log").write_text(f"2024-01-01 00:00:00,000 WARNING {evil}\n")
    assert report.main(["results"]) == 0
    page = (small / "report.html").read_text()
    assert evil not in page and page.count("&lt;script&gt;alert(1)") > 5 and page.count("<script") == 1
