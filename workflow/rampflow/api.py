"""One step on one file, from Python: the same code as in the workflow, without Snakemake."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rampflow.crds.answers import answer
from rampflow.io.shared_files import read_json
from rampflow.jobs.source import Source
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver
from rampflow.planning.listing import root_name
from rampflow.settings.configuration import ConfigError, schema, schema_problems, steps, suggestion
from rampflow.settings.parameters import as_typed
from rampflow.settings.release import Release, kinds_of, load_release

#: Steps that make, or take, both products with count rates.
_RATES = ("ramp_fit", "gain_scale")


def apply(
    step: str,
    file: Any,
    *,
    references: Mapping[str, Any] | None = None,
    output: Any = None,
    release: str = "1.19",
    crds: Mapping[str, Any] | None = None,
    threads: int = 1,
    memory_mb: int = 2000,
    as_model: bool = False,
    **parameters: Any,
) -> Any:
    """Run one step on one file.

    Parameters
    ----------
    step : str
        Name of the step: ``"jump"``.
    file : path-like
        The product to work on, of this workflow or of jwst: a ramp; for ``gain_scale`` the rate image, whose rates of
        integrations are found by their name (``…ints.fits``).
    references : mapping of str to path-like, optional
        CRDS type to a file, or to ``"N/A"``. Types that are not named are asked of CRDS.
    output : path-like, optional
        Folder for the product; by default that of the file.
    release : str
        The calibration release, whose defaults count.
    crds : mapping, optional
        ``path``, ``context``, ``server`` and ``offline`` as in the configuration; by default what the environment
        says (CRDS_PATH, CRDS_CONTEXT, CRDS_SERVER_URL). CRDS's parameter files count, as in the workflow, unless
        ``pars`` is false or every reference is named.
    threads : int
        Threads to use; they do not change the result.
    memory_mb : int
        Memory to keep within; it does not change the result.
    as_model : bool
        Return the product opened by `stdatamodels.jwst.datamodels.open`, to be closed by the caller.
    **parameters
        Parameters of the step by jwst's names. They win over those of CRDS and of the release.

    Returns
    -------
    `~pathlib.Path` or data model
        The product, ``<exposure>_<step>.fits``; for ``ramp_fit`` and ``gain_scale`` a tuple of the rate image and the
        rates of the integrations. A step that does not apply leaves the exposure as it is, and its keyword S_* says so.

    Raises
    ------
    ConfigError
        There is no such step, release or parameter, or a value is of the wrong type.
    RampflowError
        A file or a reference is not what the step needs.

    Examples
    --------
    A mock exposure, its saturated groups flagged with another growth of the saturated regions:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import rampflow
    >>> from rampflow.mock import MockExposure, Rectangle, build_cache, write_exposure
    >>> folder = Path(tempfile.mkdtemp())
    >>> exposure = MockExposure("NRCB1", "RAPID", ngroups=4, nints=1, window=Rectangle(1, 1, 40, 32))
    >>> raw = write_exposure(exposure, folder, folder)
    >>> crds = {"path": folder / "crds", "context": build_cache(folder / "crds", [exposure]), "offline": True}
    >>> flagged = rampflow.apply("dq_init", raw, crds=crds)
    >>> product = rampflow.apply("saturation", flagged, crds=crds, n_pix_grow_sat=2)
    >>> product.name.endswith("_saturation.fits")
    True
    """
    known = load_release(release)
    settings = _settings(known, step, parameters)
    path = Path(file)
    exposure, folder = root_name(path), Path(output) if output is not None else path.parent
    with tempfile.TemporaryDirectory() as scratch:
        pointers, asked = _references(known, step, path, settings, references or {}, crds or {}, Path(scratch))
        spec = JobSpec(
            name=step,
            exposure=exposure,
            inputs=_inputs(step, path),
            outputs=_outputs(step, exposure, folder),
            references=pointers,
            asked=asked,
            settings=settings,
            threads=threads,
            memory_mb=memory_mb,
            inputs_stay=True,
        )
        Step(spec).work(driver(step).run)
    made = [Path(path) for path in spec.outputs.values()]
    if as_model:
        from stdatamodels.jwst import datamodels

        made = [datamodels.open(path) for path in made]
    return tuple(made) if len(made) > 1 else made[0]


def _settings(release: Release, step: str, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of a step with their sources: the release's, and those of the caller."""
    if step not in steps():
        raise ConfigError([f"no step {step!r}{suggestion(step, steps())}"])
    rules, known = schema("parameters")["properties"][step].get("properties", {}), release.defaults[step]
    settings = {name: {"value": value, "source": f"release {release.name}"} for name, value in known.items()}
    problems = []
    for name, value in parameters.items():
        if name not in known:
            problems.append(f"{step}: no parameter {name!r} in release {release.name}{suggestion(name, known)}")
            continue
        problems += schema_problems(value, rules[name], f"{step}: {name}")
        settings[name] = {"value": as_typed(value, rules[name]), "source": "config (apply)"}
    if problems:
        raise ConfigError(problems)
    return settings


def _references(
    release: Release,
    step: str,
    path: Path,
    settings: Mapping[str, Any],
    given: Mapping[str, Any],
    crds: Mapping[str, Any],
    scratch: Path,
) -> tuple[dict[str, Any], Any]:
    """Find the references of a step, those that are given among them; also return what CRDS was asked."""
    with Source(path, step, rates=step == "gain_scale") as source:
        header = {key: source.header[key] for key in source.header if key}
        instrument, kinds = source.instrument, kinds_of(source.text("EXP_TYPE"), irs2=source.normal_rows is not None)
    values = {name: entry["value"] for name, entry in settings.items()}
    types = release.reference_types(step, instrument, kinds=kinds, parameters=values)
    if unknown := [kind for kind in given if kind not in types]:
        raise ConfigError(f"{step} asks for no {kind!r} reference{suggestion(kind, types)}" for kind in unknown)
    if crds.get("pars", True) and not (given and set(types) <= set(given)):
        types += release.parameter_types([step], instrument)
    config = {key: crds[key] if key == "offline" else str(crds[key]) for key in crds if key != "pars"}
    overrides = {kind: str(each) for kind, each in given.items()}
    pointers = answer(path.name, header, types, config=config, overrides=overrides, folder=scratch)
    return pointers, read_json(scratch / "asked.json")


def _inputs(step: str, path: Path) -> dict[str, str]:
    if step == "gain_scale":
        return {"rate": str(path), "rateints": str(path.with_name(f"{path.stem}ints.fits"))}
    return {"ramp": str(path)}


def _outputs(step: str, exposure: str, folder: Path) -> dict[str, str]:
    kinds = {"rate": "", "rateints": "ints"} if step in _RATES else {"ramp": ""}
    return {word: str(folder / f"{exposure}_{step}{kind}.fits") for word, kind in kinds.items()}
