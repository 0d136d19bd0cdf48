import re

import pytest

from rampflow.inspection import drawings, words


def noise(lines, before, after, **amplifiers):
    return {"line_noise": {"amplifiers": amplifiers, "spectrum": {"lines": lines, "before": before, "after": after}}}


def points(path):
    return [tuple(map(float, pair.split())) for pair in path.removeprefix("M").split("L") if pair]


def test_a_spectrum_is_drawn_on_logarithmic_axes():
    counts = noise(8, [100.0, 10.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], **{"1": {"before": 3.0, "after": 1.0}})
    (drawn,) = drawings.spectra({"jump": {"events": {}}, "refpix": counts})
    assert drawn["title"] == "refpix: noise of lines" and "amplifier 1: 3 → 1 DN" in drawn["hint"]
    assert (drawn["left"], drawn["right"], drawn["low"], drawn["high"]) == (1 / 8, 1 / 2, 1.0, 100.0)
    # From the corner above to the middle; no power has no place on such an axis.
    assert points(drawn["before"]) == [(44, 12), (149, 69), (254, 126)]
    assert points(drawn["after"])[0] == (44, 126) and len(points(drawn["after"])) == 4


@pytest.mark.parametrize("counts", [noise(0, [], []), noise(0, [0.0], [0.0]), {}])
def test_without_powers_there_is_no_drawing(counts):
    assert list(drawings.spectra({"refpix": counts})) == []


def test_odd_spectra_are_drawn_all_the_same():
    for counts in (noise(0, [5.0], []), noise(2, [1e-300], [1e14]), noise(9, [2.0] * 5000, [])):
        (drawn,) = drawings.spectra({"refpix": counts})
        assert not re.search("nan|inf", drawn["before"] + drawn["after"])


def test_what_was_counted_is_said():
    counts = {
        "events": {"jumps": 3, "snowballs": 0},
        "groups": {"set": {"JUMP_DET": 5}, "cleared": {}},
        "pixels": {"set": {}, "cleared": {"DO_NOT_USE": 1}},
        "change": {"samples": 9, "mean": 1.0, "median": 1.25, "scatter": 0.5},
        "factor": 2.0,
        "waves": [{"name": "Hz390", "frequency": 390.625, "amplitude": 4.2}],
    } | noise(8, [], [], **{"1": {"before": 3.0, "after": 1.0}, "2": {"before": 5.0, "after": None}})
    assert words.told(counts) == (
        "3 jumps, +5 JUMP_DET (groups), −1 DO_NOT_USE (pixels), subtracted 1.25 ± 0.5 DN, multiplied with 2, "
        "noise of lines 3 → 1 DN, wave of 391 Hz, amplitude 4.2 DN"
    )
    assert words.told({"change": {"samples": 0, "mean": None, "median": None, "scatter": None}}) == ""
