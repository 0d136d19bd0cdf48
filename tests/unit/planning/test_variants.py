"""Variants: what may be written, where each branches off, and what CRDS is asked for them."""

import re
from dataclasses import dataclass, field

import pytest

from rampflow.planning.answers import Answers, Kept
from rampflow.planning.demand import Demand
from rampflow.planning.plan import Plan
from rampflow.planning.reference_requests import ReferenceRequests
from rampflow.settings.branches import branch_of, exposure_of, of_folder, product, told, variant_of
from rampflow.settings.configuration import ConfigError


@dataclass
class Exposure:
    root: str
    instrument: str
    tso: bool = False
    kinds: frozenset = frozenset()
    superstripes: int = 0
    shape: tuple = (1, 5, 64, 64)
    header: dict = field(default_factory=dict)
    #: So no step is idle.
    placeholder: bool = True


A = Exposure("jw00001001001_02101_00001_nrca1", "NIRCAM")
B = Exposure("jw00002001001_02101_00001_mirimage", "MIRI", tso=True)
C = Exposure("jw00003001001_02101_00001_nrs1", "NIRSPEC")


class Asked(Kept):
    """Answers of CRDS, by exposure and type of the parameter file."""

    def __init__(self, results, pars):
        super().__init__(results)
        self.pars = pars

    def version(self):
        return "asked"

    def failed(self):
        return {}

    def names(self, _):
        return dict.fromkeys(self.pars, "pars.asdf")

    def pointer(self, _, kind):
        return self.pars.get(kind)


def demand(config, *exposures, pars=None, folder="results"):
    plan = Plan(config, exposures or [A])
    return Demand(plan, Answers(plan, folder, Asked(folder, pars or {})))


def own(variant, *exposures, pars=None, **config):
    found = demand({"variants": {"v": variant}} | config, *exposures, pars=pars)
    return [found.answers.own(branch_of(exposure.root, "v")) for exposure in exposures or [A]]


def problems(variants, *exposures, **config):
    with pytest.raises(ConfigError) as raised:
        Plan({"variants": variants} | config, exposures or [A])
    return raised.value.problems


def test_a_branch_is_called_by_its_folder():
    branch = branch_of("jw1_nrcb1", "strict")
    assert (branch, exposure_of(branch), variant_of(branch)) == ("jw1_nrcb1/variants/strict", "jw1_nrcb1", "strict")
    assert (branch_of("jw1", None), variant_of("jw1"), told("jw1")) == ("jw1", None, "jw1")
    assert product(branch, "rate") == "jw1_nrcb1/variants/strict/jw1_nrcb1_rate.fits"
    assert told(branch) == "jw1_nrcb1 (strict)"


