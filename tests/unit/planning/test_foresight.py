"""Which jobs follow from what does not stand and what is missing; whole runs are in tests/run/test_whatif.py."""

from types import SimpleNamespace

import pytest

from rampflow.planning.foresight import MASK, Foresight
from rampflow.planning.holding import FINAL

STEPS = ["dq_init", "persistence", "jump", "ramp_fit", "gain_scale"]


class Chain:
    """A chain of steps, without what has settled it."""

    steps, final, before_fit = STEPS, "gain_scale", "jump"

    def previous(self, step):
        at = STEPS.index(step)
        return STEPS[at - 1] if at else None


class World:
    """Exposures with all their products; what does not stand, and what is gone, is said by a test."""

    def __init__(self, folder, exposures, kinds=("rate", "rateints"), links=None):
        self.results, self.kinds, self.links = str(folder), kinds, links or {}
        self.branches, self.plan = list(exposures), SimpleNamespace(variants=[])
        self.answers = SimpleNamespace(
            failed=lambda: self.failed, chained_after=self.links.get, owner=lambda _, branch: branch
        )
        self.failed, self.anew, self.unrecorded, self.mask = [], {}, set(), None
        for exposure in exposures:
            (folder / exposure / "carried").mkdir(parents=True)
            (folder / exposure / "carried/persistence.json").touch()
            for step in ("dq_init", "persistence", "jump", "ramp_fit", "ramp_fitints", "gain_scale", "gain_scaleints"):
                (folder / exposure / f"{exposure}_{step}.fits").touch()
            for kind in kinds:
                (folder / exposure / f"{exposure}_{kind}.fits").touch()
        self.folder = folder

    def lose(self, exposure, *kinds):
        for kind in kinds:
            (self.folder / exposure / f"{exposure}_{kind}.fits").unlink()

    # What is asked for.
    def chain(self, _):
        return Chain()

    def branches_of(self, exposure):
        return [exposure]

    def products_of(self, _):
        return self.kinds

    def reference_types(self, step, _):
        return [] if step == "dq_init" or step in FINAL else ["gain"]

    def science_mask(self, step, _):
        return self.mask if step == "jump" else None

    # What stands.
    def stale(self, exposure):
        return self.anew.get(exposure, {})

    def jobs(self, _):
        return [*STEPS, "rate", "ramp"]

    def record(self, step, exposure):
        return None if (exposure, step) in self.unrecorded else {}

    def stands(self, step, exposure, anew):
        order = self.jobs(exposure)
        before = STEPS[:3] if step == "ramp" else order[: order.index(step)]
        return not {step, *before} & {*anew(exposure)} and exposure not in self.failed

    def foreseen(self):
        return {exposure: list(jobs) for exposure, jobs in Foresight(self, self).jobs().items()}


@pytest.fixture
def world(tmp_path):
    return lambda *exposures, **more: World(tmp_path, exposures, **more)


def test_where_all_stands_nothing_runs(world):
    assert world("a", "b").foreseen() == {}


def test_what_does_not_stand_runs_with_what_follows(world):
    w = world("a", "b")
    w.anew = {"a": {"jump": "parameters: x"}}
    assert Foresight(w, w).jobs() == {
        "a": {"jump": "parameters: x"} | dict.fromkeys(["ramp_fit", "gain_scale", "rate"], "what it is made from")
    }


def test_a_product_that_is_gone_is_made_where_it_is_needed_and_not_else(world):
    w = world("a")
    w.lose("a", "dq_init", "persistence", "jump")
    assert w.foreseen() == {}
    w.anew = {"a": {"ramp_fit": "the code of the step"}}
    assert w.foreseen() == {"a": [*STEPS, "rate"]}
    w.lose("a", "gain_scale")
    w.anew = {}
    assert w.foreseen() == {}


def test_one_of_two_products_is_enough_to_be_missing(world):
    w = world("a")
    w.lose("a", "rateints")
    assert w.foreseen() == {"a": ["rate"]}
    w.lose("a", "gain_scaleints")
    assert w.foreseen() == {"a": ["gain_scale", "rate"]}


def test_a_ramp_is_made_where_it_is_asked_for(world):
    w = world("a", kinds=("rate", "rateints", "ramp"))
    w.anew = {"a": {"jump": "x"}}
    assert w.foreseen() == {"a": ["jump", "ramp_fit", "gain_scale", "rate", "ramp"]}
    # It stands itself, and is written again when what it is made from is: that was gone.
    w.anew = {"a": {"ramp_fit": "x"}}
    w.lose("a", "jump")
    assert w.foreseen() == {"a": ["jump", "ramp_fit", "gain_scale", "rate", "ramp"]}


def test_what_has_never_run_is_told_from_what_is_gone(world):
    w = world("a")
    w.lose("a", "rate", "gain_scale")
    w.unrecorded = {("a", "rate")}
    assert Foresight(w, w).jobs() == {"a": {"gain_scale": "its product is not there", "rate": "has not run"}}


def test_an_exposure_takes_over_from_the_one_before_where_that_is_not_there(world):
    w = world("a", "b", links={"b": "a"})
    w.anew = {"a": {"persistence": "x"}}
    # The recipe of the one is in that of the other; here it says that nothing is new.
    assert w.foreseen() == {"a": STEPS[1:] + ["rate"]}
    (w.folder / "a/carried/persistence.json").unlink()
    w.anew = {"b": {"persistence": "x"}}
    # The product of the one before is there, and what follows it stands.
    assert w.foreseen() == {"a": ["persistence"], "b": STEPS[1:] + ["rate"]}


def test_an_exposure_without_an_answer_does_what_needs_none_and_stops_those_after_it(world):
    w = world("a", "b", links={"b": "a"})
    w.failed = ["a"]
    w.lose("a", "dq_init")
    assert w.foreseen() == {"a": ["dq_init"]}
    (w.folder / "a/carried/persistence.json").unlink()
    w.anew = {"b": {"dq_init": "x"}}
    assert w.foreseen() == {"a": ["dq_init"], "b": ["dq_init"]}


def test_a_mask_that_is_not_there_is_made_for_the_job_that_needs_it(world, tmp_path):
    w = world("a")
    w.mask = str(tmp_path / "a/masks/0123456789ab.fits")
    assert w.foreseen() == {}
    w.anew = {"a": {"jump": "x"}}
    assert w.foreseen() == {"a": [MASK, "jump", "ramp_fit", "gain_scale", "rate"]}
    # One of the user's is nobody's to make.
    w.mask = str(tmp_path / "mine.fits")
    assert w.foreseen() == {"a": ["jump", "ramp_fit", "gain_scale", "rate"]}
