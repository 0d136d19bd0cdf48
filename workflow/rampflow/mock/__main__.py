"""``python -m rampflow.mock PROGRAMME OUTPUT [--seed N]``: write a synthetic observing programme."""

import argparse
import sys

from rampflow.mock.programmes import PROGRAMMES, make


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rampflow.mock", description=__doc__)
    parser.add_argument("programme", choices=PROGRAMMES, help="what to make")
    parser.add_argument("output", help="folder for data/, truth/, crds/ and programme.json")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first exposure (default: 1)")
    options = parser.parse_args(arguments)
    record = make(options.programme, options.output, options.seed, report=lambda line: print(line, flush=True))
    print(f"{len(record['exposures'])} exposures; CRDS context {record['context']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
