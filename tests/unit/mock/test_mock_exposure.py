import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst import datamodels

from rampflow.mock import Effects, MockExposure, Rectangle, Scene, read_truth, write_exposure

SMALL = Rectangle(1, 1, 16, 12)
MODES = [
    ("NRCB1", "SHALLOW4", "NRC_IMAGE"),
    ("NRCALONG", "DEEP8", "NRC_WFSS"),
    ("NRCA2", "MEDIUM2", "NRC_CORON"),
    ("NRCB3", "RAPID", "NRC_TSIMAGE"),
    ("NRCALONG", "BRIGHT1", "NRC_TSGRISM"),
    ("NIS", "NIS", "NIS_IMAGE"),
    ("NIS", "NISRAPID", "NIS_SOSS"),
    ("NIS", "NISRAPID", "NIS_AMI"),
    ("NIS", "NIS", "NIS_WFSS"),
    ("NRS1", "NRS", "NRS_FIXEDSLIT"),
    ("NRS2", "NRS", "NRS_IFU"),
    ("NRS1", "NRSRAPID", "NRS_MSASPEC"),
    ("NRS2", "NRSRAPID", "NRS_BRIGHTOBJ"),
    ("MIRIMAGE", "FASTR1", "MIR_IMAGE"),
    ("MIRIFULONG", "SLOWR1", "MIR_MRS"),
    ("MIRIMAGE", "FAST", "MIR_LRS-FIXEDSLIT"),
    ("MIRIMAGE", "FASTR1", "MIR_LRS-SLITLESS"),
    ("GUIDER2", "FGSRAPID", "FGS_IMAGE"),
]


def keywords(exposure):
    return {keyword: value for keyword, _, value in exposure.header()}


@pytest.mark.parametrize(("detector", "readpatt", "exp_type"), MODES)
def test_the_header_is_valid_for_the_field_s_schema(detector, readpatt, exp_type):
    exposure = MockExposure(detector, readpatt, 3, 2, window=SMALL, exp_type=exp_type)
    with datamodels.Level1bModel(strict_validation=True) as model:
        for _, attribute, value in exposure.header():
            model[f"meta.{attribute}"] = value
        assert model.meta.exposure.type == exp_type
        assert model.meta.instrument.detector == detector


def test_names_follow_the_observatory_s_rule():
    exposure = MockExposure("NRCALONG", "RAPID", 2, 5, program=1234, observation=5, visit=6, activity=7, number=8)
    assert exposure.root == "jw01234005006_02107_00008_nrcalong"
    assert exposure.segments(3, 2)[1].root == "jw01234005006_02107_00008-seg002_nrcalong"


def test_group_and_integration_times_count_frames_gaps_and_resets():
    exposure = MockExposure("NRCB1", "MEDIUM8", 3, 2)
    assert list(exposure.frame_numbers(1)) == [11, 12, 13, 14, 15, 16, 17, 18]
    found = keywords(exposure)
    assert found["TGROUP"] == pytest.approx(10 * exposure.tframe)
    assert found["EFFINTTM"] == pytest.approx(28 * exposure.tframe)
    assert found["DURATION"] == pytest.approx(2 * 29 * exposure.tframe)
    assert np.diff(exposure.integration_starts())[0] * 86400 == pytest.approx(29 * exposure.tframe, rel=1e-5)


def test_dropped_frames_come_before_the_first_group():
    assert list(MockExposure("NIS", "NIS", 2, dropped_frames=3).frame_numbers(0)) == [4, 5, 6, 7]


def test_a_segment_says_which_integrations_it_holds():
    first, second = MockExposure("NIS", "NISRAPID", 2, 5).segments(3, 2)
    assert (keywords(first)["INTSTART"], keywords(first)["INTEND"]) == (1, 3)
    found = keywords(second)
    assert (found["INTSTART"], found["INTEND"], found["NINTS"], second.shape[0]) == (4, 5, 5, 2)
    assert "INTSTART" not in keywords(MockExposure("NIS", "NISRAPID", 2, 5))


