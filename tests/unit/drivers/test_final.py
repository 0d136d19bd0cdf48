"""Count rates under their final names: the last step's product, or a copy of it."""

import shutil

import pytest
from astropy.io import fits

from rampflow.drivers import final
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec


@pytest.fixture
def spec(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["FILENAME"] = "one_ramp_fitints.fits"
    fits.HDUList([primary, fits.ImageHDU(name="SCI")]).writeto(tmp_path / "one_ramp_fitints.fits")
    return {
        "inputs": {"rateints": str(tmp_path / "one_ramp_fitints.fits")},
        "outputs": {"rateints": str(tmp_path / "one_rateints.fits")},
    }


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ({"more": {"apart": False}}, True),
        ({"more": {"apart": True}}, False),
        # Its record has a checksum, which it must not lose.
        ({"more": {"apart": False}, "checksums_of_all": True}, False),
        # The calibrated ramp says more than the product that it is made of.
        ({"skipped": {"persistence": "release 3.0"}}, False),
    ],
)
def test_rates_are_the_last_product_unless_that_is_kept_by_name(spec, tmp_path, more, same):
    Job(JobSpec("rate", **spec, **more)).work(final.run)
    assert (tmp_path / "one_rateints.fits").samefile(tmp_path / "one_ramp_fitints.fits") is same
    names = {
        path: fits.getheader(tmp_path / path)["FILENAME"] for path in ("one_ramp_fitints.fits", "one_rateints.fits")
    }
    assert names == {
        "one_ramp_fitints.fits": "one_rateints.fits" if same else "one_ramp_fitints.fits",
        "one_rateints.fits": "one_rateints.fits",
    }
    assert ("S_PERSIS" in fits.getheader(tmp_path / "one_rateints.fits")) is ("skipped" in more)


def test_one_of_two_is_a_copy(spec, tmp_path):
    for words in (spec["inputs"], spec["outputs"]):
        words["rate"] = words["rateints"].replace("ints", "")
    shutil.copy(spec["inputs"]["rateints"], spec["inputs"]["rate"])
    Job(JobSpec("rate", **spec, more={"apart": False})).work(final.run)
    assert (tmp_path / "one_rateints.fits").samefile(tmp_path / "one_ramp_fitints.fits")
    assert not (tmp_path / "one_rate.fits").samefile(tmp_path / "one_ramp_fit.fits")
