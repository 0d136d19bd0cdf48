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
        self._known: dict[int, str] = {}

    def of(self, exposure: str) -> dict[str, Any]:
        """Return what CRDS is asked for an exposure.

        Its file and header, the types of parameter files, the user's files, and which of `terms`, its own and those of
        its variants, say what else is needed once the parameter files are known, with their digest, and all that this
        might be.
        """
        plan = self._plan
        numbers = self._numbers_of(exposure)
        digests = [self._digests[number] for number in numbers]
        overrides = {
            kind: path if path == "N/A" else os.path.abspath(path) for kind, path in plan.overrides(exposure).items()
        }
        return {
            "uncal": str(plan.exposures[exposure].path),
            "header": plan.exposures[exposure].digest,
            "types": plan.parameter_types(exposure),
            "overrides": overrides,
            "terms": numbers,
            # Of an exposure whose variants need nothing else it is what it would be without them.
            "decides": digests[0] if len(digests) == 1 else digest(digests),
            "further": sorted({kind for number in numbers for kind in self._possible_types[number]}),
        }

    def _numbers_of(self, exposure: str) -> list[int]:
        terms = map(self._plan.terms, self._plan.branches_of(exposure))
        return list(dict.fromkeys(self._numbers[self._digest_of(each)] for each in terms))

    @functools.cached_property
    def terms(self) -> list[Terms]:
        """The different terms by which the chains of the run's exposures are settled, as a list."""
        return list({self._digest_of(terms): terms for terms in map(self._plan.terms, self._plan.branches)}.values())

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._digests)}

    @functools.cached_property
    def _digests(self) -> list[str]:
        return [self._digest_of(terms) for terms in self.terms]

    def _digest_of(self, terms: Terms) -> str:
        # Exposures of one kind share their terms: there are few.
        if id(terms) not in self._known:
            self._known[id(terms)] = digest(terms)
        return self._known[id(terms)]

    @functools.cached_property
    def _possible_types(self) -> list[list[str]]:
        types = [{kind for kinds in terms["types"].values() for kind, _ in kinds} for terms in self.terms]
        return [sorted(each) for each in types]
