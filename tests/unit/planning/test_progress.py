import io
import logging

import pytest

from rampflow.planning.progress import Progress, duration


class Terminal(io.StringIO):
    """What stands for a terminal, or for a file."""

    def __init__(self, tty):
        super().__init__()
        self.tty = tty

    def isatty(self):
        return self.tty


class Told:
    """A run of two exposures of three jobs each, told to a terminal; time passes by hand."""

    def __init__(self, tty):
        self.now, self.terminal, self.own = 0.0, Terminal(tty), io.StringIO()
        self.log = logging.Logger("of Snakemake")
        self.log.addHandler(logging.StreamHandler(self.own))
        self.progress = Progress(lambda: 2, lambda _: "rate", self.terminal, lambda: self.now)
        self.progress.listen(self.log)
        self.done = 0

    def begin(self, job, rule, exposure):
        wildcards = {"exposure": exposure} if exposure else {}
        self.log.info("rule", extra={"event": "job_info", "jobid": job, "rule_name": rule, "wildcards": wildcards})

    def end(self, job, took=10.0):
        self.now += took
        self.done += 1
        self.log.info("finished", extra={"event": "job_finished", "job_id": job})
        self.log.info(None, extra={"event": "progress", "done": self.done, "total": 8})

    def run(self):
        self.begin(0, "references", None)
        self.end(0)
        for number, (exposure, rule) in enumerate([(e, r) for e in "ab" for r in ("jump", "ramp_fit", "rate")], 1):
            self.begin(number, rule, exposure)
            self.end(number)
        return self


def test_without_a_terminal_there_is_a_line_for_each_exposure_and_one_now_and_then():
    told = Told(False).run()
    assert told.terminal.getvalue().splitlines() == [
        "rampflow: a: done in 30 s, 3 jobs (1 of 2 exposures)",
        "rampflow: b: done in 30 s, 3 jobs (2 of 2 exposures)",
    ]
    assert told.own.getvalue() == ""
    slow = Told(False)
    slow.begin(0, "references", None)
    slow.end(0)
    for number in range(1, 5):
        slow.begin(number, "jump", "a")
        slow.end(number, took=40)
    assert slow.terminal.getvalue().splitlines() == [
        "rampflow: 3 of 8 jobs, 0 of 2 exposures",
        "rampflow: 5 of 8 jobs, 0 of 2 exposures, about 2 min left",
    ]


def test_on_a_terminal_a_line_is_written_over_and_ends_cleared():
    told = Told(True).run()
    parts = told.terminal.getvalue().split("\r\x1b[K")
    assert "4 of 8 jobs, 1 of 2 exposures, about 40 s left; b jump\r" in parts
    assert [part for part in parts if part.endswith("\n")] == [
        "rampflow: a: done in 30 s, 3 jobs (1 of 2 exposures)\n",
        "rampflow: b: done in 30 s, 3 jobs (2 of 2 exposures)\n",
    ]
    told.progress.stop(told.log)
    assert told.terminal.getvalue().endswith("\r\x1b[K")
    told.log.info("the terminal is Snakemake's again")
    assert told.own.getvalue() == "the terminal is Snakemake's again\n"


@pytest.mark.parametrize("tty", [False, True])
def test_errors_and_warnings_stay(tty):
    told = Told(tty)
    told.begin(1, "jump", "a")
    told.log.warning("beware")
    told.log.error("Error in rule jump", extra={"event": "job_error", "jobid": 1})
    assert told.own.getvalue() == "beware\nError in rule jump\n"
    told.begin(2, "jump", "b")
    told.end(2)
    assert "a jump" not in told.terminal.getvalue().split("\r\x1b[K")[-1]


def test_what_cannot_be_told_ends_nothing(capsys, monkeypatch):
    # Jobs that ran in this process have turned it off.
    monkeypatch.setattr(logging, "raiseExceptions", True)
    told = Told(False)
    told.log.info("strange", extra={"event": "job_finished"})
    told.log.info("strange", extra={"event": "progress"})
    told.log.info("unknown", extra={"event": "job_finished", "job_id": 77})
    assert "AttributeError" in capsys.readouterr().err


def test_a_terminal_that_is_closed_ends_nothing():
    told = Told(True)
    told.terminal.write = lambda _: (_ for _ in ()).throw(OSError("closed"))
    told.run()


def test_times_are_short():
    assert [duration(s) for s in (3.4, 99, 120, 5400, 7200)] == ["3 s", "99 s", "2 min", "90 min", "2.0 h"]
