"""Whether results are still what their records say, and whether the same can be made again: ``make check``.

``python -m rampflow.inspection.check results`` reads the record of every job and compares what is there now with it:
products, raw files, reference files, parameters, the code of the steps, versions. Checksums decide where a record has
them; products on the way, which have none unless ``checksums: all`` is configured, are compared by size and by time:
that which the step after them has seen, or that of their own record, which got it with them. Every product is also
opened with stdatamodels and held against the schema of its model (``--schemas final``: those of the run alone;
``none``: not at all). With ``--again GLOB`` it also makes these exposures again, in a temporary folder and from the
raw file, and compares every file with what is there, bit for bit.

One line for each finding; status 0: none, 1: some, 2: nothing there to check.
"""

import argparse
import os
import sys
from fnmatch import fnmatchcase

from rampflow.inspection.again import again
from rampflow.inspection.records import Comparison
from rampflow.inspection.results import Results
from rampflow.settings.branches import exposure_of


def main(arguments=None):
    """Check results; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow.inspection.check", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", default="results", help="folder of the results (default: results)")
    parser.add_argument("--again", metavar="GLOB", help="make these exposures again and compare bit for bit")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores to use (default: all)")
    parser.add_argument(
        "--schemas",
        choices=("all", "final", "none"),
        default="all",
        help="products that are opened with stdatamodels, about 0.3 s each (default: all)",
    )
    options = parser.parse_args(arguments)
    results = Results(options.results)
    if not results.records and not results.damaged:
        print(f"rampflow: {options.results}: no records of exposures there; name the folder of results of a run")
        return 2
    comparison = Comparison(results)
    findings = len(_say(comparison.findings))
    number = len({exposure_of(branch) for branch in results.records})
    variants = sum(exposure_of(branch) != branch for branch in results.records)
    also = f" and {variants} variant{'s' * (variants != 1)}" if variants else ""
    print(
        f"rampflow: {number} exposure{'s' * (number != 1)}{also}: {comparison.hashed} files are as recorded by "
        f"checksum, {comparison.timed} by size and time",
        flush=True,
    )
    if comparison.stored:
        print(
            f"rampflow: {comparison.stored} raw files are in a store and were not looked at; --again fetches them",
            flush=True,
        )
    if options.schemas != "none":
        findings += _schemas(results, options)
    if options.again:
        exposures = dict.fromkeys(map(exposure_of, results.records))
        chosen = [exposure for exposure in exposures if fnmatchcase(exposure, options.again)]
        if not chosen:
            print(f"rampflow: --again {options.again}: no exposure of that name in {options.results}")
            return 2
        for exposure in chosen:
            found = again(results, exposure, options.cores)
            _say(found or [f"{exposure}: made again, bit for bit the same"])
            findings += len(found)
    print(f"rampflow: {findings} finding{'s' * (findings != 1)}")
    return 1 if findings else 0


def _schemas(results, options):
    """Open products with stdatamodels; return the number of findings."""
    from rampflow.inspection import schemas

    there = schemas.products(results, only_final=options.schemas == "final")
    paths = [place for place in there if os.stat(place[1]).st_size <= schemas.LARGEST]
    found = _say([line for lines in schemas.check(results, paths, options.cores) for line in lines])
    good = len(paths) - len({line.partition(": ")[0] for line in found})
    if larger := len(there) - len(paths):
        print(f"rampflow: {larger} products are larger than {schemas.LARGEST / 1e9:.0f} GB and were not opened")
    print(f"rampflow: {good} of {len(paths)} products open with stdatamodels as what they should be", flush=True)
    return len(found)


def _say(lines):
    for line in lines:
        print(f"rampflow: {line}", flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main())
