"""Fuzz from the command line: ``python -m fuzz [--count N] [--seed S]``; status 1 where anything went wrong."""

import argparse
import faulthandler
import sys
import tempfile
from collections import Counter
from pathlib import Path

from fuzz import chains, driver, parameter_files, raw_files, references

KINDS = [raw_files.KIND]
#: Seconds for a mutant that runs through a chain.
PATIENCE = 120


def main():
    """Run every kind and print a table of what became of the mutants."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="mutants of each kind")
    parser.add_argument("--chains", type=int, default=1500, help="mutants that run through all steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant: to see one again")
    given = parser.parse_args()
    failed = False
    for kind in KINDS:
        folder = tempfile.mkdtemp(prefix="fuzz_")
        outcome = driver.run(kind, given.count, folder, given.seed, given.first)
        words = sorted({word for _, word in outcome.counts})
        print(f"{kind.name}: {given.count} mutants\n{'':20}" + "".join(f"{word:>10}" for word in words))
        for how in sorted({how for how, _ in outcome.counts}):
            print(f"{how:20}" + "".join(f"{outcome.counts[how, word]:10}" for word in words))
        for number, made, error in outcome.failures:
            print(f"mutant {number} ({made}) in {folder}: {type(error).__name__}: {error}")
        failed |= bool(outcome.failures)
    for room in (parameter_files, references):
        with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
            mutants = room.mutants(given.seed, given.count)
            faults = [fault for mutant in mutants if (fault := room.check(mutant, Path(folder)))]
        print(f"{room.__name__}: {given.count} mutants, {len(faults)} faults", *faults, sep="\n")
        failed |= bool(faults)
    failed |= run_chains("small frames", chains.mutants(given.seed, given.chains, given.first))
    # A chain of whole frames takes as long as twenty others.
    whole = chains.mutants_of_whole_frames(given.seed, given.chains // 20, given.first)
    failed |= run_chains("whole frames", whole)
    return int(failed)


def run_chains(name, mutants):
    """Run mutants through all steps; return whether anything went wrong."""
    became, failed = Counter(), False
    for mutant in mutants:
        with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
            word, fault = watched(chains.check, mutant, Path(folder))
        became[mutant.kind, word] += 1
        failed |= fault is not None
        if fault:
            print(fault, flush=True)
    words = sorted({word for _, word in became})
    print(
        f"chains of {name}: {became.total()} mutants through all steps\n{'':20}"
        + "".join(f"{word:>12}" for word in words)
    )
    for changed in sorted({changed for changed, _ in became}):
        print(f"{changed:20}" + "".join(f"{became[changed, word]:12}" for word in words))
    return failed


def watched(function, *arguments):
    """Call a function; where it takes longer than a mutant may, all threads are shown and the process ends."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        return function(*arguments)
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    sys.exit(main())
