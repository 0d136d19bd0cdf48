"""What CRDS is asked for the exposures of a run, as plain data for the job that asks."""

import functools
import os
from typing import Any

from rampflow.jobs.provenance import digest
from rampflow.planning.plan import Plan
from rampflow.settings.chain import Terms


class ReferenceRequests:
    """What CRDS is asked for.

    Parameters
    ----------
    plan : Plan
        The run's plan, with the exposures that it ends up with.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def of(self, exposure: str) -> dict[str, Any]:
        """Return what CRDS is asked for an exposure.

        Its file and header, the types of parameter files, the user's files, and which of `terms` say what else is
        needed once the parameter files are known, with their digest, and all that this might be.
        """
        plan = self._plan
        number = self._numbers[id(plan.terms(exposure))]
        overrides = {
            kind: path if path == "N/A" else os.path.abspath(path) for kind, path in plan.overrides(exposure).items()
        }
        return {
            "uncal": str(plan.exposures[exposure].path),
            "header": plan.exposures[exposure].digest,
            "types": plan.parameter_types(exposure),
            "overrides": overrides,
            "terms": number,
            "decides": self._digests[number],
            "further": self._possible_types[number],
        }

    @functools.cached_property
    def terms(self) -> list[Terms]:
        """The different terms by which the chains of the run's exposures are settled, as a list."""
        return list({id(terms): terms for terms in map(self._plan.terms, self._plan.exposures)}.values())

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(terms): number for number, terms in enumerate(self.terms)}

    @functools.cached_property
    def _digests(self) -> list[str]:
        return [digest(terms) for terms in self.terms]

    @functools.cached_property
    def _possible_types(self) -> list[list[str]]:
        types = [{kind for kinds in terms["types"].values() for kind, _ in kinds} for terms in self.terms]
        return [sorted(each) for each in types]
