"""The raw files of a programme, as a table for the key ``exposures``: ``rampflow fetch 1366 --obs 2``.

The archive's public search service (MAST) is asked; nothing is downloaded. The table has the addresses of the raw
files, in the archive or, with --from s3, in its public bucket, and a run fetches each when its turn comes. Data that
are not public yet are left out, unless MAST_API_TOKEN has a token of MAST; the run needs it, too.

Status 0: the table is written; 1: there are no such files; 2: the service could not be asked.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rampflow.errors import some_of
from rampflow.io.shared_files import replace
from rampflow.settings.configuration import INSTRUMENTS, schema, suggestion
from rampflow.stores.mast import SERVICE, Archive, RawFile
from rampflow.stores.objects import StoreProblem
from rampflow.stores.web import TOKEN


def main(arguments: list[str] | None = None) -> int:
    """Write the table; return the exit status."""
    options = _options(arguments)
    try:
        found = Archive(options.service).raw_files(
            options.program, options.obs, options.instrument, options.exp_type, options.detector
        )
    except StoreProblem as problem:
        _say(f"{options.service}: {problem}")
        return 2
    kept, left_out = _allowed(found, options.source)
    if left_out:
        why = "in the public bucket there are none of them: --from mast" if os.environ.get(TOKEN) else f"set {TOKEN}"
        _say(f"{len(left_out)} raw files are not public yet and left out ({why}): {some_of(left_out)}")
    if not kept:
        _say(f"programme {options.program}: no raw files fit; nothing is written")
        return 1
    try:
        replace(options.output, table(kept, options.source))
    except OSError as error:
        _say(f"{options.output}: {error.strerror}; name another file (-o)")
        return 2
    _say(f"{options.output}: {len(kept)} raw files; exposures: {options.output} in the configuration takes them")
    return 0


def table(files: Sequence[RawFile], source: str) -> str:
    """Return the table of raw files, with their addresses in a source: "mast" or "s3"."""
    rows = [f"{one.exposure}\t{one.address(source)}\t{one.instrument}\n" for one in files]
    return "exposure\tuncal\tinstrument\n" + "".join(rows)


def _allowed(files: Sequence[RawFile], source: str) -> tuple[list[RawFile], list[str]]:
    """Divide raw files into those that a run could fetch, and the names of the others."""
    may = [one.public or (source == "mast" and bool(os.environ.get(TOKEN))) for one in files]
    kept = [one for one, allowed in zip(files, may, strict=True) if allowed]
    return kept, [one.exposure for one, allowed in zip(files, may, strict=True) if not allowed]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rampflow fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = schema("headers")["properties"]
    types = [name for one in INSTRUMENTS for name in known[one]["properties"]["EXP_TYPE"]["enum"]]
    detectors = [name for one in INSTRUMENTS for name in known[one]["properties"]["DETECTOR"]["enum"]]

    def one_of(names: Sequence[str]) -> object:
        def checked(text: str) -> str:
            if text.upper() not in names:
                raise argparse.ArgumentTypeError(f"there is no {text!r}{suggestion(text.upper(), names)}")
            return text.upper()

        return checked

    parser.add_argument("program", type=_number, help="number of the programme")
    parser.add_argument("--obs", type=_number, nargs="+", default=[], metavar="N", help="observations; all by default")
    for name, what in (("instrument", INSTRUMENTS), ("exp-type", types), ("detector", detectors)):
        parser.add_argument(f"--{name}", type=one_of(what), nargs="+", default=[], metavar="X", help="of these alone")  # type: ignore[arg-type]
    parser.add_argument(
        "--from", dest="source", choices=("mast", "s3"), default="mast", help="where the run fetches from"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("exposures.tsv"), help="default: exposures.tsv")
    parser.add_argument("--service", default=SERVICE, metavar="URL", help=f"the search service (default: {SERVICE})")
    return parser.parse_args(arguments)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 100_000:
        raise argparse.ArgumentTypeError(f"a number from 1 to 99999 is expected, not {text!r}")
    return int(text)


def _say(line: str) -> None:
    print(f"rampflow: {line}", file=sys.stderr)
