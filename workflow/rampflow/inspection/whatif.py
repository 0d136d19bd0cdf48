"""What another context or configuration would do, before anything runs: ``rampflow whatif RESULTS --context X``.

RESULTS is a folder of results, whose last run's configuration is taken, or a configuration (YAML); KEY=VALUE, as in
steps.jump.rejection_threshold=5, --context and --release change it, --config FILE takes another one for these results.
Shown are, for how many exposures, the reference files, parameters and steps that change, the jobs that would run, why,
and for how long by the times of the records; --each names the exposures, --tsv and --json write everything.

The judge is the run's own, and nothing is touched: no result, no pointer, nothing of the run's folder, and nothing of
the CRDS cache but with --fetch, which lets mappings and parameter files that are missing there be fetched into it (not
reference files).

Status 0: nothing would run; 1: jobs would; 2: it cannot be told, or the run would not begin, or would stop for some
exposures.
"""

import argparse
import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import yaml

from rampflow.crds.settings import NOTHING, RULES
from rampflow.errors import RampflowError
from rampflow.inspection.changes import changes
from rampflow.inspection.durations import Durations, makespan
from rampflow.inspection.results import RUN, read
from rampflow.inspection.tables import write_tsv
from rampflow.inspection.whatif_text import CORES, summary, text
from rampflow.planning.outlook import look_ahead
from rampflow.settings.branches import exposure_of
from rampflow.settings.configuration import ConfigError, read_yaml

#: Columns of the table in TSV: rows of what changes, of what would run ("job"), of who would stop ("problem").
COLUMNS = ("exposure", "kind", "step", "name", "before", "after", "source", "source_before", "why", "wall_s", "cpu_s")
_LARGEST_RUN = 1 << 28


class WhatIf:
    """What a run of a configuration would do to the results that are there.

    Parameters
    ----------
    config : dict
        The configuration.
    folder : path-like, optional
        The folder of the run, where relative paths start.
    mappings : bool, optional
        Also say which rules of CRDS differ while the files that they choose do not.
    fetches : str, optional
        What may be fetched into CRDS's cache, of `rampflow.crds.settings`.

    Attributes
    ----------
    outlook : `~rampflow.planning.outlook.Outlook`
        What would be.
    changes : list of Change
        What is not what it was.
    durations : dict
        Exposure to {job: Duration or None} of the jobs that would run, in the order of its chain.

    Raises
    ------
    ConfigError, ReferenceProblem
        As `~rampflow.planning.outlook.look_ahead` does.
    """

    def __init__(self, config, folder=".", mappings=False, fetches=NOTHING):
        with contextlib.chdir(folder):
            self.outlook = look_ahead(config, fetches)
            self.changes = changes(self.outlook, mappings)
        exposures = self.outlook.demand.plan.exposures
        sizes = {root: _product(exposure.shape) for root, exposure in exposures.items()}
        sizes |= {branch: sizes[exposure_of(branch)] for branch in self.outlook.demand.branches}
        known = Durations(sizes, self.outlook.standing.record)
        self.durations = {
            exposure: {job: known.of(exposure, job) for job in jobs} for exposure, jobs in self.outlook.jobs.items()
        }

    @property
    def status(self):
        """The exit status: 0, 1 or 2 as the command explains it."""
        return 2 if self.outlook.failed or self.outlook.left_out else int(bool(self.outlook.jobs))

    def seconds(self, cores):
        """Return how long a run takes that has so many cores (s), by the times of the records."""
        answers = self.outlook.demand.answers
        before = {root: answers.chained_after(root) for root in self.durations}
        links = {(root, "persistence"): (other, "persistence") for root, other in before.items() if other}
        # A variant begins where its exposure has come to the step before.
        for branch in self.durations:
            chain, own = self.outlook.demand.chain(branch), answers.own(branch)
            if branch != exposure_of(branch) and (shared := chain.previous(own[0])):
                links[branch, own[0]] = exposure_of(branch), shared
        return makespan(self.durations, cores, links)

    def rows(self):
        """Return the table as a list of dict by `COLUMNS`: what changes, then the jobs; None where nothing is known."""
        blank = dict.fromkeys(COLUMNS)
        rows = [blank | asdict(change) for change in self.changes]
        for exposure, jobs in self.outlook.jobs.items():
            for job, why in jobs.items():
                took = self.durations[exposure][job]
                times = {} if took is None else {"wall_s": round(took.wall, 3), "cpu_s": round(took.cpu, 3)}
                rows.append(blank | {"exposure": exposure, "kind": "job", "step": job, "name": job, "why": why} | times)
        stopped = self.outlook.failed | self.outlook.left_out
        rows += [blank | {"exposure": exposure, "kind": "problem", "why": why} for exposure, why in stopped.items()]
        return rows

    def record(self):
        """Return all of it as dict and list for JSON."""
        known = [took for jobs in self.durations.values() for took in jobs.values() if took]
        return {
            "status": self.status,
            "config": self.outlook.demand.config,
            "asks_crds": self.outlook.asks,
            "notices": self.outlook.notices,
            "without_references": dict(self.outlook.failed),
            "changes": [asdict(change) for change in self.changes],
            "jobs": self.outlook.jobs,
            "jobs_of_unknown_time": sum(len(jobs) for jobs in self.durations.values()) - len(known),
            "wall_s": round(sum(took.wall for took in known), 3),
            "cpu_s": round(sum(took.cpu for took in known), 3),
            "by_cores_s": {str(cores): round(self.seconds(cores), 3) for cores in CORES},
        }


def _product(shape):
    size = 1
    for length in shape:
        size *= length
    return size


# --- which configuration -----------------------------------------------------------------------------------


