"""What is told of a programme whose exposures Snakemake does not know."""

import io
import logging
import os

import pytest

from rampflow.planning.programme import ProgrammeProgress


@pytest.fixture
def programme(tmp_path):
    """A programme of ten exposures; time passes by hand."""

    class Programme:
        now = 1000.0
        terminal = io.StringIO()
        log = tmp_path / "0001.log"

        def record(self, exposure):
            path = tmp_path / exposure / "record" / "rate.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
            os.utime(path, (self.now, self.now))

        def lines(self):
            return self.terminal.getvalue().splitlines()

    one = Programme()
    names = [f"e{number}" for number in range(10)]
    # Of an earlier run.
    one.record("e9")
    one.now += 100

    def logs():
        return [one.log] if one.log.exists() else []

    one.progress = ProgrammeProgress(
        str(tmp_path), lambda: names, lambda _: "rate", logs, True, one.terminal, lambda: one.now
    )
    return one


def test_exposures_are_counted_and_the_end_estimated(programme):
    programme.now += 60
    programme.progress.look()
    assert programme.lines() == []
    programme.record("e0")
    programme.now += 60
    programme.progress.look()
    assert programme.lines() == ["rampflow: 1 of 10 exposures done"]
    # One in sixty seconds, and eight are left.
    programme.record("e1")
    programme.now += 1
    programme.record("e1")
    programme.now += 59
    programme.progress.look()
    (_, line) = programme.lines()
    assert line.startswith("rampflow: 2 of 10 exposures done, about 16 min left (until ")
    programme.now += 30
    programme.progress.look()
    assert len(programme.lines()) == 2


def test_failures_of_portions_are_said_when_they_happen_once(programme):
    why = "jump: gain.fits: it is damaged (traceback: results/e3/logs/jump.log)"
    programme.log.write_text(
        f"rampflow: e2: done in 5 s, 12 jobs (1 of 2 exposures)\nrampflow: e3: {why}\nrampflow: e4"
    )
    programme.progress.look()
    assert programme.lines() == [f"rampflow: e3: {why}"]
    # The line is complete only now; and what failed may be done again.
    with open(programme.log, "a") as file:
        file.write(f": {why}\nrampflow: e3: {why}\n")
    programme.record("e3")
    programme.now += 60
    programme.progress.look()
    assert programme.lines()[1:] == [f"rampflow: e4: {why}"]
    programme.now += 60
    programme.progress.look()
    assert programme.lines()[2:] == ["rampflow: 1 of 10 exposures done, 1 failed"]


def test_it_looks_from_beginning_to_end(programme, monkeypatch):
    monkeypatch.setattr("rampflow.planning.programme._LOOK", 0.01)
    log = logging.Logger("of Snakemake")
    said = io.StringIO()
    log.addHandler(logging.StreamHandler(said))
    programme.progress.listen(log)
    log.info("a job")
    programme.now += 60
    programme.record("e0")
    while not programme.lines():
        pass
    programme.record("e1")
    programme.progress.stop(log)
    assert programme.lines()[-1] == "rampflow: 2 of 10 exposures done"
    assert set(programme.progress.made) == {"e0", "e1"}
    log.warning("the end")
    assert said.getvalue() == "the end\n"
