import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from rampflow.mock import PROGRAMMES, Effects, MockExposure, Programme, Rectangle, Scene, make, programme
from rampflow.mock.__main__ import main


def tiny():
    effects = Effects.nominal("MIRI")
    one = MockExposure(
        "MIRIMAGE",
        "FASTR1",
        3,
        2,
        window=Rectangle(1, 1, 16, 12),
        scene=Scene(sky=100.0),
        effects=effects,
        seed=5,
    )
    return Programme((one, one.but(number=2, seed=6)))


@pytest.mark.parametrize("name", PROGRAMMES)
def test_every_programme_has_exposures_of_different_names(name):
    roots = [exposure.root for exposure in programme(name).exposures]
    assert len(set(roots)) == len(roots) > 0


def test_the_benchmarks_have_the_agreed_shapes():
    shapes = {name: programme(name).exposures[0].shape for name in PROGRAMMES if name.startswith("bench")}
    assert shapes["bench-full"] == (2, 10, 2048, 2048)
    assert shapes["bench-tso"] == shapes["bench-twenty"] == (7, 6, 64, 2048)
    assert shapes["bench-long"] == (120, 5, 256, 2048)
    assert len({exposure.seed for exposure in programme("bench-twenty").exposures}) == 20


def test_making_a_programme_twice_gives_the_same_pixels(tmp_path):
    for name in ("one", "two"):
        make(tiny(), tmp_path / name)
    record = json.loads((tmp_path / "one/programme.json").read_text())
    assert record["context"] == "jwst_9001.pmap"
    assert (tmp_path / "one/crds/mappings/jwst/jwst_9001.pmap").exists()
    for entry in record["exposures"]:
        first, second = (fits.getdata(tmp_path / name / entry["uncal"]) for name in ("one", "two"))
        assert np.array_equal(first, second)
        assert (tmp_path / "one" / entry["truth"]).exists()
    pixels = [fits.getdata(tmp_path / "one" / entry["uncal"]) for entry in record["exposures"]]
    assert not np.array_equal(*pixels)


def test_progress_is_reported_file_by_file(tmp_path):
    lines = []
    make(tiny(), tmp_path, report=lines.append)
    assert sum("_uncal.fits" in line for line in lines) == 2
    assert any("jwst_miri_dark_9001.fits" in line for line in lines)


def test_an_unknown_programme_is_refused_with_the_known_ones(capsys, tmp_path):
    with pytest.raises(ValueError, match="no programme nothing; known: demo, bench-tiny, bench-full"):
        programme("nothing")
    with pytest.raises(SystemExit):
        main(["nothing", str(tmp_path)])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_an_exposure_can_have_a_file_with_flags_of_the_user(tmp_path):
    chosen = tiny()
    root = chosen.exposures[1].root
    record = make(replace(chosen, flagged=frozenset({root}), steps={root: {"jump": {"edge_size": 3}}}), tmp_path)
    path = record["steps"][root]["dq_init"]["user_supplied_dq"]
    flags = fits.getdata(path)
    assert flags.shape == (12, 16) and 0 < np.mean(flags & 1) < 0.1
    assert record["steps"][root]["jump"] == {"edge_size": 3}
    assert len(record["steps"]) == 1