def configuration(where, given=None, settings=()):
    """Find the configuration that is asked about.

    Parameters
    ----------
    where : path-like
        A folder of results, or a configuration.
    given : path-like, optional
        Another configuration for the results.
    settings : iterable of str
        KEY=VALUE, keys inside blocks after points, values as in YAML.

    Returns
    -------
    config : dict
        The configuration.
    folder : `~pathlib.Path`
        Where its relative paths start.

    Raises
    ------
    ConfigError
        There is no such configuration, or a setting is none.
    """
    where = Path(where)
    if where.is_dir():
        config, folder = _of_results(where) if given is None else (_of_file(given), Path("."))
        if os.path.abspath(folder / str(config.get("results", "results"))) != os.path.abspath(where):
            config["results"] = os.path.abspath(where)
    elif given is not None:
        raise ConfigError([f"{where}: --config is for a folder of results; name that, or leave out {given}"])
    else:
        config, folder = _of_file(where), Path(".")
    for setting in settings:
        _set(config, setting)
    return config, folder


def _of_results(folder):
    """Return the configuration of the last run among results, and where it ran."""
    runs = sorted(path for path in folder.glob("runs/*.json"))
    if not runs:
        raise ConfigError([f"{folder}: no run has left its configuration there (runs/*.json); give one with --config"])
    run, problem = read(runs[-1], RUN, _LARGEST_RUN)
    if problem:
        raise ConfigError([f"{runs[-1]}: not what a run leaves: {problem}; give a configuration with --config"])
    there = Path(run["folder"])
    # A folder of runs may have been copied with all that is in it.
    here = os.path.abspath(run["config"].get("results", "results")) == os.path.abspath(folder)
    return run["config"], Path(".") if here or not there.is_dir() else there


def _of_file(path):
    try:
        config = read_yaml(path)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name a folder of results or a configuration"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not a configuration: {' '.join(str(error).split())}"]) from None
    if not isinstance(config, dict):
        raise ConfigError([f"{path}: not a configuration: expected keys and values, as in config/config.yaml"])
    return config


def _set(config, setting):
    """Set one key of a configuration; those of blocks have points between them."""
    key, equals, value = setting.partition("=")
    *blocks, last = key.split(".")
    if not equals or not all((*blocks, last)):
        raise ConfigError([f"{setting!r}: expected KEY=VALUE, such as steps.jump.rejection_threshold=5"])
    for block in blocks:
        inner = config.get(block)
        config[block] = dict(inner) if isinstance(inner, dict) else {}
        config = config[block]
    try:
        config[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError([f"{setting!r}: {value!r} is not a value in YAML"]) from None


def whatif(where="results", *settings, config=None, context=None, release=None, mappings=False):
    """Say what a run of another context or configuration would do to results; nothing is touched.

    Parameters
    ----------
    where : path-like, optional
        A folder of results, or a configuration.
    *settings : str
        KEY=VALUE, keys inside blocks after points, values as in YAML.
    config : path-like, optional
        Another configuration for the results.
    context, release : str, optional
        Another CRDS context, another calibration release.
    mappings : bool, optional
        Also say which rules of CRDS differ while the files that they choose do not.

    Returns
    -------
    `~pandas.DataFrame`
        A row for each thing that changes (``kind`` is that of `rampflow.inspection.changes.Change`), for each job that
        would run (``kind`` is "job"): why, and the time (s) that it takes, NaN where no record says it; and for each
        exposure that would stop ("problem"): why.

    Raises
    ------
    ConfigError, ReferenceProblem
        The run would not begin, or it cannot be told what it would do.
    """
    import pandas as pd

    given = [*settings, *_as_settings(context, release)]
    asked, folder = configuration(where, config, given)
    return pd.DataFrame(WhatIf(asked, folder, mappings).rows(), columns=list(COLUMNS))


def _as_settings(context, release):
    return [f"crds.context={context}"] * bool(context) + [f'release="{release}"'] * bool(release)


# --- the command -------------------------------------------------------------------------------------------


def main(arguments=None):
    """Say what would be; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="rampflow whatif", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", nargs="?", default="results", metavar="RESULTS", help="or a configuration, in YAML")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="set a key of the configuration")
    parser.add_argument("--context", metavar="X", help="another CRDS context, such as jwst_1322.pmap")
    parser.add_argument("--release", metavar="R", help="another calibration release")
    parser.add_argument("--config", metavar="FILE", help="another configuration for these results")
    parser.add_argument("--rmap", action="store_true", help="also name rules of CRDS that differ and change no file")
    parser.add_argument("--each", action="store_true", help="name every exposure")
    parser.add_argument("--fetch", action="store_true", help="fetch missing mappings and parameter files of CRDS")
    parser.add_argument("--tsv", type=Path, metavar="FILE", help="write the table, every exposure, tab-separated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the configuration that was asked about")
    options = parser.parse_intermixed_args(arguments)
    if "=" in options.where and not os.path.exists(options.where):
        options.settings.insert(0, options.where)
        options.where = "results"
    settings = [*options.settings, *_as_settings(options.context, options.release)]
    try:
        config, folder = configuration(options.where, options.config, settings)
        found = WhatIf(config, folder, options.rmap, RULES if options.fetch else NOTHING)
        for line in text(found, options.each):
            print(line)
        _write(options, found, config)
    except (RampflowError, OSError) as problem:
        for line in str(problem).splitlines():
            print(f"rampflow: {line}", file=sys.stderr)
        return 2
    for line in [*found.outlook.notices, *summary(found)]:
        print(f"rampflow: {line}")
    return found.status


def _write(options, found, config):
    if options.tsv:
        write_tsv(options.tsv, COLUMNS, found.rows())
    if options.json:
        options.json.write_text(json.dumps(found.record(), indent=1) + "\n")
    if options.output:
        options.output.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120))
