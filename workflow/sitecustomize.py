"""Hand a job over before it has imported anything.

Python runs this file at its start when the folder is on PYTHONPATH, as it is for the jobs of a run. Snakemake puts
a preamble before every script that imports Snakemake itself, half of what a small job costs; so a job that a
server can run is handed over here, before the preamble. For everything else nothing happens, but that a
sitecustomize module that this one hides is run in its place.
"""

import os
import sys

#: Folders whose module of this name has run; modules that are hidden run in this one's place.
_seen = globals().get("_seen", set())


def _hand_over():
    arguments = sys.orig_argv[1:]
    if os.environ.get("RAMPFLOW_SERVER") and len(arguments) == 1 and "/.snakemake/scripts/" in arguments[0]:
        import _signal

        before = _signal.getsignal(_signal.SIGINT)
        if before is _signal.default_int_handler:
            # An interrupt that comes now ends the process without a traceback of what it imports.
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        from rampflow.warmstart.client import handoff

        handoff(arguments[0])
        _signal.signal(_signal.SIGINT, before)


def _run_hidden():
    from importlib.machinery import PathFinder

    # A second clone of this workflow may be on the path, whose file would run this one again.
    _seen.add(os.path.dirname(os.path.abspath(__file__)))
    path = [folder for folder in sys.path if os.path.abspath(folder or ".") not in _seen]
    found = PathFinder.find_spec("sitecustomize", path)
    if found is not None and found.loader is not None:
        # The module keeps the name of its first file.
        _seen.add(os.path.dirname(os.path.abspath(found.origin)))
        found.loader.exec_module(sys.modules[__name__])


_hand_over()
_run_hidden()
