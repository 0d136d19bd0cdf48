"""The errors of the count rates are those of their scatter: a reduced version of ``benchmarks/pulls.py``."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from pulls import FITS, pulls

SHAPE = (2, 60, 50)


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("electrons", [30.0, 3e3, 1e5])
@pytest.mark.parametrize(("ngroups", "jump"), [(2, None), (3, None), (5, None), (10, None), (50, None), (10, 4)])
def test_pulls_have_a_mean_of_0_and_a_width_of_1(name, electrons, ngroups, jump):
    if name == "LIKELY" and ngroups < 4:
        pytest.skip("LIKELY needs four groups")
    for found in pulls(name, ngroups, electrons, shape=SHAPE, jump=jump).values():
        chance = 4 / np.sqrt(found.number)
        assert abs(found.bias) < chance
        # A low rate has a small error, since the photon noise is that of the rate itself: up to 0.1 with 30 electrons.
        assert -0.1 - chance < found.mean < 0.02 + chance
        # The weights of OLS_C are a few per cent from the best ones, and its errors as much too small.
        assert found.width == pytest.approx(1, abs=(0.03 if name == "LIKELY" else 0.1) + chance)