def test_keywords_can_be_left_out():
    exposure = MockExposure("NIS", "NIS", 2, omit=("FRMDIVSR", "NOUTPUTS"))
    assert not {"FRMDIVSR", "NOUTPUTS"} & keywords(exposure).keys()
    with pytest.raises(ValueError, match=r"not written: \['GAIN'\]"):
        MockExposure("NIS", "NIS", 2, omit=("GAIN",)).header()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="do not add up to 5"):
        MockExposure("NIS", "NIS", 2, 5).segments(3, 3)
    with pytest.raises(ValueError, match="needs a segment number"):
        MockExposure("NIS", "NIS", 2, 5, first=2)
    with pytest.raises(ValueError, match=r"read with \(1,\) outputs, not 4"):
        MockExposure("NIS", "NIS", 2, subarray="SUB64", noutputs=4)
    with pytest.raises(ValueError, match="does not lie within"):
        MockExposure("NIS", "NIS", 2, window=Rectangle(2040, 1, 16, 12))


def test_a_changed_copy_works_out_the_rest_anew():
    exposure = MockExposure("NRCB1", "SHALLOW4", 2, 3, subarray="SUB64P")
    other = exposure.but(readpatt="RAPID", nints=7, subarray="FULL")
    assert (other.nframes, other.frame_divisor, other.last, other.noutputs) == (1, 1, 7, 4)
    assert other.window.xsize == 2048


def test_an_exposure_is_described_from_its_own_header():
    exposure = MockExposure("NRS2", "NRS", 4, 3, subarray="SUB512", effects=Effects())
    again = MockExposure.from_header(keywords(exposure), effects=Effects())
    assert again == exposure


def test_the_file_holds_what_the_schema_asks_for(tmp_path):
    exposure = MockExposure("NRCB1", "BRIGHT2", 3, 4, window=SMALL, zero_frame=True, scene=Scene(sky=5.0))
    path = write_exposure(exposure.segments(1, 3)[1], tmp_path, tmp_path)
    with datamodels.open(path) as model:
        assert type(model) is datamodels.Level1bModel
        assert model.data.shape == (3, 3, 12, 16)
        assert model.zeroframe.shape == (3, 12, 16)
        assert list(model.group["integration_number"]) == [2, 2, 2, 3, 3, 3, 4, 4, 4]
        assert list(model.int_times["integration_number"]) == [2, 3, 4]
        ends = model.int_times["int_end_MJD_UTC"] - model.int_times["int_start_MJD_UTC"]
        assert ends * 86400 == pytest.approx(6 * exposure.tframe, rel=1e-4)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "ZEROFRAME", "GROUP", "INT_TIMES", "ASDF"]
        assert hdus["SCI"].data.dtype == np.uint16


def test_extensions_can_be_left_out(tmp_path):
    exposure = MockExposure("NIS", "NISRAPID", 2, window=Rectangle(1, 1, 8, 6), lacks=("GROUP", "INT_TIMES", "ASDF"))
    path = write_exposure(exposure, tmp_path, tmp_path)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI"]


def test_miri_sends_a_reference_output_of_a_quarter_of_the_columns(tmp_path):
    path = write_exposure(MockExposure("MIRIMAGE", "FASTR1", 2, window=SMALL), tmp_path, tmp_path)
    with fits.open(path) as hdus:
        assert hdus["REFOUT"].data.shape == (1, 2, 12, 4)


def test_the_truth_file_gives_the_rates_back(tmp_path):
    scene = Scene(sky=3.0, trace=50.0, transit=0.1)
    exposure = MockExposure("NIS", "NISRAPID", 2, 9, window=Rectangle(101, 101, 16, 12), scene=scene)
    write_exposure(exposure, tmp_path, tmp_path)
    truth = read_truth(tmp_path / f"{exposure.root}_truth.fits")
    assert truth.rate(0).max() > 30
    assert truth.rate(0).min() == pytest.approx(3.0, abs=0.5)
    assert (truth.rate(4) - 3.0).max() == pytest.approx(0.9 * (truth.rate(0) - 3.0).max(), rel=1e-3)
    assert '"photon_noise": 0.0' in truth.effects
