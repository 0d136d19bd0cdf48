"""The report of a run: one page, with nothing outside it, of what is among the results: ``make report``.

``python -m rampflow.inspection.report results`` reads records, logs and products, and writes ``results/report.html``:
what ran with what, every exposure with its chain, time, memory, flags, pictures and ramps, warnings, and what failed
or was left out; and beside it ``summary.tsv`` and ``summary.json``, a row for each exposure. It says what is there,
so it can be made at any time, of a run that failed or still runs, too.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rampflow.inspection.exposures import ENDED, NOT_BEGUN, STOPPED, gather
from rampflow.inspection.results import Results
from rampflow.io.shared_files import replace

__all__ = ["ENDED", "NOT_BEGUN", "STOPPED", "gather", "main"]

#: With fewer exposures than this processes of their own are not worth it.
_FEW = 8


def main(arguments=None):
    """Write the report of results; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow.inspection.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", default="results", help="folder of the results (default: results)")
    parser.add_argument("--all", action="store_true", help="all pictures, also where that takes long")
    options = parser.parse_args(arguments)
    results = Results(options.results)
    if not results.runs and not results.records and not results.damaged:
        print(f"rampflow: {options.results}: no run has left anything there; name the folder of results of a run")
        return 2
    results.look_at_all()
    from rampflow.inspection import page, summary

    exposures = gather(results)
    looks = _looks(exposures, results, page.picture_size(len(exposures)), options.all)
    rows = [summary.row(one, results, look.counts) for one, look in zip(exposures, looks, strict=True)]
    every = [each for row, look in zip(rows, looks, strict=True) for each in (row, *look.variants)]
    path = Path(options.results) / "report.html"
    try:
        replace(path, page.write(results, exposures, looks, rows))
        summary.write(Path(options.results), every)
    except OSError as error:
        print(f"rampflow: {error.filename or path}: {error.strerror}; the report cannot be written there")
        return 1
    for line in results.damaged.values():
        print(f"rampflow: {line}")
    states = ", ".join(f"{number} {state}" for state, number in page.counts_of_states(exposures))
    print(f"Report: {path} ({states or 'no exposures'})")
    return 0


def _looks(exposures, results, size, everything):
    """Look into the products of all exposures, several at a time."""
    from rampflow.inspection.look import BUDGET, look

    share = float("inf") if everything else BUDGET / max(len(exposures), 1)
    call = partial(look, results=results, size=size, share=share)
    if len(exposures) < _FEW:
        return [call(one) for one in exposures]
    # Forked, so that each process has what was gathered without its being sent.
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork"), _Worker.begin, (call, exposures)) as pool:
        return list(pool.map(_Worker.look, range(len(exposures)), chunksize=4))


class _Worker:
    """What a process that looks into products has at hand."""

    call, exposures = None, ()

    @classmethod
    def begin(cls, call, exposures):
        cls.call, cls.exposures = staticmethod(call), exposures

    @classmethod
    def look(cls, number):
        return cls.call(cls.exposures[number])


if __name__ == "__main__":
    sys.exit(main())
