"""The report of a run: one page, with nothing outside it, of what is among the results: ``make report``.

``python -m rampflow.inspection.report results`` reads records, logs and products, and writes ``results/report.html``:
what ran with what, every exposure with its chain, time, memory, flags and pictures, warnings, and what failed or was
left out. It says what is there, so it can be made at any time, of a run that failed or still runs, too.
"""

import argparse
import os
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rampflow.detector import dq
from rampflow.inspection import page, pictures
from rampflow.inspection.check import Results
from rampflow.inspection.page import NO_RATE
from rampflow.io import files
from rampflow.io.shared_files import replace

#: What can be said of a job that has left a log, but neither a record nor an error.
ENDED = "its job left neither a record nor an error: it was killed (for want of memory? try --cores 1), or runs still"
NOT_BEGUN = "has not run"
#: Line of a log: when, how grave, what.
_LOG = re.compile(r"^(\d{4}-\d\d-\d\d [\d:,]+) (INFO|WARNING|ERROR) (.*)$")


@dataclass
class Exposure:
    """What there is of one exposure."""

    root: str
    facts: dict
    records: dict
    chain: list
    state: str = "complete"  #: or "failed", or "unfinished"
    why: str = ""
    warnings: list = field(default_factory=list)  #: (step, text)
    products: dict = field(default_factory=dict)  #: step to the names of its products that are there
    groups: dict | None = None  #: fraction of groups with each flag that occurs
    pixels: dict | None = None  #: the same of pixels, and of those without a rate
    rate: bytes | None = None
    flags: bytes | None = None
    trouble: str = ""  #: why there is no picture

    @property
    def wall(self):
        """Time of all jobs (s)."""
        return sum(record["wall_s"] for record in self.records.values())

    @property
    def memory(self):
        """Memory of the largest job (MB)."""
        return max((record["peak_memory_mb"] for record in self.records.values()), default=0)


# --- what is there ---------------------------------------------------------------------------------------


def gather(results):
    """Collect what there is of every exposure, without pictures.

    Parameters
    ----------
    results : `~rampflow.inspection.check.Results`
        The results.

    Returns
    -------
    list of Exposure
        Sorted by name.
    """
    last = results.runs[-1] if results.runs else {"exposures": {}, "without_references": {}}
    found = []
    for root in sorted(last["exposures"].keys() | results.records.keys()):
        run = results.run_of(root) or {}
        facts = run.get("exposures", {}).get(root, {})
        records = results.records.get(root, {})
        chain = facts.get("chain") or [step for step in records if step not in ("rate", "ramp")]
        exposure = Exposure(root, facts, records, chain)
        for step in [*chain, "ramp", "rate"]:
            names = [name for name in records.get(step, {"outputs": {}})["outputs"] if not name.endswith(".json")]
            exposure.products[step] = [name for name in names if results.path(root, name).exists()]
        _judge(exposure, results, run)
        found.append(exposure)
    return found


def _judge(exposure, results, run):
    """Say how far an exposure has come, and collect what its logs warn of."""
    final = "rate" if "ramp_fit" in exposure.chain else "ramp"
    failure = None
    for step in [*exposure.chain, "ramp", "rate"]:
        for level, text in _log_of(results.folder / exposure.root / "logs" / f"{step}.log"):
            if level == "WARNING":
                exposure.warnings.append((step, text))
            elif level == "ERROR" and step not in exposure.records and failure is None:
                failure = step, text
    if failure:
        exposure.state, exposure.why = "failed", f"{failure[0]}: {failure[1]}"
    elif exposure.root in (run.get("without_references") or {}):
        exposure.state, exposure.why = "failed", f"references: {run['without_references'][exposure.root]}"
    elif not exposure.products[final]:
        exposure.state = "unfinished"
        exposure.why = f"{final}: its products are gone"
        missing = next((step for step in [*exposure.chain, final] if step not in exposure.records), None)
        if missing is not None:
            begun = (results.folder / exposure.root / "logs" / f"{missing}.log").exists()
            exposure.why = f"{missing}: {ENDED if begun else NOT_BEGUN}"


def _log_of(path):
    """Yield (level, first line) of what a log says."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        if match := _LOG.match(line):
            yield match[2], match[3]


def look(exposure, results, size):
    """Count flags and make the pictures of an exposure, as far as its products are there."""
    folder = results.folder / exposure.root
    try:
        if names := exposure.products.get("rate"):
            name = next(name for name in names if name.endswith("_rate.fits"))
            with files.Product(folder / name) as product:
                rate, flags = product["SCI"].read(), product["DQ"].read()
            exposure.pixels = _pixel_fractions(rate, flags)
            exposure.rate = pictures.rate_picture(rate, flags, size)
            exposure.flags = pictures.flag_picture(flags, size)
        if ramp := _last_ramp(exposure):
            with files.Product(folder / ramp) as product:
                exposure.groups = _group_fractions(product)
    except (files.FileProblem, OSError, ValueError, StopIteration) as error:
        exposure.trouble = str(error) or "no rate"


def _last_ramp(exposure):
    """Name the ramp that went into the fit, which has the flags of all steps; None where it was not kept."""
    chain = exposure.chain
    before = chain[chain.index("ramp_fit") - 1] if "ramp_fit" in chain[1:] else chain[-1] if chain else None
    names = exposure.products.get("ramp") or exposure.products.get(before) or []
    return next((name for name in names if name.endswith(("_ramp.fits", f"_{before}.fits"))), None)


def _pixel_fractions(rate, flags):
    """Count flags of pixels, and pixels without a rate; reference pixels are left out."""
    used = (flags & np.uint32(dq.REFERENCE_PIXEL)) == 0
    count = _count(flags[used]) | {NO_RATE: np.count_nonzero(np.isnan(rate[used]))}
    return {name: number / max(np.count_nonzero(used), 1) for name, number in count.items()}


def _group_fractions(product):
    """Count flags of groups, frame by frame; reference pixels are left out."""
    array = product["GROUPDQ"]
    used = (product["PIXELDQ"].read() & np.uint32(dq.REFERENCE_PIXEL)) == 0
    count = Counter()
    for index in np.ndindex(array.shape[:2]):
        count.update(_count(array.read(*index)[used]))
    total = max(np.count_nonzero(used) * array.shape[0] * array.shape[1], 1)
    return {name: number / total for name, number in count.items()}


def _count(flags):
    """Count the flags that there are: {name: number}."""
    there = int(np.bitwise_or.reduce(flags, initial=0))
    names = [name for name, bit in dq.MNEMONICS.items() if there & bit]
    return {name: np.count_nonzero(flags & flags.dtype.type(dq.MNEMONICS[name])) for name in names}


# --- the command -----------------------------------------------------------------------------------------


def main(arguments=None):
    """Write the report of results; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow.inspection.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", default="results", help="folder of the results (default: results)")
    options = parser.parse_args(arguments)
    results = Results(options.results)
    if not results.runs and not results.records:
        print(f"rampflow: {options.results}: no run has left anything there; name the folder of results of a run")
        return 2
    exposures = gather(results)
    size = page.picture_size(len(exposures))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda exposure: look(exposure, results, size), exposures))
    path = Path(options.results) / "report.html"
    replace(path, page.write(results, exposures))
    print(f"Report: {path} ({page.states(exposures) or 'no exposures'})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
