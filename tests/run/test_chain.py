"""The chain of persistence across exposures: three of one detector, one of another, with the workflow."""

import json
import re

import numpy as np
import pytest
from astropy.io import fits
from conftest import HOME, Run
from stdatamodels.jwst import datamodels

from rampflow.inspection import check
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, build_cache, read_truth, write_exposure

EFFECTS = Effects(read_noise=0.3, reset_noise=1, bias=1, saturation=1, persistence=10000)
BRIGHT, FAINT = Scene(sky=1.5e4, stars=8, brightest=2e4), Scene(sky=0.5)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Bright, then twice faint on NRCB1 (not in the order of names), and a faint exposure of NIS in between."""
    folder = tmp_path_factory.mktemp("field")
    for name in ("data", "truth"):
        (folder / name).mkdir()
    common = {"window": Rectangle(5, 5, 40, 32), "subarray": "SUB64P", "effects": EFFECTS}
    bright = MockExposure("NRCB1", "RAPID", 30, 2, number=3, scene=BRIGHT, start="2024-06-01T12:00:00.000", **common)
    start = {"number": 1, "start": "2024-06-01T12:01:00.000"}
    second = bright.but(scene=FAINT, after=(bright,), seed=2, **start)
    start = {"number": 2, "start": "2024-06-01T12:02:00.000"}
    third = bright.but(scene=FAINT, after=(bright, second), seed=3, nints=1, **start)
    other = MockExposure(
        "NIS", "NISRAPID", 5, window=Rectangle(5, 5, 40, 32), subarray="SUB64", scene=FAINT, effects=EFFECTS, seed=4,
        start="2024-06-01T12:01:30.000",
    )  # fmt: skip
    exposures = [bright, second, third, other]
    context = build_cache(folder / "crds", exposures, traps={"NRCB1"})
    for exposure in exposures:
        write_exposure(exposure, folder / "data", folder / "truth")
    crds = {"path": str(folder / "crds"), "context": context, "offline": True}
    return folder, exposures, {"exposures": str(folder / "data/*_uncal.fits"), "crds": crds}


@pytest.fixture(scope="module")
def chained(field, tmp_path_factory):
    folder, exposures, config = field
    run = Run(tmp_path_factory.mktemp("chained"), HOME, {**config, "steps": {"persistence": {"chain": True}}})
    run.said = run("--cores", "2")
    return run


def product(run, exposure, kind):
    return run.folder / "results" / exposure.root / f"{exposure.root}_{kind}.fits"


def error(run, field, number):
    """Pulls of the rate of an exposure: what is wrong with it, in standard deviations; without saturated pixels."""
    folder, exposures, _ = field
    truth = read_truth(folder / "truth" / f"{exposures[number].root}_truth.fits")
    with fits.open(product(run, exposures[number], "rate")) as rate:
        used = (rate["DQ"].data & 3 == 0) & (truth.bad == 0)
        pulls = (rate["SCI"].data - truth.rate(0)) / np.sqrt(rate["VAR_RNOISE"].data)
        return pulls[used]


def test_the_chain_brings_the_truth_back(chained, field, tmp_path):
    folder, exposures, config = field
    alone = Run(tmp_path, HOME, dict(config))
    alone("--cores", "2")
    for number in (1, 2):
        with_chain, without = error(chained, field, number), error(alone, field, number)
        assert np.mean(without) > 1
        assert abs(np.mean(with_chain)) < 0.3
        assert np.std(with_chain) < 1.2


def test_each_exposure_takes_what_the_one_before_it_in_time_has_left(chained, field):
    _, (bright, second, third, other), _ = field
    left = {}
    for exposure, before in ((bright, None), (second, bright), (third, second), (other, None)):
        folder = chained.folder / "results" / exposure.root
        left[exposure] = json.loads((folder / "carried/persistence.json").read_text())["file"]
        log = (folder / "logs/persistence.log").read_text()
        found = re.findall(r"from the exposure before: .*/(\S+)_trapsfilled.fits", log)
        assert found == ([before.root] if before else [])
    assert left[other] is None
    assert left[third] == f"../{third.root}_trapsfilled.fits"
    assert fits.getval(product(chained, other, "persistence"), "S_PERSIS") == "SKIPPED"
    assert fits.getval(product(chained, third, "persistence"), "S_PERSIS") == "COMPLETE"


def test_an_exposure_is_made_again_with_those_before_it_in_its_chain(chained, field, monkeypatch, capsys):
    _, (_, _, third, _), _ = field
    monkeypatch.chdir(chained.folder)
    assert check.main(["results", "--again", third.root]) == 0
    assert f"{third.root}: made again, bit for bit the same" in capsys.readouterr().out


def test_filled_traps_are_the_product_that_jwst_knows(chained, field):
    _, (bright, *_), _ = field
    with datamodels.open(product(chained, bright, "trapsfilled")) as model:
        assert type(model).__name__ == "TrapsFilledModel"
        assert model.data.shape == (3, 2048, 2048)
        assert model.meta.exposure.end_time > model.meta.exposure.start_time
        inside = model.data[:, 4:36, 4:44]
        assert (inside > 0).mean() > 0.9 and model.data.sum() == pytest.approx(inside.sum())


def test_a_finished_chain_has_nothing_to_do_and_what_changes_reruns_what_it_concerns(chained, field):
    _, (bright, second, third, _), _ = field

    def ran(**config):
        text = chained("--cores", "2", **config)
        return set(re.findall(r"rule persistence:\n(?:.+\n)*?.*wildcards: exposure=(\S+)", text))

    chain = {"persistence": {"chain": True}}
    assert chained.planned() == set()
    assert ran(steps={**chain, third.root: {"persistence": {"flag_pers_cutoff": 1.0}}}) == {third.root}
    # Without traps in the first, the others have to be made anew.
    assert ran(references={bright.root: {"persat": "N/A"}}) == {bright.root, second.root, third.root}
    assert chained.planned() == set()


def test_an_exposure_that_skips_the_step_leaves_the_chain_intact(field, tmp_path):
    folder, (bright, second, third, _), config = field
    run = Run(
        tmp_path,
        HOME,
        {**config, "steps": {"persistence": {"chain": True}, second.root: {"persistence": {"skip": True}}}},
    )
    run("--cores", "2")
    log = (tmp_path / "results" / third.root / "logs/persistence.log").read_text()
    assert f"{bright.root}_trapsfilled.fits" in log
    assert abs(np.mean(error(run, field, 2))) < 0.5


def test_windows_are_handed_on_and_what_was_subtracted_is_written(field, tmp_path):
    folder, (bright, second, third, other), config = field
    window = {"algorithm": "window", "persistence_time": 100, "dn_threshold": 8e3}
    steps = {"persistence": {"skip": False, "chain": True, **window}}
    run = Run(tmp_path, HOME, {**config, "release": "3.0", "steps": steps})
    run("--cores", "2")
    made = [product(run, exposure, "persistence") for exposure in (bright, second, third)]
    flags = [(fits.getdata(path, "GROUPDQ") & 32 > 0).any((0, 1)) for path in made]
    bright_pixels = (fits.getdata(product(run, bright, "jump"), "SCI") > 8e3).any((0, 1))
    assert 0 < bright_pixels.mean() < 1
    assert np.array_equal(flags[0], bright_pixels) and np.array_equal(flags[1], bright_pixels)
    assert not flags[2].any()
    traps = Run(tmp_path, HOME, {**config, "steps": {"persistence": {"save_persistence": True}}, "results": "traps"})
    traps("--cores", "2")
    folder = tmp_path / "traps" / bright.root
    amount = fits.getdata(folder / f"{bright.root}_output_pers.fits", "SCI")
    before, after = (
        fits.getdata(folder / f"{bright.root}_{step}.fits", "SCI") for step in ("linearity", "persistence")
    )
    np.testing.assert_allclose(before - amount, after, rtol=1e-6)  # the subtraction is in double precision
