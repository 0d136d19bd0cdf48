"""What a configuration asks for of its exposures: chains, parameters, reference files, products.

A run works for it; what another configuration would do is told by it, without a run.
"""

import contextlib
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rampflow.crds.asked import answers_hold
from rampflow.planning.answers import Answers
from rampflow.planning.copies import Copies
from rampflow.planning.masks import Masks
from rampflow.planning.plan import Plan
from rampflow.planning.reference_requests import ReferenceRequests
from rampflow.settings.branches import branch_of, exposure_of, product, variant_of
from rampflow.settings.chain import Chain, reference_types
from rampflow.settings.configuration import ConfigError
from rampflow.settings.parameters import PIPELINE, Settings, merge_parameters, parameter_type

#: Parameters that name a file of the user's, which is an input of the step's rule.
USER_FILES = {"dq_init": "user_supplied_dq", "clean_flicker_noise": "user_mask", "picture_frame": "user_mask"}

#: Steps that leave science regions out of what they measure.
MASKING = ("clean_flicker_noise", "picture_frame")


class Demand:
    """What is asked for, once CRDS has answered; what the step tables say of it before.

    Methods take a branch (`rampflow.settings.branches`): the name of an exposure is that of its own.

    Parameters
    ----------
    plan : Plan
        The plan, with its configuration and exposures.
    answers : Answers
        What CRDS has answered, or would.

    Attributes
    ----------
    results : str
        Folder of the results.
    requests : ReferenceRequests
        What CRDS is asked.
    masks : Masks
        Where masks of NIRSpec's science regions come from.
    copies : Copies
        Copies of raw files that lie in a store.
    """

    def __init__(self, plan: Plan, answers: Answers) -> None:
        self.plan, self.answers = plan, answers
        self.config = plan.config
        self.requests = ReferenceRequests(plan)
        self.results = self.config["results"].rstrip("/")
        self.masks = Masks(self.config, self.results, answers.summary)
        self.copies = Copies(plan, self.results)

    def products_of(self, branch: str) -> list[str]:
        """Return the kinds of the final products of a branch.

        Count rates; the ramp where it is asked for, or where nothing is fitted. Of a variant that which differs.
        """
        fitted = "ramp_fit" in self.plan.chain(branch)
        kinds = ["rate", "rateints"] if fitted else []
        if self.config["save_calibrated_ramp"] or not fitted:
            kinds.append("ramp")
        if variant_of(branch):
            chain, own = self.chain(branch), self.answers.own(branch)
            made_by = {"rate": chain.final, "rateints": chain.final, "ramp": chain.before_fit}
            kinds = [kind for kind in kinds if made_by[kind] in own]
        return kinds

    def product(self, step: str, kind: str, branch: str) -> str:
        """Return the path of a product of a step in the chain of a branch, from the folder of the results.

        What a variant shares with its exposure is the exposure's.
        """
        return product(self.answers.owner(step, branch), f"{step}{kind}")

    def variants_of(self, exposure: str) -> list[str]:
        """Return the branches of the variants of an exposure that something is made of."""
        branches = [branch_of(exposure, variant) for variant in self.plan.variants]
        return [branch for branch in branches if self.answers.own(branch)]

    def branches_of(self, exposure: str) -> list[str]:
        """Return an exposure and the branches of its variants that something is made of."""
        return [exposure, *self.variants_of(exposure)]

    @property
    def branches(self) -> list[str]:
        """The exposures, and the variants of each that something is made of."""
        return [branch for root in self.plan.exposures for branch in self.branches_of(root)]

    def final_products(self, branch: str) -> list[str]:
        """Return the paths of the final products of a branch."""
        return [f"{self.results}/{product(branch, kind)}" for kind in self.products_of(branch)]

    @property
    def products(self) -> list[str]:
        """Final products of all exposures and variants."""
        return [path for branch in self.branches for path in self.final_products(branch)]

    def last_job(self, branch: str) -> str:
        """Return the rule of a branch's last job: that of the first of its final products."""
        return self.products_of(branch)[0]

    def keeps(self, step: str) -> bool:
        """Whether the products of a step stay after the run."""
        keep = self.config["keep"]
        return keep == "all" or (keep != "none" and step in keep)

    def keeps_by_name(self, step: str) -> bool:
        """Whether the configuration names a step whose products stay, and does not only keep all."""
        keep = self.config["keep"]
        return not isinstance(keep, str) and step in keep

    def chain(self, exposure: str) -> Chain:
        """Return the `Chain` of an exposure: settled, once CRDS has answered."""
        return self.answers.chain(exposure)

    def skipped(self, step: str, exposure: str) -> dict[str, dict[str, Any]]:
        """Return the steps that are left out on the way to a job: who says so, and the references each would name."""
        chain = self.chain(exposure)
        found = chain.skipped_before(step)
        return {name: {"by": who, "names": dict(chain.named.get(name, {}))} for name, who in found.items()}

    def settings(self, step: str, exposure: str) -> Settings:
        """Return the parameters of a step, CRDS's among them once it has answered."""
        return self.answers.settings(step, exposure)

    def reference_types(self, step: str, exposure: str) -> list[str]:
        """CRDS types of what a step of an exposure reads, parameter files too; none of a step that is off."""
        chain = self.chain(exposure)
        if not chain.asks_for(step):
            return []
        own = (parameter_type(step), PIPELINE)
        parameters = [kind for kind in self.plan.parameter_types(exposure) if kind in own]
        return self.plan.reference_types(step, exposure, chain) + parameters

    @functools.cached_property
    def answers_hold(self) -> bool:
        """Whether what CRDS has answered, for all exposures, are answers to what would be asked now."""
        return os.path.exists(self.answers.file) and all(map(self._answers_hold, self.plan.exposures))

    def _answers_hold(self, exposure: str) -> bool:
        folder, lock = Path(self.results, exposure, "references"), self.config["lock"]
        terms = [self.plan.terms(branch) for branch in self.plan.branches_of(exposure)]

        def needed(pars: Mapping[str, Any]) -> list[str]:
            return [kind for each in terms for kinds in reference_types(each, pars).values() for kind in kinds]

        # Parameter files that cannot be used are a case for the job that asks.
        with contextlib.suppress(ConfigError):
            return answers_hold(folder, self.requests.of(exposure), self.config["crds"], lock, needed)[0]
        return False

    # --- what a product follows from ------------------------------------------------------------------

    def pointers(self, step: str, exposure: str) -> dict[str, Any] | None:
        """Return what CRDS has answered for a step: type to pointer; None where an answer is missing."""
        root = exposure_of(exposure)
        found = {kind: self.answers.pointer(root, kind) for kind in self.reference_types(step, exposure)}
        return found if all(isinstance(pointer, dict) for pointer in found.values()) else None

    def resolved(self, step: str, exposure: str, pointers: Mapping[str, Any]) -> Settings | None:
        """Return the parameters of a step as its job would resolve them; None where it could not."""
        try:
            return merge_parameters(self.plan.settings(step, exposure), pointers, step)[0]
        except ConfigError:
            return None

    def other_inputs(self, step: str, exposure: str) -> dict[str, str]:
        """Return the files of the user's that a step reads, by the words of its rule: those that there are."""
        settings = self.settings(step, exposure)
        named = {"user": settings.get(USER_FILES.get(step, ""), {}).get("value")}
        named["mask"] = self.science_mask(step, exposure)
        if step == "persistence" and not self.answers.chained_after(exposure):
            named["carried"] = self.carried_file(exposure)
        return {word: path for word, path in named.items() if path}

    def science_mask(self, step: str, exposure: str) -> str | None:
        """Return the file that says where NIRSpec's science regions are; None where a step needs, or has, none."""
        if step not in MASKING:
            return None
        return self.masks.file(self.plan.exposures[exposure_of(exposure)], self.settings(step, exposure))

    def user_file(self, step: str, parameter: str, exposure: str) -> str | None:
        """Return the file that a parameter of the configuration names; None where it names none."""
        return self.settings(step, exposure)[parameter]["value"] or None

    def carried_file(self, exposure: str) -> str | None:
        """Return the file with what the exposure before has left, where the configuration names one; or None."""
        traps = self.settings("persistence", exposure)["algorithm"]["value"] == "traps"
        return self.user_file("persistence", "input_trapsfilled" if traps else "persistence_array_file", exposure)
