import pytest

from rampflow.settings.configuration import steps
from rampflow.settings.product_names import split_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jw01_04101_00001-seg001_nis_uncal.fits", ("jw01_04101_00001-seg001_nis", "uncal")),
        ("jw01_nis_rate.fits", ("jw01_nis", "rate")),
        ("jw01_nis_rateints.FITS", ("jw01_nis", "rateints")),
        ("jw01_nis_dark_current.fits", ("jw01_nis", "dark_current")),
        ("jw01_nis_darkcurrentstep.fits", ("jw01_nis", "dark_current")),
        ("jw01_nis_gain_scaleints.fits", ("jw01_nis", "gain_scaleints")),
        ("jw01_nis_0_ramp_fit.fits", ("jw01_nis", "ramp_fit")),
        ("jw01_nis_1_rampfitstep.fits", ("jw01_nis", "ramp_fitints")),
        ("jw01_nis_odd.fits", ("jw01_nis_odd", "")),
        ("rate.fits", ("rate", "")),
    ],
)
def test_a_name_is_an_exposure_and_a_product(name, expected):
    assert split_name(f"some/folder/{name}") == expected


@pytest.mark.parametrize("step", steps())
def test_every_step_is_known_by_both_of_its_names(step):
    for suffix in (step, step.replace("_", "") + "step"):
        assert split_name(f"x_{suffix}.fits") == ("x", step)
