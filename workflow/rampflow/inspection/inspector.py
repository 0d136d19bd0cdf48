"""A page in the browser that looks into results: ``rampflow inspect RESULTS``.

Every product of every step as a picture, the ramp under the pointer through all steps, flags by name. The page
is served by this command, to this machine and whoever has the address that it prints.
"""

import argparse
import errno
import importlib.util
import logging
import sys
import urllib.parse
from pathlib import Path

from rampflow.errors import RampflowError
from rampflow.inspection import inspector_planes
from rampflow.inspection.inspector_view import PageState

PORT = 5006
_WITHOUT = (
    "the page is made with Bokeh, which is not installed: pip install 'rampflow[inspect]', in a clone "
    "pip install '.[inspect]'"
)


def main(arguments=None):
    """Serve the page until it is interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="rampflow inspect", description=__doc__.splitlines()[0])
    parser.add_argument("results", help="folder of the results")
    parser.add_argument("other", nargs="?", help="folder of other results to compare with")
    parser.add_argument("--variant", metavar="NAME", help="compare with this variant, of the other results if named")
    parser.add_argument("--port", type=int, help=f"port (default: {PORT}, or any other that is free)")
    parser.add_argument(
        "--view", default="", metavar="QUERY", help="what to show: what another address has after its ?"
    )
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("bokeh") is None:
        print(f"rampflow inspect: {_WITHOUT}", file=sys.stderr)
        return 2
    try:
        if options.variant and not options.other:
            options.other = options.results
        inspector_planes.exposures(options.results)
        if options.other and not inspector_planes.exposures(options.other, options.variant):
            raise RampflowError(f"{options.other}: no exposure has a variant {options.variant!r}")
        server = _server(options)
    except (RampflowError, OSError) as problem:
        print(f"rampflow inspect: {problem}", file=sys.stderr)
        return 2
    view = urllib.parse.urlencode(PageState.read(dict(urllib.parse.parse_qsl(options.view.lstrip("?")))).query())
    print(f"{server.address}{'?' + view if view else ''}", flush=True)
    print(
        "Open this address in a browser on this machine, or through a tunnel (ssh -L "
        f"{server.port}:127.0.0.1:{server.port}). Whoever has it can see the results. Ctrl-C ends it.",
        file=sys.stderr,
        flush=True,
    )
    server.run()
    return 0


def _server(options):
    """Make the server, on the usual port if it is free and none was asked for."""
    from rampflow.inspection import inspector_page, inspector_server

    # Bokeh says at every turn what it does, and the port is printed once.
    logging.getLogger("bokeh").setLevel(logging.WARNING)
    make = inspector_page.maker(Path(options.results), options.other and Path(options.other), options.variant)
    try:
        return inspector_server.PageServer(make, PORT if options.port is None else options.port)
    except OSError as error:
        if options.port is not None or error.errno != errno.EADDRINUSE:
            raise RampflowError(
                f"port {options.port or PORT} of {inspector_server.LOOPBACK} cannot be used ({error.strerror}); "
                "choose another one with --port"
            ) from None
        return inspector_server.PageServer(make, 0)


if __name__ == "__main__":
    sys.exit(main())
