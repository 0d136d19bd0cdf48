"""Count rates under their final names: the last step's product, or a copy of it."""

import pytest
from astropy.io import fits

from rampflow.drivers import final
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec


@pytest.fixture
def spec(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["FILENAME"] = "one_ramp_fit.fits"
    fits.HDUList([primary, fits.ImageHDU(name="SCI")]).writeto(tmp_path / "one_ramp_fit.fits")
    return {
        "inputs": {"rate": str(tmp_path / "one_ramp_fit.fits")},
        "outputs": {"rate": str(tmp_path / "one_rate.fits")},
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
    assert (tmp_path / "one_rate.fits").samefile(tmp_path / "one_ramp_fit.fits") is same
    names = {path: fits.getheader(tmp_path / path)["FILENAME"] for path in ("one_ramp_fit.fits", "one_rate.fits")}
    assert names == {
        "one_ramp_fit.fits": "one_rate.fits" if same else "one_ramp_fit.fits",
        "one_rate.fits": "one_rate.fits",
    }
    assert ("S_PERSIS" in fits.getheader(tmp_path / "one_rate.fits")) is ("skipped" in more)
