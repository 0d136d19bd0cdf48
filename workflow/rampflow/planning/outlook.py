"""What a configuration would do to the results that are there: nothing is written, and no job runs.

The judge is the run's own: its plan, the job `references` that finds what CRDS answers, `Plan.settle`, and the
recipes of the records (`rampflow.planning.standing`).
"""

import logging
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rampflow.crds.lock import named
from rampflow.crds.pointers import summary
from rampflow.crds.settings import NOTHING
from rampflow.io.shared_files import read_json
from rampflow.planning.answers import ANSWERED, Answers, Kept
from rampflow.planning.beginning import prepare
from rampflow.planning.demand import Demand
from rampflow.planning.folders import without_place
from rampflow.planning.foresight import Foresight
from rampflow.planning.results_lock import NAME as LOCK
from rampflow.planning.results_lock import ResultsLock
from rampflow.planning.standing import Standing
from rampflow.settings.configuration import ConfigError

#: What the job `references` keeps in the run's own folder, and reads there.
_STATE = Path(".rampflow")
_KEPT = ("checksums", "crds_server.json")


class Forecast(Kept):
    """Answers that CRDS would give; of exposures for which it has none those that are kept.

    Parameters
    ----------
    results : path-like
        Folder of the results.
    found : dict
        Exposure to its pointers by type, and to what `rampflow.crds.pointers.summary` makes of them.
    failed : dict
        Exposure to why there is no answer.
    """

    def __init__(self, results: Path, found: Mapping[str, Any], failed: Mapping[str, str]) -> None:
        super().__init__(results)
        self._found, self._without = found, failed

    def version(self) -> object:
        """Return what is not the same for two answers: there is but this one."""
        return "forecast"

    def failed(self) -> Collection[str]:
        """Return the exposures for which CRDS has no answer."""
        return self._without

    def names(self, root: str) -> dict[str, str]:
        """Return the file, or "N/A", of every type that would be asked for an exposure."""
        return self.summary(root).get("references", {})

    def pointer(self, root: str, kind: str) -> Any:
        """Return what would be answered for a type; None where nothing is."""
        return self._found[root][0].get(kind) if root in self._found else super().pointer(root, kind)

    def summary(self, root: str) -> dict[str, Any]:
        """Return what would be kept of all that is asked for an exposure."""
        return self._found[root][1] if root in self._found else super().summary(root)


class Outlook(NamedTuple):
    """What would be."""

    demand: Demand  #: what is asked for, with the answers that CRDS would give
    standing: Standing  #: what of the results stands then
    jobs: dict[str, dict[str, str]]  #: exposure to the jobs that would run, in the order of its chain: why
    asks: bool  #: whether CRDS would be asked
    source: Kept  #: the answers
    failed: dict[str, str]  #: exposure to why CRDS would have no answer for it
    left_out: dict[str, str]  #: exposure to why it would not be worked on
    notices: list[str]  #: what the run would say first


def look_ahead(config: Mapping[str, Any], fetches: str = NOTHING) -> Outlook:
    """Find out what a run of a configuration would do, in the folder of the run.

    Parameters
    ----------
    config : dict
        The configuration.
    fetches : str, optional
        What may be fetched into CRDS's cache, of `rampflow.crds.settings`.

    Raises
    ------
    ConfigError
        The run would not begin, with a line for each reason.
    ReferenceProblem
        The run would end when CRDS is asked, or what it would be told is not known here.
    """
    _, plan, notices = prepare(config, Path.cwd(), remember=False)
    if any(exposure.placeholder for exposure in plan.exposures.values()):
        raise ConfigError(["exposures: there is none; the files that the configuration names are not there"])
    results = Path(plan.config["results"].rstrip("/"))
    if lines := plan.give_up(without_place(results, plan.exposures, plan.variants)):
        raise ConfigError([*lines, *plan.unusable.values()])
    notices += [f"cannot be used: {line}" for line in plan.unusable.values()]
    source = Kept(results)
    if (results / LOCK).exists() and ResultsLock(results, "").dead_holder() is None:
        notices.append(f"a run works on {results}: what is said here holds for this moment")
    demand = Demand(plan, Answers(plan, results, source))
    failed = (read_json(results / ANSWERED) or {}).get("failed") or {}
    if asks := not demand.answers_hold:
        found, failed = _ask(demand, source, fetches)
        source = Forecast(results, found, failed)
        demand = Demand(plan, Answers(plan, results, source))
    standing = Standing(demand)
    failed = {exposure: why for exposure, why in failed.items() if exposure in plan.exposures}
    jobs = Foresight(demand, standing).jobs()
    notices += demand.answers.disagreements()
    return Outlook(demand, standing, jobs, asks, source, failed, dict(plan.unusable), notices)


def _ask(demand: Demand, kept: Kept, fetches: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Ask CRDS as the job `references` does; what that keeps for other exposures goes into a folder of its own."""
    from rampflow.crds.answers import find_all

    # What the job would write to its log is not for the terminal.
    logging.getLogger("rampflow.crds").addHandler(logging.NullHandler())
    found: dict[str, Any] = {}

    def use(exposure: str, pointers: dict[str, Any], said: dict[str, Any]) -> None:
        found[exposure] = pointers, summary(pointers, said)

    with tempfile.TemporaryDirectory(prefix="rampflow-whatif-") as folder:
        for name in _KEPT:
            if (_STATE / name).is_dir():
                shutil.copytree(_STATE / name, Path(folder, name))
            elif (_STATE / name).is_file():
                shutil.copy(_STATE / name, folder)
        failed = find_all(
            {exposure: demand.requests.of(exposure) for exposure in demand.plan.exposures},
            use,
            crds=demand.config["crds"],
            state=folder,
            terms=demand.requests.terms,
            locked=named(demand.config["lock"]),
            fetches=fetches,
            present=kept.pointer,
            headers={one.path: one.header for one in demand.plan.exposures.values()},
        )
    return found, failed
