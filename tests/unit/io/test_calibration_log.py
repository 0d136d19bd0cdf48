"""The log that jwst keeps in its products: parameters of pipelines and steps, as text."""

import textwrap

import numpy as np
import pytest
import yaml
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.io.calibration_log import logged_parameters
from rampflow.io.files import Product

PIPELINE = """\
2026-11-30T17:14:10.714 - stpipe - INFO - Step Detector1Pipeline parameters are:
  pre_hooks: []
  skip: False
  steps:
    jump:
      rejection_threshold: 5.5
      maximum_cores: '1'
    ramp_fit:
      firstgroup: None
"""
READ = {
    "pre_hooks": [],
    "skip": "False",
    "steps": {"jump": {"rejection_threshold": "5.5", "maximum_cores": "1"}, "ramp_fit": {"firstgroup": "None"}},
}


@pytest.fixture
def product(tmp_path):
    """Write a product with a tree, YAML as text; open it."""

    def write(tree):
        parts = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2), np.float32), name="SCI")]
        if tree is not None:
            content = f"#ASDF 1.0.0\n%YAML 1.1\n--- !core/asdf-1.1.0\n{tree}...\n".encode() + b"\xd3BLK\n...\n"
            column = fits.Column(
                "ASDF_METADATA", f"{len(content)}B", array=np.frombuffer(content, np.uint8)[np.newaxis]
            )
            parts.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
        fits.HDUList(parts).writeto(tmp_path / "x_rate.fits")
        return Product(tmp_path / "x_rate.fits")

    return write


@pytest.mark.parametrize("style", [None, '"', "'", "|"])
@pytest.mark.parametrize("before", ["one line", "a text of\ntwo lines\n\nand one more", "cal_logs: nothing\nmeta:\n"])
def test_parameters_are_read_however_the_log_is_written(product, style, before):
    entries = yaml.safe_dump([before, PIPELINE, before], default_style=style, width=70)
    tree = "cal_logs:\n  calwebb_detector1:\n" + textwrap.indent(entries, "  ")
    with product(f"asdf_library: !core/software-1.0.0 {{name: asdf}}\n{tree}meta:\n  x: !unknown {{a: 1}}\n") as found:
        assert logged_parameters(found) == [("Detector1Pipeline", READ)]


def test_steps_and_pipelines_come_in_the_order_in_which_they_ran(product):
    logs = {"jump": ["t - Step jump parameters are:\n  skip: False"], "calwebb_detector1": [PIPELINE]}
    with product(yaml.safe_dump({"cal_logs": logs}, sort_keys=False)) as found:
        assert logged_parameters(found) == [("jump", {"skip": "False"}), ("Detector1Pipeline", READ)]


@pytest.mark.parametrize("tree", [None, "meta: {x: 1}\n", "cal_logs: {}\n", "other:\n  cal_logs: {a: [b]}\n"])
def test_where_there_is_no_log_nothing_is_known(product, tree):
    with product(tree) as found:
        assert logged_parameters(found) == []


@pytest.mark.parametrize("tree", ["cal_logs: [", "cal_logs: text\n", "cal_logs: {a: [[b]]}\n", "cal_logs: [a, b]\n"])
def test_a_log_of_another_form_is_refused_in_a_line(product, tree):
    with product(tree) as found, pytest.raises(FileProblem, match=r"x_rate.fits: its log, cal_logs, cannot be read"):
        logged_parameters(found)
