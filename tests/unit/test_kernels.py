import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numba import float64, int64

from rampflow import kernels
from rampflow.kernels import F64_1, F64_1R, I64_1, fields, kernel


class Pair(NamedTuple):
    values: np.ndarray
    places: np.ndarray


@kernel(float64(fields(Pair, F64_1, I64_1), int64))
def value_at(pair, k):
    return pair.values[pair.places[k]]


@kernel([float64(F64_1R), int64(I64_1)])
def ratio(values):
    return values[0] / values[1]


def test_arrays_that_belong_together_go_by_name():
    assert value_at(Pair(np.array([3.0, 5.0]), np.array([1, 0])), 0) == 5


def test_named_tuples_have_just_the_fields_that_are_said():
    with pytest.raises(TypeError, match="No matching definition"):
        value_at(Pair(np.array([3.0, 5.0], np.float32), np.array([1, 0])), 0)


def test_one_kernel_may_have_several_signatures_and_divides_by_zero_as_numpy_does():
    values = np.array([1.0, 0.0])
    values.setflags(write=False)
    assert ratio(values) == np.inf
    assert ratio(np.array([6, 3])) == 2


def test_what_else_was_imported_makes_no_difference():
    for name in ("superbias", "lastframe"):
        importlib.import_module(f"rampflow.steps.{name}")
    under = kernels.modules_under("rampflow.steps.superbias")
    assert {"rampflow.steps.superbias", "rampflow.steps"} <= under
    assert "rampflow.steps.lastframe" not in under


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_has_changed(tmp_path):
    package = tmp_path / "rampflow"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copytree(Path(kernels.__file__).parent, package / "kernels")
    inner = "from numba import float64\nfrom rampflow.kernels import kernel\n"
    inner += "@kernel(float64(float64))\ndef inner(x):\n    return {} * x\n"
    (package / "outer.py").write_text(
        "from numba import float64\nfrom rampflow.kernels import kernel\nfrom rampflow.inner import inner\n"
        "@kernel(float64(float64))\ndef outer(x):\n    return inner(x) + 1\n"
    )
    show = "from rampflow.outer import outer; print(outer(10.0), sum(outer.stats.cache_hits.values()))"
    shown = []
    for factor in (2, 2, 3):
        (package / "inner.py").write_text(inner.format(factor))
        done = subprocess.run([sys.executable, "-c", show], cwd=tmp_path, capture_output=True, text=True, check=True)
        shown.append(done.stdout.split())
    assert shown == [["21.0", "0"], ["21.0", "1"], ["31.0", "0"]]
