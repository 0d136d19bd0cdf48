"""What jobs import, imported ahead of them by the server of the warm start."""

import contextlib
import importlib
import pkgutil


def preload(names=None):
    """Import all that jobs import: a generator of one module after the other.

    Parameters
    ----------
    names : list of str, optional
        The steps, in the order in which their jobs will come; by default all that there are.

    Yields
    ------
    str
        What was imported. The first job of a run, which asks CRDS, imports that itself: no other job needs it.
    """
    from rampflow import drivers

    # What takes longest, numba, is imported while CRDS is asked.
    first = ("rampflow.io._byte_runs", "rampflow.jobs.spec", "rampflow.jobs.step", "snakemake.io", "snakemake.logging")
    for name in first:
        yield importlib.import_module(name).__name__
    from rampflow.jobs import provenance
    from rampflow.settings import configuration

    provenance.versions()
    configuration.schema("parameters")
    if names is None:
        names = [module.name for module in pkgutil.iter_modules(drivers.__path__) if not module.name.startswith("_")]
    for name in names:
        for room in ("steps", "drivers"):
            # A step that cannot be imported fails in its own job, where there is a log and an exposure's name.
            with contextlib.suppress(Exception):
                yield importlib.import_module(f"rampflow.{room}.{name}").__name__
    yield importlib.import_module("rampflow.drivers.final").__name__
