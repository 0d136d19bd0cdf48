"""``python -m rampflow.mock PROGRAMME OUTPUT [--seed N]``: write a synthetic observing programme."""

import argparse
import functools
import sys

from rampflow.mock.programmes import PROGRAMMES, make


def main(arguments=None, known=PROGRAMMES, program="python -m rampflow.mock"):
    """Command line; returns the exit status. ``known`` are the programmes, ``program`` is how it was called."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("programme", choices=known, help="what to make")
    parser.add_argument("output", help="folder for data/, truth/, crds/ and programme.json")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first exposure (default: 1)")
    options = parser.parse_args(arguments)
    report = functools.partial(print, flush=True)
    record = make(options.programme, options.output, options.seed, report, known)
    print(f"{len(record['exposures'])} exposures; CRDS context {record['context']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