@pytest.mark.parametrize("branch", ["jw1_nrcb1", "jw1_nrcb1/variants/strict"])
def test_a_branch_is_told_by_its_folder(branch, tmp_path):
    assert of_folder(tmp_path / branch) == branch


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ({"a/b": {"jump": {}}}, "'a/b' cannot be the name of a folder"),
        ({"..": {"jump": {}}}, "'..' cannot be the name of a folder"),
        ({"a b": {"jump": {}}}, "'a b' cannot be the name of a folder"),
        ({"-x": {"jump": {}}}, "'-x' cannot be the name of a folder"),
        ({"x" * 65: {"jump": {}}}, "at most 64"),
        ({"a": {"jump": {}}, "A": {"jump": {}}}, "differs in capitals only"),
        ({"a": {"jmup": {"skip": True}}}, "config: variants: a: 'jmup' is not known; did you mean 'jump'"),
        ({"a": {"jump": {"treshold": 3}}}, "config: variants: a: jump: treshold: no such parameter"),
        ({"a": {"jump": {"rejection_threshold": "x"}}}, "config: variants: a: jump: rejection_threshold: expected"),
        ({"a": {"MIRI": {"jump": {"skip": "no"}}}}, "config: variants: a: MIRI: jump: skip: expected true or false"),
        ({"a": {"rscd": {"skip": False}}}, "config: variants: a: rscd: skip: false: NIRCAM plain has no rscd"),
        ({"a": {"persistence": {"chain": True}}}, "config: variants: a: persistence: chain: not of a variant"),
        ({"a": []}, "config: variants: a: expected a block of keys"),
        ({"a": {}}, "config: variants: a: expected a block of keys that is not empty, found an empty block"),
        ({"a": {s: {"skip": True} for s in Plan({}, [A]).chain(A)}}, f"every step of {A.root} (a) is skipped"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(variants, said):
    (line,) = problems(variants)
    assert said in line


def test_all_problems_are_said_at_once():
    assert len(problems({"a b": {"jump": {}}, "c": {"jump": {"x": 1}}}, steps={"jump": {"y": 1}})) == 3


@pytest.mark.parametrize(
    ("variant", "first"),
    [
        ({"jump": {"rejection_threshold": 3}}, "jump"),
        ({"ramp_fit": {"algorithm": "LIKELY"}}, "ramp_fit"),
        ({"refpix": {"odd_even_columns": False}}, "refpix"),
        ({"ipc": {"skip": False}}, "ipc"),
        ({"linearity": {"skip": True}}, "persistence"),
        ({"clean_flicker_noise": {"skip": False}}, "clean_flicker_noise"),
        ({"dq_init": {"skip": True}}, "saturation"),
        ({"group_scale": {"skip": True}}, "dq_init"),
        ({"gain_scale": {"skip": True}}, "ramp_fit"),
        ({"NIRCAM": {"jump": {"rejection_threshold": 3}}, "ramp_fit": {"algorithm": "LIKELY"}}, "jump"),
    ],
)
def test_a_variant_begins_with_the_first_step_that_differs(variant, first):
    (steps,) = own(variant)
    assert steps[0] == first
    found = demand({"variants": {"v": variant}})
    assert found.chain(branch_of(A.root, "v")).steps[-len(steps) :] == steps


def test_what_is_before_a_variant_is_the_exposures():
    found = demand({"variants": {"strict": {"jump": {"rejection_threshold": 3}}}})
    branch = branch_of(A.root, "strict")
    assert found.product("dark_current", "", branch) == f"{A.root}/{A.root}_dark_current.fits"
    assert found.product("ramp_fit", "ints", branch) == f"{branch}/{A.root}_ramp_fitints.fits"
    assert found.branches == [A.root, branch]
    assert found.products == [
        f"results/{folder}/{A.root}_{kind}.fits" for folder in (A.root, branch) for kind in ("rate", "rateints")
    ]


@pytest.mark.parametrize(
    ("variant", "kinds"),
    [
        ({"jump": {"rejection_threshold": 3}}, ["rate", "rateints", "ramp"]),
        ({"ramp_fit": {"algorithm": "LIKELY"}}, ["rate", "rateints"]),
        ({"ramp_fit": {"skip": True}}, ["ramp"]),
    ],
)
def test_of_a_variant_is_made_what_differs(variant, kinds):
    found = demand({"variants": {"v": variant}, "save_calibrated_ramp": True})
    assert found.products_of(branch_of(A.root, "v")) == kinds


def test_a_variant_that_says_what_holds_anyway_changes_nothing_and_that_is_said():
    variants = {"same": {"jump": {"rejection_threshold": 4.0}}, "miri": {"MIRI": {"jump": {"skip": True}}}}
    found = demand({"variants": variants}, A, B)
    assert [found.answers.own(branch_of(root, "same")) for root in (A.root, B.root)] == [[], []]
    assert found.branches == [A.root, B.root, branch_of(B.root, "miri")]
    lines = [line for line in found.answers.disagreements() if line.startswith("variant ")]
    assert lines == [
        "variant same: it changes nothing, and nothing is made of it: 2 exposures (MIRI tso, NIRCAM plain)",
        "variant miri: it changes nothing, and nothing is made of it: 1 exposure (NIRCAM plain)",
    ]


def test_a_variant_wins_over_all_that_steps_say_and_over_crds():
    config = {"steps": {A.root: {"jump": {"rejection_threshold": 5.0}}}}
    config["variants"] = {"v": {"jump": {"rejection_threshold": 3}}}
    found = demand(config, A, pars={"pars-jumpstep": {"file": "p.asdf", "parameters": {"rejection_threshold": 8.0}}})
    entry = found.settings("jump", branch_of(A.root, "v"))["rejection_threshold"]
    assert entry == {"value": 3.0, "source": "config (variant v)"}
    assert found.settings("jump", A.root)["rejection_threshold"]["value"] == 5.0


def test_what_crds_says_may_make_a_variant_the_same_or_another_one():
    pars = {"pars-jumpstep": {"file": "p.asdf", "parameters": {"rejection_threshold": 8.0}}}
    assert own({"jump": {"rejection_threshold": 8.0}}) == [own({"jump": {"rejection_threshold": 3}})[0]]
    assert own({"jump": {"rejection_threshold": 8.0}}, pars=pars) == [[]]
    on = {"pars-ipcstep": {"file": "p.asdf", "parameters": {"skip": False}}}
    assert own({"ipc": {"skip": False}}, pars=on) == [[]]
    assert own({"ipc": {"skip": True}}, pars=on)[0][0] == "superbias"


def test_the_source_of_a_selector_in_a_variant_is_told():
    plan = Plan({"variants": {"v": {"NIRCAM": {"jump": {"rejection_threshold": 3}}}}}, [A])
    entry = plan.settings("jump", branch_of(A.root, "v"))["rejection_threshold"]
    assert entry["source"] == "config (variant v, NIRCAM)"


def test_an_unknown_variant_is_no_branch():
    plan = Plan({"variants": {"strict": {"jump": {"rejection_threshold": 3}}}}, [A])
    with pytest.raises(KeyError, match=re.escape("no variant 'stric' in this run; did you mean 'strict'?")):
        plan.chain(branch_of(A.root, "stric"))


def test_a_selector_of_a_variant_that_matches_nothing_is_said():
    notices = Plan({"variants": {"v": {"NIRISS": {"jump": {"skip": True}}, "jump": {"skip": True}}}}, [A]).notices
    assert "config: variants: v: NIRISS: matches no exposure of this run" in notices


# --- CRDS ----------------------------------------------------------------------------------------------------


@pytest.fixture
def requests():
    def of(config, *exposures):
        plan = Plan(config, exposures)
        for one in exposures:
            one.path, one.digest = f"{one.root}_uncal.fits", "digest"
        made = ReferenceRequests(plan)
        return made, [made.of(one.root) for one in exposures]

    return of


def test_a_variant_that_needs_no_other_reference_asks_for_none(requests):
    _, (plain,) = requests({}, A)
    made, (asked,) = requests({"variants": {"v": {"jump": {"rejection_threshold": 3}}}}, A)
    assert asked == plain and len(made.terms) == 1


def test_a_variant_that_turns_a_step_on_asks_for_what_that_needs_once(requests):
    made, (asked,) = requests({"variants": {"v": {"ipc": {"skip": False}}, "w": {"ipc": {"skip": False}}}}, A)
    _, (plain,) = requests({}, A)
    assert len(asked["terms"]) == 3 and len(made.terms) == 3  # who says it is another one each time
    assert asked["decides"] != plain["decides"]
    assert made.of(A.root) == asked


# --- persistence that is handed on ---------------------------------------------------------------------------


def at(root, start):
    exposure = Exposure(root, "NIRCAM")
    exposure.detector, exposure.header = "NRCA1", {"EXPSTART": start}
    return exposure


CHAIN = {"persistence": {"chain": True}}


def test_what_the_exposure_before_hands_on_makes_a_variant_differ_too():
    a, b, c = at("a", 1.0), at("b", 2.0), at("c", 3.0)
    variants = {"v": {"a": {"persistence": {"flag_pers_cutoff": 9.0}}}}
    found = demand({"steps": CHAIN, "variants": variants}, a, b, c)
    first = [found.answers.own(branch_of(root, "v"))[:1] for root in "abc"]
    assert first == [["persistence"]] * 3
    assert found.answers.chained_after("b/variants/v") == "a/variants/v"
    assert found.answers.chained_after("b") == "a"


def test_a_variant_after_persistence_takes_what_the_exposure_takes():
    a, b = at("a", 1.0), at("b", 2.0)
    found = demand({"steps": CHAIN, "variants": {"v": {"jump": {"rejection_threshold": 3}}}}, a, b)
    assert found.answers.own("b/variants/v")[0] == "jump"
    assert found.answers.chained_after("b/variants/v") == "a"


def test_exposures_of_a_variant_that_are_linked_are_worked_on_together():
    a, b = at("a", 1.0), at("b", 2.0)
    steps = {"persistence": {"chain": True, "skip": True}}
    found = demand({"steps": steps, "variants": {"v": {"persistence": {"skip": False}}}}, a, b)
    assert found.answers.links() == {} and found.answers.all_links() == {"b": "a"}


def test_a_thousand_linked_exposures_are_no_matter():
    many = [at(f"e{number}", float(number)) for number in range(1500)]
    variants = {"v": {"e0": {"persistence": {"flag_pers_cutoff": 9.0}}}}
    found = demand({"steps": CHAIN, "variants": variants}, *many)
    assert found.answers.own("e1499/variants/v")[0] == "persistence"


def test_exposures_of_other_instruments_have_branches_of_their_own():
    found = demand({"variants": {"v": {"emicorr": {"skip": True}}}}, A, B, C)
    assert found.branches == [A.root, B.root, branch_of(B.root, "v"), C.root]
