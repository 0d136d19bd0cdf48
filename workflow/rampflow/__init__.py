"""JWST Stage 1 (calwebb_detector1) as a Snakemake workflow: ramps to slopes."""

__version__ = "0.1.0"

__all__ = ["__version__", "apply", "compare", "load_release", "pixel", "whatif"]

#: The public names and the modules that have them: nothing is imported before it is used.
_HOME_OF = {
    "apply": "rampflow.api",
    "compare": "rampflow.inspection.comparison",
    "load_release": "rampflow.settings.release",
    "pixel": "rampflow.inspection.pixel",
    "whatif": "rampflow.inspection.whatif",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
