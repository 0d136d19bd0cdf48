"""The command ``rampflow``, which is also ``python -m rampflow``: one word for each thing that it does.

A command's module is imported when it is asked for, so that ``rampflow run`` starts as fast as Snakemake does.
"""

import difflib
import importlib
import os
import runpy
import sys
from typing import NoReturn

from rampflow import __version__, places

#: Module of each command, whose ``main(arguments)`` returns the exit status, and its help in one line.
COMMANDS = {
    "report": ("rampflow.inspection.report", "write one page about the results of a run"),
    "check": ("rampflow.inspection.check", "hold results against their records; make them again and compare"),
    "pixel": ("rampflow.inspection.pixel", "show one pixel through all steps: its ramp, flags and why, references"),
    "inspect": ("rampflow.inspection.inspector", "look into every product in a browser: frames, ramps, flags"),
    "compare": ("rampflow.inspection.comparison", "hold products against others, of a run or of the archive"),
    "whatif": ("rampflow.inspection.whatif", "say what another context or configuration would do, before it runs"),
    "fetch": ("rampflow.stores.fetch", "list the raw files of a programme, from the archive's search service"),
    "reproduce": ("rampflow.inspection.reproduce", "write the configuration that makes a product of jwst again"),
    "compile": ("rampflow.warmstart.compiling", "compile the kernels of all steps before a run needs them"),
    "mock": ("rampflow.mock.__main__", "write a synthetic observing programme with its CRDS cache"),
}
RUN = "run the workflow; takes what snakemake takes"


def usage() -> str:
    """Return the help of the command, a line for each thing that it does."""
    lines = {"run": RUN} | {name: text for name, (_, text) in COMMANDS.items()}
    width = max(map(len, lines))
    listed = "\n".join(f"  {name:{width}}  {text}" for name, text in lines.items())
    return (
        "usage: rampflow COMMAND [arguments]\n\n"
        "JWST Stage 1 (calwebb_detector1), ramps to slopes, as a Snakemake workflow.\n\n"
        f"{listed}\n\n"
        "rampflow COMMAND --help says more about one; rampflow --version says which this is."
    )


def run(arguments: list[str]) -> NoReturn:
    """Become Snakemake on the workflow's Snakefile; never returns.

    Parameters
    ----------
    arguments : list of str
        What `snakemake` is told besides.
    """
    from rampflow.planning.interruption import hold

    # -P: what lies in the user's folder must not stand in for a module of Snakemake's. The package is this one,
    # whatever else is installed, and its place is not on the path for long: among installed packages may be some that
    # would stand in for modules of Python's.
    start = f"import sys; sys.path.insert(0, {str(places.PACKAGE.parent)!r}); from rampflow import __main__ as rampflow"
    command = [sys.executable, "-P", "-c", f"{start}; del sys.path[0]; rampflow.become_snakemake()"]
    sys.stdout.flush()
    hold()
    os.execv(sys.executable, [*command, "--snakefile", str(places.SNAKEFILE), *arguments])


def become_snakemake() -> None:
    """Be Snakemake's command, and end with a line where a signal comes before it has read the workflow."""
    from rampflow.planning.interruption import watch_imports

    watch_imports()
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name == "--version":
        print(f"rampflow {__version__}")
        return 0
    if name == "run":
        return run(rest)
    if name not in COMMANDS:
        known = ["run", *COMMANDS]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        print(f"rampflow: no command {name!r}; {hint}", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[name][0]).main(rest)


if __name__ == "__main__":
    sys.exit(main())
