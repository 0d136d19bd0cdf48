"""Everything that can be known before anything runs, found in one pass: a problem does not hide the next one."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from rampflow.planning import masks
from rampflow.planning.exposures import Survey, survey
from rampflow.planning.plan import Plan
from rampflow.settings.configuration import ConfigError, check_config
from rampflow.settings.paths import named_files


def prepare(
    config: Mapping[str, Any],
    directory: str | Path = ".",
    remember: bool = True,
    ask: bool = True,
    only: Collection[str] | None = None,
) -> tuple[dict[str, Any], Plan, list[str]]:
    """Check a configuration and the exposures that it asks for, and make the plan.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake has read it.
    directory : path-like, optional
        The run's folder.
    remember : bool, optional
        Whether what headers say may be kept in the run's folder.
    ask : bool, optional
        Whether stores are asked if their objects have changed since they were read.
    only : collection of str, optional
        Names of the exposures that are looked at: another process has looked at all.

    Returns
    -------
    config : dict
        The configuration with every key.
    plan : `~rampflow.planning.plan.Plan`
        The plan; its ``unusable`` are the exposures that fail before anything runs.
    notices : list of str
        What to say once: one line each.

    Raises
    ------
    ConfigError
        With a line for each problem of the configuration, of what it asks of the exposures, and of each exposure that
        cannot be used; of the latter only if there is another problem, or none can.
    """
    config, problems, wrong = usable(config)
    found = Survey([], [], {}, [], [])
    plan: Any = None
    if "exposures" not in wrong:
        found = survey(config, directory, remember, ask, only)
    problems += found.problems
    if "release" not in wrong:
        try:
            plan = Plan(config, found.exposures, directory, others=found.names, unusable=found.unusable)
        except ConfigError as error:
            problems += error.problems
    problems += _path_problems(config, Path(directory))
    if problems or not found.exposures:
        raise ConfigError([*problems, *found.unusable.values()])
    return config, plan, [*found.notices, *plan.notices]


def usable(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], set[str]]:
    """Check a configuration, and return what can be used of it beside the problems.

    Parameters
    ----------
    config : dict
        The configuration; not changed.

    Returns
    -------
    config : dict
        Every key; where what is given is wrong, the default.
    problems : list of str
        One line each.
    wrong : set of str
        The keys whose default stands for something that cannot be used.
    """
    try:
        return check_config(config), [], set()
    except ConfigError:
        good, problems, wrong = {}, [], set()
    for key, value in config.items():
        try:
            check_config({key: value})
            good[key] = value
        except ConfigError as error:
            problems += error.problems
            wrong.add(key)
            if isinstance(value, dict):
                good[key] = {name: part for name, part in value.items() if _is_usable({key: {name: part}})}
    return check_config(good), problems, wrong


def _is_usable(config: Mapping[str, Any]) -> bool:
    try:
        check_config(config)
    except ConfigError:
        return False
    return True


def _path_problems(config: Mapping[str, Any], directory: Path) -> Iterator[str]:
    """Find files and folders of the configuration that are not what they should be."""
    results = config["results"]
    if "{" in results or "}" in results:
        yield f"config: results: {results!r}: braces are wildcards of Snakemake; choose another name"
    for path in (directory / results, *(directory / results).parents):
        if os.path.lexists(path):
            if not os.path.isdir(path):
                what = "a link to what is not there" if not os.path.exists(path) else "not a folder"
                name = results.rstrip("/") if path == directory / results else path
                yield f"{name}: {what}; correct the key results of the configuration"
            break
    yield from masks.problems(config, directory)
    named = [*named_files(config["steps"]), *named_files(config["variants"], "config: variants")]
    for where, path in named:
        if not (directory / path).is_file():
            yield f"{where}: no file {path!r}; correct the path"
